"""How a quantity moves along a run: what the equation of motion says of it, order by order, beside the run itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_choice, check_integer, check_orders
from eomsym.codegen import MAX_KERNEL_ORDER
from eomsym.derivation.posing import STATES
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.motion import Motion, WholeMotion
from eomsym.dynamics.runs import run_states
from eomsym.errors import EomsymError, InputError, IntegrationError
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER
from eomsym.verification.compare import Run, compare
from eomsym.verification.drift_record import Drift
from eomsym.verification.motions import check_moving, map_of, on_manifold, slow_motion
from eomsym.verification.observables import (
    BY_NAME,
    NEARER,
    Observable,
    check_derivative,
    check_moves,
    read_observable,
)
from eomsym.verification.posing import Progress, growth_of_terms
from eomsym.verification.training import Training

#: Points of a path that are kept, about.
KEPT = 100
MOST_STEPS = 1_000_000
#: Sharpness moves by a second derivative of g.
LEAST_ORDER = 2
#: How many random points say whether a row vanishes, and how far they lie, in units of θ's root mean square.
POINTS, DISTANCE = 3, 0.3
#: What is zero beside the derivative along a random direction as long as the row.
ZERO = 1e-8
#: A row that moves by this part of itself where θ moves by this part of it is made of rounding errors.
ANEW, LAST_DIGITS = 0.01, 1e-14


def drift(
    training: Training,
    observable: Any,
    orders: Iterable[int] = range(4),
    *,
    steps: int = 1,
    after: int = 0,
    state: str = "slow",
    test: Data | None = None,
    progress: Progress | None = None,
) -> Drift:
    """Rows φ_0, φ_1, … of ``φ̇ = Σ_k η^k φ_k`` at θ, and the change of φ in ``steps`` steps, measured and predicted.

    ``observable`` is a name (``loss``, ``norm2``, ``norm2:2``, ``balance:1``, ``balance-matrix:1``, ``gradient-norm2``,
    ``margin``, ``sharpness``, ``sharpness-share``, ``test-loss`` with other samples as ``test``), an expression in the
    layers' ``W1``, ``b1``, … or the variables of a written loss, a function of θ (d,), differentiated by differences
    that are refused where it is not smooth, or a pair (function, its derivative along v).  Of a loss function of JAX or
    PyTorch observables are functions of its ``params``, differentiated by the library.
    There are rows to the highest of ``orders``.  An optimiser with a memory begins on its slow manifold; with
    ``state="whole"`` with its own memory, after ``after`` real steps, and row k is then of term k + 1 of the difference
    series of its map, over η^k.
    The prediction of an order integrates φ̇ along the equation of motion of that order.

    Raises ``InputError`` for a bad value, an observable that is not smooth, and one of a layer that there is not;
    ``IntegrationError`` if the run leaves the floating-point numbers.
    """
    check_choice("state", state, STATES)
    listed = tuple(sorted(check_orders(orders)))
    order = check_integer("order", listed[-1], 0, MAX_LOOKAHEAD_ORDER)
    count = check_integer("steps", steps, 1, MOST_STEPS)
    if state == "slow" and after:
        raise InputError(f"after {after}: only a whole state begins after steps of its own; give state='whole' too")
    training.check_plain("the drift of a quantity")
    rate, (entry, values) = training.rate("the drift of a quantity"), training.rule
    training.check_doubles("the drift of a quantity")
    needed = training.within(min(max(order + 1, LEAST_ORDER), MAX_KERNEL_ORDER))
    kernel = training.kernel(max(needed, order) if state == "slow" else needed, "the rows of an observable")
    with threadpool_limits(limits=1, user_api="blas"):
        quantity = _quantity(training, observable, kernel, test)
        whole, motion = map_of(training, "drift", needed), None
        check_moving(whole, kernel)
        if state == "slow":
            motion = slow_motion(training, order, "the rows of an observable")
            motion.must_fall = False  # of few steps it is shown what such a series says, with a warning
            whole = on_manifold(training, whole, needed, "drift")
        states = run_states(whole, count, after)
        marks = np.array(sorted({round(k) for k in np.linspace(0, count, min(count, KEPT) + 1)} | {0, 1}))
        thetas = states[:, : whole.size]
        begin = quantity.value(thetas[0])
        measured = np.array([quantity.value(thetas[k]) - begin for k in marks])
        round_off = _round_off(quantity, thetas)
        described = motion or WholeMotion(whole)
        terms = described.terms(states[0, : described.width], order)
        # θ leads with η^{k+1}, a rate with η^k and the time of a step
        pace = rate * entry.steps(**values)
        units = pace * rate ** np.arange(order + 1.0)
        along = [quantity.along(thetas[0], term[: whole.size]) for term in terms]
        done = itertools.count(1)
        run = Run(states, measured, whole.tally, marks, quantity, round_off)
        counted = (lambda: progress(next(done), len(listed))) if progress is not None else lambda: None
        return Drift(
            training=training.setting,
            observable=quantity.name,
            exact_derivative=quantity.exact,
            steps=count,
            after=after,
            state=state,
            pace=pace,
            value=begin,
            rows=np.array([row / unit for row, unit in zip(along, units, strict=True)]),
            step=quantity.value(thetas[1]) - begin,
            marks=marks,
            measured=measured,
            compared=compare(described, run, listed, counted),
            round_off=round_off,
            vanishing=() if motion is None else _vanishing(motion, quantity, thetas[0], order),
            warnings=_warnings(terms, rate),
        )


def _quantity(training: Training, observable: Any, kernel: Any, test: Data | None) -> Observable:
    """What is observed, checked.  Raises ``InputError`` where it is not smooth or does not move."""
    given = observable
    if training.own is not None:
        if callable(observable):
            made = training.own.kernel.observed(observable)
            observable = Observable(getattr(observable, "__name__", "function"), *made)
        elif not isinstance(observable, str):
            raise InputError("observable: of a loss function give a function of params, or a name")
    quantity = read_observable(observable, kernel, training.data, test)
    if quantity.exact and not isinstance(given, str | Observable):
        check_derivative(quantity, training.theta)
    if not (isinstance(given, str | Observable) and quantity.name in BY_NAME):
        check_moves(quantity, training.theta)
    return quantity


def _round_off(quantity: Observable, thetas: np.ndarray) -> float:
    """About how far round-off has moved the measured change, ‖·‖₂."""
    end, random = thetas[-1], np.random.default_rng(0)
    unit = np.finfo(np.float64).eps
    pushed = quantity.along(end, unit * np.sqrt(len(thetas)) * np.abs(end) * random.standard_normal(end.size))
    return float(np.linalg.norm(pushed) + 2 * unit * np.linalg.norm(quantity.value(end)))


def _vanishing(motion: Motion, quantity: Observable, theta: np.ndarray, order: int) -> tuple[bool, ...]:
    """Of each row whether it vanishes at random points around θ: as it is analytic, it then does everywhere.

    A point outside of where loss and observable are defined moves closer; where none is found it is not known: ().
    """
    random = np.random.default_rng(0)
    spread = DISTANCE * (float(np.sqrt(np.mean(theta**2))) or 1.0)
    vanishing = np.ones(order + 1, dtype=bool)
    for _ in range(POINTS):
        push, digits = random.standard_normal((2, theta.size))
        for nearer in NEARER:
            with suppress(EomsymError), np.errstate(all="ignore"):
                point = theta + nearer * spread * push
                vanishing &= _vanish_at(motion, quantity, point, point * (1 + LAST_DIGITS * digits), order)
                break
        else:
            return ()
    return tuple(map(bool, vanishing))


def _vanish_at(motion: Motion, quantity: Observable, point: np.ndarray, near: np.ndarray, order: int) -> np.ndarray:
    """Of each row whether it vanishes at a point, (order + 1,).  Raises ``EomsymError`` where there is none.

    It does where the term is no more than round-off, which other last digits of θ make anew, and where φ' is zero
    along it, beside what φ' is along others.
    """
    terms, others = motion.terms(point, order), motion.terms(near, order)
    sensitivity = quantity.sensitivity(point)
    along = np.array([np.linalg.norm(quantity.along(point, term)) for term in terms])
    if not (np.isfinite(terms).all() and np.isfinite(others).all() and np.isfinite([*along, sensitivity]).all()):
        raise IntegrationError("theta: loss or observable is not defined here")
    lengths = np.linalg.norm(terms, axis=1)
    anew = np.linalg.norm(terms - others, axis=1) > ANEW * lengths
    return np.asarray(anew | (along <= ZERO * sensitivity * lengths))


def _warnings(terms: np.ndarray, eta: float) -> tuple[str, ...]:
    growth = eta * growth_of_terms(terms / eta ** np.arange(len(terms))[:, None])
    if growth < 1:
        return ()
    return (f"the terms of the series grow by {growth:.2g} an order here: higher orders say less; take a smaller eta",)
