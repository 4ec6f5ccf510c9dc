"""What paths ask of a vector, whether it is a float64 array or a ``DoubleDouble``."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from eomsym.double_double import EPSILON, DoubleDouble

Vector = Any  # (n,): a float64 array, or a DoubleDouble


def is_finite(vector: Vector) -> bool:
    """Whether every entry is."""
    return vector.is_finite() if isinstance(vector, DoubleDouble) else bool(np.isfinite(vector).all())


def norm(vector: Vector) -> float:
    """‖·‖₂, a double."""
    return float(np.linalg.norm(rounded(vector)))


def rounded(vector: Vector) -> np.ndarray:
    """The nearest doubles."""
    return vector.high if isinstance(vector, DoubleDouble) else vector


def stack(vectors: Sequence[Vector]) -> Vector:
    """Vectors of one kind as the rows of an array of that kind."""
    return DoubleDouble.stack(vectors) if isinstance(vectors[0], DoubleDouble) else np.stack(vectors)


def slices(sizes: Sequence[int]) -> list[slice]:
    """Where parts of these sizes are in one vector.  ``np.split`` takes longer than a step of a small optimiser."""
    ends = [0, *map(int, np.cumsum(sizes))]
    return [slice(first, last) for first, last in pairwise(ends)]


def last_place(vector: Vector) -> Vector:
    """A unit in the last place of each entry: twice the largest rounding of a sum (3u² of a double-double number)."""
    if isinstance(vector, DoubleDouble):
        return DoubleDouble.from_value(2 * EPSILON * vector.high)
    return np.spacing(vector)


def epsilon(vector: Vector) -> float:
    """The relative distance of neighbouring numbers."""
    return EPSILON if isinstance(vector, DoubleDouble) else float(np.finfo(np.float64).eps)
