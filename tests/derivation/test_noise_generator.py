"""The modified generator: the theory's terms, the logarithm on polynomials, and all sequences of three batches."""

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy
from numpy.polynomial import Polynomial

from eomsym.derivation import derive, modified_generator
from eomsym.errors import InputError

X = sympy.symbols("x y")
STEP = sympy.Symbol("eta")
#: Gradients of three batches in two dimensions that are not equally far from their mean.
PLANE = (
    (X[0] ** 2 + X[1], X[0] * X[1] - 1),
    (2 * X[0] + 3, X[1] ** 2 + X[0]),
    (X[0] * X[1], 5 * X[1] + X[0] ** 2),
)
#: Of quartic losses on the line, by their coefficients.
LINE = ([1.0, 1.2, 0.3, 0.2], [-0.2, 0.8, -0.1, 0.1], [0.4, 0.5, 0.2, -0.1])


def test_terms_of_the_theory():
    """shared/theory.md §13: L_1 = ½ Σ:∂² − ½ (g'g)·∂; L_2's third-derivative part is −κ₃/6."""
    lines = modified_generator(2).text().splitlines()
    assert lines[2:5] == [
        "L_0 = −g^i ∂_i",
        "L_1 = −1/2 g^i (∂_i g^j) ∂_j + 1/2 Σ^ij ∂_i∂_j",
        "L_2 = −1/3 g^i (∂_i g^j) (∂_j g^k) ∂_k − 1/12 g^i g^j (∂_i∂_j g^k) ∂_k + 1/4 Σ^ij (∂_i∂_j g^k) ∂_k"
        " + 1/4 g^i (∂_i Σ^jk) ∂_j∂_k + 1/2 Σ^ij (∂_i g^k) ∂_j∂_k − 1/6 κ₃^ijk ∂_i∂_j∂_k",
    ]
    assert lines[5].startswith("L_2 differentiates more than twice, by −1/6 κ₃^ijk ∂_i∂_j∂_k: ")


def test_which_orders_generate_a_diffusion():
    assert [modified_generator(order).is_diffusion for order in range(4)] == [True, True, False, False]
    assert "the generator of a diffusion" in str(modified_generator(1))


def test_without_noise_it_is_the_modified_equation():
    """Products of the mean alone are Lie derivatives along ξ: the coefficients of theory.md §1, up to sign."""
    for row, wanted in zip(
        modified_generator(3).rows, [["-1"], ["-1/2"], ["-1/3", "-1/12"], ["-1/4", "-1/12", "-1/12"]], strict=True
    ):
        alone = sorted(value for term, value in row.items() if all(len(factor) == 1 for factor in term))
        assert alone == sorted(map(Fraction, wanted))


def test_factors_hang_together():
    """What does not is a product of generators, which the logarithm has none of."""
    for row in modified_generator(4).rows:
        for term in row:
            joined = {0}
            for _ in term:
                joined |= {n for n, factor in enumerate(term) if joined & {t for t in factor if t < len(term)}}
                joined |= {t for n in joined for t in term[n] if t < len(term)}
            assert joined == set(range(len(term)))


def cumulant(fields, indices):
    """By the definition: of equally likely vectors, of order 1 to 3; central moments are cumulants up to the third."""
    mean = [sum(column) / len(fields) for column in zip(*fields, strict=True)]
    if len(indices) == 1:
        return mean[indices[0]]
    if len(indices) < 4:
        return sum(sympy.prod(f[i] - mean[i] for i in indices) for f in fields) / len(fields)
    raise AssertionError(indices)


def applied(row, fields, phi):
    """L_k φ in two dimensions by its JSON entry: all values of all indices."""
    total = sympy.Integer(0)
    for entry in row["terms"]:
        letters = "".join(factor["indices"] for factor in entry["factors"])
        for values in product(range(len(X)), repeat=len(letters)):
            at = dict(zip(letters, values, strict=True))
            part = sympy.Rational(entry["coefficient"]) * slope(phi, entry["derivatives"], at)
            for factor in entry["factors"] if part != 0 else ():
                part *= slope(cumulant(fields, [at[i] for i in factor["indices"]]), factor["derivatives"], at)
            total += part
    return sympy.expand(total)


def slope(expression, letters, at):
    for letter in letters:
        expression = sympy.diff(expression, X[at[letter]])
    return expression


