"""A PyTorch loss as a kernel, in float64 on the processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.autograd.functional import hvp, jvp
from torch.utils import _pytree as pytree

from eomsym.arrays import flat_model
from eomsym.errors import InputError
from eomsym.torch.library import FRONTEND, checked_leaf, counterterms, traced
from eomsym.torch.moving import Moving, twin


class FlatModel(flat_model.FlatModel):
    """Of ``params`` that are copied; frozen ones, which require no gradient beside others that do, are held."""

    frontend = FRONTEND
    array, compiled, functions = staticmethod(torch.tensor), staticmethod(lambda f: f), torch.func

    def __init__(self, loss_fn: Callable[[Any], Any], params: Any) -> None:
        self._hooked = any(Moving(params).hooks)
        super().__init__(loss_fn, pytree.tree_map(_double, params))
        try:
            self.loss(self.theta)
        except RuntimeError as fault:
            if "type" not in str(fault):
                raise
            raise InputError(f"loss_fn: params are float64 here, make its data float64 too ({fault})") from None
        self._traced = traced(lambda moving: loss_fn(self._moving.whole(moving)))

    def check(self) -> None:
        if self._hooked:
            raise InputError(
                "params: a leaf has a hook of register_hook, and what it makes of g is no gradient of a loss; remove it"
            )

    def _along(self, function: Callable[..., Any], flat: Any, vector: Any) -> Any:
        return jvp(function, flat, vector)[1]  # type: ignore[no-untyped-call, unused-ignore]

    def hessian_vector(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        return self._of(lambda flat, by: hvp(self._flat, flat, by)[1], theta, vector)  # type: ignore[no-untyped-call, unused-ignore]

    def _rows(self, flat: Any, order: int, optimizer: Any, values: Mapping[str, Any]) -> list[Any]:
        return counterterms(self._traced, self._parts(flat), order, optimizer=optimizer, **values)

    def parameters(self, flat: Any) -> Any:
        return self._moving.whole(self._parts(flat))

    def _parts(self, flat: Any) -> Any:
        return pytree.tree_map(torch.clone, self._shaped(flat))


def _double(leaf: Any) -> torch.Tensor:
    checked_leaf(leaf)
    return twin(leaf, "cpu")
