"""The equation of motion of the whole state: golden terms, and the step that its flow must be."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache

import pytest
import sympy

import eomsym
from eomsym import optimizers
from eomsym.errors import InputError
from eomsym.optimizers.whole_state import whole_state

X, Y, V, W, S, T, H = sympy.symbols("x y v w s t h", positive=True)
LOSS = X**3 / 3 + X * Y**2 / 2 + Y**4 / 7
VARIABLES = [X, Y]
MEMORY = {1: [[V, W]], 2: [[V, W], [S, T]]}
RATES = {
    "heavy-ball": {"gamma": "3/2"},
    "nesterov": {"gamma": "3/2"},
    "sgdw": {"gamma": "3/2", "decay": "1/5"},
    "adam(inside=yes, corrected=no)": {"gamma1": "3/2", "gamma2": "1/3", "epsilon": "1/10"},
    "adam(corrected=no)": {"gamma1": "3/2", "gamma2": "1/3", "epsilon": "1/10"},
    "adamw(corrected=no)": {"gamma1": "3/2", "gamma2": "1/3", "epsilon": "1/10", "decay": "1/5"},
    "rmsprop(inside=yes)": {"gamma2": "1/3", "epsilon": "1/10"},
    "rmsprop": {"gamma2": "1/3", "epsilon": "1/10"},
}


def test_first_terms_of_heavy_ball_are_those_of_the_theory():
    """shared/theory.md §16."""
    found = eomsym.derive("heavy-ball", order=1, state="whole").text().splitlines()
    assert found[2:] == [
        "θ: F₀ = −v",
        "θ: F₁ = gamma/2 v − 1/2 g",
        "v: F₀ = −gamma v + g",
        "v: F₁ = 1/2 g'(v) − gamma**2/2 v + gamma/2 g",
    ]


def _step(name: str, rates: dict[str, str]) -> list[list[sympy.Expr]]:
    """One step of the optimiser itself on symbols, its memory in the units of the whole state."""
    entry = optimizers.get(name)
    scaling = whole_state(entry)
    gradient = [LOSS.diff(x) for x in VARIABLES]
    units = H if scaling.power == 2 else sympy.Integer(1)
    shares = dict(scaling.decays)
    values = {
        p.name: 1 - sympy.Rational(rates[shares[p.name]]) * H if p.kind == "share" else sympy.Rational(rates[p.name])
        for p in entry.parameters
    }
    state = (_Column(VARIABLES), *(_Column(m) * (1 / units) for m in MEMORY[len(entry.memory)]))
    after = entry.step(
        lambda at, field=0: _Column(
            [g.subs(dict(zip(VARIABLES, at.parts, strict=True)), simultaneous=True) for g in gradient]
        ),
        state,
        H**scaling.power,
        **values,
    )
    return [after[0].parts, *((part * units).parts for part in after[1:])]


class _Column:
    """A vector with componentwise arithmetic, for step functions."""

    def __init__(self, parts):
        self.parts = list(parts)

    def _with(self, other, operation):
        others = other.parts if isinstance(other, _Column) else [other] * len(self.parts)
        return _Column([operation(a, b) for a, b in zip(self.parts, others, strict=True)])

    def __add__(self, other):
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __mul__(self, other):
        return self._with(other, lambda a, b: a * b)

    def __truediv__(self, other):
        return self._with(other, lambda a, b: a / b)

    def __pow__(self, exponent):
        return _Column([a**exponent for a in self.parts])

    def sqrt(self):
        return _Column([sympy.sqrt(a) for a in self.parts])

    __radd__, __rmul__ = __add__, __mul__


def _defects(name: str, order: int, spoiled: bool = False) -> list[sympy.Expr]:
    """Coefficients of h … h^{order+1} of ``exp(hF) z − step(z)`` at a point, by the Lie series of F."""
    rates = RATES[name]
    equation = eomsym.derive(name, order=order, state="whole", **rates)
    memory = MEMORY[len(equation.memory)]
    rows = equation.to_sympy(LOSS, VARIABLES, memory)
    names = [*VARIABLES, *(symbol for part in memory for symbol in part)]
    fields = [[entry for column in row for entry in column] for row in rows]
    if spoiled:
        fields[-1] = [entry * Fraction(9, 8) for entry in fields[-1]]
    point = {name: sympy.Rational(i + 3, 7) for i, name in enumerate(names)}
    wanted = [entry for part in _step(name, rates) for entry in part]
    found = []
    # Coefficient j of exp(hF) z: the sum over compositions of j − (number of factors) into the F_k, over the factorial.
    levels: list[dict[int, list[sympy.Expr]]] = [{0: [sympy.sympify(name) for name in names]}]
    for _ in range(order + 1):
        last, following = levels[-1], {}
        for degree, vector in last.items():
            for k, field in enumerate(fields):
                if degree + k + 1 <= order + 1:
                    moved = [sum(v.diff(n) * f for n, f in zip(names, field, strict=True)) for v in vector]
                    known = following.get(degree + k + 1, [0] * len(names))
                    following[degree + k + 1] = [a + b for a, b in zip(known, moved, strict=True)]
        levels.append(following)
    for degree in range(1, order + 2):
        flow = [
            sum(level[degree][i].subs(point) / sympy.factorial(n) for n, level in enumerate(levels) if degree in level)
            for i in range(len(names))
        ]
        exact = [
            (sympy.expand(entry.subs(point)).diff(H, degree).subs(H, 0) / sympy.factorial(degree)) for entry in wanted
        ]
        found += [sympy.N(a - b, 30) for a, b in zip(flow, exact, strict=True)]
    return found


@pytest.mark.parametrize(("name", "order"), [(name, 2 if "heavy" in name or "nest" in name else 1) for name in RATES])
def test_the_flow_is_one_step_to_the_order_kept(name, order):
    """The Lie series of the derived field is the step itself to h^{N+1}: no node and no weight is shared with it."""
    assert max(map(abs, _defects(name, order))) < 1e-25
    assert max(map(abs, _defects(name, order, spoiled=True))) > 1e-4


LINEAR = ("heavy-ball", "nesterov", "nesterov(lookahead=yes)", "heavy-ball(dampened=yes)")


def _inertial_step(name, slope, theta, velocity):
    """One step at γ = 3/2 with a gradient of one unknown, in powers of h."""
    entry = optimizers.get(name)
    shares = {p.name for p in entry.parameters if p.kind == "share"}
    rate, other = 1 - sympy.Rational(3, 2) * H, sympy.Rational(1, 5)
    values = {p.name: rate if p.name in shares else other for p in entry.parameters}
    after = entry.step(lambda at, field=0: slope(at), (theta, velocity / H), H**2, **values)
    return sympy.expand(after[0]), sympy.expand(after[1] * H)


@cache
def _of_one_unknown(name, loss, order):
    rates = {"gamma": "3/2"} | ({"dampening": "1/5"} if "dampened" in name else {})
    rows = eomsym.derive(name, order=order, state="whole", **rates).to_sympy(loss, [X], [[V]])
    return [[sympy.expand(column[0]) for column in row] for row in rows]


@pytest.mark.parametrize("name", LINEAR)
def test_on_a_quadratic_it_is_the_logarithm_of_the_step(name):
    """To the highest order that is offered, exactly: ``log M = Σ (−1)^{n+1} (M − 1)ⁿ/n`` of the matrix of a step."""
    curvature, highest = sympy.Rational(7, 5), 6
    columns = [_inertial_step(name, lambda at: curvature * at, *unit) for unit in ((1, 0), (0, sympy.Integer(1)))]
    rest = sympy.Matrix(2, 2, lambda i, j: columns[j][i]) - sympy.eye(2)
    power, logarithm = sympy.eye(2), sympy.zeros(2)
    for n in range(1, highest + 2):
        power = (power * rest).applyfunc(sympy.expand)
        logarithm += sympy.Rational((-1) ** (n + 1), n) * power
    for k, row in enumerate(_of_one_unknown(name, curvature * X**2 / 2, highest)):
        wanted = logarithm.applyfunc(lambda entry, k=k: sympy.expand(entry).coeff(H, k + 1))
        assert sympy.Matrix(2, 2, lambda i, j, row=row: row[i].coeff((X, V)[j])) == wanted


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("spoiled", [False, True])
def test_of_one_unknown_the_flow_is_one_step_to_the_highest_order(name, spoiled):
    """As above, with a nonlinear gradient, exactly; a thousandth more of one term is seen."""
    loss, highest = X**3 / 3 + X**4 / 4, 6
    ring, *unknowns = sympy.ring((X, V), sympy.QQ)
    fields = [[ring.from_expr(part) for part in row] for row in _of_one_unknown(name, loss, highest)]
    if spoiled:
        fields[-1][1] *= sympy.QQ(1001, 1000)
    point = {X: sympy.Rational(3, 7), V: sympy.Rational(-2, 5)}
    level, flow = {0: unknowns}, {}
    for n in range(1, highest + 2):
        following = {}
        for degree, vector in level.items():
            for k, field in enumerate(fields[: highest + 1 - degree]):
                moved = [sum(part.diff(x) * f for x, f in zip(unknowns, field, strict=True)) for part in vector]
                known = following.get(degree + k + 1, [ring.zero] * 2)
                following[degree + k + 1] = [a + b for a, b in zip(known, moved, strict=True)]
        level = following
        for degree, vector in level.items():
            shares = [part.as_expr().subs(point) / sympy.factorial(n) for part in vector]
            flow[degree] = [a + b for a, b in zip(flow.get(degree, [0, 0]), shares, strict=True)]
    step = _inertial_step(name, lambda at: loss.diff(X).subs(X, at), X, V)
    wanted = {k: [sympy.expand(part.subs(point)).coeff(H, k) for part in step] for k in flow}
    assert (flow == wanted) is not spoiled


def test_json_names_states_and_scaling():
    data = json.loads(eomsym.derive("adam(inside=yes, corrected=no)", order=1, state="whole", gamma1="1/2").to_json())
    assert data["state"] == ["theta", "mean", "square"]
    assert data["scaling"] == {"eta": "h^1", "beta1": "1 - gamma1*h", "beta2": "1 - gamma2*h"}
    assert data["parameters"] == {"gamma1": "1/2"}
    assert [len(row["fields"]) for row in data["terms"]] == [3, 3]
    heavy = json.loads(eomsym.derive("heavy-ball", order=1, state="whole").to_json())
    assert {"tree": "1[-1[]]", "symmetry": 1, "coefficient": "1/2"} in heavy["terms"][1]["fields"][1]


def test_latex_and_sympy_say_the_same():
    equation = eomsym.derive("heavy-ball", order=1, state="whole")
    assert r"\dot{v} &= -\gamma \, v + g + h\,\bigl(" in equation.latex()
    lines = dict(line.split(" = ") for line in equation.sympy_lines().splitlines())
    g1 = sympy.Function("g1")
    gamma, v, g = sympy.symbols("gamma v g")
    assert sympy.parse_expr(lines["v_1"], local_dict={"gamma": gamma}) == g1(v) / 2 - gamma**2 * v / 2 + gamma * g / 2


@pytest.mark.parametrize(
    ("name", "order", "settings", "words"),
    [
        ("gradient-descent", 1, {}, "no memory that fades slowly"),
        ("optimistic", 1, {}, "no memory that fades slowly"),
        ("heavy-ball", 7, {}, "give an integer from 0 to 6"),
        ("adam", 5, {}, "give an integer from 0 to 4"),
        ("heavy-ball", 1, {"beta": "1/2"}, "takes gamma"),
        ("heavy-ball", 1, {"gamma": "-1"}, "out of range"),
    ],
)
def test_bad_input_is_named(name, order, settings, words):
    with pytest.raises(InputError, match=words):
        eomsym.derive(name, order=order, state="whole", **settings)


def test_an_unknown_state_is_refused():
    with pytest.raises(InputError, match="slow"):
        eomsym.derive("heavy-ball", order=1, state="half")


def test_latex_has_letters_for_bias_corrections_and_words_for_others():
    found = eomsym.derive("torch.Adam()", order=0, state="whole").latex()
    assert r"\dot{c_{1}} &= -\gamma_{1} \, c_{1}" in found
    assert "hare" not in found
    own = optimizers.Optimizer("test-own-average", _averaged, optimizers.get("adam").parameters[:1], ("my average",))
    assert r"\dot{\mathrm{my-average}} &=" in eomsym.derive(own, order=0, state="whole").latex()


def _averaged(gradient, state, eta, beta1):
    theta, average = state
    average = beta1 * average + (1 - beta1) * gradient(theta)
    return theta - eta * average, average
