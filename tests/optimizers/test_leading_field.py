"""A step to zeroth order against steps of ever smaller rates, whose memories fade ever more slowly."""

import numpy as np
import pytest

from eomsym.blocks import Blocks
from eomsym.errors import InputError
from eomsym.optimizers import FURTHER, REGISTRY, Optimizer, chosen
from eomsym.optimizers.leading_field import leading_field
from eomsym.optimizers.whole_state import whole_state

BLOCKS = Blocks(((2, 3),))
RANDOM = np.random.default_rng(0)
THETA = RANDOM.normal(size=6)
FORMS = ("muon(corrected=yes)", "adam(coupled_decay=yes, decay=0.1)", "heavy-ball(decay=0.1)")
RATE = 0.01


def slope(point, field=0):
    return np.sin(point) + point + 0.3


def field_of(name):
    entry, values = chosen(name)
    return entry, leading_field(entry, tuple(sorted(entry.complete(values).items())))


def fields():
    """Those that have one, of rules with a memory of the size of θ."""
    for name in (*REGISTRY, *FURTHER, *FORMS):
        try:
            entry, field = field_of(name)
        except InputError:
            continue
        if entry.memory and len(field.rule.slow) == 1 + len(entry.memory):
            yield name


NAMES = list(fields())


def test_there_are_many():
    assert {"heavy-ball", "nesterov", "adam", "adamw", "rmsprop", "muon", "lamb", "shampoo", *FORMS} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_limit_of_small_steps(name):
    """``(Φ(z) − z)/h`` where η and all 1 − β are h times what they are; of a sum, η is that and the memory over h."""
    entry, field = field_of(name)
    given = chosen(name)[1]
    values = {key: float(value) for key, value in entry.complete(given).items()}
    shares = {parameter.name for parameter in entry.parameters if parameter.kind == "share"}
    rule = entry.on(BLOCKS)
    state = rule.initial_state(THETA, slope, **values)
    for _ in range(3):
        state = rule.run(slope, state, RATE, **values)

    def quotient(h):
        own = {key: 1 - (1 - value) * h if key in shares else value for key, value in values.items()}
        power, unit = (2, 1 / h) if whole_state(entry).power == 2 else (1, 1.0)
        begun = (state[0], *(part * unit for part in state[1:]))
        after = rule.run(slope, begun, RATE * h**power, **own)
        scales = (1.0, *(1 / unit for _ in state[1:]))
        return [(b - a) * scale / h for a, b, scale in zip(begun, after, scales, strict=True)]

    limit = [2 * fine - coarse for fine, coarse in zip(quotient(5e-6), quotient(1e-5), strict=True)]
    for row, expected in zip(field(slope(state[0]), state, RATE, BLOCKS), limit, strict=True):
        bound = 1e-7 * np.abs(expected).max() + 1e-12
        np.testing.assert_allclose(row + 0 * expected, expected + 0 * row, rtol=1e-5, atol=bound)


def test_descent_has_its_slope():
    entry, values = chosen("gradient-descent")
    (row,) = leading_field(entry, tuple(values.items()))(slope(THETA), (THETA,), RATE)
    np.testing.assert_allclose(row, -RATE * slope(THETA), rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("implicit-euler", "elsewhere than at theta"),
        ("mini-batches", "elsewhere than at theta"),
        ("optimistic", "no memory that fades slowly"),
    ],
)
def test_what_has_none_is_refused(name, told):
    with pytest.raises(InputError, match=told):
        field_of(name)


def test_a_memory_that_fades_and_moves_by_the_rate_in_one_is_refused():
    def step(gradient, state, eta, beta):
        theta, mean = state
        mean = beta * mean + (1 - beta) * gradient(theta) + eta * theta
        return theta - eta * mean, mean

    share = chosen("heavy-ball")[0].parameters[0]
    entry = Optimizer("fades-and-moves", step, (share,), ("mean",))
    with pytest.raises(InputError, match="mean fades and moves by eta in one"):
        leading_field(entry, tuple(entry.complete({share.name: "1/2"}).items()))
