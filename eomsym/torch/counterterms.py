"""Counter terms of a PyTorch model by truncated power series, as ``eomsym.jax`` does it.

``torch.func.grad`` is traced to a flat graph of ATen operations, in which composite ones are decomposed; each operation
is then lifted to power series in η by the rule of its kind (``array_series``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._decomp import core_aten_decompositions, get_decompositions
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from eomsym.array_series.program import FlatProgram, Instruction
from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, rule_of_one_gradient
from eomsym.step_index import array_counterterms, check_like, gradient_of, modified_field
from eomsym.torch.rules import BACKEND, SCALAR_OPERATIONS

#: What is left of the digits to this order stands in docs/high_order.md.
MAX_TORCH_ORDER = 16

_COMPOSITE = [
    "_log_softmax",
    "_softmax",
    "native_layer_norm",
    "native_group_norm",
    "addmm",
    "addmv",
    "baddbmm",
    "mean",
    "gelu",
    "native_batch_norm",
    "mse_loss",
    "mse_loss_backward",
    "silu",
    "silu_backward",
    "tanh_backward",
    "sigmoid_backward",
    "rsub",
]


def counterterms(
    loss_fn: Callable[[Any], Any] | None,
    params: Any,
    order: int,
    *,
    field: Callable[[Any], Any] | None = None,
    optimizer: str | Optimizer = "gradient-descent",
    **hyperparameters: object,
) -> list[Any]:
    """``[−f̃_0, …, −f̃_order]`` of an optimiser on a loss, each a pytree like ``params``: of descent g, ξ_0, ξ_1, …

    ``loss_fn`` maps ``params``, any pytree of floating-point tensors (such as ``dict(model.named_parameters())`` with
    ``torch.func.functional_call``), to a scalar.  ``field``, given with None for a loss, maps them to g itself, what is
    subtracted: any vector field.  ``optimizer`` is a name or an ``Optimizer`` of one gradient; its hyperparameters are
    exact numbers, text, or floats read by their shortest decimal, those not given take their defaults.  Works in the
    precision of ``params`` and on their device.  Raises ``InputError`` for an order outside 0 … 16, for parameters that
    are no floating-point tensors, for an optimiser of batches or players, and for an operation without a rule.
    """
    check_integer("order", order, 0, MAX_TORCH_ORDER)
    rule = rule_of_one_gradient(optimizer, hyperparameters)
    leaves, structure = pytree.tree_flatten(params)
    for leaf in leaves:
        if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
            kind = leaf.dtype if isinstance(leaf, torch.Tensor) else type(leaf).__name__
            raise InputError(f"params: a leaf is {kind}; give floating-point tensors only")
    leaves = [leaf.detach() for leaf in leaves]
    slope = gradient_of(loss_fn, field, torch.func.grad)

    def gradient(*values: Any) -> list[Any]:
        found, made = pytree.tree_flatten(slope(pytree.tree_unflatten(list(values), structure)))
        check_like(made, structure, found, values)
        return found

    with torch.no_grad():
        rows = array_counterterms(rule, _flatten(gradient, leaves), leaves, order + 1, BACKEND)
    return [pytree.tree_unflatten(row, structure) for row in rows]


def equation_of_motion(loss_fn: Callable[[Any], Any] | None, params: Any, eta: Any, order: int, **options: Any) -> Any:
    """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, a pytree like ``params``; ``options`` of ``counterterms``."""
    rows = counterterms(loss_fn, params, order, **options)
    return modified_field(rows, eta, pytree.tree_map, lambda total, part: total)


def _variance(value: Any, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    axes = list(range(value.ndim)) if dim is None else list(dim)
    count = 1
    for axis in axes:
        count *= value.shape[axis]
    distance = value - value.sum(axes, keepdim=True) / count
    return (distance * distance).sum(axes, keepdim=keepdim) / (count - (1 if correction is None else correction))


def _variance_and_mean(value: Any, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    axes = list(range(value.ndim)) if dim is None else list(dim)
    return _variance(value, dim, correction=correction, keepdim=keepdim), value.mean(axes, keepdim=keepdim)


def _broadcast(value: Any, shape: Sequence[int], dimensions: Sequence[int]) -> Any:
    spread = [1] * len(shape)
    for size, place in zip(value.shape, dimensions, strict=True):
        spread[place] = size
    return value.reshape(spread).expand(list(shape))


def _vector_norm(value: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if ord != 2:
        raise InputError(f"loss_fn: the norm of order {ord} has no rule for power series; only that of order 2 has")
    axes = list(range(value.ndim)) if dim is None else list(dim)
    return (value * value).sum(axes, keepdim=keepdim).sqrt()


def _log_sigmoid(value: Any) -> tuple[Any, Any]:
    """PyTorch's own has |z| in it, whose series is wrong at 0; the second result is what its derivative is given."""
    return -torch.logaddexp(-value, torch.zeros_like(value)), value


