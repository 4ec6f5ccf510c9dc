"""What is published of momentum, RMSprop and Adam under noise, beside the generator that is derived here.

Of these papers abstracts were read, and how public code states a rule; formulas in the tests are derived there.
"""

import pytest
import sympy
from second_routes import state_noise
from sympy.parsing.sympy_parser import parse_expr

from eomsym.derivation import derive

H, LAMBDA, S, KAPPA = sympy.symbols("h lambda S kappa", positive=True)
GAMMA, GAMMA1, GAMMA2, EPSILON = sympy.symbols("gamma gamma1 gamma2 epsilon", positive=True)
THETA, M, V, G = sympy.symbols("theta m v g", positive=True)


def lines(name, order, **known):
    """The lines for SymPy, with what g, its powers' means and their cumulants are."""
    symbols = {str(one): one for one in (THETA, M, V, GAMMA, GAMMA1, GAMMA2, EPSILON)}
    symbols |= {"sqrt": sympy.sqrt, **known}
    for line in derive(name, order, noise=True).sympy_lines().splitlines():
        left, right = line.split(" = ")
        symbols[left] = parse_expr(right, symbols)
    return symbols


def quadratic(**without):
    """Heavy ball on λθ²/2 with noise of covariance S: ``{name: expression}``."""
    known = {f"g{n}": lambda u, *more: 0 if more else LAMBDA * u for n in (1, 2)}
    constant = {"Sigma": S, "Sigma1": lambda u: 0, "kappa_3": sympy.Integer(0)}
    return lines("heavy-ball", 2, g=LAMBDA * THETA, **known, **constant) | without


def test_heavy_ball_is_the_underdamped_langevin_equation():
    """Li, Tai & E, JMLR 20 (2019), *Stochastic modified equations … I*: momentum's equation is second order in time.

    With v for −velocity: dθ = −v dt, dv = (∇L − γv) dt + √(hΣ) dW.
    """
    found = quadratic()
    assert (found["theta_0"], found["v_0"], found["D_v_v_1"]) == (-V, LAMBDA * THETA - GAMMA * V, S)


def stationary(found):
    """Of the generator of a linear equation with noise: J A + A Jᵀ + D = 0, to h²."""
    drift = sympy.Matrix([sum(H**k * found[f"{name}_{k}"] for k in range(3)) for name in ("theta", "v")])
    jacobian, d_cross = drift.jacobian([THETA, V]), H**2 * found["D_theta_v_2"]
    noise = sympy.Matrix([[0, d_cross], [d_cross, H * found["D_v_v_1"] + H**2 * found["D_v_v_2"]]])
    a, b, c = sympy.symbols("a b c")
    scatter = sympy.Matrix([[a, b], [b, c]])
    solved = sympy.solve(list(jacobian * scatter + scatter * jacobian.T + noise), [a, b, c])
    return [sympy.simplify(sympy.series(solved[one], H, 0, 3).removeO()) for one in (a, b, c)]


def stationary_by_steps():
    """Of the steps themselves: A = M A Mᵀ + S b bᵀ."""
    share = 1 - GAMMA * H
    step = sympy.Matrix([[1 - H**2 * LAMBDA, -H * share], [H * LAMBDA, share]])
    kick = sympy.Matrix([-(H**2), H])
    a, b, c = sympy.symbols("a b c")
    scatter = sympy.Matrix([[a, b], [b, c]])
    solved = sympy.solve(list(step * scatter * step.T + S * kick * kick.T - scatter), [a, b, c])
    return [sympy.simplify(sympy.series(solved[one], H, 0, 3).removeO()) for one in (a, b, c)]


def test_the_scatter_of_heavy_ball_at_a_minimum():
    """Of the steps it is, in closed form, ηS(1 + β)/(λ(1 − β)(2(1 + β) − ηλ)) for θ; the generator has it to h²."""
    eta, beta = H**2, 1 - GAMMA * H
    closed = eta * S * (1 + beta) / (LAMBDA * (1 - beta) * (2 * (1 + beta) - eta * LAMBDA))
    wanted = stationary_by_steps()
    assert sympy.simplify(sympy.series(closed, H, 0, 3).removeO() - wanted[0]) == 0
    assert [sympy.simplify(one - other) for one, other in zip(stationary(quadratic()), wanted, strict=True)] == [
        0,
        0,
        0,
    ]
    for name in ("D_v_v_2", "D_theta_v_2"):
        wrong = stationary(quadratic(**{name: sympy.Integer(0)}))
        assert any(sympy.simplify(one - other) != 0 for one, other in zip(wrong, wanted, strict=True))