def logarithm(fields, phi, order):
    """Coefficients of η^1 … η^{order+1} in log(E)φ, ``Eφ(θ) = mean of φ(θ − ηg_b)``, by substitution: no cumulants."""
    ring, *names = sympy.ring((*X, STEP), sympy.QQ)
    steps = [
        [(x, x - names[-1] * ring.from_expr(f)) for x, f in zip(names[:-1], field, strict=True)] for field in fields
    ]
    top, total, power = order + 1, ring.zero, ring.from_expr(phi)
    for n in range(1, top + 1):
        difference = sum(power.compose(step) for step in steps) / len(fields) - power
        power = ring.from_dict({powers: value for powers, value in difference.items() if powers[-1] <= top})
        total += sympy.QQ((-1) ** (n + 1), n) * power
    found = sympy.Poly(total.as_expr(), STEP)
    return [sympy.expand(found.coeff_monomial(STEP**k)) for k in range(1, top + 1)]


@pytest.mark.parametrize("phi", [X[0], X[0] * X[1], X[0] ** 2 * X[1], X[0] ** 3 + X[1]])
def test_it_is_the_logarithm_of_the_averaged_step(phi):
    rows = modified_generator(2).to_dict()["generator"]
    wanted = logarithm(PLANE, phi, 2)
    assert [applied(row, PLANE, phi) for row in rows] == wanted
    assert wanted[2] != 0


def on_the_line(generator):
    """``operators[k][n]``: the polynomial before ∂ⁿ in L_k, for ``LINE``."""
    fields = [Polynomial(c) for c in LINE]
    mean = sum(fields) / len(fields)
    known = {1: mean, **{n: sum((f - mean) ** n for f in fields) / len(fields) for n in (2, 3)}}
    operators = []
    for row in generator.rows:
        operators.append({})
        for term, value in row.items():
            part = Polynomial([float(value)])
            for number, factor in enumerate(term):
                part *= known[len(factor)].deriv(sum(t == number for other in term for t in other))
            outer = sum(factor.count(len(term)) for factor in term)
            operators[-1][outer] = operators[-1].get(outer, 0) + part
    return operators


def expected_by(operators, phi, start, eta, steps, terms=40):
    """``exp(kη𝓛)φ`` at ``start``, a series in η to the order of 𝓛: ``u_k' = Σ L_{k−j} u_j``, by Taylor in t."""
    order = len(operators)
    row, factor, found = [phi] + [Polynomial([0.0])] * (order - 1), 1.0, np.zeros(order)
    for n in range(terms):
        found += [factor * part(start) for part in row]
        row = [
            sum((c * row[k - j].deriv(m) for j in range(k + 1) for m, c in operators[j].items()), Polynomial([0.0]))
            for k in range(order)
        ]
        factor *= eta * steps / (n + 1)
    return found @ eta ** np.arange(order)


def expected_of_all_sequences(phi, start, eta, steps):
    states = np.array([start])
    for _ in range(steps):
        states = np.concatenate([states - eta * Polynomial(c)(states) for c in LINE])
    return phi(states).mean()


def weak_slopes(operators, time=0.1, start=0.7):
    """Local slopes between 5 and 10 steps for φ = θ, θ², θ³."""
    found = []
    for phi in (Polynomial([0, 1.0]), Polynomial([0, 0, 1.0]), Polynomial([0, 0, 0, 1.0])):
        errors = [
            abs(
                expected_of_all_sequences(phi, start, time / steps, steps)
                - expected_by(operators, phi, start, time / steps, steps)
            )
            for steps in (5, 10)
        ]
        found.append(np.log2(errors[0] / errors[1]))
    return found


@pytest.mark.parametrize("order", [0, 1, 2])
def test_weak_slopes_with_three_unequal_batches(order):
    np.testing.assert_allclose(weak_slopes(on_the_line(modified_generator(order))), order + 1, atol=0.1)


def test_without_the_third_cumulant_the_slope_is_two():
    """Seen by θ³ at once; two equal batches have none and would test nothing."""
    operators = on_the_line(modified_generator(2))
    del operators[2][3]
    assert weak_slopes(operators)[2] == pytest.approx(2, abs=0.15)


def test_json_and_latex():
    generator = modified_generator(2)
    data = json.loads(generator.to_json())
    assert data == generator.to_dict()
    assert data["generator"][1]["terms"][1] == {
        "coefficient": "1/2",
        "factors": [{"cumulant": 2, "indices": "ij", "derivatives": ""}],
        "derivatives": "ij",
    }
    assert data["diffusion"] is False
    assert r"- \tfrac{1}{6} \, \kappa_{3}^{ijk} \partial_{i}\partial_{j}\partial_{k}" in generator.latex()
    assert r"\mathcal{L} &= L_{0} + \eta\,L_{1} + \eta^{2}\,L_{2} \\" in generator.latex()
    assert repr(generator) == "Equation(gradient-descent, order 2)"
    assert generator == derive("gradient-descent", 2, noise=True)


@pytest.mark.parametrize("order", [-1, 5, 1.5, True])
def test_orders_to_which_it_is_not_derived(order):
    with pytest.raises(InputError, match=r"order .*from 0 to 4"):
        modified_generator(order)
