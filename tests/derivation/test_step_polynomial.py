"""The step-index polynomial: brute force on small trees, classical coefficients, and the difference equation itself."""

from fractions import Fraction
from functools import reduce
from itertools import product
from math import comb, factorial, lcm

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from second_routes.step_polynomial import FORMS as OF_OPTIMIZERS
from second_routes.step_polynomial import (
    DifferenceForm,
    Evaluation,
    apply_operator,
    forward_differences,
    linear_coefficient,
    modified_coefficients,
    reciprocal,
    shift_operator,
    step_polynomials,
    values,
)

from eomsym.notation import elementary_differentials
from eomsym.trees import LEAF, rooted_trees

BETA = Fraction(9, 10)
BETA_SYMBOL = sympy.field("beta", sympy.QQ)[1]


heavy_ball, nesterov = OF_OPTIMIZERS["heavy-ball"], OF_OPTIMIZERS["nesterov"]

#: Update rules ρ(E) θ = η Σ_j w_j f(σ_j(E) θ) of theory.md §3, and a few of numerical analysis.
FORMS = {
    "explicit Euler": OF_OPTIMIZERS["gradient-descent"](),
    "implicit Euler": DifferenceForm({1: 1, 0: -1}, (Evaluation(1, {1: 1}),)),
    "implicit midpoint": DifferenceForm({1: 1, 0: -1}, (Evaluation(1, {1: Fraction(1, 2), 0: Fraction(1, 2)}),)),
    "trapezoidal rule": DifferenceForm(
        {1: 1, 0: -1}, (Evaluation(Fraction(1, 2), {0: 1}), Evaluation(Fraction(1, 2), {1: 1}))
    ),
    "heavy ball": heavy_ball(BETA),
    "Nesterov": nesterov(Fraction(1, 3)),
    "optimistic": DifferenceForm({1: 1, 0: -1}, (Evaluation(2, {0: 1}), Evaluation(-1, {-1: 1}))),
    "leapfrog": DifferenceForm({1: Fraction(1, 2), -1: Fraction(-1, 2)}, (Evaluation(1, {0: 1}),)),
}

ALL_FORMS = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.mark.parametrize(
    ("rho", "shifts", "message"),
    [
        ({1: 1, 0: -2}, {0: 1}, r"rho\(1\) = -1"),
        ({1: 1, 0: -2, -1: 1}, {0: 1}, r"rho'\(1\) = 0"),
        ({1: 1, 0: -1}, {0: 1, -1: 1}, r"sigma\(1\) = 2"),
    ],
)
def test_inconsistent_difference_forms_are_refused(rho, shifts, message):
    with pytest.raises(ValueError, match=message):
        DifferenceForm(rho=rho, evaluations=(Evaluation(1, shifts),))


def chain(nodes):
    return rooted_trees(nodes)[0]


def bush(leaves):
    return rooted_trees(leaves + 1)[-1]


# Lists of differences ------------------------------------------------------------------------------------------------

SAMPLES = st.lists(st.fractions(max_denominator=1000), min_size=1, max_size=8)


@given(SAMPLES)
def test_values_undo_forward_differences(samples):
    assert values(forward_differences(samples), len(samples)) == samples


@given(SAMPLES)
def test_linear_coefficient_reads_the_polynomial(coefficients):
    degree = len(coefficients)
    samples = [sum(c * s**k for k, c in enumerate(coefficients)) for s in range(degree)]
    assert linear_coefficient(forward_differences(samples)) == (coefficients[1] if degree > 1 else 0)


@given(SAMPLES, st.integers(-4, 4))
def test_shift_operator_shifts(coefficients, power):
    def polynomial(s):
        return sum(c * s**k for k, c in enumerate(coefficients))

    differences = forward_differences([polynomial(s) for s in range(len(coefficients))])
    shifted = apply_operator(shift_operator({power: 1}, len(differences)), differences)
    assert values(shifted, 5) == [polynomial(s + power) for s in range(5)]


