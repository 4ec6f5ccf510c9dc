"""How fast an optimiser makes a quantity with gradient ``λ a`` decay: exactly, and in each order of the motion.

On a linear gradient only chains of the rooted trees are left, each with ``F_g = λ^n a``: the equation of motion of
order N is ``ȧ = −r_N a`` with ``r_N = Σ_{n=1}^{N+1} η^{n−1} c_n λ^n``, ``c_n`` the coefficient of the chain of n
nodes.  The optimiser itself multiplies a by the root ρ near 1 of its difference equation, so its rate is ``−ln(ρ)/η``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from eomsym import optimizers
from eomsym.checks import check_positive
from eomsym.derivation.deriving import derive_on_trees
from eomsym.errors import InputError
from eomsym.optimizers.rule import UpdateRule
from eomsym.result import Result

if TYPE_CHECKING:
    import sympy

#: Digits of the exact rate: differences of order N + 1 in ηλ stay visible for all orders that can be derived.
DIGITS = 80


@dataclass(frozen=True, repr=False)
class DecayLaw(Result):
    """Decay rates: of the equation of motion of each of ``orders``, ``rates``, and of the optimiser, ``exact``."""

    orders: tuple[int, ...]
    rates: tuple[Decimal, ...]
    exact: Decimal

    def column_values(self) -> dict[str, Any]:
        """One row for each order."""
        return {"order": self.orders, "rate": list(map(float, self.rates)), "error": list(map(float, self.errors))}

    @property
    def errors(self) -> tuple[Decimal, ...]:
        """|rate − exact rate| of each order, to many digits though the rates agree in most of theirs."""
        with localcontext(prec=DIGITS):
            return tuple(abs(rate - self.exact) for rate in self.rates)


def decay_law(
    eta: Fraction | float,
    weight_decay: Fraction | float,
    orders: Sequence[int],
    optimizer: str = "gradient-descent",
    **parameters: object,
) -> DecayLaw:
    """The law of a quantity that only weight decay acts on, such as the row sums of the layer before a softmax.

    ``eta`` and ``weight_decay`` are taken as the exact numbers that they are.  Decay that is decoupled from the
    momentum acts on such a quantity as in plain gradient descent, ``a⁺ = (1 − ηλ) a``: take that law then.
    Raises ``InputError`` for an optimiser whose steps on λa depend on more than ηλ, a step that is not below
    ``ηλ = 1`` or where a oscillates (heavy ball: ``ηλ > (1 − √β)²``), a bad value.
    """
    entry, given = optimizers.chosen(optimizer, parameters)
    entry.check_ungrouped("a law of decay")
    step, strength = _positive("eta", eta), _positive("weight_decay", weight_decay)
    x = step * strength
    if x >= 1:
        raise InputError(f"eta {float(step)!r}: times weight_decay it is {float(x):.3g}; the law needs less than 1")
    values = entry.complete(given)
    multipliers = _multipliers(entry.rule(**values))
    if multipliers is None:
        raise InputError(
            f"optimizer {entry.name!r}: no linear difference form, so no decay rate; take gradient-descent"
        )
    rows = derive_on_trees(entry.name, max(orders), **values).rows
    total, sums = Fraction(0), []
    for n, row in enumerate(rows):
        coefficient = next(value for tree, value in row.items() if tree.is_chain)
        total += Fraction(coefficient) * x**n * strength
        sums.append(total)
    with localcontext(prec=DIGITS):
        rates = tuple(_decimal(sums[order]) for order in orders)
        multiplier = _principal_root(multipliers, x, -_decimal(sums[-1] * step))
        if multiplier is None:
            raise InputError(
                f"eta {float(step)!r}: times weight_decay it is {float(x):.3g}, where {entry.name} oscillates and has "
                f"no decay rate; below {series_radius(entry.rule(**values)):.4g} it has one"
            )
        return DecayLaw(tuple(orders), rates, -multiplier.ln() / _decimal(step))


def series_radius(rule: UpdateRule) -> float:
    """The ηλ up to which ``log ρ`` of a quadratic, and so the series of the equation of motion, converges.

    The series in x = ηλ of the logarithm of the multiplier near 1 ends where two multipliers meet or one is 0 or
    infinite.  The smallest |x| of these is returned, a lower bound where it belongs to other multipliers.  Heavy ball:
    ``(1 − √β)²``; Nesterov: ``((1 − β)/(1 + β))²``; gradient descent: 1, which stands as well for rules that have no
    multipliers in ηλ alone: componentwise ones, decoupled decay, several fields.
    """
    import sympy

    polynomial = _multipliers(rule)
    if polynomial is None:
        return 1.0
    ends = (polynomial.discriminant(), polynomial.coeff_monomial(1), polynomial.LC())
    found = [abs(complex(root)) for end in ends for root in _roots(sympy.Poly(end, sympy.Symbol("x")))]
    return float(min(x for x in found if x > 0))


def _multipliers(rule: UpdateRule) -> sympy.Poly | None:
    """A polynomial in r over those in x = ηλ, 0 where r multiplies θ in each step on the gradient λθ.

    None where the steps do not depend on η and λ by x alone.
    """
    import sympy

    from eomsym.derivation.difference_equation import difference_equation

    if not rule.linear:
        return None
    try:
        equation = difference_equation(rule)
    except InputError:
        return None
    if equation.shifted or equation.polynomial.degree(2) > 0:
        return None
    return sympy.Poly(equation.polynomial.as_expr(), sympy.Symbol("r"), domain=sympy.QQ[sympy.Symbol("x")])


def _roots(polynomial: sympy.Poly, digits: int = 15) -> list[sympy.Expr]:
    """Each once."""
    return [] if polynomial.is_ground else polynomial.sqf_part().nroots(n=digits)


def _principal_root(polynomial: sympy.Poly, x: Fraction, logarithm: Decimal) -> Decimal | None:
    """The root of the polynomial at x that is nearest to ``exp(logarithm)``; None if it is not a positive number."""
    import sympy

    at = sympy.Poly(polynomial.as_expr().subs("x", sympy.Rational(x.numerator, x.denominator)), sympy.Symbol("r"))
    guess = sympy.Float(str(logarithm.exp()), DIGITS)
    root = min(_roots(at, DIGITS), key=lambda one: abs(one - guess))
    return Decimal(str(root)) if root.is_positive else None


def _positive(name: str, value: Fraction | float) -> Fraction:
    check_positive(name, value)
    return Fraction(value)


def _decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)
