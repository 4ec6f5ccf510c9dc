"""Formulas on paper: nothing is lost or changed where lines break, no line has too many terms, and TeX takes it."""

import re
import shutil
import subprocess
from fractions import Fraction

import numpy as np
import pytest
import sympy
from forms import EVERY
from latex_numbers import evaluate

from eomsym import optimizers
from eomsym.derivation import derive, modified_generator
from eomsym.derivation.closed_forms import closed_form
from eomsym.errors import InputError
from eomsym.models import ExpressionLoss
from eomsym.notation.typesetting import TERMS, aligned, document
from eomsym.optimizers.latex import rule_latex
from eomsym.optimizers.tracing import trace

NAMES = [name for name, entry in EVERY.items() if not entry.numeric_only]
RANDOM = np.random.default_rng(0).uniform(0.2, 0.8, 200).tolist()


def rows(block):
    return block.splitlines()[1:-1]


def formulas():
    yield from ((name, derive(name, order=2)) for name in NAMES)
    yield from ((f"{name}, whole", derive(name, order=2, state="whole")) for name in ("heavy-ball", "adam", "rmsprop"))
    yield "start", derive("nesterov", order=3, start=True)
    yield "schedule", derive("heavy-ball", order=2, schedule=("eta", "beta"))
    yield "generator", modified_generator(3)
    yield "closed", closed_form(ExpressionLoss("exp(x)*y**2", ["x", "y"]), 1)
    yield "own values", derive("adam", order=2, beta1="9/10", beta2="999/1000", epsilon="1e-8")


@pytest.fixture(scope="module")
def every_formula():
    return dict(formulas())


@pytest.fixture(scope="module")
def every_set(every_formula):
    """All equations of each, in the order in which they are set."""
    return {name: [*formula.equations(), *formula.where()] for name, formula in every_formula.items()}


@pytest.mark.parametrize("terms", [1, TERMS])
def test_no_line_has_more_terms(every_set, terms):
    for name, equations in every_set.items():
        for row in rows(aligned(equations, terms)):
            assert row.isascii()
            right = row.split("&", 1)[1].removeprefix(r"\quad {}").removeprefix("= ")
            count = len(re.findall(r" [+-] ", outside(right)))
            assert count < terms, f"{name}: {row}"


def outside(row):
    """What stands in no group and no brackets."""
    row = re.sub(r"\\big[lr][()]", "", row)
    while (shorter := re.sub(r"\{[^{}]*\}|\[[^\[\]]*\]|\([^()]*\)", "", row)) != row:
        row = shorter
    return row


def test_a_sign_at_the_beginning_of_a_line_keeps_its_space():
    assert rows(aligned([("x", r"a + b - \frac{c + d}{e} + f")])) == [
        r"x &= a + b \\",
        r"&\quad {}- \frac{c + d}{e} + f",
    ]
    assert rows(aligned([("", r"\bigl(a + b\bigr) + (c + d)")], 1)) == [
        r"& \bigl(a \\",
        r"&\quad {}+ b\bigr) \\",
        r"&\quad {}+ (c + d)",
    ]


def test_a_line_with_few_terms_is_not_broken():
    equations = derive("gradient-descent", order=1).equations()
    assert rows(aligned(equations, 1000)) == rows(aligned(equations))
    assert len(rows(derive("adam", order=2).latex(1000))) < len(rows(derive("adam", order=2).latex()))


def unbroken(block):
    """Equations of a block by their left sides."""
    found = {}
    for row in rows(block):
        left, right = row.removesuffix(r" \\").split("&", 1)
        if left.strip():
            last = left.strip()
            found[last] = right.removeprefix("= ")
        elif right.startswith(r"\quad"):
            found[last] += right
        else:
            last = right
            found[last] = ""
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("terms", [1, TERMS])
def test_broken_lines_have_the_value_of_the_lines_for_sympy(name, terms, every_formula, every_set):
    """In one dimension, where derivatives of g are numbers: signs, coefficients, powers and brackets all count."""
    formula = every_formula[name]
    lines = dict(line.split(" = ", 1) for line in formula.sympy_lines().splitlines())
    numbers = iter(RANDOM)
    exact, latex = {}, {}
    for parameter in EVERY[name].parameters:
        exact[parameter.name] = next(numbers)
        latex[_latex_name(parameter.name)] = exact[parameter.name]
    several = len(EVERY[name].fields(**formula.parameters)) > 1
    for field in range(1, 7) if several else (0,):
        index, mark = (f"_{{{field}}}", f"_{field}") if field else ("", "")
        values = [next(numbers) for _ in range(4)]
        latex |= {f"g{index}": values[0], f"H{index}": values[1]}
        exact[f"g{mark}"] = values[0]
        for count in range(1, 4):
            latex[rf"\nabla^{{{count}}}g{index}"] = values[count]
            exact[f"g{mark}{'_' if field else ''}{count}"] = lambda *along, value=values[count]: value * np.prod(along)
    exact["theta"] = latex[r"\theta"] = next(numbers)
    block = unbroken(aligned(every_set[name], terms))
    for function in ("r", "q"):
        if function in lines:
            exact[function] = float(eval(lines[function], {"sqrt": np.sqrt}, exact))
            latex[function] = evaluate(block[function], latex)
            assert latex[function] == pytest.approx(exact[function], rel=1e-13)
    for k in range(2):
        expected = float(eval(lines[f"xi_{k}"], {}, exact))
        assert evaluate(block[rf"\xi_{{{k}}}"], latex) == pytest.approx(expected, rel=1e-12), k
        if expected:
            other = {key: value * 1.01 if key.startswith("H") or key == "g" else value for key, value in latex.items()}
            assert evaluate(block[rf"\xi_{{{k}}}"], other) != pytest.approx(expected, rel=1e-12)