@given(SAMPLES.filter(lambda series: series[0] != 0))
def test_reciprocal_is_the_inverse_series(series):
    inverse = reciprocal(series)
    convolution = [sum(series[i] * inverse[k - i] for i in range(k + 1)) for k in range(len(series))]
    assert convolution == [1] + [0] * (len(series) - 1)


# Gradient descent ----------------------------------------------------------------------------------------------------

GRADIENT_DESCENT = modified_coefficients(FORMS["explicit Euler"], 10)


def strictly_order_preserving_maps(tree, count):
    """Number of maps of the nodes into {0, …, count − 1} under which every child is smaller than its parent."""
    below = []

    def visit(node):
        number = len(below)
        below.append([])
        for child in node.children:
            below[number].append(visit(child))
        return number

    visit(tree)
    images = product(range(count), repeat=tree.order)
    return sum(
        all(image[child] < image[node] for node, children in enumerate(below) for child in children) for image in images
    )


@pytest.mark.parametrize("tree", [tree for order in range(1, 6) for tree in rooted_trees(order)], ids=str)
def test_step_polynomial_is_the_strict_order_polynomial(tree):
    """Nodes are distinguishable here: P_τ counts maps, and P_τ(n)/σ counts them up to symmetry."""
    polynomial = step_polynomials(FORMS["explicit Euler"], 5)[tree]
    assert values(polynomial, 6) == [strictly_order_preserving_maps(tree, count) for count in range(6)]


def test_leading_coefficient_is_one_over_density():
    """P_τ(s) ~ s^n/γ(τ): for many small steps the iterates are the exact flow, whose coefficients are 1/γ."""
    for tree, polynomial in step_polynomials(FORMS["explicit Euler"], 8).items():
        assert Fraction(polynomial[tree.order], factorial(tree.order)) == Fraction(1, tree.density)


@pytest.mark.parametrize("nodes", range(1, 11))
def test_chains_are_the_logarithm(nodes):
    """Theory §2: b = (−1)^{n−1}/n, the series of log(1 + x)."""
    assert GRADIENT_DESCENT[chain(nodes)] == Fraction((-1) ** (nodes - 1), nodes)


@pytest.mark.parametrize("leaves", range(10))
def test_bushes_are_bernoulli_numbers(leaves):
    """Theory §2: B_0 = 1, B_1 = −1/2, B_2 = 1/6, B_3 = 0, B_4 = −1/30, …, here from their recursion."""
    bernoulli = [Fraction(1)]
    for n in range(1, leaves + 1):
        bernoulli.append(-sum(comb(n + 1, k) * bernoulli[k] for k in range(n)) / (n + 1))
    assert GRADIENT_DESCENT[bush(leaves)] == bernoulli[leaves]


def test_riccati_equation():
    """f = y²: f̃ = y² Σ c_n (ηy)^n; Hairer, Lubich & Wanner 2006, example IX.1.1; theory §2."""
    y = sympy.Symbol("y")
    sums = []
    for order in range(1, 8):
        fields = elementary_differentials([y**2], [y], rooted_trees(order))
        sums.append(sum(sympy.Rational(GRADIENT_DESCENT[t]) / t.symmetry * fields[t][0].subs(y, 1) for t in fields))
    assert sums == [sympy.Rational(c) for c in ("1", "-1", "3/2", "-8/3", "31/6", "-157/15", "649/30")]


@pytest.mark.parametrize("order", range(1, 11))
def test_least_common_multiple_is_a_denominator(order):
    """Design §5: b = integer / lcm(1 … n)."""
    assert all((lcm(*range(1, order + 1)) * GRADIENT_DESCENT[tree]).denominator == 1 for tree in rooted_trees(order))


def test_integers_stay_integers():
    polynomials = step_polynomials(FORMS["explicit Euler"], 7)
    assert all(type(number) is int for polynomial in polynomials.values() for number in polynomial)


