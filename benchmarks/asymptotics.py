"""How the series of a 2-4-1 network goes on to order 30, and the figure of docs: ``python -m benchmarks.asymptotics``.

Takes some minutes; ``--figure FILE`` draws it too.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.series_growth import AsymptoticStudy, program_asymptotics, study_asymptotics
from eomsym.models import MLP
from eomsym.models.network import network_program

MODEL = MLP([2, 4, 1], activation="tanh", loss="mse")
SAMPLES = 6
ORDER = 30
#: η times the largest curvature, and the orders whose flow is measured over one step.
PRODUCTS, ORDERS = (0.5, 0.8, 1.1), range(0, 28, 3)
#: Other starting points and data, terms only.
SEEDS = (1, 2, 3)


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A random start, and sin(2 x_0) at random points."""
    inputs = np.random.default_rng(seed).standard_normal((SAMPLES, 2))
    return MODEL.initial(seed), inputs, np.sin(2 * inputs[:, :1])


def row(name: object, study: AsymptoticStudy) -> str:
    """Curvature, radius in time, and measured ratios over |λ| (N+2)/(N+3) at some orders."""
    relative = study.ratios / study.curvature_ratios
    cells = " ".join(f"{relative[order]:6.2f}" for order in (5, 10, 15, 20, 25, 29))
    return f"{name!s:>4} {study.curvature:8.4f} {study.time_radius:8.3f} {study.overtaking_order:7.1f}  {cells}"


def main() -> AsymptoticStudy:
    """One table of ratios, one of single steps; returns the study of seed 0."""
    theta, inputs, targets = problem(0)
    begin = time.perf_counter()
    curvature = program_asymptotics(network_program(MODEL, inputs, targets), theta, 4).curvature
    etas = [product / abs(curvature) for product in PRODUCTS]
    study = study_asymptotics(MODEL, theta, inputs, targets, ORDER, etas=etas, orders=ORDERS)
    print("seed    curv.   time T  2πTλ−2   ratio over |λ|(N+2)/(N+3) at N = 5, 10, 15, 20, 25, 29")
    print(row(0, study), flush=True)
    for seed in SEEDS:
        theta, inputs, targets = problem(seed)
        print(row(seed, program_asymptotics(network_program(MODEL, inputs, targets), theta, ORDER)), flush=True)
    for record in study.steps:
        terms = study.terms(record.eta)
        product = record.eta * abs(study.curvature)
        print(f"\nη|λ| = {product:.2g}: smallest term at N = {study.optimal_order(record.eta)}, ", end="")
        print(f"smallest error at N = {record.best_order}; 2πT/η = {2 * np.pi * study.time_radius / record.eta:.1f}")
        print("   N     term    error   uncertain")
        for order, error, doubt in zip(record.orders, record.errors, record.uncertainties, strict=True):
            print(f"{order:4} {terms[order]:8.1e} {error:8.1e}    {doubt:8.1e}")
    print(f"\nagreement with 12 digits less: {study.agreement:.1e}; {time.perf_counter() - begin:.0f} s")
    return study


if __name__ == "__main__":
    result = main()
    if sys.argv[1:2] == ["--figure"]:
        result.plot().savefig(Path(sys.argv[2]), dpi=150)
