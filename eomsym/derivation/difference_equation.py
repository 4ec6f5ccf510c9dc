"""The difference equation of a traced rule on a linear gradient λθ: the polynomial whose roots are its multipliers.

In each step a root r multiplies θ and all that moves with it.  What stands in a denominator or below a root is *held*:
around a minimum, where gradients and their means are zero, it is to first order a number P.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from eomsym.errors import InputError
from eomsym.optimizers.rule import Gradient, Linear, One, Product, Quotient, SquareRoot, Stage, State, UpdateRule

if TYPE_CHECKING:
    import sympy


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
    import sympy

    moving = _Moving(rule)
    coefficients = [value for _, _, made in moving.made.values() for *_, value in made.terms]
    symbolic = [value.field.to_domain() for value in coefficients if hasattr(value, "numer")]
    numbers = symbolic[0] if symbolic else sympy.QQ
    ring, r, x, eta, p = sympy.ring("r x eta p", numbers)
    factors = {"r": r, "x": x, "p": p, "": ring.one}
    place = {number: row for row, number in enumerate(moving.made)}
    rows = [[ring.zero] * len(place) for _ in place]
    for number, (own, factor, made) in moving.made.items():
        row = rows[place[number]]
        row[place[number]] += factors[own]
        for other, power, value in made.terms:
            exact = sympy.QQ(value.numerator, value.denominator) if isinstance(value, (int, Fraction)) else value
            row[place[other]] -= factors[factor] * eta**power * exact
    matrix = sympy.polys.matrices.DomainMatrix(rows, (len(rows),) * 2, ring.to_domain())
    terms, shifted = _in_products(matrix.charpoly()[-1], bool(moving.denominators))
    polynomial = sympy.Poly.from_dict(terms, *sympy.symbols("r x eta"), domain=numbers)
    held = {state for made, _ in moving.denominators for state in moving.memories(made)}
    return DifferenceEquation(polynomial, tuple(sorted(held)), bool(moving.denominators), shifted)


def _in_products(determinant: Any, divided: bool) -> tuple[dict[tuple[int, int, int], Any], bool]:
    """The terms of a polynomial in r, λ, η and 1/P as those of one in r, x and η, and whether decay was put into λ."""
    _, strength, _, _ = determinant.ring.gens
    linear = {n: value for (n, *powers), value in determinant.terms() if powers == [1, 1, int(divided)]}
    alone = {n: value for (n, *powers), value in determinant.terms() if powers == [0, 1, int(divided)]}
    for decay in sorted({alone[n] / linear[n] for n in alone.keys() & linear.keys()}, key=str)[:1]:
        moved = determinant.compose(strength, strength - decay)
        if all(b == a == c + (not divided) * a for _, b, a, c in moved.itermonoms()):
            return {(n, b, 0): value for (n, b, *_), value in moved.terms()}, True
    if any(a < b or c != b * divided for _, b, a, c in determinant.itermonoms()):
        raise InputError(
            "its steps depend on the curvature by more than x = eta lambda: eta must multiply gradients, each as often, "
            "and decay that goes through a denominator belongs to the loss"
        )
    return {(n, b, a - b): value for (n, b, a, _), value in determinant.terms()}, False


@dataclass
class _Moving:
    """The atoms that move with θ: to first order ``own · atom = factor · made`` for each number of one in ``made``.

    ``denominators`` has what is held, and whether it multiplies.
    """

    rule: UpdateRule
    made: dict[int, tuple[str, str, Linear]] = field(default_factory=dict)
    denominators: set[tuple[Linear, bool]] = field(default_factory=set)

    def __post_init__(self) -> None:
        waiting = [self.rule.state(0)]
        while waiting:
            number = waiting.pop()
            if number not in self.made:
                self.made[number] = self._equation(number)
                waiting += [other for other, *_ in self.made[number][2].terms]
        if len(self.denominators) > 1:
            raise InputError("it divides by several things that are held, so that there is no one preconditioner P")

    def _equation(self, number: int) -> tuple[str, str, Linear]:
        match self.rule.atoms[number]:
            case State(index):
                return "r", "", self.rule.following[index]
            case Gradient(0, point):
                return "", "x", point
            case Stage(index):
                return "", "", self.rule.stages[index]
            case Quotient(numerator, denominator) if not self._any_held(numerator):
                self.denominators.add((denominator, False))
                return "", "p", numerator
            case Product(left, right) if self._any_held(left) != self._any_held(right):
                held, moves = (left, right) if self._any_held(left) else (right, left)
                self.denominators.add((held, True))
                return "", "p", moves
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
                case Quotient(left, right):
                    yield from (*self.memories(left), *self.memories(right))
                case Product(left, right) if self._is_held(number):
                    yield from (*self.memories(left), *self.memories(right))
                case Stage(index):
                    yield from self.memories(self.rule.stages[index])
