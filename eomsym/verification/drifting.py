"""How a quantity moves along a run: what the equation of motion says of it, order by order, beside the run itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_choice, check_integer, check_orders, check_positive
from eomsym.derivation.posing import STATES
from eomsym.dynamics import kernel_counterterms
from eomsym.dynamics.integration import integrate_path
from eomsym.dynamics.kernel import Data, check_order, check_theta, is_double_double
from eomsym.dynamics.kernel_rule import asked_rule, has_rule
from eomsym.dynamics.kernel_series import slow_memory
from eomsym.dynamics.state_map import StateMap, kernel_state, run_states
from eomsym.errors import EomsymError, InputError, IntegrationError
from eomsym.optimizers import Optimizer, label, trace
from eomsym.step_index import MAX_LOOKAHEAD_ORDER, map_logarithm
from eomsym.verification.drift_record import Drift
from eomsym.verification.observables import (
    BY_NAME,
    NEARER,
    Observable,
    check_derivative,
    check_moves,
    read_observable,
)
from eomsym.verification.posing import Progress, describe, growth_of_terms, kernel_of

if TYPE_CHECKING:
    from eomsym.codegen import Kernel
    from eomsym.models import MLP

#: Tolerances of the integrator, relative to what moves, tried in turn until its error is a hundredth of what is shown.
TOLERANCES = (1e-6, 1e-10, 1e-14)
LARGEST_FLOOR = 0.01
#: Points of a path that are kept, about.
KEPT = 100
MOST_STEPS = 1_000_000
#: Steps of the integrator for one of the run, beyond which a path is given up, and as many more at the beginning.
PER_STEP, BEGIN_WITH = 20, 200
#: Sharpness moves by a second derivative of g.
LEAST_ORDER = 2
#: How many random points say whether a row vanishes, and how far they lie, in units of θ's root mean square.
POINTS, DISTANCE = 3, 0.3
#: What is zero beside the derivative along a random direction as long as the row.
ZERO = 1e-8
#: A row that moves by this part of itself where θ moves by this part of it is made of rounding errors.
ANEW, LAST_DIGITS = 0.01, 1e-14


@dataclass(frozen=True, eq=False)
class _System:
    """An optimiser's map z → z⁺ on θ and memory, (m,), and its vector field, all per step.

    ``terms(z, order)`` are the terms of the field, (order + 1, m): term k goes with η^{k+1}.
    """

    map: StateMap
    terms: Callable[[np.ndarray, int], np.ndarray]
    pace: float  # time of a step: η, or as many as a step of the rule takes


def drift(
    kernel: Any,
    observable: Any,
    theta: Any,
    eta: float,
    *data: np.ndarray,
    order: int = 3,
    orders: Iterable[int] | None = None,
    optimizer: str | Optimizer | None = None,
    steps: int = 1,
    start: int = 0,
    state: str = "slow",
    test: Data | None = None,
    progress: Progress | None = None,
    **hyperparameters: object,
) -> Drift:
    """Rows φ_0 … φ_order of ``φ̇ = Σ_k η^k φ_k`` at θ, and the change of φ in ``steps`` steps, measured and predicted.

    ``observable`` is a name (``loss``, ``norm2``, ``norm2:2``, ``balance:1``, ``balance-matrix:1``, ``gradient-norm2``,
    ``margin``, ``sharpness``, ``sharpness-share``, ``test-loss`` with other samples as ``test``), an expression in the
    layers' ``W1``, ``b1``, … or the variables of a written loss, a function of θ (d,), differentiated by differences
    that are refused where it is not smooth, or a pair (function, its derivative along v).
    ``kernel`` with ``theta`` (d,) and ``data``; or a loss function of JAX or PyTorch in its place and ``params``, any
    pytree, as θ: observables are then functions of ``params``, differentiated by the library.
    ``optimizer`` is by default the kernel's own; with ``hyperparameters``, those not given at their defaults.  An
    optimiser with a memory begins on its slow manifold; with ``state="whole"`` with its own memory, after ``start``
    real steps, and row k is then of term k + 1 of the difference series of its map, over η^k.
    The prediction of an order integrates φ̇ along the equation of motion of that order; ``orders`` says of which.

    Raises ``InputError`` for a bad value, an observable that is not smooth, and one of a layer that there is not;
    ``IntegrationError`` if the run leaves the floating-point numbers.
    """
    check_choice("state", state, STATES)
    order = check_integer("order", order, 0, MAX_LOOKAHEAD_ORDER)
    kept = tuple(range(order + 1)) if orders is None else tuple(sorted(check_orders(orders)))
    if max(kept) > order:
        raise InputError(f"orders {list(kept)}: beyond order {order}, of which there are rows; give order={max(kept)}")
    rate, count = check_positive("eta", eta), check_integer("steps", steps, 1, MOST_STEPS)
    if state == "slow" and start:
        raise InputError(f"start {start}: only a whole state begins after steps of its own; give state='whole' too")
    given = observable
    kernel, theta, observable = _model(kernel, theta, observable, data)
    if is_double_double(kernel):
        raise InputError("kernel: its numbers are double-double, observables are of doubles; generate one in double")
    point = check_theta(kernel, theta)
    entry, exact = asked_rule(kernel, optimizer, hyperparameters)
    values = entry.complete(exact)
    with threadpool_limits(limits=1, user_api="blas"):
        system = _system(kernel, point, rate, data, entry, values, order, state)
        quantity = read_observable(observable, kernel, data, test)
        if quantity.exact and not isinstance(given, str | Observable):
            check_derivative(quantity, point)
        if not (isinstance(given, str | Observable) and quantity.name in BY_NAME):
            check_moves(quantity, point)
        states = run_states(system.map, count, start)
        return _measured(
            Drift(
                observable=quantity.name,
                exact_derivative=quantity.exact,
                optimizer=label(optimizer, entry),
                parameters=tuple((name, str(value)) for name, value in values.items()),
                model=describe(kernel) if hasattr(kernel, "model") else "own loss",
                eta=rate,
                steps=count,
                start=start,
                state=state,
                pace=system.pace,
            ),
            system,
            quantity,
            states,
            order,
            kept,
            progress,
        )


def kernel_for_drift(model: MLP, order: int, output: str | FilePath | None = None) -> Kernel:
    """A kernel of a network for ``drift`` to this order, for every optimiser and observable: committed or generated."""
    from eomsym.codegen import MAX_KERNEL_ORDER

    needed = min(max(order + 1, LEAST_ORDER), MAX_KERNEL_ORDER)
    return kernel_of(model, needed, output, lambda spec: spec.order >= needed)


def _model(kernel: Any, theta: Any, observable: Any, data: Data) -> tuple[Any, Any, Any]:
    """A loss function of JAX or PyTorch as a kernel, and a function of its parameters as one of θ."""
    if not callable(kernel) or hasattr(kernel, "gradient"):
        return kernel, theta, observable
    if data:
        raise InputError("data: a loss function holds its own; give a function of params, and no data")
    if hasattr(theta, "named_parameters"):
        raise InputError("params: a module; give dict(module.named_parameters()), and a loss by functional_call")
    flat_model: Any
    torch: Any = sys.modules.get("torch")
    if torch is not None and any(isinstance(leaf, torch.Tensor) for leaf in torch.utils._pytree.tree_leaves(theta)):
        from eomsym.torch.flat_model import FlatModel as flat_model
    else:
        from eomsym.jax.flat_model import FlatModel as flat_model
    made = flat_model(kernel, theta)
    if callable(observable):
        observable = Observable(getattr(observable, "__name__", "function"), *made.observed(observable))
    elif not isinstance(observable, str):
        raise InputError("observable: of a loss function give a function of params, or a name")
    return made, made.theta, observable


def _system(
    kernel: Any,
    point: np.ndarray,
    eta: float,
    data: Data,
    entry: Optimizer,
    values: dict[str, Fraction],
    order: int,
    state: str,
) -> _System:
    whole = kernel_state(kernel, point, eta, data, entry, values)
    pace = eta * entry.steps(**values)
    if state == "whole":
        return _System(whole, partial(_differences, whole.step), pace)
    check_order(kernel, order, "the rows of an observable")
    rows = _rows(kernel, entry, values, data)
    powers = eta ** np.arange(1.0, order + 2)

    def terms(z: np.ndarray, kept: int) -> np.ndarray:
        found = np.zeros((kept + 1, z.size))
        found[:, : point.size] = -powers[: kept + 1, None] * rows(z[: point.size], kept)
        return found

    if entry.memory:
        if not hasattr(kernel, "gradient_series"):
            raise InputError(
                f"optimizer {entry.name!r}: has a memory, and this model no slow manifold; give state='whole'"
            )
        rule = trace(entry.step, 1 + len(entry.memory), values)
        depth = min(order + 1, kernel.order)
        memory = slow_memory(kernel, rule, point, eta, depth, data, entry.fields(**values))
        sizes = [part.size for part in entry.initial_state(point, lambda at, field=0: 0 * at, **_floats(values))[1:]]
        begun = [point, *(part[:size] for part, size in zip(memory, sizes, strict=True))]
        whole = replace(whole, start=np.concatenate(begun))
        with np.errstate(invalid="ignore"):
            begins = bool(np.isfinite(whole.step(whole.start)).all())
        if not begins:
            raise InputError(
                f"eta {eta:g}: {entry.name} has no memory on its slow manifold here, where a mean of squares would be "
                "below zero; give a smaller one, or state='whole'"
            )
    return _System(whole, terms, pace)


def _floats(values: Mapping[str, Fraction]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _rows(
    kernel: Any, entry: Optimizer, values: dict[str, Fraction], data: Data
) -> Callable[[np.ndarray, int], np.ndarray]:
    """``−f̃_0 …`` of a step, (order + 1, d), by whatever the kernel has for this optimiser."""
    steps = entry.steps(**values)
    if hasattr(kernel, "observed"):  # a model of JAX or PyTorch
        return lambda theta, order: steps * kernel.counterterms(theta, order, entry, values)
    if has_rule(kernel, entry, values):
        return lambda theta, order: steps * kernel.counterterms(theta, *data, order=order)
    rule, fields = entry.rule(**values), entry.fields(**values)
    return lambda theta, order: kernel_counterterms(kernel, rule, theta, order, data, fields)


def _differences(step: Callable[[np.ndarray], np.ndarray], z: np.ndarray, order: int) -> np.ndarray:
    """``(−1)^k/(k + 1) Δ^{k+1} z``, whose sum is the logarithm of the map."""
    states = [z]
    for _ in range(order + 1):
        states.append(step(states[-1]))
    row, found = np.diff(states, axis=0), []
    for k in range(order + 1):
        found.append((-1) ** k / (k + 1) * row[0])
        row = np.diff(row, axis=0)
    return np.array(found)


def _measured(
    record: Drift,
    system: _System,
    quantity: Observable,
    states: np.ndarray,
    order: int,
    orders: Sequence[int],
    progress: Progress | None,
) -> Drift:
    size, z = system.map.size, states[0]
    terms = system.terms(z, order)
    # θ leads with η^{k+1}, a rate with η^k and the pace
    units = record.pace * record.eta ** np.arange(order + 1.0)
    rows = np.array([quantity.along(z[:size], term[:size]) / unit for term, unit in zip(terms, units, strict=True)])
    marks = sorted({round(k) for k in np.linspace(0, record.steps, min(record.steps, KEPT) + 1)} | {0, 1})
    begin = quantity.value(z[:size])
    found = replace(
        record,
        value=begin,
        rows=rows,
        step=quantity.value(states[1][:size]) - begin,
        marks=np.array(marks),
        measured=np.array([quantity.value(states[k][:size]) - begin for k in marks]),
        round_off=_round_off(quantity, states, size),
        vanishing=_vanishing(system, quantity, z, order) if record.state == "slow" else (),
        warnings=_warnings(terms, record.eta),
    )
    predicted, floors, reasons = {}, {}, {}
    for number, kept in enumerate(orders, 1):
        try:
            predicted[kept], floors[kept] = _predicted(found, system, quantity, states, kept)
        except IntegrationError as fault:
            reasons[kept] = str(fault)
        if progress is not None:
            progress(number, len(orders))
    return replace(found, predicted=predicted, floors=floors, reasons=reasons)


def _predicted(
    record: Drift, system: _System, quantity: Observable, states: np.ndarray, order: int
) -> tuple[np.ndarray, float]:
    """∫ φ̇ along the equation of motion of an order at the marks, (marks, …), and the integrator's error at the end."""
    size, z = system.map.size, states[0]
    shape, cut = record.measured.shape[1:], z.size

    def field(at: np.ndarray) -> np.ndarray:
        if record.state == "whole":
            return np.asarray(map_logarithm(system.map.step, at, order))
        return system.terms(at, order).sum(axis=0)

    def rate(both: np.ndarray) -> np.ndarray:
        if not np.isfinite(both).all():
            return np.full_like(both, np.nan)
        try:
            moved = field(both[:cut])
            return np.concatenate([moved, np.ravel(quantity.along(both[:size], moved[:size]))])
        except EomsymError:  # a trial step that leaves the domain: the integrator takes a smaller one
            return np.full_like(both, np.nan)

    begin = np.concatenate([z, np.zeros(int(np.prod(shape)))])
    speed = np.abs(rate(begin))
    moved = np.concatenate([np.abs(np.diff(states, axis=0)).mean(axis=0), speed[cut:]])
    noise = 4 * np.finfo(np.float64).eps * np.abs(begin)
    kept = slice(cut, None)
    for tolerance in TOLERANCES:
        allowed = tolerance * np.maximum(moved, tolerance * moved.max()) + noise + np.finfo(np.float64).tiny
        path = integrate_path(rate, begin, np.asarray(record.marks, dtype=np.float64), allowed, kept, _patience)
        found, floor = path.states.reshape(-1, *shape), float(path.error_estimates[-1])
        if floor <= LARGEST_FLOOR * np.linalg.norm(found[-1] - record.measured[-1]) or floor <= record.round_off:
            break
    return found, floor


