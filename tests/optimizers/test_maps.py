"""Maps of blocks: rows against plain iterates in many digits, slopes, published forms, and what is refused.

The maps are written out here again, on object arrays of gmpy2: Muon's iteration, trust ratios, norms.
"""

from fractions import Fraction
from itertools import pairwise
from math import sqrt as root

import gmpy2
import high_precision
import numpy as np
import pytest
import shared_kernels
from asking import training
from gmpy2 import mpfr

import eomsym
from eomsym import optimizers
from eomsym.blocks import Blocks
from eomsym.dynamics.kernel_series import kernel_counterterms
from eomsym.errors import InputError
from eomsym.notation.writing import Writer
from eomsym.optimizers import Map, Optimizer, sqrt
from eomsym.series.array_series import ArraySeries

MODEL = shared_kernels.SPECS["no bias"].model
THETA, INPUTS, TARGETS = high_precision.problem(MODEL, 4)
LAYERS = ((2, 3), (3, 2))
ORDER = 3


def norm(values):
    return gmpy2.sqrt((values * values).sum())


def blockwise(function, *vectors):
    """A function of each W (n_in, n_out)."""
    parts, start = [], 0
    for rows, columns in LAYERS:
        end = start + rows * columns
        parts.append(function(*(vector[start:end].reshape(rows, columns) for vector in vectors)).ravel())
        start = end
    return np.concatenate(parts)


def iterated(matrix, middle=-4.7750):
    """Five quintic Newton–Schulz steps, times the factor of the shape."""
    made = matrix / norm(matrix)
    for _ in range(5):
        gram = made.dot(made.T)
        made = mpfr(3.4445) * made + (mpfr(middle) * gram + mpfr(2.0315) * gram.dot(gram)).dot(made)
    return gmpy2.sqrt(mpfr(max(1, matrix.shape[1] / matrix.shape[0]))) * made


def trust(weights, move):
    return move * (norm(weights) / norm(move))


def slope(theta):
    return high_precision.gradient(MODEL, theta, high_precision.exact(INPUTS), high_precision.exact(TARGETS))


def exact(number):
    return mpfr(Fraction(number).numerator) / Fraction(number).denominator


def muon(theta, state, eta, beta, middle=-4.7750):
    """PyTorch's, with Nesterov's look ahead."""
    g = slope(theta)
    (mean,) = state
    mean = beta * mean + (1 - beta) * g
    return theta - eta * blockwise(lambda part: iterated(part, middle), beta * mean + (1 - beta) * g), (mean,)


def lamb(theta, state, eta, beta1, beta2, epsilon, decay):
    """Its bias correction has faded."""
    mean, square = state
    g = slope(theta)
    mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g * g
    direction = mean / (np.frompyfunc(gmpy2.sqrt, 1, 1)(square) + epsilon) + decay * theta
    return theta - eta * blockwise(trust, theta, direction), (mean, square)


def lars(theta, state, eta, beta, decay, share):
    (velocity,) = state
    velocity = beta * velocity + share * blockwise(trust, theta, slope(theta) + decay * theta)
    return theta - eta * velocity, (velocity,)


def shampoo(theta, state, eta, beta, epsilon, iterations):
    """The memory is a list of matrices."""
    g, made, start, after = slope(theta), [], 0, []
    for (rows, columns), before in zip(LAYERS, state or [None] * len(LAYERS), strict=True):
        end = start + rows * columns
        matrix = g[start:end].reshape(rows, columns).T
        left, right = before or (0 * matrix.dot(matrix.T), 0 * matrix.T.dot(matrix))
        left, right = beta * left + (1 - beta) * matrix.dot(matrix.T), beta * right + (1 - beta) * matrix.T.dot(matrix)
        made.append(inverse_root(left, epsilon, iterations).dot(matrix).dot(inverse_root(right, epsilon, iterations)).T)
        start = end
        after.append((left, right))
    return theta - eta * np.concatenate([part.ravel() for part in made]), after


