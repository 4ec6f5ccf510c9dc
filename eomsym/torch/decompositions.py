"""Operations of PyTorch in terms of fewer ones: its own table, and what it has no formula for or one with jumps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch.fx.experimental import proxy_tensor

from eomsym.errors import InputError

aten = torch.ops.aten


def table(kept: frozenset[str]) -> dict[Any, Callable[..., Any]]:
    """PyTorch's decompositions of all operations but those of these names, and our own."""
    return _without(kept) | OWN


@cache
def _without(kept: frozenset[str]) -> dict[Any, Callable[..., Any]]:
    return {op: formula for op, formula in decomposition_table.items() if operation_name(op) not in kept}


def operation_name(op: Any) -> str:
    """``sum`` of ``aten.sum.dim_IntList``."""
    return getattr(getattr(op, "overloadpacket", op), "__name__", str(op))


def _axes(value: Any, dim: Any) -> list[int]:
    chosen = range(value.ndim) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    return list(chosen)


def _variance(value: Any, axes: Sequence[int], correction: float = 1.0, *, output_dtype: Any = None) -> Any:
    count = math.prod(value.shape[axis] for axis in axes)
    distance = value - value.sum(list(axes), keepdim=True) / count
    return (distance * distance).sum(list(axes)) / (count - correction)


def _broadcast(value: Any, shape: Sequence[int], dimensions: Sequence[int]) -> Any:
    spread = [1] * len(shape)
    for size, place in zip(value.shape, dimensions, strict=True):
        spread[place] = size
    return value.reshape(spread).expand(list(shape))


