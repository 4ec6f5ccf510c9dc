"""optax's schedules beside the real functions, step by step."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest

from eomsym.errors import InputError
from eomsym.jax import from_optax_schedule

optax = pytest.importorskip("optax", reason="optax is not installed")

SCHEDULES = {
    "constant": optax.constant_schedule(0.1),
    "cosine": optax.cosine_decay_schedule(0.1, 100, alpha=0.1),
    "cosine, another power": optax.cosine_decay_schedule(0.1, 50, alpha=0.1, exponent=2.0),
    "warm-up and cosine": optax.warmup_cosine_decay_schedule(0.01, 0.1, 10, 100, 0.01),
    "exponential": optax.exponential_decay(0.1, 50, 0.9),
    "exponential, later": optax.exponential_decay(0.1, 50, 0.9, transition_begin=20, end_value=0.05),
    "warm-up and exponential": optax.warmup_exponential_decay_schedule(0.0, 0.1, 10, 20, 0.8),
    "steps": optax.piecewise_constant_schedule(0.1, {30: 0.5, 70: 0.1}),
    "linear": optax.linear_schedule(0.1, 0.01, 50, 5),
    "polynomial": optax.polynomial_schedule(0.1, 0.01, 3, 60),
    "joined": optax.join_schedules([optax.linear_schedule(0.0, 0.1, 10), optax.exponential_decay(0.1, 30, 0.5)], [10]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_are_read_as_they_run(name):
    schedule, eta = SCHEDULES[name], 0.1
    found = from_optax_schedule(schedule, eta)
    with jax.enable_x64(True):
        for number in range(130):
            wanted = float(schedule(jnp.float64(number)))
            assert eta * found(number * eta) == pytest.approx(wanted, rel=1e-9, abs=1e-13), number


@pytest.mark.parametrize(
    ("schedule", "named"),
    [
        (optax.exponential_decay(0.1, 50, 0.9, staircase=True), "floor"),
        (optax.cosine_onecycle_schedule(100, 0.1), "stack|takes an array"),  # what comes first depends on optax
        (lambda n: jnp.where(jnp.cos(n) > jnp.log(n + 2), 0.1, 0.2), "cannot be said"),
        (0.1, "no function of the step"),
        (lambda n: jnp.where(jnp.sin(n / 50) > 0, 0.1, 0.05), "as it was read"),
        (lambda n: jnp.maximum(jnp.cos(n / 10), 0.2) * 0.1, "as it was read"),
        (lambda n: 0.1 * (1 + jnp.asarray(n / 7, int)), "as it was read"),
        (lambda n: jnp.where(n == 20, 0.1, 0.05), "operation eq"),
        (lambda n: jnp.array([0.1, 0.2]) * n, "does not return a number"),
        (
            lambda n: jnp.interp(n, jnp.array([0.0, 10.0]), jnp.array([0.0, 0.1])),
            "takes an array|operation eq",
        ),  # and here on JAX
    ],
)
def test_others_are_refused_with_the_reason(schedule, named):
    with pytest.raises(InputError, match=named):
        from_optax_schedule(schedule, 0.1)
