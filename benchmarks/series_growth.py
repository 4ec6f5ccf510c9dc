"""How the series in η goes on: sizes of ξ_N to order 30, what they grow like, and what cutting them off does to a step.

Two laws were seen to follow one another.  Along the eigenvector of the largest curvature λ the chains give
``ξ_N ~ λ^{N+2}/(N+2)``, so ``‖ξ_{N+1}‖/‖ξ_N‖ → |λ| (N+2)/(N+3)``: a geometric series of radius 1/|λ|.  Beneath it lies
the growth that every modified equation has that does not end (Hairer, Lubich & Wanner, *Geometric Numerical
Integration*, 2006, section IX.7): ``ξ_N ~ (N+1)!/(2πT)^{N+2}``, with T the distance of the nearest singularity of
gradient flow in complex time.  Its ratio (N+2)/(2πT) is the larger one from N ≈ 2πT|λ| on, and some orders later it is
what is seen.  So the series has no radius: at η with η|λ| < 1 its terms fall, until about N ≈ 2πT/η, and then rise.

The second law, with this T, is stated from the poles of one-dimensional flows and measured here; it is not proved.
``benchmarks.asymptotics`` makes the tables of docs/high_order.md with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from eomsym.checks import check_integer, check_positive
from eomsym.drawing import COLOURS, GREY, line_style, panels
from eomsym.errors import EomsymError, InputError
from eomsym.models import MLP
from eomsym.models.network import network_program
from eomsym.optimizers import get
from eomsym.result import Result
from eomsym.series.number_rings import array_ring, decimal_ring
from eomsym.series.program import Program
from eomsym.series.rings import Ring, gradient_series
from eomsym.step_index.numbers import program_counterterms

#: Everything is computed again with so many digits less, and must agree to this relative accuracy.
FEWER_DIGITS, AGREEMENT = 12, 1e-10
#: Round-off differs from point to point, by a factor of 5 where a flow and its start were compared.
LOSS_MARGIN = 10
#: Of these, 17 were lost at order 27 of a network.
DIGITS = 50
LEAST_ORDER, HIGHEST_ORDER = 4, 60


@dataclass(frozen=True, repr=False)
class StepErrors(Result):
    """‖flow of order N over one step − one step of gradient descent‖₂ at one η, for each N of ``orders``.

    ``uncertainties`` are the errors that integration and round-off may have; both are infinite where a path left the
    numbers.
    """

    eta: float
    orders: tuple[int, ...]
    errors: tuple[float, ...]
    uncertainties: tuple[float, ...]

    def column_values(self) -> dict[str, Any]:
        """One row for each order."""
        return {"order": self.orders, "error": self.errors, "uncertainty": self.uncertainties}

    @property
    def best_order(self) -> int:
        """The order with the smallest error among those measured."""
        return self.orders[int(np.argmin(self.errors))]


@dataclass(frozen=True, repr=False)
class AsymptoticStudy(Result):
    """Sizes of the counter terms at one point, and the two numbers that say how they go on.

    ``sizes[N]`` is ‖ξ_N‖₂; ``gradient_norm`` is ‖g‖₂.  ``curvature`` is λ, the eigenvalue of the Hessian (of the
    symmetric part of g', for a field) of the largest modulus.  ``time_radius`` is T, the radius of convergence of
    gradient flow in time, estimated from its Taylor coefficients.  ``agreement`` is the largest relative change of a
    size between ``digits`` and 12 digits less.  ``steps`` are errors of single steps, where they were measured.
    """

    sizes: tuple[float, ...]
    gradient_norm: float
    curvature: float
    time_radius: float
    digits: int
    agreement: float
    steps: tuple[StepErrors, ...] = ()

    def column_values(self) -> dict[str, Any]:
        """One row for each counter term: its size, the ratio of the next to it, and what the two laws say of that."""
        laws = {"curvature_ratio": self.curvature_ratios, "singularity_ratio": self.singularity_ratios}
        ratios = {name: [*law, math.nan] for name, law in {"ratio": self.ratios, **laws}.items()}
        return {"index": list(range(len(self.sizes))), "size": self.sizes, **ratios}

    @property
    def ratios(self) -> np.ndarray:
        """``‖ξ_{N+1}‖/‖ξ_N‖`` for N = 0, 1, …; NaN where a term is 0."""
        sizes = np.array(self.sizes)
        return np.divide(sizes[1:], sizes[:-1], out=np.full(len(sizes) - 1, np.nan), where=sizes[:-1] > 0)

    @property
    def curvature_ratios(self) -> np.ndarray:
        """``|λ| (N+2)/(N+3)``, the ratios of a quadratic loss."""
        orders = np.arange(len(self.sizes) - 1)
        return abs(self.curvature) * (orders + 2) / (orders + 3)

    @property
    def singularity_ratios(self) -> np.ndarray:
        """``(N+2)/(2πT)``, the ratios of ``(N+1)!/(2πT)^{N+2}``."""
        return (np.arange(len(self.sizes) - 1) + 2) / (2 * math.pi * self.time_radius)

    @property
    def overtaking_order(self) -> float:
        """N from which the ratio of the second law is the larger one; when that is seen depends on the amplitudes."""
        return 2 * math.pi * self.time_radius * abs(self.curvature) - 2

    def terms(self, eta: float) -> np.ndarray:
        """``η^{N+2} ‖ξ_N‖``: what order N leaves out in one step, to leading order."""
        return check_positive("eta", eta) ** (np.arange(len(self.sizes)) + 2) * np.array(self.sizes)

    def optimal_order(self, eta: float) -> int:
        """The order that leaves out the smallest term; the highest of the study if its terms still fall there."""
        return int(np.argmin(self.terms(eta)))

    drawn_by = "benchmarks.series_growth.asymptotics_figure"


def study_asymptotics(
    model: MLP,
    theta: Sequence[float],
    inputs: Sequence[Sequence[float]],
    targets: Sequence[Any],
    order: int = 30,
    *,
    digits: int = DIGITS,
    etas: Sequence[float] = (),
    orders: Sequence[int] = range(0, 13, 2),
) -> AsymptoticStudy:
    """The terms ξ_0 … ξ_order of a small network on a handful of samples, and the error of single steps beside them.

    ``theta`` (d,), ``inputs`` and ``targets`` are as kernels take them.  The flows of ``orders`` are measured over one
    step of each of ``etas``, which takes minutes beyond order 20.  Raises ``InputError`` for a bad value,
    ``EomsymError`` if ``digits`` do not suffice.
    """
    program = network_program(model, inputs, targets)
    study = program_asymptotics(program, theta, order, digits=digits)
    return replace(study, steps=measure_steps(program, theta, etas, orders) if etas else ())


def program_asymptotics(
    program: Program, theta: Sequence[float], order: int = 30, *, digits: int = DIGITS
) -> AsymptoticStudy:
    """The same for any loss or field written as a program without parameters (``eomsym.series.lifting``)."""
    check_integer("order", order, LEAST_ORDER, HIGHEST_ORDER)
    check_integer("digits", digits, 20 + FEWER_DIGITS, 1000)
    point = _exact(theta, program.variables)
    ring = decimal_ring(digits)
    sizes = _sizes(program, point, order, ring)
    agreement = _largest_change(sizes, _sizes(program, point, order, decimal_ring(digits - FEWER_DIGITS)))
    if agreement > AGREEMENT:
        raise EomsymError(
            f"digits {digits}: terms change by {agreement:.1e} when {FEWER_DIGITS} digits are left out; "
            f"give {digits + 20}"
        )
    radius = _time_radius(_flow_sizes(program, point, order, ring))
    return AsymptoticStudy(sizes[1:], sizes[0], _curvature(program, point, ring), radius, digits, agreement)


def measure_steps(
    program: Program, theta: Sequence[float], etas: Sequence[float], orders: Sequence[int], substeps: int = 6
) -> tuple[StepErrors, ...]:
    """The flow of each order over one step of each η beside the step itself, all at once in numpy's longest floats.

    The classical Runge–Kutta method takes ``substeps`` steps and twice as many, and the extrapolated end is used.  The
    uncertainty is the amount that it was moved by, and ten times what the terms at ``theta`` lose against many digits:
    float64 would have nothing left of ξ_27 of a network, 80 bits a few digits.  Raises ``InputError`` for a bad value.
    """
    check_integer("substeps", substeps, 1, 10_000)
    for order in orders:
        check_integer("order", order, 0, HIGHEST_ORDER)
    pairs = [(check_positive("eta", eta), order) for eta in etas for order in orders]
    start = np.array(_exact(theta, program.variables), dtype=np.longdouble)
    eta, kept = np.array(pairs, dtype=np.longdouble).T
    begin = np.repeat(start[:, np.newaxis], len(pairs), axis=1)
    with np.errstate(all="ignore"):  # a path that leaves the numbers is an answer
        coarse, fine = (_flow(program, begin, eta, kept, count) for count in (substeps, 2 * substeps))
        moved = (fine - coarse) / 15
        step = begin - eta * _field_rows(program, begin, 1)[0]
        powers = _kept_powers(eta, kept)
        lost = LOSS_MARGIN * eta * (_lost_in_float(program, start, len(powers)) @ powers)
        errors = np.linalg.norm(fine + moved - step, axis=0).astype(np.float64)
        doubts = (np.linalg.norm(moved, axis=0) + lost).astype(np.float64)
    finite = np.isfinite(errors) & np.isfinite(doubts)
    shape = (len(etas), len(orders))
    table, uncertainties = (np.where(finite, values, np.inf).reshape(shape) for values in (errors, doubts))
    return tuple(
        StepErrors(float(step_size), tuple(orders), tuple(row.tolist()), tuple(doubt.tolist()))
        for step_size, row, doubt in zip(etas, table, uncertainties, strict=True)
    )


def _flow(program: Program, begin: np.ndarray, eta: np.ndarray, orders: np.ndarray, count: int) -> np.ndarray:
    """Ends of all flows after time η, by ``count`` steps of the classical Runge–Kutta method; arrays are (d, flows)."""
    weights = _kept_powers(eta, orders)

    def field(point: np.ndarray) -> np.ndarray:
        rows = _field_rows(program, point, len(weights))
        # Terms that a flow does not keep may be infinite: they are left out, not multiplied by 0.
        kept = np.where(weights[:, np.newaxis] > 0, weights[:, np.newaxis] * rows, 0.0)
        return -np.sum(kept, axis=0)

    point, step = begin, eta / count
    for _ in range(count):
        first = field(point)
        second = field(point + step / 2 * first)
        third = field(point + step / 2 * second)
        fourth = field(point + step * third)
        point = point + step / 6 * (first + 2 * second + 2 * third + fourth)
    return point


def _kept_powers(eta: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """``η^k`` where k is at most the flow's order, 0 else: (highest order + 1, flows)."""
    k = np.arange(int(orders.max()) + 1)[:, np.newaxis]
    return np.where(k <= orders, eta**k, 0.0)


def _lost_in_float(program: Program, point: np.ndarray, terms: int) -> np.ndarray:
    """‖error‖₂ of g, ξ_0, … in numpy's longest floats, (terms,)."""
    ring = decimal_ring(DIGITS)
    exact = _counterterms(program, [ring.number(Fraction(float(x))) for x in point], terms, ring)
    found = _field_rows(program, point[:, np.newaxis], terms)[:, :, 0]
    return np.linalg.norm(found - _longest(exact), axis=1)


def _counterterms(program: Program, point: Sequence[Any], terms: int, ring: Ring) -> list[list[Any]]:
    """g, ξ_0, … of gradient descent."""
    return program_counterterms(get("gradient-descent").rule(), [program], point, [], terms, ring)


def _longest(rows: Sequence[Sequence[Any]]) -> np.ndarray:
    """Numbers of many digits as numpy's longest floats: two float64, the second what the first leaves."""
    high = np.array(rows, dtype=np.float64)
    low = np.array([[x - float(x) for x in row] for row in rows], dtype=np.float64)
    return high.astype(np.longdouble) + low


@cache
def _longest_floats() -> Ring:
    return array_ring(np.longdouble)


def _field_rows(program: Program, point: np.ndarray, terms: int) -> np.ndarray:
    """g, ξ_0, … at many points, (terms, d, points)."""
    rows = _counterterms(program, list(point), terms, _longest_floats())
    return np.array([[np.broadcast_to(value, point.shape[1:]) for value in row] for row in rows])


def _sizes(program: Program, point: Sequence[Fraction], order: int, ring: Ring) -> tuple[float, ...]:
    """‖g‖, ‖ξ_0‖, …, ‖ξ_order‖."""
    rows = _counterterms(program, _numbers(point, ring), order + 2, ring)
    return tuple(map(_norm, rows))


def _flow_sizes(program: Program, point: Sequence[Fraction], order: int, ring: Ring) -> list[float]:
    """Norms of the Taylor coefficients of gradient flow, ``(k+1) θ_{k+1} = −[t^k] g(θ(t))``, θ itself left out."""
    curve = [_numbers(point, ring)]
    for k in range(order + 1):
        slope = gradient_series(program, curve, [], ring)[k]
        curve.append([ring.number(Fraction(-1, k + 1)) * value for value in slope])
    return [_norm(row) for row in curve[1:]]


def _time_radius(sizes: Sequence[float]) -> float:
    """From the slope of their logarithms over the upper half; infinite where the series ends."""
    upper = np.arange(len(sizes) // 2, len(sizes))
    values = np.array(sizes)[upper]
    if np.count_nonzero(values) < 2:
        return math.inf
    kept = values > 0
    return math.exp(-np.polyfit(upper[kept], np.log(values[kept]), 1)[0])


def _curvature(program: Program, point: Sequence[Fraction], ring: Ring) -> float:
    """The eigenvalue of largest modulus of the symmetric part of g', from its exact columns."""
    directions = [[ring.number(Fraction(int(i == j))) for j in range(len(point))] for i in range(len(point))]
    start = _numbers(point, ring)
    columns = np.array([gradient_series(program, [start, direction], [], ring)[1] for direction in directions], float)
    eigenvalues = np.linalg.eigvalsh((columns + columns.T) / 2)
    return float(eigenvalues[np.argmax(np.abs(eigenvalues))])


def _norm(row: Sequence[Any]) -> float:
    return float(sum(value * value for value in row) ** 0.5)


def _numbers(point: Sequence[Fraction], ring: Ring) -> list[Any]:
    return [ring.number(value) for value in point]


def _largest_change(sizes: Sequence[float], others: Sequence[float]) -> float:
    return max(abs(a - b) / max(abs(a), abs(b)) if a != b else 0.0 for a, b in zip(sizes, others, strict=True))


def _exact(theta: Sequence[float], size: int) -> list[Fraction]:
    point = [float(value) for value in theta]
    if len(point) != size or not all(map(math.isfinite, point)):
        raise InputError(f"theta of length {len(point)}: give {size} finite numbers")
    return list(map(Fraction, point))


def asymptotics_figure(study: AsymptoticStudy) -> Figure:
    """How the series goes on: ratios of successive terms beside two laws, and terms and errors of single steps.

    On the right, if steps were measured, one colour a step size: lines are ``η^{N+2} ‖ξ_N‖``, with a ring at the
    smallest, markers the measured error of order N after one step, left out where it is known to half of it or less.
    """
    if not study.steps:
        figure, (ratios,) = panels(4.8, 3.9)
        _draw_ratios(ratios, study)
        return figure
    figure, (ratios, steps) = panels(9.0, 3.9, 2)
    _draw_ratios(ratios, study)
    _draw_steps(steps, study)
    return figure


def _draw_ratios(axes: Axes, study: AsymptoticStudy) -> None:
    """Ratios of successive terms, measured and by the two laws."""
    scale, orders = abs(study.curvature), range(len(study.sizes) - 1)
    axes.semilogy(orders, study.ratios / scale, "o", color=COLOURS[0], markersize=4.5, label="measured")
    axes.semilogy(orders, study.curvature_ratios / scale, "--", color=GREY, label=r"$(N+2)/(N+3)$")
    if math.isfinite(study.time_radius):
        label = r"$(N+2)/(2\pi T|\lambda|)$"
        axes.semilogy(orders, study.singularity_ratios / scale, ":", color=COLOURS[1], linewidth=1.8, label=label)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(r"$\|\xi_{N+1}\|\,/\,(|\lambda|\,\|\xi_N\|)$")
    _order_axis(axes)


def _draw_steps(axes: Axes, study: AsymptoticStudy) -> None:
    """Terms and errors of single steps, one colour a step size."""
    for index, record in enumerate(study.steps):
        colour, marker = line_style(index)
        terms, best = study.terms(record.eta), study.optimal_order(record.eta)
        axes.semilogy(range(len(terms)), terms, "-", color=colour, linewidth=1.1)
        axes.plot(best, terms[best], "o", color=colour, markersize=12, fillstyle="none")
        found = zip(record.orders, record.errors, record.uncertainties, strict=True)
        shown = [(order, error) for order, error, doubt in found if error > 2 * doubt]
        label = rf"$\eta|\lambda|={record.eta * abs(study.curvature):.2g}$"
        axes.plot(
            [order for order, _ in shown],
            [error for _, error in shown],
            marker,
            color=colour,
            markersize=5.5,
            label=label,
        )
    axes.set_ylabel(r"one step: $\eta^{N+2}\|\xi_N\|$ (lines), error (markers)")
    _order_axis(axes)


def _order_axis(axes: Axes) -> None:
    """Orders are whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("order $N$")
    axes.legend(frameon=False)
