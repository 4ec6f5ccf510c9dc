"""The iterates of an optimiser in floating point, and how far round-off moves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from eomsym import optimizers
from eomsym.dynamics.kernel import Data, FieldKernel, check_positive, check_theta
from eomsym.errors import InputError, IntegrationError

Step = Callable[[np.ndarray], np.ndarray]


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
    iterates = _iterates(step, check_theta(kernel, theta), _check_steps(steps), eta)
    return np.stack(list(iterates))


def optimizer_endpoint(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    steps: int,
    data: Data = (),
    *,
    optimizer: str = "gradient-descent",
    **parameters: object,
) -> np.ndarray:
    """The last row of ``optimizer_path``, (d,), without keeping the others."""
    step = _bind_step(kernel, eta, data, optimizer, parameters)
    return _last(_iterates(step, check_theta(kernel, theta), _check_steps(steps), eta))


def path_roundoff(
    kernel: FieldKernel,
    theta: np.ndarray,
    eta: float,
    steps: int,
    data: Data = (),
    *,
    optimizer: str = "gradient-descent",
    **parameters: object,
) -> float:
    """How far round-off moves ``optimizer_endpoint``, ‖·‖₂, measured: the path is run once more, disturbed.

    The start and every iterate are multiplied by ``1 + ε u`` with ε the machine epsilon and u uniform in [−1, 1], drawn
    from a fixed seed: about twice what rounding does to them.  So growth and damping of the errors along the path are
    in the number, which a formula for one step would miss.
    """
    step = _bind_step(kernel, eta, data, optimizer, parameters)
    random = np.random.default_rng(0)

    def disturbed(point: np.ndarray) -> np.ndarray:
        noise = np.finfo(np.float64).eps * random.uniform(-1, 1, point.size)
        return step(point * (1 + noise))

    start = check_theta(kernel, theta)
    plain = _last(_iterates(step, start, _check_steps(steps), eta))
    return float(np.linalg.norm(_last(_iterates(disturbed, start, steps, eta)) - plain))


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