def inverse_root(square, epsilon, iterations):
    """Of order 4, by coupled Newton steps."""
    unit = np.array([[mpfr(i == j) for j in range(len(square))] for i in range(len(square))])
    square = square + epsilon * unit
    scale = mpfr(5) / 2 / norm(square)
    product, made = scale * square, gmpy2.sqrt(gmpy2.sqrt(scale)) * unit
    for _ in range(int(iterations)):
        turn = (5 * unit - product) / 4
        made = made.dot(turn)
        product = turn.dot(turn).dot(turn).dot(turn).dot(product)
    return made


def adafactor(theta, state, eta, beta2, epsilon, threshold=None):
    """The memory is a list of means of rows and columns; the mean of all is that of either."""
    g, made, start, after = slope(theta), [], 0, []
    for (rows, columns), before in zip(LAYERS, state or [(0, 0)] * len(LAYERS), strict=True):
        matrix = g[start : start + rows * columns].reshape(rows, columns)
        right = beta2 * before[0] + (1 - beta2) * ((matrix * matrix).sum(axis=1) / columns + epsilon)
        low = beta2 * before[1] + (1 - beta2) * ((matrix * matrix).sum(axis=0) / rows + epsilon)
        spread = np.multiply.outer(right, low) / (low.sum() / columns)
        move = matrix / np.frompyfunc(gmpy2.sqrt, 1, 1)(spread)
        if threshold is not None:
            move = move / max(mpfr(1), gmpy2.sqrt((move * move).sum() / (rows * columns)) / threshold)
        start, made, after = start + rows * columns, [*made, move.ravel()], [*after, (right, low)]
    return theta - eta * np.concatenate(made), after


def sam(theta, state, eta, rho):
    g = slope(theta)
    return theta - eta * slope(theta + rho * g / norm(g)), state


def clipped(theta, state, eta, most):
    g = slope(theta)
    return theta - eta * g * min(mpfr(1), most / norm(g)), state


#: Name, values, the step again, and how many memories like θ it has; None of others.
RULES = {
    "muon": ({"beta": "1/3"}, muon, 1),
    "lamb": ({"beta1": "1/4", "beta2": "1/3", "epsilon": "1/4", "decay": "1/7"}, lamb, 2),
    "lars": ({"beta": "1/3", "decay": "1/7", "trust": "1/2"}, lars, 1),
    "shampoo": ({"beta": "1/3", "epsilon": "1/10", "iterations": 6}, shampoo, None),
    "adafactor": ({"beta2": "1/3", "epsilon": "1/100"}, adafactor, None),
    "adafactor(rms_clipped=yes)": ({"beta2": "1/3", "epsilon": "1/100", "threshold": "1/10"}, adafactor, None),
    "sam": ({"rho": "1/20"}, sam, 0),
    "gradient-descent(clipped=yes)": ({"clip_norm": "1/10"}, clipped, 0),
    "gradient-descent (not clipped)": ({"clip_norm": "1000", "clipped": True}, clipped, 0),
}
SPACING, BITS = -12, 400


def settled(step, theta, memories, eta, settle):
    """A state over ``theta`` on the slow manifold: from where the run has settled when it comes there."""
    empty = [] if memories is None else (0 * theta,) * memories
    if memories == 0:
        return theta, empty
    begin = theta
    for _ in range(6):  # each time its distance has one factor η more
        at, state = begin, empty
        for _ in range(settle):
            at, state = step(at, state, eta)
        begin, end = begin + theta - at, (at, state)
    return end


def rows_of_iterates(step, memories, terms, settle=0):
    """``[f̃_0, …]`` at THETA, by logarithms of the map at several tiny step sizes."""
    theta, nodes, samples = high_precision.exact(THETA), range(1, terms + 3), []
    for node in nodes:
        eta = node * mpfr(10) ** SPACING
        at, state = settled(step, theta, memories, eta, settle)
        row = [at]
        for _ in range(terms + 2):
            at, state = step(at, state, eta)
            row.append(at)
        total, n = 0 * theta, 1
        while len(row) > 1:
            row = [after - before for before, after in pairwise(row)]
            total, n = total + row[0] * (mpfr((-1) ** (n + 1)) / n), n + 1
        samples.append(total / eta)
    return high_precision._polynomial_coefficients(list(nodes), samples, terms, SPACING)


