"""The whole state in numbers: its derived series against differences of real steps, and the memory of the manifold."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest
import sympy
from quartic_kernel import Quartic
from second_routes.modified_fields import modified_field_terms

from eomsym import derive, optimizers
from eomsym.dynamics import kernel_counterterms, whole_state_terms
from eomsym.dynamics.kernel_series import WholeStateKernel, slow_memory
from eomsym.errors import InputError
from eomsym.optimizers.tracing import trace
from eomsym.optimizers.whole_state import whole_state

THETA = np.array([0.7, 0.4])
DECAYS = {"gamma": Fraction(3, 2), "gamma1": Fraction(13, 10), "gamma2": Fraction(2, 5), "epsilon": Fraction(1, 10)}
ADAM_INSIDE = "adam(inside=yes, corrected=no)"
NAMES = (
    "heavy-ball",
    "nesterov",
    ADAM_INSIDE,
    "adam(corrected=no)",
    "nesterov(lookahead=yes)",
    "adam",
    "ademamix",
    "schedule-free-sgd",
    "schedule-free-adamw",
    "gradient-descent(ema=yes)",
    "heavy-ball(ema=yes)",
    "heavy-ball(swa=yes)",
)
SMALL = (1 / 160, 1 / 320)


KERNEL = Quartic()


def family(name):
    """The kernel of the whole state, and a state whose memory is not on the slow manifold."""
    scaling = whole_state(optimizers.get(name))
    values = {p.name: DECAYS.get(p.name, Fraction(1, 5)) for p in scaling.taking_rates.parameters}
    memory = {"velocity": [0.3, -0.2], "mean": [0.5, 0.2], "square": [3.0, 2.0], "slow mean": [0.4, -0.1]}
    memory |= {"base": [0.6, 0.5], "averaged weights": [0.8, 0.3], "averaging time": [2.0]}
    parts = [np.array(memory.get(part, [0.3])) for part in scaling.optimizer.memory]
    whole = WholeStateKernel(KERNEL, scaling, values, [THETA, *parts])
    return whole, whole.start


def lookahead(whole, state, h, order):
    """``(1/h) Σ (−1)^{n+1}/n Δⁿ z`` of the optimiser's own steps."""
    states = [state]
    for _ in range(order + 1):
        states.append(whole.run(states[-1], h, 1, ()).theta)
    differences, total = np.array(states), 0
    for n in range(1, order + 2):
        differences = np.diff(differences, axis=0)
        total = total + (-1) ** (n + 1) / n * differences[0]
    return total / h


@pytest.mark.parametrize("name", NAMES)
def test_series_and_differences_of_steps_agree_to_their_order(name):
    """Their distance falls with slope N + 1 in the small parameter; with a term left out it falls with slope N."""
    whole, state = family(name)
    for order in range(4):
        steps = [lookahead(whole, state, h, order) for h in SMALL]
        errors = [
            np.linalg.norm(whole.field(state, h, order=order) - step) for h, step in zip(SMALL, steps, strict=True)
        ]
        assert np.log2(errors[-2] / errors[-1]) == pytest.approx(order + 1, abs=0.1)
        if order:
            short = [
                np.linalg.norm(whole.field(state, h, order=order - 1) - step)
                for h, step in zip(SMALL, steps, strict=True)
            ]
            assert np.log2(short[-2] / short[-1]) == pytest.approx(order, abs=0.2)


X, Y = sympy.symbols("x y")
LOSS = X**4 / 4 + X * Y**2 / 3 + X**2 + 3 * Y**2 / 4 + 3 * X / 5 + Y  # what Quartic is
TOLD = {"adamw": {"decay": "1/5"}, "sgdw": {"decay": "1/5"}, "heavy-ball(dampened=yes)": {"dampening": "1/10"}}


