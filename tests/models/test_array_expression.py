"""Expressions in arrays: values and slopes against complex steps through NumPy, and everything else refused by name."""

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.models.array_expression import FUNCTIONS, MOST_CHARACTERS, ArrayExpression

RANDOM = np.random.default_rng(2)
ARRAYS = {
    "W1": RANDOM.standard_normal((2, 3)),
    "W2": RANDOM.standard_normal((3, 3)),
    "b1": RANDOM.standard_normal(3),
    "x": np.array(0.7),
}
SLOPES = {name: RANDOM.standard_normal(array.shape) for name, array in ARRAYS.items()}
#: The text, and the same by NumPy alone, on complex numbers too.
EXPRESSIONS = {
    "W1.T @ W1 - W2 @ W2.T": lambda a: a["W1"].T @ a["W1"] - a["W2"] @ a["W2"].T,
    "sum(W1 ** 2) / (1 + norm2(b1))": lambda a: (a["W1"] ** 2).sum() / (1 + (a["b1"] ** 2).sum()),
    "trace(W2 @ W2) - -x * 2e-1": lambda a: np.trace(a["W2"] @ a["W2"]) + a["x"] * 0.2,
    "rows(W1) * x": lambda a: a["W1"].sum(axis=1) * a["x"],
    "columns(W1 * W1) + b1": lambda a: (a["W1"] ** 2).sum(axis=0) + a["b1"],
    "outer(b1) + W2": lambda a: np.outer(a["b1"], a["b1"]) + a["W2"],
    "sqrt(norm2(W1)) * log(2 + x)": lambda a: np.sqrt((a["W1"] ** 2).sum()) * np.log(2 + a["x"]),
    "sin(W1 @ b1) + cos(x)": lambda a: np.sin(a["W1"] @ a["b1"]) + np.cos(a["x"]),
    "tanh(W2) - exp(-W2)": lambda a: np.tanh(a["W2"]) - np.exp(-a["W2"]),
    "(1 + b1 ** 2) ** -0.5": lambda a: (1 + a["b1"] ** 2) ** -0.5,
    "b1 ** 0 + 3": lambda a: 0 * a["b1"] + 4,
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_value_and_slope(text):
    step = 1e-30j  # a complex step has no rounding of differences
    value, slope = ArrayExpression(text).dual(ARRAYS, SLOPES)
    moved = EXPRESSIONS[text]({name: array + step * SLOPES[name] for name, array in ARRAYS.items()})
    assert value.shape == slope.shape == np.shape(moved)
    np.testing.assert_allclose(value, np.real(moved), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(slope, np.imag(moved) / step.imag, rtol=1e-13, atol=1e-14)


def test_every_function_is_in_the_table():
    assert all(any(f"{name}(" in text for text in EXPRESSIONS) for name in FUNCTIONS)


REFUSED = {
    "W3": r"name 'W3' is unknown; there are W1 \(2, 3\), W2",
    "W1 + W2": r"'W1 \+ W2': shapes \(2, 3\) and \(3, 3\) do not fit",
    "W2 * b1": r"shapes \(3, 3\) and \(3,\) do not fit",
    "W2 @ W1": r"'W2 @ W1': shapes",
    "x @ W1": r"shapes \(\) and \(2, 3\)",
    "abs(W1)": "function 'abs' with these arguments is unknown; one of sum, norm2",
    "sum(W1, W2)": "function 'sum' with these arguments",
    "trace(W1)": r"trace of an array of shape \(2, 3\); give a square matrix",
    "rows(b1)": "rows of an array of shape .* give a matrix",
    "W1 ** W1": "exponent 'W1' is not a number",
    "W1.real": "'W1.real' is an attribute, which is not allowed",
    "W1 if x else W2": "is an if exp, which is not allowed",
    "log(0 - norm2(W1))": "not finite here",
    "sqrt(W1 - W1)": "not finite here",
    "1 / (x - x)": "not finite here",
    "W1 +": "invalid syntax",
    "W1[0]": r"character '\[' is not allowed",
    "x" + " + x" * MOST_CHARACTERS: f"characters; give at most {MOST_CHARACTERS}",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_refused(text):
    with pytest.raises(InputError, match=REFUSED[text]) as caught:
        ArrayExpression(text).dual(ARRAYS, SLOPES)
    assert "\n" not in str(caught.value)


def test_a_long_chain_is_read():
    assert ArrayExpression("x" + "+x" * 199).dual(ARRAYS, SLOPES)[1] == pytest.approx(200 * SLOPES["x"])


def test_arrays_that_are_too_large_are_refused_before_they_are_made():
    with pytest.raises(InputError, match="an array of 10000000000 entries on the way"):
        ArrayExpression("outer(b)").dual({"b": np.zeros(100_000)}, {"b": np.zeros(100_000)})
