"""Rules of libraries: their initial states, what is left of them on the slow manifold, their equations of motion."""

import re
from fractions import Fraction

import asking
import numpy as np
import pytest
import sympy
from forms import UNLISTED

import eomsym
from eomsym.errors import InputError
from eomsym.models import MLP, Dataset, dataset
from eomsym.optimizers import Optimizer, Parameter, chosen, get, sqrt
from eomsym.optimizers.rule import One
from eomsym.optimizers.tracing import StepSize, trace

SHARES = {"beta1": Fraction(1, 3), "beta2": Fraction(2, 5), "epsilon": Fraction(1, 10)}


def coefficients(counterterms, index):
    return list(counterterms.rows[index + 1].values())


def test_the_look_ahead_point_has_another_equation_of_motion_than_the_textbook():
    """At β = 1/2, derived by hand for both sequences of Nesterov's method (theory §15)."""
    ahead = eomsym.derive("torch.SGD(momentum=1/2, nesterov=True)", 3)
    textbook = eomsym.derive("nesterov", 3, beta="1/2")
    assert coefficients(ahead, 0) == coefficients(textbook, 0) == [4]
    assert coefficients(ahead, 1) == [Fraction(50, 3), Fraction(26, 3)]
    assert coefficients(textbook, 1) == [Fraction(50, 3), Fraction(35, 3)]
    assert coefficients(ahead, 2) == [92, Fraction(176, 3), Fraction(320, 3), 24]
    assert coefficients(textbook, 2) == [92, Fraction(194, 3), Fraction(428, 3), 34]


def test_optax_has_the_same_nesterov():
    assert chosen("optax.sgd(momentum=1/2, nesterov=True)") == chosen("torch.SGD(momentum=1/2, nesterov=True)")


def test_dampening_scales_the_step_of_heavy_ball():
    """v⁺ = β v + (1−d) g is heavy ball for (1−d) g: trees of n nodes gain (1−d)^n."""
    dampened = eomsym.derive("torch.SGD(momentum=1/2, dampening=1/3)", 3)
    plain = eomsym.derive("heavy-ball", 3, beta="1/2")
    for index in range(-1, 3):
        factor = Fraction(2, 3) ** (index + 2)
        assert coefficients(dampened, index) == [factor * value for value in coefficients(plain, index)]


def test_coupled_decay_is_the_rule_for_another_gradient():
    """For L(x) and λ: the rule with decay on L is the plain rule on L + λx²/2."""
    x, decay = sympy.Symbol("x"), Fraction(1, 5)
    coupled = eomsym.derive(f"torch.SGD(momentum=1/2, weight_decay={decay})", 2)
    plain = eomsym.derive("heavy-ball", 2, beta="1/2")
    loss = x**4 / 4 + x**3
    with_decay = plain.to_sympy(loss + sympy.Rational(decay) * x**2 / 2, [x])
    for one, other in zip(coupled.to_sympy(loss, [x])[1:], with_decay[1:], strict=True):
        assert sympy.expand(one[0] - other[0]) == 0


@pytest.mark.parametrize("values", [SHARES, dict(zip(SHARES, sympy.field(list(SHARES), sympy.QQ)[1:], strict=True))])
def test_bias_correction_leaves_no_trace_on_the_slow_manifold(values):
    assert get("adam").rule(**values) == get("adam(corrected=no)").rule(**values)
    assert get("rmsprop(inside=yes, corrected=yes)").rule(beta2=values["beta2"], epsilon=values["epsilon"]) == get(
        "rmsprop(inside=yes)"
    ).rule(beta2=values["beta2"], epsilon=values["epsilon"])


def test_the_whole_rule_keeps_the_bias_correction():
    entry = get("adam")
    rule = trace(entry.step, 1 + len(entry.memory), SHARES)
    assert len(rule.following) == 5
    assert [rule.self_coefficient(index) for index in (3, 4)] == [SHARES["beta1"], SHARES["beta2"]]


def test_parameters_may_be_polynomials_in_eta():
    """β₁ = 1/3 + η/7 goes wherever a number goes."""
    entry = get("adam")
    rule = trace(entry.step, 5, {**SHARES, "beta1": StepSize({(0, 0): Fraction(1, 3), (1, 0): Fraction(1, 7)})})
    assert rule.following[1].coefficient(rule.state(1), 1) == Fraction(1, 7)
    assert rule.following[3].coefficient(rule.state(3), 1) == Fraction(1, 7)


def test_states_that_fade_only_through_others_are_left_out_too():
    def step(gradient, state, eta, beta):
        theta, faded, follower, ones = state
        moved = gradient(theta) * sqrt(1 - follower) / (1 - faded) + 0 * ones
        return theta - eta * moved, beta * faded, faded + beta * follower, 0 * ones

    beta = Parameter("beta", "β", "", Fraction(0), Fraction(1))
    entry = Optimizer("fading", step, (beta,), ("faded", "follower", "ones"))
    rule = entry.rule(beta=Fraction(1, 2))
    assert rule == get("gradient-descent").rule()
    assert One() not in rule.atoms


def test_a_step_that_divides_by_what_fades_is_refused():
    def step(gradient, state, eta, beta):
        return state[0] - eta * (gradient(state[0]) / state[1]), beta * state[1]

    beta = Parameter("beta", "β", "", Fraction(0), Fraction(1))
    with pytest.raises(InputError, match="divides by what is zero on the slow manifold"):
        Optimizer("dividing", step, (beta,), ("faded",)).rule(beta=Fraction(1, 2))


