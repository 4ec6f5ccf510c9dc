"""Which terms of the equation of motion matter: size and direction of each ξ_k and of each tree along a training run.

Beside them stands η times the sharpness λ_max, the largest eigenvalue of the Hessian.  Along its eigenvector the chains
alone turn the rate λ of gradient flow into ``λ + ηλ²/2 + η²λ³/3 + … = −log(1 − ηλ)/η``, which is the rate of gradient
descent and has no value from ηλ = 1 on: the iterates change sign there, which no flow can follow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym.checks import check_integer
from eomsym.derivation import series_radius
from eomsym.derivation.deriving import derive
from eomsym.derivation.equation import Equation
from eomsym.dynamics.differentials import elementary_differentials
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.runs import run_states
from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.dynamics.spectrum import largest_eigenvalue, spectral_radius
from eomsym.notation import tree_text
from eomsym.optimizers import Optimizer
from eomsym.result import Row, Table, fixed, plain, small
from eomsym.trees import Tree
from eomsym.verification.compare import map_of, slow_rows
from eomsym.verification.edge_of_stability import Edge, edge_at
from eomsym.verification.posing import Progress, counted, default_etas, growth_of_terms
from eomsym.verification.training import Training

#: The sum over trees must be the kernel's counter term to this relative accuracy.
TOLERANCE = 1e-10
#: Beyond this order there are so many trees that a table of them helps nobody: 115 with 8 nodes.
HIGHEST_ORDER = 7


@dataclass(frozen=True)
class TreeRecord:
    """``coefficient · F_g(tree)`` at a point: its norm, and the cosine of its angle with g (NaN for a zero)."""

    tree: Tree
    coefficient: str
    size: float
    cosine: float


@dataclass(frozen=True)
class TermRecord:
    """ξ_index at a point: norm, cosine with g, and how far the sum over ``trees`` is from it, relative."""

    index: int
    size: float
    cosine: float
    defect: float
    trees: tuple[TreeRecord, ...]


@dataclass(frozen=True)
class TermPoint:
    """One iterate: loss, norm of the first term (of gradient descent g), largest eigenvalue of H, all counter terms."""

    step: int
    loss: float
    gradient_norm: float
    sharpness: float
    terms: tuple[TermRecord, ...]


@dataclass(frozen=True, repr=False)
class Terms(OfTraining):
    """The counter terms along a run of an optimiser, at some of its iterates.

    ``radius`` is the ηλ from which on its series diverges.
    ``edge`` says at each point which description holds, where that was asked for.
    """

    training: Setting
    order: int
    points: tuple[TermPoint, ...]
    radius: float = 1.0
    edge: tuple[Edge, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every counter term that has a sum over trees is it."""
        return all(term.defect <= TOLERANCE for point in self.points for term in point.terms if term.trees)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence if ηλ_max reaches the radius anywhere."""
        beyond = [point for point in self.points if self.eta * point.sharpness >= self.radius]
        if not beyond:
            return ()
        worst = max(beyond, key=lambda point: point.sharpness)
        found = (
            f"eta = {self.eta:g} times the largest eigenvalue {worst.sharpness:.4g} is "
            f"{self.eta * worst.sharpness:.3g} at step {worst.step}: from {self.radius:.3g} on "
        )
        if self.optimizer != "gradient-descent":
            return (
                f"{found}the series of {self.optimizer} on its slow manifold diverges, and more orders make it worse; "
                "follow its whole state: eomsym follow, eomsym verify --state whole",
            )
        return (
            f"{found}log(1 - eta lambda)/eta, the sum of the chains, does not exist, and the terms grow with the order"
            ": gradient descent changes sign along that eigenvector, which no flow does, though it is stable up to 2",
        )

    def share(self, point: TermPoint, index: int) -> float:
        """``η^{k+1} ‖ξ_k‖/‖g‖`` at a point: what the term adds to the speed of gradient flow."""
        return self.eta ** (index + 1) * point.terms[index].size / point.gradient_norm

    drawn_by = "eomsym.verification.figures.terms_figure"

    @property
    def summary(self) -> str:
        """What was run, how far and how it ended."""
        steps = f"steps {self.points[0].step} to {self.points[-1].step}"
        return f"{self.training}, order {self.order}, {steps}, passed {self.passed}"

    def records(self) -> list[dict[str, Any]]:
        """One row for each iterate and counter term."""
        return [
            {
                **{"step": point.step, "index": term.index, "loss": point.loss},
                **{"eta_sharpness": self.eta * point.sharpness, **self._numbers(point, term)},
            }
            for point in self.points
            for term in point.terms
        ]

    def _numbers(self, point: TermPoint, term: TermRecord) -> dict[str, float]:
        sizes = {"size": term.size, "share": self.share(point, term.index)}
        return {**sizes, "cosine": term.cosine, "tree_sum_defect": term.defect}

    def report(self) -> list[str | Table]:
        """The terms along the run, the trees at its ends, and which description holds, if that was asked for."""
        first, last = self.points[0], self.points[-1]
        parts: list[str | Table] = [
            f"{self.training}\neta {self.eta:g}: eta^(k+1) |xi_k| / |g|, and under it the cosine of xi_k with g",
            self._run_table(),
        ]
        if first.terms[0].trees:
            worst = max(term.defect for point in self.points for term in point.terms)
            parts += [
                f"trees at step {first.step} and at step {last.step}: share of coefficient times tree, cosine with g",
                self._tree_table(),
                f"sum over trees against the kernel: largest relative difference {worst:.1e}",
            ]
        if self.edge:
            parts += ["which holds: error over two steps, and under it the gradients a value costs", self._edge_table()]
        return parts

    def _run_table(self) -> Table:
        head = ["step", "loss", "eta times\nsharpness", *(f"xi_{k}" for k in range(self.order))]
        rows = [
            [
                *(str(point.step), f"{point.loss:.4f}", f"{self.eta * point.sharpness:.3f}"),
                *(f"{small(self.share(point, term.index))}\n{fixed(term.cosine, '+.2f')}" for term in point.terms),
            ]
            for point in self.points
        ]
        return Table(head, rows, boxed=True)

    def _tree_table(self) -> Table:
        first, last = self.points[0], self.points[-1]
        rows: list[Row | None] = []
        for before, after in zip(first.terms, last.terms, strict=True):
            power = self.eta ** (before.index + 1)
            rows.append(None)
            for number, (old, new) in enumerate(zip(before.trees, after.trees, strict=True)):
                shares = power * old.size / first.gradient_norm, power * new.size / last.gradient_norm
                found = zip(map(small, shares), (fixed(tree.cosine, "+.2f") for tree in (old, new)), strict=True)
                name = "" if number else f"xi_{before.index}"
                rows.append([name, tree_text(old.tree), old.coefficient, *(cell for pair in found for cell in pair)])
        head = ["", "tree", "coefficient", "first", "cosine", "last", "cosine"]
        return Table(head, rows, words=(0, 1), boxed=True)

    def _edge_table(self) -> Table:
        rows = [
            [
                *(str(point.step), f"{point.product:.3f}"),
                *(f"{point.errors[name]:.1e}\n{point.costs[name]:.1f}" for name in point.errors),
                point.holds,
            ]
            for point in self.edge
        ]
        head = ["step", "eta times\nsharpness", "series", "resummed", "even-step", "holds"]
        return Table(head, rows, words=(-1,), boxed=True)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``terms`` as plain values; what does not exist is ``None``."""
        return {
            **self.entries("optimizer", "parameters", "model", "dataset", "seed", "eta", "order"),
            "points": [self._point_dict(point) for point in self.points],
            **({"edge": [self._edge_dict(point) for point in self.edge]} if self.edge else {}),
            **self.entries("warnings", "passed"),
        }

    def _edge_dict(self, point: Edge) -> dict[str, Any]:
        found = point.to_dict()
        return {"step": found.pop("step"), "eta_sharpness": found.pop("product"), **found}

    def _point_dict(self, point: TermPoint) -> dict[str, Any]:
        return {
            "step": point.step,
            "loss": point.loss,
            "gradient_norm": point.gradient_norm,
            "sharpness": point.sharpness,
            "eta_sharpness": self.eta * point.sharpness,
            "chain_rate": chain_rate(self.eta, point.sharpness) if self.optimizer == "gradient-descent" else None,
            "counterterms": [
                plain({"index": term.index, **self._numbers(point, term), "trees": term.trees}) for term in point.terms
            ],
        }


