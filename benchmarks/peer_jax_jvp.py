"""Nested ``jax.jvp`` with shared subterms; what is computed twice all the same, XLA finds."""

from __future__ import annotations

from typing import Any

import jax

from benchmarks import lie_recursion
from benchmarks.cases import Case
from benchmarks.jax_tools import compiled, loss_function


def prepare(case: Case, terms: int):
    """Compile seconds, a call, its rows: as ``jax_tools.compiled``."""

    def counterterms(parameters: Any, inputs: Any, targets: Any) -> list[Any]:
        gradient = jax.grad(loss_function(case, inputs, targets))
        fields = lie_recursion.fields(gradient, _derivative, _combine, terms)
        return [_combine([(-1.0, field(parameters))]) for field in fields]

    return compiled(case, counterterms)


def _derivative(function: Any, place: Any, direction: Any) -> Any:
    return jax.jvp(function, (place,), (direction,))[1]


def _combine(parts: list[tuple[float, Any]]) -> Any:
    weights = [weight for weight, _ in parts]
    return jax.tree.map(
        lambda *leaves: sum(w * leaf for w, leaf in zip(weights, leaves, strict=True)), *(tree for _, tree in parts)
    )
