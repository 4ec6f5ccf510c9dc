"""The machine on NumPy: rows are nodes, whatever they stand for."""

import weakref
from dataclasses import replace

import numpy as np
import pytest

from eomsym.arrays import elementary_rules, rules
from eomsym.arrays.machine import Backend, Machine
from eomsym.arrays.program import FlatProgram, Instruction
from eomsym.errors import InputError


class Independent:
    """Three rows of every coefficient, whatever they stand for."""

    def rows(self, level):
        return 3

    inner = rows

    def further(self, level, rows):
        return ()

    def closing(self, level):
        return True, ()


BACKEND = Backend(
    zeros=np.zeros_like,
    where=np.where,
    like=lambda numbers, array: numbers,
    combine=np.dot,
    convolve=lambda lefts, rights: (np.array(lefts) * np.array(rights)).sum(0),
    accumulate=lambda function, arrays: [],
    push=lambda function, values, tangents: [],
    floating=lambda value: np.issubdtype(np.asarray(value).dtype, np.floating),
    is_complex=np.iscomplexobj,
    precision=lambda value: float(np.finfo(float).eps),
    seeds={"exp": np.exp},
    rules={
        "mul": rules.bilinear_with(rules.entrywise),
        "add": rules.linear,
        "take": rules.indexed,
        "exp": elementary_rules.function("exp"),
    },
    flat=frozenset({"floor"}),
    choices=frozenset({"floor"}),
    kinks=frozenset(),
    smooth=frozenset(),
    advice="write it otherwise",
)
POINT = np.array([0.3, -0.5])
CURVE = np.random.default_rng(0).standard_normal((4, 3, 2))  # coefficients 1 … 4 at three nodes


def operation(name, function, inputs, output):
    return Instruction(name, lambda *values: [np.asarray(function(*values))], inputs, (output,))


def outputs(program):
    """Coefficients 0 … 4 of the first result, (5, 3, 2)."""
    machine = Machine(program, [POINT], Independent(), BACKEND)
    rows = [np.broadcast_to(machine.outputs(0)[0], (3, 2))]
    for level, values in enumerate(CURVE, 1):
        machine.advance(level, [list(values)])
        rows.append(machine.outputs(level)[0])
    return np.array(rows)


def series():
    return np.concatenate([np.broadcast_to(POINT, (1, 3, 2)), CURVE])


def product(left, right):
    return np.array([sum(left[i] * right[k - i] for i in range(k + 1)) for k in range(len(left))])


def test_a_product_and_a_constant_sum():
    program = FlatProgram(
        (operation("mul", np.multiply, (0, 0), 1), operation("add", np.add, (1, 2), 3)),
        {2: np.array([3, 4])},
        (0,),
        (3,),
    )
    expected = product(series(), series())
    expected[0] += [3, 4]
    np.testing.assert_allclose(outputs(program), expected, rtol=1e-14, atol=1e-15)


def test_places_hold_at_every_order():
    program = FlatProgram((operation("take", np.take, (0, 1), 2),), {1: np.array([1, 0])}, (0,), (2,))
    np.testing.assert_array_equal(outputs(program), series()[..., ::-1])


def test_an_exponential_is_the_same_as_that_of_the_opposite_inverted():
    minus = operation("mul", np.multiply, (0, 1), 2)
    exponentials = operation("exp", np.exp, (0,), 3), operation("exp", np.exp, (2,), 4)
    program = FlatProgram(
        (minus, *exponentials, operation("mul", np.multiply, (3, 4), 5)), {1: np.array(-1.0)}, (0,), (5,)
    )
    expected = np.zeros((5, 3, 2))
    expected[0] = 1
    np.testing.assert_allclose(outputs(program), expected, atol=1e-14)


def test_what_is_flat_or_constant_has_no_higher_coefficients():
    program = FlatProgram((operation("floor", np.floor, (0,), 1),), {}, (0,), (1,))
    assert not outputs(program)[1:].any()


def test_an_operation_without_a_rule_is_named():
    program = FlatProgram((operation("sinc", np.sinc, (0,), 1),), {}, (0,), (1,))
    with pytest.raises(InputError, match="'sinc' has no rule"):
        outputs(program)


FLOORED = FlatProgram((operation("floor", np.floor, (0,), 1), operation("mul", np.multiply, (0, 1), 2)), {}, (0,), (2,))


def test_an_analysis_is_kept_for_arguments_of_the_same_kinds_whatever_their_numbers():
    """0.5 has the floor 0 in all components, 3.5 and −3.5 have others: what may jump is the operation."""
    program = replace(FLOORED)
    found = [
        Machine(program, [point], Independent(), BACKEND).analysis for point in (POINT, 0 * POINT + 0.5, 7 * POINT)
    ]
    assert found[0] is found[1] is found[2]
    assert found[0].kinks == ("floor",)
    others = [Machine(program, [point], Independent(), BACKEND).analysis for point in (POINT[:1], np.float32(POINT))]
    assert len({id(one) for one in [found[0], *others]}) == len(program.analyses) == 3


def test_an_analysis_is_of_no_values():
    """Or they would be kept as long as the program is."""
    program, point = replace(FLOORED), POINT.copy()
    machine = Machine(program, [point], Independent(), BACKEND)
    machine.advance(1, [list(CURVE[0])])
    kept = weakref.ref(point)
    del machine, point
    assert kept() is None
    assert program.analyses


def test_a_refusal_is_made_again():
    program = FlatProgram((operation("sinc", np.sinc, (0,), 1),), {}, (0,), (1,))
    for _ in range(2):
        with pytest.raises(InputError, match="'sinc' has no rule"):
            Machine(program, [POINT], Independent(), BACKEND)


def test_what_is_known_is_not_run_but_counts_where_names_are_looked_for():
    """A one of the shape of a floor: it is the same everywhere, and known to come of something that jumps."""
    ones = operation("ones", np.ones_like, (1,), 3)
    program = FlatProgram(
        (operation("floor", np.floor, (0,), 1), ones, operation("mul", np.multiply, (0, 3), 2)),
        {},
        (0,),
        (2,),
        known={3: np.ones(2)},
    )
    backend = replace(BACKEND, flat=frozenset({"floor", "ones"}))
    for _ in range(2):
        machine = Machine(program, [POINT], Independent(), backend)
        np.testing.assert_array_equal(machine.outputs(0)[0], POINT)
        assert machine.analysis.kinks == ("floor",)
    assert [instruction.name for instruction in program.wanted] == ["mul"]
