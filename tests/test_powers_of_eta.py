"""Rules with powers of η beside those of g, drawn by lot, through every door, on quadratic losses.

The truth is the logarithm of what a step multiplies θ with (``second_routes.multiplier``), exactly.
"""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from interpreted import interpreted
from latex_numbers import evaluate
from own_rules import POWERS
from random_rules import random_rule
from second_routes.multiplier import decay_rows, eta, in_time, logarithm_rows, matrix_of, start_rows

import eomsym
from eomsym import optimizers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.derivation import modified_loss
from eomsym.derivation.algebras import modified_tree_coefficients
from eomsym.errors import InputError
from eomsym.models import MLP, ExpressionLoss
from eomsym.optimizers import Optimizer, Parameter
from eomsym.optimizers.loop import Loop
from eomsym.optimizers.whole_state import whole_state
from eomsym.schedules import constant
from eomsym.step_index import solve
from eomsym.step_index.numbers import NumberAlgebra
from eomsym.step_index.solver import solve_slow
from eomsym.step_index.tables import integer_nodes, small_nodes
from eomsym.verification.verifying import error_exponents

TERMS = 5
CURVATURE = Fraction(7, 10)


def seeds(fast, slow):
    """So many in the fast tests, so many in all."""
    return [pytest.param(seed, marks=[pytest.mark.slow] if seed >= fast else []) for seed in range(slow)]


def truth(entry, curvature=CURVATURE, terms=TERMS):
    return decay_rows(matrix_of(entry.step, len(entry.memory), curvature, eta(terms)))


def on_a_line(tree, leaves=(1,), curvature=CURVATURE):
    """The elementary differential of ``g = curvature · θ``; leaf −i is number i of ``leaves``, θ first."""
    if tree.colour <= 0:
        return leaves[-tree.colour]
    if len(tree.children) > 1:
        return 0
    return curvature * (on_a_line(tree.children[0], leaves, curvature) if tree.children else leaves[0])


def of_trees(rows, leaves=(1,)):
    return [sum((value * on_a_line(tree, leaves) for tree, value in row.items()), Fraction(0)) for row in rows]


def numbers(rule, tables, gradient=lambda field, series: CURVATURE * series):
    """−f̃_0, … at θ = 1, exactly."""
    algebra = NumberAlgebra(tables(rule, TERMS), gradient, [np.array([Fraction(1)], dtype=object)], Fraction)
    return [-values[0][0] for values in solve(rule, algebra, TERMS)]


@pytest.mark.parametrize("seed", seeds(40, 500))
def test_trees_and_series(seed):
    entry = random_rule(seed)
    rule, expected = entry.rule(), truth(entry)
    rows = [{tree: -value for tree, value in row.items()} for row in modified_tree_coefficients(rule, TERMS)]
    assert of_trees(rows) == expected
    assert numbers(rule, integer_nodes) == numbers(rule, small_nodes) == expected


def test_decay_after_the_step():
    """``−log((1 − 7η/10)(1 − η/10))/η``."""
    (entry,) = (one for one in POWERS if one.name == "own-decay-after")
    rows = [{tree: -value for tree, value in row.items()} for row in modified_tree_coefficients(entry.rule(), TERMS)]
    assert of_trees(rows) == [(CURVATURE**n + Fraction(1, 10) ** n) / n for n in range(1, TERMS + 1)]


