"""Gradient descent in Taylor-mode arithmetic by torch-jet (``jet-for-pytorch``), then the logarithm of the step.

It has no rules for some operations of autograd, so that the gradient is written by hand.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import jet
import torch

from benchmarks.cases import Case
from benchmarks.step_weights import logarithm
from benchmarks.torch_tools import called, network


def prepare(case: Case, terms: int):
    """Seconds of the first call, a call, its rows (terms, d)."""
    _, parameters = network(case)
    gradient = _gradient(case)
    series = jet.jet(gradient, parameters)
    zeros = [torch.zeros_like(leaf) for leaf in parameters]

    def counterterms() -> list[Any]:
        steps = [[list(gradient(*parameters)), *[zeros] * (terms - 1)]]
        place = [list(parameters), *[zeros] * (terms - 1)]
        for _ in range(1, terms):
            place[1:] = [[y - g for y, g in zip(place[k], steps[-1][k - 1], strict=True)] for k in range(1, terms)]
            found = series(*(tuple(factorial(k) * part[i] for k, part in enumerate(place)) for i in range(len(zeros))))
            steps.append([[leaf[k] / factorial(k) for leaf in found] for k in range(terms)])
        return [[_logarithm(steps, leaf, k) for leaf in range(len(zeros))] for k in range(terms)]

    return called(counterterms)


def _logarithm(steps: list[Any], leaf: int, k: int) -> Any:
    if k == 0:
        return steps[0][0][leaf]
    return sum(float(weight) * steps[i][k][leaf] for i, weight in enumerate(logarithm(k)) if i > 0)


def _gradient(case: Case) -> Any:
    inputs, targets = torch.from_numpy(case.inputs), torch.from_numpy(case.targets)
    wanted = targets if case.model.loss == "mse" else torch.eye(case.model.layers[-1], dtype=inputs.dtype)[targets]

    def gradient(*parameters: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weights, biases = parameters[::2], parameters[1::2]
        values = [inputs]
        for depth, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            argument = values[-1] @ weight + bias
            values.append(torch.tanh(argument) if depth < len(weights) - 1 else argument)
        output = values.pop()
        if case.model.loss != "mse":
            exponentials = torch.exp(output)
            output = exponentials / exponentials.sum(1, keepdim=True)
        delta, found = (output - wanted) / len(inputs), ()
        for depth in reversed(range(len(weights))):
            found = (values[depth].t() @ delta, delta.sum(0), *found)
            if depth:
                delta = (delta @ weights[depth].t()) * ((values[depth] * values[depth]).neg() + 1)
        return found

    return gradient
