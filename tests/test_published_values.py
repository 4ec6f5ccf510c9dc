"""Formulas of the literature, each with its source, each derived by the program: one table.

Coefficients are compared exactly, never in floats.  Where a source writes y' = f(y) and h, that is f = −g and η here.
Numbers of equations are left out where they were not certain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import pytest
import sympy
from sympy import Rational

from eomsym import optimizers
from eomsym.derivation import decay_law, derive, modified_loss
from eomsym.notation import elementary_differentials
from eomsym.optimizers import Optimizer, runge_kutta, solve
from eomsym.optimizers.optimizer import Field
from eomsym.trees import rooted_trees

GNI = "Hairer, Lubich & Wanner, Geometric Numerical Integration, 2nd ed. 2006"
h, x, y, z, lam = sympy.symbols("h x y z lambda")
beta, beta1, beta2, epsilon = sympy.symbols("beta beta1 beta2 epsilon")


@dataclass(frozen=True)
class Published:
    """A formula: what it is, where it stands, and ``pairs`` of what the program derives and what stands there."""

    name: str
    source: str
    pairs: Callable[[], Sequence[tuple[object, object]]]


# How the program is asked --------------------------------------------------------------------------------------------


def modified_field(method: str | Optimizer, order: int, fields, variables, **parameters):
    """``[f̃_0, …, f̃_order]`` for ``y' = f(y)``, tree by tree; several ``fields`` for the parts of a split one."""
    gradients = [[-component for component in field] for field in fields]
    found = derive(method, order, **parameters)
    if not found.plain:
        return [-column for column in found.at_fields(gradients, variables)]
    values = elementary_differentials(gradients[0], variables, [tree for row in found.rows for tree in row])
    zero = sympy.zeros(len(variables), 1)
    return [-sum((exact(c) * values[tree] for tree, c in row.items()), zero) for row in found.rows]


def exact(coefficient):
    return Rational(coefficient) if isinstance(coefficient, (int, Fraction)) else coefficient.as_expr()


def coefficients(method: str | Optimizer, **expected: str):
    """Pairs of coefficients of F_f(τ) in f̃, 1/σ included; names spell trees: ``chain3``, ``bush3``, …"""
    trees = {"chain2": "[[]]", "chain3": "[[[]]]", "bush3": "[[],[]]"}
    found = {str(t): (-1) ** (t.order - 1) * c for row in derive(method, 2).rows for t, c in row.items()}
    return [(found[trees[name]], Fraction(value)) for name, value in expected.items()]


def scalar_series(method, order: int, field, expected: str, **parameters):
    """Pairs for a scalar equation: the whole truncated field against what is printed."""
    columns = modified_field(method, order, [[field]], [y], **parameters)
    return [(sum(h**k * column[0] for k, column in enumerate(columns)), sympy.sympify(expected, {"h": h, "y": y}))]


def linear_series(method, order: int, growth, **parameters):
    """Pairs for ``y' = λ y``: ``h f̃ = log(growth) y`` with the growth factor of one step, a function of z = hλ."""
    columns = modified_field(method, order, [[lam * y]], [y], **parameters)
    found = sum((z / lam) ** (k + 1) * column[0] for k, column in enumerate(columns)) / y
    logarithm = sympy.series(sympy.log(growth), z, 0, order + 2).removeO()
    return [(found, logarithm)]


# The table -----------------------------------------------------------------------------------------------------------

RICCATI = "y**2 - h*y**3 + 3*h**2*y**4/2 - 8*h**3*y**5/3 + 31*h**4*y**6/6 - 157*h**5*y**7/15"
TRAPEZOIDAL = runge_kutta("trapezoidal-rule", [[0, 0], ["1/2", "1/2"]], ["1/2", "1/2"])
LOTKA_VOLTERRA = [x * (y - 1), y * (2 - x)]


def symplectic_euler(gradient, state, eta):
    """p first and implicitly, then q: field 0 moves q alone, field 1 moves p alone."""
    (theta,) = state
    (moved,) = solve(lambda point: (theta - eta * gradient(point[0], 1),), (theta,))
    return (moved - eta * gradient(moved, 0),)


