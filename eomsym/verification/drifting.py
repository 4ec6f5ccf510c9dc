"""How a quantity moves along a run: what the equation of motion says of it, order by order, beside the run itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_choice, check_integer, check_orders
from eomsym.codegen.spec import MAX_KERNEL_ORDER
from eomsym.derivation.posing import STATES
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.motion import Motion, WholeMotion
from eomsym.dynamics.runs import run_states
from eomsym.dynamics.setting import HEAD, OfTraining, Setting
from eomsym.errors import EomsymError, InputError, IntegrationError
from eomsym.result import Table
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER
from eomsym.verification.compare import Compared, Run, check_moving, compare, map_of, on_manifold, slow_motion
from eomsym.verification.observables import (
    BY_NAME,
    NEARER,
    Observable,
    check_derivative,
    check_moves,
    read_observable,
)
from eomsym.verification.posing import Progress, counted, growth_of_terms
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


@dataclass(frozen=True, eq=False, repr=False)
class Drift(OfTraining):
    """``φ̇ = Σ_k η^k φ_k`` at the start, and the change of φ in ``steps`` steps.

    ``rows`` (order + 1, …) are φ_0, φ_1, …, each of the observable's shape; ``step`` (…) its exact change in one step
    of the optimiser; ``value`` (…) what it is at the start.  ``measured`` (m, …) is the change at the steps ``marks``
    (m,), ``compared`` the prediction of each order beside it; ``round_off`` is what of the measurement rounding may
    owe, ‖·‖₂.  ``vanishing`` says of each row whether it vanishes identically, as far as random points tell; it is
    empty for a whole state, and where no point is in the domain.  ``pace`` is the time of one step.
    """

    training: Setting
    observable: str
    exact_derivative: bool
    steps: int
    after: int
    state: str
    pace: float
    value: np.ndarray
    rows: np.ndarray
    step: np.ndarray
    marks: np.ndarray
    measured: np.ndarray
    compared: tuple[Compared, ...]
    round_off: float = 0.0
    vanishing: tuple[bool, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def change(self) -> np.ndarray:
        """What φ has changed by at the last step, (…)."""
        return np.asarray(self.measured[-1])

    @property
    def predicted(self) -> dict[int, np.ndarray]:
        """The predicted change at the marks, (m, …), by order; without those whose path left the numbers."""
        return {record.order: record.path for record in self.compared if record.path is not None}

    @property
    def reasons(self) -> dict[int, str]:
        """Why the path of an order did not reach the end."""
        return {record.order: record.reason for record in self.compared if record.reason}

    @property
    def predictions(self) -> list[dict[str, Any]]:
        """Of each order that was predicted the change at the last step, and its distance from the measured one, ‖·‖₂.

        ``ratio`` is predicted over measured change, of arrays the share along the measured one; ``floor`` what the
        integrator may owe; ``at_floor`` says whether the error is lost in round-off and integration.
        """
        square = float(np.vdot(self.change, self.change))
        return [
            {
                **{"order": record.order, "change": path[-1].tolist(), "error": record.error},
                "ratio": float(np.vdot(path[-1], self.change)) / square if square else None,
                **{"floor": record.floor, "at_floor": record.error < 5 * (record.floor + self.round_off)},
            }
            for record in self.compared
            if (path := record.path) is not None
        ]

    @property
    def errors(self) -> dict[int, float]:
        """Distance of the predicted change from the measured one at the last step, ‖·‖₂, by order."""
        return {row["order"]: row["error"] for row in self.predictions}

    @property
    def ratios(self) -> dict[int, float]:
        """Predicted over measured change at the last step, by order; of arrays, the share along the measured one."""
        return {row["order"]: math.nan if row["ratio"] is None else row["ratio"] for row in self.predictions}

    @property
    def broken_at(self) -> int | None:
        """The first k whose φ_k does not vanish identically; None where all do, or where it is not known."""
        return next((k for k, vanishes in enumerate(self.vanishing) if not vanishes), None)

    @property
    def passed(self) -> bool:
        """Whether every order's path stayed in the numbers."""
        return not self.reasons

    drawn_by = "eomsym.verification.figures.drift_figure"

    told = (
        *("observable", "exact_derivative", *HEAD, "steps", "after", "state", "shape", "value", "rows", "vanishing"),
        *("broken_at", "step", "change", "round_off", "predictions", "path", "warnings", "reasons", "passed"),
    )

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the observable."""
        return self.value.shape

    @property
    def path(self) -> dict[str, np.ndarray]:
        """The measured change at each mark."""
        return {"steps": self.marks, "measured": self.measured}

    rows_of = "predictions"

    @property
    def summary(self) -> str:
        """The observable, what moves it, and where."""
        return f"{self.observable}: {self.training}, eta {self.eta:g}"

    def report(self) -> list[str | Table]:
        """The rows and what each order predicts, then what was measured."""
        lines, predicted = [], {row["order"]: row for row in self.predictions}
        for order, row in enumerate(self.rows):
            size = "0 (identically)" if self.vanishing and self.vanishing[order] else shown(row)
            told = ["", "", "", self.reasons.get(order, "")]
            if found := predicted.get(order):
                nothing = bool(self.vanishing) and all(self.vanishing[: order + 1])
                change = "0" if nothing else shown(found["change"])
                told = [change, f"{found['error']:.2e}", six(self.ratios[order])]
                told.append("round-off" if found["at_floor"] else "")
            lines.append([str(order), size, *told])
        head = ["order", "row k", "predicted change", "error", "predicted / measured", ""]
        what = "change in 1 step" if self.steps == 1 else f"change in {self.steps} steps"
        return [self.summary, "", Table(head, lines, words=(-1,)), f"{what}, measured: {shown(self.change)}"]


def shown(value: Any) -> str:
    """A number; of an array its norm."""
    return f"{float(value):.6g}" if np.ndim(value) == 0 else f"|{float(np.linalg.norm(value)):.6g}|"


def six(ratio: float) -> str:
    """A ratio to six decimals, without the sign of a zero."""
    return f"{round(ratio, 6) + 0.0:.6f}"


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
        run = Run(states, measured, whole.tally, marks, quantity, round_off)
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
            compared=tuple(compare(described, run, order) for order in counted(listed, progress)),
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
