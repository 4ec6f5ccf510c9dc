"""A network with its data as a straight-line program, which runs in any ring, in as many digits as asked for.

Every sample is written out, so this is for small nets and a handful of samples; generated kernels are for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from eomsym.errors import InputError
from eomsym.models.losses import LOSS_TABLE
from eomsym.models.mlp import MLP
from eomsym.series.program import Program, ProgramBuilder

#: Multiplications of one forward pass; a program of so many rows is still made in seconds.
MAX_MULTIPLICATIONS = 20_000


def network_program(model: MLP, inputs: Sequence[Sequence[float]], targets: Sequence[Any]) -> Program:
    """Loss and gradient in θ, laid out as in ``MLP``; ``inputs`` (n, n_in) and ``targets`` as kernels take them.

    Numbers enter as the exact rationals that floats are.  Raises ``InputError`` for a net with normalisation, or one
    with more than 20000 multiplications in all samples.
    """
    if model.normalization != "none":
        raise InputError(f"normalization {model.normalization!r}: not known to exact programs; take none")
    work = len(inputs) * sum(rows * columns for rows, columns in pairwise(model.layers))
    if work > MAX_MULTIPLICATIONS:
        raise InputError(
            f"{len(inputs)} samples of layers {list(model.layers)}: {work} multiplications are written out one by one; "
            f"give at most {MAX_MULTIPLICATIONS}"
        )
    writer = _Writer(model)
    losses = [writer.loss(sample, target) for sample, target in zip(inputs, targets, strict=True)]
    builder = writer.builder
    mean = builder.weighted(writer.builder.total(losses), Fraction(1, len(losses)))
    squares = writer.builder.total([builder.multiply(row, row) for row in writer.theta])
    loss = builder.sum(mean, builder.weighted(squares, Fraction(model.weight_decay) / 2))
    return builder.finish(builder.gradient(loss, model.size), loss, model.size, 0)


class _Writer:
    """Rows of one network, sample by sample."""

    def __init__(self, model: MLP) -> None:
        self.model = model
        self.builder = ProgramBuilder()
        self.theta = [self.builder.variable(index) for index in range(model.size)]

    def loss(self, sample: Sequence[float], target: Any) -> int:
        """The loss of one sample."""
        return LOSS_TABLE[self.model.loss].term(self.builder, self._output(sample), target)

    def _output(self, sample: Sequence[float]) -> list[int]:
        units, place = [self._number(value) for value in sample], 0
        layers = list(pairwise(self.model.layers))
        for layer, (rows, columns) in enumerate(layers):
            units = [self._unit(place + column, columns, units) for column in range(columns)]
            place += (rows + self.model.bias) * columns
            if layer < len(layers) - 1:
                units = [self.builder.function(self.model.activation, unit) for unit in units]
        return units

    def _unit(self, place: int, columns: int, inputs: Sequence[int]) -> int:
        """The unit whose weights and bias stand at this place of θ and every ``columns`` numbers after it."""
        count = len(inputs)
        numbers = self.theta[place : place + (count + self.model.bias - 1) * columns + 1 : columns]
        products = (self.builder.multiply(weight, unit) for weight, unit in zip(numbers[:count], inputs, strict=True))
        return self.builder.total([*numbers[count:], *products])

    def _number(self, value: float) -> int:
        return self.builder.number(Fraction(float(value)))
