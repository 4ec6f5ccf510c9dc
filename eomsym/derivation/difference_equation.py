"""The difference equation of a traced rule on a linear gradient λθ: the polynomial whose roots are its multipliers.

In each step a root r multiplies θ and all that moves with it.  What stands in a denominator or below a root is *held*:
around a minimum, where gradients and their means are zero, it is to first order a number P.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import sympy

from eomsym.errors import InputError
from eomsym.optimizers.rule import Gradient, Image, Linear, One, Product, Quotient, SquareRoot, Stage, State, UpdateRule


@dataclass(frozen=True)
class DifferenceEquation:
    """``polynomial`` in r, in x = ηλ, or ηλ/P where something is held, and in η where that stands without λ.

    ``held`` has the states that P is made of; ``divided``: there is a P.  ``shifted``: λ has weight decay in it, which
    the rule adds to its gradient.
    """

    polynomial: sympy.Poly
    held: tuple[int, ...] = ()
    divided: bool = False
    shifted: bool = False


def difference_equation(rule: UpdateRule) -> DifferenceEquation:
    """That of a rule of one gradient.  Raises ``InputError`` where its steps depend on λ in another way."""
    moving = _Moving(rule)
    coefficients = [value for _, _, made in moving.made.values() for *_, value in made.terms]
    symbolic = [value.field.to_domain() for value in coefficients if hasattr(value, "numer")]
    numbers = symbolic[0] if symbolic else sympy.QQ
    names = [sympy.Symbol(f"1/P{number}") for number in range(len(moving.held))]
    ring, r, strength, eta, *held = sympy.ring([*sympy.symbols("r lambda eta"), *names], numbers)
    factors: dict[Factor, Any] = {"": ring.one, "r": r, "x": strength, **dict(zip(moving.held, held, strict=True))}
    place = {number: row for row, number in enumerate(moving.made)}
    rows = [[ring.zero] * len(place) for _ in place]
    for number, (own, factor, made) in moving.made.items():
        row = rows[place[number]]
        row[place[number]] += factors[own]
        for other, power, value in made.terms:
            exact = sympy.QQ(value.numerator, value.denominator) if isinstance(value, (int, Fraction)) else value
            row[place[other]] -= factors[factor] * eta**power * exact
    matrix = sympy.polys.matrices.DomainMatrix(rows, (len(rows),) * 2, ring.to_domain())
    terms, shifted = _in_products(matrix.charpoly()[-1])
    polynomial = sympy.Poly.from_dict(terms, *sympy.symbols("r x eta"), domain=numbers)
    states = {state for made, _ in moving.held for state in moving.memories(made)}
    return DifferenceEquation(polynomial, tuple(sorted(states)), bool(moving.held), shifted)


def _in_products(determinant: Any) -> tuple[dict[tuple[int, int, int], Any], bool]:
    """Terms in r, λ, η and what is held as those of a polynomial in r, x and η, and whether decay was put into λ."""
    _, strength, *others = determinant.ring.gens
    once = [1] * len(others)
    linear = {n: value for (n, *powers), value in determinant.terms() if powers == [1, *once]}
    alone = {n: value for (n, *powers), value in determinant.terms() if powers == [0, *once]}
    for decay in [alone[n] / linear[n] for n in alone.keys() & linear.keys()][:1]:
        moved = determinant.compose(strength, strength - decay)
        if all(power == b for _, b, *powers in moved.itermonoms() for power in powers):
            return {(n, b, 0): value for (n, b, *_), value in moved.terms()}, True
    if any(a < b or set(held) - {b} for _, b, a, *held in determinant.itermonoms()):
        raise InputError(
            "its steps depend on the curvature by more than x = eta lambda; eta and what is held must multiply "
            "gradients, each as often"
        )
    return {(n, b, a - b): value for (n, b, a, *_), value in determinant.terms()}, False


#: r, x, nothing, or what is held.
Factor = str | tuple[Linear, bool]


@dataclass
class _Moving:
    """The atoms that move with θ: to first order ``own · atom = factor · made`` for each number of one in ``made``.

    A factor is r, x, nothing, or one of ``held``: what is held, and whether it multiplies or divides.
    """

    rule: UpdateRule
    made: dict[int, tuple[Factor, Factor, Linear]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        waiting = [self.rule.state(0)]
        while waiting:
            number = waiting.pop()
            if number not in self.made:
                self.made[number] = self._equation(number)
                waiting += [other for other, *_ in self.made[number][2].terms]

    @property
    def held(self) -> list[tuple[Linear, bool]]:
        """Each once."""
        return list(dict.fromkeys(factor for _, factor, _ in self.made.values() if isinstance(factor, tuple)))

    def _equation(self, number: int) -> tuple[Factor, Factor, Linear]:
        match self.rule.atoms[number]:
            case State(index):
                return "r", "", self.rule.following[index]
            case Gradient(0, point):
                return "", "x", point
            case Stage(index):
                return "", "", self.rule.stages[index]
            case Quotient(numerator, denominator) if not self._any_held(numerator):
                return "", (denominator, False), numerator
            case Product(left, right) if self._any_held(left) != self._any_held(right):
                held, moves = (left, right) if self._any_held(left) else (right, left)
                return "", (held, True), moves
            case Image():
                raise InputError("it calls a map of blocks, whose derivative no lambda tells")
            case Gradient():
                raise InputError("it takes the gradients of several losses, which have no one lambda")
            case Product(left, _) if not self._any_held(left):
                raise InputError("it multiplies things that both move, so that its steps are not linear near a minimum")
            case _:
                raise InputError("it adds a number that is held or depends on time to what moves with theta")

    def _any_held(self, made: Linear) -> bool:
        return any(self._is_held(number) for number, *_ in made.terms)

    def _is_held(self, number: int) -> bool:
        """Whether an atom is a number other than zero at a minimum."""
        match self.rule.atoms[number]:
            case One() | SquareRoot():
                return True
            case Quotient(numerator, _):
                return self._any_held(numerator)
            case Stage(index):  # one that an implicit step defines by itself moves
                inner = self.rule.stages[index].terms
                return all(other != number and self._is_held(other) for other, *_ in inner) and bool(inner)
            case Product(left, right):
                return self._any_held(left) and self._any_held(right)
        return False

    def memories(self, made: Linear) -> Iterator[int]:
        """The states of which something held consists, up to products of what moves."""
        for number, *_ in made.terms:
            match self.rule.atoms[number]:
                case State(index):
                    yield index
                case SquareRoot(argument):
                    yield from self.memories(argument)
                case Stage(index):
                    yield from self.memories(self.rule.stages[index])
                case Quotient(left, right) | Product(left, right) if self._is_held(number):
                    yield from (*self.memories(left), *self.memories(right))
