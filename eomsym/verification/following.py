"""How far the equation of motion of each order is from a run that is really made: this optimiser, these steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_choice, check_integer, check_orders, check_positive, shown
from eomsym.derivation.posing import STATES
from eomsym.dynamics import Path, kernel_counterterms
from eomsym.dynamics.kernel import Data, check_theta, is_double_double
from eomsym.dynamics.kernel_rule import asked_rule
from eomsym.dynamics.loop_kernel import loop_kernel
from eomsym.dynamics.state_map import StateMap, Tally, follow_slow, follow_states, kernel_state, run_states
from eomsym.errors import InputError, IntegrationError
from eomsym.optimizers import Optimizer, loop_of
from eomsym.optimizers.registry import label
from eomsym.schedules.schedule import read_schedules
from eomsym.step_index.lookahead import MAX_LOOKAHEAD_ORDER
from eomsym.verification.follow_loop import check_fall, loop_path, loop_state
from eomsym.verification.follow_record import Follow, FollowedOrder
from eomsym.verification.posing import Progress, describe, kernel_of

if TYPE_CHECKING:
    from eomsym.codegen import Kernel
    from eomsym.models import MLP

#: Tolerances of the integrator, tried in turn until its error is a hundredth of what is shown.
TOLERANCES = (1e-5, 1e-9)
#: On the slow manifold, which is off by far more.
SLOW_TOLERANCES = (1e-3,)
#: The integrator's share of a distance that is shown.
LARGEST_FLOOR = 0.01
#: What a kernel that is generated to follow has of the slow manifold.
HIGHEST_SLOW_ORDER = 4
#: Steps of the longest run.
MOST_STEPS = 1_000_000


@dataclass(frozen=True, eq=False)
class _Subject:
    """What is followed: a map, its names, and its path on the slow manifold, where there is one."""

    whole: StateMap
    optimizer: str
    model: str
    eta: float | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    #: ``(order, states, tolerance)`` → θ on the slow manifold beside the run.
    slow_path: Callable[[int, np.ndarray, float], Path] | None = None
    slow_order: int = 0
    #: Why there is no slow-manifold equation.
    no_slow: str = ""


def follow(
    kernel: Any,
    theta: Any,
    eta: float | None,
    steps: int,
    *data: np.ndarray,
    optimizer: Any = None,
    orders: Iterable[int] = (0, 1, 2, 4),
    start: int = 0,
    state: str = "whole",
    schedule: object = None,
    batching: object = None,
    progress: Progress | None = None,
    **hyperparameters: object,
) -> Follow:
    """Make ``steps`` steps of an optimiser and follow them by its equation of motion, at each of ``orders``.

    ``start`` steps are made before; the flow begins in the whole state (θ, memory) that they lead to, and is compared
    with the run at every step.  At order N it is the look-ahead field, which takes N + 1 steps of the optimiser an
    evaluation and no derivative; it converges where the multipliers r of a step have ``|r − 1| < 1`` (heavy ball:
    ηλ < 1).  Beside it goes the equation on the slow manifold, of θ alone, where there is one, to the kernel's order;
    with ``state="slow"`` it alone.

    With a ``schedule`` of the learning rate or of parameters, and ``batching``, as ``verify`` has them, the run is made
    with these; a step is then a round of all batches, and the slow manifold is what to look at (``state="slow"``),
    from where the memory has forgotten its start.

    Either a ``kernel`` with its ``theta`` (d,), a learning rate ``eta`` and ``data`` as its functions take them, and
    ``optimizer`` a name, a library's (``"torch.Adam()"``) or an ``Optimizer``, by default the kernel's own, with
    ``hyperparameters``, those not given at their defaults.  Or a loss function in place of the kernel, ``params`` in
    place of θ (a list, dict or any pytree), eta None, and as ``optimizer`` a real ``torch.optim`` object on these
    parameters or an optax transformation, which have the learning rate.  They are copied and not touched, and computed
    in float64.
    ``progress(done, total)`` is called after each path.  Orders whose path leaves the numbers get the error NaN.
    Raises ``InputError`` for a bad value, ``IntegrationError`` if the run itself leaves the floating-point numbers.
    """
    state = check_choice("state", state, STATES)
    kept = tuple(sorted(check_orders(orders)))
    check_integer("order", kept[-1], 0, MAX_LOOKAHEAD_ORDER)
    check_integer("steps", steps, 1, MOST_STEPS)
    check_integer("start", start, 0, MOST_STEPS)
    with threadpool_limits(limits=1, user_api="blas"):
        if schedule is not None or batching is not None:
            subject = _of_loop(
                kernel, theta, eta, data, optimizer, schedule, batching, hyperparameters, rounds=steps + start
            )
        else:
            subject = _subject(kernel, theta, eta, data, optimizer, hyperparameters)
        if state == "slow" and subject.slow_path is None:
            raise InputError(f"state 'slow': {subject.optimizer} has none here, {subject.no_slow}; take state='whole'")
        return _followed(subject, kept, steps, start, state, progress)


def _followed(
    subject: _Subject, orders: Sequence[int], steps: int, start: int, state: str, progress: Progress | None
) -> Follow:
    whole, tally = subject.whole, subject.whole.tally
    begun = tally.count
    states = run_states(whole, steps, start)
    iterates, taken = states[:, : whole.size].copy(), tally.count - begun
    if not np.linalg.norm(iterates[-1] - iterates[0]) > 0:
        raise InputError(f"steps {steps}: nothing moves in them; take more steps, or a memory that is not so near 1")
    tasks: list[tuple[bool, int, Callable[[float], Path]]] = []
    if state == "whole":
        tasks += [(False, order, partial(follow_states, whole, states, order)) for order in orders]
    if subject.slow_path is not None:
        slow = [order for order in orders if order <= subject.slow_order]
        tasks += [(True, order, partial(subject.slow_path, order, states)) for order in slow]
    found = []
    for number, (is_slow, order, integrate) in enumerate(tasks, 1):
        tolerances = SLOW_TOLERANCES if is_slow else TOLERANCES
        found.append((is_slow, _measured(order, iterates, integrate, tally, tolerances)))
        if progress is not None:
            progress(number, len(tasks))
    return Follow(
        optimizer=subject.optimizer,
        parameters=subject.parameters,
        model=subject.model,
        eta=subject.eta,
        steps=steps,
        start=start,
        state=state,
        iterates=iterates,
        whole=tuple(record for is_slow, record in found if not is_slow),
        slow=tuple(record for is_slow, record in found if is_slow),
        run_gradients=taken,
        no_slow=subject.no_slow,
    )


def _measured(
    order: int,
    iterates: np.ndarray,
    integrate: Callable[[float], Path],
    tally: Tally,
    tolerances: Sequence[float],
) -> FollowedOrder:
    """One order, more exactly where the integrator's own error would be seen."""
    moved = float(np.linalg.norm(iterates[-1] - iterates[0]))
    begun = tally.count
    for tolerance in tolerances:
        try:
            path = integrate(tolerance)
        except IntegrationError as fault:
            return FollowedOrder(order, None, np.nan, np.nan, tally.count - begun, str(fault))
        error = float(np.linalg.norm(path.states[-1] - iterates[-1])) / moved
        floor = float(path.error_estimates[-1]) / moved
        if floor <= LARGEST_FLOOR * error:
            break
    return FollowedOrder(order, path.states, error, floor, tally.count - begun)


