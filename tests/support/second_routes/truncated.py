"""Truncated power series in η over any coefficient ring: float, Fraction, mpmath, SymPy expressions.

This is the reference that generated kernels are checked against; it is written for clarity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from eomsym.errors import InputError
from eomsym.series.elementary import ARGUMENT, ELEMENTARY, Combination, Integral, Reciprocal, Relation


def _quotient(numerator: Any, denominator: int) -> Any:
    """``numerator / denominator`` that stays exact for Python integers."""
    from fractions import Fraction

    return Fraction(numerator, denominator) if isinstance(numerator, int) else numerator / denominator


@dataclass(frozen=True)
class TruncatedSeries:
    """``Σ_k coefficients[k] η^k`` modulo ``η^len(coefficients)``; operands of one operation have the same length."""

    coefficients: tuple[Any, ...]

    @classmethod
    def constant(cls, value: Any, terms: int) -> TruncatedSeries:
        """A ring element as a series of ``terms`` coefficients."""
        return cls((value,) + (value * 0,) * (terms - 1))

    def _coerce(self, other: Any) -> TruncatedSeries:
        if not isinstance(other, TruncatedSeries):
            return TruncatedSeries.constant(other, len(self.coefficients))
        if len(other.coefficients) != len(self.coefficients):
            raise InputError(f"series of {len(self.coefficients)} and {len(other.coefficients)} terms do not combine")
        return other

    def __add__(self, other: Any) -> TruncatedSeries:
        pairs = zip(self.coefficients, self._coerce(other).coefficients, strict=True)
        return TruncatedSeries(tuple(a + b for a, b in pairs))

    __radd__ = __add__

    def __neg__(self) -> TruncatedSeries:
        return TruncatedSeries(tuple(-a for a in self.coefficients))

    def __sub__(self, other: Any) -> TruncatedSeries:
        return self + (-self._coerce(other))

    def __rsub__(self, other: Any) -> TruncatedSeries:
        return -self + other

    def __mul__(self, other: Any) -> TruncatedSeries:
        if not isinstance(other, TruncatedSeries):
            return TruncatedSeries(tuple(a * other for a in self.coefficients))
        a, b = self.coefficients, self._coerce(other).coefficients
        return TruncatedSeries(
            tuple(sum((a[i] * b[k - i] for i in range(1, k + 1)), a[0] * b[k]) for k in range(len(a)))
        )

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> TruncatedSeries:
        a, b = self.coefficients, self._coerce(other).coefficients
        quotient: list[Any] = []
        for k in range(len(a)):
            rest = a[k] - sum((b[i] * quotient[k - i] for i in range(1, k + 1)), a[k] * 0)
            quotient.append(_quotient(rest, b[0]) if isinstance(b[0], int) else rest / b[0])
        return TruncatedSeries(tuple(quotient))

    def __rtruediv__(self, other: Any) -> TruncatedSeries:
        return self._coerce(other) / self

    def __pow__(self, exponent: int) -> TruncatedSeries:
        if not isinstance(exponent, int) or exponent < 0:
            raise InputError(f"power {exponent!r} of a series: give a non-negative integer")
        result = TruncatedSeries.constant(self.coefficients[0] * 0 + 1, len(self.coefficients))
        base = self
        while exponent:
            result = result * base if exponent & 1 else result
            base, exponent = base * base, exponent >> 1
        return result

    def shifted(self) -> TruncatedSeries:
        """The series times η, its last coefficient dropped."""
        return TruncatedSeries((self.coefficients[0] * 0, *self.coefficients[:-1]))


def elementary(
    name: str, argument: TruncatedSeries, seeds: Mapping[str, Callable[[Any], Any]]
) -> tuple[TruncatedSeries, TruncatedSeries]:
    """An elementary function and its derivative at a series.

    ``seeds`` maps the seed names of ``elementary.py`` (``tanh``, ``sigmoid``, …) to functions of one ring element.
    """
    function = ELEMENTARY[name]
    z = argument.coefficients
    known: dict[str, list[Any]] = {ARGUMENT: list(z)} | {member: [] for member in function.members}
    for k in range(len(z)):
        for relation in function.relations:
            known[relation.target].append(_coefficient(relation, known, k, seeds))
    return TruncatedSeries(tuple(known[function.value])), TruncatedSeries(tuple(known[function.derivative]))


def _coefficient(
    relation: Relation, known: Mapping[str, list[Any]], k: int, seeds: Mapping[str, Callable[[Any], Any]]
) -> Any:
    """Coefficient k of a relation's target, those of all members below k and of what it uses at k being known."""
    if isinstance(relation, Integral):
        z, factor = known[ARGUMENT], known[relation.factor]
        if k == 0:
            return seeds[relation.seed](z[0])
        total = sum((i * z[i] * factor[k - i] for i in range(2, k + 1)), z[1] * factor[k - 1])
        return _quotient(relation.sign * total, k)
    if isinstance(relation, Reciprocal):
        of, target = known[relation.of], known[relation.target]
        if k == 0:
            return seeds["reciprocal"](of[0])
        return -target[0] * sum((of[i] * target[k - i] for i in range(2, k + 1)), of[1] * target[k - 1])
    return _combination(relation, known, k)


def _combination(relation: Combination, known: Mapping[str, list[Any]], k: int) -> Any:
    total = relation.constant if k == 0 else 0
    total += sum(known[member][k] for member in relation.linear)
    for product in relation.products:
        left, right = known[product.left], known[product.right]
        total += product.sign * sum(left[i] * right[k - i] for i in range(k + 1))
    return _quotient(relation.weight.numerator * total, relation.weight.denominator) if relation.weight != 1 else total


def modified_field(
    field: Callable[[list[TruncatedSeries]], Iterable[TruncatedSeries]], point: Iterable[Any], terms: int
) -> list[list[Any]]:
    """``[f̃_0, …, f̃_{terms−1}]`` of explicit Euler ``y ↦ y + η f(y)`` at a point, by series arithmetic.

    The iterates ``y_j`` are series in η, and ``η f̃ = Σ_{n≥1} (−1)^{n+1}/n Δ^n y_0`` is the logarithm of the map.
    ``field`` maps a list of series to the list of their derivatives; ``point`` holds ring elements.
    For gradient descent f = −g, and ``ξ_k = −f̃_{k+1}``.
    """
    iterates = [[TruncatedSeries.constant(value, terms + 1) for value in point]]
    for _ in range(terms):
        y = iterates[-1]
        iterates.append([a + b.shifted() for a, b in zip(y, field(y), strict=True)])
    differences, result = iterates, [[value.coefficients[0] * 0] * (terms + 1) for value in iterates[0]]
    for n in range(1, terms + 1):
        differences = [
            [after - before for before, after in zip(row, following, strict=True)]
            for row, following in pairwise(differences)
        ]
        for total, difference in zip(result, differences[0], strict=True):
            for k in range(n, terms + 1):
                total[k] = total[k] + _quotient((-1) ** (n + 1) * difference.coefficients[k], n)
    return [[total[k + 1] for total in result] for k in range(terms)]
