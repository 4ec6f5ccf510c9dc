"""The whole state of a PyTorch model: the same rows as on a kernel, frozen parameters stay, and what is refused."""

import numpy as np
import pytest
import torch
from quartic_kernel import Quartic

import eomsym.torch
from eomsym import optimizers
from eomsym.dynamics import whole_state_terms
from eomsym.errors import InputError
from eomsym.optimizers.whole_state import chosen_whole, whole_state

THETA, VELOCITY, SQUARE = np.array([0.7, 0.4]), np.array([0.3, -0.2]), np.array([0.4, 0.9])
RATES = {"gamma": "3/2", "gamma1": "13/10", "gamma2": "2/5", "epsilon": "1/10"}


def loss(params):
    x, y = params["x"], params["y"]
    return x**4 / 4 + x * y**2 / 3 + x**2 + 3 * y**2 / 4 + 3 * x / 5 + y


def tree(vector):
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in zip("xy", vector, strict=True)}


def asked(name):
    """Rates, and the memory as vectors, of an optimiser."""
    entry, told = optimizers.chosen(name, {})
    scaling = whole_state(entry)
    rates = {p.name: RATES[p.name] for p in scaling.taking_rates.parameters if p.name in RATES and p.name not in told}
    rule = scaling.rule(**scaling.taking_rates.complete(chosen_whole(name, rates)[1]))
    return rule, rates, [SQUARE if part == "square" else VELOCITY for part in entry.memory]


@pytest.mark.parametrize("name", ["heavy-ball", "nesterov", "adam", "torch.RMSprop(eps=0.1)"])
def test_rows_are_those_of_a_kernel(name):
    rule, rates, memory = asked(name)
    wanted = whole_state_terms(Quartic(), rule, [THETA, *memory], 4)
    found = eomsym.torch.whole_state_terms(loss, tree(THETA), list(map(tree, memory)), 4, optimizer=name, **rates)
    for row, right in zip(found, wanted, strict=True):
        for part, vector in zip(row, right, strict=True):
            np.testing.assert_allclose([part["x"], part["y"]], vector, rtol=1e-11, atol=1e-13)


def test_what_is_frozen_stays_with_its_memory():
    _, rates, memory = asked("heavy-ball")
    params = tree(THETA)
    params["x"].requires_grad_()
    both = eomsym.torch.whole_state_terms(loss, params, [tree(memory[0])], 3, optimizer="heavy-ball", **rates)
    alone = eomsym.torch.whole_state_terms(
        lambda p: loss(p | {"y": params["y"]}),
        {"x": params["x"].detach()},
        [{"x": tree(memory[0])["x"]}],
        3,
        optimizer="heavy-ball",
        **rates,
    )
    for row, own in zip(both, alone, strict=True):
        for part, right in zip(row, own, strict=True):
            assert part["x"] == right["x"]
            assert part["y"] == 0


@pytest.mark.parametrize(
    ("memory", "options", "words"),
    [
        ([], {"gamma": 1}, "memory: 0 states; heavy-ball has velocity"),
        ([torch.zeros(3)], {"gamma": 1}, "memory 'velocity': does not look like params"),
        ([tree(VELOCITY)], {}, "gamma: missing"),
        ([tree(VELOCITY)], {"beta": 0.9}, "takes gamma"),
        ([], {"optimizer": "gradient-descent"}, "no memory that fades slowly"),
    ],
)
def test_bad_input_is_named(memory, options, words):
    with pytest.raises(InputError, match=words):
        eomsym.torch.whole_state_terms(loss, tree(THETA), memory, 2, **({"optimizer": "heavy-ball"} | options))
