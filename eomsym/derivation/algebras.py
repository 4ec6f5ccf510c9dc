"""The algebras of symbols for the solver of ``step_index``: rooted trees, monomials, and trees for starts, all exactly.

A vector is a series of basis elements, held as ``{element: values at the nodes}``.

Trees serve any rule without componentwise functions.  A B-series ``Σ_τ a(τ)/σ(τ) F_g(τ)`` is held as ``a``; trees are
coloured by the field whose derivative stands at a node, and θ itself is a leaf of its own (decoupled weight decay needs
it).  For a field g along a point ``θ + Σ_k η^k x_k`` the coefficient of a tree is the product of those of its children
(Hairer, Lubich & Wanner, *Geometric Numerical Integration*, 2nd ed. 2006, section III.1), here a product of polynomials
in η.

Optimisers that divide componentwise (Adam) need the vector language.  Three constructors suffice: derivatives
``g^{(m)}(v_1, …, v_m)``, componentwise products, and componentwise functions of g (a root such as ``r = √(g² + ε)``, a
denominator such as ``q = |g| + ε``).  A vector is a linear combination of *monomials*, products of powers of g and of
such functions with derivatives whose arguments are again monomials; scalars are pulled out of every argument, and
``g²`` is replaced by what a root was made of, so that for one root (ε inside) equal vectors have equal combinations.

From its real start the iterate of a method with memory is ``θ_n = θ_0 + Σ_k η^k θ_n[k]``, each coefficient a
quasi-polynomial in n: a polynomial, and terms that fade with the memory.  The polynomial part is the smooth path on the
slow manifold, and its value at n = 0 is where that path starts.  The solver finds it in the ring of quasi-polynomials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import factorial, prod
from operator import add, itemgetter, mul
from typing import Any

from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, divide, exact
from eomsym.notation.terms import ComponentwiseFunction, Monomial, Vertex
from eomsym.optimizers.maps import Map
from eomsym.optimizers.rule import UpdateRule
from eomsym.step_index import solve
from eomsym.step_index.quasi_polynomials import QuasiPolynomial
from eomsym.step_index.solver import Algebra
from eomsym.step_index.tables import Matrix, Tables, integer_nodes
from eomsym.trees import THETA, Tree, slow_leaf

Values = list[Coefficient]
#: By basis elements: trees, or monomials of the vector language.
Series = dict[Any, Values]


def modified_tree_coefficients(rule: UpdateRule, terms: int) -> list[dict[Tree, Coefficient]]:
    """``[f̃_0, …, f̃_{terms−1}]``, each as the coefficients of ``F_g(τ)``, 1/σ included, zeros left out.

    Raises ``InputError`` for a rule with products, quotients or roots: those have no trees.
    """
    if not rule.linear:
        raise InputError("rooted trees: this rule has componentwise products or roots; use the vector language")
    algebra = TreeAlgebra(integer_nodes(rule, terms))
    return [algebra.row(field) for field in solve(rule, algebra, terms)]


class SeriesAlgebra(Algebra):
    """Series whose coefficients depend on the step index; what is zero at every node is left out."""

    def constant(self, element: Any) -> Series:
        """The element itself at every node."""
        return {element: [1] * len(self.tables.nodes)}

    def combine(self, parts: Sequence[tuple[Coefficient, Series]]) -> Series:
        total: Series = {}
        for weight, series in parts:
            for element, values in series.items():
                scaled = values if weight == 1 else [weight * value for value in values]
                known = total.get(element)
                total[element] = scaled if known is None else list(map(add, known, scaled))
        return _nonzero(total)

    def transform(self, matrix: Matrix, series: Series) -> Series:
        rows = [[(j, weight) for j, weight in enumerate(row) if weight != 0] for row in matrix]
        return _nonzero({element: [_weighted(row, values) for row in rows] for element, values in series.items()})


class TreeAlgebra(SeriesAlgebra):
    """B-series of so many ``fields``, whose colours come first; those after them are ``vertices``."""

    def __init__(self, tables: Tables, fields: int = 1) -> None:
        super().__init__(tables)
        self._fields = fields
        self.vertices: list[Vertex] = []

    def row(self, field: Series) -> dict[Tree, Coefficient]:
        """The coefficients of ``F_g(τ)`` at the first node, 1/σ included, zeros left out."""
        return {
            tree: exact(values[0] * Fraction(1, tree.symmetry))
            for tree, values in sorted(field.items(), reverse=True)
            if values[0] != 0
        }

    def slow(self, index: int) -> Series:
        return self.constant(slow_leaf(index))

    def ones(self, *vectors: Series) -> Series:
        """What is componentwise, a constant too, has no trees: whoever takes this algebra asks for a linear rule."""
        raise AssertionError("rooted trees of a rule that is not linear")

    multiply = divide = root = ones  # type: ignore[assignment]

    def gradient(self, field: int) -> Callable[[Series], Series]:
        return self._composed(lambda point: field + 1 if set(point) == {THETA} else self._vertex("g", point))

    def image(self, map: Map) -> Callable[..., Series]:
        return self._composed(lambda point: self._vertex(map.name, point))

    def _vertex(self, function: str, point: Series) -> int:
        """The colour of a function at what its argument is for η = 0; a new one gets the next name."""
        argument = tuple((tree, exact(values[0])) for tree, values in sorted(point.items(), reverse=True))
        if any(value != values[0] for values in point.values() for value in values):
            raise InputError(f"start: {function} is taken at what fades, which has no terms; leave start out")
        known = [(one.function, one.argument) for one in self.vertices]
        if (function, argument) not in known:
            letter = "G" if function == "g" else "P"
            number = 1 + sum(one.name.startswith(letter) for one in self.vertices)
            self.vertices.append(Vertex(letter + (str(number) if number > 1 else ""), function, argument))
            known.append((function, argument))
        return self._fields + 1 + known.index((function, argument))

    def _composed(self, colour_at: Callable[[Series], int]) -> Callable[[Series], Series]:
        """Level by level a function along its argument, whose value for η = 0 decides the colour of the root."""
        level, colour, children = 0, 0, dict[Tree, _Powers]()

        def along(point: Series) -> Series:
            nonlocal level, colour
            known = self.tables.known(level)
            if level == 0:
                colour = colour_at(point)
            else:
                for tree, values in point.items():
                    if any(value != 0 for value in values):
                        children.setdefault(tree, {})[level] = values
            ordered = [(min(powers), tree, powers) for tree, powers in children.items()]
            ordered.sort(key=itemgetter(0))
            composed = {
                Tree(chosen, colour): product for chosen, product in _products(ordered, 0, (), {0: [1] * known}, level)
            }
            extended = self.transform(self.tables.extension(level), composed)
            level += 1
            return extended

        return along


def _check_at(theta: Any, point: Series) -> None:
    if set(point) != {theta} or any(value != 1 for value in point[theta]):
        raise InputError("step function: a gradient is taken at a point that is not theta for eta = 0")


def _nonzero(series: Series) -> Series:
    return {element: values for element, values in series.items() if any(value != 0 for value in values)}


def _weighted(row: Sequence[tuple[int, Coefficient]], values: Values) -> Coefficient:
    """``Σ weight · values[j]``: without 0 + and 1 ·, each of which has a rational function look for common factors."""
    parts = [values[j] if weight == 1 else weight * values[j] for j, weight in row]
    return reduce(add, parts) if parts else 0


_Powers = dict[int, Values]  # coefficient of η^k


def _products(
    children: Sequence[tuple[int, Tree, _Powers]],
    first: int,
    chosen: tuple[Tree, ...],
    product: _Powers,
    level: int,
) -> Iterator[tuple[tuple[Tree, ...], Values]]:
    """All multisets of children whose product reaches ``level``, each with that coefficient of the product.

    ``children`` come with their lowest power of η, lowest first.
    """
    if level in product:
        yield chosen, product[level]
    room = level - min(product)
    for index in range(first, len(children)):
        lowest, tree, powers = children[index]
        if lowest > room:
            return
        extended: _Powers = {}
        for k, left in product.items():
            for m, right in powers.items():
                if k + m <= level:
                    term = list(map(mul, left, right)) if chosen else right[: len(left)]  # it begins with 1
                    known = extended.get(k + m)
                    extended[k + m] = term if known is None else list(map(add, known, term))
        if extended:  # its factors may all be too high for one another
            yield from _products(children, index, (*chosen, tree), extended, level)


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
            if not levels:
                _check_at(POSITION, point)
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


#: ``Σ coefficient · F(tree)``: what a memory starts as.
Combination = Mapping[Tree, Coefficient]


class _OneValue(Tables):
    """A quasi-polynomial is one value and needs no nodes."""

    def known(self, level: int) -> int:
        return 1

    def extension(self, level: int) -> Matrix:
        return ((1,),)


class StartAlgebra(TreeAlgebra):
    """B-series whose coefficients are quasi-polynomials in the step number; difference equations keep their start.

    ``memory`` has what state 1, 2, … starts as, where that is not zero.
    """

    def __init__(self, memory: Mapping[int, Combination], fields: int = 1) -> None:
        super().__init__(_OneValue((Fraction(0),)), fields)
        self._memory = memory

    def solve_memory(self, share: Coefficient, index: int, values: Series, level: int) -> Series:
        start = self._memory.get(index, {}) if level == 0 else {}
        return {
            tree: [_quasi(values[tree][0] if tree in values else 0).solved(share, start.get(tree, 0))]
            for tree in {**values, **start}
        }

    def antidifference(self, values: Series, level: int) -> Series:
        return {tree: [_quasi(value).solved(1)] for tree, (value,) in values.items()}

    def logarithm(self, values: Series, level: int) -> Series:
        """Here what is read from the increments of θ is not the field but the start of the part that stays."""
        return {tree: [value.lasting] for tree, (value,) in self.antidifference(values, level).items()}


def _quasi(value: QuasiPolynomial | Coefficient) -> QuasiPolynomial:
    return value if isinstance(value, QuasiPolynomial) else QuasiPolynomial.constant(value)
