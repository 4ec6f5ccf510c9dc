"""A loss of JAX along a line: first gradients, JAX's nested derivatives, and what the series are made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eomsym.arrays import line
from eomsym.arrays.program import FlatProgram
from eomsym.errors import InputError
from eomsym.jax.library import LIBRARY
from eomsym.jax.tracing import OWN_DERIVATIVES, flatten


class Line(line.Line):
    """The gradient is compiled; derivatives of derivatives are each taken forward."""

    framework, library = f"JAX {jax.__version__}", LIBRARY

    def __init__(self, loss: Callable[[list[Any]], Any], point: list[Any], direction: list[Any] | None = None) -> None:
        made = jax.eval_shape(loss, point)
        if getattr(made, "shape", None) != () or not jnp.issubdtype(made.dtype, jnp.floating):
            raise InputError(f"model: returned {getattr(made, 'shape', type(made).__name__)}; return one real number")
        super().__init__(loss, point, direction)

    @cached_property
    def _fast(self) -> Callable[..., list[Any]]:
        return jax.jit(self.gradient)

    def slope(self, values: list[Any]) -> list[Any]:
        return self._fast(*values)

    def nested(self, order: int) -> list[np.ndarray]:
        along: Callable[..., Any] = self.gradient
        found = []
        for k in range(order + 1):
            found.append(self.library.vector(jax.jit(along)(*self.point)) / math.factorial(k))
            along = lambda *values, of=along: jax.jvp(of, values, tuple(self.direction))[1]  # noqa: E731
        return found

    def program(self) -> FlatProgram:
        return flatten(lambda *values: [self.loss(list(values))], self.point, OWN_DERIVATIVES)


def loss_line(loss_fn: Callable[..., Any], params: Any, data: Any) -> Line:
    """Of a loss ``loss_fn(params[, data])``.  Raises ``InputError`` for what is none."""
    return Line.of_loss(lambda p: loss_fn(p) if data is None else loss_fn(p, data), params)