@pytest.mark.parametrize("less", [2, pytest.param(0, marks=pytest.mark.slow)], ids=["two less", "highest"])
@pytest.mark.parametrize(
    "name",
    [
        "heavy-ball",
        "nesterov",
        "sgdw",
        "heavy-ball(dampened=yes)",
        ADAM_INSIDE,
        "adamw",
        "rmsprop(inside=yes)",
        "adam",
    ],
)
def test_terms_and_numbers_agree_to_the_highest_order(name, less):
    """Trees and monomials written out in 40 digits against arrays at other nodes: two algebras of one solver."""
    scaling = whole_state(optimizers.get(name))
    rates = {p.name: DECAYS[p.name] for p in scaling.taking_rates.parameters if p.name in DECAYS} | TOLD.get(name, {})
    rule = scaling.rule(**scaling.taking_rates.complete(rates))
    order = (6 if rule.linear else 4) - less
    whole, state = family(name)
    numbers = whole_state_terms(KERNEL, rule, whole.parts(state), order)
    memory = [[sympy.Symbol(f"z{i}_{j}") for j in range(2)] for i in range(len(scaling.optimizer.memory))]
    values = dict(zip([X, Y], THETA, strict=True))
    for symbols, part in zip(memory, whole.parts(state)[1:], strict=True):
        values |= dict(zip(symbols, np.broadcast_to(part, 2), strict=True))
    exact = derive(name, order=order, state="whole", **rates).to_sympy(LOSS, [X, Y], memory)
    for row, found in zip(exact, numbers, strict=True):
        for column, part in zip(row, found, strict=True):
            wanted = np.array([float(entry.evalf(40, subs=values)) for entry in column])
            np.testing.assert_allclose(np.broadcast_to(part, 2), wanted, rtol=1e-10, atol=1e-12)


class Quadratic:
    """``θ²/2``, one unknown."""

    order, size = 10, 1

    def gradient_series(self, series):
        return series.copy()


@pytest.mark.parametrize("beta", ["1/2", "9/10", "99/100", "999/1000"])
def test_heavy_ball_on_a_quadratic_is_the_closed_form(beta):
    """The logarithm of the larger root, shared/theory.md §3, to order 10 at the values that people use."""
    share = Fraction(beta)
    rule = optimizers.get("heavy-ball").rule(beta=share)
    found = kernel_counterterms(Quadratic(), rule, np.ones(1), 10)[:, 0]
    for n, row in enumerate(found, start=1):
        total = sum(comb(n - 1, k) ** 2 * share**k for k in range(n)) / (n * (1 - share) ** (2 * n - 1))
        assert row == pytest.approx(float(total), rel=1e-12)


def test_the_memory_on_the_slow_manifold_stays_there():
    """One step from (θ, memory(θ)) leads to (θ⁺, memory(θ⁺)), up to the power that is left out."""
    entry, beta = optimizers.get("heavy-ball"), Fraction(9, 10)
    rule = trace(entry.step, 2, {"beta": beta})
    for order in (1, 3):
        defects = []
        for eta in (1e-4, 5e-5):
            (velocity,) = slow_memory(KERNEL, rule, THETA, eta, order)
            theta, after = entry.step(lambda at, field=0: KERNEL.gradient(at), (THETA, velocity), eta, float(beta))
            defects.append(np.linalg.norm(after - slow_memory(KERNEL, rule, theta, eta, order)[0]))
        assert np.log2(defects[0] / defects[1]) == pytest.approx(order + 1, abs=0.1)


@pytest.mark.parametrize("name", ["heavy-ball", "adam", "implicit-midpoint"])
def test_any_rule_on_a_kernel_of_gradients(name):
    """Against plain numbers at integer nodes."""
    entry = optimizers.get(name)
    rule = entry.rule(**entry.complete({}, trial=True))
    wanted = modified_field_terms(rule, lambda field, series: KERNEL.gradient_series(series), THETA, 5)
    np.testing.assert_allclose(kernel_counterterms(KERNEL, rule, THETA, 4), -np.array(wanted), rtol=1e-10, atol=1e-11)


def test_bad_input_is_named():
    scaling = whole_state(optimizers.get("heavy-ball"))
    rule = scaling.rule(gamma=Fraction(1))
    with pytest.raises(InputError, match="order 9"):
        whole_state_terms(KERNEL, rule, [THETA, THETA], 9)
    with pytest.raises(InputError, match="missing; give 0 <= gamma"):
        scaling.taking_rates.complete({})
    with pytest.raises(InputError, match="times h = 2 it exceeds 1"):
        scaling.shares_at(2.0, {"gamma": Fraction(1)})
