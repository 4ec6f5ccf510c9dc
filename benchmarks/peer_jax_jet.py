"""Gradient descent in Taylor-mode arithmetic by ``jax.experimental.jet``, then the logarithm of the step."""

from __future__ import annotations

from math import factorial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import jet

from benchmarks.cases import Case
from benchmarks.jax_tools import compiled, loss_function
from benchmarks.step_weights import logarithm


def prepare(case: Case, terms: int):
    """Compile seconds, a call, its rows: as ``jax_tools.compiled``."""

    def counterterms(parameters: Any, inputs: Any, targets: Any) -> list[Any]:
        leaves, structure = jax.tree.flatten(parameters)

        def gradient(*values: Any) -> list[Any]:
            return jax.tree.leaves(jax.grad(loss_function(case, inputs, targets))(structure.unflatten(values)))

        steps = _iterates(gradient, leaves, terms)
        rows = []
        for k in range(terms):
            weights = logarithm(k)
            parts = [[weight * leaf for leaf in steps[i][k]] for i, weight in enumerate(weights) if k == 0 or i > 0]
            rows.append(structure.unflatten([sum(leaf) for leaf in zip(*parts, strict=True)]))
        return rows

    return compiled(case, counterterms)


def _iterates(gradient: Any, leaves: list[Any], terms: int) -> list[list[list[Any]]]:
    """[j][k]: coefficient k of the gradient at step j, which starts from a plain one at step 0."""
    zeros = [jnp.zeros_like(leaf) for leaf in leaves]
    place = [leaves, *([zeros] * (terms - 1))]
    steps = [[gradient(*leaves), *([zeros] * (terms - 1))]]
    for _ in range(1, terms):
        moved = [[y - g for y, g in zip(place[k], steps[-1][k - 1], strict=True)] for k in range(1, terms)]
        place = [leaves, *moved]
        steps.append(_series(gradient, place))
    return steps


def _series(gradient: Any, place: list[list[Any]]) -> list[list[Any]]:
    """jet takes and gives derivatives: coefficient k times k!."""
    orders = range(1, len(place))
    series = [[factorial(k) * place[k][leaf] for k in orders] for leaf in range(len(place[0]))]
    value, derivatives = jet.jet(gradient, place[0], series)
    return [value, *([derivatives[leaf][k - 1] / factorial(k) for leaf in range(len(value))] for k in orders)]
