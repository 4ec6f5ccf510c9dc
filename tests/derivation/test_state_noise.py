"""The generator of a rule with memory, beside all sequences of three unequal batches (theory §13, §16)."""

import json
import pickle

import numpy as np
import pytest
import sympy
from second_routes.state_noise import (
    GAMMA2,
    HALF_AVERAGE,
    LINE,
    RULES,
    M,
    T,
    V,
    X,
    by_rows,
    by_sequences,
    components,
    derived,
    slopes_of_momentum,
    slopes_of_squares,
)

from eomsym.derivation import Equation, derive
from eomsym.errors import InputError


@pytest.mark.parametrize("name", RULES)
def test_it_is_the_logarithm_of_the_averaged_step(name):
    order = RULES[name][-1]
    np.testing.assert_allclose(
        np.array(by_rows(name, order), float), np.array(by_sequences(name, order), float), rtol=1e-13
    )


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", ["heavy-ball", "nesterov"])
def test_weak_slopes_with_momentum(name, order):
    np.testing.assert_allclose(slopes_of_momentum(name, order, [T, T**2, T * V, T * V**2]), order + 1, atol=0.16)


@pytest.mark.parametrize(
    ("order", "without", "phi"),
    [(1, "D_v_v_1", T * V**2), (2, "D_theta_v_2", T * V), (2, "D_v_v_2", V**2), (2, "K_v_v_v_2", V**3), (2, "v_2", V)],
)
def test_without_a_part_of_the_generator_of_momentum_an_order_is_lost(order, without, phi):
    assert slopes_of_momentum("heavy-ball", order, [phi]) == pytest.approx(order + 1, abs=0.2)
    assert slopes_of_momentum("heavy-ball", order, [phi], without) == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("order", [0, 1])
def test_weak_slopes_of_adam(order):
    phis = [T, T**2, M, M**2, V, V**2, T * M, T * V, M * V]
    np.testing.assert_allclose(slopes_of_squares("adam", order, phis), order + 1, atol=0.2)


@pytest.mark.parametrize("order", [0, 1])
def test_weak_slopes_where_theta_takes_the_gradient_in_first_order(order):
    np.testing.assert_allclose(slopes_of_squares("rmsprop", order, [T, T**2, T * V]), order + 1, atol=0.1)


@pytest.mark.parametrize(
    ("without", "phi"),
    [("theta_1", T), ("v_1", V), ("D_m_m_1", M**2), ("D_m_v_1", M * V), ("D_v_v_1", V**2)],
)
def test_without_a_part_of_the_generator_of_adam_an_order_is_lost(without, phi):
    slope = slopes_of_squares("adam", 1, [phi], {without: sympy.Integer(0)})
    assert slope == pytest.approx(1, abs=0.2)


def test_the_mean_of_the_square_is_a_field_of_its_own():
    """With the square of the mean in its place the error stays, however small h is."""
    gradients = [sum(c * T**n for n, c in enumerate(row)) for row in LINE]
    square = (sum(gradients) / 3) ** 2
    assert slopes_of_squares("adam", 1, [V], {"v_0": GAMMA2 * (square - V)}) == pytest.approx(0, abs=0.1)


HEAVY_BALL = """\
η = h², beta = 1 − gamma h; z = (θ, v), time nh; v in units of 1/h
E φ(z_n) = exp(nh𝓛) φ,  𝓛 = F·∂ + 1/2 D:∂² + 1/6 K:∂³,  all in powers of h: F = F₀ + h F₁ + …
of the batch gradient: g mean, Σ covariance, κ₃ cumulant 3
θ: F₀ = −v
θ: F₁ = gamma/2 v − 1/2 g
θ: F₂ = −1/6 g'(v) + gamma**2/6 v − gamma/6 g
v: F₀ = −gamma v + g
v: F₁ = 1/2 g'(v) − gamma**2/2 v + gamma/2 g
v: F₂ = 1/12 g''(v, v) + gamma/6 g'(v) + 1/6 g'(g) − gamma**3/3 v + gamma**2/3 g
θ v: D₂ = −1/2 Σ
v v: D₁ = Σ
v v: D₂ = gamma Σ + 1/2 Σ'(v)
v v v: K₂ = κ₃
K differentiates three times: where κ₃ does not vanish, 𝓛 is no diffusion's, \
and no stochastic differential equation has it."""


def test_what_is_printed():
    equation = derive("heavy-ball", 2, noise=True)
    assert equation.text() == HEAVY_BALL
    assert (
        r"D^{v\,v} &= h\,\bigl(\Sigma\bigr) + h^{2}\,\bigl(\gamma \, \Sigma + \tfrac{1}{2} \, \nabla\Sigma[v]"
        in equation.latex()
    )
    assert "K_v_v_v_2 = kappa_3" in equation.sympy_lines()
    assert (equation.is_diffusion, derive("heavy-ball", 1, noise=True).is_diffusion) == (False, True)
    lines = derive("torch.Adam()", 1, noise=True).text().splitlines()
    assert lines[2].startswith("g₁ mean of the batch gradient g, g₂ mean of g², each a field of its own;")
    assert lines[-4:] == [
        "m m: D₁ = gamma1**2 Σ",
        "m v: D₁ = gamma1*gamma2 Cov(g, g²)",
        "v v: D₁ = gamma2**2 Cov(g², g²)",
        "It differentiates twice at most: the generator of a diffusion, dz = F dt + dW with D dt the covariance of dW.",
    ]


def test_without_noise_it_is_the_equation_of_the_whole_state():
    """Batches that are alike have means of powers that are powers, and no cumulants."""
    for name, order in (("heavy-ball", 2), ("adam", 1)):
        noisy, plain = derive(name, order, noise=True), derive(name, order, state="whole")
        fields = [[x**2 + y, x * y] for x, y in [X]]
        memory = components(name)[0][1:]
        powers = [[g**n for g in fields[0]] for n in range(1, len(noisy.fields) + 1)]
        pairs = zip(noisy.at_fields(powers, X, memory), plain.at_fields(fields, X, memory), strict=True)
        for one, other in pairs:
            assert all(sympy.simplify(a - b) == sympy.zeros(2, 1) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["heavy-ball", "nesterov", "adam", "rmsprop", "centered"])
def test_json_and_pickles_come_back(name):
    equation = derived(name, RULES[name][-1])
    assert Equation.from_json(equation.to_json()) == equation
    assert pickle.loads(pickle.dumps(equation)) == equation
    data = json.loads(equation.to_json())
    data["noise"][-1]["rows"][-1][0]["coefficient"] = "x"
    with pytest.raises(InputError, match="cannot be read"):
        Equation.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("rule", "order", "message"),
    [
        ("adam", 2, "order 2: out of range, adam is derived to order 1 with noise"),
        ("heavy-ball", 3, "order 3: out of range, heavy-ball is derived to order 2 with noise"),
        ("extragradient", 1, "noise: the generator is derived for gradient-descent and rules with a memory, not for"),
        ("optimistic", 1, "has no memory that fades slowly"),
        (HALF_AVERAGE, 2, "order 2: with noise it is derived where theta takes the gradient through its memory"),
    ],
)
def test_what_has_no_generator_is_refused(rule, order, message):
    with pytest.raises(InputError, match=message):
        derive(rule, order, noise=True)


def test_a_loss_has_no_mean_of_squares():
    with pytest.raises(InputError, match="take at_fields"):
        derive("adam", 1, noise=True).to_sympy(X[0] ** 2, X)
