"""Nested ``torch.func.jvp``, each elementary differential once, not compiled: "compile" is the first call."""

from __future__ import annotations

from typing import Any

import torch

import eomsym
from benchmarks.cases import Case
from benchmarks.torch_tools import called, network


def prepare(case: Case, terms: int):
    """Seconds of the first call, a call, its rows (terms, d)."""
    loss, parameters = network(case)
    gradient = torch.func.grad(loss)
    _, *derived = eomsym.derive(order=terms - 1).rows

    def counterterms() -> list[Any]:
        known: dict[Any, Any] = {}

        def value(tree: Any) -> Any:
            if tree not in known:
                function = gradient
                for child in tree.children:
                    function = _along(function, value(child))
                known[tree] = function(parameters)
            return known[tree]

        rows = [gradient(parameters)]
        for part in derived:
            columns = zip(*map(value, part), strict=True)
            rows.append(tuple(_combined(part, column) for column in columns))
        return rows

    return called(counterterms)


def _along(function: Any, direction: Any) -> Any:
    return lambda place: torch.func.jvp(function, (place,), (direction,))[1]


def _combined(part: Any, column: Any) -> Any:
    return sum(float(coefficient) * leaf for coefficient, leaf in zip(part.values(), column, strict=True))