def rates(power, share_power):
    """Per sample, batches being κ times as large: drift of θ, m and κv, noise of m and of κv, where noise is all of g².

    η has a factor κ^power, 1 − β one of κ^share_power, ε one of 1/√κ.
    """
    h, turn = H * KAPPA**power, KAPPA ** (share_power - power)
    found = lines("adam", 1, g_1=G, g_2=S / KAPPA, g_1_1=lambda u: 0, g_2_1=lambda u: 0, Sigma=S / KAPPA, Cov=gaussian)
    scaled = {GAMMA1: turn * GAMMA1, GAMMA2: turn * GAMMA2, EPSILON: EPSILON / sympy.sqrt(KAPPA), V: V / KAPPA}
    names = {"theta_0": h, "m_0": h, "v_0": h * KAPPA, "D_m_m_1": h**2, "D_v_v_1": (h * KAPPA) ** 2}
    parts = {name: found[name].subs(scaled, simultaneous=True) * unit / KAPPA for name, unit in names.items()}
    return {name: sympy.simplify(part / part.subs(KAPPA, 1)) for name, part in parts.items()}


def gaussian(one, other):
    """Of Gaussian noise that is all of g."""
    return {1: S / KAPPA, 2: 2 * (S / KAPPA) ** 2}.get(sympy.degree(one, sympy.Symbol("g")), 0) if one == other else 0


def test_the_square_root_scaling_rule_of_adam():
    """Malladi, Lyu, Panigrahi & Arora, NeurIPS 2022 (arXiv:2205.10287): η√κ, 1 − κ(1 − β₁), 1 − κ(1 − β₂), ε/√κ.

    So it stands in public code that cites them.  Where noise outweighs the gradient nothing changes per sample but the
    noise of v, which is of the order (1 − β₂)² a step; the linear rule and the root alone change the drift.
    """
    half = sympy.Rational(1, 2)
    same = rates(half, 1)
    assert same.pop("D_v_v_1") == KAPPA
    assert set(same.values()) == {1}
    assert rates(1, 1)["theta_0"] == sympy.sqrt(KAPPA)
    assert rates(half, 0)["m_0"] == 1 / KAPPA


def test_parameters_and_squares_are_driven_independently_in_the_limit():
    """Callisti, Romito & Triggiano 2025 (arXiv:2509.21614): independent Brownian motions drive θ and the second moment.

    Of RMSprop both have noise at the same order, D = Cov(g/q, g²) between them; with Gaussian noise of variance S their
    correlation is 2g/√(4g² + 2S): independent where noise outweighs the gradient, and not before.
    """
    equation = derive("rmsprop", 1, noise=True)
    assert list(equation.noise) == [(0, 0), (0, 1), (1, 1)]
    batch = sympy.Symbol("g")
    moments = {1: G, 2: G**2 + S, 3: G**3 + 3 * G * S, 4: G**4 + 6 * G**2 * S + 3 * S**2}

    def mean(expression):
        return sum(c * moments.get(n, 1) for (n,), c in sympy.Poly(expression, batch).terms())

    def covariance(one, other):
        return mean(one * other) - mean(one) * mean(other)

    known = {f"g_{n}": moments[n] for n in (1, 2, 3)} | {f"g_{n}_1": lambda u: 0 for n in (1, 2, 3)}
    found = lines("rmsprop", 1, g=batch, Cov=covariance, **known)
    squared = found["D_theta_v_1"] ** 2 / found["D_theta_theta_1"] / found["D_v_v_1"]
    assert sympy.simplify(squared - 4 * G**2 / (4 * G**2 + 2 * S)) == 0


@pytest.mark.parametrize("order", [0, 1])
def test_weak_slopes_of_rmsprop_on_a_quadratic_in_six_dimensions(monkeypatch, order):
    """The same paper's Table 1, as its caption says: ‖θ‖² and ‖v‖², d = 6, slope 2 with the second-order equation.

    Eigenvalues and batches are our own.  Their axes are those of θ, so that a norm's error is the sum of six lines'.
    """
    observed, errors = [state_noise.T**2, state_noise.V**2], 0
    for curvature in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0):
        samples = ([0.25, curvature], [0.5, curvature / 2], [-2.5, 3 * curvature / 2])
        monkeypatch.setattr(state_noise, "LINE", samples)
        errors = errors + state_noise.errors_of_squares("rmsprop", order, observed)
    slopes = state_noise.local_slopes(errors)
    assert abs(slopes - (order + 1)).max() < 0.15, slopes
