"""The vector θ of a network, and its parameters by the names that PyTorch and flax have for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from eomsym.errors import InputError
from eomsym.models import MLP

#: What a layer's matrix is called, and whether outputs come first in it.
MATRICES = {"weight": True, "kernel": False}
FORMS = (
    "give a state_dict {'0.weight': (n_out, n_in), '0.bias': (n_out,), …} or flax's {name: {'kernel': (n_in, n_out), "
    "'bias': (n_out,)}, …}"
)


def packed(model: MLP, parameters: Any, real: Any) -> np.ndarray:
    """θ.  Raises ``InputError`` for other names, shapes or numbers than those of the network."""
    leaves, layers = _layers(parameters), list(pairwise(model.layers))
    if len(leaves) != len(layers):
        raise InputError(f"parameters: {len(leaves)} layers; this model has {len(layers)}, of widths {model.layers}")
    parts = []
    for (name, leaf), (rows, columns) in zip(leaves, layers, strict=True):
        kind = next(iter(leaf))
        shapes = {kind: (columns, rows) if MATRICES[kind] else (rows, columns), "bias": (columns,)}
        matrix, bias = (_array(f"{name}.{key}", leaf[key], shape, real) for key, shape in shapes.items())
        parts += [(matrix.T if MATRICES[kind] else matrix).reshape(-1), bias]
    return np.concatenate(parts)


def unpacked(model: MLP, theta: np.ndarray, like: Any) -> dict[str, Any]:
    """θ by names: those of ``like``, or of a Sequential that has an activation between each two layers."""
    shapes = list(pairwise(model.layers))
    named = _layers(like) if like is not None else [(str(2 * i), {"weight": 0, "bias": 0}) for i in range(len(shapes))]
    if len(named) != len(shapes):
        raise InputError(f"like: {len(named)} layers; this model has {len(shapes)}, of widths {model.layers}")
    found: dict[str, Any] = {}
    for (name, leaf), (rows, columns) in zip(named, shapes, strict=True):
        size = rows * columns
        matrix, bias, theta = theta[:size].reshape(rows, columns), theta[size : size + columns], theta[size + columns :]
        kind = next(iter(leaf))
        own = {kind: _as(leaf[kind], matrix.T if MATRICES[kind] else matrix), "bias": _as(leaf["bias"], bias)}
        found |= {f"{name}.{key}": value for key, value in own.items()} if MATRICES[kind] else {name: own}
    return found


def _layers(parameters: Any) -> list[tuple[str, dict[str, Any]]]:
    """Name and members of each layer, the matrix first.

    By the numbers in the names where all have some, since a tree of JAX sorts ``Dense_10`` before ``Dense_2``; in the
    order in which they stand otherwise.
    """
    if not isinstance(parameters, Mapping):
        raise InputError(f"parameters: {type(parameters).__name__}; {FORMS}")
    layers: dict[str, dict[str, Any]] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            layers[str(name)] = dict(value)
        else:
            layer, _, member = str(name).rpartition(".")
            layers.setdefault(layer, {})[member] = value
    for name, members in layers.items():
        matrix = next((kind for kind in MATRICES if set(members) == {kind, "bias"}), None)
        if matrix is None:
            raise InputError(f"parameters: {name or 'they'} has {', '.join(map(str, members)) or 'nothing'}; {FORMS}")
        layers[name] = {matrix: members[matrix], "bias": members["bias"]}
    numbers = {name: [int(digits) for digits in re.findall(r"\d+", name)] for name in layers}
    ordered = sorted(layers, key=lambda name: numbers[name]) if all(numbers.values()) else layers
    return [(name, layers[name]) for name in ordered]


def _array(name: str, value: Any, shape: tuple[int, ...], real: Any) -> np.ndarray:
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:  # bfloat16 among them
        raise InputError(f"parameters: {name}: {error}; give float64") from None
    if array.dtype.kind != "f" or not np.can_cast(array.dtype, real):
        raise InputError(
            f"parameters: {name}: {array.dtype}; this kernel takes {np.dtype(real).name}, convert it first"
        )
    if array.shape != shape:
        raise InputError(f"parameters: {name}: shape {array.shape}; give {shape}")
    return array.astype(real)


def _as(like: Any, array: np.ndarray) -> Any:
    """A copy, a tensor of PyTorch where ``like`` is one, on its device and of its type."""
    return like.new_tensor(array) if hasattr(like, "new_tensor") else np.array(array)