def terms(
    training: Training,
    steps: int = 100,
    order: int = 4,
    *,
    points: int = 5,
    edge: bool = False,
    progress: Progress | None = None,
) -> Terms:
    """Train by an optimiser and measure every counter term, and every tree of it, at evenly spaced iterates.

    The terms are those on the slow manifold; where the series is over plain rooted trees, each of them is measured too.
    The rate is by default half of what makes ``η max|λ| = 0.8`` at the start; ``points`` counts both ends.
    ``progress(done, total)`` is called after each of them.  With ``edge`` it is said of each, for gradient
    descent, which description holds (``edge``).
    Raises ``InputError`` for a bad value, ``IntegrationError`` if training diverges.
    """
    order, steps, points = (
        check_integer("order", order, 1, HIGHEST_ORDER),
        check_integer("steps", steps, 1),
        check_integer("points", points, 2),
    )
    entry, values = training.rule
    training.check_plain("the size of a term")
    training.check_doubles("the size of a term")
    if edge:
        training.check_descent("which description holds along a run")
    kernel, start, data = training.kernel(order, "the terms"), training.theta, training.data
    slow = slow_rows(training, order, "the terms")
    trees, rule, eta = _on_trees(entry, order, values), entry.rule(**values), training.eta
    with threadpool_limits(limits=1, user_api="blas"):
        if eta is None:
            growth = spectral_radius(kernel, start, data) / min(1.0, series_radius(rule))
            if trees is None:  # of a memory that divides it says nothing
                growth = max(growth, growth_of_terms(slow(start, order)))
            eta = default_etas(growth)[1]
        chosen = sorted({round(k) for k in np.linspace(0, steps, min(points, steps + 1))})
        path = run_states(map_of(training.with_(eta=eta), "the terms", order), steps)[:, : len(start)]
        records: list[TermPoint] = []
        edges: list[Edge] = []
        for k in counted(chosen, progress):
            rows = slow(path[k], order) / entry.steps(**values)
            records.append(measure_terms(kernel, path[k], rows, trees, data, step=k))
            if edge:
                edges.append(edge_at(kernel, path[k], eta, data, order, k))
    setting = replace(training.setting, eta=eta)
    return Terms(setting, order, tuple(records), series_radius(rule), tuple(edges))


