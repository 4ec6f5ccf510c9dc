"""Cattaneo & Shigida 2025: the principal flow of heavy ball on θ²/2 at β = 0.7, and the steps for which it is real.

A step multiplies θ on the slow manifold by the larger root ρ of ``r² − (1 + β − h) r + β``, so the flow is
``θ(t) = ρ^(t/h)``.  All is in closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import bisect

from benchmarks.reproductions.pages import Numbers
from eomsym import optimizers
from eomsym.derivation import derive, series_radius
from eomsym.drawing import GREY, line_style, order_name, panels

BETA = Fraction(7, 10)
ORDERS = range(9)
STEPS = (0.005, 0.01, 0.02, 0.026)
#: Beyond the real range; and so many steps.
BEYOND, COUNT = 0.1, 100


def root(h: float) -> complex:
    """ρ, the root that is 1 at h = 0; above the real range the one in the upper half plane."""
    half = (1 + float(BETA) - h) / 2
    return half + np.sqrt(half**2 - float(BETA) + 0j)


def chain(n: int) -> Fraction:
    """Coefficient of ``hⁿ`` in ``−log ρ``, by the sum over squares of binomials."""
    total = sum(comb(n - 1, k) ** 2 * BETA**k for k in range(n))
    return total / (n * (1 - BETA) ** (2 * n - 1))


def rates(h: float) -> list[float]:
    """Minus the rate of each order."""
    terms = [float(chain(n)) * h ** (n - 1) for n in range(1, len(ORDERS) + 1)]
    return np.cumsum(terms).tolist()


def steps(h: float, count: int) -> np.ndarray:
    """Heavy ball itself, from θ_0 = 1 with the velocity that it has on the slow manifold."""
    theta, before, path = 1.0, (1 / root(h)).real, [1.0]
    for _ in range(count):
        theta, before = theta - h * theta + float(BETA) * (theta - before), theta
        path.append(theta)
    return np.array(path)


def measure(progress: Callable[[int, int], None]) -> Numbers:
    rows = derive("heavy-ball", max(ORDERS), beta=BETA).rows
    found = [value for row in rows for tree, value in row.items() if tree.is_chain]
    entry = optimizers.get("heavy-ball")
    path, flow = steps(BEYOND, COUNT), np.log(root(BEYOND)) / BEYOND
    return {
        "beta": float(BETA),
        "closed": (1 - float(BETA) ** 0.5) ** 2,
        "radius": series_radius(entry.rule(**entry.complete({"beta": BETA}))),
        "bisected": bisect(lambda h: (1 + float(BETA) - h) ** 2 - 4 * float(BETA), 0, 1, xtol=1e-15),
        "chains": len(found),
        "equal_chains": sum(chain(n) == coefficient for n, coefficient in enumerate(found, 1)),
        "usual": (1 - 0.9**0.5) ** 2,
        "rows": [
            {"h": h, "exact": -np.log(root(h).real) / h, "orders": rates(h), "steps": -np.log(steps(h, 1)[1]) / h}
            for h in STEPS
        ],
        "beyond": {
            "h": BEYOND,
            "steps": COUNT,
            "orders": rates(BEYOND),
            "real": flow.real,
            "imaginary": flow.imag,
            "period": 2 * np.pi / flow.imag / BEYOND,
            "apart": float(np.abs(path - np.exp(flow * BEYOND * np.arange(COUNT + 1)).real).max()),
            "path": path[:41].tolist(),
        },
    }


def draw(numbers: Numbers) -> Figure:
    figure, (rate, plane) = panels(10, 4.2, 2)
    grid = np.linspace(1e-4, 0.06, 400)
    exact = np.array([np.log(root(h)) / h for h in grid])
    rate.plot(grid, -exact.real, color="black", lw=2, label="exact, real part")
    rate.plot(grid, exact.imag, color="black", ls=":", label="exact, imaginary part")
    for index, order in enumerate((0, 1, 2, 4, 8)):
        rate.plot(grid, [rates(h)[order] for h in grid], color=line_style(index)[0], label=order_name(order))
    rate.axvline(numbers["closed"], color=GREY, lw=0.8, ls="--")
    rate.set(xlabel="step size h", title="decay rate of θ on the slow manifold", ylim=(0, 12))
    rate.legend(frameon=False, fontsize=8, loc="upper left")
    shown = numbers["beyond"]
    times = np.linspace(0, len(shown["path"]) - 1, 800)
    complex_flow = np.exp((shown["real"] + 1j * shown["imaginary"]) * shown["h"] * times)
    plane.plot(times, complex_flow.real, color=line_style(0)[0], label="flow, real part")
    plane.plot(times, complex_flow.imag, color=line_style(1)[0], ls="--", label="flow, imaginary part")
    plane.plot(shown["path"], "k.", label="heavy ball")
    plane.set(xlabel="step", title=f"h = {shown['h']:g}: the real part goes through the steps")
    plane.legend(frameon=False, fontsize=8)
    return figure
