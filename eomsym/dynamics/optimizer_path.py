"""The iterates of an optimiser in floating point, and how far round-off moves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from eomsym import optimizers
from eomsym.dynamics.kernel import Data, FieldKernel, check_positive, check_theta
from eomsym.errors import InputError, IntegrationError

Step = Callable[[np.ndarray], np.ndarray]

#: A disturbed number moves by one of these units in its last place: the root mean square is ½, the largest rounding.
DISTURBANCES = np.array([-1.0, 0, 0, 0, 0, 0, 0, 1.0])


@dataclass(frozen=True, eq=False)
class OptimizerEnd:
    """Where an optimiser arrives: ``theta`` (d,), and how far round-off has moved it, ‖·‖₂."""

    theta: np.ndarray
    error_estimate: float


def optimizer_path(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    steps: int,
    data: Data = (),
    *,
    optimizer: str = "gradient-descent",
    **parameters: object,
) -> np.ndarray:
    """All iterates θ_0 … θ_steps as one (steps + 1, d) float64 array; row 0 is ``theta``.

    Raises ``InputError`` for an unknown optimiser or a bad value, ``IntegrationError`` naming the first step that is
    not finite.
    """
    step = _bind_step(kernel, eta, data, optimizer, parameters)
    return np.stack(list(_iterates(step, check_theta(kernel, theta), _check_steps(steps), eta)))


def run_optimizer(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    steps: int,
    data: Data = (),
    *,
    optimizer: str = "gradient-descent",
    **parameters: object,
) -> OptimizerEnd:
    """The last iterate alone, with its round-off measured: the path is run twice, the second time disturbed.

    There each entry of each iterate moves by a unit in the last place, up with probability 1/8 and down with 1/8, drawn
    from a fixed seed.  So growth and damping of the errors along the path are in the number, which a formula for one
    step would miss.  Raises as ``optimizer_path`` does.
    """
    step = _bind_step(kernel, eta, data, optimizer, parameters)
    random = np.random.default_rng(0)

    def disturbed(point: np.ndarray) -> np.ndarray:
        return step(point + np.spacing(point) * random.choice(DISTURBANCES, point.size))

    start, count = check_theta(kernel, theta), _check_steps(steps)
    plain, moved = (_last(_iterates(one_step, start, count, eta)) for one_step in (step, disturbed))
    return OptimizerEnd(plain, float(np.linalg.norm(moved - plain)))


def _bind_step(kernel: FieldKernel, eta: float, data: Data, optimizer: str, parameters: dict[str, object]) -> Step:
    """One step θ → θ⁺ with everything else fixed."""
    entry = optimizers.get(optimizer)
    eta = check_positive("eta", eta)
    values = {name: float(value) for name, value in entry.read_parameters(parameters).items()}

    def gradient(point: np.ndarray) -> np.ndarray:
        return kernel.gradient(point, *data)

    return lambda point: entry.step(gradient, point, eta, **values)


def _iterates(step: Step, theta: np.ndarray, steps: int, eta: float) -> Iterator[np.ndarray]:
    yield theta
    for index in range(1, steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            theta = step(theta)
        if not np.isfinite(theta).all():
            raise IntegrationError(f"optimizer path: step {index} is not finite; eta = {eta:g} is too large, take less")
        yield theta


def _last(iterates: Iterator[np.ndarray]) -> np.ndarray:
    for point in iterates:
        last = point
    return last


def _check_steps(steps: int) -> int:
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 0:
        raise InputError(f"steps {steps!r}: give an integer that is not negative")
    return int(steps)
