"""What a tracker found: at some steps the share of each order, a verdict and its evidence."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eomsym.errors import InputError
from eomsym.result import Result, Table, plain, small
from eomsym.tracking.verdict import MEANING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Measurements among which the most frequent verdict is that of the run.
LATEST = 5


@dataclass(frozen=True, repr=False)
class Measurement(Result):
    """One look at a run, at the iterate after ``step`` steps and those before it.

    ``shares`` are ``‖Δⁿθ‖/(n‖Δθ‖)``, n = 1 … N + 1: the share of order n − 1 in a step (theory §14).  The first
    ``seen`` stand above round-off.  ``cosines``: mean cosine of successive steps, of second differences a step and two
    steps apart, of third differences.  ``step_length`` is ‖Δθ‖₂.  ``terms`` are the exact shares ``‖ηⁿ f_n‖/‖f_0‖``
    where they were asked for.
    """

    step: int
    shares: tuple[float, ...]
    seen: int
    cosines: tuple[float, ...]
    step_length: float
    verdict: str
    terms: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what does not exist is ``None``."""
        names = ("steps", "second_differences", "second_differences_after_two", "third_differences")
        return {
            **self.entries("step", "verdict", "shares", "seen", "step_length"),
            "cosines": dict(zip(names, plain(self.cosines), strict=True)),
            **({"terms": list(self.terms)} if self.terms else {}),
        }


class Track(Result):
    """All measurements of a run.  ``problems`` are sentences about what could not be measured."""

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []
        self.problems: list[str] = []

    def _missing(self) -> str:
        return "track: nothing is measured"

    @property
    def latest(self) -> Measurement:
        """The last measurement.  Raises ``InputError`` while there is none."""
        if not self.measurements:
            raise InputError(self._missing())
        return self.measurements[-1]

    @property
    def shares(self) -> tuple[float, ...]:
        """The last shares that stand above round-off, gradient flow's first, which is 1."""
        return self.latest.shares[: max(1, self.latest.seen)]

    @property
    def verdict(self) -> str:
        """The most frequent of the last five verdicts, the latest where two are as frequent."""
        last = [one.verdict for one in [self.latest, *reversed(self.measurements[:-1])][:LATEST]]
        return Counter(last).most_common(1)[0][0]

    @property
    def sentence(self) -> str:
        """The verdict, what it means, and what round-off hides."""
        text = f"Step {self.latest.step}: {self.verdict}: {MEANING[self.verdict]}."
        hidden = len(self.latest.shares) - max(1, self.latest.seen)
        if hidden and self.latest.seen:
            highest = self.latest.seen - 1
            text += f" Rounding of theta hides orders above {highest}; take float64 for more."
        return " ".join([text, *self.problems])

    def table(self, most: int = 20) -> str:
        """Step, share of each order (a dot where round-off hides it) and verdict, of the last ``most`` measurements."""
        return str(self._rows(most))

    @property
    def summary(self) -> str:
        """The latest step, the verdict and the shares."""
        if not self.measurements:
            return self._missing()
        return f"step {self.latest.step}, {self.verdict}, shares ({', '.join(map(_text, self.shares))})"

    def records(self) -> list[dict[str, Any]]:
        """One row a measurement and order; shares that round-off hides are None."""
        return [
            {"step": one.step, "verdict": one.verdict, "order": n, "share": share if n < max(1, one.seen) else None}
            for one in self.measurements
            for n, share in enumerate(one.shares)
        ]

    def report(self) -> list[str | Table]:
        """The last measurements and what they mean."""
        return [self._rows(20), self.sentence] if self.measurements else [self._missing()]

    def _rows(self, most: int) -> Table:
        head = ["step", *(f"order {n}" for n in range(len(self.latest.shares))), "cos step", "cos 2nd", "verdict"]
        return Table(head, [_row(one) for one in self.measurements[-most:]], words=(-1,))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "verdict": self.verdict,
            "measurements": [one.to_dict() for one in self.measurements],
            "problems": list(self.problems),
        }

    def json_lines(self) -> str:
        """A line of JSON a measurement."""
        return "".join(json.dumps(one.to_dict(), allow_nan=False) + "\n" for one in self.measurements)

    def plot(self) -> Figure:
        """The share of each order against the step, the verdicts below."""
        from eomsym.tracking.figure import track_figure

        return track_figure(self.measurements or [self.latest])


def _row(one: Measurement) -> list[str]:
    shares = [_text(share) if n < max(1, one.seen) else "." for n, share in enumerate(one.shares)]
    return [str(one.step), *shares, *(f"{cosine:.2f}" for cosine in one.cosines[:2]), one.verdict]


def _text(share: float) -> str:
    return "1" if share == 1 else small(share)
