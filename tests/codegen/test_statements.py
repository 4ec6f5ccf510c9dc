"""The generated statements, run on NumPy rows, against the reference series of every elementary function."""

import math
import types

import numpy as np
import pytest

from eomsym.codegen.statements import SEEDS, function_program, product_program, reciprocal_program
from eomsym.models import ACTIVATIONS
from eomsym.series import ELEMENTARY, TruncatedSeries, elementary

TERMS = 7
COLUMNS = 5


def run(lines, rows):
    """One loop of statements, a column at a time, by Python itself (the text is the package's own)."""
    source = "def body(rows, sample, math, _tanh, _exp):\n" + "".join(f"    {line}\n" for line in lines)
    space = types.ModuleType("statements").__dict__
    exec(compile(source, "statements", "exec"), space)
    for sample in range(COLUMNS):
        space["body"](rows, sample, math, math.tanh, math.exp)


def run_all(program, rows, first=0):
    for loops in program.series[first:]:
        for loop in loops:
            run(loop, rows)


def seeds():
    names = {"math": math, "_tanh": math.tanh, "_exp": math.exp}
    return {name: eval(f"lambda z: {text.format(z='z')}", names) for name, text in SEEDS.items()}


@pytest.mark.parametrize("name", [*ACTIVATIONS, "exp"])  # what kernels of networks are made of
def test_function_program(name):
    function = ELEMENTARY[name]
    program = function_program(function, TERMS)
    random = np.random.default_rng(0)
    rows = np.full((program.rows, COLUMNS), np.nan)
    argument = random.standard_normal((TERMS, COLUMNS))
    argument[0] = 0.5 + np.abs(argument[0])  # where every function is defined
    start = program.slot["z"] * TERMS
    rows[start : start + TERMS] = argument
    run(program.start, rows)
    run_all(program, rows)
    for column in range(COLUMNS):
        series = TruncatedSeries(tuple(float(x) for x in argument[:, column]))
        for slot, expected in zip((program.value, program.derivative), elementary(name, series, seeds()), strict=True):
            assert rows[slot * TERMS : (slot + 1) * TERMS, column] == pytest.approx(expected.coefficients, rel=1e-12)


def test_product_and_reciprocal_programs():
    random = np.random.default_rng(1)
    rows = random.standard_normal((3 * TERMS, COLUMNS))
    rows[0] = rows[TERMS] = 1.0
    run_all(reciprocal_program({"r": 1, "t": 0}, 3, TERMS), rows)
    run_all(product_program({"one": 2, "t": 0, "r": 1}, 3, TERMS), rows)
    assert rows[2 * TERMS :] == pytest.approx(np.eye(TERMS)[:, :1] * np.ones(COLUMNS), abs=1e-12)


def test_a_square_needs_half_the_products():
    tanh = function_program(ELEMENTARY["tanh"], 9)
    last = tanh.series[-1][-1]
    assert sum("*" in line for line in last) == 5  # s_8 = −2 a_0 a_8 − … − a_4 a_4
