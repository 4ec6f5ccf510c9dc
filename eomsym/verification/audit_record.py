"""What an audit found: how far the routes are apart at each order, and which of them is to blame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eomsym.result import Result, Table, plain, small

#: The routes: rules of eomsym, the framework's derivatives of derivatives, differences of its first gradients.
ROUTES = SERIES, NESTED, DIFFERENCES = ("series", "nested", "differences")
PAIRS = ((SERIES, NESTED), (SERIES, DIFFERENCES), (NESTED, DIFFERENCES))

#: Differences that may be wrong by so much of the coefficient say nothing.
BLUNT = 0.1


@dataclass(frozen=True, eq=False, repr=False)
class AuditRow(Result):
    """One Taylor coefficient of the gradient: its ``size``, the largest of its numbers, by the routes.

    ``apart`` has the distance of two routes over it, ``error`` the estimate of what differences may be wrong by, over
    it too.  ``verdict`` is the route that is apart from the two others, ``?`` where it cannot be said, '' where all
    agree.
    """

    order: int
    size: float
    apart: Mapping[tuple[str, str], float]
    error: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """The row in the JSON of ``audit``."""
        pairs = {f"{one}_{other}": plain(self.apart.get((one, other))) for one, other in PAIRS}
        return {**self.entries("order", "size"), **pairs, **self.entries("error"), "verdict": self.verdict or None}


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Result):
    """Derivatives of a model by three routes; ``operation`` is where the one to blame goes wrong, if that was found."""

    framework: str
    order: int
    size: int
    rows: tuple[AuditRow, ...]
    operation: str | None
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no route is apart from another."""
        return not any(row.verdict for row in self.rows)

    @property
    def blame(self) -> str | None:
        """``eomsym``, ``framework``, ``first gradients``, or ``undecided``; None where all agree."""
        verdict = next((row.verdict for row in self.rows if row.verdict), "")
        return {"": None, SERIES: "eomsym", NESTED: "framework", DIFFERENCES: "first gradients"}.get(
            verdict, "undecided"
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes, and from where on differences say nothing, being in error by a tenth or more."""
        blunt = next((row.order for row in self.rows if not row.error < BLUNT), None)
        said = f"from order {blunt} on differences of first gradients say nothing: give float64, or a smooth loss"
        return self.notes if blunt is None else (*self.notes, said)

    @property
    def sentence(self) -> str:
        """What was found, in one sentence or two."""
        row = next((row for row in self.rows if row.verdict), None)
        if row is None:
            seen = [row.order for row in self.rows if row.apart]
            return f"All routes agree to order {max(seen)}."
        by = f", by {max(row.apart.values()):.1e}"
        where = f"{by}, at the operation {self.operation!r}" if self.operation else by
        said = {
            "eomsym": f"the series of eomsym are wrong{where}: please report it.",
            "framework": f"nested derivatives of {self.framework} are wrong{where}; the series of eomsym are right.",
            "first gradients": f"first gradients differ from the others{by}: they jump, or are not of one loss.",
            "undecided": f"routes differ{by}, and which is wrong cannot be said: give float64, or a smooth loss.",
        }
        return f"From order {row.order} on {said[str(self.blame)]}"

    @property
    def summary(self) -> str:
        """The framework, the order, and what is to blame."""
        return f"{self.framework}, order {self.order}, blame {self.blame}, operation {self.operation}"

    def records(self) -> list[dict[str, Any]]:
        """One row for each order."""
        return [row.to_dict() for row in self.rows]

    def report(self) -> list[str | Table]:
        """For each order the size of the coefficient, how far the routes are apart, and what differences may owe."""
        head = ["order", "size", *(f"{one} - {other}" for one, other in PAIRS), "error of differences", "apart"]
        rows = [
            [
                *(str(row.order), small(row.size)),
                *(small(row.apart.get(pair, math.nan)) for pair in PAIRS),
                *(small(row.error), row.verdict or "none"),
            ]
            for row in self.rows
        ]
        return [f"{self.framework}, {self.size} parameters", "", Table(head, rows), self.sentence]

    told = ("framework", "order", "size", "passed", "blame", "operation", "rows", "sentence", "warnings")
