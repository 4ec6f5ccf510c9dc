"""The shadow start of methods with memory, on trees: published terms, closed forms, and late steps in 60 digits."""

import json
import pickle
from fractions import Fraction

import mpmath
import pytest
import sympy
from forms import EVERY
from second_routes.late_steps import start_by_late_steps

import eomsym
from eomsym import optimizers
from eomsym.derivation import Equation, derive
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_expression
from eomsym.optimizers import Optimizer, Parameter
from eomsym.trees import LEAF, parse_tree, slow_leaf

BETA = sympy.Symbol("beta")
X, Y = sympy.symbols("x y")
LINEAR = [entry.name for entry in EVERY.values() if entry.memory and derive(entry.name, 0).plain]


def terms(start):
    """Coefficients as SymPy expressions by tree."""
    return [{str(tree): coefficient_expression(value) for tree, value in row.items()} for row in start.rows]


def equal(found, expected):
    assert len(found) == len(expected)
    for row, known in zip(found, expected, strict=True):
        assert row.keys() == known.keys()
        for tree, value in known.items():
            expected_value = sympy.sympify(value, locals={"beta": BETA, "d": sympy.Symbol("d")})
            assert sympy.cancel(row[tree] - expected_value) == 0, tree


def test_heavy_ball_from_rest_with_a_symbol():
    """shared/theory.md §10 and §15."""
    equal(
        terms(derive("heavy-ball", 3, start=True).start),
        [
            {"[]": "beta/(1-beta)**2"},
            {"[[]]": "beta*(2+beta)/(1-beta)**4"},
            {
                "[[[]]]": "beta*(beta**2+6*beta+3)/(1-beta)**6",
                "[[],[]]": "beta*(beta**3+4*beta**2+3*beta+1)/(2*(1-beta)**6*(1+beta))",
            },
        ],
    )


def test_heavy_ball_handed_over_with_any_velocity():
    """§15: c_1 = β/(1−β) (g/(1−β) − v_0)."""
    start = derive("heavy-ball", 2, start={"velocity": "v"}).start
    equal(terms(start)[:1], [{"-1[]": "-beta/(1-beta)", "[]": "beta/(1-beta)**2"}])
    assert start.text().splitlines()[1] == "c_1 = −beta/(1 - beta) v₀ + beta/(1 - beta)**2 g"
    assert "g1(v_0)" in start.sympy_lines()
    assert r"Hv_{0}" in start.latex()
    assert derive("heavy-ball", 2, start={"velocity": 0}) == derive("heavy-ball", 2, start=True)


def test_optimistic_from_zero_and_as_optax_starts_it():
    """§15: −g, −g'g with previous gradient 0, and 0, −g'g with optax's."""
    equal(terms(derive("optimistic", 2, start=True).start), [{"[]": -1}, {"[[]]": -1}])
    equal(terms(derive("optimistic", 2, start={"last gradient": "g"}).start), [{"[]": 0}, {"[[]]": -1}])


def pytorch_nesterov(gradient, state, eta, beta):
    """PyTorch keeps the look-ahead point y: y⁺ = y − η (g(y) + β v⁺)."""
    theta, velocity = state
    slope = gradient(theta)
    velocity = beta * velocity + slope
    return theta - eta * (slope + beta * velocity), velocity


def dampened(gradient, state, eta, beta, d):
    theta, velocity = state
    velocity = beta * velocity + (1 - d) * gradient(theta)
    return theta - eta * velocity, velocity


def own(name, step, *names, **more):
    parameters = tuple(Parameter(one, one, "", Fraction(0), Fraction(1)) for one in names)
    return Optimizer(name, step, parameters, ("velocity",), **more)


def test_nesterov_as_pytorch_has_it():
    """§15: the look-ahead point starts at β²/(1−β)² g, β²(β²+2)/(1−β)⁴ g'g."""
    start = derive(own("test-nesterov-y", pytorch_nesterov, "beta"), 2, start=True).start
    equal(terms(start), [{"[]": "beta**2/(1-beta)**2"}, {"[[]]": "beta**2*(beta**2+2)/(1-beta)**4"}])