@pytest.fixture(scope="module")
def kernel():
    return shared_kernels.kernel("no bias")


def rows_of(kernel, name, values, order=ORDER):
    entry, exactly = optimizers.chosen(name.removesuffix(" (not clipped)"), values)
    complete = entry.complete(exactly)
    return kernel_counterterms(kernel, entry.rule(**complete), THETA, order, (INPUTS, TARGETS))


@pytest.mark.slow
@pytest.mark.parametrize(("beta", "settle"), [("9/10", 1200), ("19/20", 2400)])
def test_rows_of_muon_with_the_memory_that_people_use(kernel, beta, settle):
    rows = -rows_of(kernel, "muon", {"beta": beta}, 2)
    with gmpy2.context(gmpy2.get_context(), precision=BITS):
        found = rows_of_iterates(lambda *at: muon(*at, exact(beta)), 1, 3, settle)
    for row, expected in zip(rows, np.array(found).astype(float), strict=True):
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("name", RULES)
def test_rows_are_those_of_plain_iterates_in_many_digits(kernel, name):
    values, step, memories = RULES[name]
    order = ORDER if memories == 0 else 2
    rows = -rows_of(kernel, name, values, order)
    numbers = {key: exact(value) for key, value in values.items() if key != "clipped"}
    if "clip_norm" in numbers:
        numbers = {"most": numbers["clip_norm"]}
    if "trust" in numbers:
        numbers["share"] = numbers.pop("trust")
    with gmpy2.context(gmpy2.get_context(), precision=BITS):
        found = rows_of_iterates(lambda *at: step(*at, **numbers), memories, order + 1, 110)
    for row, expected in zip(rows, np.array(found).astype(float), strict=True):
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_another_coefficient_of_the_iteration_gives_other_rows(kernel):
    rows = -rows_of(kernel, "muon", {"beta": 0}, 1)
    with gmpy2.context(gmpy2.get_context(), precision=BITS):
        other = rows_of_iterates(lambda *at: muon(*at, mpfr(0), -4.7751), 1, 2, 1)
    assert np.abs(rows - np.array(other).astype(float)).max() > 1e-6


def test_another_epsilon_or_other_means_of_adafactor_give_other_rows(kernel):
    values = {"beta2": "1/3", "epsilon": "1/100"}
    rows = rows_of(kernel, "adafactor", values, 1)
    with gmpy2.context(gmpy2.get_context(), precision=BITS):
        found = rows_of_iterates(lambda *at: adafactor(*at, exact("1/3"), exact("1/101")), None, 2, 110)
    assert np.abs(rows + np.array(found).astype(float)).max() > 1e-5
    plain = rows_of(kernel, "adafactor", {**values, "shortest": 4}, 1)  # no matrix is as large
    np.testing.assert_allclose(plain, rows_of(kernel, "rmsprop(inside=yes)", values, 1), rtol=1e-11)
    assert np.abs(rows - plain).max() > 0.01


def smooth_start(kernel):
    """Where no component of g is near 0, at which LAMB's root has a kink."""
    starts = [0.7 * np.random.default_rng(seed).normal(size=kernel.size) for seed in range(200)]
    return max(starts, key=lambda start: np.abs(kernel.gradient(start, INPUTS, TARGETS)).min())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *(("lamb", {}), ("adamw(clipped=yes)", {"clip_norm": "1/10"}), ("lars", {}), ("muon", {})),
        pytest.param("shampoo", {}, marks=pytest.mark.slow),
    ],
)
def test_whole_states_at_the_values_that_people_use(kernel, name, values):
    posed = training(kernel, smooth_start(kernel), 0.01, (INPUTS, TARGETS), name, **values)
    report = eomsym.verify(posed, range(3))
    assert report.passed, report


