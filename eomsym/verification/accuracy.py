"""How accurate a kernel's values are, measured: by double-double, by their own noise, by differences.

The first needs a second kernel and knows every error but the model's; the second is cheap, works for any kernel and
knows round-off alone.  ``verification.certifying`` proves what these measure.
Whether a kernel's gradient is that of its loss is asked by central differences of the loss, which share no reverse
pass with it.  A convergence study cannot ask that: of a wrong gradient the optimiser and its equation of motion make
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import comb, factorial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.double_double import DoubleDouble
from eomsym.dynamics.vectors import Vector, epsilon, norm, rounded
from eomsym.errors import InputError, KernelError
from eomsym.models import MLP, VectorField

if TYPE_CHECKING:
    from eomsym.codegen.kernel import Kernel

#: Differences of this order are taken of values at points this far apart, relative to ‖θ‖: what is smooth falls by
#: SPACING^DIFFERENCES, far below any round-off, and noise does not.
DIFFERENCES = 6
SPACING = 1e-7


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


def measure_accuracy(
    kernel: Kernel,
    theta: np.ndarray,
    inputs: np.ndarray,
    targets: np.ndarray,
    order: int | None = None,
    output: str | Path | None = None,
) -> np.ndarray:
    """The relative error ‖·‖₂ of each row of ``kernel.counterterms`` at a point, (order + 1,) float64.

    The truth is the same kernel in double-double arithmetic, generated into ``output`` or the user's cache; its own
    error is smaller by 1e-15.  Arguments are those of ``counterterms``.  A row that vanishes has error 0 where it is
    computed as 0, and inf where not.  Raises ``InputError`` for what has no double-double kernel (other optimisers,
    normalisation, expressions) and for a kernel that has that precision already: ``certify`` takes all of these but
    normalisation.
    """
    from eomsym.codegen import kernel_for
    from eomsym.codegen.kernel import Kernel

    if not isinstance(kernel, Kernel) or kernel.precision != "double" or not isinstance(kernel.model, MLP):
        raise InputError(f"kernel {kernel!r}: give a network's kernel of precision double, or call eomsym.certify")
    rows = kernel.counterterms(theta, inputs, targets, order=order)
    exact = kernel_for(replace(kernel.spec, precision="double-double"), output)
    truth = exact.counterterms(theta, inputs, targets, order=order)
    distances = np.linalg.norm(rounded(truth - rows), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distances == 0, 0.0, distances / np.linalg.norm(rounded(truth), axis=1))


def evaluation_noise(function: Callable[[Vector], Vector], point: Vector) -> float:
    """The size ‖·‖₂ of the round-off in one evaluation of a smooth ``function`` near ``point``, a (d,) vector.

    Differences of order 6 of values at seven points on a short line contain no more than the noise: of independent
    errors of variance σ² they have variance 12!/(6!)² σ² (Moré & Wild, Estimating computational noise, SIAM J. Sci.
    Comput. 33, 2011).  Seven evaluations.  An error that is itself smooth, such as that of a rounded constant, is not
    seen.
    """
    random = np.random.default_rng(0)
    direction = random.standard_normal(len(point))
    direction *= SPACING * (norm(point) or 1.0) / np.linalg.norm(direction)
    # Multiples of a coarse unit, so that the points are equally far apart without rounding.
    unit = 2 * np.spacing(np.abs(rounded(point)).max() or 1.0)
    direction = unit * np.rint(direction / unit)
    values = [function(point + float(index) * direction) for index in range(DIFFERENCES + 1)]
    difference = 0.0 * values[0]
    for index, value in enumerate(values):
        difference = difference + float((-1) ** index * comb(DIFFERENCES, index)) * value
    return norm(difference) * factorial(DIFFERENCES) / factorial(2 * DIFFERENCES) ** 0.5


def proportional_noise(function: Callable[[Vector], Vector], point: Vector) -> float:
    """The same from points at which every entry is nearly that of ``point`` and has its sign, in its own arithmetic.

    So a loss that is defined at the point is defined there, and what rounding of the point itself makes is in it.
    """
    doubled = isinstance(point, DoubleDouble)
    place, ones = point if doubled else np.asarray(point), np.ones(len(point))

    def at(scale: Vector) -> Vector:
        return function(scale * place if doubled else (scale * place).astype(place.dtype))

    return evaluation_noise(at, DoubleDouble.from_value(ones) if doubled else ones)


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