def _subject(
    kernel: Any, theta: Any, eta: Any, data: Data, optimizer: Any, hyperparameters: Mapping[str, object]
) -> _Subject:
    if optimizer is None or isinstance(optimizer, (str, Optimizer)):
        return _of_kernel(kernel, theta, eta, data, optimizer, hyperparameters)
    kinds = {module.split(".")[0] for module in (kind.__module__ for kind in type(optimizer).__mro__)}
    if "torch" not in kinds and not all(hasattr(optimizer, name) for name in ("init", "update")):
        raise InputError(f"optimizer {shown(optimizer)}: give a name, an Optimizer, a torch.optim object or optax's")
    if not callable(kernel):
        raise InputError(f"kernel {shown(kernel)}: with a real optimizer object give a loss function of the parameters")
    surplus = [*hyperparameters, *(["data"] if data else [])]
    if surplus:
        raise InputError(f"{surplus[0]}: beside a real optimizer, which has its own values and data; leave it out")
    return _of_torch(kernel, theta, eta, optimizer) if "torch" in kinds else _of_optax(kernel, theta, eta, optimizer)


def _of_torch(loss_fn: Any, params: Any, eta: Any, optimizer: Any) -> _Subject:
    from eomsym.torch import learning_rates, torch_state

    rates = learning_rates(optimizer)
    if eta is not None and rates != {check_positive("eta", eta)}:
        raise InputError(f"eta {eta!r}: the optimizer's own is {', '.join(map(str, sorted(rates)))}; give None")
    name = f"torch.{type(optimizer).__name__}"
    rate = min(rates) if len(rates) == 1 else None
    return _Subject(torch_state(loss_fn, params, optimizer), name, "own loss", rate, no_slow=_REAL)