def _vector_norm(value: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    if ord != 2:
        raise InputError(f"loss_fn: the norm of order {ord} has no rule for power series; only that of order 2 has")
    value = value if dtype is None else value.to(dtype)
    return (value * value).sum(_axes(value, dim), keepdim=keepdim).sqrt()


def _log_sigmoid(value: Any) -> tuple[Any, Any]:
    """PyTorch's own has |z| in it, whose series is wrong at 0; the second result is what its derivative is given."""
    return -torch.logaddexp(-value, torch.zeros_like(value)), value


def _log_sigmoid_backward(gradient: Any, value: Any, _: Any) -> Any:
    return gradient * torch.sigmoid(-value)


def _convolution(value: Any, weight: Any, bias: Any, *rest: Any) -> Any:
    """Bilinear, and then the bias; without one it is kept."""
    if bias is None:
        return NotImplemented
    return aten.convolution(value, weight, None, *rest) + bias.reshape(-1, *(1,) * (weight.ndim - 2))


def _max_pool_backward(rank: int) -> Callable[..., Any]:
    """Each value goes back to where it came from."""

    def backward(gradient: Any, value: Any, *rest: Any) -> Any:
        places = rest[-1].flatten(-rank)
        start = value.new_zeros(value.shape).flatten(-rank)
        return start.scatter_add(-1, places, gradient.flatten(-rank)).reshape(value.shape)

    return backward


def _strided(value: Any, size: Sequence[int], stride: Sequence[int], offset: Any = None) -> Any:
    """By places: autograd makes such views of what is written to in place."""
    return value.reshape(-1).index_select(0, _places(value, size, stride, offset)).reshape(list(size))


def _strided_scatter(value: Any, part: Any, size: Sequence[int], stride: Sequence[int], offset: Any = None) -> Any:
    places = _places(value, size, stride, offset)
    return value.reshape(-1).scatter(0, places, part.reshape(-1)).reshape(value.shape)


def _places(value: Any, size: Sequence[int], stride: Sequence[int], offset: Any) -> Any:
    if not value.is_contiguous() or value.storage_offset():
        raise InputError("loss_fn: writes in place into a view of a strange layout; write it out of place")
    places = torch.full((), offset or 0, dtype=torch.int64, device=value.device)
    for count, step in zip(size, stride, strict=True):
        places = places.unsqueeze(-1) + step * torch.arange(count, device=value.device)
    return places.reshape(-1)


def _diagonal_scatter(value: Any, part: Any, *where: int) -> Any:
    ones = torch.ones(part.shape, dtype=torch.bool, device=part.device)
    there, spread = (aten.diagonal_backward(one, value.shape, *(where or (0, 0, 1))) for one in (ones, part))
    return torch.where(there, spread, value)


def _copy(to: Any, value: Any, *_: Any) -> Any:
    return value.to(to.dtype).expand(to.shape)


OWN: dict[Any, Callable[..., Any]] = {
    aten.copy.default: _copy,
    aten.as_strided.default: _strided,
    aten.as_strided_scatter.default: _strided_scatter,
    aten.diagonal_scatter.default: _diagonal_scatter,
    aten.log_sigmoid_forward.default: _log_sigmoid,
    aten.log_sigmoid_backward.default: _log_sigmoid_backward,
    aten.linalg_vector_norm.default: _vector_norm,
    aten.convolution.default: _convolution,
    aten.max_pool2d_with_indices_backward.default: _max_pool_backward(2),
    aten.max_pool3d_with_indices_backward.default: _max_pool_backward(3),
    aten.adaptive_max_pool2d_backward.default: _max_pool_backward(2),
    aten.adaptive_max_pool3d_backward.default: _max_pool_backward(3),
    torch.ops.prims.broadcast_in_dim.default: _broadcast,
    torch.ops.prims.var.default: _variance,
}


# --- in place of functions, before their derivative is taken --------------------------------------------------------


def _product(value: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """By halves; PyTorch's derivative asks whether values are zero."""
    value = value if dtype is None else value.to(dtype)
    if dim is None:
        return _product(value.reshape(-1), 0)
    while value.shape[dim] > 1:
        half = value.shape[dim] // 2
        pairs = value.narrow(dim, 0, half) * value.narrow(dim, half, half)
        value = torch.cat([pairs, value.narrow(dim, 2 * half, value.shape[dim] - 2 * half)], dim)
    if not value.shape[dim]:
        raise InputError("loss_fn: a product of no numbers; give at least one")
    return value if keepdim else value.squeeze(dim)


def _binary_cross_entropy(
    scores: Any, target: Any, weight: Any = None, *_: Any, reduction: str = "mean", pos_weight: Any = None, **__: Any
) -> Any:
    """Without the maximum that PyTorch takes out and puts back."""
    share = 1 if pos_weight is None else (pos_weight - 1) * target + 1
    losses = (1 - target) * scores - share * torch.nn.functional.logsigmoid(scores)
    losses = losses if weight is None else losses * weight
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


def _with_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    """Of the running statistics, which a look at the loss must not move."""

    def called(value: Any, mean: Any = None, variance: Any = None, *rest: Any, **options: Any) -> Any:
        mean, variance = options.pop("running_mean", mean), options.pop("running_var", variance)
        own = [part if part is None else part.clone() for part in (mean, variance)]
        return function(value, *own, *rest, **options)

    return called


def _without_statistics(function: Callable[..., Any], uses_batch: int, name: str) -> Callable[..., Any]:
    """Normalised by the samples themselves: what runs along has no part in it, and is left out."""

    def called(value: Any, mean: Any = None, variance: Any = None, *rest: Any, **options: Any) -> Any:
        mean, variance = options.pop("running_mean", mean), options.pop("running_var", variance)
        if options.get(name, rest[uses_batch] if len(rest) > uses_batch else name == "use_input_stats"):
            mean = variance = None
        return function(value, mean, variance, *rest, **options)

    return called


def _counted(counter: Any, by: Any, **options: Any) -> Any:
    """Batch norm counts its batches; a look at the loss is none."""
    if counter.dtype == torch.int64 and counter.ndim == 0 and not options:
        return counter
    return torch.Tensor.add_(counter, by, **options)


functional = torch.nn.functional
#: What is put in place while the loss is evaluated, and while it is traced.
EVALUATED: Mapping[Any, Callable[..., Any]] = {
    functional.batch_norm: _with_copies(functional.batch_norm),
    functional.instance_norm: _with_copies(functional.instance_norm),
    torch.Tensor.add_: _counted,
}
TRACED: Mapping[Any, Callable[..., Any]] = {
    functional.batch_norm: _without_statistics(functional.batch_norm, 2, "training"),
    functional.instance_norm: _without_statistics(functional.instance_norm, 2, "use_input_stats"),
    torch.Tensor.add_: _counted,
    torch.prod: _product,
    torch.Tensor.prod: _product,
    torch._weight_norm: lambda value, size, dim=0: value * (size / torch.norm_except_dim(value, 2, dim)),
    functional.binary_cross_entropy_with_logits: _binary_cross_entropy,
}


class InPlaceOf(torch.overrides.TorchFunctionMode):  # type: ignore[misc, unused-ignore]
    """Functions that stand in for others; ``decided`` says whether Python asked if a tensor that moves is true."""

    def __init__(self, replacements: Mapping[Any, Callable[..., Any]]) -> None:
        super().__init__()
        self._replacements = replacements
        self.decided = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        mode = proxy_tensor.get_proxy_mode() if func is torch.Tensor.__bool__ else None
        if mode is None:
            return self._replacements.get(func, func)(*args, **(kwargs or {}))
        self.decided |= not proxy_tensor.get_proxy_slot(
            args[0], mode.tracer, True, lambda known: known.constant is not None
        )
        with proxy_tensor.disable_proxy_modes_tracing():
            return func(*args)