# Other update rules --------------------------------------------------------------------------------------------------


def test_implicit_euler_is_the_adjoint():
    """HLW theorem IX.2.1: the adjoint method has the coefficients (−1)^{|τ|−1} b(τ)."""
    adjoint = modified_coefficients(FORMS["implicit Euler"], 8)
    assert adjoint == {t: (-1) ** (t.order - 1) * GRADIENT_DESCENT[t] for t in adjoint}


@pytest.mark.parametrize("name", ["implicit midpoint", "trapezoidal rule", "leapfrog"])
def test_symmetric_rules_have_no_odd_powers(name):
    """A symmetric method has even powers of η only (HLW theorem IX.2.2)."""
    coefficients = modified_coefficients(FORMS[name], 6)
    assert all(coefficients[tree] == 0 for tree in coefficients if tree.order % 2 == 0)
    assert any(coefficients[tree] != 0 for tree in rooted_trees(3))


@pytest.mark.parametrize("beta", [Fraction(0), BETA, Fraction(1, 7), BETA_SYMBOL], ids=str)
def test_heavy_ball_on_a_quadratic_loss(beta):
    """Theory §3: log ρ₊ = −Σ_n (x^n/n) Σ_k C(n−1,k)² β^k / (1−β)^{2n−1}, so b = (−1)^{n−1}/n Σ_k … on chains."""
    coefficients = modified_coefficients(heavy_ball(beta), 6)
    for n in range(1, 7):
        squares = sum(comb(n - 1, k) ** 2 * beta**k for k in range(n))
        assert coefficients[chain(n)] * (1 - beta) ** (2 * n - 1) * n == (-1) ** (n - 1) * squares


def test_that_closed_form_is_the_logarithm_of_the_larger_root():
    x, beta = sympy.Rational(1, 1000), sympy.Rational(1, 2)
    series = -sum(
        x**n / n * sum(comb(n - 1, k) ** 2 * beta**k for k in range(n)) / (1 - beta) ** (2 * n - 1) for n in range(1, 7)
    )
    half = (1 + beta - x) / 2
    assert abs(sympy.N(sympy.log(half + sympy.sqrt(half**2 - beta)) - series, 40)) < 1e-15


def test_heavy_ball_first_terms():
    """Theory §3: f̃_0 = −g/(1−β), f̃_1 = −(1+β)/(2(1−β)³) Hg; F_f of two nodes is +Hg."""
    coefficients = modified_coefficients(heavy_ball(BETA_SYMBOL), 2)
    assert coefficients[LEAF] == 1 / (1 - BETA_SYMBOL)
    assert coefficients[chain(2)] == -(1 + BETA_SYMBOL) / (2 * (1 - BETA_SYMBOL) ** 3)


@pytest.mark.parametrize("rule", [heavy_ball, nesterov])
def test_a_symbol_for_beta_gives_what_its_value_gives(rule):
    symbolic = modified_coefficients(rule(BETA_SYMBOL), 5)
    for value in (Fraction(0), BETA, Fraction(-2, 3)):
        point = [(BETA_SYMBOL.field.symbols[0], sympy.Rational(value.numerator, value.denominator))]
        for tree, number in modified_coefficients(rule(value), 5).items():
            assert symbolic[tree].as_expr().subs(point) == sympy.Rational(Fraction(number))


def test_without_momentum_heavy_ball_and_nesterov_are_gradient_descent():
    for rule in (heavy_ball, nesterov):
        assert modified_coefficients(rule(0), 7) == {t: b for t, b in GRADIENT_DESCENT.items() if t.order <= 7}


