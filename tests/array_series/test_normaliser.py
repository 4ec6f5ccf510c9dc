"""Which programs get a shift that follows log Σ exp, and which are left alone because their results would change."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from eomsym.array_series.normaliser import SHIFT, TOTAL, with_normalisers
from eomsym.array_series.program import FlatProgram, Instruction

BACKEND = SimpleNamespace(
    flat=frozenset({"ge"}),
    moved=lambda apply, labels: np.asarray(apply(labels)[0]),
    zero=lambda value: not np.any(value),
)
SCORES = np.random.default_rng(0).standard_normal((3, 3))


def operation(name, function, inputs, output, **params):
    return Instruction(name, lambda *values: [function(*values)], inputs, (output,), params)


def exponentials(axis=1):
    """Values: 0 scores, 1 max, 2 its broadcast, 3 difference, 4 exp, 5 sum, 6 its broadcast."""

    def spread(row):
        return np.broadcast_to(np.expand_dims(row, axis), (3, 3))

    return (
        operation("reduce_max", lambda z: z.max(axis), (0,), 1),
        operation("broadcast_in_dim", spread, (1,), 2),
        operation("sub", np.subtract, (0, 2), 3),
        operation("exp", np.exp, (3,), 4),
        operation("reduce_sum", lambda e: e.sum(axis), (4,), 5, axes=(axis,)),
        operation("broadcast_in_dim", spread, (5,), 6),
    )


ENDS = {
    "softmax": ((operation("div", np.divide, (4, 6), 7),), True),
    "log softmax": ((operation("log", np.log, (6,), 8), operation("sub", np.subtract, (3, 8), 7)), True),
    "logsumexp": ((operation("log", np.log, (5,), 8), operation("add", np.add, (8, 1), 7)), True),
    "a power": (
        (operation("integer_pow", lambda s: s**-1, (6,), 8, y=-1), operation("mul", np.multiply, (4, 8), 7)),
        True,
    ),
    "asked for its sign": (
        (operation("div", np.divide, (4, 6), 7), operation("ge", np.greater_equal, (4, 6), 8)),
        True,
    ),
    "the sum itself": ((operation("mul", np.multiply, (6, 6), 7),), False),
    "the largest score": ((operation("mul", np.multiply, (2, 2), 7),), False),
    "another row's sum": (
        (operation("transpose", np.transpose, (6,), 8), operation("div", np.divide, (4, 8), 7)),
        False,
    ),
    "another direction's sum": (
        (
            operation("reduce_sum", lambda e: e.sum(0), (4,), 8, axes=(0,)),
            operation("broadcast_in_dim", lambda s: np.broadcast_to(s, (3, 3)), (8,), 9),
            operation("mul", np.multiply, (6, 9), 10),
            operation("integer_pow", np.square, (4,), 11, y=2),
            operation("div", np.divide, (11, 10), 7),
        ),
        False,
    ),
    "an operation without a rule": (
        (operation("tanh", np.tanh, (4,), 8), operation("div", np.divide, (8, 6), 7)),
        False,
    ),
}


def run(program, scores, shift=0.0):
    """The results and all values; ``shift`` is added to every m that the pass put in, a change that cancels."""
    values = {**program.constants, 0: scores}
    for instruction in program.instructions:
        results = instruction.apply(*(values[number] for number in instruction.inputs))
        for number, value in zip(instruction.outputs, results, strict=True):
            values[number] = (
                value + shift * np.arange(1, 1 + value.size).reshape(value.shape)
                if (instruction.name == SHIFT)
                else value
            )
    return [values[number] for number in program.results], values


def built(instructions):
    program = FlatProgram(instructions, {}, (0,), (7,))
    return replace(program, shapes={number: np.shape(value) for number, value in run(program, SCORES)[1].items()})


@pytest.mark.parametrize("name", ENDS)
def test_only_programs_that_do_not_depend_on_the_shift_get_another(name):
    end, rewritten = ENDS[name]
    program = built((*exponentials(), *end))
    found = with_normalisers(program, BACKEND)
    names = [instruction.name for instruction in found.instructions]
    assert (SHIFT in names, TOTAL in names) == (rewritten, rewritten)
    (expected,), _ = run(program, SCORES)
    for shift in (0.0, 0.3):
        (value,), _ = run(found, SCORES, shift)
        np.testing.assert_allclose(value, expected, rtol=1e-14)


def test_the_sum_of_exponentials_without_a_shift_gets_one():
    instructions = (operation("exp", np.exp, (0,), 4), *exponentials()[4:], operation("div", np.divide, (4, 6), 7))
    program = built(instructions)
    found = with_normalisers(program, BACKEND)
    assert [instruction.name for instruction in found.instructions][:2] == [SHIFT, "sub"]
    (expected,), _ = run(program, SCORES)
    (value,), _ = run(found, SCORES, 0.3)
    np.testing.assert_allclose(value, expected, rtol=1e-14)


def test_the_first_axis_too():
    program = built((*exponentials(0), operation("div", np.divide, (4, 6), 7)))
    assert SHIFT in [instruction.name for instruction in with_normalisers(program, BACKEND).instructions]
