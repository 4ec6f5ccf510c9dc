"""PyTorch's ATen operations: which rule lifts each to power series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from eomsym.array_series import common, elementary_rules, rules
from eomsym.array_series.machine import Backend, Operand, Rule, RuleMaker
from eomsym.array_series.program import Instruction

#: Operations of two tensors in which numbers may stand for one of them.
SCALAR_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "where": torch.where,
}

#: ``detach`` is the identity: g is taken as it is, and along the iterates what is detached there moves too.
LINEAR = [
    "sum",
    "view",
    "_unsafe_view",
    "permute",
    "t",
    "expand",
    "unsqueeze",
    "select",
    "cat",
    "select_scatter",
    "slice_scatter",
    "clone",
    "_to_copy",
    "detach",
    "alias",
    "flip",
    "diagonal",
    "select_backward",
    "slice_backward",
    "unfold",
    "repeat",
    "lift_fresh_copy",
]
#: Integers and bools among the inputs are places.
INDEXED = (
    "gather",
    "index",
    "index_select",
    "embedding",
    "scatter_add",
    "index_put",
    "index_add",
    "embedding_dense_backward",
)
#: They write a number.
AFFINE = ("scatter", "constant_pad_nd")
FLAT = frozenset(
    [
        *common.FLAT,
        "rounded quotient",
        "isnan",
        "isinf",
        "logical_and",
        "logical_or",
        "logical_not",
        "bitwise_and",
        "bitwise_not",
        "full_like",
        "zeros_like",
        "ones_like",
        "empty_like",
        "empty_permuted",
        "new_zeros",
        "new_ones",
        "new_full",
        "new_empty",
        "full",
        "arange",
        "scalar_tensor",
    ]
)
#: Exponents up to this one are products; above, and for fractions, powers have a system of their own.
LARGEST_PRODUCT = 64


def _power(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    if len(series) == 2:
        return elementary_rules.general_power(instruction, series, backend)
    exponent = instruction.params["args"][0]
    if float(exponent).is_integer() and abs(exponent) <= LARGEST_PRODUCT:
        return elementary_rules.integer_power(int(exponent), series[0], backend)
    return elementary_rules.constant_power(instruction, series[0], float(exponent), backend)


def _reduced_extremum(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """amax and amin: the mean of the places where the extremum lies."""
    operand = series[0]
    axes = tuple(instruction.params["args"][0]) if instruction.params["args"] else tuple(range(operand[0].ndim))
    best = instruction.apply(operand[0])[0]
    reduce = torch.amax if instruction.name == "amax" else torch.amin
    places = (operand[0] == reduce(operand[0], axes, keepdim=True)).to(best.dtype)
    shares = places / places.sum(axes, keepdim=True)
    return lambda level: [
        backend.vmap(lambda value: (shares * value).sum(axes).reshape(best.shape), (0,))(operand[level])
    ]


def _clamp(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    return rules.masked(lambda made, *values: values[0] == made.apply(*values)[0])(instruction, series, backend)


def _vmap(function: Callable[..., Any], axes: tuple[int | None, ...]) -> Callable[..., Any]:
    return torch.func.vmap(function, in_dims=axes)


def _combine(weights: list[list[float]], rows: Any) -> Any:
    return torch.tensordot(torch.tensor(weights, dtype=rows.dtype, device=rows.device), rows, dims=1)


def _ramp(count: int, rank: int, like: Any) -> Any:
    return torch.arange(1, count + 1, dtype=like.dtype, device=like.device).reshape(-1, *(1,) * (rank - 1))


RULES: dict[str, RuleMaker] = {
    **common.RULES,
    **dict.fromkeys(LINEAR, rules.linear),
    **dict.fromkeys(INDEXED, rules.indexed),
    **dict.fromkeys(AFFINE, rules.affine),
    "sigmoid": elementary_rules.function("sigmoid"),
    **dict.fromkeys(("mm", "bmm", "mv", "dot"), rules.bilinear),
    "pow": _power,
    "reciprocal": elementary_rules.function("reciprocal"),
    "where": rules.select,
    "maximum": rules.extremum,
    "minimum": rules.extremum,
    "amax": _reduced_extremum,
    "amin": _reduced_extremum,
    "relu": rules.masked(lambda _, value: value > 0),
    "clamp": _clamp,
}

BACKEND = Backend(
    vmap=_vmap,
    stack=torch.stack,
    zeros=lambda rows, like: like.new_zeros((rows, *like.shape)),
    ramp=_ramp,
    combine=_combine,
    floating=lambda value: isinstance(value, torch.Tensor) and value.is_floating_point(),
    seeds=common.seeds(torch, torch.erf, torch.sigmoid),
    rules=RULES,
    flat=FLAT,
    advice="write the loss without it, or use lookahead_field",
)
