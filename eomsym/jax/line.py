"""A loss of JAX along a line: first gradients, JAX's nested derivatives, and what the series are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from eomsym.arrays.line import along_line, operations
from eomsym.arrays.machine import Machine
from eomsym.errors import InputError
from eomsym.jax.library import checked_leaf, gradient_function
from eomsym.jax.rules import BACKEND
from eomsym.jax.tracing import OWN_DERIVATIVES, flatten


class Line:
    """``loss(leaves)`` at ``point + t · direction``; descent where no direction is given.  Vectors are NumPy's."""

    framework = f"JAX {jax.__version__}"

    def __init__(
        self, loss: Callable[[list[Any]], Any], point: Sequence[Any], direction: Sequence[Any] | None = None
    ) -> None:
        self._loss, self._point = loss, list(point)
        self._gradient = gradient_function(loss, None, jax.tree.structure(self._point))
        self._fast = jax.jit(self._gradient)
        self._direction = [-part for part in self._fast(*self._point)] if direction is None else list(direction)
        self.precision = max(map(BACKEND.precision, self._point))

    def along(self, t: float) -> np.ndarray:
        """The gradient there, by JAX's first derivatives."""
        return flat(self._fast(*(value + t * part for value, part in zip(self._point, self._direction, strict=True))))

    def anew(self) -> np.ndarray:
        """The gradient where the line begins, traced once more."""
        return flat(self._gradient(*self._point))

    def nested(self, order: int) -> list[np.ndarray]:
        """Its coefficients in t, by derivatives of derivatives, each taken forward."""
        along: Callable[..., Any] = self._gradient
        found = []
        for k in range(order + 1):
            found.append(flat(jax.jit(along)(*self._point)) / math.factorial(k))
            along = lambda *values, of=along: jax.jvp(of, values, tuple(self._direction))[1]  # noqa: E731
        return found

    def machine(self, order: int) -> Machine:
        """The same by series.  Raises ``InputError`` for what has none."""
        return along_line(flatten(self._gradient, self._point), self._point, self._direction, order, BACKEND)

    def series(self, machine: Machine, order: int) -> list[np.ndarray]:
        """The coefficients that a machine has found."""
        higher = [flat([part[0] for part in machine.outputs(k)]) for k in range(1, order + 1)]
        return [flat(machine.outputs(0)), *higher]

    def operations(self) -> Iterator[tuple[str, Line]]:
        """The operations of the loss as losses of their own, each along the line of its inputs."""
        program = flatten(lambda *values: [self._loss(list(values))], self._point, OWN_DERIVATIVES)
        for name, apply, point, direction in operations(program, self._point, self._direction, BACKEND):
            yield name, Line(partial(_alone, apply), point, direction)


def loss_line(loss_fn: Callable[..., Any], params: Any, data: Any) -> Line:
    """Of a loss ``loss_fn(params[, data])``.  Raises ``InputError`` for what is none."""
    leaves, structure = jax.tree.flatten(params)
    if not leaves:
        raise InputError("params: no arrays are in there; give those that the loss is a function of")
    leaves = [checked_leaf(leaf) for leaf in leaves]

    def loss(values: list[Any]) -> Any:
        given = jax.tree.unflatten(structure, values)
        return loss_fn(given) if data is None else loss_fn(given, data)

    made = jax.eval_shape(loss, leaves)
    if getattr(made, "shape", None) != () or not jnp.issubdtype(made.dtype, jnp.floating):
        raise InputError(f"model: returned {getattr(made, 'shape', type(made).__name__)}; return one real number")
    return Line(loss, leaves)


def flat(parts: Sequence[Any]) -> np.ndarray:
    """All numbers as one vector."""
    return np.concatenate([np.asarray(part, np.float64).reshape(-1) for part in parts])


def _alone(apply: Callable[..., list[Any]], values: Sequence[Any]) -> Any:
    """One number of many: a sum with weights that are all different, and of squares."""
    made = [part.reshape(-1) for part in apply(*values)]
    return sum(jnp.sum(part * (jnp.cos(jnp.arange(part.size)) + part / 2)) for part in made)