SYMPLECTIC_EULER = Optimizer(
    name="symplectic-euler",
    summary="p⁺ = p + h f_p(p⁺, q), q⁺ = q + h f_q(p⁺, q)",
    source=GNI,
    parameters=(),
    step=symplectic_euler,
    fields=lambda: (Field("player", 0, 2), Field("player", 1, 2)),
)


def split(field):
    return [[field[0], sympy.Integer(0)], [sympy.Integer(0), field[1]]]


def lotka_volterra(method, fields, q_term: str, p_term: str):
    first = modified_field(method, 1, fields, [x, y])[1]
    names = {"q": x, "p": y}
    return [(part, sympy.sympify(text, names)) for part, text in zip(first, (q_term, p_term), strict=True)]


def symplectic_hamiltonian():
    """H(p, q) = p⁴/4 + p + q³ + q²: a separable one in which no derivative up to the third vanishes."""
    q, p = x, y
    hamiltonian = p**4 / 4 + p + q**3 + q**2
    hq, hp, hqq, hpp = (hamiltonian.diff(*along) for along in ((q,), (p,), (q, q), (p, p)))
    modified = hamiltonian - h / 2 * hp * hq + h**2 / 12 * (hpp * hq**2 + hqq * hp**2) - h**3 / 12 * hpp * hqq * hp * hq
    columns = modified_field(SYMPLECTIC_EULER, 3, split([hp, -hq]), [q, p])
    found = sum((h**k * column for k, column in enumerate(columns)), sympy.zeros(2, 1))
    return [(found[0], modified.diff(p)), (found[1], -modified.diff(q))]


def players(method, sign):
    """Both descend or ascend a loss of their own making, with step size 1: f for x, g for y."""
    f, g = x**2 * y + y**3, x * y**2 - x**3
    fields = split([f, g]) if method == "alternating-players" else [[f, g]]
    first = modified_field(method, 1, fields, [x, y])[1]
    own = [f.diff(x) * f, g.diff(y) * g]
    other = [f.diff(y) * g, g.diff(x) * f]
    return [(first[0], -(own[0] + other[0]) / 2), (first[1], -(own[1] + sign * other[1]) / 2)]


def losses(name, expected, **parameters):
    """Pairs of the coefficients of a modified loss; names of trees as the program prints them."""
    found = modified_loss(name, 1, **parameters)
    terms = {tree.brackets(colours=True): exact(value) for tree, value in found.rows[1].items()}
    return [(found.is_gradient[1], True), (set(terms), set(expected)), *((terms[k], v) for k, v in expected.items())]


def momentum(name, alpha):
    """``u' = −(1−β)⁻¹ g − η α (1−β)⁻³ g'g``."""
    (leading,), (first,) = (map(exact, row.values()) for row in derive(name, 1).rows)
    return [(leading, 1 / (1 - beta)), (first, alpha / (1 - beta) ** 3)]


def adam(name, first):
    """``θ' = −(g + B)/√(g² + ε)``, ``B = η/2 (first − (1+β₂)/(1−β₂) + (1+β₂)/(1−β₂) ε/(g²+ε)) ∂ Σ √(g²+ε)``."""
    loss = x**3 * y + x * y + y**2
    gradient = [loss.diff(name) for name in (x, y)]
    roots = [sympy.sqrt(g**2 + epsilon) for g in gradient]
    second = (1 + beta2) / (1 - beta2)
    leading, xi = derive(name, 1).to_sympy([loss], [x, y])
    pairs = []
    for j, variable in enumerate((x, y)):
        bias = (first - second + second * epsilon / roots[j] ** 2) / 2 * sum(roots).diff(variable)
        pairs += [(leading[j], gradient[j] / roots[j]), (xi[j], bias / roots[j])]
    return pairs


def bernoulli_numbers():
    trees = [rooted_trees(nodes)[-1] for nodes in range(2, 10)]
    found = {tree: value for row in derive(order=8).rows for tree, value in row.items()}
    numbers = [sympy.bernoulli(tree.order - 1) if tree.order > 2 else Rational(-1, 2) for tree in trees]
    return [(exact((-1) ** (t.order - 1) * t.symmetry * found[t]), b) for t, b in zip(trees, numbers, strict=True)]


