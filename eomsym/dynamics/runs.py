"""Runs: the iterates of an optimiser in floating point, how far round-off moves them, and its map on its whole state.

A whole state is (θ, memory) as one flat vector, with schedules (θ, memory, τ).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from eomsym.checks import check_integer, check_positive, shown
from eomsym.dynamics.differentials import gradient_of_fields
from eomsym.dynamics.kernel import Data, FieldKernel, blocks_of, check_theta, is_double_double
from eomsym.dynamics.kernel_rule import asked_rule
from eomsym.dynamics.sides import Sides, check_one_side, refuse_jump
from eomsym.dynamics.vectors import Vector, is_finite, last_place, norm, rounded, slices, stack
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers import Optimizer
from eomsym.optimizers.floats import JUMPS
from eomsym.optimizers.maps import sides_of
from eomsym.optimizers.optimizer import Field
from eomsym.optimizers.registry import is_built_in
from eomsym.optimizers.tracing import trace
from eomsym.result import Result

if TYPE_CHECKING:
    from eomsym.dynamics.loop_kernel import LoopKernel

#: Bytes of a number, and of the longest path that is kept.
ITEM, LARGEST_PATH = 8, 4 * 10**9

State = tuple[Vector, ...]
Step = Callable[[State], State]
Value = TypeVar("Value")

#: A disturbed number moves by one of these units in its last place: the root mean square is ½, the largest rounding.
DISTURBANCES = np.array([-1.0, 0, 0, 0, 0, 0, 0, 1.0])


@dataclass(frozen=True, eq=False, repr=False)
class OptimizerEnd(Result):
    """Where an optimiser arrives: ``theta`` (d,), and how far round-off has moved it, ‖·‖₂.

    ``start`` (d,) is where the equation of motion begins.  Both are of the kernel's arithmetic, float64 or
    ``DoubleDouble``.
    """

    theta: Vector
    error_estimate: float
    start: Vector


def optimizer_path(
    kernel: FieldKernel,
    theta: Vector,
    eta: float,
    steps: int | Sequence[int],
    data: Data = (),
    *,
    optimizer: str | Optimizer | None = None,
    **parameters: object,
) -> Vector:
    """All iterates θ_0 … θ_steps as one (steps + 1, d) array of the kernel's arithmetic; row 0 is ``theta``.

    Of rising ``steps`` those iterates alone are kept, one a row.  Without an ``optimizer`` it is the kernel's own.
    Raises ``InputError`` for an unknown optimiser or a bad value, ``IntegrationError`` naming the first step that is
    not finite.
    """
    step, start = _bind_step(kernel, check_theta(kernel, theta), eta, data, optimizer, parameters)
    kept: Sequence[int]
    if isinstance(steps, (Sequence, np.ndarray)):
        kept = [check_integer("steps", number) for number in steps]
        if not kept or any(after <= before for before, after in pairwise(kept)):
            raise InputError(f"steps {shown(list(steps))}: not rising; sort them and give each once")
    else:
        kept = range(check_integer("steps", steps) + 1)
    if len(kept) * kernel.size * ITEM > LARGEST_PATH:
        size = len(kept) * kernel.size * ITEM / 1e9
        number = "all" if isinstance(kept, range) else len(kept)
        raise InputError(
            f"steps {kept[-1]}: {number} iterates of {kernel.size} numbers take {size:.1f} GB; take fewer steps"
        )
    wanted = set(kept)
    iterates = enumerate(_iterates(step, start, kept[-1], eta))
    return stack([state[0] for index, state in iterates if index in wanted])


def run_optimizer(
    kernel: FieldKernel,
    theta: Vector,
    eta: float,
    steps: int,
    data: Data = (),
    *,
    optimizer: str | Optimizer | None = None,
    memory: Sequence[Vector] | None = None,
    **parameters: object,
) -> OptimizerEnd:
    """The last iterate alone, with its round-off measured: the path is run twice, the second time disturbed.

    There each entry of each iterate (and of the memory) moves by a unit in the last place, up with probability 1/8 and
    down with 1/8, drawn from a fixed seed.  So growth and damping of the errors along the path are in the number, which
    a formula for one step would miss.  ``memory`` is what the optimiser begins with, its own if none is given.
    Without an ``optimizer`` it is the kernel's own; parameters that are not given take their default values.
    Raises as ``optimizer_path`` does.
    """
    step, start = _bind_step(kernel, check_theta(kernel, theta), eta, data, optimizer, parameters)
    if memory is not None:
        start = (start[0], *memory)
    (plain, *_), error = run_twice(step, start, check_integer("steps", steps), eta)
    return OptimizerEnd(plain, error, start[0])


def run_twice(step: Step, start: State, steps: int, eta: float) -> tuple[State, float]:
    """The last state of so many steps, and how far round-off has moved its first part, ‖·‖₂, by a disturbed run.

    Raises ``IntegrationError`` naming the first step that is not finite.
    """
    random = np.random.default_rng(0)

    def disturbed(state: State) -> State:
        return step(tuple(_disturbed(part, random) for part in state))

    plain, moved = (deque(_iterates(one, start, steps, eta), 1)[0] for one in (step, disturbed))
    return plain, norm(moved[0] - plain[0])


def _disturbed(part: Vector, random: np.random.Generator) -> Vector:
    """What is exactly 0 has not been rounded, and may stand under a root."""
    return part + last_place(part) * (random.choice(DISTURBANCES, part.size) * (rounded(part) != 0))


def field_gradient(kernel: FieldKernel, data: Data, fields: Sequence[Field]) -> Callable[..., np.ndarray]:
    """``(point, field=0)`` → the gradient of that field of the optimiser, (d,), from the kernel's plain gradient."""
    return gradient_of_fields(data, fields, lambda parts: lambda point: kernel.gradient(point, *parts))


