"""Quasi-polynomials in the step number n: what iterates are from their start on, before the memory has faded.

Finite sums of ``n^i ρ^n``, ρ a product of shares that memories keep of themselves.  The ratio 1 is the polynomial part,
which stays; all others fade.  A share of 0 forgets in one step and leaves values at single steps: there the term is
``C(n, i) 0^{n−i}``, 1 at n = i and 0 elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import chain

from eomsym.exact_numbers import Arithmetic, Coefficient, collected, divide, exact
from eomsym.step_index.weights import undone

#: ``(i, ρ)``: the term ``n^i ρ^n``, or for ρ = 0 the step i alone.
Key = tuple[int, Coefficient]


class QuasiPolynomial(Arithmetic):
    """``Σ terms[i, ρ] n^i ρ^n``, exact; immutable, zeros left out."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Key, Coefficient]) -> None:
        self.terms = {key: value for key, value in terms.items() if value != 0}

    @classmethod
    def constant(cls, value: Coefficient) -> QuasiPolynomial:
        """The same at every step."""
        return cls({(0, 1): value})

    def __add__(self, other: QuasiPolynomial | Coefficient) -> QuasiPolynomial:
        return QuasiPolynomial(collected([*self.terms.items(), *_terms(other).items()]))

    def __mul__(self, other: QuasiPolynomial | Coefficient) -> QuasiPolynomial:
        if not isinstance(other, QuasiPolynomial):
            return QuasiPolynomial({key: value * other for key, value in self.terms.items()})
        products = (
            (found[0], a * b if found[1] == 1 else a * b * found[1])
            for left, a in self.terms.items()
            for right, b in other.terms.items()
            if (found := _product(left, right)) is not None
        )
        return QuasiPolynomial(collected(products))

    def __eq__(self, other: object) -> bool:
        return self.terms == _terms(other)

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __repr__(self) -> str:
        return f"QuasiPolynomial({self.terms})"

    def at(self, step: int) -> Coefficient:
        """The value at a step, an integer of at least 0."""
        return sum((value * _value(key, step) for key, value in self.terms.items()), 0)

    @property
    def lasting(self) -> Coefficient:
        """The polynomial part at n = 0."""
        return self.terms.get((0, 1), 0)

    def solved(self, share: Coefficient, start: Coefficient = 0) -> QuasiPolynomial:
        """The x with ``x_{n+1} − share · x_n`` equal to this at every step and ``x_0 = start``.

        A back substitution for each ratio, with one more power of n where the ratio is the share.
        """
        share = exact(share)
        parts = (_particular(ratio, values, share) for ratio, values in self._by_ratio().items())
        found = QuasiPolynomial(collected(chain.from_iterable(parts)))
        return found + QuasiPolynomial({(0, share): start - found.at(0)})

    def _by_ratio(self) -> dict[Coefficient, list[Coefficient]]:
        """Coefficients of each ratio, lowest power first."""
        found: dict[Coefficient, list[Coefficient]] = {}
        for power, ratio in sorted(self.terms, key=lambda key: key[0]):
            values = found.setdefault(ratio, [])
            values += [0] * (power - len(values)) + [self.terms[power, ratio]]
        return found


def _terms(value: object) -> Mapping[Key, Coefficient]:
    if isinstance(value, QuasiPolynomial):
        return value.terms
    return {(0, 1): value} if value != 0 else {}


@cache
def _product(left: Key, right: Key) -> tuple[Key, Coefficient] | None:
    """The term and the factor of a product of two terms; None where it vanishes."""
    if left[1] == 0 or right[1] == 0:
        (step, _), other = (left, right) if left[1] == 0 else (right, left)
        value = _value(other, step)
        return None if value == 0 else ((step, 0), value)
    return (left[0] + right[0], exact(left[1] * right[1])), 1


@cache
def _value(key: Key, step: int) -> Coefficient:
    power, ratio = key
    return int(power == step) if ratio == 0 else step**power * ratio**step


def _particular(ratio: Coefficient, values: list[Coefficient], share: Coefficient) -> Iterable[tuple[Key, Coefficient]]:
    """Terms of one solution for a right-hand side of one ratio."""
    if ratio == 0:
        return _of_single_steps(values, share)
    return [((power, ratio), value) for power, value in enumerate(undone(values, share, ratio))]


def _of_single_steps(values: list[Coefficient], share: Coefficient) -> Iterable[tuple[Key, Coefficient]]:
    """What a step i alone adds: ``share^{n−1−i}`` at every n > i."""
    for step, value in enumerate(values):
        if share == 0:
            yield (step + 1, 0), value
            continue
        yield (0, share), divide(value, share ** (step + 1))
        for earlier in range(step + 1):
            yield (earlier, 0), -divide(value, share ** (step + 1 - earlier))
