"""The modified generator of gradient descent on random batches: the logarithm of its averaged step, exactly.

Batches are drawn independently of one another.  ``E φ(θ − η g_b) = Σ_n ηⁿ M_n φ/n!`` with the moments of ``−g_b`` in
``M_n``; then ``η𝓛 = log(1 + Σ ηⁿ M_n/n!)``, so that ``E φ(θ_k) = exp(kη𝓛) φ`` as a series in η (theory §13).  The
moments are written by cumulants: only terms whose factors hang together survive the logarithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import permutations, product
from math import factorial

from eomsym.checks import check_integer
from eomsym.derivation.equation import GENERATOR, Equation
from eomsym.exact_numbers import collected
from eomsym.notation.operators import Product, derivatives

#: L_0 … L_4 have 1, 2, 6, 20 and 81 terms; nobody reads the next.
MAX_GENERATOR_ORDER = 4

Operator = dict[Product, Fraction]


def modified_generator(order: int = 2) -> Equation:
    """``L_0 … L_order`` for gradient descent on batches that are drawn independently, at most order 4.

    >>> print(modified_generator(1).text().splitlines()[3])
    L_1 = −1/2 g^i (∂_i g^j) ∂_j + 1/2 Σ^ij ∂_i∂_j
    """
    check_integer("order", order, 0, MAX_GENERATOR_ORDER, lambda _: f"it is derived to order {MAX_GENERATOR_ORDER}")
    return Equation(GENERATOR, "gradient-descent", {}, order, [[_level(level + 1)] for level in range(order + 1)])


def _level(power: int) -> Operator:
    """The coefficient of η^power in log(1 + Σ ηⁿ M_n/n!)."""
    total = collected(
        (term, value * Fraction((-1) ** (len(parts) + 1), len(parts)))
        for parts in _compositions(power)
        for term, value in _composed(parts).items()
    )
    ordered = sorted(total, key=lambda term: (derivatives(term), -len(term), term))
    return {term: total[term] for term in ordered if total[term]}


def _compositions(total: int) -> Iterator[tuple[int, ...]]:
    if total == 0:
        yield ()
    for first in range(1, total + 1):
        yield from ((first, *rest) for rest in _compositions(total - first))


@cache
def _composed(parts: tuple[int, ...]) -> Operator:
    """``M_{n_1} M_{n_2} … / (n_1! n_2! …)``."""
    if len(parts) == 1:
        return _moment(parts[0])
    pairs = product(_moment(parts[0]).items(), _composed(parts[1:]).items())
    return collected((term, a * b) for (left, a), (right, b) in pairs for term in _applied(left, right))


@cache
def _moment(n: int) -> Operator:
    """``M_n/n!``: partitions of n factors ``−g_b`` into cumulants, none of which differentiates another."""
    found: Operator = {}
    for sizes in {tuple(sorted(parts)) for parts in _compositions(n)}:
        weight = Fraction((-1) ** n)
        for size in sizes:
            weight /= factorial(size)
        for size in set(sizes):
            weight /= factorial(sizes.count(size))
        found[tuple((len(sizes),) * size for size in sizes)] = weight
    return found


def _applied(left: Product, right: Product) -> Iterator[Product]:
    """The first operator on what the second makes of φ: each of its derivatives acts on one factor, or on φ."""
    before, count = len(left), len(left) + len(right)
    after = tuple(tuple(target + before for target in factor) for factor in right)
    for chosen in product(range(before, count + 1), repeat=derivatives(left)):
        rest = iter(chosen)
        front = tuple(tuple(next(rest) if target == before else target for target in factor) for factor in left)
        yield _canonical(front + after)


@cache
def _canonical(term: Product) -> Product:
    """The same product with its factors in an order of its own; indices of a cumulant are symmetric."""
    count = len(term)
    found = []
    for order in permutations(range(count)):
        place = {old: new for new, old in enumerate(order)} | {count: count}
        moved = tuple(tuple(sorted(place[target] for target in term[old])) for old in order)
        if all(target > number for number, factor in enumerate(moved) for target in factor):
            found.append(moved)
    return min(found)
