"""How fast an optimiser makes a quantity with gradient ``λ a`` decay: exactly, and in each order of the motion.

On a linear gradient only chains of the rooted trees are left, each with ``F_g = λ^n a``: the equation of motion of
order N is ``ȧ = −r_N a`` with ``r_N = Σ_{n=1}^{N+1} η^{n−1} c_n λ^n``, ``c_n`` the coefficient of the chain of n
nodes.  The optimiser itself multiplies a by the root ρ near 1 of its difference equation, so its rate is ``−ln(ρ)/η``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from eomsym import optimizers
from eomsym.checks import check_positive
from eomsym.derivation.counterterms import derive_on_trees
from eomsym.errors import InputError
from eomsym.optimizers import Coefficient, DifferenceForm

#: Digits of the exact rate: differences of order N + 1 in ηλ stay visible for all orders that can be derived.
DIGITS = 80
#: Newton's method doubles the digits, and starts with some.
NEWTON_STEPS = 12


@dataclass(frozen=True)
class DecayLaw:
    """Decay rates: of the equation of motion of each of ``orders``, ``rates``, and of the optimiser, ``exact``."""

    orders: tuple[int, ...]
    rates: tuple[Decimal, ...]
    exact: Decimal

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
    Raises ``InputError`` for an optimiser without a difference form, a step that is not below ``ηλ = 1``, a bad value.
    """
    entry = optimizers.get(optimizer)
    if entry.difference_form is None:
        raise InputError(
            f"optimizer {entry.name!r}: no linear difference form, so no decay rate; take gradient-descent"
        )
    step, strength = _positive("eta", eta), _positive("weight_decay", weight_decay)
    x = step * strength
    if x >= 1:
        raise InputError(f"eta {float(step)!r}: times weight_decay it is {float(x):.3g}; the law needs less than 1")
    values = entry.complete(parameters)
    counterterms = derive_on_trees(entry.name, max(orders), **values)
    chains = [counterterms.gradient_coefficient]
    chains += [next(term.coefficient for term in terms if term.tree.is_chain) for terms in counterterms.terms]
    total, sums = Fraction(0), []
    for n, coefficient in enumerate(chains):
        total += Fraction(coefficient) * x**n * strength
        sums.append(total)
    with localcontext(prec=DIGITS):
        rates = tuple(_decimal(sums[order]) for order in orders)
        multiplier = _principal_root(entry.difference_form(**values), x, -_decimal(sums[-1] * step))
        return DecayLaw(tuple(orders), rates, -multiplier.ln() / _decimal(step))


def series_radius(form: DifferenceForm) -> float:
    """The ηλ up to which ``log ρ`` of a quadratic, and so the series of the equation of motion, converges.

    On ``g = λθ`` the multipliers r obey ``x = ηλ = −ρ(r)/S(r)`` with ``S = Σ_j w_j σ_j``; the series in x of the
    logarithm of the one near 1 ends where two of them meet or one is 0 or infinite.  The smallest |x| of these is
    returned, a lower bound where it belongs to other multipliers.  Heavy ball: ``(1 − √β)²``; Nesterov:
    ``((1 − β)/(1 + β))²``; gradient descent: 1.
    """
    import numpy as np
    from numpy.polynomial import Polynomial

    lowest = min(form.rho.keys() | {power for one in form.evaluations for power in one.shifts})

    def polynomial(shifts: Mapping[int, Coefficient]) -> Polynomial:
        coefficients = np.zeros(max(shifts) - lowest + 1)
        for power, value in shifts.items():
            coefficients[power - lowest] = float(value)
        return Polynomial(coefficients)

    rho = polynomial(form.rho)
    sigma = sum((polynomial(one.shifts) * float(one.weight) for one in form.evaluations), Polynomial([0.0]))
    meeting = (rho.deriv() * sigma - rho * sigma.deriv()).trim(1e-14).roots()
    found = [abs(rho(r) / sigma(r)) for r in (0.0, *meeting) if sigma(r) != 0]
    sigma = sigma.trim()
    if rho.degree() == sigma.degree():  # an infinite multiplier
        found.append(abs(rho.coef[-1] / sigma.coef[-1]))
    return float(min(x for x in found if x > 0))


def _principal_root(form: DifferenceForm, x: Fraction, logarithm: Decimal) -> Decimal:
    """The root of ``ρ(r) + x Σ_j w_j σ_j(r)`` near ``exp(logarithm)``, by Newton's method."""
    coefficients = {power: Fraction(value) for power, value in form.rho.items()}
    for evaluation in form.evaluations:
        for power, value in evaluation.shifts.items():
            added = x * Fraction(evaluation.weight) * Fraction(value)
            coefficients[power] = coefficients.get(power, Fraction(0)) + added
    lowest = min(coefficients)
    terms = [(power - lowest, _decimal(value)) for power, value in coefficients.items()]
    root = logarithm.exp()
    for _ in range(NEWTON_STEPS):
        value = sum((c * root**power for power, c in terms), Decimal(0))
        slope = sum((c * power * root ** (power - 1) for power, c in terms if power), Decimal(0))
        root -= value / slope
    return root


def _positive(name: str, value: Fraction | float) -> Fraction:
    check_positive(name, value)
    return Fraction(value)


def _decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)