def _on_trees(entry: Optimizer, order: int, values: Mapping[str, Fraction]) -> Equation | None:
    """The counter terms over plain rooted trees; None for a rule that has others."""
    given: dict[str, Any] = dict(values)
    equation = derive(entry, order, **given)
    return equation if equation.plain else None


def measure_terms(
    kernel: Any, theta: np.ndarray, rows: np.ndarray, equation: Equation | None, data: Data = (), *, step: int = 0
) -> TermPoint:
    """Measures every counter term at one point, ``rows`` (order + 1, d) as a kernel gives them, and every tree of it.

    ``equation`` is the series over trees that the rows are compared with, none for a rule that has no such series.
    Raises ``InputError`` if the kernel's order is lower, or the point is none.
    """
    gradient, records = rows[0], []
    listed: Sequence[Mapping[Tree, Any]] = [{}] * (len(rows) - 1) if equation is None else equation.rows[1:]
    values = elementary_differentials(kernel, theta, [tree for row in listed for tree in row], data) if equation else {}
    for index, (row, term) in enumerate(zip(listed, rows[1:], strict=True)):
        parts = [(tree, value, float(value) * values[tree]) for tree, value in row.items()]
        size, defect = float(np.linalg.norm(term)), math.nan
        if parts:
            total = np.sum([part for *_, part in parts], axis=0)
            defect = float(np.linalg.norm(total - term)) / (size or 1.0)
        of_trees = tuple(
            TreeRecord(tree, str(value), float(np.linalg.norm(part)), _cosine(part, gradient))
            for tree, value, part in parts
        )
        records.append(TermRecord(index, size, _cosine(term, gradient), defect, of_trees))
    loss = float(kernel.loss(theta, *data)) if hasattr(kernel, "loss") else math.nan
    sharpness = largest_eigenvalue(kernel, theta, data)
    return TermPoint(step, loss, float(np.linalg.norm(gradient)), sharpness, tuple(records))


def chain_rate(eta: float, curvature: float) -> float | None:
    """``−log(1 − ηλ)/η``, the sum of all chains on an eigenvector of H; None from ηλ = 1 on, where it is none."""
    return -math.log1p(-eta * curvature) / eta if eta * curvature < 1 else None


def _cosine(vector: np.ndarray, gradient: np.ndarray) -> float:
    lengths = float(np.linalg.norm(vector) * np.linalg.norm(gradient))
    return float(vector @ gradient) / lengths if lengths else math.nan
