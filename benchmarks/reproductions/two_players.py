"""Rosca et al. 2021: simultaneous steps of two players, ẋ = −εx + y, ẏ = −x − εy, at learning rate 0.2.

The field is linear, so that each order of the equation of motion is a matrix, and everything is an exponential of one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from benchmarks.reproductions.pages import Numbers
from eomsym.derivation import derive, modified_equation
from eomsym.drawing import line_style, order_name, panels

RATE, ORDERS = 0.2, range(5)
#: Of the published notebook: the two games, where they start, and the steps that it draws.
GAMES = {"0.2": ((0.08, -0.05), 499), "0.09": ((0.07, -0.09), 44)}
#: Trace and determinant that it prints for its two matrices at ε = 0.09.
PRINTED = {"simultaneous": (0.19838, 1.0017386560999997), "alternating": (-0.0016200000000000051, 0.9819006560999999)}


def matrices(epsilon: str, second: int = -1) -> list[np.ndarray]:
    """The field of each order as a matrix, for ẋ = −εx + y, ẏ = −x + second·εy."""
    x, y = names = sympy.symbols("x y")
    size = sympy.Rational(epsilon)
    columns = modified_equation([-size * x + y, -x + second * size * y], names, max(ORDERS))
    parts = [np.array(column.jacobian(names), dtype=float) for column in columns]
    return [sum(RATE**k * part for k, part in enumerate(parts[: order + 1])) for order in ORDERS]


def alternating(epsilon: str, second: int) -> np.ndarray:
    """The same of order 1 where x moves first."""
    x, y = names = sympy.symbols("x y")
    size = sympy.Rational(epsilon)
    players = [[size * x - y, sympy.Integer(0)], [sympy.Integer(0), x - second * size * y]]
    columns = derive("alternating-players", 1).at_fields(players, names)
    first, correction = (np.array(column.jacobian(names), dtype=float) for column in columns)
    return -first - RATE * correction


def iterates(matrix: np.ndarray, start: tuple[float, float], steps: int) -> np.ndarray:
    points = [np.array(start)]
    for _ in range(steps):
        points.append(points[-1] + RATE * (matrix @ points[-1]))
    return np.array(points)


def flow(matrix: np.ndarray, start: tuple[float, float], steps: int) -> np.ndarray:
    one = expm(RATE * matrix)
    points = [np.array(start)]
    for _ in range(steps):
        points.append(one @ points[-1])
    return np.array(points)


def game(epsilon: str) -> Numbers:
    start, steps = GAMES[epsilon]
    fields = matrices(epsilon)
    run = iterates(fields[0], start, steps)
    paths = [flow(field, start, steps) for field in fields]
    apart = [np.linalg.norm(path - run, axis=1) / np.linalg.norm(run, axis=1) for path in paths]
    # Row 1 as the notebook integrates it: SciPy's default tolerances.
    loose = solve_ivp(lambda _, z: fields[1] @ z, (0, steps * RATE), start, t_eval=[steps * RATE]).y[:, -1]
    return {
        "steps": steps,
        "growth": [float(np.linalg.eigvals(field).real.max()) for field in fields],
        # The multipliers of a step are 1 + η(−ε ± i).
        "exact_growth": float(np.log(abs(1 + RATE * (-float(epsilon) + 1j))) / RATE),
        "distance": [float(row[-1]) for row in apart],
        "loose": float(np.linalg.norm(loose - paths[1][-1]) / np.linalg.norm(paths[1][-1])),
        "run": run[:45].round(6).tolist(),
        "paths": [path[:45].round(6).tolist() for path in paths],
        "distances": [[float(f"{value:.4g}") for value in row[1:45]] for row in apart],
    }


def measure(progress: Callable[[int, int], None]) -> Numbers:
    found = {
        name: {
            "simultaneous": invariants(matrices("0.09", second)[1]),
            "alternating": invariants(alternating("0.09", second)),
        }
        for name, second in (("plotted", -1), ("other", 1))
    }
    return {"rate": RATE, "games": {epsilon: game(epsilon) for epsilon in GAMES}, "printed": PRINTED, **found}


def invariants(matrix: np.ndarray) -> tuple[float, float]:
    return float(np.trace(matrix)), float(np.linalg.det(matrix))


def draw(numbers: Numbers) -> Figure:
    figure, (plane, distance) = panels(10, 4.4, 2)
    shown = numbers["games"]["0.09"]
    for order, path in enumerate(shown["paths"]):
        colour, marker = line_style(order)
        if order < 3:
            plane.plot(*np.transpose(path), color=colour, label=order_name(order))
        steps = np.arange(1, len(path))
        distance.semilogy(steps, shown["distances"][order], color=colour, marker=marker, markevery=6, ms=4)
        distance.annotate(
            str(order), (steps[-1], shown["distances"][order][-1]), xytext=(5, -3), textcoords="offset points"
        )
    plane.plot(*np.transpose(shown["run"]), "k.", ms=4, label="simultaneous steps")
    plane.set(xlabel="x", ylabel="y", title="ε = 0.09, learning rate 0.2", aspect="equal")
    plane.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    distance.set(xlabel="step", title="relative distance to the steps, by order")
    return figure