def _patience(time: float) -> float:
    """Steps of the integrator: where a series has left all measure, its field is stiff and would take hours."""
    return BEGIN_WITH + PER_STEP * time


def _round_off(quantity: Observable, states: np.ndarray, size: int) -> float:
    """About how far round-off has moved the measured change, ‖·‖₂."""
    end, random = states[-1][:size], np.random.default_rng(0)
    unit = np.finfo(np.float64).eps
    pushed = quantity.along(end, unit * np.sqrt(len(states)) * np.abs(end) * random.standard_normal(size))
    return float(np.linalg.norm(pushed) + 2 * unit * np.linalg.norm(quantity.value(end)))


def _vanishing(system: _System, quantity: Observable, z: np.ndarray, order: int) -> tuple[bool, ...]:
    """Of each row whether it vanishes at random points around θ: as it is analytic, it then does everywhere.

    A point outside of where loss and observable are defined moves closer; where none is found it is not known: ().
    """
    random, size = np.random.default_rng(0), system.map.size
    spread = DISTANCE * (float(np.sqrt(np.mean(z[:size] ** 2))) or 1.0)
    vanishing = np.ones(order + 1, dtype=bool)
    for _ in range(POINTS):
        push, digits = random.standard_normal((2, size))
        for nearer in NEARER:
            with suppress(EomsymError), np.errstate(all="ignore"):
                vanishing &= _vanish_at(system, quantity, z, nearer * spread * push, LAST_DIGITS * digits, order)
                break
        else:
            return ()
    return tuple(map(bool, vanishing))


def _vanish_at(
    system: _System, quantity: Observable, z: np.ndarray, push: np.ndarray, digits: np.ndarray, order: int
) -> np.ndarray:
    """Of each row whether it vanishes at θ + push, (order + 1,).  Raises ``EomsymError`` where there is none.

    It does where the term is no more than round-off, which other last digits of θ make anew, and where φ' is zero
    along it, beside what φ' is along others.
    """
    size, point, near = system.map.size, z.copy(), z.copy()
    point[:size] += push
    near[:size] = point[:size] * (1 + digits)
    terms, others = system.terms(point, order)[:, :size], system.terms(near, order)[:, :size]
    sensitivity = quantity.sensitivity(point[:size])
    along = np.array([np.linalg.norm(quantity.along(point[:size], term)) for term in terms])
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
