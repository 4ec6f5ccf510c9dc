"""The shadow start of any optimiser with memory in numbers: its own steps as series in η, and what of them lasts.

From the real start the iterate is ``θ_n = Σ_k η^k θ_n[k]``; once the memory has faded ``θ_n[k]`` is a polynomial in n
of degree k, and its value at n = 0 is the coefficient c_k of the shadow start ``θ̂_0 = θ_0 + Σ_{k≥1} η^k c_k``, from
which the equation of motion follows the iterates.  No formula of the optimiser is needed, only its step function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any

import numpy as np

from eomsym import optimizers
from eomsym.checks import check_integer, check_positive
from eomsym.derivation.equation import Equation
from eomsym.dynamics.differentials import SeriesKernel, elementary_differentials
from eomsym.dynamics.eta_series import gradient_of_series, series_of_schedules
from eomsym.dynamics.kernel import Data, check_order, check_theta, is_double_double
from eomsym.dynamics.kernel_series import check_roots
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.optimizers import Optimizer
from eomsym.optimizers.loop import Loop
from eomsym.result import Result
from eomsym.series.array_series import ArraySeries
from eomsym.step_index import value_at, weights

#: Steps that are waited for: half the transient, which is counted for η > 0; there are so many lifetimes in it.
LIFETIMES = 60 * math.log(2)
#: The polynomials are read between once and this many times as late.
WINDOW = 3
#: More steps than this are refused: minutes.
MAX_STEPS = 600_000
#: Relative rounding of a sum.  Late steps add the same again and again, so it may add up in proportion to their number.
ROUNDING = float(np.finfo(float).eps) / 2
#: A coefficient that is less certain than this part of it is lost, unless it is small beside what it was read from.
LOST, SMALL = 0.01, 1e-8
_States = tuple[ArraySeries, ...]
#: From the second on, a term η^k c_k is at most this part of those before it, where the series says anything.
FALL = 0.5


@dataclass(frozen=True, eq=False, repr=False)
class ShadowStart(Result):
    """``θ̂_0 = theta + Σ_{k≥1} η^k coefficients[k − 1]``, (order, d); ``errors`` (order,) estimate theirs, ‖·‖₂.

    ``steps`` is how many steps of the optimiser it was read from, 0 where nothing was extrapolated.
    """

    theta: np.ndarray
    coefficients: np.ndarray
    errors: np.ndarray
    steps: int
    #: How far, over η, the path goes in one lifetime of the memory: what the terms are compared with.
    _reach: float = 0.0

    def at(self, eta: float, order: int | None = None) -> np.ndarray:
        """θ̂_0 for a learning rate, (d,), to η^order (all there are if none)."""
        known = len(self.coefficients)
        kept = known if order is None else check_integer("order", order, 0, known)
        return self.theta + sum(eta**k * row for k, row in enumerate(self.coefficients[:kept], start=1))


def shadow_start(
    kernel: SeriesKernel,
    theta: np.ndarray,
    eta: float | None,
    order: int,
    data: Data = (),
    *,
    optimizer: str | Optimizer,
    memory: Sequence[np.ndarray] | None = None,
    **parameters: object,
) -> ShadowStart:
    """The coefficients c_1 … c_order from the optimiser's real start at ``theta`` (d,), or from a given ``memory``.

    ``kernel`` gives gradients along curves to at least this order; its own rule does not count.  ``memory`` is one
    array for each state after θ, for a hand-over.  With ``eta`` it is checked that the series means something there.
    Raises ``InputError`` for a bad value, where the terms do not fall at this η, and where the memory is so long that
    it takes more than 600000 steps; ``IntegrationError`` where the digits are lost.
    """
    entry, given = optimizers.chosen(optimizer, parameters)
    loop = Loop(entry, entry.complete(given))
    eta = None if eta is None else check_positive("eta", eta)
    check_order(kernel, order, "the shadow start")
    point = check_theta(kernel, theta)
    if is_double_double(kernel):
        raise InputError("kernel of double-double precision: the shadow start is in doubles; take a kernel of doubles")
    start = hand_over(kernel, loop, np.append(point, 0.0), order, data, memory)
    if eta is not None:
        _check_series(start, eta)
    return start


def hand_over(
    kernel: SeriesKernel,
    loop: Loop,
    state: np.ndarray,
    order: int,
    data: Data = (),
    memory: Sequence[np.ndarray] | None = None,
    pieces: Mapping[str, int] | None = None,
) -> ShadowStart:
    """The shadow start of a loop at ``state`` = (θ, τ), (d + 1,), with the optimiser's own memory or a given one.

    Where a schedule begins a new piece the memory is still that of the old one: the path goes on from here.  ``pieces``
    are those that hold from now on.  Raises as ``shadow_start`` does.
    """
    check_order(kernel, order, "the shadow start")
    point, tau = check_theta(kernel, state[:-1]), float(state[-1])
    faded = _rounds_to_fade(loop, tau)
    if faded == 0 or order == 0:
        return ShadowStart(point, np.zeros((order, kernel.size)), np.zeros(order), 0)
    check_roots(kernel, loop.rule_at(tau, 1, pieces), point, data, loop.fields)
    gradient, begun = gradient_of_series(kernel, data, loop.fields), ArraySeries.constant(point, order + 1)
    if memory is None:
        states = loop.initial_state(begun, gradient, tau)
    else:
        states = (begun, *_memory_as_series(memory, loop.optimizer.memory, begun))
    at, rounds = series_of_schedules(loop.schedules, tau, order + 1, pieces), count()
    eta = ArraySeries.eta(order + 1)

    def step(before: _States) -> _States:
        return loop.round(gradient, before, eta, at, next(rounds) * loop.steps)

    sets = [_nodes(faded, order, low, high) for low, high in ((1.0, WINDOW), (1.2, 0.85 * WINDOW))]
    seen = _run(step, states, set().union(*sets))
    first, last = min(seen), max(seen)
    speed = float(np.linalg.norm(seen[last][1] - seen[first][1]) / (last - first))
    found, check, scales = _extrapolated(seen, sets)
    errors = np.linalg.norm(found - check, axis=1) + ROUNDING * last * scales
    start = ShadowStart(point, found, errors, last, speed * max(1.0, faded / LIFETIMES))
    _check_digits(start, scales)
    return start


def start_at(terms: Equation, kernel: SeriesKernel, theta: np.ndarray, data: Data = ()) -> ShadowStart:
    """Exact terms of a start (``derive(…, start=True).start``) at a point ``theta`` (d,), by elementary differentials.

    Raises ``InputError`` where a parameter is a symbol, where the trees are not plain (``shadow_start`` takes a given
    memory), for a bad point, and for a kernel whose order is too low.
    """
    terms.check_plain_start()
    rows = [{tree: _number(value) for tree, value in row.items()} for row in terms.rows]
    trees = [tree for row in rows for tree, value in row.items() if value != 0]
    values = elementary_differentials(kernel, theta, trees, data)
    found = np.zeros((len(rows), kernel.size))
    for k, row in enumerate(rows):
        found[k] = sum(value * values[tree] for tree, value in row.items() if value != 0)
    return ShadowStart(check_theta(kernel, theta), found, np.zeros(len(rows)), 0)


def _number(value: Any) -> float:
    if not isinstance(value, (int, Fraction)):
        raise InputError(f"start: its coefficient {value} has a symbol; derive it with a value, such as beta='9/10'")
    return float(value)


def _rounds_to_fade(loop: Loop, tau: float) -> int:
    entry, scheduled = loop.optimizer, loop.schedules
    values = {n: Fraction(scheduled[n](tau)) if n in scheduled else value for n, value in loop.values.items()}
    faded = math.ceil(entry.transient(**values) / 2)
    if faded * WINDOW > MAX_STEPS:
        raise InputError(
            f"start: the memory of {entry.name} is so long that {faded * WINDOW} steps are needed, and {MAX_STEPS} are "
            "allowed; give parameters that forget sooner"
        )
    return math.ceil(faded / len(loop.visits))


def _memory_as_series(memory: Sequence[np.ndarray], names: Sequence[str], theta: ArraySeries) -> list[ArraySeries]:
    given, (terms, size) = [np.asarray(part, dtype=float) for part in memory], theta.rows.shape
    if len(given) != len(names) or any(part.shape not in ((1,), (size,)) for part in given):
        shapes = [part.shape for part in given]
        raise InputError(f"memory: shapes {shapes}; give one array of shape {(size,)} for each of {', '.join(names)}")
    return [ArraySeries.constant(part, terms) for part in given]


def _nodes(faded: int, order: int, low: float, high: float) -> tuple[int, ...]:
    """``order + 1`` late steps, Chebyshev's points of a window: they amplify least what is not a polynomial."""
    places = np.cos(np.pi * (2 * np.arange(order + 1) + 1) / (2 * order + 2))
    middle, half = (low + high) / 2, (high - low) / 2
    return tuple(sorted({round(faded * (middle + half * place)) + i for i, place in enumerate(places)}))