@pytest.mark.parametrize("beta", [pytest.param("0", marks=pytest.mark.slow), "9/10", "19/20"])
def test_slopes_of_muon_from_its_slow_manifold(kernel, beta):
    posed = training(kernel, THETA, None, (INPUTS, TARGETS), "muon", beta=beta)
    report = eomsym.verify(posed, range(4), state="slow")
    assert report.passed, report


@pytest.mark.parametrize(
    ("name", "values"), [(name, values) for name, (values, *_) in RULES.items() if name not in {"muon", "lars"}]
)
def test_slopes_of_the_others(kernel, name, values):
    posed = training(
        kernel, smooth_start(kernel), None, (INPUTS, TARGETS), name.removesuffix(" (not clipped)"), **values
    )
    report = eomsym.verify(posed, range(3), state="slow")
    assert report.passed, report


def test_the_slope_is_lost_with_the_memory_s_factor_of_an_average(kernel):
    """``κ = ½ + β²/(1 − β)`` is PyTorch's, ``½ (1 + β)/(1 − β)`` that of a plain average (theory §17)."""
    right = eomsym.derive("muon", 1, beta="1/2").rows[1]
    plain = eomsym.derive("muon(nesterov=no)", 1, beta="1/2").rows[1]
    assert list(right.values()) == [Fraction(1)]
    assert list(plain.values()) == [Fraction(3, 2)]
    posed = training(kernel, THETA, None, (INPUTS, TARGETS), "muon", beta="1/2")
    rows = rows_of(kernel, "muon", {"beta": "1/2"}, 1)
    wrong = rows_of(kernel, "muon(nesterov=no)", {"beta": "1/2"}, 1)
    np.testing.assert_allclose(wrong[1], 1.5 * rows[1], rtol=1e-9)
    assert posed is not None


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("muon(nesterov=no)", {}, "(beta + 1)/(2*(1 - beta)) P'(g'(P))"),
        ("muon", {}, "(2*beta**2 - beta + 1)/(2*(1 - beta)) P'(g'(P))"),
        ("sam(falling=yes)", {}, "1/2 g'(g) + rho g'(P)"),
        ("sam(falling=yes, normalized=no)", {}, "(2*rho + 1)/2 g'g"),
        ("sam", {}, "rho/2 G'(P'(g'(G))) + 1/2 G'(G)"),
        ("gradient-descent(clipped=yes)", {"clip_norm": 1, "clip_epsilon": 0}, "1/2 P'(g'(P))"),
    ],
)
def test_first_terms_of_theory_17(name, given, expected):
    equation = eomsym.derive(name, 1, **given)
    assert f"ξ_0 = {expected}" in equation.text().splitlines()
    again = type(equation).from_json(equation.to_json())
    assert again == equation
    assert again.text() == equation.text()


def test_a_memory_that_sums_has_its_own_argument():
    """``θ⁺ = θ − η P(v⁺)`` with ``v⁺ = β v + g``: ``P((1/(1−β)) g)``, the same κ (theory §17)."""
    polar = Map("polar", lambda matrix: matrix)

    def step(gradient, state, eta):
        theta, velocity = state
        velocity = Fraction(1, 2) * velocity + gradient(theta)
        return theta - eta * polar(velocity), velocity

    equation = eomsym.derive(Optimizer("own-sum-before-a-map", step, memory=("velocity",)), 1)
    lines = equation.text().splitlines()
    assert "P = polar(2 g)" in lines
    assert "ξ_0 = 3 P'(g'(P))" in lines  # κ = 3/2, over 1 − β


def test_decay_beside_a_map_is_a_leaf_of_its_own():
    """``θ̇ = −P − λθ − η [κ P'Hf + λ f/2 …]``: the memory's factor multiplies the g part alone (theory §17)."""
    equation = eomsym.derive("muon(nesterov=no, decoupled_decay=yes)", 1, beta="1/2", decay="1/3")
    terms = {equation.writer(Writer).tree(tree): value for tree, value in equation.rows[1].items()}
    assert terms == {
        "P'(g'(P))": Fraction(3, 2),
        "P'(g'(θ))": Fraction(1, 2),
        "P": Fraction(1, 6),
        "θ": Fraction(1, 18),
    }


