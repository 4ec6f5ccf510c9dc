"""Rounds of local steps against plain loops in many digits, and against the closed form of the first order."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from itertools import pairwise

import high_precision
import mpmath
import numpy as np
import pytest
import shared_kernels
import sympy
from sample_quartic import THETA, SampleQuartic, means, samples
from scipy.integrate import solve_ivp

import eomsym
from eomsym.dynamics import shadow_start
from eomsym.dynamics.loop_kernel import LoopKernel
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, rounds
from eomsym.optimizers.loop import loop_of

DATA = samples(12)


# ---- plain loops: lists of numbers, floats or mpmath's, and nothing of the package


def losses(count):
    """The gradients of the mean losses of ``count`` equal parts of the data, by hand."""

    def gradient(part, theta):
        a, square, c, d = part
        x, y = theta
        return [x**3 + a * y * y / 3 + 2 * (1 + square) * x + c, 2 * a * x * y / 3 + 3 * y / 2 + d]

    return [partial(gradient, means(part.tobytes())) for part in np.split(DATA, count)]


def along(*terms):
    """Σ number · vector."""
    return [
        sum(number * part for number, part in zip(terms[::2], parts, strict=True))
        for parts in zip(*terms[1::2], strict=True)
    ]


def descent(gradient, theta, memory, eta):
    return along(1, theta, -eta, gradient(theta)), memory


def momentum(gradient, theta, memory, eta, beta=0.5):
    velocity = along(beta, memory or [0, 0], 1, gradient(theta))
    return along(1, theta, -eta, velocity), velocity


def adamw(gradient, theta, memory, eta, beta1=0.5, beta2=0.75, epsilon=0.125, decay=0.25):
    """PyTorch's, with ε outside of the root and bias corrections."""
    mean, square, count = memory or ([0, 0], [0, 0], 0)
    slope = gradient(theta)
    mean, count = along(beta1, mean, 1 - beta1, slope), count + 1
    square = along(beta2, square, 1 - beta2, [one * one for one in slope])
    way = [
        m / (1 - beta1**count) / ((v / (1 - beta2**count)) ** 0.5 + epsilon) for m, v in zip(mean, square, strict=True)
    ]
    return along(1 - eta * decay, theta, -eta, way), (mean, square, count)


class Loop:
    """Rounds in the words of the papers; the outer step acts on θ less the mean of where the workers end."""

    def __init__(self, inner, visits, weights, alpha=1, nesterov=None, fedadam=False, scaffold=False, parts=None):
        self.inner, self.visits, self.weights, self.alpha = inner, visits, weights, alpha
        self.nesterov, self.fedadam, self.scaffold = nesterov, fedadam, scaffold
        self.gradients = losses(parts or len(visits))

    def begin(self, theta):
        count = len(self.visits)
        return theta, [None] * count, [[0, 0]] * count, None

    def round(self, state, eta):
        theta, memories, variates, outer = state
        common = along(*(part for pair in zip(self.weights, variates, strict=True) for part in pair))
        ends, kept, steps = [], [], len(self.visits[0])
        for visits, before, variate in zip(self.visits, memories, variates, strict=True):
            point, memory = theta, before
            for loss in visits:
                slope = lambda at: along(1, self.gradients[loss](at), -1, variate, 1, common)  # noqa: B023, E731
                point, memory = self.inner(slope, point, memory, eta)
            ends.append(point)
            kept.append(memory)
        if self.scaffold:  # option II
            variates = [
                along(1, own, -1, common, 1 / (steps * eta), theta, -1 / (steps * eta), end)
                for own, end in zip(variates, ends, strict=True)
            ]
        delta = along(1, theta, *(x for w, end in zip(self.weights, ends, strict=True) for x in (-w, end)))
        move = delta
        if self.nesterov is not None:
            outer = along(self.nesterov, outer or [0, 0], 1, delta)
            move = along(1, delta, self.nesterov, outer)
        if self.fedadam:
            ended, outer = adamw(lambda _: along(1 / eta, delta), theta, outer, eta * self.alpha, decay=0)
            return ended, kept, variates, outer
        return along(1, theta, -self.alpha, move), kept, variates, outer


