"""Is a kernel's gradient that of its loss?  Central differences of the loss, which shares no reverse pass with it.

A convergence study cannot ask that: of a wrong gradient the optimiser and its equation of motion make the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eomsym.dynamics.vectors import Vector, epsilon, rounded
from eomsym.errors import KernelError
from eomsym.models import VectorField
from eomsym.verification.accuracy import proportional_noise

#: How many directions are drawn.
DIRECTIONS = 2
#: Round-off of the loss may be this many times what was measured of it, seven values being few.
SAFETY = 30
#: The step is so large that this allows for an error of so large a part of the slope along such a direction.
WANTED = 1e-6
#: And moves θ by no more than about this part.
REACH = 1e-3
#: An entry this small against the largest moves as that does.
VANISHING = 1e-100


def check_gradient(kernel: Any, theta: Vector, data: Sequence[np.ndarray]) -> None:
    """Raises ``KernelError`` where ``kernel.gradient`` differs from differences of ``kernel.loss``.

    A difference over 2h is off by ``h²/6`` times a third derivative, which the same with h/2 measures and removes, and
    by the round-off in two values of the loss over 2h, which is measured too.  A kernel without a loss is let pass.
    """
    if not hasattr(kernel, "loss") or isinstance(getattr(kernel, "model", None), VectorField):
        return
    slope = rounded(kernel.gradient(theta, *data))
    largest = float(np.abs(rounded(theta)).max()) or 1.0
    sizes = np.abs(rounded(theta)) / largest
    sizes[sizes < VANISHING] = 1.0
    length = float(np.linalg.norm(sizes))
    round_off = proportional_noise(lambda at: kernel.loss(at, *data), theta)
    expected = float(np.linalg.norm(slope * sizes)) / length
    h = REACH * length * largest
    if expected:
        h = min(h, SAFETY * (round_off + _last_place(kernel.loss(theta, *data))) / (WANTED * expected))
    random = np.random.default_rng(0)
    for _ in range(DIRECTIONS):
        direction = sizes * random.standard_normal(len(sizes))
        direction /= np.linalg.norm(direction)
        (coarse, last), (fine, _) = (_excess(kernel, theta, data, slope, step * direction) for step in (h, h / 2))
        excess = (8 * fine - coarse) / (6 * h)
        allowed = (SAFETY * (round_off + last) + abs(fine - coarse / 2)) / h
        if not abs(excess) <= allowed:
            along = float(slope @ direction)
            raise KernelError(
                f"kernel: its gradient is not that of its loss: in a direction drawn at random the loss grows by "
                f"{along + excess:.8g} a unit, and the gradient says {along:.8g}; generate the kernel again"
            )


def _excess(
    kernel: Any, theta: Vector, data: Sequence[np.ndarray], slope: np.ndarray, step: Vector
) -> tuple[float, float]:
    """What the loss grows by from θ − step to θ + step more than the gradient says, and its last place there."""
    step = (theta + step) - theta
    step = theta - (theta - step)  # both points are as far from θ, without rounding
    before, after = kernel.loss(theta - step, *data), kernel.loss(theta + step, *data)
    grown = float(rounded(after - before)) - 2 * float(slope @ rounded(step))
    return grown, max(_last_place(before), _last_place(after))


def _last_place(loss: Any) -> float:
    """A unit in the last place of a number."""
    return epsilon(loss) * abs(float(rounded(loss)))
