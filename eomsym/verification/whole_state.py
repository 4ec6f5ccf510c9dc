"""Does the derived equation of motion of the whole state follow the optimiser from its real start, to each order?

In the rule's own family: ``1 − β = γh`` goes with the small parameter h, and γ is such that β and the largest step size
are those given.  Nothing is settled and no memory is eliminated: the first point is the user's own β and η.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from eomsym.checks import check_integer
from eomsym.dynamics import integrate_equation_of_motion
from eomsym.dynamics.kernel_series import WholeStateKernel
from eomsym.dynamics.runs import StateMap, kernel_state, run_states
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.dynamics.vectors import slices
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers import Optimizer
from eomsym.optimizers.registry import check_one_gradient
from eomsym.optimizers.whole_state import WholeState, whole_state
from eomsym.verification.measurement import Posed, WholeProblem, checked_kernel
from eomsym.verification.posing import LARGEST_STEP_WITH_MEMORY, STEPS, default_etas, growth_of_terms
from eomsym.verification.training import Training

#: Real steps before the comparison, in the order in which they are tried: a mean of squares that begins at 0 has no
#: root there, and after n steps it still grows by 1/n of itself in each.
BEGINNINGS = (0, 5, 10)
#: The largest step size times the growth of the terms, entry by entry, is at most this much.
LARGEST_GROWTH = 0.5
#: The error allowed in a step of the integrator where a step size is tried, in units of the state.
COARSE = 1e-4
#: How often a largest step is halved in search of one at which the terms of the field fall.
MORE_HALVINGS = 24


def default_state(optimizer: Optimizer, asks_for_slow: bool) -> str:
    """``whole`` for an optimiser with a memory that fades slowly, unless something asks for the slow manifold."""
    if asks_for_slow:
        return "slow"
    try:
        whole_state(optimizer)
    except InputError:
        return "slow"
    return "whole"


def pose_whole_state(
    training: Training, orders: Sequence[int], etas: Sequence[float] | None, after: int | None
) -> Posed:
    """Poses a whole state for ``verify``: how the error of (θ, memory) at a fixed time falls with the small parameter.

    In the result stand the small parameters, η or h = √η.  The state begins where ``after`` real steps of the largest
    size lead; None is 0, the optimiser's own memory, or else the first of ``BEGINNINGS`` from which the terms of the
    field fall.  Entries that never move are left out.  Errors are relative: θ's to the distance that θ moves, each
    memory's to its size.
    Raises ``InputError`` for an optimiser without a slow memory, a bad value, or a start at which its field is not
    smooth, and ``IntegrationError`` if a path leaves the floating-point numbers.
    """
    order, (entry, values) = max(orders) + 1, training.rule
    scaling = whole_state(entry)
    check_one_gradient(entry, values)
    if after is not None:
        check_integer("after", after, 0)
    kernel = checked_kernel(training, orders)
    family = _Family(kernel, scaling, values, training.theta, training.data)
    radius = spectral_radius(kernel, family.theta, training.data)
    beginnings = BEGINNINGS if after is None else (after,)
    if etas is None:
        steps, begin = _default_steps(family, beginnings, order, radius)
    else:
        steps = _steps(etas, scaling)
        begin = _first_smooth(family, beginnings, steps[0], order)
    whole = family.kernel(steps[0], begin)
    problem = WholeProblem(entry, whole, whole.start, training.data, values, {order: order + 1 for order in orders})
    small = "h = sqrt(eta)" if scaling.power == 2 else "eta"
    about = {"spectral_radius": radius, "state": "whole", "after": begin, "small_parameter": small}
    return Posed(problem, steps, STEPS * steps[0], about)


@dataclass(frozen=True, eq=False)
class _Family:
    """One rule on one loss from ``theta``; step size and beginning choose γ, the state at the start and its units."""

    loss: Any
    scaling: WholeState
    values: Mapping[str, Fraction]
    theta: np.ndarray
    data: Sequence[np.ndarray]

    def kernel(self, h: float, begin: int) -> WholeStateKernel:
        """The equation of motion, from where ``begin`` real steps of this size lead.

        Raises ``IntegrationError`` if the run leaves the floating-point numbers.
        """
        eta, scaling = h**self.scaling.power, self.scaling
        run = kernel_state(self.loss, self.theta, eta, self.data, scaling.optimizer, self.values)
        states = run_states(run, STEPS, begin)
        cuts = slices(run.sizes)
        for cut, unit in zip(cuts[1:], scaling.units(h), strict=True):
            states[:, cut] *= unit
        moving, units = _units(states, run)
        parts = [states[0, cut] for cut in cuts]
        values = scaling.scaled(Fraction(eta), self.values)
        return WholeStateKernel(self.loss, scaling, values, parts, moving, units[moving])

    def growth(self, h: float, begin: int, order: int) -> float:
        """How fast the terms grow there, times h; infinite where the field has no series or the run no numbers."""
        try:
            whole = self.kernel(h, begin)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                rows = whole.counterterms(whole.start, *self.data, order=order)
        except (InputError, IntegrationError):
            return np.inf
        return h * growth_of_terms(rows, np.inf) if np.isfinite(rows).all() else np.inf

    def holds(self, h: float, begin: int, orders: Sequence[int]) -> bool:
        """Whether each order's equation stays among the numbers, and the highest is nearer to the run than order 0.

        The terms of a single entry may grow though those of all do not: of a mean of squares that was small, say.
        """
        whole: Any = self.kernel(h, begin)
        errors = []
        end = whole.run(whole.start, h, STEPS, self.data).theta
        try:
            for order in sorted({0, *orders}):
                path = integrate_equation_of_motion(
                    whole, whole.start, h, STEPS * h, self.data, order=order, accuracy=COARSE
                )
                errors.append(np.linalg.norm(path.theta - end))
        except IntegrationError:
            return False
        return bool(errors[-1] <= errors[0])


def _units(states: np.ndarray, run: StateMap) -> tuple[np.ndarray, np.ndarray]:
    """Which entries of the run's states (steps + 1, m) move, and the unit of each: what makes an error relative.

    θ counts in the distance that it moves, every entry of a memory in its own largest size, divided by the root of how
    many there are.
    """
    moving = np.flatnonzero(np.ptp(states, axis=0))
    units = np.abs(states).max(axis=0)
    units[: run.size] = np.linalg.norm(states[:, : run.size] - states[0, : run.size], axis=1).max()
    for cut in slices(run.sizes)[1:]:
        units[cut] *= np.sqrt(max(int((units[cut] > 0).sum()), 1))
    return moving, units


def _steps(etas: Sequence[float], scaling: WholeState) -> list[float]:
    steps = [scaling.small_parameter(eta) for eta in etas]
    if len(steps) < 2 or any(after >= before for before, after in pairwise(steps)):
        raise InputError(f"etas {list(etas)}: give at least two step sizes, falling")
    for eta, h in zip(etas, steps, strict=True):
        count = STEPS * steps[0] / h
        if abs(count - round(count)) > 1e-9 * count:
            factor = 2**scaling.power
            raise InputError(f"eta {eta!r}: does not divide the time; divide the largest by {factor}, again and again")
    return [steps[0] * round(h / steps[0], 12) for h in steps]


def _first_smooth(family: _Family, beginnings: Sequence[int], h: float, order: int) -> int:
    """The first beginning at which the field has its series.  Raises ``InputError`` if there is none."""
    for begin in beginnings:
        if np.isfinite(family.growth(h, begin, order)):
            return begin
    raise InputError(
        f"optimizer {family.scaling.optimizer.name!r}: its field is not smooth at the start, where a memory under a "
        "root or in a denominator is 0; begin after some steps (after=5), or take epsilon inside the root"
    )


def _default_steps(family: _Family, beginnings: Sequence[int], order: int, radius: float) -> tuple[list[float], int]:
    """The largest step size that is small against the growth of the field's terms, halved, and the beginning.

    γ depends on the step size, and the start does where real steps are taken first; so step sizes are tried.
    Raises ``InputError`` if there is none.
    """
    if not radius > 0:
        raise InputError("etas: the Hessian vanishes at theta, so no step size suggests itself; give some")
    largest = LARGEST_STEP_WITH_MEMORY / radius ** (1 / family.scaling.power)
    for begin in beginnings:
        for times in range(MORE_HALVINGS):
            steps = default_etas(1 / largest, 0.5**times)
            small = family.growth(steps[0], begin, order) <= LARGEST_GROWTH
            if small and family.holds(steps[0], begin, range(order)):
                return steps, begin
    _first_smooth(family, beginnings, steps[0], order)
    raise InputError(
        f"optimizer {family.scaling.optimizer.name!r}: at no step size do the terms of its whole state fall, since a "
        "memory that keeps so little of itself is not slow; take the slow manifold (state='slow'), or give etas"
    )
