"""The vector language for the solver of ``step_index``: modified fields of optimisers that divide componentwise (Adam).

Three constructors suffice: derivatives ``g^{(m)}(v_1, …, v_m)``, componentwise products, and componentwise functions of
g (a root such as ``r = √(g² + ε)``, a denominator such as ``q = |g| + ε``).  A vector is a linear combination of
*monomials*, products of powers of g and of such functions with derivatives whose arguments are again monomials; scalars
are pulled out of every argument, and ``g²`` is replaced by what a root was made of, so that for one root (ε inside)
equal vectors have equal combinations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import factorial, prod

from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, collected, exact
from eomsym.notation.terms import ComponentwiseFunction, Monomial
from eomsym.step_index import Algebra, Tables
from eomsym.step_index.tables import Matrix

Combination = dict[Monomial, Coefficient]
GRADIENT = Monomial(gradient=1)
POSITION = Monomial(states=((0, 1),))


class VectorAlgebra(Algebra):
    """Values are lists of combinations, one a node."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.functions: list[ComponentwiseFunction] = []
        self._square: Combination | None = None  # what g² is, once a root has been taken of it

    def row(self, field: list[Combination]) -> Combination:
        """The combination at the first node, zeros left out."""
        return {monomial: exact(value) for monomial, value in sorted(field[0].items()) if value != 0}

    def slow(self, index: int) -> list[Combination]:
        return [{Monomial(states=((index, 1),)): 1} for _ in self.tables.nodes]

    def ones(self) -> list[Combination]:
        return [{Monomial(): 1} for _ in self.tables.nodes]

    def combine(self, parts: Sequence[tuple[Coefficient, list[Combination]]]) -> list[Combination]:
        return [_sum((weight, sequence[node]) for weight, sequence in parts) for node in range(self._length(parts))]

    def _length(self, parts: Sequence[tuple[Coefficient, list[Combination]]]) -> int:
        return min((len(sequence) for _, sequence in parts), default=len(self.tables.nodes))

    def transform(self, matrix: Matrix, sequence: list[Combination]) -> list[Combination]:
        return [
            _sum((weight, value) for weight, value in zip(row, sequence, strict=False) if weight != 0) for row in matrix
        ]

    def gradient(self, field: int) -> Callable[[list[Combination]], list[Combination]]:
        if field != 0:
            raise InputError("vector language: it knows one field, g; this rule has several")
        levels: list[list[Combination]] = []

        def along(point: list[Combination]) -> list[Combination]:
            if not levels and any(value != {POSITION: 1} for value in point):
                raise InputError("step function: a gradient is taken at a point that is not theta for eta = 0")
            levels.append(point)
            level = len(levels) - 1
            known = range(self.tables.known(level))
            found = [self._derivatives(levels, node, level) if level else {GRADIENT: 1} for node in known]
            return self.transform(self.tables.extension(level), found)

        return along

    def _derivatives(self, levels: Sequence[list[Combination]], node: int, level: int) -> Combination:
        """Coefficient ``level`` of g along the point at a node: Faà di Bruno's formula."""
        return _sum(
            (
                Fraction(1, prod(map(factorial, Counter(parts).values()))),
                _derivative([levels[k][node] for k in parts]),
            )
            for parts in _partitions(level, level)
        )

    def multiply(self, left: list[Combination], right: list[Combination]) -> list[Combination]:
        return [
            self._reduced(_sum((a * b, {m * n: 1}) for m, a in u.items() for n, b in v.items()))
            for u, v in zip(left, right, strict=True)
        ]

    def divide(self, numerator: list[Combination], denominator: list[Combination]) -> list[Combination]:
        below = denominator[0]
        if len(below) != 1:
            below = {self._function(below, root=False): 1}
        ((monomial, coefficient),) = below.items()
        if monomial.derivatives or monomial.gradient or _holds_theta(monomial):
            raise InputError("vector language: divides by g or its derivatives; add an epsilon to the denominator")
        powers, states = (
            tuple((index, -power) for index, power in factors) for factors in (monomial.powers, monomial.states)
        )
        inverse = {Monomial(powers=powers, states=states): 1 / _field(coefficient)}
        return self.multiply(numerator, [inverse] * len(numerator))

    def root(self, argument: list[Combination]) -> list[Combination]:
        return [{self._function(argument[0], root=True): 1} for _ in self.tables.nodes]

    def _function(self, argument: Combination, root: bool) -> Monomial:
        """The function of g with this argument, as a monomial; a new one gets the next name."""
        if any(map(_holds_theta, argument)):
            raise InputError("vector language: a root or a denominator depends on theta itself; only g may stand there")
        made = ComponentwiseFunction("", root, tuple(sorted(argument.items())))
        known = [(f.root, f.argument) for f in self.functions]
        if (root, made.argument) not in known:
            number = sum(f.root == root for f in self.functions)
            name = ("r" if root else "q") + (str(number + 1) if number else "")
            self.functions.append(ComponentwiseFunction(name, root, made.argument))
            known.append((root, made.argument))
            self._learn_square(argument, root)
        return Monomial(powers=((known.index((root, made.argument)), 1),))

    def _learn_square(self, argument: Combination, root: bool) -> None:
        """From ``r² = a g² + b`` what g² is, so that it can be replaced everywhere."""
        square = Monomial(gradient=2)
        if not root or self._square is not None or set(argument) - {square, Monomial()} or square not in argument:
            return
        weight = 1 / _field(argument[square])
        self._square = {Monomial(powers=((len(self.functions) - 1, 2),)): weight}
        if Monomial() in argument:
            self._square[Monomial()] = -argument[Monomial()] * weight

    def _reduced(self, combination: Combination) -> Combination:
        """With g² replaced, outside of derivatives: their arguments are made of reduced vectors already."""
        if self._square is None or all(monomial.gradient < 2 for monomial in combination):
            return combination
        parts: list[tuple[Coefficient, Combination]] = []
        for monomial, coefficient in combination.items():
            if monomial.gradient < 2:
                parts.append((coefficient, {monomial: 1}))
                continue
            rest = replace(monomial, gradient=monomial.gradient - 2)
            parts.append((coefficient, {rest * m: c for m, c in self._square.items()}))
        return self._reduced(_sum(parts))


def _field(coefficient: Coefficient) -> Coefficient:
    return Fraction(coefficient) if isinstance(coefficient, int) else coefficient


def _sum(parts: Iterator[tuple[Coefficient, Combination]] | Sequence[tuple[Coefficient, Combination]]) -> Combination:
    total = collected([(monomial, weight * value) for weight, terms in parts for monomial, value in terms.items()])
    return {monomial: value for monomial, value in total.items() if value != 0}


def _holds_theta(monomial: Monomial) -> bool:
    return any(index == 0 for index, _ in monomial.states)


def _derivative(arguments: Sequence[Mapping[Monomial, Coefficient]]) -> Combination:
    """``g^{(m)}(v_1, …, v_m)`` by linearity in every argument."""
    chosen: list[tuple[Coefficient, tuple[Monomial, ...]]] = [(1, ())]
    for argument in arguments:
        chosen = [(c * d, (*given, m)) for c, given in chosen for m, d in argument.items()]
    return _sum([(c, {Monomial(derivatives=(tuple(sorted(given)),)): 1}) for c, given in chosen])


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Ways to write ``total`` as a sum of parts, largest first."""
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        for rest in _partitions(total - part, part):
            yield (part, *rest)