TEXTS = {
    "own-rate-and-square": [
        "θ̇ = −g − η ξ,  ξ = ξ_0 + η ξ_1",
        "ξ_0 = 1/2 g'(g) + g",
        "ξ_1 = 1/3 g'(g'(g)) + 1/12 g''(g, g) + g'(g)",
    ],
    "own-square": ["θ̇ = 0 − η ξ,  ξ = ξ_0 + η ξ_1", "ξ_0 = g", "ξ_1 = 0"],
    "own-sum-by-eta": [
        "θ̇ = −1/2 g − η ξ,  ξ = ξ_0 + η ξ_1",
        "ξ_0 = 1/8 g'(g) + 2 g",
        "ξ_1 = 1/24 g'(g'(g)) + 1/96 g''(g, g) + 2 g'(g)",
    ],
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_tree_stands_in_the_row_of_its_power_and_not_of_its_nodes(name):
    (entry,) = (one for one in POWERS if one.name == name)
    assert eomsym.derive(entry, 2).text().splitlines() == TEXTS[name]
    assert not any(eomsym.derive(entry, order).plain for order in range(3))  # high enough to show it or not
    assert eomsym.derive("nesterov", 2).plain


def test_what_is_made_of_the_rows():
    """A modified loss, a design, and the power of η with which errors fall."""
    known = {entry.name: entry for entry in POWERS}
    assert modified_loss(known["own-rate-and-square"], 1).is_gradient == (True, True)
    free = Parameter("a", "a", "factor", Fraction(0), None)
    family = Optimizer("a-squares", lambda g, s, eta, a: (s[0] - a * eta**2 * g(s[0]),), (free,))
    assert eomsym.design(family, vanishing=1).coefficients == {"a": 0}
    late = Optimizer("fifth-power", lambda g, s, eta: (s[0] - eta**5 * g(s[0]),))
    assert error_exponents(late, {}, [0, 1, 4]) == {0: 4, 1: 4, 4: 9}
    never = Optimizer("never", lambda g, s, eta: (s[0],))
    with pytest.raises(InputError, match="8 terms above order 1 vanish"):
        error_exponents(never, {}, [1])


@pytest.mark.parametrize("seed", range(40))
def test_every_notation_has_each_tree_in_the_row_of_its_power(seed):
    entry, x = random_rule(seed), sympy.Symbol("x")
    result, expected = eomsym.derive(entry, TERMS - 1), truth(entry)
    leading, *lines = (line.split(" = ")[1] for line in result.sympy_lines().splitlines())
    if result.plain:
        leading, first = f"g*({leading})", Fraction(result.to_dict()["gradient_coefficient"]) * CURVATURE
    else:
        first = sum(map(of_record, result.to_dict()["leading"]))
    assert [eval(line, SYMPY) for line in (leading, *lines)] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    columns = result.to_sympy(sympy.Rational(7, 20) * x**2, [x])
    assert [column[0].subs(x, 1) for column in columns] == expected
    written = [evaluate(right, LATEX) for _, right in result.equations()[2:]]
    assert written == pytest.approx([float(value) for value in expected[1:]], rel=1e-12, abs=1e-12)
    recorded = [sum(map(of_record, row["terms"])) for row in result.to_dict()["counterterms"]]
    assert [first, *recorded] == expected


#: On ``½ · 7/10 θ²`` at θ = 1.
SYMPY = {f"g{m}": lambda *along: 0 for m in range(2, 9)} | {"g1": lambda u: CURVATURE * u, "g": CURVATURE, "theta": 1}
LATEX = {rf"\nabla^{{{m}}}g": 0 for m in range(2, 9)} | {"H": 0.7, "g": 0.7, r"\theta": 1}


def of_record(term):
    """A term of JSON there."""
    chain = "," not in term["tree"]
    return chain * Fraction(term["coefficient"]) * CURVATURE ** (term["tree"].count("[") - ("0[" in term["tree"]))


@pytest.mark.parametrize("seed", range(40))
def test_where_the_slow_manifold_is_entered(seed):
    entry, orders = random_rule(seed, memories=1 + seed % 2), 3
    memory = [Fraction(seed % 5, 3), Fraction(-1, 2)][: len(entry.memory)]
    expected = start_rows(matrix_of(entry.step, len(memory), CURVATURE, eta(orders)), 1, memory)
    rows = eomsym.derive(entry, orders, start=dict.fromkeys(entry.memory, "v")).start.rows
    assert [1, *of_trees(rows, (1, *memory))] == expected
    from_rest = start_rows(matrix_of(entry.step, len(memory), CURVATURE, eta(orders)), 1, [0 * part for part in memory])
    assert [1, *of_trees(eomsym.derive(entry, orders, start=True).start.rows)] == from_rest


@pytest.mark.parametrize("seed", range(40))
def test_a_rate_that_depends_on_time(seed):
    entry, taylor = random_rule(seed), [Fraction(2, 3), Fraction(-1, 2), Fraction(3, 4), 1, Fraction(1, 5)]
    rule = Loop(entry, {}, {"eta": constant()}).rule({"eta": taylor})

    def step(gradient, state, rate):
        return entry.step(gradient, state, rate * in_time(taylor, TERMS))

    expected = decay_rows(matrix_of(step, len(entry.memory), CURVATURE, eta(TERMS)))
    rows = [{tree: -value for tree, value in row.items()} for row in modified_tree_coefficients(rule, TERMS)]
    assert of_trees(rows) == numbers(rule, small_nodes) == expected


@pytest.mark.parametrize("seed", range(40))
def test_the_whole_state(seed):
    entry, gamma = random_rule(seed, memories=1 + seed % 2, averages=True), Fraction(3, 2)
    names = [parameter.name for parameter in entry.parameters]
    shares = {name: 1 - gamma * eta(TERMS) for name in names}
    expected = logarithm_rows(matrix_of(entry.step, len(names), CURVATURE, eta(TERMS), **shares))
    gammas = {name.replace("beta", "gamma"): gamma for name in names}
    found = eomsym.derive(entry, TERMS - 1, state="whole", **gammas)
    rule = whole_state(entry).rule(**gammas)
    for column in range(len(names) + 1):
        leaves = [int(i == column) for i in range(len(names) + 1)]
        rows = [
            [sum(value * on_a_line(tree, leaves) for tree, value in state.items()) for state in row]
            for row in found.terms
        ]
        states = [np.array([Fraction(leaf)], dtype=object) for leaf in leaves]
        algebra = NumberAlgebra(small_nodes(rule, TERMS), lambda field, series: CURVATURE * series, states, Fraction)
        series = [[state[0][0] for state in row] for row in solve_slow(rule, algebra, TERMS)]
        assert rows == series == [[row[column] for row in matrix] for matrix in expected]


CURVATURES = (Fraction(7, 10), Fraction(-1, 2), Fraction(3))


def assert_at_all(rows, entry):
    """Rows (TERMS, 3) at θ = 1 in all components of a loss with these curvatures."""
    expected = np.array([[float(value) for value in truth(entry, h)] for h in CURVATURES]).T
    np.testing.assert_allclose(rows, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())


def quadratic(params):
    return sum(float(h) / 2 * params["x"][i] ** 2 for i, h in enumerate(CURVATURES)).sum()


@pytest.mark.parametrize("seed", range(30))
def test_jax(seed):
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    import eomsym.jax

    entry = random_rule(seed)
    with jax.enable_x64(True):
        rows = eomsym.jax.counterterms(quadratic, {"x": jax.numpy.ones(3)}, TERMS - 1, optimizer=entry)
        assert_at_all([row["x"] for row in rows], entry)


@pytest.mark.parametrize("seed", range(30))
def test_torch(seed):
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    import eomsym.torch

    entry = random_rule(seed)
    rows = eomsym.torch.counterterms(quadratic, {"x": torch.ones(3, dtype=torch.float64)}, TERMS - 1, optimizer=entry)
    assert_at_all([row["x"].numpy() for row in rows], entry)


MODEL = ExpressionLoss(" + ".join(f"({h})/2*{x}**2" for h, x in zip(CURVATURES, "xyz", strict=True)), list("xyz"))


@pytest.mark.parametrize("seed", range(8))
def test_kernels(seed):
    entry = optimizers.get(random_rule(seed))
    kernel = interpreted(KernelSpec(MODEL, TERMS - 1, entry.name))
    assert_at_all(kernel.counterterms(np.ones(3)), entry)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_compiled_kernels_of_networks(seed):
    """A network without hidden layers and activation, fitted to 0: ``L = ½ mean (x θ)²``."""
    entry, inputs = optimizers.get(random_rule(seed)), np.diag(np.sqrt([0.7, 0.5, 3.0])) * 3**0.5
    kernel = kernel_for(KernelSpec(MLP([3, 1], "identity", "mse", bias=False), TERMS - 1, entry.name))
    rows = kernel.counterterms(np.ones(3), inputs, np.zeros((3, 1)))
    expected = [[float(value) for value in truth(entry, h)] for h in (Fraction(7, 10), Fraction(1, 2), Fraction(3))]
    np.testing.assert_allclose(rows, np.array(expected).T, rtol=1e-10, atol=1e-10)
