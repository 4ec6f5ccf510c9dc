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
    "'bias': (n_out,)}, …}, no bias for a model without"
)


def packed(model: MLP, parameters: Any) -> np.ndarray:
    """θ.  Raises ``InputError`` for other names, shapes or numbers than those of the network."""
    parts = []
    leaves = _layers("parameters", parameters, model)
    for (name, leaf), (rows, columns) in zip(leaves, pairwise(model.layers), strict=True):
        kind = next(iter(leaf))
        shapes = {kind: (columns, rows) if MATRICES[kind] else (rows, columns), "bias": (columns,)}
        matrix, *bias = (_array(f"{name}.{key}", value, shapes[key]) for key, value in leaf.items())
        parts += [(matrix.T if MATRICES[kind] else matrix).reshape(-1), *bias]
    return np.concatenate(parts)


def unpacked(model: MLP, theta: np.ndarray, like: Any) -> dict[str, Any]:
    """θ by names: those of ``like``, or of a Sequential that has an activation between each two layers."""
    layers, members = model.split(theta), ("weight", "bias")[: 1 + model.bias]
    default = [(str(2 * i), dict.fromkeys(members)) for i in range(len(layers))]
    named = _layers("like", like, model) if like is not None else default
    found: dict[str, Any] = {}
    for (name, leaf), (matrix, bias) in zip(named, layers, strict=True):
        kind = next(iter(leaf))
        values = {kind: matrix.T if MATRICES[kind] else matrix, "bias": bias}
        own = {key: _as(given, values[key]) for key, given in leaf.items()}
        found |= {f"{name}.{key}": value for key, value in own.items()} if MATRICES[kind] else {name: own}
    return found


def _layers(of: str, parameters: Any, model: MLP) -> list[tuple[str, dict[str, Any]]]:
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
    rest = ("bias",) if model.bias else ()
    for name, members in layers.items():
        matrix = next((kind for kind in MATRICES if set(members) == {kind, *rest}), None)
        if matrix is None:
            raise InputError(f"parameters: {name or 'they'} has {', '.join(map(str, members)) or 'nothing'}; {FORMS}")
        layers[name] = {key: members[key] for key in (matrix, *rest)}
    if len(layers) != len(model.layers) - 1:
        widths = f"{len(model.layers) - 1}, of widths {model.layers}"
        raise InputError(f"{of}: {len(layers)} layers; this model has {widths}")
    numbers = {name: [int(digits) for digits in re.findall(r"\d+", name)] for name in layers}
    ordered = sorted(layers, key=lambda name: numbers[name]) if all(numbers.values()) else layers
    return [(name, layers[name]) for name in ordered]


def _array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:  # bfloat16 among them
        raise InputError(f"parameters: {name}: {error}; give float64") from None
    if array.dtype.kind != "f" or not np.can_cast(array.dtype, np.float64):
        raise InputError(f"parameters: {name}: {array.dtype}; a kernel takes float64, convert it first")
    if array.shape != shape:
        raise InputError(f"parameters: {name}: shape {array.shape}; give {shape}")
    return array.astype(np.float64)


def _as(like: Any, array: np.ndarray) -> Any:
    """A copy, a tensor of PyTorch where ``like`` is one, on its device and of its type."""
    return like.new_tensor(array) if hasattr(like, "new_tensor") else np.array(array)