def test_the_memory_starts_as_the_rule_says():
    theta = np.array([1.0, 2.0])
    assert [part.tolist() for part in get("heavy-ball").initial_state(theta)] == [[1, 2], [0, 0]]
    state = get("adam").initial_state(theta, beta1=0.5, beta2=0.5, epsilon=0.1)
    assert [part.tolist() for part in state[3:]] == [[1], [1]]
    dampened = get("heavy-ball(dampened=yes)")
    state = dampened.initial_state(theta, lambda point: 4 * point, beta=0.5, dampening=0.25)
    assert state[1].tolist() == [2, 4]
    with pytest.raises(InputError, match=r"'heavy-ball\(dampened=yes\)': its memory starts with a gradient; give one"):
        dampened.initial_state(theta, beta=0.5, dampening=0.25)


@pytest.mark.parametrize("name", sorted(name for name, entry in UNLISTED.items() if entry.numeric_only))
def test_what_can_only_be_stepped_says_why(name):
    with pytest.raises(InputError, match=f"'{re.escape(name)}': it can be stepped but not derived, since its"):
        eomsym.derive(name, 1)
    with pytest.raises(InputError, match="not derived"):
        get(name).transient(**get(name).complete({}))


DERIVED = [entry for entry in UNLISTED.values() if not entry.numeric_only]


@pytest.mark.parametrize("entry", DERIVED, ids=lambda entry: entry.name)
def test_every_other_rule_is_derived(entry):
    """On trees, or as terms of g; with decay below a root only kernels, JAX and PyTorch have the equation of motion."""
    values = entry.complete({}, trial=True)
    if entry.rule(**values).unwritten:  # maps of blocks beside componentwise functions, or of several vectors
        with pytest.raises(InputError, match=r"it calls .* take its numbers at a point"):
            eomsym.derive(entry.name, 1, **values)
        return
    distrust = entry.name.startswith(
        "adabelief"
    )  # on the slow manifold it is zero, and so is what stands below the root
    if "(coupled_decay" in entry.name and not entry.rule(**values).linear and not distrust:
        with pytest.raises(InputError, match="a root or a denominator depends on theta itself"):
            eomsym.derive(entry.name, 1, **values)
        return
    counterterms = eomsym.derive(entry.name, 1, **values)
    assert counterterms.optimizer == entry.name
    assert counterterms.rows[1] or entry.plain.name in ("explicit-midpoint", "implicit-midpoint", "runge-kutta-4")


def test_decay_below_a_root_is_the_rule_for_another_gradient(tmp_path, monkeypatch):
    """``torch.Adam(weight_decay=λ)``, of which there are no terms, against Adam on the loss with λ/2 θ²."""
    monkeypatch.chdir(tmp_path)
    decayed = eomsym.generate(
        "x**4 + x*y + y**2", 3, variables=["x", "y"], optimizer="torch.Adam(eps=0.1, weight_decay=0.5)"
    )
    plain = eomsym.generate(
        "x**4 + x*y + y**2 + (x**2 + y**2)/4", 3, variables=["x", "y"], optimizer="torch.Adam(eps=0.1)"
    )
    theta = np.array([0.7, -0.4])
    rows = [eomsym.load(path).counterterms(theta) for path in (decayed, plain)]
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


@pytest.mark.parametrize(
    "name", ["adam(nesterov=yes)", "rmsprop(inside=yes, centered=yes, corrected=yes, momentum=yes)", "nadam", "adan"]
)
def test_arrays_of_jax_and_of_pytorch_are_stepped_alike(name):
    entry = get(name)
    values = {key: float(value) for key, value in entry.complete({}, trial=True).items()}

    def run(theta, gradient, compiled=lambda function: function):
        state = entry.initial_state(theta, gradient, **values)
        step = compiled(lambda state: entry.step(gradient, state, 0.01, **values))
        for _ in range(5):
            state = step(state)
        return [np.asarray(part) for part in state]

    start = np.array([0.5, -0.3, 0.8])
    expected = run(start, lambda point: np.sin(point) + point)
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    for found, part in zip(run(torch.tensor(start), lambda point: torch.sin(point) + point), expected, strict=True):
        np.testing.assert_allclose(found, part, rtol=1e-14)
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    with jax.enable_x64(True):
        moved = run(jax.numpy.asarray(start), lambda point: jax.numpy.sin(point) + point, jax.jit)
    for found, part in zip(moved, expected, strict=True):
        np.testing.assert_allclose(found, part, rtol=1e-13)


def test_square_roots_of_other_libraries():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    assert sqrt(torch.tensor([4.0])).tolist() == [2]
    assert isinstance(sqrt(4.0), float)
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    assert jax.jit(sqrt)(jax.numpy.asarray([4.0, 9.0])).tolist() == [2, 3]


TEACHER = dataset("teacher")
FEW = Dataset("a few samples", TEACHER.inputs[:24].copy(), TEACHER.targets[:24].copy())


@pytest.mark.parametrize(
    "text",
    [
        "torch.SGD(momentum=1/2, nesterov=True)",
        pytest.param("torch.SGD(momentum=1/2, dampening=1/4, weight_decay=1/10)", marks=pytest.mark.slow),
        "optax.adam(b1=1/3, b2=2/5, eps=0.01, eps_root=0.1, nesterov=True)",
    ],
)
def test_measured_slopes(text):
    study = asking.verify(text, MLP([2, 3, 1], "tanh", "mse"), FEW, orders=range(3), state="slow")
    assert study.passed
    assert study.optimizer == text