def _bind_step(
    kernel: FieldKernel,
    theta: Vector,
    eta: float,
    data: Data,
    optimizer: str | Optimizer | None,
    parameters: dict[str, object],
) -> tuple[Step, State]:
    """One step with everything else fixed, and the state to begin with."""
    entry, given = asked_rule(kernel, optimizer, parameters)
    eta = check_positive("eta", eta)
    if is_double_double(kernel) and entry.name != "gradient-descent":
        raise InputError(f"optimizer {entry.name!r}: in double-double arithmetic gradient-descent only; take it")
    values = entry.complete(given)
    return _bound(entry.on(blocks_of(kernel)), values, field_gradient(kernel, data, entry.fields(**values)), theta, eta)


def _bound(
    entry: Optimizer, values: Mapping[str, Coefficient], gradient: Callable[..., Any], theta: Vector, eta: float
) -> tuple[Step, State]:
    numbers = {name: float(value) for name, value in values.items()}
    return lambda state: entry.run(gradient, state, eta, **numbers), entry.initial_state(theta, gradient, **numbers)


def _iterates(step: Step, state: State, steps: int, eta: float) -> Iterator[State]:
    too_large = f"optimizer path: step {{}} is not finite; eta = {eta:g} is too large, take less"
    return _finite(step, state, range(1, steps + 1), f"optimizer path: step {{}} with eta = {eta:g}", too_large)


def _finite(step: Step, state: State, numbers: range, place: str, not_finite: str) -> Iterator[State]:
    """The state, and the one after each of the steps with these numbers, which stand in the messages at the braces.

    Raises ``IntegrationError`` for the first that has no gradient or is not finite.
    """
    yield state
    for number in numbers:
        try:
            with np.errstate(all="ignore"):
                state = step(state)
        except OverflowInKernelError as error:
            raise IntegrationError(f"{place.format(number)} has no gradient: {error}") from error
        if not all(is_finite(part) for part in state):
            raise IntegrationError(not_finite.format(number))
        yield state


class Tally:
    """Counts the calls of functions, ``count`` of all."""

    def __init__(self) -> None:
        self.count = 0

    def counting(self, function: Callable[..., Value]) -> Callable[..., Value]:
        """The same function, counted."""

        def counted(*arguments: Any, **options: Any) -> Value:
            self.count += 1
            return function(*arguments, **options)

        return counted


@dataclass(frozen=True, eq=False)
class StateMap:
    """An optimiser's map on its whole state z, (m,) float64.

    ``step(z)`` is the next state, (m,); ``start`` the state at step ``first``, where all of it exists.  The first
    ``size`` entries of z are θ, in the order of the kernel or of the leaves; ``sizes`` are those of θ and of each
    memory, where they are known.  ``tally`` counts gradients.  ``sides(z)`` says on which side of its kinks the step
    from z is; None of a step without any.
    """

    step: Callable[[np.ndarray], np.ndarray]
    start: np.ndarray
    size: int
    first: int = 0
    tally: Tally = field(default_factory=Tally)
    sizes: tuple[int, ...] = ()
    sides: Sides | None = None


