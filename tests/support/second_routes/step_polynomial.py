"""The step-index polynomial on trees (theory: one principle for every optimiser).

The iterates are looked for as ``θ(s) = Σ_τ η^|τ| P_τ(s)/σ(τ) F(τ)`` with a polynomial ``P_τ`` in the step index ``s``.
With the shift ``E θ(s) = θ(s+1)`` an optimiser ``ρ(E) θ = η Σ_j w_j f(σ_j(E) θ)`` says for every tree

    ρ(E) P_τ = Σ_j w_j ∏_i σ_j(E) P_{τ_i},        P_τ(0) = 0,

and the modified vector field is ``dθ/ds`` at ``s = 0``: ``b(τ) = [s¹] P_τ``.

A polynomial is held as its forward differences ``(P(0), ΔP(0), Δ²P(0), …)``.  On that list ``Δ`` is a shift, so every
operator in sight is a power series in ``Δ = E − 1`` that acts by sliding over the list: ``E⁻¹ = 1 − Δ + Δ² − …``,
``ρ(E)⁻¹`` is a division of power series, and ``[s¹] = log(1 + Δ)`` at 0.  Products are taken on values.
Numbers are integers as long as the data are integers (gradient descent: all the way to the last division).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, pairwise
from math import comb
from operator import mul

from eomsym.exact_numbers import Coefficient, divide
from eomsym.trees import Tree, rooted_trees


@dataclass(frozen=True)
class Evaluation:
    """One term ``weight · f(σ(E) θ)`` of an update rule; ``shifts`` maps the power of E to its coefficient in σ."""

    weight: Coefficient
    shifts: Mapping[int, Coefficient]


@dataclass(frozen=True)
class DifferenceForm:
    """An update rule ``ρ(E) θ = η Σ_j w_j f(σ_j(E) θ)`` with ``f = −g``; ``rho`` maps a power of E to its coefficient.

    Consistency needs ``ρ(1) = 0``, ``ρ'(1) ≠ 0`` and ``σ_j(1) = 1``; ``ValueError`` otherwise.
    """

    rho: Mapping[int, Coefficient]
    evaluations: tuple[Evaluation, ...]

    def __post_init__(self) -> None:
        if sum(self.rho.values()) != 0:
            raise ValueError(f"difference form: rho(1) = {sum(self.rho.values())}, but a fixed point needs rho(1) = 0")
        if sum(power * value for power, value in self.rho.items()) == 0:
            raise ValueError("difference form: rho'(1) = 0, but 1 must be a simple root of rho")
        for evaluation in self.evaluations:
            total = sum(evaluation.shifts.values())
            if total != 1:
                raise ValueError(f"difference form: sigma(1) = {total}, but f is evaluated at a mean, so sigma(1) = 1")


GRADIENT = (Evaluation(1, {0: 1}),)
#: Optimisers whose rule is a difference equation for θ alone, by name: their second description.
FORMS = {
    "gradient-descent": lambda: DifferenceForm({1: 1, 0: -1}, GRADIENT),
    "simultaneous-players": lambda: DifferenceForm({1: 1, 0: -1}, GRADIENT),
    "implicit-euler": lambda: DifferenceForm({1: 1, 0: -1}, (Evaluation(1, {1: 1}),)),
    "optimistic": lambda: DifferenceForm({1: 1, 0: -1}, (Evaluation(2, {0: 1}), Evaluation(-1, {-1: 1}))),
    "heavy-ball": lambda beta: DifferenceForm({1: 1, 0: -1 - beta, -1: beta}, GRADIENT),
    "nesterov": lambda beta: DifferenceForm({1: 1, 0: -1 - beta, -1: beta}, (Evaluation(1, {0: 1 + beta, -1: -beta}),)),
}


def shift_operator(shifts: Mapping[int, Coefficient], terms: int) -> list[Coefficient]:
    """``Σ_p shifts[p] E^p`` as the first ``terms`` coefficients of a power series in ``Δ``, by the binomial series."""

    def binomial(power: int, k: int) -> int:
        return comb(power, k) if power >= 0 else (-1) ** k * comb(k - power - 1, k)

    return [sum(value * binomial(power, k) for power, value in shifts.items()) for k in range(terms)]


def reciprocal(series: Sequence[Coefficient]) -> list[Coefficient]:
    """The power series ``1/series``, as many coefficients as given; ``series[0]`` must be invertible."""
    inverse = [divide(1, series[0])]
    for k in range(1, len(series)):
        convolution = sum(series[i] * inverse[k - i] for i in range(1, k + 1))
        inverse.append(divide(-convolution, series[0]))
    return inverse


def apply_operator(operator: Sequence[Coefficient], differences: Sequence[Coefficient]) -> list[Coefficient]:
    """An operator, given as a power series in ``Δ``, applied to a polynomial given by its differences at 0."""
    nonzero = [(k, value) for k, value in enumerate(operator) if value != 0]
    if nonzero == [(0, 1)]:
        return list(differences)
    degree_bound = len(differences)
    return [
        sum(value * differences[i + k] for k, value in nonzero if i + k < degree_bound) for i in range(degree_bound)
    ]


def values(differences: Sequence[Coefficient], count: int) -> list[Coefficient]:
    """The polynomial's values at 0, 1, …, count − 1."""
    row = [differences[-1]] * count
    for difference in reversed(differences[:-1]):
        row = list(accumulate(row[: count - 1], initial=difference))
    return row


