"""The exact toy of a scale-invariant layer, ``f = c·arg(w)`` in R² with weight decay λ: norm and angle at equilibrium.

The gradient is ``c e_φ/r + λ w``, so gradient descent has ``r² ↦ (1 − ηλ)² r² + η²c²/r²`` and settles where
``r⁴ = ηc²/(2λ − ηλ²)``, turning by ``arccos(1 − ηλ)`` a step.  Gradient flow only shrinks r and has no equilibrium.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from scipy.optimize import brentq

from eomsym.checks import check_positive
from eomsym.errors import InputError
from eomsym.optimizers import get
from eomsym.result import Result, Table
from eomsym.series.number_rings import array_ring
from eomsym.series.program import Program, ProgramBuilder
from eomsym.step_index import program_counterterms

#: The orders of the equation of motion whose equilibrium is computed.
ORDERS = (1, 2, 3)
#: Steps until a distance from equilibrium has shrunk by e^−40; no more than this many are run.
FADED, MOST_STEPS = 40, 2_000_000


def toy_field(theta: Sequence[float], strength: float, weight_decay: float, eta: float, order: int) -> np.ndarray:
    """``−g − Σ_k η^{k+1} ξ_k`` of ``f = c·arg(w) + λ/2 ‖w‖²`` at w (2,), by series arithmetic."""
    rule, parameters = get("gradient-descent").rule(), [strength, weight_decay]
    rows = program_counterterms(rule, [_toy_program()], list(theta), parameters, order + 1, array_ring())
    return -(eta ** np.arange(order + 1)) @ np.array(rows)


@cache
def _toy_program() -> Program:
    """g of the toy in (x, y); its parameters are c and λ."""
    builder = ProgramBuilder()
    (x, y), (strength, decay) = map(builder.variable, (0, 1)), map(builder.parameter, (0, 1))
    square = builder.sum(builder.multiply(x, x), builder.multiply(y, y))
    turn = builder.multiply(strength, builder.invert(square))
    along_x = builder.sum(builder.multiply(decay, x), builder.multiply(y, turn), -1)
    along_y = builder.sum(builder.multiply(decay, y), builder.multiply(x, turn))
    return builder.finish([along_x, along_y], None, 2, 2)


@dataclass(frozen=True, repr=False)
class Equilibrium(Result):
    """Norm and angle per step of the toy at equilibrium: exact and measured of gradient descent, and of each order.

    ``norms`` and ``angles`` map an order to the equation of motion's; order 0, gradient flow, has none, and another
    order that has none near gradient descent's is left out.  What is measured is None where settling takes too long.
    """

    eta: float
    weight_decay: float
    strength: float
    exact_norm: float
    measured_norm: float | None
    norms: dict[int, float]
    exact_angle: float
    measured_angle: float | None
    angles: dict[int, float]

    def records(self) -> list[dict[str, Any]]:
        """One row for each order, then those of gradient descent, whose order is None."""
        rows: list[dict[str, Any]] = [
            {"order": order, "what": f"equation of motion, order {order}", "norm": norm, "angle": self.angles[order]}
            for order, norm in self.norms.items()
        ]
        rows.insert(0, {"order": 0, "what": "gradient flow (order 0)", "norm": None, "angle": None})
        found = {"exact": (self.exact_norm, self.exact_angle), "measured": (self.measured_norm, self.measured_angle)}
        return rows + [
            {"order": None, "what": f"gradient descent, {name}", "norm": norm, "angle": angle}
            for name, (norm, angle) in found.items()
        ]

    def report(self) -> list[str | Table]:
        """The equilibrium of each order, then gradient descent's."""
        rows = [
            [row["what"], *(_shown(row[name], row["order"]) for name in ("norm", "angle"))] for row in self.records()
        ]
        table = Table(["", "norm", "angle"], [*rows[:-2], None, *rows[-2:]], words=(0,), boxed=True)
        toy = f"equilibrium of the toy c arg(w), c = {self.strength:g}, eta {self.eta:g}: norm, angle per step"
        return [toy, table]

    def norm_dict(self) -> dict[str, Any]:
        """For JSON: ‖w‖."""
        return _entry(self.exact_norm, self.measured_norm, self.norms, "norm")

    def angle_dict(self) -> dict[str, Any]:
        """For JSON: radians per step."""
        return _entry(self.exact_angle, self.measured_angle, self.angles, "angle")


def measure_equilibrium(
    eta: float, weight_decay: float, strength: float = 1.0, orders: Sequence[int] = ORDERS
) -> Equilibrium:
    """Run gradient descent on the toy until it has settled, and solve for each order's equilibrium.

    Raises ``InputError`` unless ``0 < ηλ < 1``.  Nothing is run if that would take more than two million steps.
    """
    eta, weight_decay = check_positive("eta", eta), check_positive("weight_decay", weight_decay)
    strength, x = check_positive("strength", strength), eta * weight_decay
    if x >= 1:
        raise InputError(f"eta {eta!r}: times weight_decay it is {x:.3g}; the equilibrium needs less than 1")
    # Near equilibrium a deviation of the squared norm shrinks by 2(1 − x)² − 1 a step.
    shrink = abs(2 * (1 - x) ** 2 - 1)
    steps = 10 if shrink == 0 else math.ceil(FADED / -math.log(shrink))
    exact = (eta * strength**2 / (2 * weight_decay - eta * weight_decay**2)) ** 0.25
    norm, angle = (None, None) if steps > MOST_STEPS else _settle(eta, weight_decay, strength, 1.2 * exact, steps)
    norms, angles = {}, {}
    for order in orders:
        found = _motion_equilibrium(
            partial(toy_field, strength=strength, weight_decay=weight_decay, eta=eta, order=order), eta, exact
        )
        if found is not None:
            norms[order], angles[order] = found
    return Equilibrium(eta, weight_decay, strength, exact, norm, norms, math.acos(1 - x), angle, angles)


def _settle(eta: float, weight_decay: float, strength: float, start: float, steps: int) -> tuple[float, float]:
    """Norm and angle of the last step of gradient descent, w as a complex number: the gradient is ``ic/w̄ + λw``."""
    w = complex(start)
    for _ in range(steps):
        before, w = w, w - eta * (1j * strength / w.conjugate() + weight_decay * w)
    return abs(w), abs(math.atan2((w / before).imag, (w / before).real))


def _motion_equilibrium(
    field: Callable[[Sequence[float]], np.ndarray], eta: float, near: float
) -> tuple[float, float] | None:
    """Where the field points along the circle, and how far it turns in the time η; None if nowhere near."""

    def outwards(radius: float) -> float:
        return float(field([radius, 0.0])[0])

    low, high = 0.8 * near, 1.25 * near
    if outwards(low) * outwards(high) >= 0:
        return None
    radius = brentq(outwards, low, high, xtol=1e-15, rtol=8.9e-16)
    return radius, abs(eta * float(field([radius, 0.0])[1]) / radius)


def _shown(number: float | None, order: int | None) -> str:
    if number is None:
        return "none" if order == 0 else "too slow"
    return f"{number:.12f}"


def _entry(exact: float, measured: float | None, orders: dict[int, float], name: str) -> dict[str, Any]:
    predictions: list[dict[str, Any]] = [{"order": 0, name: None, "error": None}]
    predictions += [{"order": order, name: value, "error": abs(value - exact)} for order, value in orders.items()]
    return {"exact": exact, "measured": measured, "predictions": predictions}
