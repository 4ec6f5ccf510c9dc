"""The loops over samples, run on NumPy rows, against the reference series of every elementary function."""

import math
import types

import numpy as np
import pytest
from second_routes.truncated import TruncatedSeries, elementary

from eomsym.codegen import sample_loops
from eomsym.codegen.seeds import SEEDS
from eomsym.models import ACTIVATIONS
from eomsym.series import ELEMENTARY

COLUMNS = 3
TERMS = [2, 5, 7, 13]


def run(lines, **arrays):
    """One loop, a column at a time, by Python itself (the text is the package's own)."""
    source = f"def body({', '.join(arrays)}, i, math, _tanh, _exp):\n" + "".join(f"    {line}\n" for line in lines)
    space = types.ModuleType("loops").__dict__
    exec(compile(source, "loops", "exec"), space)
    for column in range(COLUMNS):
        space["body"](*arrays.values(), column, math, math.tanh, math.exp)


def seeds():
    names = {"math": math, "_tanh": math.tanh, "_exp": math.exp}
    return {name: eval(f"lambda z: {text.format(z='z')}", names) for name, text in SEEDS.items()}


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("name", [*ACTIVATIONS, "exp", "reciprocal", "atan"])
def test_series(name, terms):
    function = ELEMENTARY[name]
    slot = sample_loops.slots(function)
    random = np.random.default_rng(0)
    rows = np.full((len(slot) * terms, COLUMNS), np.nan)
    cache = np.full((len(slot), COLUMNS), np.nan)
    rows[:terms] = 0.5 * random.standard_normal((terms, COLUMNS))
    rows[0] = 0.5 + np.abs(rows[0])  # where every function is defined
    argument = rows[:terms].copy()
    run(sample_loops.start_lines(function, terms), rows=rows, cache=cache)
    assert np.array_equal(cache, rows[::terms])
    for group in sample_loops.series_groups(function, terms):
        run(group.lines, rows=rows)
    assert np.array_equal(rows[:terms], argument)
    for column in range(COLUMNS):
        series = TruncatedSeries(tuple(float(x) for x in argument[:, column]))
        places = (slot[function.value], slot[function.derivative])
        for place, expected in zip(places, elementary(name, series, seeds()), strict=True):
            assert rows[place * terms : (place + 1) * terms, column] == pytest.approx(expected.coefficients, rel=1e-11)


@pytest.mark.parametrize("terms", TERMS)
def test_product_in_place_of_its_right_factor(terms):
    random = np.random.default_rng(1)
    rows, back = random.standard_normal((2, terms, COLUMNS))
    expected = np.array([sum(rows[i] * back[k - i] for i in range(k + 1)) for k in range(terms)])
    groups = sample_loops.product_groups(lambda k: f"rows[{k}, i]", lambda k: f"back[{k}, i]", terms)
    for group in groups:
        run(group.lines, rows=rows, back=back)
    assert back == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "softplus", "gelu"])
def test_groups_hold_every_coefficient_once_and_are_short_enough_to_vectorise(name):
    groups = sample_loops.series_groups(ELEMENTARY[name], 13)
    stores = [line.split(" = ")[0] for group in groups for line in group.lines if line.startswith("rows[")]
    assert len(stores) == len(set(stores)) == 12 * len(ELEMENTARY[name].members)
    for group in groups:
        writes = sum(line.startswith("rows[") for line in group.lines)
        reads = sum(" = rows[" in line for line in group.lines)
        # A single statement cannot be cut further.
        assert writes == 1 or writes * reads + writes * (writes - 1) // 2 <= sample_loops.PAIRS
    assert [group.first for group in groups] == sorted(group.first for group in groups)
