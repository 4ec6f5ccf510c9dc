"""One row of the table of agreements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.tables import table


@dataclass(frozen=True)
class Agreement:
    """``what`` was compared, in how many ``values``; the largest ``difference`` may be ``bound``.

    ``measure`` says what the difference is: absolute, relative, of a slope.
    """

    what: str
    values: int
    measure: str
    difference: float
    bound: float

    @property
    def holds(self) -> bool:
        """Whether something was compared and differs no more than allowed; a NaN is no agreement."""
        return self.values > 0 and self.difference <= self.bound


def agreement_table(agreements: Iterable[Agreement]) -> str:
    """As aligned text."""
    header = ("compared", "values", "measure", "largest", "allowed", "verdict")
    rows = [
        [
            agreement.what,
            str(agreement.values),
            agreement.measure,
            f"{agreement.difference:.1e}",
            f"{agreement.bound:.0e}",
            "agrees" if agreement.holds else "DISAGREES",
        ]
        for agreement in agreements
    ]
    return table(header, rows)