def reshuffled_losses():
    return [
        pair
        for m in (2, 3)
        for pair in losses(
            "random-reshuffling", {f"{i}[{i}[]]": Rational(1, 4 * m) for i in range(1, m + 1)}, batches=m
        )
    ]


def translation():
    law = decay_law(Fraction(1, 100), Fraction(1, 100), [0, 1])
    return [
        (str(law.rates[0])[:4], "0.01"),
        (str(law.rates[1])[:9], "0.0100005"),
        (str(law.exact)[:18], "0.0100005000333358"),
    ]


def momentum_root(name, polynomial):
    """On L = λ y²/2 the growth r = exp(η f̃/y) of a step must be a root, x = ηλ; coefficients of x⁰ … x⁵."""
    order = 5
    columns = modified_field(name, order - 1, [[-lam * y]], [y])
    logarithm = [0, *(column[0] / (y * lam ** (k + 1)) for k, column in enumerate(columns))]
    growth = [sympy.Integer(1)]  # n r_n = Σ k l_k r_{n−k}, the series of an exponential
    for n in range(1, order + 1):
        growth.append(sympy.cancel(sum(k * logarithm[k] * growth[n - k] for k in range(1, n + 1)) / n))
    residual = sympy.expand(polynomial(sum(r * z**k for k, r in enumerate(growth))))
    return [(sympy.cancel(residual.coeff(z, k)), 0) for k in range(order + 1)]


