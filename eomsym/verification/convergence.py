"""The convergence study: does the equation of motion follow the optimiser to the order promised, as predicted?

At order N the error ``‖θ_EoM(T) − θ_optimizer(T/η)‖₂`` at a fixed time T must fall like η^{N+1}, and must be the error
that the variational equation predicts (``eomsym.dynamics.predict_discretization_error``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym import optimizers
from eomsym.checks import check_choice, check_integer, check_orders
from eomsym.derivation.posing import STATES
from eomsym.derivation.tree_algebra import modified_tree_coefficients
from eomsym.double_double import DoubleDouble
from eomsym.dynamics import FieldKernel, shadow_start, spectral_radius
from eomsym.dynamics.kernel import check_order, is_double_double
from eomsym.dynamics.kernel_rule import DESCENT, check_rule, rule_name
from eomsym.dynamics.vectors import norm, rounded
from eomsym.errors import InputError
from eomsym.models import DEFAULT_DATASETS, MLP, Dataset, ExpressionLoss, dataset
from eomsym.optimizers import Optimizer, loop_of
from eomsym.step_index.frozen import has_kink
from eomsym.step_index.resummation import check_summable
from eomsym.verification.loop import verify_loop
from eomsym.verification.measurement import MANIFOLD, SHADOW, STARTS, Measurement, Problem, forgetting_steps
from eomsym.verification.posing import (
    HALVINGS,
    LARGEST_STEP,
    LARGEST_STEP_WITH_MEMORY,
    STEPS,
    Asked,
    Progress,
    check_etas,
    default_etas,
    growth_of_terms,
    model_for,
    step_warnings,
)
from eomsym.verification.study import ConvergenceStudy, OrderRecord
from eomsym.verification.whole_state import default_state, verify_whole_state

#: Stands for the data set that suits the precision.
SUITED = "suited to the precision"
#: Terms above the highest order that are looked at, until one does not vanish.
MOST_VANISHING = 8
#: How often the largest step is halved until nothing hinders the slow manifold.
MORE_HALVINGS = 10
#: A path that is shorter than this part of ‖θ‖₂ shows nothing.
LEAST_MOVEMENT = 1e-4
#: The largest step for games: a player who ascends may leave in finite time.
LARGEST_STEP_IN_A_GAME = 0.1


def verify(
    optimizer: str | Optimizer = "gradient-descent",
    model: MLP | None = None,
    data: str | Dataset | None = SUITED,
    orders: Iterable[int] = range(5),
    etas: Sequence[float] | None = None,
    *,
    state: str | None = None,
    start: str | None = None,
    begin: int | None = None,
    schedule: object = None,
    batching: object = None,
    seed: int = 0,
    theta: np.ndarray | DoubleDouble | None = None,
    kernel: FieldKernel | None = None,
    precision: str | None = None,
    resum: bool = False,
    output: str | Path | None = None,
    threads: int = 2,
    progress: Progress | None = None,
    **parameters: object,
) -> ConvergenceStudy:
    """Measure how the error of the equation of motion falls with the step size, at each of ``orders``.

    ``data`` is the name of a data set, a ``Dataset``, or ``None`` for a kernel of a loss without data; by default
    ``digits``, ``teacher-small`` in double-double, none for an expression.  ``model`` is by default the one that suits
    the data set.
    ``kernel`` is a loaded kernel of order ``max(orders) + 1`` or more; without it one is generated, in ``precision``
    (``double`` if not given, or ``double-double``: 32 digits, for gradient descent on tiny networks such as that of
    ``teacher-small``), into ``output`` or the user's cache.
    The path starts at ``theta`` (d,), by default ``model.initial(seed)``; ``seed`` also draws the data set.
    ``etas`` are step sizes, falling, each a whole number of times in 8 of the largest.  By default the largest has
    ``η max|λ| = 0.8``, rounded to two digits, and is halved five times, and more often where slope and ratio have not
    settled by then.  T is 8 of the largest steps.
    For other optimisers than gradient descent the growth of the field's terms at the start takes the place of max|λ|
    where it is larger.  The parameters are exact keywords, and those not given take the values that people use.
    ``state`` is ``whole`` or ``slow``; None is ``whole`` for an optimiser with a memory that fades slowly, unless
    something asks for the slow manifold: ``start``, ``schedule``, ``batching``, ``resum``, or a kernel of that rule.
    In the whole state θ and memory are followed together from step ``begin`` on, and the step sizes and shares are
    those of a family, see ``verify_whole_state``.  On the slow manifold the memory is eliminated, and
    ``start`` says what an optimiser with a memory begins with: ``manifold``, a memory on the slow
    manifold above θ; ``shadow``, its own, while the equation of motion begins at the shadow start, and the time is
    longer by a transient whose length is computed from the parameters, at most 10,000 steps.
    ``schedule`` is one of the learning rate (``schedules.read_schedule``), a factor of η in ``tau`` = nη, or a mapping
    with the names of parameters and ``eta``; ``batching`` says which batches are visited, see
    ``optimizers.read_batching``.  Then paths are compared at the ends of rounds of all batches, see ``verify_loop``.
    ``resum`` measures the resummed field, of which no error is predicted: the slope alone is judged.
    ``threads`` orders are measured at a time; the numbers do not depend on it.  ``progress(done, total)`` is called
    after each point, perhaps from another thread.
    Raises ``InputError`` for a bad value and ``IntegrationError`` if a path leaves the floating-point numbers.
    """
    threads = check_integer("threads", threads, 1)
    entry, exact = optimizers.chosen(optimizer, parameters)
    if data == SUITED:
        data = _suited(entry, exact, precision, kernel)
    asks_for_slow = resum or precision == "double-double" or (kernel is not None and rule_name(kernel) != DESCENT)
    asks_for_slow |= any(option is not None for option in (start, schedule, batching))
    state = default_state(entry, asks_for_slow) if state is None else check_choice("state", state, STATES)
    if resum and (state != "slow" or schedule is not None or batching is not None or precision == "double-double"):
        raise InputError(
            "resum: is for kernels in doubles on the slow manifold; leave state, schedule and batching out"
        )
    asked = Asked(model, data, check_orders(orders), etas, seed, theta, kernel, output, threads, progress)
    if state == "whole":
        if schedule is not None or batching is not None:
            raise InputError("state 'whole': takes neither schedule nor batching; leave them out, or take state 'slow'")
        if start is not None or precision not in (None, "double"):
            raise InputError("state 'whole': has its real start, in doubles; leave start and precision out")
        return verify_whole_state(entry, asked, begin, exact)
    if begin is not None:
        raise InputError(f"begin {begin!r}: only a whole state begins after steps of its own; give state='whole' too")
    start = MANIFOLD if start is None else check_choice("start", start, STARTS)
    values = entry.complete(exact)
    if schedule is not None or batching is not None:
        if precision not in (None, "double"):
            raise InputError(f"precision {precision!r}: schedules and batches are followed in doubles; leave it out")
        named: dict[str, Any] = dict(parameters)
        return verify_loop(partial(loop_of, optimizer, schedule, batching, **named), asked, start)
    if resum:
        check_summable(entry.rule(**values), entry.name)
    transient = forgetting_steps(entry, values, start)
    given = None if etas is None else check_etas(etas)
    exponents = error_exponents(entry, values, asked.orders)
    problem = replace(_pose(entry, values, asked, exponents, precision, start), resum=resum)
    # Matrices here are small: more threads gain nothing on each product, cost a factor of ten where the cores are busy,
    # and make the last digits depend on their number.
    with threadpool_limits(limits=1, user_api="blas"):
        radius = spectral_radius(problem.rounded_kernel, rounded(problem.theta), problem.data)
        growth = radius if entry.name == "gradient-descent" else max(radius, _growth(problem))
        fraction = _largest_step(entry, values, problem)
        steps = default_etas(growth, fraction) if given is None else given
        if hindrance := _hindrance(problem, steps[0], transient):
            steps = _smaller(problem, steps[0], given, transient, hindrance)
        if given is None and entry.memory:
            _check_movement(problem, steps[0])
        time = STEPS * steps[0] * problem.steps + transient * steps[0]
        return asked.study(
            problem,
            problem.kernel,
            steps,
            time,
            radius,
            warnings=step_warnings(entry, values, steps, radius),
            parameters=values,
            transient=transient,
            start=start if entry.memory else "",
            precision=_precision(problem.kernel),
        )


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
    problem = _pose(entry, values, Asked(None, data, orders, [eta], seed, kernel=kernel), exponents, None, MANIFOLD)
    return Measurement(problem, time).records(orders, [eta], extend=False, threads=1)


def error_exponents(entry: Optimizer, parameters: Mapping[str, Fraction], orders: Iterable[int]) -> dict[int, int]:
    """The power of η with which the error of each order falls, for every loss: N + 1, or more where ξ_N vanishes.

    Methods that follow gradient flow to order p have ξ_0 = … = ξ_{p−2} = 0; symmetric ones lack every other term.
    """
    kept = list(orders)
    rule = entry.rule(**parameters)
    # Gradient descent has (−1)^n/(n+1) at chains, never 0; all trees of order 19, say, would be too many to look at.
    if not rule.linear or entry.name == "gradient-descent":
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


def _largest_step(entry: Optimizer, parameters: Mapping[str, Fraction], problem: Problem) -> float:
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
    entry = optimizers.get(problem.optimizer)
    return _passage(problem, eta, transient) if has_kink(entry.rule(**problem.parameters)) else ""


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
    time = (step + before / (before + after)) * eta * problem.steps
    return f"component {place} of g passes through 0 at time {time:.3g}, where the root of its square has a kink"


def _check_movement(problem: Problem, eta: float) -> None:
    """Raises ``InputError`` for a path that is too short to say anything."""
    end, start = problem.path(eta, STEPS).theta, problem.theta
    share = norm(end - start) / max(norm(start), np.finfo(np.float64).tiny)
    if share < LEAST_MOVEMENT:
        raise InputError(
            f"state 'slow': the series of {problem.optimizer} on its slow manifold asks for eta = {eta:.2g}, at which "
            f"theta moves by {share:.0e} of its length in all, which shows nothing; take state='whole', or give etas"
        )


def _growth(problem: Problem) -> float:
    return growth_of_terms(problem.rounded_kernel.counterterms(rounded(problem.theta), *problem.data))


def _pose(
    entry: Optimizer,
    parameters: Mapping[str, Fraction],
    asked: Asked,
    exponents: Mapping[int, int],
    precision: str | None,
    start: str,
) -> Problem:
    """What is trained, by what, and from where."""
    order, kernel = max(exponents.values()), asked.kernel
    for array in asked.arrays[:1]:
        entry.fields(**parameters)[0].samples(len(array))  # which refuses what makes no equal batches
    if kernel is None:
        from eomsym.codegen import KernelSpec, kernel_for

        model = model_for(asked.model, asked.data)
        spec = KernelSpec(model, order, entry.name, precision or "double", tuple(parameters.items()))
        kernel = kernel_for(spec, asked.output)
    else:
        _check_kernel(kernel, asked.model, order, precision)
        check_rule(kernel, entry, parameters, "verified")
    if entry.memory and not hasattr(kernel, "gradient_series"):
        raise InputError(f"start {start!r}: this kernel gives no gradient along a curve; take a generated one")
    point = asked.start(kernel)
    shadow = None
    if start == SHADOW and entry.memory:
        given: dict[str, Any] = dict(parameters)
        shadow = shadow_start(kernel, point, None, order, asked.arrays, optimizer=entry, **given)
    return Problem(entry.name, kernel, point, asked.arrays, parameters, exponents, start, shadow)


def _check_kernel(kernel: FieldKernel, model: MLP | None, order: int, precision: str | None) -> None:
    check_order(kernel, order, f"verifying order {order - 1}")
    own = getattr(kernel, "model", model)
    if model is not None and own != model:
        raise InputError(f"model {model}: the kernel was generated for {own}; leave one of the two out")
    has = _precision(kernel)
    if precision not in (None, has):
        raise InputError(f"precision {precision!r}: the kernel's is {has}; leave one of the two out")


def suited_data(entry: Optimizer, parameters: Mapping[str, object], precision: str = "double") -> str:
    """Name the data set that a study has by default, of which the optimiser's batches can be equal ones.

    Digits are 1797 = 3 · 599 samples, moons 256.
    """
    suited = DEFAULT_DATASETS.get(precision, "digits")
    batches = entry.fields(**entry.complete(parameters))[0]
    if batches.kind != "batch" or len(dataset(suited).inputs) % batches.count == 0:
        return suited
    return "moons"


def _suited(entry: Optimizer, parameters: Mapping[str, object], precision: str | None, kernel: Any) -> str | None:
    """The data set of a study without; None for the kernel of an expression."""
    if isinstance(getattr(kernel, "model", None), ExpressionLoss):
        return None
    return suited_data(entry, parameters, (precision or "double") if kernel is None else _precision(kernel))


def _precision(kernel: FieldKernel) -> str:
    return "double-double" if is_double_double(kernel) else "double"