def _of_optax(loss_fn: Any, params: Any, eta: Any, optimizer: Any) -> _Subject:
    from eomsym.jax import optax_state

    if eta is not None:
        raise InputError(f"eta {eta!r}: an optax transformation has its learning rate inside; give None")
    return _Subject(optax_state(loss_fn, params, optimizer), "optax transformation", "own loss", no_slow=_REAL)


_REAL = "it is derived from a rule on a kernel, and not from an object"


def _of_loop(
    kernel: Any,
    theta: Any,
    eta: Any,
    data: Data,
    optimizer: Any,
    schedule: object,
    batching: object,
    hyperparameters: Mapping[str, object],
    rounds: int,
) -> _Subject:
    named = optimizer is None or isinstance(optimizer, (str, Optimizer))
    if not named or not hasattr(kernel, "gradient_series"):
        raise InputError("schedule, batching: are for a kernel with its gradient along a curve and an optimizer's name")
    rate, point = check_positive("eta", eta), check_theta(kernel, theta)
    given: dict[str, Any] = dict(hyperparameters)
    entry, own = asked_rule(kernel, optimizer, given)
    if optimizer is None:
        given = {name: value for name, value in own.items() if given or name not in read_schedules(schedule)}
    loop = loop_of(entry if optimizer is None else optimizer, schedule, batching, len(data[0]) if data else 0, **given)
    loop.check(rounds * loop.steps * rate)
    whole = loop_kernel(kernel, loop)
    return _Subject(
        whole=loop_state(whole, point, rate, data),
        optimizer=label(optimizer, loop.optimizer),
        model=describe(kernel),
        eta=rate,
        parameters=(
            *((name, str(value)) for name, value in loop.values.items() if name not in loop.schedules),
            *((f"schedule of {name}", str(made)) for name, made in loop.schedules.items()),
            *((("batches", str(loop.steps)),) if loop.batches is not None else ()),
        ),
        slow_path=partial(loop_path, whole, rate, data),
        slow_order=whole.order,
    )


def _of_kernel(
    kernel: Any,
    theta: Any,
    eta: Any,
    data: Data,
    optimizer: str | Optimizer | None,
    hyperparameters: Mapping[str, object],
) -> _Subject:
    entry, exact = asked_rule(kernel, optimizer, hyperparameters)
    values = entry.complete(exact)
    if not hasattr(kernel, "gradient"):
        raise InputError(f"kernel {shown(kernel)}: has no gradient; give a kernel, or a real optimizer with a loss")
    if is_double_double(kernel):
        raise InputError("kernel: its numbers are double-double, paths here are of doubles; generate one in double")
    rate, point = check_positive("eta", eta), check_theta(kernel, theta)
    slow, reason = _slow_field(kernel, entry, values, rate, data)
    return _Subject(
        whole=kernel_state(kernel, point, rate, data, entry, values),
        optimizer=label(optimizer, entry),
        model=describe(kernel),
        eta=rate,
        parameters=tuple((name, str(value)) for name, value in values.items()),
        slow_path=None if slow is None else partial(_slow_path, slow, point.size),
        slow_order=kernel.order,
        no_slow=reason,
    )


def _slow_path(
    field: Callable[[int], Callable[[np.ndarray], np.ndarray]],
    size: int,
    order: int,
    states: np.ndarray,
    tolerance: float,
) -> Path:
    return follow_slow(field(order), states[:, :size], tolerance)


def _slow_field(
    kernel: Any, entry: Optimizer, values: Mapping[str, Fraction], eta: float, data: Data
) -> tuple[Callable[[int], Callable[[np.ndarray], np.ndarray]] | None, str]:
    """The slow-manifold equation of each order, per step; None and the reason where there is none."""
    if not entry.memory:
        return None, "it has no memory: the whole state is θ"
    if not hasattr(kernel, "gradient_series"):
        return None, "the kernel has no gradient along a curve"
    try:
        rule, fields = entry.rule(**values), entry.fields(**values)
    except InputError as error:
        return None, str(error)

    def field(order: int) -> Callable[[np.ndarray], np.ndarray]:
        powers = eta ** np.arange(1.0, order + 2)

        def rate(theta: np.ndarray) -> np.ndarray:
            rows = powers[:, None] * kernel_counterterms(kernel, rule, theta, order, data, fields)
            check_fall(np.linalg.norm(rows, axis=1))
            return -rows.sum(axis=0)

        return rate

    return field, ""


def kernel_to_follow(model: MLP, orders: Iterable[int], output: str | FilePath | None = None) -> Kernel:
    """A kernel of a network for ``follow``: the committed one, or one that has the slow manifold to order 4 at most."""
    order = max(1, min(HIGHEST_SLOW_ORDER, max(orders)))
    return kernel_of(model, order, output, lambda spec: spec.optimizer == "gradient-descent")
