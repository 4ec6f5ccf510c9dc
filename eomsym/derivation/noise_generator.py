"""The modified generator of gradient descent on random batches: the logarithm of its averaged step, exactly.

Batches are drawn independently of one another.  ``E φ(θ − η g_b) = Σ_n ηⁿ M_n φ/n!`` with the moments of ``−g_b`` in
``M_n``; then ``η𝓛 = log(1 + Σ ηⁿ M_n/n!)``, so that ``E φ(θ_k) = exp(kη𝓛) φ`` as a series in η (theory §13).  The
moments are written by cumulants: only terms whose factors hang together survive the logarithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import permutations, product
from math import factorial
from string import ascii_lowercase
from typing import Any

from eomsym.checks import check_integer
from eomsym.derivation.formula import Formula
from eomsym.exact_numbers import collected
from eomsym.notation.latex import series_latex
from eomsym.notation.sums import LATEX, TEXT, signed_sum
from eomsym.notation.text import power_text, subscript
from eomsym.notation.typesetting import Sides

#: L_0 … L_4 have 1, 2, 6, 20 and 81 terms; nobody reads the next.
MAX_GENERATOR_ORDER = 4

#: A product of cumulants, each before what it differentiates: an entry a cumulant, and of each of its indices what it
#: differentiates, a later factor by its number, or φ by that of all factors.
#: ``((1,), (2,))`` is ``g^i (∂_i g^j) ∂_j``.
Product = tuple[tuple[int, ...], ...]
Operator = dict[Product, Fraction]

NAMES = {1: ("g", "g"), 2: ("Σ", r"\Sigma")}
MEANING = {1: "mean", 2: "covariance"}


@dataclass(frozen=True, repr=False)
class ModifiedGenerator(Formula):
    """``𝓛 = Σ_k η^k L_k``; ``terms[k]`` are coefficients and products of cumulants (see ``Product``) of L_k."""

    terms: tuple[tuple[tuple[Fraction, Product], ...], ...]

    @property
    def order(self) -> int:
        """The highest power of η kept."""
        return len(self.terms) - 1

    @property
    def is_diffusion(self) -> bool:
        """Whether φ is differentiated twice at most: then a stochastic differential equation has this generator."""
        return all(_derivatives(term) <= 2 for row in self.terms for _, term in row)

    @property
    def sentence(self) -> str:
        """What differentiates φ more than twice, and what follows."""
        for index, row in enumerate(self.terms):
            higher = [(coefficient, term) for coefficient, term in row if _derivatives(term) > 2]
            if higher:
                part = signed_sum(((coefficient, _text(term)) for coefficient, term in higher), TEXT)
                return (
                    f"L_{index} differentiates more than twice, by {part}: where this does not vanish, 𝓛 is no "
                    "diffusion's, and no stochastic differential equation has it."
                )
        return "It differentiates twice at most: the generator of a diffusion."

    def text(self) -> str:
        """A line for each L_k in index notation, repeated indices summed; then what kind of generator it is."""
        series = " + ".join(f"{power_text('η', k)} L_{k}" if k else "L_0" for k in range(self.order + 1))
        names = [f"{_name(n)} {MEANING.get(n, f'cumulant {n}')}" for n in range(1, self.order + 2)]
        head = [f"E φ(θ_k) = exp(kη𝓛) φ,  𝓛 = {series}", f"of the batch gradient: {', '.join(names)}"]
        rows = [f"L_{k} = {signed_sum(((c, _text(p)) for c, p in row), TEXT)}" for k, row in enumerate(self.terms)]
        return "\n".join([*head, *rows, self.sentence])

    def equations(self) -> list[Sides]:
        """The same lines in LaTeX, without the sentence."""
        rows = [(f"L_{{{k}}}", signed_sum(((c, _latex(p)) for c, p in row), LATEX)) for k, row in enumerate(self.terms)]
        return [(r"\mathcal{L}", series_latex("L", self.order + 1)), *rows]

    def where(self) -> list[Sides]:
        """What the symbols mean."""
        names = [(_cumulant_latex(n), MEANING.get(n, f"cumulant {n}")) for n in range(1, self.order + 2)]
        return [
            ("", r"\text{$E\,\varphi(\theta_k) = \exp(k \eta \mathcal{L})\, \varphi$ after $k$ steps}"),
            *((name, rf"\text{{{meaning} of the gradient of a batch}}") for name, meaning in names),
            ("", r"\text{$\partial_i$: derivative by $\theta_i$; repeated indices are summed}"),
            (r"\eta", r"\text{learning rate}"),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a factor is a cumulant with its indices, and those of the derivatives taken of it."""
        return {
            "optimizer": "gradient-descent",
            "noise": True,
            "order": self.order,
            "generator": [
                {"index": k, "terms": [{"coefficient": str(c), **_entry(p)} for c, p in row]}
                for k, row in enumerate(self.terms)
            ],
            "diffusion": self.is_diffusion,
        }

    def records(self) -> list[dict[str, Any]]:
        """One row a term, in index notation."""
        return [
            {"index": k, "term": _text(product), "coefficient": str(coefficient)}
            for k, row in enumerate(self.terms)
            for coefficient, product in row
        ]

    @property
    def summary(self) -> str:
        """The order and the numbers of terms."""
        return f"order {self.order}, {[len(row) for row in self.terms]} terms"


