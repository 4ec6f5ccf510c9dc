"""Paths of a field on pytrees of tensors, by SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from eomsym.checks import check_positive
from eomsym.dynamics.any_field import integrate_vector


def integrate(field: Callable[[Any], Any], params: Any, time: float, *, tolerance: float = 1e-10) -> Any:
    """``params`` after ``time`` along ``field``, such as ``lambda p: lookahead_field(grad, p, eta, 2)``, by DOP853.

    ``tolerance`` is relative and absolute, per step, and at least 100 times the precision of ``params``.  Raises
    ``InputError`` for a bad value, ``IntegrationError`` if the path leaves the floating-point numbers.
    """
    time, tolerance = check_positive("time", time), check_positive("tolerance", tolerance)
    leaves, structure = pytree.tree_flatten(params)
    sizes = [leaf.numel() for leaf in leaves]

    def unravel(vector: np.ndarray) -> Any:
        parts = torch.from_numpy(vector).split(sizes)  # type: ignore[no-untyped-call, unused-ignore]
        shaped = [part.reshape(leaf.shape).to(leaf) for part, leaf in zip(parts, leaves, strict=True)]
        return pytree.tree_unflatten(shaped, structure)

    def ravel(tree: Any) -> np.ndarray:
        values = [leaf.detach().reshape(-1).to("cpu", torch.float64) for leaf in pytree.tree_leaves(tree)]
        return torch.cat(values).numpy()

    precision = max(torch.finfo(leaf.dtype).eps for leaf in leaves)
    return unravel(
        integrate_vector(lambda state: ravel(field(unravel(state))), ravel(params), time, tolerance, precision)
    )
