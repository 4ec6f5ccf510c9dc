"""Counter terms of gradient descent by Lie derivatives: the second route, which knows nothing of trees.

With ``F_1 = −g``, ``F_{m+2} = −ξ_m`` and the directional derivative ``D_i v = (F_i·∇) v``, the Taylor series of the
flow of ``Σ_k η^{k−1} F_k`` over one step must be the Euler step ``θ + η F_1``.  Order by order

    ξ_m = Σ_{i=2}^{m+2} 1/i! Σ_{k_1+…+k_i=m+2} D_{k_1} … D_{k_{i−1}} F_{k_i}.

Miyagawa, *Toward Equation of Motion for Deep Neural Networks*, NeurIPS 2022; Hairer, Lubich & Wanner, *Geometric
Numerical Integration* (2nd ed. 2006), section IX.1.  It needs a concrete field and works with
any coefficients, so it serves to check the coefficients that are found on trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import Any

import sympy
from sympy.polys.polyerrors import BasePolynomialError

from eomsym.checks import check_integer
from eomsym.errors import InputError

#: An element of ``QQ[variables, other symbols]``, or an expression where the field is no polynomial.
_Scalar = Any
_Vector = list[_Scalar]


def lie_counterterms(
    field_g: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol], order: int
) -> list[list[sympy.Expr]]:
    """``[ξ_0, …, ξ_{order−1}]`` of gradient descent on the vector field g, each a list of exact expressions.

    Not simplified; polynomials come out expanded.  Raises ``InputError`` for a field that does not fit its variables.
    """
    order = check_integer("order", order)
    if len(field_g) != len(variables) or not all(isinstance(component, sympy.Expr) for component in field_g):
        raise InputError(f"field: give {len(variables)} SymPy expressions, one for each variable")
    components, generators = _scalars(field_g, variables)
    nested = {(1, 1): [-component for component in components]}  # (i, n): Σ_{k_1+…+k_i=n} D_{k_1} … D_{k_{i−1}} F_{k_i}
    for n in range(2, order + 2):
        for i in range(2, n + 1):
            parts = [
                _directional_derivative(nested[i - 1, n - k], nested[1, k], generators) for k in range(1, n - i + 2)
            ]
            nested[i, n] = [_add(column) for column in zip(*parts, strict=True)]
        weights = [sympy.Rational(-1, factorial(i)) for i in range(2, n + 1)]
        nested[1, n] = [
            _add([_times(weight, nested[i, n][j]) for i, weight in enumerate(weights, start=2)])
            for j in range(len(generators))
        ]
    return [[_expression(-component) for component in nested[1, index + 2]] for index in range(order)]


def _directional_derivative(vector: _Vector, direction: _Vector, generators: Sequence[_Scalar]) -> _Vector:
    """``(direction·∇) vector``."""
    return [
        _add([along * scalar.diff(name) for along, name in zip(direction, generators, strict=True)])
        for scalar in vector
    ]


def _scalars(field: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]) -> tuple[_Vector, Sequence[_Scalar]]:
    """The field in ``QQ[variables, other symbols]`` if it is a polynomial with exact coefficients, as it is else."""
    constants = set().union(*(component.free_symbols for component in field)) - set(variables)
    names = [*variables, *sorted(constants, key=str)]
    try:
        if any(component.has(sympy.Float) for component in field):
            return list(field), variables
        ring, *generators = sympy.ring(names, sympy.QQ)
        return [ring.from_expr(component) for component in field], generators[: len(variables)]
    except (BasePolynomialError, ValueError):
        return list(field), variables


def _add(scalars: Sequence[_Scalar]) -> _Scalar:
    return sympy.Add(*scalars) if isinstance(scalars[0], sympy.Expr) else sum(scalars[1:], start=scalars[0])


def _times(weight: sympy.Rational, scalar: _Scalar) -> _Scalar:
    return weight * scalar if isinstance(scalar, sympy.Expr) else scalar * sympy.QQ(weight.p, weight.q)


def _expression(scalar: _Scalar) -> sympy.Expr:
    return scalar if isinstance(scalar, sympy.Expr) else scalar.as_expr()