def kernel_state(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    data: Data,
    optimizer: Optimizer,
    values: Mapping[str, Coefficient],
) -> StateMap:
    """The whole state of a rule on a kernel, from ``theta`` (d,) and the rule's own initial memory."""
    tally = Tally()
    gradient = tally.counting(field_gradient(kernel, data, optimizer.fields(**values)))
    step, begun = _bound(optimizer.on(blocks_of(kernel)), values, gradient, theta, eta)
    state = [np.asarray(part, dtype=np.float64) for part in begun]
    sizes = tuple(part.size for part in state)
    cuts = slices(sizes)

    def flat(vector: np.ndarray) -> np.ndarray:
        return np.concatenate(step(tuple(vector[cut] for cut in cuts)))

    start = np.concatenate(state)

    return StateMap(flat, start, theta.size, sizes=sizes, tally=tally, sides=_sides(flat, start, optimizer, values))


def _sides(
    step: Callable[[np.ndarray], np.ndarray], start: np.ndarray, entry: Optimizer, values: Mapping[str, Coefficient]
) -> Sides | None:
    """The sides of a step on whole states; None where it meets no kink.

    A step of one's own is looked at where it begins.  Raises ``InputError`` for one that jumps.
    """

    def sides(vector: np.ndarray) -> list[tuple[str, np.ndarray]]:
        with np.errstate(all="ignore"):
            found = sides_of(lambda: step(vector))
        for name, _ in found:
            if name in JUMPS:
                refuse_jump(name)
        return found

    if is_built_in(entry):
        return sides if _has_kinks(entry, values) else None
    try:
        return sides if sides(start) else None
    except OverflowInKernelError:  # the run says where
        return None


def _has_kinks(entry: Optimizer, values: Mapping[str, Coefficient]) -> bool:
    """Whether a step calls a map that has sides; one that cannot be followed calls none."""
    try:
        rule = trace(entry.step, 1 + len(entry.memory), values, checked=False)
    except InputError:
        return False
    return any(image.map.side is not None for image in rule.images)


def loop_state(kernel: LoopKernel, theta: np.ndarray, eta: float, data: Data) -> StateMap:
    """The whole state (θ, memory, τ) of a loop from its own start at τ = 0; its map is a round."""
    loop, tally = kernel.loop, Tally()
    gradient = tally.counting(field_gradient(kernel.inner, data, loop.fields))
    begun = loop.initial_state(theta, gradient)
    ends = np.cumsum([part.size for part in begun])

    def step(vector: np.ndarray) -> np.ndarray:
        *parts, tau = np.split(vector, ends)
        # between steps, where a flow asks, the schedule is that of the time itself
        after = kernel.step(gradient, tuple(parts), eta, float(tau[0]) / eta)
        return np.concatenate([*after, tau + loop.steps * eta])

    start = np.append(np.concatenate(begun), 0.0)
    return StateMap(step, start, theta.size, tally=tally, sides=_sides(step, start, loop.optimizer, loop.values))


def run_states(whole: StateMap, steps: int, start: int = 0) -> np.ndarray:
    """The run's own states from step ``start`` on, (steps + 1, m).

    Raises ``InputError`` for counts that make no run and for a run that crosses a kink of its step, and
    ``IntegrationError`` naming the first step that is not finite.
    """
    check_integer("steps", steps, 1)
    if check_integer("after", start) < whole.first:
        raise InputError(f"after {start}: a part of the state only exists after a step; give at least {whole.first}")
    if (steps + 1) * whole.start.nbytes > LARGEST_PATH:
        size = f"{(steps + 1) * whole.start.nbytes / 1e9:.1f} GB"
        raise InputError(f"steps {steps}: all states of {whole.start.size} numbers take {size}; take fewer steps")
    rows, numbers = np.empty((steps + 1, whole.start.size)), range(whole.first + 1, start + steps + 1)
    too_large = "run: step {} is not finite; take a smaller learning rate"
    states = _finite(lambda parts: (whole.step(parts[0]),), (whole.start,), numbers, "run: step {}", too_large)
    for index, (state,) in enumerate(states, start=whole.first):
        if index >= start:
            rows[index - start] = state
    if whole.sides is not None:
        check_one_side(whole.sides, rows, start)
    return rows
