"""Hostile and plain text: refused in milliseconds, in one line, with nothing run or written; or read exactly."""

import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
import sympy
from counting import at_most
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eomsym.errors import InputError
from eomsym.models import ExpressionLoss, VectorField
from eomsym.models.parser import MAX_LENGTH, parse_expression

x, y = sympy.symbols("x y")
SYMBOLS = {"x": x, "y": y}

#: Text, and what the message must say.
HOSTILE = {
    "import": ("__import__('os').system('touch broken')", "character"),
    "import without quotes": ("__import__(x).system(x)", "unknown"),
    "attribute": ("x.__class__", "attribute"),
    "attribute of a number": ("(1).real", "attribute"),
    "attribute of a call": ("exp(x).func", "attribute"),
    "tower": ("10**10**10", "too large"),
    "tower of a variable": ("x**10**10", "too large"),
    "tower of small numbers": ("2**2**2**2**2**2", "too large"),
    "growing number": ("((((9**99)**99)**99)**99)", "bits"),
    "product of large numbers": ("*".join(["(9**99)"] * 50), "bits"),
    "tower of exponentials": ("x*exp(exp(exp(exp(1))))", "beyond 700"),
    "tower of exponentials and nothing": ("exp(" * 30 + "log(1)" + ")" * 30, "beyond 700"),
    "hyperbolic tower": ("sinh(cosh(sinh(9)))", "beyond 700"),
    "power of an exponential": ("2**exp(700)", "larger than 100"),
    "functions of a number": ("sigmoid(" * 30 + "1" + ")" * 30, "nested too deeply"),
    "tangents of a number": ("tan(" * 40 + "1" + ")" * 40, "nested too deeply"),
    "long number": ("9" * 5000, "digits"),
    "large exponent": ("1e999999", "not plain"),
    "open": ("(x", "never closed"),
    "closed": ("x)", "unmatched"),
    "brackets": ("(" * 5000 + "x" + ")" * 5000, "nested"),
    "signs": ("-" * 10_000 + "x", "nested"),
    "signs and spaces": ("- " * 9000 + "x", "nested"),
    "powers": ("**".join(["x"] * 5000), "nested"),
    "functions": ("exp(" * 3000 + "x" + ")" * 3000, "nested"),
    "long": ("x+" * 50_000 + "x", "100001 characters"),
    "very long": ("(" * 10**6, "1000000 characters"),
    "keyword": ("lambda", "invalid syntax"),
    "conditional": ("x if y else x", "if exp"),
    "comparison": ("x<y", "'<'"),
    "logic": ("x and y", "bool op"),
    "generator": ("exp(x for x in y)", "generator"),
    "await": ("await x", "await"),
    "statement": ("import os", "invalid syntax"),
    "list": ("[x]", "'['"),
    "string": ("'x'", '"\'"'),
    "bytes of a name": ("x\x00", "'\\x00'"),
    "newline": ("x\ny", "'\\n'"),
    "comment": ("x # y", "'#'"),
    "unicode digits": ("x + ²", "'²'"),
    "a name that looks like x": ("х + 1", "'х'"),
    "builtin": ("eval(x)", "unknown"),
    "numba": ("numba", "neither"),
    "complex": ("1j*x", "not a number"),
    "true": ("True", "not a number"),
    "hexadecimal": ("0xff", "not plain"),
    "underscores": ("1_000", "not plain"),
    "ellipsis": ("...", "not plain"),
    "xor": ("x^2", "** for powers"),
    "floor": ("x//y", "floor div"),
    "two arguments": ("exp(x,y)", "one argument"),
    "no argument": ("exp()", "one argument"),
    "star": ("exp(*x)", "starred"),
    "function alone": ("exp + x", "without an argument"),
    "zero division": ("x/0", "zero"),
    "zero division in disguise": ("x/(x-x)", "zero"),
    "infinite": ("log(0)", "not a finite number"),
    "imaginary": ("sqrt(-1)", "real"),
    "imaginary power": ("(-8)**(1/3)*x", "real"),
    "nothing": ("", "invalid syntax"),
    "tuple": ("x,y", "tuple"),
}