def modified_generator(order: int = 2) -> ModifiedGenerator:
    """``L_0 … L_order`` for gradient descent on batches that are drawn independently, at most order 4.

    >>> print(modified_generator(1).text().splitlines()[3])
    L_1 = −1/2 g^i (∂_i g^j) ∂_j + 1/2 Σ^ij ∂_i∂_j
    """
    check_integer("order", order, 0, MAX_GENERATOR_ORDER, lambda _: f"it is derived to order {MAX_GENERATOR_ORDER}")
    return ModifiedGenerator(tuple(_level(level + 1) for level in range(order + 1)))


def _level(power: int) -> tuple[tuple[Fraction, Product], ...]:
    """The coefficient of η^power in log(1 + Σ ηⁿ M_n/n!)."""
    total = collected(
        (term, value * Fraction((-1) ** (len(parts) + 1), len(parts)))
        for parts in _compositions(power)
        for term, value in _composed(parts).items()
    )
    kept = ((value, term) for term, value in total.items() if value)
    return tuple(sorted(kept, key=lambda pair: (_derivatives(pair[1]), -len(pair[1]), pair[1])))


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
    for chosen in product(range(before, count + 1), repeat=_derivatives(left)):
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


def _derivatives(term: Product) -> int:
    """How often φ is differentiated."""
    return sum(factor.count(len(term)) for factor in term)


def _entry(term: Product) -> dict[str, Any]:
    """Factors with named indices, and those of the derivatives of φ."""
    letters = iter(ascii_lowercase[8:])
    taken: list[list[str]] = [[] for _ in range(len(term) + 1)]
    factors = []
    for factor in term:
        indices = [next(letters) for _ in factor]
        for letter, target in zip(indices, factor, strict=True):
            taken[target].append(letter)
        factors.append({"cumulant": len(factor), "indices": "".join(indices)})
    for entry, derivatives in zip(factors, taken, strict=False):
        entry["derivatives"] = "".join(derivatives)
    return {"factors": factors, "derivatives": "".join(taken[-1])}


def _text(term: Product) -> str:
    return _written(term, "∂_{}", "^{}", _name)


def _latex(term: Product) -> str:
    return _written(term, r"\partial_{{{}}}", "^{{{}}}", _cumulant_latex)


def _name(n: int) -> str:
    return NAMES[n][0] if n in NAMES else f"κ{subscript(n)}"


def _cumulant_latex(n: int) -> str:
    return NAMES[n][1] if n in NAMES else rf"\kappa_{{{n}}}"


def _written(term: Product, derivative: str, upper: str, name: Any) -> str:
    entry = _entry(term)
    parts = []
    for factor in entry["factors"]:
        own = name(factor["cumulant"]) + upper.format(factor["indices"])
        slopes = "".join(map(derivative.format, factor["derivatives"]))
        parts.append(f"({slopes} {own})" if slopes else own)
    return " ".join([*parts, "".join(map(derivative.format, entry["derivatives"]))])