def forward_differences(samples: Sequence[Coefficient]) -> list[Coefficient]:
    """``(P(0), ΔP(0), …)`` from the values at 0, 1, …; the inverse of ``values``."""
    differences, row = [], list(samples)
    while row:
        differences.append(row[0])
        row = [after - before for before, after in pairwise(row)]
    return differences


def linear_coefficient(differences: Sequence[Coefficient]) -> Coefficient:
    """``[s¹] P = Σ_{k≥1} (−1)^{k+1}/k Δ^k P(0)``: the logarithm of the shift."""
    return sum(divide((-1) ** (k + 1) * value, k) for k, value in enumerate(differences) if k > 0)


def step_polynomials(form: DifferenceForm, max_order: int) -> dict[Tree, list[Coefficient]]:
    """``P_τ`` of every rooted tree with up to ``max_order`` nodes, each as its ``|τ| + 1`` differences at 0."""
    # ρ(E) = Δ r(Δ) because ρ(1) = 0; so P = Δ⁻¹ r(Δ)⁻¹ Q, and Δ⁻¹ is a shift of the list that leaves P(0) = 0 free.
    inverse_rho = reciprocal(shift_operator(form.rho, max_order + 1)[1:])
    shifts = [shift_operator(evaluation.shifts, max_order + 1) for evaluation in form.evaluations]
    polynomials: dict[Tree, list[Coefficient]] = {}
    # The values of σ_j(E) P_child are needed once for every tree that the child hangs from: kept, not recomputed.
    shifted_values: list[dict[Tree, list[Coefficient]]] = [{} for _ in form.evaluations]
    for order in range(1, max_order + 1):
        for tree in rooted_trees(order):
            right_side = [0] * order
            for evaluation, known in zip(form.evaluations, shifted_values, strict=True):
                children = [known[child][:order] for child in tree.children]
                product = reduce(lambda a, b: list(map(mul, a, b)), children, [1] * order)
                right_side = [total + evaluation.weight * term for total, term in zip(right_side, product, strict=True)]
            polynomial = [0, *apply_operator(inverse_rho, forward_differences(right_side))]
            polynomials[tree] = polynomial
            if order < max_order:
                for operator, known in zip(shifts, shifted_values, strict=True):
                    known[tree] = values(apply_operator(operator, polynomial), max_order)
    return polynomials


def modified_coefficients(form: DifferenceForm, max_order: int) -> dict[Tree, Coefficient]:
    """``b(τ)`` of the modified vector field ``f̃ = Σ_τ η^{|τ|−1} b(τ)/σ(τ) F_f(τ)``, for up to ``max_order`` nodes."""
    return {tree: linear_coefficient(polynomial) for tree, polynomial in step_polynomials(form, max_order).items()}
