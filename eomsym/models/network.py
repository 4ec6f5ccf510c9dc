"""A network with its data as a straight-line program, which runs in any ring, in as many digits as asked for.

Every sample is written out, so this is for small nets and a handful of samples; generated kernels are for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

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
    builder = ProgramBuilder()
    theta = [builder.variable(index) for index in range(model.size)]
    losses = [
        LOSS_TABLE[model.loss].term(builder, _outputs(model, builder, theta, sample), target)
        for sample, target in zip(inputs, targets, strict=True)
    ]
    mean = builder.weighted(builder.total(losses), Fraction(1, len(losses)))
    squares = builder.total([builder.multiply(row, row) for row in theta])
    loss = builder.sum(mean, builder.weighted(squares, Fraction(model.weight_decay) / 2))
    return builder.finish(builder.gradient(loss, model.size), loss, model.size, 0)


def _outputs(model: MLP, builder: ProgramBuilder, theta: Sequence[int], sample: Sequence[float]) -> list[int]:
    """Rows of the last layer's units for one sample."""
    units = [builder.number(Fraction(float(value))) for value in sample]
    for layer, (matrix, bias) in enumerate(model.split(np.array(theta, object))):
        if layer:
            units = [builder.function(model.activation, unit) for unit in units]
        sums = (
            [builder.multiply(weight, unit) for weight, unit in zip(column, units, strict=True)] for column in matrix.T
        )
        units = [builder.total([*bias[unit : unit + 1], *products]) for unit, products in enumerate(sums)]
    return units