def test_series_of_arrays_do_what_their_values_do():
    random, h = np.random.default_rng(0), 1e-3
    a, b = (ArraySeries(random.normal(size=(5, 3, 2))) for _ in range(2))
    v = ArraySeries(random.normal(size=(5, 2)))

    def value(series):
        return sum(h**k * row for k, row in enumerate(series.rows))

    x, y, z = map(value, (a, b, v))
    for series, expected in (
        (a @ b.T, x @ y.T),
        (a @ v, x @ z),
        (v @ b.mT, z @ y.T),
        ((a * b).sum() * a, (x * y).sum() * x),
        (a.mean(axis=0, keepdims=True) + b, x.mean(axis=0, keepdims=True) + y),
        (a.sum(axis=1).reshape(1, 3), x.sum(axis=1).reshape(1, 3)),
        (a[1:, 0] / 2 - 1, x[1:, 0] / 2 - 1),
        (a / sqrt((a * a).sum() + 1), x / np.sqrt((x * x).sum() + 1)),
        (v * a, z * x),
    ):
        np.testing.assert_allclose(value(series), expected, rtol=0, atol=1e-12)
    curves = ArraySeries(np.stack([a.rows, b.rows], axis=1), lead=2)
    side_by_side = (curves @ curves.mT / (curves * curves).sum()).rows
    np.testing.assert_allclose(side_by_side[:, 1], (b @ b.T / (b * b).sum()).rows, rtol=1e-13)


def test_a_vector_is_made_of_blocks_as_pytorch_has_them():
    blocks = eomsym.models.MLP([2, 3, 1], loss="mse").blocks
    assert (blocks.shapes, blocks.names) == (
        ((3, 2), (3,), (1, 3), (1,)),
        ("0.weight", "0.bias", "2.weight", "2.bias"),
    )
    vector = np.arange(13.0)
    parts = blocks.split(vector)
    np.testing.assert_array_equal(parts[0].T.ravel(), vector[:6])  # W is n_in × n_out, row by row
    np.testing.assert_array_equal(blocks.join(parts), vector)


def test_a_run_of_muon_goes_along_its_factor_of_the_shape(kernel):
    """A wide matrix is multiplied by √(n_out/n_in), a tall one by 1."""
    entry, values = optimizers.chosen("muon", {"beta": 0})
    numbers = {name: float(value) for name, value in entry.complete(values).items()}
    g = kernel.gradient(THETA, INPUTS, TARGETS)
    moved, _ = entry.on(kernel.blocks).run(lambda point: g, (THETA, 0 * THETA), 1.0, **numbers)
    first = (THETA - moved)[:6].reshape(2, 3)
    bare, _ = (
        optimizers.get("muon(scaled=no)").on(kernel.blocks).run(lambda point: g, (THETA, 0 * THETA), 1.0, **numbers)
    )
    np.testing.assert_allclose(first, root(3 / 2) * (THETA - bare)[:6].reshape(2, 3), rtol=1e-13)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (Map("cut", lambda array: array[:1]), r"map 'cut': makes blocks of shapes .*; keep the shapes"),
        (Map("svd", np.linalg.svd), "map 'svd': cannot be taken of ArraySeries"),
        (Map("size", lambda array: array ** Fraction(1, 3)), "power .*; take an integer"),
    ],
)
def test_what_a_map_may_not_do(kernel, made, told):
    rule = Optimizer(f"own-{made.name}", lambda gradient, state, eta: (state[0] - eta * made(gradient(state[0])),))
    with pytest.raises(InputError, match=told):
        kernel_counterterms(kernel, rule.rule(), THETA, 1, (INPUTS, TARGETS))