TABLE = (
    Published(
        "gradient descent, first term as a loss: L + η/4 ‖∇L‖²",
        "Barrett & Dherin, Implicit gradient regularization, ICLR 2021",
        lambda: losses("gradient-descent", {"1[1[]]": Rational(1, 4)}),
    ),
    Published(
        "gradient descent to order 3",
        "Miyagawa, Toward Equation of Motion for Deep Neural Networks, NeurIPS 2022, by its recursion: see theory.md",
        lambda: [
            (
                derive(order=3).text(),
                "\n".join(
                    (
                        "θ̇ = −g − η ξ,  ξ = ξ_0 + η ξ_1 + η² ξ_2",
                        "ξ_0 = 1/2 g'g",
                        "ξ_1 = 1/3 g'g'g + 1/12 g''(g,g)",
                        "ξ_2 = 1/4 g'g'g'g + 1/12 g'g''(g,g) + 1/12 g''(g,g'g) + 0 g'''(g,g,g)",
                    )
                ),
            )
        ],
    ),
    Published(
        "explicit Euler: −1/2 f'f, 1/3 f'f'f + 1/12 f''(f,f)",
        f"{GNI}, section IX.1",
        lambda: coefficients("gradient-descent", chain2="-1/2", chain3="1/3", bush3="1/12"),
    ),
    Published(
        "explicit Euler on y' = y²",
        f"{GNI}, example IX.1.1",
        lambda: scalar_series("gradient-descent", 5, y**2, RICCATI),
    ),
    Published(
        "implicit midpoint rule on y' = y²",
        f"{GNI}, example IX.1.1",
        lambda: scalar_series(
            "implicit-midpoint", 8, y**2, "y**2 + h**2*y**4/4 + h**4*y**6/8 + 11*h**6*y**8/192 + 3*h**8*y**10/128"
        ),
    ),
    Published(
        "classical Runge–Kutta method on y' = y²",
        f"{GNI}, example IX.1.1",
        lambda: scalar_series(
            "runge-kutta-4",
            8,
            y**2,
            "y**2 - h**4*y**6/24 + 65*h**6*y**8/576 - 17*h**7*y**9/96 + 19*h**8*y**10/144",
        ),
    ),
    Published(
        "explicit Euler on Lotka–Volterra",
        f"{GNI}, section IX.1",
        lambda: lotka_volterra(
            "gradient-descent", [LOTKA_VOLTERRA], "-q*(p**2 - p*q + 1)/2", "-p*(q**2 - p*q - 3*q + 4)/2"
        ),
    ),
    Published(
        "symplectic Euler on Lotka–Volterra",
        f"{GNI}, section IX.1",
        lambda: lotka_volterra(
            SYMPLECTIC_EULER, split(LOTKA_VOLTERRA), "-q*(p**2 + p*q - 4*p + 1)/2", "p*(q**2 + p*q - 5*q + 4)/2"
        ),
    ),
    Published(
        "symplectic Euler, its modified Hamiltonian to h³",
        f"{GNI}, section IX.3",
        symplectic_hamiltonian,
    ),
    Published(
        "implicit midpoint rule: 1/12 f'f'f − 1/24 f''(f,f)",
        f"{GNI}, sections IX.1 and IX.9",
        lambda: coefficients("implicit-midpoint", chain2="0", chain3="1/12", bush3="-1/24"),
    ),
    Published(
        "explicit midpoint rule: −1/6 f'f'f − 1/24 f''(f,f)",
        f"{GNI}, sections III.1 and IX.1: (a(τ) − 1/γ(τ))/σ(τ) with Σ b a c = 0 and Σ b c² = 1/4",
        lambda: coefficients("explicit-midpoint", chain2="0", chain3="-1/6", bush3="-1/24"),
    ),
    Published(
        "trapezoidal rule: 1/12 f'f'f + 1/12 f''(f,f)",
        f"{GNI}, sections III.1 and IX.1: (a(τ) − 1/γ(τ))/σ(τ) with Σ b a c = 1/4 and Σ b c² = 1/2",
        lambda: coefficients(TRAPEZOIDAL, chain2="0", chain3="1/12", bush3="1/12"),
    ),
    Published(
        "bushes are the Bernoulli numbers",
        "Chartier, Hairer & Vilmart, Algebraic structures of B-series, Found. Comput. Math. 10, 2010",
        bernoulli_numbers,
    ),
    Published(
        "gradient descent-ascent, proximal point and extragradient: ∓ s/2 F'F",
        "Lu, An O(s^r)-resolution ODE framework for understanding discrete-time algorithms, Math. Program. 194, 2022",
        lambda: [
            *coefficients("gradient-descent", chain2="-1/2"),
            *coefficients("implicit-euler", chain2="1/2"),
            *coefficients("extragradient", chain2="1/2"),
        ],
    ),
    Published(
        "two players at once: −1/2 (f_x f + f_y g), −1/2 (g_x f + g_y g)",
        "Rosca, Wu, Dherin & Barrett, Discretization drift in two-player games, ICML 2021",
        lambda: players("simultaneous-players", 1),
    ),
    Published(
        "two players in turn: the second sees the first one's move, −1/2 (g_y g − g_x f)",
        "Rosca, Wu, Dherin & Barrett, Discretization drift in two-player games, ICML 2021",
        lambda: players("alternating-players", -1),
    ),
    Published(
        "heavy ball, first term: α = (1+β)/2",
        "Kovachki & Stuart, Continuous time analysis of momentum methods, JMLR 22, 2021",
        lambda: momentum("heavy-ball", (1 + beta) / 2),
    ),
    Published(
        "Nesterov, first term: α = (1 + β − 2β(1−β))/2",
        "Kovachki & Stuart, Continuous time analysis of momentum methods, JMLR 22, 2021",
        lambda: momentum("nesterov", (1 + beta - 2 * beta * (1 - beta)) / 2),
    ),
    Published(
        "heavy ball on a quadratic: the larger root of r² − (1+β−x) r + β",
        "Polyak, Some methods of speeding up the convergence of iteration methods, 1964",
        lambda: momentum_root("heavy-ball", lambda r: r**2 - (1 + beta - z) * r + beta),
    ),
    Published(
        "Nesterov on a quadratic: the larger root of r² − (1+β)(1−x) r + β(1−x)",
        "O'Donoghue & Candès, Adaptive restart for accelerated gradient schemes, Found. Comput. Math. 15, 2015",
        lambda: momentum_root("nesterov", lambda r: r**2 - (1 + beta) * (1 - z) * r + beta * (1 - z)),
    ),
    Published(
        "heavy ball as a loss: L/(1−β) + η (1+β)/(4 (1−β)³) ‖∇L‖²",
        "Ghosh, Lyu, Zhang & Wang, Implicit regularization in heavy-ball momentum accelerated SGD, ICLR 2023",
        lambda: losses("heavy-ball", {"1[1[]]": (1 + beta) / (4 * (1 - beta) ** 3)}),
    ),
    Published(
        "random reshuffling: L + η/(4m) Σ ‖∇L_i‖²",
        "Smith, Dherin, Barrett & De, On the origin of implicit regularization in SGD, ICLR 2021",
        reshuffled_losses,
    ),
    Published(
        "Adam, first term",
        "Cattaneo, Klusowski & Shigida, On the implicit bias of Adam, ICML 2024",
        lambda: adam("adam(inside=yes, corrected=no)", (1 + beta1) / (1 - beta1)),
    ),
    Published(
        "RMSProp, first term: Adam's with β₁ = 0",
        "Cattaneo, Klusowski & Shigida, On the implicit bias of Adam, ICML 2024",
        lambda: adam("rmsprop(inside=yes)", 1),
    ),
    Published(
        "decay of a translation-invariant layer at η = λ = 0.01",
        "Miyagawa, Toward Equation of Motion for Deep Neural Networks, NeurIPS 2022: see theory.md",
        translation,
    ),
    *(
        Published(
            f"y' = λy under {method}: the logarithm of the growth factor",
            source,
            lambda m=method, g=growth: linear_series(m, 5, g),
        )
        for method, growth, source in (
            ("gradient-descent", 1 + z, f"{GNI}, section IX.1"),
            ("implicit-euler", 1 / (1 - z), f"{GNI}, section IX.1"),
            ("implicit-midpoint", (1 + z / 2) / (1 - z / 2), f"{GNI}, section IX.1"),
            ("explicit-midpoint", 1 + z + z**2 / 2, f"{GNI}, section IX.1"),
            ("extragradient", 1 + z + z**2, "Korpelevich 1976, its step on a linear field"),
            ("runge-kutta-4", 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24, f"{GNI}, section IX.1"),
        )
    ),
)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Optimisers of this file are not left behind for other tests."""
    for table in (optimizers.REGISTRY, optimizers.registry._BY_ALIAS):
        for name in ("symplectic-euler", "trapezoidal-rule"):
            monkeypatch.setitem(table, name, None)
            monkeypatch.delitem(table, name)


def difference(derived, published):
    """0 if and only if the two are the same, exactly."""
    if isinstance(derived, (str, bool, set)):
        return 0 if derived == published else f"{derived} is not {published}"
    gap = sympy.sympify(derived) - sympy.sympify(published)
    # What is wrong is wrong at a point too, and seen there at once; only what may be right is worth simplifying.
    symbols = sorted(gap.free_symbols, key=str)
    there = gap.subs({symbol: Rational(index + 2, index + 7) for index, symbol in enumerate(symbols)}).evalf(40)
    return there if abs(there) > 1e-30 else sympy.simplify(sympy.together(gap))


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.name)
def test_the_program_derives_what_is_published(entry):
    pairs = entry.pairs()
    assert pairs
    assert [difference(derived, published) for derived, published in pairs] == [0] * len(pairs)


def test_every_entry_has_a_source_with_a_year():
    assert len({entry.name for entry in TABLE}) == len(TABLE)
    assert all(
        any(str(year) in entry.source for year in range(1950, 2027)) or "theory.md" in entry.source for entry in TABLE
    )


def test_a_misprint_is_found():
    assert difference(Fraction(1, 12), Fraction(1, 13)) != 0
    assert difference("ξ_0 = 1/2 g'g", "ξ_0 = 1/2 g") != 0
    ((derived, _),) = scalar_series("gradient-descent", 2, y**2, "0")
    assert difference(derived, sympy.sympify("y**2 - h*y**3 + 4*h**2*y**4/3", {"h": h, "y": y})) != 0
    assert [difference(*pair) == 0 for pair in momentum("heavy-ball", (1 - beta) / 2)] == [True, False]


def test_the_registry_knows_the_sources():
    """Optimisers whose first term is published here name the same paper."""
    for name, author in (
        ("heavy-ball", "Kovachki"),
        ("adam", "Cattaneo"),
        ("random-reshuffling", "Smith"),
    ):
        assert author in optimizers.get(name).source
