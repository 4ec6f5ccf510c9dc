"""PyTorch's ATen operations: which rule lifts each to power series."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import forward_ad as _forward_ad

from eomsym.arrays import common, elementary_rules, rules
from eomsym.arrays.common import names
from eomsym.arrays.machine import Backend, Operand, Rule, RuleMaker, Series
from eomsym.arrays.program import Instruction

_dual: Any = _forward_ad
#: Operations of two tensors in which numbers may stand for one of them.
SCALAR_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "where": torch.where,
}

_UPSAMPLED = (
    *(f"{kind}{rank}d" for kind in ("nearest", "_nearest_exact") for rank in (1, 2, 3)),
    "linear1d",
    "bilinear2d",
    "bicubic2d",
    "trilinear3d",
)
#: ``detach`` is the identity: g is taken as it is, and along the iterates what is detached there moves too.
LINEAR = [
    *names(
        "sum view _unsafe_view permute t expand unsqueeze select cat select_scatter slice_scatter clone _to_copy "
        "detach alias flip diagonal select_backward slice_backward unfold repeat lift_fresh_copy view_of unbind "
        "split split_with_sizes unsafe_split unsafe_split_with_sizes avg_pool2d avg_pool3d _adaptive_avg_pool2d "
        "_adaptive_avg_pool3d convert_element_type tril triu roll diagonal_backward"
    ),
    *(f"upsample_{kind}{end}" for kind in _UPSAMPLED for end in ("", "_backward")),
]
#: Integers and bools among the inputs are places.
INDEXED = names("gather index index_select embedding scatter_add index_put index_add")
#: Of their other inputs the shape counts, or where they lie.
FIRST_ONLY = names(
    "avg_pool2d_backward avg_pool3d_backward _adaptive_avg_pool2d_backward _adaptive_avg_pool3d_backward "
    "hardshrink_backward softshrink_backward hardsigmoid_backward"
)
#: They write a number.
AFFINE = ("scatter", "constant_pad_nd")
#: Of several results where the others say which values were taken.
KINKS = frozenset(
    names(
        "abs maximum minimum amax amin max min relu clamp clamp_min clamp_max sort topk kthvalue median nanmedian "
        "mode cummax cummin max_pool2d_with_indices max_pool3d_with_indices adaptive_max_pool2d "
        "adaptive_max_pool3d fmod remainder hardshrink softshrink hardsigmoid"
    )
)
#: Their parts have kinks which cancel: a maximum is taken out and put back.
SMOOTH = frozenset(
    ["softmax", "log_softmax", "safe_softmax", "logsumexp", "logaddexp", "softplus", "log_sigmoid", "mish", "lerp"]
)
CHOICES = frozenset([*common.CHOICES, "sgn", "rounded quotient", "trunc"])
FLAT = frozenset(
    [
        *common.FLAT,
        *CHOICES,
        *names(
            "isnan isinf logical_and logical_or logical_not bitwise_and bitwise_not full_like zeros_like ones_like "
            "empty_like empty_permuted new_zeros new_ones new_full new_empty empty_strided full arange scalar_tensor"
        ),
    ]
)


def _power(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    if len(series) == 2:
        return elementary_rules.general_power(instruction, series, backend)
    exponent = float(instruction.params["args"][0])
    if elementary_rules.is_product(exponent):
        return elementary_rules.integer_power(int(exponent), series[0], backend)
    return elementary_rules.constant_power(instruction, series[0], exponent, backend)


def _combine(weights: list[float], rows: list[Any]) -> Any:
    stacked = torch.stack(rows)
    return torch.tensordot(torch.tensor(weights, dtype=stacked.dtype, device=stacked.device), stacked, dims=1)


def _push(function: Callable[..., list[Any]], values: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
    """By forward mode."""
    with warnings.catch_warnings(), _dual.dual_level():
        warnings.simplefilter("ignore")  # forward mode compiles its formulas by a function that is deprecated
        moving = [
            value if tangent is None else _dual.make_dual(value, tangent)
            for value, tangent in zip(values, tangents, strict=True)
        ]
        parts = [_dual.unpack_dual(result) for result in function(*moving)]
    return [torch.zeros_like(part.primal) if part.tangent is None else part.tangent for part in parts]


def _inverse(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Y = A⁻¹ from A Y = 1."""
    matrix, known = series[0], Series(series[0].rows, series[0].rows.made(instruction))

    def rule(level: int) -> list[Any]:
        rest = [row @ known[0] for row in matrix[level]]
        if level > 1:
            products = rules.inner_rows(matrix, known, level, lambda a, b: rules.pairwise(_MATMUL, a, b, backend))
            rest = rules.added(rest, products)
        known.values.append([-known[0] @ row for row in rest])
        return [known[level], []]

    return rule


_MATMUL = Instruction("matmul", lambda left, right: [left @ right], (), ())


def _convolution_backward(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """The derivatives for input and weight, each bilinear in that of the result and the other; and for the bias."""
    gradient, value, weight = series
    *how, asked = instruction.params["args"][2:]

    def one(place: int, arguments: Callable[..., Any]) -> Instruction:
        only, backward = [place == other for other in range(3)], torch.ops.aten.convolution_backward
        return Instruction(instruction.name, lambda *v: [backward(*arguments(*v), *how, only)[place]], (), ())

    made = [
        rules.bilinear(one(0, lambda g, other: (g, value[0], other)), [gradient, weight], backend),
        rules.bilinear(one(1, lambda g, other: (g, other, weight[0])), [gradient, value], backend),
        rules.linear(one(2, lambda g: (g, value[0], weight[0])), [gradient], backend),
    ]
    return lambda level: [rule(level)[0] if wanted else [] for rule, wanted in zip(made, asked, strict=True)]


RULES: dict[str, RuleMaker] = {
    **common.RULES,
    **dict.fromkeys(LINEAR, rules.linear),
    **dict.fromkeys(INDEXED, rules.indexed),
    **dict.fromkeys(AFFINE, rules.affine),
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "convolution"), rules.bilinear_with(rules.pairwise)),
    **dict.fromkeys(KINKS, rules.piecewise),
    **dict.fromkeys(FIRST_ONLY, rules.first_only),
    "sigmoid": elementary_rules.function("sigmoid"),
    "pow": _power,
    "reciprocal": elementary_rules.function("reciprocal"),
    "where": rules.select,
    "linalg_inv_ex": _inverse,
    "convolution_backward": _convolution_backward,
}


def _accumulate(function: Callable[..., list[Any]], arrays: Sequence[Any]) -> list[Any]:
    total, *rest = zip(*arrays, strict=True)
    found = function(*total)
    for batch in rest:
        found = [value + part for value, part in zip(found, function(*batch), strict=True)]
    return found


BACKEND = Backend(
    like=lambda numbers, array: torch.as_tensor(numbers, dtype=array.dtype, device=array.device),
    accumulate=_accumulate,
    zeros=torch.zeros_like,
    where=torch.where,
    combine=_combine,
    convolve=lambda lefts, rights: (torch.stack(lefts) * torch.stack(rights)).sum(0),
    push=_push,
    floating=lambda value: isinstance(value, torch.Tensor) and value.is_floating_point(),
    is_complex=lambda value: isinstance(value, torch.Tensor) and value.is_complex(),
    precision=lambda value: torch.finfo(value.dtype).eps if value.is_floating_point() else 0.0,
    seeds=common.seeds(torch, torch.erf, torch.sigmoid),
    rules=RULES,
    flat=FLAT,
    choices=CHOICES,
    kinks=KINKS,
    smooth=SMOOTH,
    advice="write the loss without it, or use lookahead_field",
)