@pytest.mark.parametrize(("text", "what"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_without_a_hang_in_one_line(text, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with at_most(), pytest.raises(InputError) as caught:
        parse_expression(text, SYMBOLS)
    message = str(caught.value)
    assert what in message
    assert "\n" not in message
    assert len(message) < 300
    assert list(tmp_path.iterdir()) == []


def test_a_hang_is_told():
    with pytest.raises(AssertionError, match="more than 100 calls"), at_most(calls=100):
        all(iter(lambda: 1, 0))  # without end


@pytest.mark.parametrize(
    "text",
    ["erf(x)*atan(y) - tanh(x**100*y)/3", "tanh(x**100*y)**100", "1/tanh(x**99*y + 1)", "sin(sin(x)**50)**50",
     "exp(exp(exp(1)))*x", "x**exp(3)", "*".join(f"(x+{i})" for i in range(1, 900))],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_sympy_is_not_asked_what_it_would_think_about_for_seconds(text):
    with at_most():
        expression = parse_expression(text, SYMBOLS)
    assert expression.free_symbols <= {x, y}


@pytest.mark.parametrize(
    "name",
    ["lambda", "for", "None", "True", "numba", "np", "math", "njit", "exp", "sigmoid", "print", "eval", "__import__",
     "_", "x__y", "1x", "x y", "", "é", "x" * 99, "x;y", "x\n", 3, None],
    ids=repr,
)  # fmt: skip
def test_names_with_a_meaning_are_refused(name):
    for call in (lambda: ExpressionLoss("x", ["x", name]), lambda: ExpressionLoss("x", ["x"], [name])):
        with pytest.raises(InputError) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_name_stands_once_and_there_are_not_too_many():
    for variables, parameters in (
        (["x", "x"], []),
        (["x"], ["x"]),
        ([], []),
        ("x", []),
        ([f"x{i}" for i in range(65)], []),
    ):
        with pytest.raises(InputError):
            ExpressionLoss("x", variables, parameters)


def test_nothing_is_evaluated_as_code(tmp_path):
    """A process in which ``eval``, ``exec`` and ``compile`` of code raise still reads expressions."""
    program = """
import builtins, sympy
from eomsym.models.parser import parse_expression
x = sympy.Symbol("x")
parse_expression("sin(x)**2/3 + sigmoid(x) - 0.5*x", {"x": x})  # imports all that is needed
import ast
def refuse(*args, **kwargs): raise SystemExit("evaluated")
real = builtins.compile
def guarded(source, filename, mode, flags=0, *args, **kwargs):
    if not flags & ast.PyCF_ONLY_AST: refuse()
    return real(source, filename, mode, flags, *args, **kwargs)
builtins.eval = builtins.exec = refuse
builtins.compile = guarded
print(parse_expression("sin(x)**2/3 + sigmoid(x) - 0.5*x", {"x": x}))
"""
    surroundings = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=surroundings, check=False
    )
    assert done.stdout.strip() == "-x/2 + sin(x)**2/3 + sigmoid(x)", done.stderr


READ = {
    "(1-x)**2 + 100*(y-x**2)**2": (1 - x) ** 2 + 100 * (y - x**2) ** 2,
    " 0.1*x ": x / 10,
    "1e-3*x + .5 + 2.": x / 1000 + sympy.Rational(5, 2),
    "-x**2": -(x**2),
    "2**-1*x": x / 2,
    "x/y/2": x / (2 * y),
    "x - y - 1": x - y - 1,
    "+x*-y": -x * y,
    "x**0.5": sympy.sqrt(x),
    "sqrt(4)*x": 2 * x,
    "exp(log(2)*x)": sympy.exp(sympy.log(2) * x),
    "atan(x)*erf(y)*tanh(x)*sinh(x)": sympy.atan(x) * sympy.erf(y) * sympy.tanh(x) * sympy.sinh(x),
    "cosh(x)*tan(x)*cos(y)*sin(y)": sympy.cosh(x) * sympy.tan(x) * sympy.cos(y) * sympy.sin(y),
}


@pytest.mark.parametrize(("text", "expression"), READ.items(), ids=READ)
def test_what_is_read(text, expression):
    assert parse_expression(text, SYMBOLS) == expression


def test_a_long_sum_is_read():
    text = "+".join(f"(x*{i}-y)**2" for i in range(400))
    assert len(text) < MAX_LENGTH
    assert parse_expression(text, SYMBOLS).subs({x: 1, y: 0}) == sum(i**2 for i in range(400))


TOKENS = [
    "x",
    "y",
    "1",
    "2",
    "0.5",
    "1e3",
    "10",
    "+",
    "-",
    "*",
    "/",
    "**",
    "(",
    ")",
    ",",
    ".",
    "exp",
    "exp(",
    "log(",
    "sqrt(",
    "erf(",
]
TOKENS += [
    "if",
    "else",
    "lambda",
    "for",
    "in",
    "not",
    "and",
    "is",
    "await",
    "_",
    "__class__",
    "eval",
    "1j",
    "0x1",
    " ",
    "''",
    ":=",
]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(string.printable, max_size=60),
        st.lists(st.sampled_from(TOKENS), max_size=25).map("".join),
    )
)
def test_any_text_is_read_or_refused_by_the_package(text):
    try:
        with at_most():
            result, message = parse_expression(text, SYMBOLS), ""
    except InputError as error:
        result, message = sympy.S.Zero, str(error)
    assert "\n" not in message
    assert isinstance(result, sympy.Expr)
    assert result.free_symbols <= {x, y}


def smooth():
    """Random expressions that are smooth near the point (0.3, 0.4)."""
    leaves = st.sampled_from(["x", "y", "2", "0.3", "1/3"])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({parts[0]}{parts[1]}{parts[2]})"),
            st.tuples(st.sampled_from(["sin", "tanh", "atan", "erf", "sigmoid", "softplus"]), inner).map(
                lambda p: f"{p[0]}({p[1]})"
            ),
            st.tuples(inner, inner).map(lambda p: f"({p[0]}/(2+({p[1]})**2))"),
            inner.map(lambda p: f"log(1+({p})**2)"),
        ),
        max_leaves=6,
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(smooth())
def test_text_to_sympy_to_text_is_the_same_expression(text):
    loss = ExpressionLoss(text, ["x", "y"])
    again = ExpressionLoss(loss.as_sympy, ["x", "y"])
    assert again.as_sympy.subs({x: 0.3, y: 0.4}).evalf(20) == pytest.approx(
        loss.as_sympy.subs({x: 0.3, y: 0.4}).evalf(20)
    )


def test_numbers_of_sympy_are_kept():
    loss = ExpressionLoss(sympy.pi * x**2 + sympy.E * x + sympy.Float("0.25") * x**3 + sympy.sqrt(2) * x)
    assert loss.variables == ("x",)
    assert loss.as_sympy == sympy.pi * x**2 + sympy.E * x + x**3 / 4 + sympy.sqrt(2) * x


def test_a_field_has_one_part_for_each_variable():
    assert VectorField("x*y; -x", ["x", "y"]).as_sympy == (x * y, -x)
    assert VectorField([x * y, -x], ["x", "y"]).expressions == ("x*y", "-x")
    with pytest.raises(InputError, match="1 expressions for 2"):
        VectorField("x", ["x", "y"])
