"""The convergence study: does the equation of motion follow the optimiser to the order promised, as predicted?

At order N the error ``‖θ_EoM(T) − θ_optimizer(T/η)‖₂`` at a fixed time T must fall like η^{N+1}, and must be the error
that the variational equation predicts (``eomsym.dynamics.error_prediction``).  With schedules and batches
paths are compared at the ends of rounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_choice, check_orders
from eomsym.derivation.algebras import modified_tree_coefficients
from eomsym.dynamics import Path, integrate_equation_of_motion, shadow_start
from eomsym.dynamics.error_prediction import ErrorPrediction, predict_discretization_error
from eomsym.dynamics.kernel_rule import DESCENT, check_rule
from eomsym.dynamics.loop_kernel import LoopKernel, handed_over, loop_kernel, pieces_between
from eomsym.dynamics.runs import OptimizerEnd
from eomsym.dynamics.setting import sharpness
from eomsym.dynamics.shadow_start import hand_over
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.dynamics.vectors import Vector, norm, rounded
from eomsym.errors import InputError
from eomsym.models import dataset
from eomsym.models.data import DEFAULT_DATASETS
from eomsym.optimizers import Optimizer
from eomsym.step_index.frozen import has_kink
from eomsym.step_index.resummation import check_summable
from eomsym.verification.accuracy import check_gradient
from eomsym.verification.measurement import (
    MANIFOLD,
    PREDICTION_ACCURACY,
    SHADOW,
    Measurement,
    Posed,
    Problem,
    checked_kernel,
    forgetting_steps,
)
from eomsym.verification.posing import (
    HALVINGS,
    LARGEST_STEP,
    LARGEST_STEP_WITH_MEMORY,
    STEPS,
    Progress,
    check_etas,
    default_etas,
    growth_of_terms,
    step_warnings,
)
from eomsym.verification.training import Training
from eomsym.verification.verification_record import OrderRecord, Verification
from eomsym.verification.whole_state import default_state, pose_whole_state

#: What is followed; ``shadow`` is the slow manifold from the rule's own start.
STATES = ("slow", "whole", "shadow")
#: Terms above the highest order that are looked at, until one does not vanish.
MOST_VANISHING = 8
#: How often the largest step is halved until nothing hinders the slow manifold.
MORE_HALVINGS = 10
#: Orders that are measured at a time; the numbers do not depend on it.  Losses of JAX and PyTorch are followed by their
#: library's tracer, whose state two threads would share: there it is one.
THREADS = 2
#: A path that is shorter than this part of ‖θ‖₂ shows nothing.
LEAST_MOVEMENT = 1e-4
#: The largest step for games: a player who ascends may leave in finite time.
LARGEST_STEP_IN_A_GAME = 0.1
#: Where in time the terms are looked at to choose a step size, as parts of the time that is verified.
PLACES = (0.0, 0.25, 0.5, 0.75)
#: Without step sizes given, a piece of a schedule has at least so many rounds.
STEPS_IN_A_PIECE = 4
#: Rounds in which the step size and the time, which depends on it, are fitted to one another.
_FITTINGS = 3


def verify(
    training: Training,
    orders: Iterable[int] = range(5),
    *,
    state: str | None = None,
    etas: Sequence[float] | None = None,
    after: int | None = None,
    resum: bool = False,
    progress: Progress | None = None,
) -> Verification:
    """Measure how the error of the equation of motion falls with the step size, at each of ``orders``.

    ``state`` says what is followed, ``whole``, ``slow`` or ``shadow``; None is ``whole`` for an optimiser with a memory
    that fades slowly, unless something asks for the slow manifold: a schedule, batches, ``resum``, double-double, or a
    kernel of that rule.
    In the whole state θ and memory are followed together from step ``after`` on, by default the first of 0, 5 and 10 at
    which the field is smooth, and the step sizes and shares are those of a family, see ``pose_whole_state``.  On the
    slow manifold the memory is eliminated, and the run begins with one on the slow manifold above θ; with ``shadow`` it
    begins with its own, the equation of motion at the shadow start, and the time is longer by a transient whose length
    is computed from the parameters, at most 10,000 steps.
    ``etas`` are step sizes, falling, each a whole number of times in 8 of the largest.  By default the largest has
    ``η max|λ| = 0.8``, rounded to two digits, and is halved five times, and more often where slope and ratio have not
    settled by then.  T is 8 of the largest steps.
    For other optimisers than gradient descent the growth of the field's terms at the start takes the place of max|λ|
    where it is larger.
    With a schedule or batches paths are compared at the ends of rounds of all batches, see ``pose_loop``.
    ``resum`` measures the resummed field, of which no error is predicted: the slope alone is judged.
    ``progress(done, total)`` is called after each point, perhaps from another thread.
    Raises ``InputError`` for a bad value and ``IntegrationError`` if a path leaves the floating-point numbers.
    """
    training.check_cold("a verification is of its rule, from the rule's own start")
    training.check_made_again("a verification")
    state = followed_state(training, state, resum)
    listed, looped = check_orders(orders), training.loop is not None
    if resum and (state != "slow" or looped or training.precision != "double"):
        raise InputError("resum: is for kernels in doubles on the slow manifold; leave state, schedule and batches out")
    if state == "whole" and looped:
        raise InputError("state 'whole': takes neither schedule nor batches; leave them out, or take state 'slow'")
    if state != "whole" and after is not None:
        raise InputError(f"after {after!r}: only a whole state begins after steps of its own; give state='whole' too")
    start = SHADOW if state == "shadow" else MANIFOLD
    # Matrices here are small: more threads gain nothing on each product, cost a factor of ten where the cores are busy,
    # and make the last digits depend on their number.
    with threadpool_limits(limits=1, user_api="blas"):
        if state == "whole":
            posed = pose_whole_state(training, listed, etas, after)
        elif looped:
            training.check_doubles("a run with a schedule or batches")
            posed = pose_loop(training, listed, etas, start)
        else:
            posed = _pose_slow(training, listed, etas, start, resum)
        measurement = Measurement(posed.problem, posed.time, progress)
        threads = THREADS if training.own is None else 1
        records = measurement.records(listed, posed.etas, extend=etas is None, threads=threads)
        return Verification(
            training=replace(training.setting, eta=None),
            time=posed.time,
            orders=records,
            warnings=(*posed.warnings, *measurement.warnings, *_sharp(training, posed.etas[0])),
            **posed.about,
        )


def _sharp(training: Training, eta: float) -> tuple[str, ...]:
    """Says how sharp a smoothed sign is at the largest step size."""
    said = sharpness(training.setting.width, eta)
    return (f"at eta = {eta:g} {said}",) if said else ()


def _pose_slow(
    training: Training, orders: Sequence[int], etas: Sequence[float] | None, start: str, resum: bool
) -> Posed:
    """Poses plain steps and the equation of motion on the slow manifold."""
    entry, values = training.rule
    if resum:
        check_summable(entry.rule(**values), entry.name)
    transient = forgetting_steps(entry, values, start)
    given = None if etas is None else check_etas(etas)
    problem = replace(_problem(training, error_exponents(entry, values, orders), start), resum=resum)
    radius = spectral_radius(problem.rounded_kernel, rounded(problem.theta), problem.data)
    growth = radius if entry.name == DESCENT else max(radius, _growth(problem))
    steps = default_etas(growth, _largest_step(entry, values)) if given is None else given
    if hindrance := _hindrance(problem, steps[0], transient):
        steps = _smaller(problem, steps[0], given, transient, hindrance)
    if given is None and entry.memory:
        _check_movement(problem, steps[0])
    about = {
        **{"spectral_radius": radius, "transient": transient, "precision": training.precision},
        "start": start if entry.memory else "",
    }
    time = STEPS * steps[0] * problem.pace + transient * steps[0]
    return Posed(problem, steps, time, about, step_warnings(entry, values, steps, radius))


def followed_state(training: Training, state: str | None, resum: bool = False) -> str:
    """Returns what ``verify`` follows where it is left to it, or the state asked for, checked."""
    if state is not None:
        return check_choice("state", state, STATES)
    asks_for_slow = resum or training.precision != "double" or training.loop is not None or training.brings_rule
    return default_state(training.rule[0], asks_for_slow)


def measure_errors(
    training: Training, orders: Sequence[int], eta: float, time: float, exponents: Mapping[int, int]
) -> tuple[OrderRecord, ...]:
    """What ``verify`` measures at one of its step sizes, bit for bit: a record of one point for each order.

    The training's kernel is of order ``max(exponents)`` or more, and ``exponents`` what ``error_exponents`` says of the
    orders.  ``time`` is T; an optimiser with a memory begins on its slow manifold.  The caller sees to it that BLAS has
    one thread: with more the last digits would depend on their number.
    Raises ``InputError`` for a bad value and ``IntegrationError`` if a path leaves the floating-point numbers.
    """
    return Measurement(_problem(training, exponents, MANIFOLD), time).records(orders, [eta], extend=False, threads=1)


def error_exponents(entry: Optimizer, parameters: Mapping[str, Fraction], orders: Iterable[int]) -> dict[int, int]:
    """The power of η with which the error of each order falls, for every loss: N + 1, or more where ξ_N vanishes.

    Methods that follow gradient flow to order p have ξ_0 = … = ξ_{p−2} = 0; symmetric ones lack every other term.
    """
    kept = list(orders)
    rule = entry.rule(**parameters)
    if rule.grouped and not entry.memory and rule.evaluations > 1:
        raise InputError(
            f"optimizer {entry.name!r}: which terms vanish is not known of a method with groups; leave groups out, or "
            "take follow"
        )
    # Gradient descent has (−1)^n/(n+1) at chains, never 0; all trees of order 19, say, would be too many to look at.
    if not rule.linear or entry.name == DESCENT:
        return {order: order + 1 for order in kept}
    highest = max(kept)
    for terms in range(highest + 2, highest + 2 + MOST_VANISHING):
        present = [index for index, field in enumerate(modified_tree_coefficients(rule, terms)) if field]
        if present and present[-1] > highest:
            return {order: next(index for index in present if index > order) for order in kept}
    raise InputError(
        f"optimizer {entry.name!r}: {MOST_VANISHING} terms above order {highest} vanish, so there is no error to "
        "measure; take another order"
    )


def _largest_step(entry: Optimizer, parameters: Mapping[str, Fraction]) -> float:
    """The largest step size times what it has to be small against."""
    if entry.fields(**parameters)[0].is_game:
        return LARGEST_STEP_IN_A_GAME
    return LARGEST_STEP_WITH_MEMORY if entry.memory else LARGEST_STEP


def _smaller(
    problem: Problem, eta: float, given: Sequence[float] | None, transient: int, hindrance: str
) -> list[float]:
    """Step sizes at which nothing hinders the slow manifold.  Raises ``InputError`` where the user gave others."""
    smaller = [eta / 2**k for k in range(1, MORE_HALVINGS + 1)] if given is None else []
    largest = next((step for step in smaller if not _hindrance(problem, step, transient)), None)
    if largest is None:
        raise InputError(f"start {problem.start!r}: at eta = {eta:g} {hindrance}; take a smaller eta, or state='whole'")
    return [largest / 2**k for k in range(HALVINGS + 1)]


def _hindrance(problem: Problem, eta: float, transient: int) -> str:
    """What keeps a path of this largest step size from having a series all along; empty if nothing does."""
    if not problem.begins(eta):
        return (
            "the memory there cannot be stepped from, a mean of squares is below 0 where g is small against its change "
            "in a step"
        )
    return _passage(problem, eta, transient) if has_kink(problem.optimizer.rule(**problem.parameters)) else ""


def _passage(problem: Problem, eta: float, transient: int) -> str:
    """Which component of g passes through 0 in the time of the study, and when: the root of its square has a kink."""
    paths = [problem.path(eta, transient + count) for count in range(1, STEPS + 3)]
    points = [paths[0].start, *(path.theta for path in paths)]
    slopes = np.array([problem.kernel.gradient(point, *problem.data) for point in points])
    steps, places = np.nonzero(slopes[:-1] * slopes[1:] < 0)
    if not steps.size:
        return ""
    step, place = steps[0], places[0]
    before, after = np.abs(slopes[step : step + 2, place])
    time = (step + before / (before + after)) * eta * problem.pace
    return f"component {place} of g passes through 0 at time {time:.3g}, where the root of its square has a kink"


def _check_movement(problem: Problem, eta: float) -> None:
    """Raises ``InputError`` for a path that is too short to say anything."""
    end, start = problem.path(eta, STEPS).theta, problem.theta
    share = norm(end - start) / max(norm(start), np.finfo(np.float64).tiny)
    if share < LEAST_MOVEMENT:
        raise InputError(
            f"state 'slow': the series of {problem.optimizer.name} on its slow manifold asks for eta = {eta:.2g}, at "
            f"which theta moves by {share:.0e} of its length in all, which shows nothing; take state='whole', or give "
            "etas"
        )


def _growth(problem: Problem) -> float:
    return growth_of_terms(problem.rounded_kernel.counterterms(rounded(problem.theta), *problem.data))


def _problem(training: Training, exponents: Mapping[int, int], start: str) -> Problem:
    """What is trained, by what, and from where."""
    entry, values = training.rule
    order = max(exponents.values())
    for array in training.data[:1]:
        entry.fields(**values)[0].samples(len(array))  # which refuses what makes no equal batches
    kernel = training.kernel(order, f"verifying order {order - 1}", of_rule=True)
    check_rule(kernel, entry, values, "verified")
    if entry.memory and not hasattr(kernel, "gradient_series"):
        raise InputError("state 'slow': this kernel gives no gradient along a curve; take a generated one")
    check_gradient(kernel, training.theta, training.data)
    shadow = None
    if start == SHADOW and entry.memory:
        own: dict[str, Any] = dict(values)
        shadow = shadow_start(kernel, training.theta, None, order, training.data, optimizer=entry, **own)
    return Problem(
        entry, kernel, training.theta, training.data, values, exponents, entry.steps(**values), start, shadow
    )


def suited_data(entry: Optimizer, parameters: Mapping[str, object], precision: str = "double") -> str:
    """Name the data set that a study has by default, of which the optimiser's batches can be equal ones.

    Digits are 1797 = 3 · 599 samples, moons 256.
    """
    suited = DEFAULT_DATASETS.get(precision, "digits")
    batches = entry.fields(**entry.complete(parameters))[0]
    if not batches.of_samples or len(dataset(suited).inputs) % batches.count == 0:
        return suited
    return "moons"


@dataclass(frozen=True, eq=False)
class LoopProblem(Problem):
    """A loop on a kernel of a network: ``kernel`` is a ``LoopKernel``, ``theta`` is (θ, τ)."""

    kernel: LoopKernel

    def path(self, eta: float, steps: int) -> OptimizerEnd:
        """The run, and where the equation of motion has to start for it."""
        theta, memory = self.theta, None
        if self.start == MANIFOLD and self.kernel.loop.optimizer.memory:
            memory = self.kernel.memory(theta, eta, self.highest, self.data)
        end = self.kernel.run(theta, eta, steps, self.data, memory)
        if self.start != SHADOW:
            return end
        begun = hand_over(self.kernel.inner, self.kernel.loop, theta, self.highest, self.data).at(eta)
        return OptimizerEnd(end.theta, end.error_estimate, np.append(begun, theta[-1]))

    def flow(self, start: Vector, eta: float, time: Any, order: int, accuracy: float) -> Path:
        """The equation of motion, from piece to piece of the schedules: a new one begins at the first step in it."""
        state, error, evaluations = start, 0.0, 0
        previous = None
        for kernel, begin, end in pieces_between(self.kernel, float(start[-1]), time, eta):
            if previous is not None:
                state = handed_over(previous, kernel, state, eta, self.highest, self.data)
            previous = kernel
            part = integrate_equation_of_motion(
                kernel, state, eta, end - begin, self.data, order=order, accuracy=accuracy
            )
            error, evaluations = error + part.error_estimate, evaluations + part.evaluations
            state = np.append(part.theta[:-1], end)
        return Path.to(time, state, error, evaluations)

    def predict(self, theta: Vector, time: float, orders: Sequence[int]) -> ErrorPrediction:
        """The predicted errors; what the memory does at a new piece is of a higher power of η."""
        found: ErrorPrediction | None = None
        for kernel, begin, end in pieces_between(self.kernel, float(theta[-1]), time, None):
            state = theta if found is None else np.append(found.theta[:-1], begin)
            found = predict_discretization_error(
                kernel,
                state,
                end - begin,
                orders,
                self.data,
                accuracy=PREDICTION_ACCURACY,
                exponents=self.exponents,
                gradient_flow=False,
                begun=None if found is None else found.coefficients,
                places=[np.append(state[:-1], (begin + end) / 2)],
            )
        assert found is not None
        return found


def pose_loop(training: Training, orders: Sequence[int], etas: Sequence[float] | None, start: str = MANIFOLD) -> Posed:
    """Poses a training with schedules or batches for ``verify``.

    Any kernel with ``gradient_series`` will do, whatever optimiser it was generated for.  Paths are compared at the
    ends of rounds, after 8 rounds of the largest step size.  Raises as ``verify`` does.
    """
    arrays, inner, made = training.data, checked_kernel(training, orders), training.loop
    assert made is not None
    made.check(0.0)
    whole, exponents = loop_kernel(inner, made), {order: order + 1 for order in orders}
    whole.check_run()
    state = np.append(training.theta, 0.0)
    problem = LoopProblem(made.optimizer, whole, state, arrays, made.values, exponents, made.steps, start)
    radius = spectral_radius(inner, training.theta, arrays)
    steps = _default_steps(problem, radius) if etas is None else check_etas(etas)
    time = STEPS * steps[0] * made.steps
    made.check(time)
    for eta in steps:  # pieces that no path of this size can follow are refused before there is one
        pieces_between(whole, 0.0, time, eta)
    about = {"spectral_radius": radius, "start": start if made.optimizer.memory else ""}
    return Posed(problem, steps, time, about)


def _default_steps(problem: LoopProblem, radius: float) -> list[float]:
    """The largest step is a part of what the terms of the equation ask for, at some times of those to be verified."""
    loop = problem.kernel.loop
    plain = loop.steps == 1 and not loop.optimizer.memory
    fraction = LARGEST_STEP if plain else LARGEST_STEP_WITH_MEMORY
    shortest = min((after - before for before, after in pairwise((0.0, *loop.breaks))), default=math.inf)
    eta = fraction / max(radius, np.finfo(float).tiny)
    for _ in range(_FITTINGS):
        time = STEPS * eta * loop.steps
        growth = max(_growth_at(problem, place * time) for place in PLACES)
        if growth == 0:
            raise InputError("etas: nothing moves, the schedule or the gradient is 0 all along; give another")
        eta = min(fraction / growth, shortest / (STEPS_IN_A_PIECE * loop.steps))
    return default_etas(fraction / eta, fraction)


def _growth_at(problem: LoopProblem, tau: float) -> float:
    rows = problem.kernel.counterterms(np.append(problem.theta[:-1], tau), *problem.data)
    return growth_of_terms(rows[:, :-1]) if np.linalg.norm(rows[0, :-1]) > 0 else 0.0
