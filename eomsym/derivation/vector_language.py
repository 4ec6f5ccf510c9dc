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
from operator import mul

from eomsym.derivation.tree_algebra import Series, SeriesAlgebra, Values
from eomsym.errors import InputError
from eomsym.exact_numbers import divide, exact
from eomsym.notation.terms import ComponentwiseFunction, Monomial
from eomsym.optimizers import Coefficient
from eomsym.step_index import Tables

GRADIENT = Monomial(gradient=1)
POSITION = Monomial(states=((0, 1),))


class VectorAlgebra(SeriesAlgebra):
    """Series of monomials."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.functions: list[ComponentwiseFunction] = []
        self._square: dict[Monomial, Coefficient] | None = None  # what g² is, once a root has been taken of it

    def row(self, field: Series) -> dict[Monomial, Coefficient]:
        """The coefficients of the monomials at the first node, zeros left out."""
        return {monomial: exact(values[0]) for monomial, values in sorted(field.items()) if values[0] != 0}

    def slow(self, index: int) -> Series:
        return self.constant(Monomial(states=((index, 1),)))

    def ones(self) -> Series:
        return self.constant(Monomial())

    def gradient(self, field: int) -> Callable[[Series], Series]:
        if field != 0:
            raise InputError("vector language: it knows one field, g; this rule has several")
        levels: list[Series] = []

        def along(point: Series) -> Series:
            if not levels and (set(point) != {POSITION} or any(value != 1 for value in point[POSITION])):
                raise InputError("step function: a gradient is taken at a point that is not theta for eta = 0")
            levels.append(point)
            level = len(levels) - 1
            ones: Values = [1] * self.tables.known(level)
            found = self._derivatives(levels, ones) if level else {GRADIENT: ones}
            return self.transform(self.tables.extension(level), found)

        return along

    def _derivatives(self, levels: Sequence[Series], ones: Values) -> Series:
        """The last coefficient of g along the point at as many nodes: Faà di Bruno's formula."""
        level = len(levels) - 1
        return self.combine(
            [
                (Fraction(1, prod(map(factorial, Counter(parts).values()))), term)
                for parts in _partitions(level, level)
                for term in _derivative([levels[k] for k in parts], ones)
            ]
        )

    def multiply(self, left: Series, right: Series) -> Series:
        pairs = [(1, {m * n: list(map(mul, a, b))}) for m, a in left.items() for n, b in right.items()]
        return self._reduced(self.combine(pairs))

    def divide(self, numerator: Series, denominator: Series) -> Series:
        below = {monomial: values[0] for monomial, values in denominator.items()}
        if len(below) != 1:
            below = {self._function(below, root=False): 1}
        ((monomial, coefficient),) = below.items()
        if monomial.derivatives or monomial.gradient or _holds_theta(monomial):
            raise InputError("vector language: divides by g or its derivatives; add an epsilon to the denominator")
        inverse = self.constant(monomial**-1)
        return self.combine([(divide(1, coefficient), self.multiply(numerator, inverse))])

    def root(self, argument: Series) -> Series:
        return self.constant(self._function({monomial: values[0] for monomial, values in argument.items()}, root=True))

    def _function(self, argument: Mapping[Monomial, Coefficient], root: bool) -> Monomial:
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

    def _learn_square(self, argument: Mapping[Monomial, Coefficient], root: bool) -> None:
        """From ``r² = a g² + b`` what g² is, so that it can be replaced everywhere."""
        square = Monomial(gradient=2)
        if not root or self._square is not None or set(argument) - {square, Monomial()} or square not in argument:
            return
        weight = divide(1, argument[square])
        self._square = {Monomial(powers=((len(self.functions) - 1, 2),)): weight}
        if Monomial() in argument:
            self._square[Monomial()] = -argument[Monomial()] * weight

    def _reduced(self, series: Series) -> Series:
        """With g² replaced, outside of derivatives: their arguments are made of reduced vectors already."""
        if self._square is None or all(monomial.gradient < 2 for monomial in series):
            return series
        parts: list[tuple[Coefficient, Series]] = []
        for monomial, values in series.items():
            if monomial.gradient < 2:
                parts.append((1, {monomial: values}))
                continue
            rest = replace(monomial, gradient=monomial.gradient - 2)
            parts += [(coefficient, {rest * m: values}) for m, coefficient in self._square.items()]
        return self._reduced(self.combine(parts))


def _holds_theta(monomial: Monomial) -> bool:
    return any(index == 0 for index, _ in monomial.states)


def _derivative(arguments: Sequence[Series], ones: Values) -> Iterator[Series]:
    """``g^{(m)}(v_1, …, v_m)`` by linearity in every argument, term by term."""
    chosen: list[tuple[Values, tuple[Monomial, ...]]] = [(ones, ())]
    for argument in arguments:
        chosen = [(list(map(mul, a, b)), (*given, m)) for a, given in chosen for m, b in argument.items()]
    for values, given in chosen:
        yield {Monomial(derivatives=(tuple(sorted(given)),)): values}


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Ways to write ``total`` as a sum of parts, largest first."""
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        for rest in _partitions(total - part, part):
            yield (part, *rest)