def test_dampening_whose_first_buffer_is_the_gradient():
    """§15: c_1 = (β−d)/(1−β)² g; by what the memory starts as, given with the optimiser or to ``start``."""
    entry = own(
        "test-dampened",
        dampened,
        "beta",
        "d",
        initial=lambda gradient, theta, beta, d: ((d / beta) * gradient(theta),),
    )
    equal(terms(derive(entry, 1, start=True).start), [{"[]": "(beta-d)/(1-beta)**2"}])
    plain, values = own("test-dampened-from-rest", dampened, "beta", "d"), {"beta": "1/2", "d": "1/3"}
    start = derive(plain, 1, start={"velocity": {"g": "2/3"}}, **values).start
    assert start.rows[0][LEAF] == Fraction(1, 2 * 3) * 4
    assert derive(plain, 1, start={"velocity": {"g": "2/3", "v": 2}}, **values).start.rows[0][slow_leaf(1)] == -2


def test_a_loss_of_one_variable():
    """§10: g = θ + θ², β = ½, θ_0 = 1."""
    columns = derive("heavy-ball", 4, start=True, beta="1/2").start.to_sympy(X**2 / 2 + X**3 / 3, [X])
    assert [column[0].subs(X, 1) for column in columns] == [4, 120, sympy.Rational(11728, 3), 141472]


def test_quadratic_in_closed_form():
    """§10: θ̂_0/θ_0 = r₊(1−r₋)/(r₊−r₋) with the roots of r² − (1+β−x) r + β."""
    beta, x = sympy.Rational(1, 3), sympy.Symbol("x")
    middle = 1 + beta - x
    root = sympy.sqrt(middle**2 - 4 * beta)
    plus, minus = (middle + root) / 2, (middle - root) / 2
    series = sympy.series(plus * (1 - minus) / (plus - minus), x, 0, 6).removeO()
    start = derive("heavy-ball", 5, start=True, beta="1/3").start
    for k, row in enumerate(start.rows, start=1):
        (chain,) = (value for tree, value in row.items() if tree.is_chain)
        assert sympy.nsimplify(series.coeff(x, k)) == sympy.Rational(chain.numerator, chain.denominator)


@pytest.mark.parametrize("name", [*LINEAR, "heavy-ball handed over"])
def test_late_steps_in_extended_precision_say_the_same(name):
    """A second route for a β, a loss and a point that no formula here knows: it shares no code with the ring."""
    hidden, order, point = Fraction(7, 23), 4, [Fraction(3, 11), Fraction(-2, 7)]
    entry = optimizers.get(name.split(" ")[0])
    values = {parameter.name: hidden for parameter in entry.parameters}
    loss = X**4 / 5 + X * Y**3 / 3 + 2 * X**2 * Y / 7 + Y**2 + X / 2

    def gradient(x, y):
        along_x = x * x * x * 4 * fifth + y * y * y * third + x * y * 4 * seventh
        return along_x + half, x * y * y + x * x * 2 * seventh + y * 2

    with mpmath.workdps(60):
        half, third, fifth, seventh = (mpmath.mpf(1) / n for n in (2, 3, 5, 7))
        velocity = [Fraction(1, 9), Fraction(5, 8)] if "handed" in name else [Fraction(0)] * 2
        seen = start_by_late_steps(entry.step, gradient, point, [velocity], order, 140, **values)
        if "handed" in name:
            assert _handed_over(seen, loss, point, velocity, hidden)
            return
        columns = derive(entry, order, start=True, **values).start.to_sympy(loss, [X, Y])
        place = dict(zip((X, Y), map(sympy.Rational, point), strict=True))
        for row, column in zip(seen, columns, strict=True):
            for value, exact in zip(row, column.subs(place), strict=True):
                assert abs(value - mpmath.mpf(exact.p) / exact.q) < mpmath.mpf(10) ** -30


def _handed_over(seen, loss, point, velocity, beta):
    """c_1 and c_2 with v_0, the trees evaluated by hand."""
    place = dict(zip((X, Y), map(sympy.Rational, point), strict=True))
    g = sympy.Matrix([loss.diff(name) for name in (X, Y)])
    hessian, g = g.jacobian([X, Y]).subs(place), g.subs(place)
    v = sympy.Matrix(list(map(sympy.Rational, velocity)))
    values = {"-1[]": v, "[]": g, "1[-1[]]": hessian * v, "[[]]": hessian * g}
    start = derive("heavy-ball", 2, start={"velocity": "v"}, beta=beta).start
    for row, found in zip(start.rows, seen, strict=False):
        total = sum((sympy.Rational(c) * values[str(tree)] for tree, c in row.items()), sympy.zeros(2, 1))
        for exact, value in zip(total, found, strict=True):
            if abs(value - mpmath.mpf(exact.p) / exact.q) > mpmath.mpf(10) ** -30:
                return False
    return True


