"""The step sizes of a verification, and what a step size has to be small against."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar

import numpy as np

from eomsym.checks import check_positive
from eomsym.derivation import series_radius
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer

Progress = Callable[[int, int], None]
T = TypeVar("T")

#: Without step sizes given, the largest has η max|λ| of this size: well inside the radius of convergence, 1.
LARGEST_STEP = 0.8
#: The same for optimisers with a memory: they travel during their transient, and should not arrive.
LARGEST_STEP_WITH_MEMORY = 0.3
#: T is this many of the largest steps.
STEPS = 8
#: How often the largest step is halved.
HALVINGS = 5
#: A term this much smaller than f̃_0 is zero but for round-off.
VANISHING = 1e-9


def counted(items: Sequence[T], progress: Progress | None) -> Iterator[T]:
    """Yields each item; what is made of it is done, and told ``progress(done, total)``, when the next is asked for."""
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(done, len(items))


def growth_of_terms(terms: np.ndarray, norm: float = 2) -> float:
    """How fast the terms (order + 1, d) of a field grow, ‖f̃_{k+1}‖/‖f̃_k‖: what η has to be small against.

    ``norm`` is p of the p-norm; inf is for fields whose entries have each a series of its own, of which a single one
    may leave all measure.  Vanishing terms are passed over.  The largest ratio is taken: the ratios rise towards the
    reciprocal of the radius of convergence.
    """
    sizes = np.linalg.norm(terms, norm, axis=1)
    present = [(index, size) for index, size in enumerate(sizes) if size > VANISHING * sizes[0]]
    ratios = [(b / a) ** (1 / (j - i)) for (i, a), (j, b) in pairwise(present)]
    return max(ratios, default=0.0)


def default_etas(radius: float, fraction: float = LARGEST_STEP) -> list[float]:
    """Step sizes, halved each time, of which the largest times ``radius`` is ``fraction``."""
    if not radius > 0:
        raise InputError("etas: the Hessian vanishes at theta, so no step size suggests itself; give some")
    digits = 1 - math.floor(math.log10(fraction / radius))
    # Two digits: short in tables, and the same on every machine though the eigenvalue has its own last digits.
    largest = round(fraction / radius, digits)
    return [largest / 2**k for k in range(HALVINGS + 1)]


def check_etas(etas: Sequence[float]) -> list[float]:
    """Step sizes, falling, each a whole number of times in the time that is verified.  Raises ``InputError``."""
    steps = [check_positive("eta", eta) for eta in etas]
    if len(steps) < 2:
        raise InputError(f"etas {steps}: a slope needs at least two step sizes; give some, each half of the one before")
    if any(after >= before for before, after in pairwise(steps)):
        raise InputError(f"etas {steps}: not falling; give the largest first, each half of the one before")
    if not math.isfinite(STEPS * steps[0]):
        raise InputError(f"eta {steps[0]!r}: {STEPS} such steps are no finite time; give a smaller one")
    for eta in steps:
        count = STEPS * steps[0] / eta
        if abs(count - round(count)) > 1e-12 * count:
            raise InputError(f"eta {eta!r}: {STEPS} x {steps[0]!r} is not a whole number of such steps; halve instead")
    return steps


def step_warnings(
    entry: Optimizer, values: Mapping[str, Fraction], etas: Sequence[float], curvature: float
) -> tuple[str, ...]:
    """A sentence where the series of the optimiser on a quadratic diverges."""
    limit = series_radius(entry.rule(**values))
    beyond = [eta for eta in etas if eta * curvature >= limit]
    if not beyond:
        return ()
    largest = max(beyond)
    stable = ", though gradient descent is stable up to 2" if entry.name == "gradient-descent" else ""
    return (
        f"eta = {largest:g} times the largest eigenvalue {curvature:.4g} is {largest * curvature:.3g}: from "
        f"{limit:.3g} on the series in eta diverges and more orders make it worse{stable}",
    )
