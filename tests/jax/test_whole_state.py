"""The whole state of a JAX model: the same rows as on a kernel, and what is refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from quartic_kernel import Quartic

from eomsym import optimizers
from eomsym.dynamics import whole_state_terms
from eomsym.errors import InputError
from eomsym.jax import whole_state_terms as on_jax
from eomsym.optimizers.whole_state import chosen_whole, whole_state

THETA, VELOCITY, SQUARE = np.array([0.7, 0.4]), np.array([0.3, -0.2]), np.array([0.4, 0.9])
RATES = {"gamma": "3/2", "gamma1": "13/10", "gamma2": "2/5", "epsilon": "1/10"}


def loss(params):
    x, y = params["x"], params["y"]
    return x**4 / 4 + x * y**2 / 3 + x**2 + 3 * y**2 / 4 + 3 * x / 5 + y


def tree(vector):
    return {"x": jnp.asarray(vector[0]), "y": jnp.asarray(vector[1])}


@pytest.mark.parametrize("name", ["heavy-ball", "nesterov", "adam", "torch.RMSprop(eps=0.1)"])
@pytest.mark.parametrize("compiled", [False, True])
def test_rows_are_those_of_a_kernel(name, compiled):
    entry, told = optimizers.chosen(name, {})
    scaling = whole_state(entry)
    rates = {p.name: RATES[p.name] for p in scaling.taking_rates.parameters if p.name in RATES and p.name not in told}
    memory = [SQUARE if part == "square" else VELOCITY for part in entry.memory]
    values = scaling.taking_rates.complete(chosen_whole(name, rates)[1])
    wanted = whole_state_terms(Quartic(), scaling.rule(**values), [THETA, *memory], 4)
    run = jax.jit(lambda params, parts: on_jax(loss, params, parts, 4, optimizer=name, **rates))
    call = run if compiled else run.__wrapped__
    found = call(tree(THETA), [tree(part) for part in memory])
    for row, right in zip(found, wanted, strict=True):
        for part, vector in zip(row, right, strict=True):
            np.testing.assert_allclose([part["x"], part["y"]], vector, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    ("memory", "options", "words"),
    [
        ([], {"gamma": 1}, "memory: 0 states; heavy-ball has velocity"),
        ([jnp.zeros(3)], {"gamma": 1}, "memory 'velocity': does not look like params"),
        ([tree(VELOCITY)], {}, "gamma: missing"),
        ([tree(VELOCITY)], {"beta": 0.9}, "takes gamma"),
        ([], {"optimizer": "gradient-descent"}, "no memory that fades slowly"),
    ],
)
def test_bad_input_is_named(memory, options, words):
    with pytest.raises(InputError, match=words):
        on_jax(loss, tree(THETA), memory, 2, **({"optimizer": "heavy-ball"} | options))