def _latex_name(name):
    found = sympy.latex(sympy.Symbol(name))
    return rf"\mathrm{{{name}}}" if found == name and len(name) > 1 else found


@pytest.mark.parametrize("name", [*NAMES, "torch.SGD(momentum=1/2, dampening=1/4, nesterov=False)"])
def test_the_update_rule_that_is_printed_is_the_step_that_is_run(name):
    """Number for number, with a gradient that is no polynomial."""
    entry, given = optimizers.chosen(name, {})
    parameters = {key: Fraction(value) for key, value in entry.complete(given).items()}
    parameters |= {p.name: Fraction(3, 8) for p in entry.parameters if p.kind != "count" and p.name not in given}
    fields = len(entry.fields(**parameters))
    rule = trace(entry.step, 1 + len(entry.memory), parameters)
    equations = rule_latex(rule, entry.memory, fields)
    state = [np.array([value]) for value in RANDOM[: 1 + len(entry.memory)]]

    def gradient(point, field=0):
        return np.sin(point + field)

    values = {rf"g_{{{k + 1}}}" if fields > 1 else "g": (lambda x, k=k: np.sin(x + k)) for k in range(fields)}
    values[r"\eta"] = 0.1
    names = [left.removesuffix("^{+}") for left, _ in equations if left.endswith("^{+}")]
    values |= dict(zip(names, (float(part[0]) for part in state), strict=True))
    values |= {left: 0.0 for left, _ in equations if left.startswith("y_")}
    for _ in range(40 if rule.stages else 1):  # what is implicit contracts
        values |= {left: evaluate(right, values) for left, right in equations if left.startswith("y_")}
    for left, right in equations:
        if left.startswith("k_"):
            values[left] = evaluate(right, values)
    expected = entry.step(gradient, tuple(state), 0.1, **{key: float(value) for key, value in parameters.items()})
    for name_of, value in zip(names, expected, strict=True):
        found = evaluate(dict(equations)[f"{name_of}^{{+}}"], values)
        assert found == pytest.approx(float(value[0]), rel=1e-13)
        assert found != pytest.approx(values[name_of], rel=1e-6)  # it moved


def test_implicit_steps_name_their_stages():
    found = dict(derive("implicit-euler", order=1).where())
    assert found["y_{1}"] == r"\theta - \eta \, g\left(y_{1}\right)"
    assert found[r"\theta^{+}"] == r"\theta - \eta \, g\left(y_{1}\right)"


def test_every_symbol_is_defined(every_set):
    """Letters of the equations and of the rule stand on a left side, or in the words."""
    for name in NAMES:
        equations = every_set[name]
        words = " ".join(right for left, right in equations if not left)
        known = " ".join(left for left, _ in equations) + words
        for letter in re.findall(r"\\[a-zA-Z]+|[a-zA-Z]", re.sub(r"\\text\{.*", "", " ".join(e[1] for e in equations))):
            if letter not in IGNORED:
                assert letter in known, f"{name}: {letter}"


#: Commands that are no symbols, and the letters of players and of a word.
IGNORED = {*(f"\\{word}" for word in ("frac", "tfrac", "left", "right", "sqrt", "nabla", "text", "mathrm")), *"xydecay"}


@pytest.mark.parametrize("terms", [0, -1, 2.5, True, "3"])
def test_a_number_of_terms_that_is_none_is_refused(terms):
    with pytest.raises(InputError, match=r"terms .*give .*integer.* at least 1|terms .*give one of at least 1"):
        derive(order=1).latex(terms)
    with pytest.raises(InputError, match="terms"):
        derive(order=1).document(terms)


def tex(folder, source):
    """What pdflatex says."""
    (folder / "formula.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "formula.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no TeX")


@needs_tex
def test_all_documents_compile(every_set, tmp_path):
    assert "Overfull" not in tex(tmp_path, derive("gradient-descent", order=4).document())
    head, end = document("", [("x", "1")]).split("\\section")[0], r"\end{document}"
    bodies = (document(name, equations).removeprefix(head).removesuffix(end) for name, equations in every_set.items())
    tex(tmp_path, "\n".join([head, *bodies, end]))
