"""``eomsym derive``: the contract of its formats."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sympy
from forms import EVERY
from sympy.parsing.sympy_parser import parse_expr

import eomsym
from eomsym.trees import parse_tree, rooted_trees

#: Those whose terms are plain trees, by what their JSON says.
PLAIN = [name for name in EVERY if eomsym.derive(name, order=0).plain]
ROOT = Path(__file__).parents[2]

# Theory page, section 1: the first counter terms of gradient descent, as SymPy lines.
FIRST_TERMS = {
    "gradient_coefficient": "1",
    "xi_0": "g1(g)/2",
    "xi_1": "g1(g1(g))/3 + g2(g, g)/12",
    "xi_2": "g1(g1(g1(g)))/4 + g1(g2(g, g))/12 + g2(g, g1(g))/12",
}


@pytest.mark.parametrize("name", ["heavy-ball", "adam", "gradient-descent"])
def test_conditions_stand_beside_the_terms_and_not_in_them(run, name):
    limits = EVERY[name].limits
    result = run("derive", name, "--order", "0")
    assert result.err == (f"eomsym: {name}: {limits}\n" if limits else "")
    assert run("derive", name, "--order", "0", "--quiet").err == ""
    assert run("derive", name, "--order", "0", "--json").err == ""


def test_json_keys_and_values(run):
    result = run("derive", "--order", "2", "--format", "json")
    assert (result.status, result.err) == (0, "")
    assert result.out.count("\n") == 1
    assert result.json == {
        "optimizer": "gradient-descent",
        "parameters": {},
        "order": 2,
        "gradient_coefficient": "1",
        "counterterms": [
            {"index": 0, "terms": [{"tree": "[[]]", "symmetry": 1, "coefficient": "1/2"}]},
            {
                "index": 1,
                "terms": [
                    {"tree": "[[[]]]", "symmetry": 1, "coefficient": "1/3"},
                    {"tree": "[[],[]]", "symmetry": 2, "coefficient": "1/12"},
                ],
            },
        ],
    }


def test_json_lists_every_tree_with_zeros(run):
    counterterms = run("derive", "--order", "4", "--format", "json").json["counterterms"]
    for index, entry in enumerate(counterterms):
        assert entry["index"] == index
        assert [parse_tree(term["tree"]) for term in entry["terms"]] == list(rooted_trees(index + 2))
    assert counterterms[2]["terms"][-1] == {"tree": "[[],[],[]]", "symmetry": 6, "coefficient": "0"}


#: The fast tests see the forms of two methods to the whole order, what differs between methods in the first terms.
LONG = pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["first", "whole"])
SHOWN = "gradient-descent", "heavy-ball"


@LONG
@pytest.mark.parametrize("name", EVERY)
def test_text_and_latex_are_those_of_the_library(run, name, whole):
    # Symbols for all of AdamW's parameters take half a minute at order 3.
    order = "3" if name in (PLAIN if whole else SHOWN) else "1"
    counterterms = eomsym.derive(name, order=int(order))
    assert run("derive", name, "--order", order).out == counterterms.text() + "\n"
    assert run("derive", name, "--order", order, "--format", "latex").out == counterterms.latex() + "\n"
    assert run("derive", name, "--order", order, "--format", "json").out == counterterms.to_json() + "\n"


def test_defaults_are_gradient_descent_and_text(run):
    assert run("derive").out == run("derive", "gd", "--order", "2", "--format", "text").out


def test_order_zero_is_gradient_flow(run):
    assert run("derive", "--order", "0", "--format", "json").json["counterterms"] == []
    assert run("derive", "--order", "0", "--format", "sympy").out == "gradient_coefficient = 1\n"


def test_sympy_lines(run):
    lines = run("derive", "--order", "3", "--format", "sympy").out.splitlines()
    assert dict(line.split(" = ") for line in lines) == FIRST_TERMS


@LONG
@pytest.mark.parametrize("name", PLAIN)
def test_sympy_lines_carry_the_exact_coefficients(run, name, whole):
    """Reading the lines back and picking out each elementary differential gives the coefficients of the JSON."""
    symbols = {parameter.name: sympy.Symbol(parameter.name) for parameter in EVERY[name].parameters}
    symbols |= {parameter.symbol: sympy.Symbol(parameter.symbol) for parameter in EVERY[name].parameters}
    order = 4 if whole or name in SHOWN else 2
    lines = run("derive", name, "--order", str(order), "--format", "sympy").out.splitlines()
    record = run("derive", name, "--order", str(order), "--format", "json").json
    assert len(lines) == order + 1
    for line, entry in zip(lines[1:], record["counterterms"], strict=True):
        left, right = line.split(" = ")
        assert left == f"xi_{entry['index']}"
        expected = sum(
            parse_expr(term["coefficient"], local_dict=symbols) * _differential(parse_tree(term["tree"]))
            for term in entry["terms"]
        )
        assert sympy.simplify(parse_expr(right, local_dict=symbols) - expected) == 0


def _differential(tree):
    if not tree.children:
        return sympy.Symbol("g")
    return sympy.Function(f"g{len(tree.children)}")(*(_differential(child) for child in reversed(tree.children)))


@pytest.mark.parametrize("command", [["derive"], ["optimizers"]], ids=" ".join)
def test_a_reader_that_has_left_ends_it_quietly(command):
    read_end, write_end = os.pipe()
    os.close(read_end)
    arguments = [sys.executable, "-m", "eomsym", *command]
    done = subprocess.run(arguments, cwd=ROOT, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_without_unicode_gets_escapes(run_process):
    result = run_process("derive", "--order", "1", PYTHONIOENCODING="ascii")
    assert result.status == 0
    assert r"\u03be_0 = 1/2 g'g" in result.out


def test_a_library_s_name_gives_the_parameters_itself(run):
    text = "torch.SGD(momentum=1/3, nesterov=True)"
    assert run("derive", text, "--order", "2").out == eomsym.derive(text, order=2).text() + "\n"
    assert run("derive", text, "--format", "json").json["parameters"] == {"beta": "1/3"}
    for arguments, reason in (
        ((text, "--set", "beta=1/2"), "beta: 'torch.SGD(momentum=1/3, nesterov=True)' gives all parameters itself"),
        (("torch.SGD(lr=0.1)",), "torch.SGD: lr is the step size, which is given as eta; leave it out here"),
        (("torch.Adamax()",), "torch.Adamax: is no rule of eomsym"),
        (("lion",), "optimizer 'lion': is no rule of eomsym, since the sign of g jumps"),
        (("soap",), "choose another optimizer, such as shampoo"),
        (("adam", "--set", "clip_value=1"), "clip_value: clipping by value has a kink in each entry of g"),
        (("torch.NAdam()",), "it can be stepped but not derived"),
    ):
        refused = run("derive", *arguments)
        assert (refused.status, refused.out) == (2, "")
        assert reason in refused.err
        assert refused.err.count("\n") == 1


def test_the_start_is_shown_and_is_in_the_json(run):
    """design.md §4: ``derive heavy-ball --order 2 --start``."""
    found = eomsym.derive("heavy-ball", 2, start=True)
    assert run("derive", "heavy-ball", "--order", "2", "--start").out == found.text() + "\n"
    start = run("derive", "heavy-ball", "--order", "2", "--start", "--format", "json").json["start"]
    assert [entry["index"] for entry in start] == [1, 2]
    assert start[0]["terms"] == [{"tree": "[]", "symmetry": 1, "coefficient": "beta/(1 - beta)**2"}]
    assert run("derive", "--start").out.endswith("θ̂_0 = θ_0\n")


def test_a_start_without_terms_is_refused_in_one_line(run):
    for words, message in (
        (("adam", "--start"), "start: adam has componentwise functions"),
        (("heavy-ball", "--order", "9", "--start"), "order 9: out of range"),
        (("--start", "--loss", "x**2", "--variables", "x"), "--start: is given on trees; leave --loss"),
    ):
        result = run("derive", *words)
        assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
        assert message in result.err


def test_noise_prints_the_generator(run):
    generator = eomsym.modified_generator(2)
    assert run("derive", "gradient-descent", "--noise", "--order", "2").out == generator.text() + "\n"
    assert run("derive", "sgd", "--noise", "--order", "1").out == eomsym.modified_generator(1).text() + "\n"
    assert run("derive", "--noise", "--format", "latex").out == generator.latex() + "\n"
    assert run("derive", "--noise", "--format", "json").json == generator.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--order", "5"], "--order 5: out of range, it is derived to order 4; give"),
        (["--format", "sympy"], "--format sympy: a generator is printed as text, latex or json"),
        (["--start"], "--noise, --start: do not go together"),
        (["--state", "whole"], "--noise, --state: do not go together"),
        (["--loss", "x**2", "--variables", "x"], "--noise, --loss: do not go together"),
        (["--set", "beta=1/2"], "--noise, --set: do not go together"),
    ],
)
def test_noise_with_what_it_does_not_go_with(run, arguments, message):
    result = run("derive", "--noise", *arguments)
    assert (result.status, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_noise_is_refused_for_rules_without_a_memory(run):
    result = run("derive", "extragradient", "--noise")
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "noise: the generator is derived for gradient-descent and rules with a memory" in result.err


def test_noise_of_a_rule_with_memory_goes_to_its_highest_order(run):
    for words, name, order in (("heavy-ball", "heavy-ball", 2), ("torch.Adam()", "torch.Adam()", 1)):
        equation = eomsym.derive(name, order, noise=True)
        assert run("derive", words, "--noise").out == equation.text() + "\n"
        assert run("derive", words, "--noise", "--format", "sympy").out == equation.sympy_lines() + "\n"
        assert run("derive", words, "--noise", "--format", "latex").out == equation.latex() + "\n"
        assert run("derive", words, "--noise", "--format", "json").json == equation.to_dict()
    assert "v v: D₂ = 3/2 Σ" in run("derive", "heavy-ball", "--noise", "--set", "gamma=3/2").out
    result = run("derive", "adam", "--noise", "--order", "2")
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert "--order 2: out of range, adam is derived to order 1 with noise" in result.err
