"""The convergence study: does the equation of motion follow the optimiser to the order promised, as predicted?

At order N the error ``‖θ_EoM(T) − θ_optimizer(T/η)‖₂`` at a fixed time T must fall like η^{N+1}, and must be the error
that the variational equation predicts (``eomsym.dynamics.predict_discretization_error``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym import optimizers
from eomsym.checks import check_choice, check_orders
from eomsym.derivation.algebras import modified_tree_coefficients
from eomsym.dynamics import shadow_start, spectral_radius
from eomsym.dynamics.kernel import FieldKernel
from eomsym.dynamics.kernel_rule import DESCENT, check_rule
from eomsym.dynamics.vectors import norm, rounded
from eomsym.errors import InputError
from eomsym.models import DEFAULT_DATASETS, Dataset, dataset
from eomsym.optimizers import Optimizer
from eomsym.step_index.frozen import has_kink
from eomsym.step_index.resummation import check_summable
from eomsym.verification.accuracy import check_gradient
from eomsym.verification.loop import pose_loop
from eomsym.verification.measurement import MANIFOLD, SHADOW, Measurement, Posed, Problem, forgetting_steps
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
            warnings=(*posed.warnings, *measurement.warnings),
            **posed.about,
        )


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
    optimizer: str,
    kernel: FieldKernel,
    data: Dataset,
    orders: Sequence[int],
    eta: float,
    *,
    time: float,
    seed: int = 0,
    exponents: Mapping[int, int],
    **parameters: object,
) -> tuple[OrderRecord, ...]:
    """What ``verify`` measures at one of its step sizes, bit for bit: a record of one point for each order.

    ``kernel`` is one of a network, of order ``max(exponents)`` or more, and ``exponents`` what ``error_exponents``
    says of the orders.  ``time`` is T; an optimiser with a memory begins on its slow manifold.  The path starts at
    ``kernel.model.initial(seed)``.  The caller sees to it that BLAS has one thread: with more the last digits would
    depend on their number.
    Raises ``InputError`` for a bad value and ``IntegrationError`` if a path leaves the floating-point numbers.
    """
    entry, exact = optimizers.chosen(optimizer, parameters)
    values = entry.complete(exact, trial=True)
    training = Training(kernel, data, (entry, values), seed=seed)
    return Measurement(_problem(training, exponents, MANIFOLD), time).records(orders, [eta], extend=False, threads=1)


def error_exponents(entry: Optimizer, parameters: Mapping[str, Fraction], orders: Iterable[int]) -> dict[int, int]:
    """The power of η with which the error of each order falls, for every loss: N + 1, or more where ξ_N vanishes.

    Methods that follow gradient flow to order p have ξ_0 = … = ξ_{p−2} = 0; symmetric ones lack every other term.
    """
    kept = list(orders)
    rule = entry.rule(**parameters)
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
    if batches.kind != "batch" or len(dataset(suited).inputs) % batches.count == 0:
        return suited
    return "moons"