HALVES = [0.5, 0.5]
ADAMW = "adamw(beta1=0.5, beta2=0.75, epsilon=0.125, decay=0.25)"
CASES = {
    "FedAvg": (rounds("sgd", 2), {"local_steps": 4}, Loop(descent, [[0] * 4, [1] * 4], HALVES)),
    "FedAvg, weights": (
        rounds("sgd", 3, weights=[0.25, "1/4", "1/2"], batches=3),
        {},
        Loop(descent, [[0] * 3, [1] * 3, [2] * 3], [0.25, 0.25, 0.5]),
    ),
    "FedAvg, batches": (
        rounds("sgd", 2, batches=[[0, 1, 2], [3, 3, 0]]),
        {},
        Loop(descent, [[0, 1, 2], [3, 3, 0]], HALVES, parts=4),
    ),
    "Reptile": (
        rounds("sgd", 2),
        {"local_steps": 3, "outer_rate": "1/4"},
        Loop(descent, [[0] * 3, [1] * 3], HALVES, 0.25),
    ),
    "Reptile, one task": (
        rounds("sgd", 1, batches=5),
        {"outer_rate": "1/4"},
        Loop(descent, [[0] * 5], [1], 0.25),
    ),
    "SCAFFOLD": (
        rounds("sgd", 2, control_variates=True),
        {"local_steps": 3, "outer_rate": "3/4"},
        Loop(descent, [[0] * 3, [1] * 3], HALVES, 0.75, scaffold=True),
    ),
    "DiLoCo": (
        rounds(ADAMW, 2, "nesterov"),
        {"local_steps": 2, "outer_rate": "3/4", "outer_beta": "1/2"},
        Loop(adamw, [[0] * 2, [1] * 2], HALVES, 0.75, nesterov=0.5),
    ),
    "FedAdam": (
        rounds("heavy-ball(beta=1/2)", 2, "adam(beta1=0.5, beta2=0.75, epsilon=0.125)"),
        {"local_steps": 2, "outer_rate": "3/4"},
        Loop(momentum, [[0] * 2, [1] * 2], HALVES, 0.75, fedadam=True),
    ),
}
ORDER = 2


def rows(case, theta=THETA):
    """The package's ``−f̃_0, −f̃_1, −f̃_2``."""
    rule, values, _ = CASES[case]
    return LoopKernel(SampleQuartic(), loop_of(rule, **values)).counterterms(np.append(theta, 0.0), DATA, order=ORDER)[
        :, :2
    ]


def settled(loop, eta, faded):
    """A state whose θ is THETA, with a memory that has forgotten its start: where to begin is found by repetition."""
    wanted = [mpmath.mpf(float(x)) for x in THETA]
    begin = wanted
    for _ in range(8 if faded else 1):
        state = loop.begin(begin)
        for _ in range(faded):
            state = loop.round(state, eta)
        begin = along(1, begin, 1, wanted, -1, state[0])
    assert max(abs(x - y) for x, y in zip(state[0], wanted, strict=True)) < mpmath.mpf(10) ** -50
    return state


def loop_rows(case):
    """The same from iterates: the logarithm of a round at tiny η, and a polynomial through several of them."""
    _, _, loop = CASES[case]
    found, nodes, steps = [], range(1, 6), len(loop.visits[0])
    with mpmath.workdps(110):
        for node in nodes:
            eta = node * mpmath.mpf(10) ** -12
            state, path = settled(loop, eta, 0 if loop.inner is descent and not loop.scaffold else 260), []
            for _ in range(6):
                path.append(state[0])
                state = loop.round(state, eta)
            total, differences = [mpmath.mpf(0)] * 2, path
            for n in range(1, 6):
                differences = [along(1, b, -1, a) for a, b in pairwise(differences)]
                total = along(1, total, mpmath.mpf((-1) ** (n + 1)) / n / (steps * eta), differences[0])
            found.append(total)
        powers = mpmath.matrix([[mpmath.mpf(node) ** k for k in range(5)] for node in nodes])
        columns = [mpmath.lu_solve(powers, mpmath.matrix([row[i] for row in found])) for i in range(2)]
        return np.array(
            [[float(-column[k] * mpmath.mpf(10) ** (12 * k)) for column in columns] for k in range(ORDER + 1)]
        )


