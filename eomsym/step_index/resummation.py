"""Resummation: what a series says beyond its last term, by reduced rank extrapolation of its partial sums.

Along an eigenvector of curvature λ the terms of descent go like (ηλ)^k/(k + 1), and those of many eigenvectors, as
vectors, like a sequence whose limit a combination of the last of them has found (Mešina 1977; Sidi, Vector
Extrapolation Methods, 2017, ch. 2).  Beyond the radius of the series nothing is known of this, and neither where terms
are missing, as those of Runge–Kutta methods are, or turn with a pair of complex numbers: ``check_summable``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from eomsym.errors import InputError, ResummationWarning, warn_outside
from eomsym.optimizers.rule import UpdateRule
from eomsym.step_index.solver import solve
from eomsym.step_index.tables import integer_nodes

#: A difference of terms that its fellows make but for this part of it says nothing of its own, and is left out.
RANK_CUTOFF = 1e-6
#: Up to this growth of the terms their sum is accelerated, from the second on it is plain; between, a mean of both.
FULL, NONE = 0.92, 1.08
#: So many terms of a rule on a quadratic are looked at; where their signs turn, the first few show it.
LOOKED_AT = 13

Term = Sequence[Any]


@dataclass(frozen=True)
class Resummed:
    """``value``, a list of arrays like a term; ``error``, ‖·‖₂, an estimate; ``growth``, of descent about ηλ_max.

    Of no error is known where a series has one term.
    """

    value: list[Any]
    error: Any
    growth: Any


def resummed(terms: Sequence[Term]) -> Resummed:
    """The sum of a series from its terms u_0 … u_N, each a list of arrays of any library, powers of η in them.

    With q = ⌊N/2⌋ and S_k = u_0 + … + u_k it is ``S_{N−q} + Σ_{j<q} c_j u_{N−q+j+1}``, where the c_j make
    ``‖u_{N−q} + Σ_j c_j (u_{N−q+j+1} − u_{N−q+j})‖`` least; the plain sum S_N for N < 2, and where the terms grow:
    ``growth`` is ``‖u_N‖/‖u_{N−1}‖ (N + 1)/N``.  No branch depends on a value, so that it can be traced.
    ``error`` is the distance to the sum of one term less by the same rule, times the growth.
    """
    order = len(terms) - 1
    plain = _sum(terms, [1.0] * len(terms))
    if order < 1:
        return Resummed(plain, 0 * _norm(plain), 0 * _norm(plain))
    growth = _growth(terms)
    value = _blend(plain, _extrapolated(terms), growth) if order >= 2 else plain
    before = _extrapolated(terms[:-1]) if order >= 3 else _sum(terms[:-1], [1.0] * order)
    return Resummed(value, _norm(_sum([value, before], [1.0, -1.0])) * growth, growth)


def resummed_rows(rows: Sequence[Term], eta: Any) -> Resummed:
    """``−Σ_k η^k rows[k]``, resummed: of the rows that counter terms are, each a list of arrays."""
    terms, power = [], -1.0 + 0 * eta
    for row in rows:
        terms.append([(power * part) for part in row])
        power = power * eta
    return resummed(terms)


def check_summable(rule: UpdateRule, name: str) -> None:
    """Raises ``InputError`` unless the terms of a rule are a series whose sum can be accelerated.

    On a quadratic, where they are exact numbers times the same vector, none may vanish, and their signs have to be all
    alike or alternate: the singularity that is next is then a real one.  Else whole orders would be lost, as with
    Runge–Kutta 4, or digits, as with extragradient.
    """
    if not rule.linear or rule.images:
        raise InputError(
            f"resum: {name} has products, quotients or roots, groups or maps, whose terms have no sum that is known "
            "to be nearer; leave resum out"
        )
    terms = _on_a_quadratic(rule)
    if 0 in terms:
        raise InputError(
            f"resum: the term with eta^{terms.index(0)} of {name} vanishes on every quadratic, and the sum would lose "
            "orders; leave resum out"
        )
    if len({value > 0 for value in terms}) > 1 and len({(value > 0) == k % 2 for k, value in enumerate(terms)}) > 1:
        raise InputError(
            f"resum: the signs of the terms of {name} on a quadratic follow no rule, and their sum would be no nearer; "
            "leave resum out"
        )


@lru_cache(maxsize=64)
def _on_a_quadratic(rule: UpdateRule) -> tuple[Fraction, ...]:
    """The first numbers ``f̃_k`` on ``½ θ²`` at 1, exactly."""
    from eomsym.step_index.numbers import NumberAlgebra  # with it comes NumPy, which a derivation does without

    one: Any = [Fraction(1)]
    algebra = NumberAlgebra(integer_nodes(rule, LOOKED_AT), lambda field, series: series, [one], Fraction)
    return tuple(values[0][0] for values in solve(rule, algebra, LOOKED_AT))


def tell_growth(growth: float) -> bool:
    """Warns where the terms grow so that their sum is plain, and says whether it did."""
    if growth >= NONE:
        warn_outside(
            f"resummation: the terms grow by {growth:.3g}, which for gradient descent estimates eta times the largest "
            f"curvature; from {NONE:g} on the plain sum is returned. Beyond 1 take the even-step equation, stride=2",
            ResummationWarning,
        )
    return growth >= NONE


def _growth(terms: Sequence[Term]) -> Any:
    order = len(terms) - 1
    last, before = _norm(terms[-1]), _norm(terms[-2])
    return (order + 1) / order * last / (before + (before == 0))


def _extrapolated(terms: Sequence[Term]) -> list[Any]:
    order = len(terms) - 1
    columns = order // 2
    first = order - columns
    differences = [_sum(terms[k : k + 2], [-1.0, 1.0]) for k in range(first, order)]
    solution = _least_squares(differences, terms[first])
    return _sum(terms, [1.0] * (first + 1) + solution)


def _least_squares(columns: Sequence[list[Any]], right: Term) -> list[Any]:
    """c with ``‖right + Σ_j c_j columns[j]‖`` least, by Gram and Schmidt as modified, the right side one more column.

    Normal equations would square a condition that is bad already.
    """
    kept: list[tuple[list[Any], list[Any]]] = []  # an orthonormal basis, and its coefficients in the columns
    count = len(columns)
    for number, column in enumerate(columns):
        size = _norm(column)
        rest, made = _scaled(column, 1.0), [0.0] * number + [1.0] + [0.0] * (count - number - 1)
        for basis, of_columns in kept:
            share = _dot(basis, rest)
            rest = _sum([rest, basis], [1.0, -share])
            made = [a - share * b for a, b in zip(made, of_columns, strict=True)]
        length = _norm(rest)
        independent = length > RANK_CUTOFF * size
        scale = independent / (length + (length == 0))
        kept.append((_scaled(rest, scale), [scale * a for a in made]))
    solution: list[Any] = [0.0] * count
    rest = list(right)
    for basis, of_columns in kept:
        share = _dot(basis, rest)
        rest = _sum([rest, basis], [1.0, -share])
        solution = [a - share * b for a, b in zip(solution, of_columns, strict=True)]
    return solution


def _blend(plain: list[Any], other: list[Any], growth: Any) -> list[Any]:
    """From the accelerated sum to the plain one as the growth rises, smoothly, for integrators."""
    place = (NONE - growth) / (NONE - FULL)
    place = place * (place > 0) * (place < 1) + (place >= 1)
    share = place**3 * (10 - 15 * place + 6 * place**2)
    return [a + share * (b - a) for a, b in zip(plain, other, strict=True)]


def _sum(terms: Sequence[Term], coefficients: Sequence[Any]) -> list[Any]:
    total = _scaled(terms[0], coefficients[0])
    for term, coefficient in zip(terms[1:], coefficients[1:], strict=True):
        total = [a + coefficient * b for a, b in zip(total, term, strict=True)]
    return total


def _scaled(term: Term, factor: Any) -> list[Any]:
    return [factor * part for part in term]


def _dot(left: Term, right: Term) -> Any:
    return sum((a * b).sum() for a, b in zip(left, right, strict=True))


def _norm(term: Term) -> Any:
    return _dot(term, term) ** 0.5
