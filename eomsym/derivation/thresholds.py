"""The edge of stability of a rule: the first x = ηλ at which a multiplier leaves the unit circle, exactly.

On a quadratic a rule is a difference equation, a polynomial in r over those in x.  A root r leaves the circle by −1, by
+1, or in a pair where the polynomial has a root in common with its reverse; between two such x the exact Schur–Cohn
test says whether all are inside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise, product
from typing import Any

import sympy

from eomsym import optimizers
from eomsym.checks import check_positive
from eomsym.derivation.difference_equation import DifferenceEquation, difference_equation
from eomsym.derivation.posing import symbols_of
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.notation.coefficients import coefficient_latex, coefficient_text, symbol_latex
from eomsym.optimizers import Optimizer
from eomsym.optimizers.registry import label
from eomsym.optimizers.tracing import settled
from eomsym.result import Result

#: To so many digits every x is isolated, far below a double's last bit.
_DIGITS = 30
#: Values of parameters at which a symbolic threshold is compared with the exact one.
_TRIALS = (Fraction(0), Fraction(1, 2), Fraction(9, 10), Fraction(99, 100))
_MOST_TRIALS = 64
#: What the polynomial has besides parameters.
_OWN = ("r", "x")


@dataclass(frozen=True, repr=False)
class EdgeThreshold(Result):
    """Where a rule becomes unstable: at x = ``value`` a multiplier first leaves the unit circle, at ``angle`` degrees.

    x is η times an eigenvalue of the Hessian H; where the rule divides by memory, ``held``, of P^½ H P^½, P being what
    it multiplies its gradients with, held fixed.  ``expression`` and ``latex`` are exact, in symbols where a parameter
    is not given; ``value`` is taken at ``parameters``, there at what people use, and η → 0 where that is not given.
    ``value`` is infinite for a rule that is stable at every x, 0 for one that is at none however small, and ``angle``
    None; ``notes`` say that, and what else there is to know.  ``stable_again`` has the intervals beyond.
    """

    optimizer: str
    parameters: tuple[tuple[str, str], ...]
    expression: str
    latex: str
    value: float
    angle: float | None
    held: tuple[str, ...]
    stable_again: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    _coefficients: tuple[tuple[float, ...], ...]

    told = ("optimizer", "parameters", "expression", "latex", "value", "angle", "held", "stable_again", "notes")

    @property
    def multiplier(self) -> complex | None:
        """The one that leaves the circle at ``value``, −1, 1 or one of a pair."""
        if self.angle is None:
            return None
        turn = math.radians(self.angle)
        return complex({180.0: -1, 0.0: 1}.get(self.angle, complex(math.cos(turn), math.sin(turn))))

    @property
    def way(self) -> str:
        """How it leaves, in words."""
        if self.angle is None:
            return ""
        return {180.0: "by -1", 0.0: "by +1"}.get(self.angle, f"a pair at {self.angle:.4g} degrees")

    @property
    def summary(self) -> str:
        """The threshold in half a line."""
        return f"{self.optimizer}: x = {self.expression} = {self.value:.6g} {self.way}".rstrip()

    def report(self) -> list[str]:
        """The threshold, what x is, and what else is to be known."""
        again = [f"stable again from {low:.6g} to {high:.6g}" for low, high in self.stable_again]
        held = f" of P^½ H P^½, {' and '.join(self.held)} held" if self.held else " of the Hessian"
        return [self.summary, f"x is eta times an eigenvalue{held}", *again, *self.notes]

    def products(self, multiplier: complex, tolerance: float = 0.05) -> tuple[float, ...]:
        """The positive x at which the rule has this multiplier, from small to large; none where there is none.

        A complex multiplier that was measured lies beside the curve on which x is real: the real parts of those x
        whose imaginary part is at most ``tolerance`` of their size are given.
        """
        import numpy as np

        value = complex(multiplier)
        if not np.isfinite(value):
            raise InputError(f"multiplier {multiplier!r}: not finite; give a number such as -0.98")
        powers = value ** np.arange(len(self._coefficients))
        parts = [power * np.polynomial.Polynomial(row) for power, row in zip(powers, self._coefficients, strict=True)]
        roots = sum(parts).roots()
        near = (root.real for root in roots if abs(root.imag) <= tolerance * abs(root) and root.real > 1e-12)
        return tuple(sorted(map(float, near)))


def edge_threshold(
    optimizer: str | Optimizer = "gradient-descent", *, eta: object = None, **hyperparameters: object
) -> EdgeThreshold:
    """The x = ηλ beyond which an optimiser is unstable on a quadratic, from its own traced step.

    ``optimizer`` and ``hyperparameters`` are as for ``derive``; those not given stay symbols.  ``eta`` matters where
    the step has weight decay beside it.  Raises ``InputError`` for a step that cannot be traced, for several losses,
    and for one that is not linear near a minimum with what it divides by held.
    """
    entry, given = optimizers.chosen(optimizer, hyperparameters)
    entry.check_ungrouped("a threshold")
    if eta is not None:
        given["eta"] = read_rational("eta", eta)
        check_positive("eta", float(given["eta"]))
    values = {one.name: given[one.name] if one.name in given else one.usual() for one in entry.parameters}
    try:
        if {one.kind for one in entry.fields(**values)} != {"loss"}:
            raise InputError("it takes gradients of batches or players, which share no lambda")
        equation, kept = _traced(entry, values)
        values = {**values, "eta": given.get("eta", Fraction(0))}
        at = _at(equation.polynomial, values)
        exits, stable, place = _exits(at)
    except InputError as error:
        raise InputError(f"optimizer {entry.name!r}: no threshold, {error}") from None
    used = {str(symbol) for symbol in equation.polynomial.as_expr().free_symbols}
    names = [name for name in values if name in used and name not in _OWN]
    notes = ["the Hessian is that of the loss with its weight decay"] * equation.shifted
    again: list[tuple[float, float]] = []
    if place is None:
        value, angle = (math.inf, None) if stable[0] else (0.0, None)
        text, latex = ("infinity", r"\infty") if stable[0] else ("none", r"\text{none}")
        notes.append("stable at every x > 0" if stable[0] else "at no x > 0, however small, is it stable")
    else:
        first, ends = exits[place], [*(float(one.place) for one in exits), math.inf]
        value, angle = ends[place], _angle(at, first)
        again = [part for part, inside in zip(pairwise(ends), stable[1:], strict=True) if inside and part[0] > value]
        free = [name for name in names if name not in given]
        text, latex, told = _form(equation.polynomial, first, entry, values, free)
        notes += told
    return EdgeThreshold(
        label(optimizer, entry),
        tuple((name, str(values[name])) for name in names if name != "eta" or eta is not None),
        *(text, latex, value, angle),
        tuple(("theta", *entry.memory)[kept[state]] for state in equation.held) or ("the divisor",) * equation.divided,
        tuple(again),
        tuple(notes),
        tuple(tuple(map(float, row.all_coeffs()[::-1])) for row in _rows(at)[::-1]),
    )


def _traced(entry: Optimizer, values: Mapping[str, Fraction]) -> tuple[DifferenceEquation, list[int]]:
    """With as many parameters as symbols as the step function can take: powers of one, and branches, it cannot."""
    states = 1 + len(entry.memory)
    rule, kept = settled(entry.step, states, values, checked=False)
    numeric = difference_equation(rule)
    for kinds in (("number", "share"), ("share",)):
        free = symbols_of([one.name for one in entry.parameters if one.kind in kinds and one.name not in _OWN])
        try:
            rule, left = settled(entry.step, states, {**values, **free}, checked=False)
            symbolic = difference_equation(rule)
        except InputError:
            continue
        same = _with(symbolic.polynomial.as_expr() - numeric.polynomial.as_expr(), values).expand() == 0
        if left == kept and (same or symbolic.shifted != numeric.shifted):
            return symbolic, kept
    return numeric, kept


@dataclass(frozen=True)
class _Exit:
    """The x near ``place`` where ``factor``, irreducible, is zero: multipliers may cross the circle, by −1, +1 or 0.

    0 stands for a pair.
    """

    place: sympy.Rational
    factor: sympy.Poly
    way: int


def _exits(at: sympy.Poly) -> tuple[list[_Exit], list[bool], int | None]:
    """All exits of a polynomial in r and x, whether all multipliers are inside before, between and after them.

    And the number of the first by which one leaves; None where none is inside to begin with.
    """
    x = at.gens[1]
    found: dict[sympy.Poly, list[_Exit]] = {}
    for way in (-1, 1, 0):
        for factor, _ in sympy.Poly(_crossing(at, way), x, domain=sympy.QQ).factor_list()[1]:
            ends = [sum(part) / 2 for part, _ in factor.intervals(eps=sympy.Rational(1, 10**_DIGITS), inf=0)]
            found.setdefault(factor, [_Exit(end, factor, way) for end in ends if end > 0])
    exits = sorted((one for several in found.values() for one in several), key=lambda one: one.place)
    places = [sympy.Integer(0), *(one.place for one in exits)]
    between = [*((a + b) / 2 for a, b in pairwise(places)), places[-1] + 1]
    stable = [_is_stable([row(place) for row in _rows(at)]) for place in between]
    leaving = [number for number, (before, after) in enumerate(pairwise(stable)) if before and not after]
    return exits, stable, leaving[0] if leaving and stable[0] else None


def _crossing(polynomial: sympy.Poly, way: int) -> sympy.Expr:
    """What is zero where a multiplier is −1 or 1, or has its inverse as another one."""
    r = polynomial.gens[0]
    if way:
        return polynomial.as_expr().subs(r, way)
    coefficients = sympy.Poly(polynomial.as_expr(), r).all_coeffs()
    return sympy.Poly(coefficients, r).resultant(sympy.Poly(coefficients[::-1], r))


def _is_stable(left: Sequence[sympy.Rational]) -> bool:
    """Whether all roots are inside the circle, by Schur and Cohn; where the first coefficient is 0 one is infinite."""
    while len(left) > 1:
        if abs(left[-1]) >= abs(left[0]):
            return False
        share = left[-1] / left[0]
        left = [a - share * b for a, b in zip(left, left[::-1], strict=True)][:-1]
    return True


def _at(polynomial: sympy.Poly, values: Mapping[str, Fraction]) -> sympy.Poly:
    """The polynomial in r and x at numbers, without multipliers that are always 0."""
    r, x = polynomial.gens[:2]
    at = sympy.Poly(_with(polynomial.as_expr(), values), r, x, domain=sympy.QQ)
    if at.degree(x) == 0:
        raise InputError("its steps do not depend on the curvature, or by eta beside x; give eta")
    return sympy.Poly(at.as_expr() / r ** min(power for power, _ in at.monoms()), r, x, domain=sympy.QQ)


def _with(expression: sympy.Expr, values: Mapping[str, Fraction]) -> sympy.Expr:
    own = {name: value for name, value in values.items() if name not in _OWN}
    found = expression.subs({name: sympy.Rational(value.numerator, value.denominator) for name, value in own.items()})
    if found.has(sympy.zoo, sympy.nan):
        raise InputError("it divides by zero at these values")
    return found


def _rows(at: sympy.Poly) -> list[sympy.Poly]:
    """The coefficients of the powers of r, the highest first, as polynomials in x."""
    r, x = at.gens
    return [sympy.Poly(part, x) for part in sympy.Poly(at.as_expr(), r).all_coeffs()]


def _angle(at: sympy.Poly, first: _Exit) -> float:
    """Where on the circle the multiplier leaves, in degrees."""
    if first.way:
        return 180.0 if first.way < 0 else 0.0
    roots = sympy.Poly([row(first.place) for row in _rows(at)], at.gens[0]).nroots(n=_DIGITS)
    root = min(roots, key=lambda one: abs(abs(one) - 1))
    return abs(math.degrees(float(sympy.arg(root))))


def _form(
    polynomial: sympy.Poly, first: _Exit, entry: Optimizer, values: Mapping[str, Fraction], free: Sequence[str]
) -> tuple[str, str, list[str]]:
    """An exit as text and in LaTeX, in the symbols ``free`` where it has a closed form, and what there is to know."""
    given = {name: value for name, value in values.items() if name not in free}
    crossing = sympy.together(_with(_crossing(polynomial, first.way), given)) if free else first.factor.as_expr()
    parts = [sympy.Poly(part, polynomial.gens[1]) for part, _ in sympy.factor_list(sympy.numer(crossing))[1]]
    closed = [root for part in parts if part.degree() in {1, 2} for root in sympy.roots(part, multiple=True)]
    closed = [root for root in closed if _is_at(root, values, first)]
    if not closed:
        text, near = first.factor.as_expr(), f"{float(first.place):.15g}"
        note = ["there is no closed form in symbols: it is that at these values"] * bool(free)
        return f"root of {text} near {near}", rf"\text{{root of }} {sympy.latex(text)} \text{{ near }} {near}", note
    (root,) = closed[:1]
    notes = ["the value is for eta -> 0: give eta"] * ("eta" in free)
    bounds = {one.name: one for one in entry.parameters}
    trials = [
        [value for value in (values[name], *_TRIALS) if name == "eta" or bounds[name].holds(value)] for name in free
    ]
    for point in islice(product(*trials), _MOST_TRIALS):
        there = {**values, **dict(zip(free, point, strict=True))}
        try:
            exits, _, place = _exits(_at(polynomial, there))
        except InputError:  # it divides by zero there
            continue
        if place is None or not _is_at(root, there, exits[place]):
            told = ", ".join(f"{name} = {there[name]}" for name in free)
            notes.append(f"not everywhere is this exit the first, not at {told}: give values")
            break
    try:
        exact: Any = (sympy.QQ.frac_field(*free) if free else sympy.QQ).from_sympy(root)
    except sympy.CoercionFailed:
        names = {symbol: symbol_latex(symbol.name) for symbol in root.free_symbols}
        return str(root), str(sympy.latex(root, symbol_names=names)), notes
    exact = exact if free else Fraction(int(exact.numerator), int(exact.denominator))
    return coefficient_text(exact), coefficient_latex(exact), notes


def _is_at(root: sympy.Expr, values: Mapping[str, Fraction], first: _Exit) -> bool:
    """Whether a closed form has the value of an exit."""
    try:
        return bool(abs(sympy.N(_with(root, values), _DIGITS) - first.place) < 1e-20 * first.place)
    except InputError:
        return False
