"""The kernels' algorithm by hand in jnp, jitted: iterates in series arithmetic, one matrix product a convolution.

As in the kernels, step j forms its parameter gradient from coefficient j on and multiplies the inputs by those weights
only; what is below follows from earlier steps.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from benchmarks.cases import Case
from benchmarks.jax_tools import compiled
from benchmarks.step_weights import extrapolation, logarithm

Series = list[Any]


def prepare(case: Case, terms: int):
    """Compile seconds, a call, its rows: as ``jax_tools.compiled``."""

    def counterterms(parameters: Any, inputs: Any, targets: Any) -> list[Any]:
        sweep = _Sweep(case.model.loss, inputs, targets)
        places = [[leaf] for layer in parameters for leaf in layer]
        steps = [[[gradient] for gradient in sweep.gradient(places, 0, 1)]]
        for leaf in steps[0]:
            leaf.extend([jnp.zeros_like(leaf[0])] * (terms - 1))
        places = [[place[0], *[jnp.zeros_like(place[0])] * (terms - 1)] for place in places]
        for step in range(1, terms):
            places = [
                [y[0], *(y[k] - g[k - 1] for k in range(1, terms))] for y, g in zip(places, steps[-1], strict=True)
            ]
            high = sweep.gradient(places, step, terms)
            steps.append([_completed(steps, leaf, step, high[leaf]) for leaf in range(len(places))])
        rows = [[_logarithm(steps, leaf, k) for leaf in range(len(places))] for k in range(terms)]
        return [list(zip(row[::2], row[1::2], strict=True)) for row in rows]

    return compiled(case, counterterms)


def _completed(steps: list[list[Series]], leaf: int, step: int, high: Series) -> Series:
    """Coefficients below ``step`` are polynomials in the step that earlier steps determine."""
    low = [
        sum(weight * steps[i][leaf][k] for i, weight in enumerate(extrapolation(k, step), start=1))
        for k in range(1, step)
    ]
    return [steps[0][leaf][0], *low, *high]


def _logarithm(steps: list[list[Series]], leaf: int, k: int) -> Any:
    if k == 0:
        return steps[0][leaf][0]
    return sum(weight * steps[i][leaf][k] for i, weight in enumerate(logarithm(k)) if i > 0)


class _Sweep:
    """Forward and reverse passes in series arithmetic; keeps the arguments of the first layer at earlier steps."""

    def __init__(self, loss: str, inputs: Any, targets: Any) -> None:
        self._loss, self._inputs, self._targets = loss, inputs, targets
        self._arguments: list[Series] = []

    def gradient(self, places: list[Series], step: int, terms: int) -> list[Any]:
        """Coefficients step, …, terms − 1 of the gradient of every leaf (of step 0: the gradient itself)."""
        weights, biases = places[::2], places[1::2]
        activations: list[Series] = []
        slopes: list[Series] = []
        value = self._first(weights[0], step, terms)
        for depth in range(len(weights)):
            if depth:
                value = [_product(activations[-1], weights[depth], k) for k in range(terms)]
            value = [z + b for z, b in zip(value, biases[depth], strict=True)]
            if depth < len(weights) - 1:
                a, s = _tanh(value)
                activations.append(a)
                slopes.append(s)
        delta = self._delta(value)
        leaves: list[Any] = []
        for depth in reversed(range(len(weights))):
            bias = [d.sum(axis=0) for d in delta[step:]]
            if depth == 0:
                leaves = [self._first_gradient(delta[step:]), bias, *leaves]
                break
            leaves = [[_outer(activations[depth - 1], delta, k) for k in range(step, terms)], bias, *leaves]
            transposed = [w.T for w in weights[depth]]
            back = [_product(delta, transposed, k) for k in range(terms)]
            lowest = step if depth == 1 else 0
            low = [None] * lowest
            slope = slopes[depth - 1]
            delta = [*low, *(sum(slope[i] * back[k - i] for i in range(k + 1)) for k in range(lowest, terms))]
        return [leaf[0] for leaf in leaves] if step == 0 else leaves

    def _first(self, weights: Series, step: int, terms: int) -> Series:
        if step == 0:
            self._start = self._inputs @ weights[0]
            return [self._start]
        width = weights[0].shape[1]
        # At step 1 the series of θ has degree 1.
        fresh = [1] if step == 1 else range(step, terms)
        product = self._inputs @ jnp.concatenate([weights[k] for k in fresh], axis=1)
        made = [product[:, i * width : (i + 1) * width] for i in range(len(fresh))]
        made += [jnp.zeros_like(made[0])] * (terms - step - len(made))
        low = [
            sum(weight * self._arguments[i][k] for i, weight in enumerate(extrapolation(k, step)))
            for k in range(1, step)
        ]
        self._arguments.append([self._start, *low, *made])
        return self._arguments[-1]

    def _first_gradient(self, delta: Series) -> Series:
        width = delta[0].shape[1]
        product = self._inputs.T @ jnp.concatenate(delta, axis=1)
        return [product[:, i * width : (i + 1) * width] for i in range(len(delta))]

    def _delta(self, output: Series) -> Series:
        samples = output[0].shape[0]
        if self._loss == "mse":
            return [(output[0] - self._targets) / samples, *(z / samples for z in output[1:])]
        start = jnp.exp(output[0] - output[0].max(axis=1, keepdims=True))
        powers = [start / start.sum(axis=1, keepdims=True)]
        totals, softmax = [jnp.ones((samples, 1))], [powers[0]]
        for k in range(1, len(output)):
            powers.append(sum(m * output[m] * powers[k - m] for m in range(1, k + 1)) / k)
            totals.append(powers[k].sum(axis=1, keepdims=True))
            softmax.append(powers[k] - sum(totals[m] * softmax[k - m] for m in range(1, k + 1)))
        return [(softmax[0] - self._targets) / samples, *(p / samples for p in softmax[1:])]


def _tanh(z: Series) -> tuple[Series, Series]:
    """Value a and slope s = 1 − a²: ``k a_k = Σ m z_m s_{k−m}``."""
    a = [jnp.tanh(z[0])]
    s = [1.0 - a[0] * a[0]]
    for k in range(1, len(z)):
        a.append(sum(m * z[m] * s[k - m] for m in range(1, k + 1)) / k)
        s.append(-sum(a[i] * a[k - i] for i in range(k + 1)))
    return a, s


def _product(left: Series, right: Series, k: int) -> Any:
    """``Σ_i left_i right_{k−i}`` as one matrix product."""
    return jnp.concatenate(left[: k + 1], axis=1) @ jnp.concatenate(right[k::-1], axis=0)


def _outer(activation: Series, delta: Series, k: int) -> Any:
    """``Σ_i activation_{k−i}ᵀ delta_i`` as one matrix product over all samples of all coefficients."""
    return jnp.concatenate(activation[k::-1], axis=0).T @ jnp.concatenate(delta[: k + 1], axis=0)