def test_what_is_refused():
    with pytest.raises(InputError, match="blocks = 'row'; take"):
        Map("of-rows", lambda row: row, blocks="row")
    numbers = {"beta": 0.5, "epsilon": 0.0, "iterations": 5}
    with pytest.raises(InputError, match="arrays that the vector is made of are not known here"):
        optimizers.get("muon").run(lambda point: point, (THETA, THETA), 0.1, **numbers)
    with pytest.raises(InputError, match=r"shape \(3,\) is no matrix; take auxiliary=yes"):
        optimizers.get("muon").on(Blocks(((3,),))).run(lambda point: point, (THETA[:3], THETA[:3]), 0.1, **numbers)
    with pytest.raises(InputError, match="of 3 numbers in all"):
        Blocks(((3,),)).split(THETA)
    with pytest.raises(InputError, match=r"it calls maps of blocks, of several vectors or .*; take its numbers"):
        eomsym.derive("lars", 1)
    with pytest.raises(InputError, match="none is known of the maps of blocks"):
        eomsym.derive("muon", 1, modified_loss=True)
    with pytest.raises(InputError, match="noise: muon calls maps of blocks, whose noise is not derived"):
        eomsym.derive("muon", 1, noise=True)
    with pytest.raises(InputError, match="is not generated for the map 'newtonschulz'"):
        eomsym.generate(MODEL, 1, optimizer="muon")


def test_a_run_that_crosses_its_clip_is_broken_there(kernel):
    start = smooth_start(kernel)
    size = float(np.linalg.norm(kernel.gradient(start, INPUTS, TARGETS)))
    posed = training(kernel, start, 0.01, (INPUTS, TARGETS), "heavy-ball(clipped=yes)", clip_norm=0.9 * size)
    with pytest.raises(InputError, match=r"its clip goes to another side at step \d+, .* stop at step \d+"):
        eomsym.follow(posed, 20)
    low, high = (
        list(eomsym.follow(posed.with_(clip_norm=norm), 20).errors.values()) for norm in (0.1 * size, 2 * size)
    )
    assert low[0] > 5 * low[1]
    assert high[0] > 5 * high[1]
    plain = training(kernel, start, 0.01, (INPUTS, TARGETS), "heavy-ball")
    np.testing.assert_allclose(high, list(eomsym.follow(plain, 20).errors.values()), rtol=1e-6)


def test_an_edge_without_a_description_is_refused():
    """The biases' mean of g² begins at 0, below a root."""
    posed = eomsym.Training(None, "moons", "muon(auxiliary=yes)", 0.01)
    with pytest.raises(eomsym.errors.IntegrationError, match=r"no description goes through two steps .* after = 5"):
        eomsym.edge(posed)
    assert eomsym.edge(posed, after=5).errors["look-ahead"] < 0.1


def test_noise_of_a_map_is_refused(kernel):
    posed = eomsym.Training(kernel, (INPUTS, TARGETS), "muon", 0.01, theta=THETA, batches=eomsym.Batches(2))
    with pytest.raises(InputError, match="the noise of a rule that calls one is not known"):
        eomsym.noise(posed, 4)


def test_a_map_that_is_no_function_is_refused(kernel):
    calls = []

    def counted(array):
        calls.append(1)
        return array * float(len(calls))

    rule = Optimizer("own-counted", lambda gradient, state, eta: (state[0] - eta * made(gradient(state[0])),))
    made = Map("counted", counted)
    with pytest.raises(InputError, match="map 'counted': gives another value each time"):
        kernel_counterterms(kernel, rule.rule(), THETA, 1, (INPUTS, TARGETS))


def test_where_a_map_is_not_smooth_it_is_refused(kernel):
    size = Map("size", lambda vector: vector * sqrt((vector * vector).sum()), blocks="vector")

    def step(gradient, state, eta):
        change = gradient(state[0]) - gradient(state[0] - eta * state[0])
        return (state[0] - eta * size(change),)

    rule = Optimizer("own-size", step)
    with pytest.raises(InputError, match=r"map 'size': is not smooth here, its coefficient \d is not finite"):
        kernel_counterterms(kernel, rule.rule(), THETA, 3, (INPUTS, TARGETS))
    zero = np.concatenate([THETA[:6], np.zeros(6)])
    for name in ("lamb", "lars"):
        with pytest.raises(InputError, match=r"trust ratio: an array of shape \(\d, \d\) or its move is 0"):
            eomsym.follow(training(kernel, zero, 0.01, (INPUTS, TARGETS), name), 4)
