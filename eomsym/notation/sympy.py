"""Terms at concrete vector fields, and combinations of them, as exact SymPy expressions.

``F(τ) = g^{(m)}(F(τ_1), …, F(τ_m))`` is a sum over multi-indices α of partial derivatives ``∂^α g`` times components of
the arguments.  Every partial derivative and every subtree is computed once.  Trees of fields that are polynomial in
their variables are worked on in a polynomial ring (``sympy.polys``), all else as expressions that are not expanded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement, groupby
from math import factorial, prod
from typing import Any

import sympy
from sympy.polys.polyerrors import BasePolynomialError

from eomsym.checks import shown
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_expression
from eomsym.notation.terms import ComponentwiseFunction, Monomial, Row
from eomsym.trees import Tree

#: A polynomial (``sympy.polys.rings.PolyElement``) or an expression; both have ``diff``, sums and products.
_Scalar = Any
_Vector = list[_Scalar]


def columns_of_rows(
    rows: Sequence[Row],
    gradients: Sequence[Sequence[sympy.Expr]],
    variables: Sequence[sympy.Symbol],
    functions: Sequence[ComponentwiseFunction] = (),
    memory: Sequence[Sequence[sympy.Expr]] = (),
) -> list[sympy.Matrix]:
    """Each row as a column in the order of ``variables``, for vector fields in place of the gradients ``g_1``, ….

    ``memory`` has the slow states other than θ.
    """
    parts = [[(basis, coefficient_expression(value)) for basis, value in row.items() if value != 0] for row in rows]
    _check_no_clash(variables, [number for part in parts for _, number in part])
    on_trees = not memory and all(isinstance(basis, Tree) for part in parts for basis, _ in part)
    values = _Values(gradients, variables, on_trees, functions, memory)
    return [sympy.Matrix(_combination([(values[b], number) for b, number in part], len(variables))) for part in parts]


def elementary_differentials(
    field: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], trees: Iterable[Tree]
) -> dict[Tree, sympy.Matrix]:
    """``F_g(τ)`` of the vector field g for every tree asked for, each a column in the order of ``variables``."""
    names = check_variables(variables)
    values = _Values([check_field(field, names)], names, True)
    return {tree: sympy.Matrix([_expression(scalar) for scalar in values[tree]]) for tree in trees}


class _PartialDerivatives(dict[tuple[int, ...], _Vector]):
    """``∂^α g``, each taken once; α is a sorted tuple of variable numbers."""

    def __init__(self, components: _Vector, generators: Sequence[_Scalar]) -> None:
        super().__init__({(): components})
        self.generators = generators

    def __missing__(self, alpha: tuple[int, ...]) -> _Vector:
        derivative = [component.diff(self.generators[alpha[-1]]) for component in self[alpha[:-1]]]
        self[alpha] = derivative
        return derivative


class _Values(dict[Any, _Vector]):
    """Trees and monomials at the fields, each computed when it is first asked for."""

    def __init__(
        self,
        fields: Sequence[Sequence[sympy.Expr]],
        names: Sequence[sympy.Symbol],
        on_trees: bool,
        functions: Sequence[ComponentwiseFunction] = (),
        memory: Sequence[Sequence[sympy.Expr]] = (),
    ) -> None:
        super().__init__()
        flat, self._size = [component for field in fields for component in field], len(names)
        components, generators = _scalars(flat, names) if on_trees else (flat, names)
        self._partials = [
            _PartialDerivatives(components[begin : begin + self._size], generators)
            for begin in range(0, len(flat), self._size)
        ]
        self._states: list[_Vector] = [list(generators), *map(list, memory)]
        self._functions: list[_Vector] = []
        for function in functions:
            argument = [(self[monomial], coefficient_expression(value)) for monomial, value in function.argument]
            inside = _combination(argument, self._size)
            self._functions.append([sympy.sqrt(entry) for entry in inside] if function.root else inside)

    def __missing__(self, basis: Tree | Monomial) -> _Vector:
        self[basis] = self._tree(basis) if isinstance(basis, Tree) else self._product(basis)
        return self[basis]

    def _tree(self, tree: Tree) -> _Vector:
        if tree.colour <= 0:
            return self._states[-tree.colour]
        return self._derivative(tree.colour - 1, tree.children)

    def _product(self, monomial: Monomial) -> _Vector:
        factors = [[entry**power for entry in self._states[index]] for index, power in monomial.states]
        factors += [[entry**power for entry in self._functions[index]] for index, power in monomial.powers]
        factors += [[entry**monomial.gradient for entry in self._partials[0][()]]]
        factors += [self._derivative(0, arguments) for arguments in monomial.derivatives]
        factors += [self._derivative(power - 1, arguments) for power, arguments in monomial.means]
        return [sympy.Mul(*(factor[i] for factor in factors)) for i in range(self._size)]

    def _derivative(self, field: int, arguments: Sequence[Tree | Monomial]) -> _Vector:
        return _apply(self._partials[field], [(self[one], len(list(same))) for one, same in groupby(arguments)], ())


def _apply(partials: _PartialDerivatives, arguments: Sequence[tuple[_Vector, int]], alpha: tuple[int, ...]) -> _Vector:
    """``∂^α g`` applied to the arguments, each a vector and how often it occurs.

    k equal arguments are taken together: multi-indices of size k with multinomial weights, not d^k tuples.
    """
    derivative = partials[alpha]
    if not arguments or all(component == 0 for component in derivative):
        return derivative
    (vector, count), *others = arguments
    summands: list[_Vector] = []
    for beta in combinations_with_replacement(range(len(vector)), count):
        multiplicity = factorial(count) // prod(map(factorial, Counter(beta).values()))
        factor = prod((vector[i] for i in beta), start=multiplicity)
        if factor != 0:
            inner = _apply(partials, others, tuple(sorted(alpha + beta)))
            summands.append([factor * component for component in inner])
    if not summands:
        return [0 * component for component in derivative]
    return [_add(column) for column in zip(*summands, strict=True)]


def _add(scalars: Sequence[_Scalar]) -> _Scalar:
    return sympy.Add(*scalars) if isinstance(scalars[0], sympy.Expr) else sum(scalars[1:], start=scalars[0])


def _combination(weighted: Sequence[tuple[_Vector, sympy.Expr]], size: int) -> list[sympy.Expr]:
    """``Σ number · vector`` as expressions; polynomials are summed in a ring whose coefficients hold the numbers."""
    if not weighted:
        return [sympy.S.Zero] * size
    numbers = [number for _, number in weighted]
    if isinstance(weighted[0][0][0], sympy.Expr):
        return [sympy.Add(*(number * vector[i] for vector, number in weighted)) for i in range(size)]
    small = weighted[0][0][0].ring
    domain = small.domain.get_field().unify(sympy.construct_domain(numbers, field=True)[0])
    ring = small.clone(domain=domain)
    exact = [domain.from_sympy(number) for number in numbers]
    columns = zip(*(vector for vector, _ in weighted), strict=True)
    return [
        sum((scalar.set_ring(ring) * number for scalar, number in zip(column, exact, strict=True)), ring.zero).as_expr()
        for column in columns
    ]


def _scalars(field: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]) -> tuple[_Vector, Sequence[_Scalar]]:
    """Components and variables as polynomials where that is possible and exact, as the expressions themselves else."""
    try:
        polynomials, options = sympy.parallel_poly_from_expr(field, *variables)
    except BasePolynomialError:
        return list(field), variables
    domain = options.domain
    if not domain.is_Exact or domain.is_EX or domain.is_EXRAW:
        return list(field), variables
    ring = sympy.polys.rings.PolyRing(tuple(variables), domain, sympy.polys.orderings.lex)
    return [ring.from_dict(polynomial.as_dict(native=True)) for polynomial in polynomials], ring.gens


def _expression(scalar: _Scalar) -> sympy.Expr:
    return scalar if isinstance(scalar, sympy.Expr) else scalar.as_expr()


def check_variables(variables: Sequence[sympy.Symbol]) -> list[sympy.Symbol]:
    """As a list.  Raises ``InputError`` unless they are distinct symbols, at least one."""
    names = list(variables) if isinstance(variables, (list, tuple)) else [variables]
    for name in names:
        if not isinstance(name, sympy.Symbol):
            raise InputError(f"variable {shown(name)}: not a SymPy symbol; give a list of symbols, such as [x, y]")
    if not names or len(set(names)) != len(names):
        raise InputError(f"variables {shown(names)}: give at least one symbol, and each only once")
    return names


def check_field(field: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]) -> list[sympy.Expr]:
    """As a list.  Raises ``InputError`` unless it has an expression for each variable."""
    components = list(field)
    for component in components:
        if not isinstance(component, sympy.Expr):
            raise InputError(f"field component {shown(component)}: not a SymPy expression; build it from symbols")
    if len(components) != len(variables):
        raise InputError(f"field: {len(components)} components for {len(variables)} variables; give one for each")
    return components


def _check_no_clash(variables: Sequence[sympy.Symbol], numbers: Iterable[sympy.Expr]) -> None:
    """A parameter that stays a symbol must not be one of the variables that are differentiated."""
    for symbol in set().union(*(number.free_symbols for number in numbers)):
        if symbol.name in {variable.name for variable in variables}:
            raise InputError(f"variable {symbol}: also the name of the optimiser's parameter; rename the variable")
