"""The iterates of an optimiser in floating point, and how far round-off moves them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eomsym.checks import check_integer, check_positive, shown
from eomsym.dynamics.differentials import gradient_of_fields
from eomsym.dynamics.kernel import Data, FieldKernel, check_theta, is_double_double
from eomsym.dynamics.kernel_rule import asked_rule
from eomsym.dynamics.vectors import Vector, is_finite, last_place, norm, rounded, stack
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError
from eomsym.optimizers import Optimizer
from eomsym.optimizers.optimizer import Field
from eomsym.result import Result

#: Bytes of a number, and of the longest path that is kept.
ITEM, LARGEST_PATH = 8, 4 * 10**9

State = tuple[Vector, ...]
Step = Callable[[State], State]

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
    exact = entry.complete(given)
    values = {name: float(value) for name, value in exact.items()}
    gradient = field_gradient(kernel, data, entry.fields(**exact))
    return lambda state: entry.run(gradient, state, eta, **values), entry.initial_state(theta, gradient, **values)


def _iterates(step: Step, state: State, steps: int, eta: float) -> Iterator[State]:
    yield state
    for index in range(1, steps + 1):
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                state = step(state)
        except OverflowInKernelError as error:
            raise IntegrationError(
                f"optimizer path: step {index} with eta = {eta:g} has no gradient: {error}"
            ) from error
        if not all(is_finite(part) for part in state):
            raise IntegrationError(f"optimizer path: step {index} is not finite; eta = {eta:g} is too large, take less")
        yield state