def _log_sigmoid_backward(gradient: Any, value: Any, _: Any) -> Any:
    return gradient * torch.sigmoid(-value)


_OWN = {
    torch.ops.aten.log_sigmoid_forward.default: _log_sigmoid,
    torch.ops.aten.log_sigmoid_backward.default: _log_sigmoid_backward,
    torch.ops.aten.var.correction: _variance,
    torch.ops.aten.var_mean.correction: _variance_and_mean,
    torch.ops.prims.broadcast_in_dim.default: _broadcast,
    torch.ops.aten.linalg_vector_norm.default: _vector_norm,
}


def _flatten(function: Callable[..., list[Any]], arguments: Sequence[Any]) -> FlatProgram:
    """The flat program of a function of tensors."""
    named = [getattr(torch.ops.aten, name) for name in _COMPOSITE]
    table = {**core_aten_decompositions(), **get_decompositions(named), **_OWN}
    with torch.enable_grad():
        graph = make_fx(torch.func.functionalize(function), decomposition_table=table)(*arguments)
    return _Reader(graph).program


class _Reader:
    """Reads a traced graph; every tensor and every number that an operation adds or multiplies gets a number."""

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        self._graph = graph
        self._numbers: dict[torch.fx.Node, int] = {}
        self._constants: dict[int, Any] = {}
        self._count = 0
        instructions: list[Instruction] = []
        arguments: list[int] = []
        results: tuple[int, ...] = ()
        for node in graph.graph.nodes:
            if node.op == "placeholder":
                arguments.append(self._number(node))
            elif node.op == "get_attr":
                self._constants[self._number(node)] = getattr(graph, node.target)
            elif node.op == "call_function":
                instructions.append(self._instruction(node))
            else:
                results = tuple(self._numbers[part] for part in node.args[0])
        self.program = FlatProgram(tuple(instructions), self._constants, tuple(arguments), results)

    def _number(self, node: torch.fx.Node | None = None) -> int:
        number = self._count
        self._count += 1
        if node is not None:
            self._numbers[node] = number
        return number

    def _instruction(self, node: torch.fx.Node) -> Instruction:
        name = getattr(getattr(node.target, "overloadpacket", node.target), "__name__", str(node.target))
        if name == "getitem":
            raise InputError(f"loss_fn: the operation {node.args[0]} has several results and no rule for power series")
        operation = SCALAR_OPERATIONS.get(name, node.target)
        if name == "div" and node.kwargs.get("rounding_mode") is not None:
            name = "rounded quotient"
        leaves, structure = pytree.tree_flatten((node.args, dict(node.kwargs)))
        if name == "pow" and not isinstance(node.args[0], torch.fx.Node):
            operation = torch.pow  # a number to the power of a tensor
        if operation is not node.target:
            leaves = [self._lifted(leaf, node) for leaf in node.args]
            structure = pytree.tree_structure((tuple(leaves), dict(node.kwargs)))
            leaves += list(node.kwargs.values())
        leaves = [_bounded(leaf, node) for leaf in leaves]
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, (torch.fx.Node, _Constant))]
        inputs = tuple(self._input(leaves[place]) for place in places)

        def apply(*values: Any) -> list[Any]:
            filled = list(leaves)
            for place, value in zip(places, values, strict=True):
                filled[place] = value
            args, kwargs = pytree.tree_unflatten(filled, structure)
            return [operation(*args, **kwargs)]

        static: dict[str, Any] = {"args": node.args[1:], "kwargs": node.kwargs}
        return Instruction(name, apply, inputs, (self._number(node),), static)

    def _lifted(self, leaf: Any, node: torch.fx.Node) -> Any:
        """A number that is added or multiplied as a tensor, so that it is known to have no series."""
        if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
            like = node.meta["val"]
            return _Constant(torch.tensor(leaf, dtype=like.dtype, device=like.device))
        return leaf

    def _input(self, leaf: Any) -> int:
        if isinstance(leaf, torch.fx.Node):
            return self._numbers[leaf]
        number = self._number()
        self._constants[number] = leaf.value
        return number


def _bounded(leaf: Any, node: torch.fx.Node) -> Any:
    """Slices to the end carry the largest integer as their end, which not every operation takes under vmap."""
    if isinstance(leaf, int) and leaf == _ENDLESS:
        sizes = [part.meta["val"].shape for part in node.all_input_nodes]
        return max(size for shape in sizes for size in shape)
    return leaf


_ENDLESS = 2**63 - 1


@dataclass(eq=False)
class _Constant:
    """A number that became a tensor."""

    value: torch.Tensor
