"""Coloured trees and monomials of the vector language at concrete vector fields, as exact SymPy expressions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

import sympy

from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_expression
from eomsym.trees import ColouredTree

if TYPE_CHECKING:
    from eomsym.derivation.vector_language import ComponentwiseFunction, Monomial

    Basis: TypeAlias = "ColouredTree | Monomial"
    Sum: TypeAlias = "Iterable[tuple[Coefficient, Basis]]"


def general_combinations(
    rows: Sequence[Sum],
    functions: Sequence[ComponentwiseFunction],
    gradients: Sequence[Sequence[sympy.Expr]],
    variables: Sequence[sympy.Symbol],
    memory: Sequence[Sequence[sympy.Expr]] = (),
) -> list[sympy.Matrix]:
    """Each row as a column in the order of ``variables``, for vector fields in place of the gradients ``g_1``, ….

    ``memory`` has the slow states other than θ.
    """
    size, states = len(variables), [list(variables), *memory]
    values: list[list[sympy.Expr]] = []

    def directional(field: Sequence[sympy.Expr], arguments: list[list[sympy.Expr]]) -> list[sympy.Expr]:
        total = [sympy.Integer(0)] * size
        for indices in product(range(size), repeat=len(arguments)):
            weight = sympy.Mul(*(argument[i] for argument, i in zip(arguments, indices, strict=True)))
            names = [variables[i] for i in indices]
            total = [old + weight * component.diff(*names) for old, component in zip(total, field, strict=True)]
        return total

    def value(basis: Basis) -> list[sympy.Expr]:
        if isinstance(basis, ColouredTree):
            if basis.colour <= 0:
                return list(states[-basis.colour])
            field = list(gradients[basis.colour - 1])
            return directional(field, [value(child) for child in basis.children]) if basis.children else field
        total = [g**basis.gradient for g in gradients[0]]
        factors = [[entry**power for entry in states[index]] for index, power in basis.states]
        factors += [[entry**power for entry in values[index]] for index, power in basis.powers]
        factors += [directional(gradients[0], [value(a) for a in arguments]) for arguments in basis.derivatives]
        return [sympy.Mul(old, *(factor[i] for factor in factors)) for i, old in enumerate(total)]

    def combination(row: Sum) -> list[sympy.Expr]:
        weighted = [(coefficient_expression(coefficient), value(basis)) for coefficient, basis in row]
        return [sympy.Add(*(weight * vector[i] for weight, vector in weighted)) for i in range(size)]

    for function in functions:
        inside = combination([(coefficient, monomial) for monomial, coefficient in function.argument])
        values.append([sympy.sqrt(entry) for entry in inside] if function.root else inside)
    return [sympy.Matrix(combination(row)) for row in rows]
