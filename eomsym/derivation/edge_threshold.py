"""The edge of stability of a rule: the first x = ηλ at which a multiplier leaves the unit circle, exactly.

On a quadratic a rule is a difference equation, a polynomial in r over those in x.  A root r leaves the circle by −1, by
+1, or in a pair where the polynomial has a root in common with its reverse; between two such x the exact Schur–Cohn
test says whether all are inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise, product
from typing import TYPE_CHECKING, Any

from eomsym import optimizers
from eomsym.checks import check_positive
from eomsym.derivation.difference_equation import DifferenceEquation, difference_equation
from eomsym.derivation.posing import symbols_of
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.notation.coefficients import coefficient_latex, coefficient_text, symbol_latex
from eomsym.optimizers import Optimizer
from eomsym.optimizers.registry import check_one_gradient, label
from eomsym.optimizers.tracing import settled
from eomsym.result import Result

if TYPE_CHECKING:
    import sympy

#: To this width every x is isolated, far below a double's last bit.
_WIDTH = Fraction(1, 10**30)
#: Values of parameters at which a symbolic threshold is compared with the exact one.
_TRIALS = (Fraction(0), Fraction(1, 2), Fraction(9, 10), Fraction(99, 100))
_MOST_TRIALS = 64


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
    def summary(self) -> str:
        """The threshold in half a line."""
        way = "" if self.angle is None else f" by {_way(self.angle)}"
        return f"{self.optimizer}: x = {self.expression} = {self.value:.6g}{way}"

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
        roots = np.roots((powers @ np.array(self._coefficients))[::-1])
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
    usual = {one.name: one.usual() for one in entry.parameters if one.name not in given}
    check_one_gradient(entry, {**usual, **given})
    equation, kept = _traced(entry, given, usual)
    values = {**usual, **given, "eta": Fraction(0)}
    if eta is not None:
        check_positive("eta", eta)
        values["eta"] = given["eta"] = read_rational("eta", eta)
    try:
        return _Search(equation, values, given).result(label(optimizer, entry), entry, kept)
    except InputError as error:
        raise InputError(f"optimizer {entry.name!r}: {error}") from None


def _traced(
    entry: Optimizer, given: Mapping[str, Fraction], usual: Mapping[str, Fraction]
) -> tuple[DifferenceEquation, list[int]]:
    """With as many parameters as symbols as the step function can take: powers of one it cannot."""
    numbers, states = {**usual, **given}, 1 + len(entry.memory)
    rule, kept = settled(entry.step, states, numbers, checked=False)
    for kinds in (("number", "share"), ("share",)):
        free = symbols_of([one.name for one in entry.parameters if one.kind in kinds])
        try:
            symbolic, left = settled(entry.step, states, {**numbers, **free}, checked=False)
        except InputError:
            continue
        if left == kept:
            rule = symbolic
            break
    try:
        return difference_equation(rule), kept
    except InputError as error:
        raise InputError(f"optimizer {entry.name!r}: no threshold, {error}") from None


@dataclass(frozen=True)
class _Exit:
    """The x between ``low`` and ``high`` where ``factor``, irreducible, is zero: multipliers may cross the circle."""

    low: Fraction
    high: Fraction
    factor: sympy.Poly
    way: int

    @property
    def middle(self) -> Fraction:
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class _Edge:
    """What is known at numbers: the first exit, None where there is none, whether small x are stable, what follows."""

    first: _Exit | None
    stable: bool
    again: tuple[tuple[float, float], ...] = ()


#: Ways out of the circle: by −1, by +1, in a pair.
_WAYS = (-1, 1, 0)


def _reverse_and_all(polynomial: sympy.Poly, way: int) -> sympy.Expr:
    """A polynomial in x that is zero where a multiplier is −1, 1, or has its inverse as another one."""
    import sympy

    r = sympy.Symbol("r")
    if way:
        return polynomial.as_expr().subs(r, way)
    whole = sympy.Poly(polynomial.as_expr(), r)
    return whole.resultant(sympy.Poly(whole.all_coeffs()[::-1], r))


def _edge(rows: Sequence[Sequence[Fraction]]) -> _Edge:
    """That of ``0 = Σ rows[i][j] r^i x^j``, exactly."""
    exits = sorted(_exits(rows), key=lambda one: one.low)
    ends = [Fraction(0), *(one.high for one in exits)]
    beyond = [*(one.low for one in exits), ends[-1] + 2]
    stable = [_is_stable(rows, (a + b) / 2) for a, b in zip(ends, beyond, strict=True)]
    first = next((n for n, (a, b) in enumerate(pairwise(stable)) if a and not b), None)
    if first is None or not stable[0]:
        return _Edge(None, stable[0])
    tops = [*(float(one.middle) for one in exits[1:]), math.inf]
    again = [(float(exits[n].middle), tops[n]) for n in range(first + 1, len(exits)) if stable[n + 1]]
    return _Edge(exits[first], True, tuple(again))


def _exits(rows: Sequence[Sequence[Fraction]]) -> Iterator[_Exit]:
    import sympy

    x, known = sympy.Symbol("x"), set()
    terms = {(i, j): _rational(value) for i, row in enumerate(rows) for j, value in enumerate(row)}
    polynomial = sympy.Poly.from_dict(terms, *sympy.symbols("r x"), domain=sympy.QQ)
    for way in _WAYS:
        for factor, _ in sympy.Poly(_reverse_and_all(polynomial, way), x, domain=sympy.QQ).factor_list()[1]:
            if factor in known or factor == sympy.Poly(x, x, domain=sympy.QQ):
                continue
            known.add(factor)
            for (low, high), _ in factor.intervals(eps=_rational(_WIDTH), inf=0):
                yield _Exit(_fraction(low), _fraction(high), factor, way)


def _is_stable(rows: Sequence[Sequence[Fraction]], x: Fraction) -> bool:
    """Whether all multipliers are inside the circle, by Schur and Cohn."""
    left = [sum(value * x**j for j, value in enumerate(row)) for row in reversed(rows)]
    while len(left) > 1:
        if abs(left[-1]) >= abs(left[0]):
            return False
        share = left[-1] / left[0]
        left = [a - share * b for a, b in zip(left, left[::-1], strict=True)][:-1]
    return True


def _number(element: Any, values: Mapping[str, Fraction]) -> Fraction:
    """An element of a fraction field at numbers, or a number."""
    if not hasattr(element, "field"):
        return _fraction(element)
    names = [str(symbol) for symbol in element.field.symbols]
    above, below = (
        sum(_fraction(c) * math.prod(values[n] ** e for n, e in zip(names, powers, strict=True)) for powers, c in part)
        for part in (element.numer.terms(), element.denom.terms())
    )
    return Fraction(above) / below


def _rational(number: Fraction) -> sympy.Rational:
    import sympy

    return sympy.Rational(number.numerator, number.denominator)


def _fraction(number: Any) -> Fraction:
    return Fraction(int(number.numerator), int(number.denominator))


def _way(angle: float) -> str:
    return {180.0: "-1", 0.0: "+1"}.get(angle, f"a pair at {angle:.6g} degrees")


@dataclass
class _Search:
    """The edge at ``values``, and the form that it has where those that are not ``given`` are symbols."""

    equation: DifferenceEquation
    values: Mapping[str, Fraction]
    given: Mapping[str, Fraction]

    def result(self, name: str, entry: Optimizer, kept: Sequence[int]) -> EdgeThreshold:
        rows = self.rows(self.values)
        edge = _edge(rows)
        text, latex, notes = self.form(edge, entry)
        if self.equation.shifted:
            notes.append("the Hessian is that of the loss with its weight decay")
        if edge.first is None:
            notes.append("stable at every x > 0" if edge.stable else "at no x > 0, however small, is it stable")
        value = float(edge.first.middle) if edge.first else math.inf if edge.stable else 0.0
        matter = [one for one in self.values if one in self.names and (one != "eta" or one in self.given)]
        return EdgeThreshold(
            name,
            tuple((one, str(self.values[one])) for one in matter),
            text,
            latex,
            value,
            self.angle(rows, edge.first),
            tuple(("theta", *entry.memory)[kept[state]] for state in self.equation.held),
            edge.again,
            tuple(notes),
            tuple(tuple(map(float, row)) for row in rows),
        )

    @property
    def names(self) -> set[str]:
        """The parameters that the multipliers depend on."""
        used = {str(symbol) for symbol in self.equation.polynomial.as_expr().free_symbols}
        return used - {"r", "x"}

    def rows(self, values: Mapping[str, Fraction]) -> list[list[Fraction]]:
        """The polynomial at numbers, without multipliers that are always 0."""
        polynomial = self.equation.polynomial
        rows = [[Fraction(0)] * (polynomial.degree(1) + 1) for _ in range(polynomial.degree(0) + 1)]
        for (i, j, k), element in polynomial.rep.to_dict().items():
            rows[i][j] += _number(element, values) * values["eta"] ** k
        while not any(rows[0]):
            del rows[0]
        while not any(rows[-1]):
            del rows[-1]
        return rows

    def angle(self, rows: Sequence[Sequence[Fraction]], first: _Exit | None) -> float | None:
        import sympy

        if first is None:
            return None
        if first.way:
            return 180.0 if first.way < 0 else 0.0
        at = [_rational(sum(value * first.middle**j for j, value in enumerate(row))) for row in reversed(rows)]
        roots = sympy.Poly(at, sympy.Symbol("r")).nroots(n=30)
        root = min(roots, key=lambda one: abs(abs(one) - 1) - 1e-9 * abs(sympy.im(one)))
        return abs(math.degrees(math.atan2(*map(float, root.as_real_imag()[::-1]))))

    def form(self, edge: _Edge, entry: Optimizer) -> tuple[str, str, list[str]]:
        """The first exit as text and in LaTeX, and what is to be known of it."""
        import sympy

        if edge.first is None:
            return "infinity" if edge.stable else "none", r"\infty" if edge.stable else r"\text{none}", []
        free = [name for name in self.values if name in self.names - self.given.keys()]
        if not free:
            return *_closed(edge.first.factor, edge.first), []
        known = {sympy.Symbol(name): _rational(value) for name, value in self.given.items()}
        crossing = _reverse_and_all(self.equation.polynomial, edge.first.way).subs(known)
        numerator = sympy.numer(sympy.together(crossing))
        factors = [sympy.Poly(factor, sympy.Symbol("x")) for factor, _ in sympy.factor_list(numerator)[1]]
        (own,) = (one for one in factors if self.holds(one, self.values, edge.first))
        notes = ["the value is that for eta -> 0; give eta"] * ("eta" in free)
        return *_closed(own, edge.first, self.values, free), notes + self.elsewhere(own, entry, free)

    def holds(self, factor: sympy.Poly, values: Mapping[str, Fraction], first: _Exit) -> bool:
        """Whether a factor with symbols has the exit at these numbers."""
        at = _at(factor, values)
        return factor.degree() > 0 and not at.is_zero and at.rem(first.factor).is_zero

    def elsewhere(self, factor: sympy.Poly, entry: Optimizer, free: Sequence[str]) -> list[str]:
        """What is to be said where another multiplier is the first to leave at other values."""
        bounds = {one.name: one for one in entry.parameters}
        trials = [
            [v for v in {self.values[n], *_TRIALS} if n not in bounds or bounds[n].holds(v)] if n in free else [value]
            for n, value in self.values.items()
            if n in self.names
        ]
        names = [name for name in self.values if name in self.names]
        for point in islice(product(*trials), _MOST_TRIALS):
            values = {**self.values, **dict(zip(names, point, strict=True))}
            edge = _edge(self.rows(values))
            if edge.first is None or not self.holds(factor, values, edge.first):
                told = ", ".join(f"{name} = {values[name]}" for name in free)
                return [f"not everywhere, as at {told}, is this exit the first: give values"]
        return []


def _at(factor: sympy.Poly, values: Mapping[str, Fraction]) -> sympy.Poly:
    """A polynomial in x at numbers."""
    import sympy

    known = {sympy.Symbol(name): _rational(value) for name, value in values.items()}
    return sympy.Poly(factor.as_expr().subs(known), sympy.Symbol("x"), domain=sympy.QQ)


def _closed(
    factor: sympy.Poly, first: _Exit, values: Mapping[str, Fraction] | None = None, free: Sequence[str] = ()
) -> tuple[str, str]:
    """The root x of a polynomial at an exit: in closed form up to degree 2, else by its polynomial."""
    import sympy

    names = {symbol: symbol_latex(symbol.name) for symbol in factor.as_expr().free_symbols}
    if factor.degree() == 1:
        leading, constant = factor.all_coeffs()
        element = (sympy.QQ.frac_field(*free) if free else sympy.QQ).from_sympy(-constant / leading)
        exact = element if free else _fraction(element)
        return coefficient_text(exact), coefficient_latex(exact)
    if factor.degree() == 2:
        known = {sympy.Symbol(name): _rational(value) for name, value in (values or {}).items()}
        roots = sympy.roots(factor, multiple=True)
        root = min(roots, key=lambda one: abs(sympy.N(one.subs(known), 30) - _rational(first.middle)))
        return str(root), str(sympy.latex(root, symbol_names=names))
    text, latex = str(factor.as_expr()), sympy.latex(factor.as_expr(), symbol_names=names)
    near = f"{float(first.middle):.15g}"
    return f"the root of {text} near {near}", rf"\text{{the root of }} {latex} \text{{ near }} {near}"