@pytest.mark.parametrize("name", [e.name for e in EVERY.values() if not e.memory])
def test_without_memory_it_is_where_one_stands(name):
    found = derive(name, 2, start=True)
    assert found.start.text() == "θ̂_0 = θ_0"
    assert found.text().endswith("\nθ̂_0 = θ_0")
    assert all(value == 0 for row in found.start.rows for value in row.values())


def test_decay_has_theta_as_a_leaf():
    start = derive("sgdw", 2, start=True).start
    assert start.text().splitlines()[2].startswith("c_2 = beta*decay/(1 - beta)**3 g'(θ)")
    with pytest.raises(InputError, match=r"more than one g; eomsym\.dynamics\.shadow_start"):
        start.to_sympy(X**2, [X])


def test_json_has_it_and_is_read_back():
    """design.md §4."""
    found = derive("heavy-ball", 2, start=True)
    data = json.loads(found.to_json())
    assert data["start"] == [
        {"index": 1, "terms": [{"tree": "[]", "symmetry": 1, "coefficient": "beta/(1 - beta)**2"}]},
        {"index": 2, "terms": [{"tree": "[[]]", "symmetry": 1, "coefficient": "beta*(beta + 2)/(1 - beta)**4"}]},
    ]
    for order in (0, 1, 4):
        found = derive("heavy-ball", order, start=True)
        assert Equation.from_json(found.to_json()) == found
        assert pickle.loads(pickle.dumps(found.start)) == found.start
    assert "start" not in json.loads(derive("heavy-ball", 2).to_json())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda start: start.pop(), "1 rows of order 2"),
        (lambda start: start[0].update(index=0), "start"),
        (lambda start: start[1]["terms"][0].update(tree="[]"), "'start' is .* not as derived"),
        (lambda start: start[1]["terms"][0].update(coefficient="gamma"), "cannot be read .KeyError: .*gamma"),
    ],
)
def test_json_that_was_tampered_with_is_refused(change, message):
    data = json.loads(derive("heavy-ball", 2, start=True).to_json())
    change(data["start"])
    with pytest.raises(InputError, match=message):
        Equation.from_json(json.dumps(data))


def test_latex_and_lines_for_sympy_have_it():
    found = derive("heavy-ball", 2, start=True, beta="1/2")
    assert r"\hat{\theta}_{0} &= \theta_{0} + \eta\,c_{1} + \eta^{2}\,c_{2}" in found.latex()
    assert found.sympy_lines().splitlines()[-2:] == ["c_1 = 2*g", "c_2 = 20*g1(g)"]
    assert any(r"\hat{\theta}" in line for line in found.mathtext())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: derive("adam", 1, start=True), r"adam has componentwise functions.*dynamics\.shadow_start\(kernel"),
        (lambda: derive("heavy-ball", 9, start=True), "order 9: out of range; give an integer from 0 to 8"),
        (lambda: derive("heavy-ball", 1, state="whole", start=True), "the whole state begins at its real start"),
        (lambda: derive("heavy-ball", 1, start={"mass": 0}), "memory 'mass': heavy-ball does not have it"),
        (lambda: derive("gd", 1, start={"velocity": 0}), "memory 'velocity': gradient-descent does not.*is none"),
        (lambda: derive("heavy-ball", 1, start={"velocity": "w"}), "starts as 'w': give 0, 'v' or 'g'"),
        (lambda: derive("heavy-ball", 1, start={"velocity": {"g": "half"}}), "'half': not an exact rational"),
        (lambda: derive("heavy-ball", 1, start="v"), "memory 'v': give starts by name"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_memory_that_starts_as_something_else_is_refused():
    entry = own(
        "test-odd-start", dampened, "beta", "d", initial=lambda gradient, theta, beta, d: (gradient(gradient(theta)),)
    )
    with pytest.raises(InputError, match="starts as more than a multiple of theta and g"):
        derive(entry, 1, start=True)


def test_a_library_s_name_has_its_start():
    found = derive("heavy-ball", 2, start=True, beta=0.5).start
    assert eomsym.derive("torch.SGD(momentum=0.5)", 2, start=True).start == found
    assert parse_tree("[[]]") in found.rows[1]
