"""``generate loss`` and ``derive --loss, --field``: what they print, and what they refuse."""

import json

import pytest
import sympy
from counting import at_most

import eomsym

ROSENBROCK = "(1-x)**2 + 100*(y-x**2)**2"


def test_generate_loss_prints_the_path_of_a_kernel_that_loads(run, tmp_path):
    result = run("generate", "loss", ROSENBROCK, "--variables", "x,y", "--order", "2", "--output", "kernels")
    assert (result.status, result.err) == (0, "")
    kernel = eomsym.load(tmp_path / result.out.strip())
    assert (kernel.order, kernel.model.variables, kernel.model.expression) == (2, ("x", "y"), ROSENBROCK)


def test_generate_a_field_with_parameters(run, tmp_path):
    arguments = ("--variables", "x,y", "--parameters", "a", "--order", "1", "--field", "--output", "kernels")
    kernel = eomsym.load(tmp_path / run("generate", "loss", "x*(a-y); y*(x-a)", *arguments).out.strip())
    assert kernel.model.expressions == ("x*(a-y)", "y*(x-a)")


def test_derive_a_loss(run):
    assert run("derive", "--loss", "a*x**2/2", "--variables", "x", "--parameters", "a", "--order", "2").out == (
        "g = a*x\nξ_0 = a**2*x/2\nξ_1 = a**3*x/3\n"
    )
    lines = run("derive", "--loss", ROSENBROCK, "--variables", "x,y", "--format", "sympy").out.splitlines()
    names = [line.split(" = ")[0] for line in lines]
    assert names == ["g", "xi_0", "xi_1"]
    x, y = sympy.symbols("x y")
    columns = eomsym.derive(order=2).to_sympy((1 - x) ** 2 + 100 * (y - x**2) ** 2, [x, y])
    assert sympy.parse_expr(lines[1].split(" = ")[1]) == list(columns[1])
    assert "\\xi_0 &= " in run("derive", "--loss", "x**2", "--variables", "x", "--format", "latex").out


def test_derive_a_field(run):
    result = run("derive", "--field", "y**2", "--variables", "y", "--order", "16", "--format", "json")
    record = json.loads(result.out)
    assert record["modified_equation"][4] == {"power": 4, "components": ["31*y**6/6"]}
    assert len(record["modified_equation"]) == 17
    assert run("derive", "--field", "y**2", "--variables", "y", "--order", "1").out == "f_0 = y**2\nf_1 = -y**3\n"


BAD = [
    (
        ("generate", "loss", "__import__('os').system('touch broken')", "--variables", "x", "--order", "1"),
        "not allowed",
    ),
    (("generate", "loss", "x.y", "--variables", "x", "--order", "1"), "attribute"),
    (("generate", "loss", "10**10**10*x", "--variables", "x", "--order", "1"), "too large"),
    (("generate", "loss", "(x", "--variables", "x", "--order", "1"), "never closed"),
    (("generate", "loss", "x+" * 50_000 + "x", "--variables", "x", "--order", "1"), "100001 characters"),
    (("generate", "loss", "lambda", "--variables", "lambda", "--order", "1"), "'lambda'"),
    (("generate", "loss", "numba", "--variables", "numba", "--order", "1"), "'numba'"),
    (("generate", "loss", "x", "--variables", "x;y", "--order", "1"), "x,y"),
    (("generate", "loss", "x", "--variables", "x", "--order", "17"), "0 to 16"),
    (("generate", "loss", "x", "--variables", "x,y", "--order", "1", "--field"), "1 expressions for 2"),
    (("generate", "loss", "x", "--order", "1"), "'--variables'"),
    (("derive", "--loss", "x"), "--variables"),
    (("derive", "--variables", "x"), "--loss"),
    (("derive", "--loss", "x", "--field", "x", "--variables", "x"), "one of them"),
    (("derive", "--loss", "x", "--variables", "x", "--order", "21"), "0 to 20"),
    (("derive", "--loss", "eval(x)", "--variables", "x"), "unknown"),
]


@pytest.mark.parametrize(("arguments", "what"), BAD, ids=[" ".join(case[0])[:50] for case in BAD])
def test_bad_input_is_one_line_and_nothing_is_written(run, tmp_path, arguments, what):
    run("generate", "loss", "(", "--variables", "x", "--order", "1")  # imports
    with at_most():
        result = run(*arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert what in result.err
    assert list(tmp_path.rglob("*")) == []
