"""JAX's primitives: which rule lifts each to power series."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy import special

from eomsym.arrays import common, elementary_rules, rules
from eomsym.arrays.common import names
from eomsym.arrays.machine import Backend, Operand, Rule, RuleMaker
from eomsym.arrays.program import Instruction

#: ``stop_gradient`` is the identity: g is taken as it is, and along the iterates what is stopped there moves too.
LINEAR = names(
    "add_any reduce_sum broadcast_in_dim expand_dims pad rev concatenate convert_element_type copy copy_p "
    "index split reduce_window_sum stop_gradient sharding_constraint device_put reshard optimization_barrier "
    "unstack"
)
#: Integers among the inputs are places.
INDEXED = ("gather", "scatter-add", "dynamic_slice", "dynamic_update_slice")
CHOICES = frozenset(common.CHOICES)
KINKS = frozenset(
    names(
        "abs max min reduce_max reduce_min clamp sort top_k cummax cummin reduce_window_max reduce_window_min rem relu"
    )
)
#: Functions of JAX whose parts have kinks which cancel.
SMOOTH = frozenset(["logsumexp", "softmax", "log_softmax", "logaddexp", "softplus", "logaddexp2"])
FLAT = frozenset(
    [*common.FLAT, *names("is_finite and or not xor iota random_bits random_seed random_wrap random_unwrap nextafter")]
)


def _summed_products(instruction: Instruction, lefts: list[Any], rights: list[Any], backend: Backend) -> Any:
    """``Σ_i left_i · right_i`` of dot_general, one product: summed over i with what is contracted."""
    contracting, _ = instruction.params["dimension_numbers"]
    if not contracting[0] or len(lefts) == 1:
        return rules.pairwise(instruction, lefts, rights, backend)
    joined = [lax.concatenate(parts, axes[0]) for parts, axes in zip((lefts, rights), contracting, strict=True)]
    return instruction.apply(*joined)[0]


def _integer_power(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    return elementary_rules.integer_power(instruction.params["y"], series[0], backend)


def _push(function: Callable[..., list[Any]], values: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
    moving = [place for place, tangent in enumerate(tangents) if tangent is not None]

    def of(*arrays: Any) -> list[Any]:
        filled = list(values)
        for place, array in zip(moving, arrays, strict=True):
            filled[place] = array
        return function(*filled)

    primal, tangent = jax.jvp(of, [values[place] for place in moving], [tangents[place] for place in moving])
    return [t if jnp.issubdtype(p.dtype, jnp.inexact) else p for p, t in zip(primal, tangent, strict=True)]


def _relu(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    kept = (series[0][0] > 0).astype(series[0][0].dtype)
    return lambda level: [[kept * row for row in series[0][level]]]


RULES: dict[str, RuleMaker] = {
    **common.RULES,
    **dict.fromkeys(LINEAR, rules.linear),
    **dict.fromkeys(INDEXED, rules.indexed),
    "logistic": elementary_rules.function("sigmoid"),
    "conv_general_dilated": rules.bilinear_with(rules.pairwise),
    "dot_general": rules.bilinear_with(_summed_products),
    "integer_pow": _integer_power,
    "pow": elementary_rules.general_power,
    "square": rules.square,
    "select_n": rules.select,
    "select_and_scatter_add": rules.first_only,
    **dict.fromkeys(KINKS, rules.piecewise),
    "relu": _relu,
    "cbrt": elementary_rules.root(Fraction(1, 3)),
}


_information: Any = jnp.finfo


def _precision(value: Any) -> float:
    return float(_information(value.dtype).eps) if jnp.issubdtype(value.dtype, jnp.floating) else 0.0


def _combine(weights: list[float], rows: list[Any]) -> Any:
    stacked = jnp.stack(rows)
    return jnp.tensordot(np.array(weights, stacked.dtype), stacked, axes=1, precision=lax.Precision.HIGHEST)


def _accumulate(function: Callable[..., list[Any]], arrays: Sequence[Any]) -> list[Any]:
    shapes = jax.eval_shape(function, *(array[0] for array in arrays))
    start = [jnp.zeros(shape.shape, shape.dtype) for shape in shapes]

    def step(total: list[Any], batch: Sequence[Any]) -> tuple[list[Any], None]:
        return [value + part for value, part in zip(total, function(*batch), strict=True)], None

    return list(lax.scan(step, start, tuple(arrays))[0])


def _stand_in(array: Any) -> Any:
    """An array of its shape and type in the place of one that is traced: small positive numbers, or places 0."""
    if not isinstance(array, jax.core.Tracer):
        return array
    if jnp.issubdtype(array.dtype, jnp.floating):
        drawn = np.random.default_rng(0).uniform(0.5, 1.5, array.shape) / math.sqrt(max(array.size, 1))
        return jnp.asarray(drawn, array.dtype)
    plain = jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool
    return jnp.zeros(array.shape, array.dtype) if plain else array


BACKEND = Backend(
    accumulate=_accumulate,
    push=_push,
    zeros=jnp.zeros_like,
    where=jnp.where,
    combine=_combine,
    convolve=lambda lefts, rights: (jnp.stack(lefts) * jnp.stack(rights)).sum(0),
    floating=lambda value: bool(jnp.issubdtype(value.dtype, jnp.floating)),
    is_complex=lambda value: bool(jnp.issubdtype(value.dtype, jnp.complexfloating)),
    precision=_precision,
    seeds=common.seeds(jnp, special.erf, jax.nn.sigmoid),
    rules=RULES,
    flat=FLAT,
    choices=CHOICES,
    kinks=KINKS,
    smooth=SMOOTH,
    shifts=frozenset(["reduce_max", "reduce_min", "max", "min"]),
    barriers=frozenset(["stop_gradient"]),
    like=lambda numbers, array: jnp.asarray(numbers, array.dtype),
    concrete=lambda value: not isinstance(value, jax.core.Tracer),
    stand_in=_stand_in,
    looking=jax.ensure_compile_time_eval,
    advice="write the loss without it, or use lookahead_field",
)
