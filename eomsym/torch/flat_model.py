"""A PyTorch loss as a kernel: θ is one float64 vector of NumPy, in the order of the leaves of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.autograd.functional import hvp, jvp
from torch.utils import _pytree as pytree

from eomsym.errors import InputError
from eomsym.torch.library import counterterms, traced
from eomsym.torch.moving import Moving, twin


class FlatModel:
    """What paths and observables ask of a kernel, of ``loss_fn(params)``; ``theta`` is where ``params`` stand, (d,).

    Everything is computed in float64 on the processor; ``params`` are copied.  Frozen ones, which require no gradient
    beside others that do, are held and no part of θ.
    """

    order = 16

    def __init__(self, loss_fn: Callable[[Any], Any], params: Any) -> None:
        leaves, structure = pytree.tree_flatten(params)
        if not all(isinstance(leaf, torch.Tensor) and leaf.is_floating_point() for leaf in leaves):
            raise InputError("params: a leaf is no floating-point tensor; give such tensors only")
        self._moving = Moving(pytree.tree_unflatten([twin(leaf, "cpu") for leaf in leaves], structure))
        if any(self._moving.hooks):
            raise InputError(
                "params: a leaf has a hook of register_hook, and what it makes of g is no gradient of a loss; remove it"
            )
        parts = [leaf.detach() for leaf in self._moving.leaves]
        self._shapes = [part.shape for part in parts]
        self.theta = torch.cat([part.reshape(-1) for part in parts]).numpy()
        self.size, self._loss_fn = self.theta.size, loss_fn
        try:
            self.loss(self.theta)
        except RuntimeError as fault:
            if "type" not in str(fault):
                raise
            raise InputError(f"loss_fn: params are float64 here, make its data float64 too ({fault})") from None
        self._slope = torch.func.grad(self._flat)
        self._traced = traced(lambda moving: loss_fn(self._moving.whole(moving)))

    def loss(self, theta: np.ndarray) -> float:
        """The loss."""
        return float(self._flat(torch.tensor(theta)))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """g, (d,)."""
        return self._slope(torch.tensor(theta)).detach().numpy()

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Hv, (d,)."""
        return hvp(self._flat, torch.tensor(theta), torch.tensor(vector))[1].numpy()  # type: ignore[no-untyped-call, unused-ignore]

    def counterterms(self, theta: np.ndarray, order: int, optimizer: Any, values: Mapping[str, Any]) -> np.ndarray:
        """``eomsym.torch.counterterms`` as rows, (order + 1, d)."""
        rows = counterterms(self._traced, self._parts(torch.tensor(theta)), order, optimizer=optimizer, **values)
        return np.array(
            [torch.cat([leaf.detach().reshape(-1) for leaf in pytree.tree_leaves(row)]).numpy() for row in rows]
        )

    def observed(self, function: Callable[[Any], Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """A function of ``params`` as one of θ, and its derivative along a vector, by ``torch.autograd``."""

        def flat(theta: Any) -> Any:
            found = function(self._shaped(theta))
            if not isinstance(found, torch.Tensor) or found.dtype != torch.float64:
                what = str(found.dtype) if isinstance(found, torch.Tensor) else type(found).__name__
                raise InputError(f"observable: gave {what}; params are float64, give a tensor of float64 made of them")
            return found

        def along(theta: np.ndarray, vector: np.ndarray) -> Any:
            return jvp(flat, torch.tensor(theta), torch.tensor(vector))[1].numpy()  # type: ignore[no-untyped-call, unused-ignore]

        return lambda theta: flat(torch.tensor(theta)).detach().numpy(), along

    def _flat(self, flat: Any) -> Any:
        return self._loss_fn(self._shaped(flat))

    def _shaped(self, flat: Any) -> Any:
        return self._moving.whole(self._parts(flat))

    def _parts(self, flat: Any) -> list[Any]:
        sizes = [shape.numel() for shape in self._shapes]
        return [part.reshape(shape).clone() for part, shape in zip(flat.split(sizes), self._shapes, strict=True)]
