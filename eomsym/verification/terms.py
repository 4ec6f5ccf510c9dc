"""Which terms of the equation of motion matter: size and direction of each ξ_k and of each tree along a training run.

Beside them stands η times the sharpness λ_max, the largest eigenvalue of the Hessian.  Along its eigenvector the chains
alone turn the rate λ of gradient flow into ``λ + ηλ²/2 + η²λ³/3 + … = −log(1 − ηλ)/η``, which is the rate of gradient
descent and has no value from ηλ = 1 on: the iterates change sign there, which no flow can follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eomsym import optimizers
from eomsym.checks import check_integer, check_positive
from eomsym.derivation import Equation, series_radius
from eomsym.derivation.deriving import derive_on_trees
from eomsym.dynamics import kernel_counterterms, largest_eigenvalue, optimizer_path, spectral_radius
from eomsym.dynamics.differentials import SeriesKernel, elementary_differentials
from eomsym.dynamics.kernel import Data
from eomsym.dynamics.kernel_rule import rule_name
from eomsym.errors import InputError
from eomsym.models import MLP, Dataset, dataset
from eomsym.notation.terms import tree_text
from eomsym.optimizers import Optimizer
from eomsym.optimizers.rule import UpdateRule
from eomsym.result import Result, Row, Table, fixed, plain, small
from eomsym.trees import Tree
from eomsym.verification.edge import EdgePoint, edge_point
from eomsym.verification.posing import Progress, default_etas, describe, kernel_of, model_for

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
class TermStudy(Result):
    """The counter terms along a run of an optimiser, at some of its iterates.

    ``parameters`` are the optimiser's, exact, as text; ``radius`` is the ηλ from which on its series diverges.
    ``edge`` says at each point which description holds, where that was asked for.
    """

    model: str
    dataset: str
    seed: int
    eta: float
    order: int
    points: tuple[TermPoint, ...]
    optimizer: str = "gradient-descent"
    parameters: tuple[tuple[str, str], ...] = ()
    radius: float = 1.0
    edge: tuple[EdgePoint, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every counter term of the kernel is the sum over its trees."""
        return all(term.defect <= TOLERANCE for point in self.points for term in point.terms)

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
        return f"{self.optimizer} on {self.dataset}, order {self.order}, {steps}, passed {self.passed}"

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
        values = ", ".join(f"{name} = {value}" for name, value in self.parameters)
        first, last = self.points[0], self.points[-1]
        worst = max(term.defect for point in self.points for term in point.terms)
        parts: list[str | Table] = [
            f"{self.optimizer}{f' ({values})' if values else ''} on {self.dataset}: {self.model}\n"
            f"seed {self.seed}, eta {self.eta:g}: eta^(k+1) |xi_k| / |g|, and under it the cosine of xi_k with g",
            self._run_table(),
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

    def _edge_dict(self, point: EdgePoint) -> dict[str, Any]:
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


def study_terms(
    model: MLP | None = None,
    data: str | Dataset = "digits",
    order: int = 4,
    *,
    eta: float | None = None,
    steps: int = 100,
    points: int = 5,
    seed: int = 0,
    output: str | Path | None = None,
    progress: Progress | None = None,
    edge: bool = False,
    optimizer: str | Optimizer = "gradient-descent",
    **parameters: object,
) -> TermStudy:
    """Train by an optimiser and measure every counter term and every tree at evenly spaced iterates.

    The optimiser is one whose series is over plain rooted trees; its parameters are exact keywords, those not given
    take their defaults, and its terms are those on the slow manifold.

    ``eta`` is by default half of what makes ``η max|λ| = 0.8`` at the start; ``points`` counts both ends.
    ``progress(done, total)`` is called after each of them.  With ``edge`` it is said of each, for gradient
    descent, which description holds (``edge_point``).
    Raises ``InputError`` for a bad value, ``IntegrationError`` if training diverges.
    """
    order, steps, points = (
        check_integer("order", order, 1, HIGHEST_ORDER),
        check_integer("steps", steps, 1),
        check_integer("points", points, 2),
    )
    step = None if eta is None else check_positive("eta", eta)
    entry, given = optimizers.chosen(optimizer, parameters)
    values = entry.complete(given)
    if edge and entry.name != "gradient-descent":
        raise InputError(f"edge: says what holds of gradient-descent, not of {entry.name}; leave it out")
    samples = dataset(data, seed)
    model = model_for(model, data)
    kernel = kernel_of(model, order, output)
    counterterms, rule = derive_on_trees(entry, order, **values), entry.rule(**values)
    with threadpool_limits(limits=1, user_api="blas"):
        start = model.initial(seed)
        if step is None:
            radius = min(1.0, series_radius(rule))
            step = default_etas(spectral_radius(kernel, start, samples.arrays) / radius)[1]
        path = optimizer_path(kernel, start, step, steps, samples.arrays, optimizer=entry, **values)
        chosen = sorted({round(k) for k in np.linspace(0, steps, min(points, steps + 1))})
        records: list[TermPoint] = []
        found: list[EdgePoint] = []
        for k in chosen:
            records.append(measure_terms(kernel, path[k], counterterms, samples.arrays, step=k, rule=rule))
            if edge:
                found.append(edge_point(kernel, path[k], step, samples.arrays, order, k))
            if progress is not None:
                progress(len(records), len(chosen))
    return TermStudy(
        describe(kernel, model),
        samples.name,
        seed,
        step,
        order,
        tuple(records),
        entry.name,
        tuple((name, str(value)) for name, value in values.items()),
        series_radius(rule),
        tuple(found),
    )


def measure_terms(
    kernel: SeriesKernel,
    theta: np.ndarray,
    counterterms: Equation,
    data: Data = (),
    *,
    step: int = 0,
    rule: UpdateRule | None = None,
) -> TermPoint:
    """Every counter term and every tree at one point; the kernel's counter terms are those of ``counterterms``.

    Those of another optimiser than the kernel's are computed from its ``rule``.

    Raises ``InputError`` if the kernel's order is lower, it is another optimiser's and no rule is given, or the point
    is none.
    """
    own = rule_name(kernel)
    if rule is None and own != counterterms.optimizer:
        raise InputError(f"counterterms: of {counterterms.optimizer}, and the kernel has those of {own}; give its rule")
    if rule is None or counterterms.optimizer == own == "gradient-descent":
        rows = kernel.counterterms(theta, *data, order=counterterms.order)
    else:
        rows = kernel_counterterms(kernel, rule, theta, counterterms.order, data)
    gradient = rows[0]
    trees = [tree for row in counterterms.rows[1:] for tree in row]
    values = elementary_differentials(kernel, theta, trees, data)
    records = []
    for index, row in enumerate(counterterms.rows[1:]):
        parts = [(tree, value, float(value) * values[tree]) for tree, value in row.items()]
        total = np.sum([part for *_, part in parts], axis=0)
        size = float(np.linalg.norm(rows[1 + index]))
        defect = float(np.linalg.norm(total - rows[1 + index])) / size if size else float(np.linalg.norm(total))
        of_trees = tuple(
            TreeRecord(tree, str(value), float(np.linalg.norm(part)), _cosine(part, gradient))
            for tree, value, part in parts
        )
        records.append(TermRecord(index, size, _cosine(rows[1 + index], gradient), defect, of_trees))
    loss = float(kernel.loss(theta, *data)) if hasattr(kernel, "loss") else math.nan
    sharpness = largest_eigenvalue(kernel, theta, data)
    return TermPoint(step, loss, float(np.linalg.norm(gradient)), sharpness, tuple(records))


def chain_rate(eta: float, curvature: float) -> float | None:
    """``−log(1 − ηλ)/η``, the sum of all chains on an eigenvector of H; None from ηλ = 1 on, where it is none."""
    return -math.log1p(-eta * curvature) / eta if eta * curvature < 1 else None


def _cosine(vector: np.ndarray, gradient: np.ndarray) -> float:
    lengths = float(np.linalg.norm(vector) * np.linalg.norm(gradient))
    return float(vector @ gradient) / lengths if lengths else math.nan
