"""A PyTorch loss as a kernel, in float64 on the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.autograd.functional import hvp, jvp
from torch.utils import _pytree as pytree

from eomsym.arrays import flat_model
from eomsym.errors import InputError
from eomsym.torch.library import FRONTEND, checked_leaf
from eomsym.torch.moving import Moving, twin


class FlatModel(flat_model.FlatModel):
    """Of ``params`` that are copied; frozen ones, which require no gradient beside others that do, are held."""

    frontend = FRONTEND
    array, compiled, functions = staticmethod(torch.tensor), staticmethod(lambda f: f), torch.func

    def __init__(self, loss_fn: Callable[..., Any], params: Any, data: Any = None) -> None:
        self._hooked = any(Moving(params).hooks)
        super().__init__(loss_fn, pytree.tree_map(_double, params), data)
        try:
            self.loss(self.theta)
            self.gradient(self.theta)
        except RuntimeError as fault:
            if "mutate" in str(fault):
                raise InputError(
                    "loss_fn: changes a buffer when it is called, as batch normalisation in training mode does; call "
                    "eval() on the model"
                ) from None
            if "type" not in str(fault):
                raise
            raise InputError(f"loss_fn: params are float64 here, make its data float64 too ({fault})") from None

    def check(self) -> None:
        if self._hooked:
            raise InputError(
                "params: a leaf has a hook of register_hook, and what it makes of g is no gradient of a loss; remove it"
            )

    def _along(self, function: Callable[..., Any], flat: Any, vector: Any) -> Any:
        return jvp(function, flat, vector)[1]  # type: ignore[no-untyped-call, unused-ignore]

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray, *data: np.ndarray) -> np.ndarray:
        def product(flat: Any, by: Any, *arrays: Any) -> Any:
            return hvp(lambda at: self._flat(at, *arrays), flat, by)[1]  # type: ignore[no-untyped-call, unused-ignore]

        return self._of(product, theta, vector, data=data)

    def _parts(self, flat: Any) -> Any:
        return pytree.tree_map(torch.clone, self._shaped(flat))


def _double(leaf: Any) -> torch.Tensor:
    checked_leaf(leaf)
    return twin(leaf, "cpu")
