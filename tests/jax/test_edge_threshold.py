"""Thresholds of optax's optimisers against plain iterates of optax's own steps on quadratics."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import eomsym

optax = pytest.importorskip("optax", reason="optax comes with the extra 'dev'")

RATE = 0.5
#: What is held, by optax's own names, and what it is set to before each step so that the step divides by 1.
CASES = {
    "sgd": ({}, {}),
    "sgd momentum": ({"momentum": 0.9}, {}),
    "sgd nesterov": ({"momentum": 0.9, "nesterov": True}, {}),
    "adam": ({"b1": 0.8}, {"nu": 1 / 0.999}),
    "adamw": ({"weight_decay": 0.25}, {"nu": 1 / 0.999}),
    "nadam": ({}, {"nu": 1 / 0.999}),
    "nadamw": ({"weight_decay": 0.125}, {"nu": 1 / 0.999}),
    "rmsprop": ({"decay": 0.9, "eps": 1e-12, "momentum": 0.5}, {"nu": 1 / 0.9}),
    "adagrad": ({"eps": 1e-12}, {"sum_of_squares": 1.0}),
    "adadelta": ({}, {"e_g": 1 / 0.9, "e_x": 1.0}),
    "adabelief": ({}, {"nu": 1 / 0.999}),
    "adan": ({}, {"n": 1 / 0.99}),
    "optimistic_gradient_descent": ({}, {}),
    "optimistic_adam_v2": ({}, {"nu": 1 / 0.999}),
}


def held_fast(state, held):
    """An optax state with what is held at its value, many steps after its start."""
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        fields = {name: held_fast(part, held) for name, part in state._asdict().items()}
        fields |= {name: jnp.full_like(fields[name], value) for name, value in held.items() if name in fields}
        fields |= {name: jnp.full_like(fields[name], 10**6) for name in ("count", "t") if name in fields}
        return type(state)(**fields)
    return tuple(held_fast(part, held) for part in state) if isinstance(state, tuple) else state


def first_growing(transformation, held, low=0.02, high=400.0):
    """The smallest x whose iterates grow: the largest size in two windows of plain steps that begin tiny."""

    def growing(products):
        def step(carry, _):
            theta, state = carry
            updates, state = transformation.update(products / RATE * theta, held_fast(state, held), theta)
            theta = optax.apply_updates(theta, updates)
            return (theta, state), jnp.abs(theta)

        theta = jnp.full_like(products, 1e-100)
        sizes = np.asarray(jax.lax.scan(step, (theta, transformation.init(theta)), length=1500)[1])
        before, after = sizes[550:750].max(axis=0), sizes[1300:].max(axis=0)
        return ~((after < before) & (after < 1e-50) | (after < 1e-200))

    for _ in range(4):
        products = np.geomspace(low, high, 200)
        place = int(np.argmax(growing(jnp.asarray(products))))
        low, high = products[max(place - 1, 0)], products[place]
    return high


@pytest.mark.parametrize("case", CASES)
def test_iterates_of_optax_grow_from_there(case):
    name, (options, held) = case.split()[0], CASES[case]
    transformation = getattr(optax, name)(RATE, **options)
    written = ", ".join(f"{key}={value}" for key, value in options.items())
    threshold = eomsym.edge_threshold(f"optax.{name}({written})", eta=RATE)
    assert first_growing(transformation, held) == pytest.approx(threshold.value, rel=1e-6)
    assert bool(threshold.held) == bool(held)
    entry, values = eomsym.from_optax(transformation)
    read = eomsym.edge_threshold(entry, eta=RATE, **values)
    assert (read.value, read.angle) == (pytest.approx(threshold.value, rel=1e-12), threshold.angle)
    assert math.isfinite(read.value)