@ALL_FORMS
def test_linear_field_gives_the_logarithm_of_the_principal_root(form):
    """On f = −x θ the iterates are r^k with ρ(r) + x Σ w_j σ_j(r) = 0, so r = exp(Σ b_n (−x)^n) must solve it."""
    order = 8
    coefficients = modified_coefficients(form, order)
    logarithm = [Fraction(0)] + [(-1) ** n * Fraction(coefficients[chain(n)]) for n in range(1, order + 1)]

    def power(p):  # r^p = exp(p log r) as a power series in x
        series = [Fraction(1)]
        for n in range(1, order + 1):
            series.append(sum(p * k * logarithm[k] * series[n - k] for k in range(1, n + 1)) / n)
        return series

    residual = [Fraction(0)] * (order + 1)
    for p, value in form.rho.items():
        residual = [r + value * term for r, term in zip(residual, power(p), strict=True)]
    for evaluation in form.evaluations:
        for p, value in evaluation.shifts.items():
            shifted = [0, *power(p)[:order]]
            residual = [r + evaluation.weight * value * t for r, t in zip(residual, shifted, strict=True)]
    assert residual == [0] * (order + 1)


@ALL_FORMS
def test_flow_of_the_modified_field_solves_the_difference_equation(form):
    """On Lotka–Volterra in exact series: E^p θ is the flow of f̃ over the time pη; put into ρ(E) θ = η Σ w f(σ(E) θ).

    No trees, no differences of polynomials: this is the definition itself.
    """
    order = 5
    ring, x, y, eta = sympy.ring("x y eta", sympy.QQ)

    def cut(polynomial):
        return ring.from_dict({m: c for m, c in polynomial.items() if m[2] <= order})

    def field(point):
        u, v = point
        return [cut(u * (1 - v)), cut(v * (u - 2))]

    symbols = sympy.symbols("x y")
    expressions = [component.as_expr() for component in field([x, y])]
    coefficients = modified_coefficients(form, order)
    differentials = elementary_differentials(expressions, symbols, coefficients)
    modified = [ring.zero, ring.zero]  # η f̃
    for tree, b in coefficients.items():
        factor = Fraction(b) / tree.symmetry
        scale = eta**tree.order * sympy.QQ(factor.numerator, factor.denominator)
        modified = [m + scale * ring.from_expr(F) for m, F in zip(modified, differentials[tree], strict=True)]

    lie_series = [[x, y]]  # D^i θ / i!
    for i in range(1, order + 1):
        last = lie_series[-1]
        lie_series.append(
            [cut(sum(m * c.diff(g) for m, g in zip(modified, (x, y), strict=True))) / sympy.QQ(i) for c in last]
        )

    def combination(shifts):
        total = [ring.zero, ring.zero]
        for p, value in shifts.items():
            for i, term in enumerate(lie_series):
                weight = Fraction(value) * Fraction(p) ** i
                number = sympy.QQ(weight.numerator, weight.denominator)
                total = [t + number * component for t, component in zip(total, term, strict=True)]
        return total

    residual = combination(form.rho)
    for evaluation in form.evaluations:
        weight = Fraction(evaluation.weight)
        scale = eta * sympy.QQ(weight.numerator, weight.denominator)
        evaluated = field(combination(evaluation.shifts))
        residual = [cut(r - scale * component) for r, component in zip(residual, evaluated, strict=True)]
    assert residual == [0, 0]


@ALL_FORMS
def test_children_multiply(form):
    """ρ(E) P_τ = Σ_j w_j ∏ σ_j(E) P_child at integer steps, with the values themselves."""
    polynomials = step_polynomials(form, 5)

    def at(tree, s):
        return sum(
            d * reduce(lambda a, k: a * Fraction(s - k, k + 1), range(i), Fraction(1)) for i, d in enumerate(tree)
        )

    for tree, polynomial in polynomials.items():
        assert polynomial[0] == 0
        for s in range(-2, 5):
            left = sum(value * at(polynomial, s + p) for p, value in form.rho.items())
            right = Fraction(0)
            for evaluation in form.evaluations:
                factors = (
                    sum(value * at(polynomials[child], s + p) for p, value in evaluation.shifts.items())
                    for child in tree.children
                )
                right += reduce(lambda a, b: a * b, factors, Fraction(evaluation.weight))
            assert left == right