@pytest.mark.parametrize("case", CASES)
def test_terms_are_those_of_plain_loops_in_many_digits(case):
    found, wanted = rows(case), loop_rows(case)
    assert np.abs(wanted).min() > 1e-4  # each number is told
    np.testing.assert_allclose(found, wanted, rtol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_plain_loops_from_the_start(case):
    rule, values, loop = CASES[case]
    exact = rule.complete(rule.read_parameters(values))
    numbers, gradients = {name: float(value) for name, value in exact.items()}, losses(len(rule.fields(**exact)))
    gradient = lambda point, field=0: np.array(gradients[field](point.tolist()))  # noqa: E731
    state, plain = rule.initial_state(THETA, gradient, **numbers), loop.begin(THETA.tolist())
    for _ in range(7):
        state, plain = rule.run(gradient, state, 0.05, **numbers), loop.round(plain, 0.05)
    np.testing.assert_allclose(state[0], np.array(plain[0], dtype=float), rtol=1e-12)
    assert np.abs(state[0] - THETA).max() > 0.1


# ---- the closed form


@pytest.mark.parametrize(("workers", "steps"), [(1, 4), (2, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("unequal", [False, True])
def test_the_first_order_is_the_closed_form_whatever_the_outer_rate(workers, steps, unequal):
    """θ̇ = −α∇(L + (η/4)(1 − (1−α)K)‖g‖² − (η(K−1)/4) mean ‖g_i − g‖²)."""
    x, y, alpha = sympy.symbols("x y outer_rate")
    parts = [sympy.sin(x * (i + 1)) + x * y**2 * (i + 2) + sympy.exp(y - i * x) for i in range(workers)]
    total = sum(range(1, workers + 1))
    weights = [Fraction(i + 1, total) if unequal else Fraction(1, workers) for i in range(workers)]
    slopes = [sympy.Matrix([part.diff(x), part.diff(y)]) for part in parts]
    shares = [sympy.Rational(w.numerator, w.denominator) for w in weights]
    mean = sum((w * g for w, g in zip(shares, slopes, strict=True)), sympy.zeros(2, 1))
    spread = sum(w * (g - mean).dot(g - mean) for w, g in zip(shares, slopes, strict=True))

    def closed(factor):
        loss = (1 - (1 - alpha) * steps) * mean.dot(mean) / 4 - factor * spread / 4
        return [alpha * loss.diff(one) for one in (x, y)]

    rule = rounds("sgd", workers, batches=steps, weights=weights)
    found = eomsym.derive(rule, 1).to_sympy(parts, [x, y])
    point = {x: sympy.Rational(1, 3), y: sympy.Rational(-2, 5), alpha: sympy.Rational(3, 7)}

    def off(entries, wanted):
        return max(abs(sympy.N((a - b).subs(point), 40)) for a, b in zip(entries, wanted, strict=True))

    assert off(found[0], [alpha * part for part in mean]) < 1e-30
    assert off(found[1], closed(steps - 1)) < 1e-30
    if workers > 1:  # the control: K in place of K − 1
        assert off(found[1], closed(steps)) > 1e-3


def test_control_variates_take_the_spread_of_the_workers_away():
    x, y = sympy.symbols("x y")
    parts = [x**4 + x * y**2, sympy.exp(x + 2 * y)]
    mean = [(parts[0] + parts[1]).diff(one) / 2 for one in (x, y)]
    found = eomsym.derive(rounds("sgd", 2, batches=3, control_variates=True), 1, outer_rate=1).to_sympy(parts, [x, y])
    wanted = [sum(g**2 for g in mean).diff(one) / 4 for one in (x, y)]
    assert [sympy.simplify(a - b) for a, b in zip(found[1], wanted, strict=True)] == [0, 0]


def test_one_worker_is_lookahead():
    found = eomsym.derive(rounds("heavy-ball", 1), 2, local_steps=3, outer_rate="2/5", beta="1/2")
    other = eomsym.derive("heavy-ball(slow_weights=yes)", 2, sync_period=3, slow_rate="2/5", beta="1/2")
    assert found.terms == other.terms


def test_the_start_in_numbers_is_the_one_in_symbols():
    """Both memories begin at rest; the numbers are read from rounds run as series in η."""
    rule = rounds("heavy-ball(beta=1/2)", 2, "nesterov(beta=1/3)", batches=2)
    found = shadow_start(SampleQuartic(), THETA, None, 2, (DATA,), optimizer=rule, outer_rate="3/4")
    gradients = losses(2)

    def value(tree):
        if not tree.children:
            return np.array(gradients[tree.colour - 1](THETA.tolist()))
        (child,), (a, square, _, _) = tree.children, means(np.split(DATA, 2)[tree.colour - 1].tobytes())
        x, y = THETA
        hessian = [[3 * x**2 + 2 * (1 + square), 2 * a * y / 3], [2 * a * y / 3, 2 * a * x / 3 + 3 / 2]]
        return np.array(hessian) @ value(child)

    values = {"beta": "1/2", "outer_beta": "1/3", "outer_rate": "3/4"}
    rows = eomsym.derive(rule, 2, start=True, **values).start.rows
    wanted = [sum(float(number) * value(tree) for tree, number in row.items()) for row in rows]
    np.testing.assert_allclose(found.coefficients, wanted, rtol=1e-9)


# ---- slopes


def errors(case, eta, tries, begun=1.0, time=1.0):
    """‖plain loop − flow‖ of each ``(order, factors of the rows)``, from where the memory has settled."""
    _, _, loop = CASES[case]
    pace, count = len(loop.visits[0]) * eta, round(time / (len(loop.visits[0]) * eta))
    state = loop.begin(THETA.tolist())
    for _ in range(round(begun / pace)):
        state = loop.round(state, eta)
    start = np.array(state[0], dtype=float)
    for _ in range(count):
        state = loop.round(state, eta)

    def off(order, factors):
        powers = [factor * eta**k for k, factor in enumerate(factors)][: order + 1]
        flow = solve_ivp(
            lambda _, at: -(np.array(powers) @ rows(case, at)[: order + 1]),
            (0, count * pace),
            start,
            rtol=1e-11,
            atol=1e-12,
            method="DOP853",
        )
        return np.linalg.norm(flow.y[:, -1] - np.array(state[0], dtype=float))

    return np.array([off(*one) for one in tries])


@pytest.mark.parametrize(("case", "eta"), [("FedAvg", 0.005), ("DiLoCo", 0.0025)])
def test_errors_fall_with_the_order_and_not_with_a_wrong_coefficient(case, eta):
    right, wrong = [(order, (1, 1, 1)) for order in range(3)], [(1, (1, 1.5, 1)), (2, (1, 1, 1.5))]
    slopes = np.log2(errors(case, eta, right + wrong) / errors(case, eta / 2, right + wrong))
    np.testing.assert_allclose(slopes, [1, 2, 3, 1, 2], atol=0.1)


def test_maps_of_blocks_work_on_workers():
    """Muon on each of two workers, with matrices of a network as its blocks."""
    kernel = shared_kernels.kernel("no bias")
    _, *data = high_precision.problem(kernel.model, 4)
    starts = [0.7 * np.random.default_rng(seed).normal(size=kernel.size) for seed in range(50)]
    start = max(starts, key=lambda theta: np.abs(kernel.gradient(theta, *data)).min())
    values = {"beta": "1/2", "outer_beta": "1/2", "outer_rate": "7/10"}
    posed = eomsym.Training(kernel, tuple(data), rounds("muon", 2, "nesterov"), 0.005, theta=start, **values)
    found = [record.slope for record in eomsym.verify(posed, range(3)).orders]
    np.testing.assert_allclose(found, [1, 2, 3], atol=0.1)


# ---- what is refused


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: rounds("sgd", 0), "workers 0: out of range"),
        (lambda: rounds("sgd", 2.5), "workers 2.5: not an integer"),
        (lambda: rounds("sgd", 2, weights=["1/2", "1/3"]), "weights: their sum is 5/6"),
        (lambda: rounds("sgd", 2, weights=["3/2", "-1/2"]), "weights: -1/2 is below 0"),
        (lambda: rounds("sgd", 2, weights=[1]), "weights: 1 numbers for 2 workers"),
        (lambda: rounds("sgd", 2, weights=0.5), "weights 0.5: give one number for each worker"),
        (lambda: rounds("sgd", 2, weights=["half", "half"]), "weights = 'half': not an exact rational"),
        (lambda: rounds("sgd", 2, "nestrov"), "outer: optimizer 'nestrov'"),
        (lambda: rounds("sdg", 2), "inner: optimizer 'sdg'"),
        (lambda: rounds("sgd", 2, "runge-kutta-4"), "outer 'runge-kutta-4': takes other gradients than one at theta"),
        (lambda: rounds("sgd", 2, "nesterov(lookahead=no, ema=yes)"), "takes other gradients than one at theta"),
        (lambda: rounds("sgd", 2, "implicit-euler"), "outer 'implicit-euler': takes other gradients"),
        (lambda: rounds("mini-batches", 2), "inner 'mini-batches': takes gradients of batches or players"),
        (lambda: rounds("schedule-free-sgd", 2), "inner: optimizer 'schedule-free-sgd': it can be stepped but not"),
        (lambda: rounds("rk4", 2, control_variates=True), "a step of runge-kutta-4 takes other than one gradient"),
        (lambda: rounds("sgd", 2, control_variates="yes"), "control_variates 'yes': give True or False"),
        (lambda: rounds("sgd", 2, "heavy-ball(rate_inside=yes)"), "outer_rate is a number of the round and of"),
        (lambda: rounds("sgd", 2, batches=0), "batches 0: out of range"),
        (lambda: rounds("sgd", 2, batches=[0, 1]), "batches [0, 1]: give the numbers of each worker's losses"),
        (lambda: rounds("sgd", 2, batches=[[0, 1], [2]]), "2 lists of 1 and 2 losses for 2 workers"),
        (lambda: rounds("sgd", 2, batches=[[0, 1]]), "1 lists of 2 losses for 2 workers"),
        (lambda: rounds("sgd", 2, batches=[[], []]), "2 lists of 0 losses for 2 workers"),
        (lambda: rounds("sgd", 2, batches=[[0, 2], [3, 0]]), "no step takes loss 1, and one takes loss 3"),
        (lambda: rounds("sgd", 2, batches=[[0, -1], [1, 0]]), "batches: loss -1: out of range"),
        (lambda: eomsym.derive(rounds("sgd", 2), 1, local_steps=0), "local_steps = 0: out of range"),
        (lambda: eomsym.derive(rounds("sgd", 2), 1, outer_rate=0), "outer_rate = 0: out of range"),
        (lambda: eomsym.derive(rounds("heavy-ball", 2), 1, state="whole"), "leave schedules, groups and"),
        (lambda: loop_of(rounds("sgd", 2, batches=1), "exp(-tau)"), "schedule: one step of rounds-2-gradient-descent"),
        (
            lambda: eomsym.verify(eomsym.Training("x**2", None, rounds("sgd", 2), 0.1, variables=["x"]), [0]),
            "batches or players",
        ),
        (
            lambda: LoopKernel(SampleQuartic(), loop_of(rounds("sgd", 5))).counterterms(np.append(THETA, 0.0), DATA),
            "12",
        ),
    ],
)
def test_what_makes_no_round_is_refused_in_one_line(call, named):
    with pytest.raises(InputError) as caught:
        call()
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_loss_without_data_has_no_workers():
    """Else all of them would see the same loss, and nothing would say so."""

    class Dataless(SampleQuartic):
        def gradient_series(self, series, samples=DATA):
            return super().gradient_series(series, samples)

    kernel = LoopKernel(Dataless(), loop_of(rounds("sgd", 2)))
    with pytest.raises(InputError, match="data: this loss has none to make"):
        kernel.counterterms(np.append(THETA, 0.0), order=1)


def test_the_same_parts_are_one_rule_and_others_have_other_names():
    kinds = {
        "weights": ["1/3", "2/3"],
        "batches": [[0, 1], [1, 0]],
        "control_variates": True,
    }
    made = [rounds("sgd", 2), rounds("sgd", 3), rounds("sgd", 2, "nesterov"), rounds("sgd(decay=1/9)", 2)]
    made += [rounds("sgd", 2, **{name: value}) for name, value in kinds.items()]
    assert rounds("gd", 2, "sgd", weights=["1/2", 0.5]) is made[0]
    assert len({rule.name for rule in made}) == len(made)
    assert all(isinstance(rule, Optimizer) for rule in made)
