"""How accurate a kernel's values are, measured: by a second evaluation in double-double, and by their own noise.

The first needs a second kernel and knows every error but the model's; the second is cheap, works for any kernel and
knows round-off alone.  ``verification.certifying`` proves what these measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import comb, factorial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eomsym.double_double import DoubleDouble
from eomsym.dynamics.vectors import Vector, norm, rounded
from eomsym.errors import InputError
from eomsym.models import MLP

if TYPE_CHECKING:
    from eomsym.codegen import Kernel

#: Differences of this order are taken of values at points this far apart, relative to ‖θ‖: what is smooth falls by
#: SPACING^DIFFERENCES, far below any round-off, and noise does not.
DIFFERENCES = 6
SPACING = 1e-7


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
    from eomsym.codegen import Kernel, kernel_for

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
