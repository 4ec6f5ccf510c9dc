"""Products of cumulants, the basis of generators of expectations, in index notation: ``g^i (∂_i g^j) ∂_j``."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any, TypeAlias

#: A product of cumulants, each before what it differentiates: an entry a cumulant, and of each of its indices what it
#: differentiates, a later factor by its number, or φ by that of all factors.
#: ``((1,), (2,))`` is ``g^i (∂_i g^j) ∂_j``.
Product: TypeAlias = tuple[tuple[int, ...], ...]


def derivatives(product: Product) -> int:
    """How often φ is differentiated."""
    return sum(factor.count(len(product)) for factor in product)


def product_entry(product: Product) -> dict[str, Any]:
    """Factors with named indices, and those of the derivatives of φ."""
    letters = iter(ascii_lowercase[8:])
    taken: list[list[str]] = [[] for _ in range(len(product) + 1)]
    factors = []
    for factor in product:
        indices = [next(letters) for _ in factor]
        for letter, target in zip(indices, factor, strict=True):
            taken[target].append(letter)
        factors.append({"cumulant": len(factor), "indices": "".join(indices)})
    for entry, names in zip(factors, taken, strict=False):
        entry["derivatives"] = "".join(names)
    return {"factors": factors, "derivatives": "".join(taken[-1])}


def read_product(entry: dict[str, Any]) -> Product:
    """The product that ``product_entry`` wrote."""
    taken = [*(factor["derivatives"] for factor in entry["factors"]), entry["derivatives"]]
    place = {letter: number for number, letters in enumerate(taken) for letter in letters}
    return tuple(tuple(place[letter] for letter in factor["indices"]) for factor in entry["factors"])
