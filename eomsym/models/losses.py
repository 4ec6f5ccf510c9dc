"""Losses of networks: what a target is, and the loss of one sample as a program of scalars.

A kernel finds its template by the loss's name, ``losses/<name>.jinja`` in the folder of a backend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from eomsym.series.program import ProgramBuilder


@dataclass(frozen=True)
class Loss:
    """The mean over the samples of ``term``.

    ``labels``: a target is the number of a class, one of at least ``least_outputs``; else one value for each output.
    ``term(builder, outputs, target)`` is the row of one sample's loss; ``outputs`` are rows.
    """

    name: str
    labels: bool
    least_outputs: int
    term: Callable[[ProgramBuilder, Sequence[int], Any], int]


def _half_squared_distance(builder: ProgramBuilder, outputs: Sequence[int], target: Any) -> int:
    """½‖out − y‖²."""
    numbers = [builder.number(Fraction(float(value))) for value in target]
    gaps = [builder.sum(output, number, -1) for output, number in zip(outputs, numbers, strict=True)]
    return builder.weighted(builder.total([builder.multiply(gap, gap) for gap in gaps]), Fraction(1, 2))


def _negative_log_softmax(builder: ProgramBuilder, outputs: Sequence[int], target: Any) -> int:
    """``−log softmax`` of the label, relative to its score."""
    chosen = outputs[int(target)]
    return builder.function(
        "log", builder.total([builder.function("exp", builder.sum(z, chosen, -1)) for z in outputs])
    )


#: Every loss by name.
LOSS_TABLE = {
    loss.name: loss
    for loss in (
        Loss("mse", labels=False, least_outputs=1, term=_half_squared_distance),
        Loss("cross-entropy", labels=True, least_outputs=2, term=_negative_log_softmax),
    )
}