def _run(step: Callable[[_States], _States], state: _States, kept: set[int]) -> dict[int, np.ndarray]:
    """Coefficients of θ, (terms, d), after the steps that are to be kept."""
    seen: dict[int, np.ndarray] = {}
    with np.errstate(all="ignore"):
        for index in range(1, max(kept) + 1):
            try:
                state = step(state)
            except OverflowInKernelError as error:
                raise IntegrationError(f"start: step {index} has no gradient in powers of eta: {error}") from error
            if not np.isfinite(state[0].rows).all():
                raise IntegrationError(
                    f"start: step {index} has no power series in eta; where a root or a quotient of the step is not "
                    "smooth at theta there is no start, take another theta or a larger epsilon"
                )
            if index in kept:
                seen[index] = state[0].rows
    return seen


def _extrapolated(
    seen: dict[int, np.ndarray], sets: Sequence[tuple[int, ...]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The coefficients at n = 0 from both sets of nodes, (order, d), and the size of what each is the sum of."""
    values, sizes = [], []
    for nodes in sets:
        exact = weights(list(map(Fraction, nodes)), value_at(Fraction(0)))
        parts = np.array([float(weight) * seen[node][1:] for weight, node in zip(exact, nodes, strict=True)])
        values.append(parts.sum(axis=0))
        sizes.append(np.linalg.norm(parts, axis=2).sum(axis=0))
    return values[0], values[1], sizes[0]


def _check_digits(start: ShadowStart, scales: np.ndarray) -> None:
    sizes = np.linalg.norm(start.coefficients, axis=1)
    for k, (size, error, scale) in enumerate(zip(sizes, start.errors, scales, strict=True), start=1):
        if error > LOST * size and error > SMALL * scale:
            raise IntegrationError(
                f"start: order {k} has no digits left, c_{k} is {size:.1g} ± {error:.1g}; "
                "take a lower order, or parameters that forget sooner"
            )


def _check_series(start: ShadowStart, eta: float) -> None:
    sizes = [
        eta * start._reach,
        *(eta**k * float(np.linalg.norm(row)) for k, row in enumerate(start.coefficients, start=1)),
    ]
    doubts = [0.0, *(eta**k * float(error) for k, error in enumerate(start.errors, start=1))]
    for k in range(1, len(sizes)):
        before = max(sizes[max(k - 2, 0) : k])  # two, since a term may vanish: c_1 of bias-corrected Adam does
        if (k > 1 and sizes[k] > FALL * before) or doubts[k] > LOST * max(sizes):
            listed = ", ".join(f"{size:.1e}" for size in sizes[1:])
            raise InputError(
                f"eta {eta:g}: the terms of the start, {listed}, do not fall (the path goes {sizes[0]:.1e} while the "
                "memory lasts), so it means nothing; run the optimizer through its transient and start the flow there, "
                "or take a smaller eta"
            )
