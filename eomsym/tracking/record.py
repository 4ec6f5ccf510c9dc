"""What a tracker found at a step: the share of each order, a verdict and its evidence."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eomsym.checks import check_choice, shown
from eomsym.errors import InputError
from eomsym.result import Result, plain, small
from eomsym.tracking.gradient_noise import GradientNoise
from eomsym.tracking.verdict import MEANING

#: What ``to_dict`` calls the cosines.
COSINES = ("steps", "second_differences", "second_differences_after_two")


@dataclass(frozen=True, repr=False)
class Measurement(Result):
    """One look at a run, at the iterate after ``step`` steps and those before it.

    ``shares`` are ``‖Δⁿθ‖/(n‖Δθ‖)``, n = 1 … N + 1: the share of order n − 1 in a step (theory §14).  The first
    ``seen`` stand above round-off.  ``cosines``: mean cosine of successive steps, of second differences a step and two
    steps apart.  ``step_length`` is ‖Δθ‖₂, ``schedule`` the share at order 1 that the change of the rate alone would
    have and that is taken out.  ``modulus`` and ``angle`` in degrees are of the leading multiplier, the one that turns
    with the largest share if one does; ``residual`` is what no recurrence explains.  ``edge`` is ηλ over the threshold
    of the rule, with ``edge_error`` by the scatter of fits, where a multiplier tells it.  What is not known is NaN.
    ``terms`` are the exact shares ``‖ηⁿ f_n‖/‖f_0‖`` where they were asked for, ``noise`` that of the gradients.
    """

    step: int
    shares: tuple[float, ...]
    seen: int
    cosines: tuple[float, ...]
    step_length: float
    verdict: str
    terms: tuple[float, ...] = ()
    schedule: float = 0.0
    modulus: float = math.nan
    angle: float = math.nan
    residual: float = math.nan
    edge: float = math.nan
    edge_error: float = math.nan
    noise: GradientNoise | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what does not exist is ``None``."""
        return {
            **self.entries("step", "verdict", "shares", "seen", "step_length"),
            **self.entries("schedule", "modulus", "angle", "residual", "edge", "edge_error"),
            "cosines": dict(zip(COSINES, plain(self.cosines), strict=True)),
            **({"terms": list(self.terms)} if self.terms else {}),
            **({"noise": self.noise.to_dict()} if self.noise is not None else {}),
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Measurement:
        """What ``to_dict`` told; entries that it has no name for are left out.

        Raises ``InputError`` for an entry that is missing, or that it cannot be.
        """
        from pydantic import TypeAdapter, ValidationError

        cosines = entries.get("cosines")
        if isinstance(cosines, Mapping):
            entries = {**entries, "cosines": [cosines.get(name) for name in COSINES]}
        text = json.dumps({name: _number_again(value) for name, value in entries.items()})
        try:
            one: Measurement = TypeAdapter(cls).validate_json(text, strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            value = "" if fault["type"] == "missing" else f" {shown(fault['input'])}"
            name = ".".join(map(str, fault["loc"]))
            raise InputError(f"{name}{value}: {fault['msg'][:1].lower()}{fault['msg'][1:]}") from error
        check_choice("verdict", one.verdict, MEANING)
        if not (one.step >= 0 and 0 <= one.seen <= len(one.shares) > 0):
            raise InputError(f"step {one.step}, seen {one.seen}: not those of {len(one.shares)} shares")
        return one

    @property
    def above_round_off(self) -> tuple[float, ...]:
        """The shares that stand above it, gradient flow's first, which is 1."""
        return self.shares[: max(1, self.seen)]

    @property
    def cells(self) -> list[str]:
        """What a table shows of it; a dot where round-off hides a share."""
        shown = [share_text(share) for share in self.above_round_off]
        hidden = "." * (len(self.shares) - len(shown))
        schedule = share_text(self.schedule) if self.schedule else "."
        multiplier = f"{self.modulus:.2f}@{self.angle:.0f}" if math.isfinite(self.modulus) else "."
        residual = f"{self.residual:.2f}" if math.isfinite(self.residual) else "."
        return [str(self.step), *shown, *hidden, schedule, multiplier, residual, self.edge_text or ".", self.verdict]

    @property
    def edge_text(self) -> str:
        """How near the edge, with its error; nothing where that is not known."""
        return f"{self.edge:.2f}±{self.edge_error:.2f}" if math.isfinite(self.edge) else ""


def _number_again(value: Any) -> Any:
    """NaN where ``to_dict`` has None."""
    return [_number_again(one) for one in value] if isinstance(value, list) else math.nan if value is None else value


def share_text(share: float) -> str:
    """A share as tables show it."""
    return "1" if share == 1 else small(share)
