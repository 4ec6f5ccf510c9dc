"""Rules that are read off optax transformations: stepped beside the real objects, against the table's, and refusals."""

import sys
from fractions import Fraction
from pathlib import Path

import asking
import numpy as np
import pytest
from interpreted import interpreted
from page_examples import Session, examples

import eomsym
from eomsym.codegen import KernelSpec
from eomsym.errors import InputError
from eomsym.models import MLP, Dataset, ExpressionLoss, dataset
from eomsym.optimizers import chosen

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")
FUNCTIONS = pytest.importorskip("eomsym.jax.optax_reader").FUNCTIONS

RATE, STEPS = 1 / 128, 300
START = np.array([0.9, -0.7, 0.4])
#: Aliases and options.
CASES = (
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.5, "nesterov": True}),
    ("adam", {}),
    ("adam", {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 1e-4, "nesterov": True}),
    ("adamw", {}),
    ("adamw", {"b1": 0.5, "b2": 0.6, "eps": 0.01, "weight_decay": 0.3}),
    ("nadam", {}),
    ("nadamw", {"weight_decay": 0.1}),
    ("adabelief", {"b1": 0.8, "b2": 0.95, "eps": 1e-3, "eps_root": 2e-3}),
    ("adan", {}),
    ("adan", {"b1": 0.9, "b2": 0.8, "b3": 0.7, "eps": 1e-3, "eps_root": 2e-3, "weight_decay": 0.1}),
    ("rmsprop", {}),
    ("rmsprop", {"initial_scale": 1.0, "momentum": 0.25}),
    ("rmsprop", {"momentum": 0.5, "nesterov": True, "bias_correction": True}),
    ("rmsprop", {"centered": True, "eps": 0.1, "eps_in_sqrt": False, "momentum": 0.25}),
    ("adagrad", {}),
    ("adagrad", {"initial_accumulator_value": 1.0, "eps": 1e-3}),
    ("adadelta", {}),
    ("adadelta", {"rho": 0.8, "eps": 1e-3, "weight_decay": 0.1}),
    ("optimistic_gradient_descent", {}),
    ("optimistic_gradient_descent", {"alpha": 0.5, "beta": 0.7}),
    ("optimistic_adam_v2", {}),
    ("optimistic_adam_v2", {"alpha": 0.5, "beta": 0.7, "nesterov": False}),
)
IDS = [f"{name} {' '.join(options)}" for name, options in CASES]
#: What people put together themselves.
CHAINS = {
    "average of gradients": lambda: optax.chain(optax.ema(0.9), optax.scale(-RATE)),
    "coupled decay": lambda: optax.chain(optax.add_decayed_weights(0.1), optax.adam(RATE)),
    "rate that is a state": lambda: optax.inject_hyperparams(optax.adam)(RATE, b1=0.8),
    "constant schedule": lambda: optax.sgd(optax.constant_schedule(RATE), momentum=0.9),
    "rate before the momentum": lambda: optax.chain(optax.scale(-RATE), optax.trace(0.9), optax.trace(0.5, True)),
    "a power that is no square": lambda: optax.chain(
        optax.stateless_with_tree_map(lambda g, _: g**3 + g**-2), optax.sgd(RATE)
    ),
}


def slope(theta):
    x, y, z = theta
    mixed, shared = np.cos(x * y) / 4, np.sin(y + z) / 4
    return np.array([np.tanh(x + 3) + y * mixed, np.tanh(y - 4) + x * mixed - shared, np.tanh(z + 5) - shared])


def distance(transformation, entry, values):
    """The largest distance of the two paths, relative to their size, as in tests/optimizers/test_libraries.py."""
    numbers = {name: float(value) for name, value in values.items()}

    def gradient(point, field=0):
        return slope(point)

    ours, paths = entry.initial_state(START, gradient, **numbers), []
    with jax.enable_x64(True):
        theta = jax.numpy.asarray(START)
        state, update = transformation.init(theta), jax.jit(transformation.update)
        for _ in range(STEPS):
            moved, state = update(jax.numpy.asarray(slope(np.asarray(theta))), state, theta)
            theta = theta + moved
            ours = entry.step(gradient, ours, RATE, **numbers)
            paths.append((ours[0], np.asarray(theta)))
    one, other = np.array(paths).swapaxes(0, 1)
    return np.max(np.abs(one - other)) / np.max(np.abs(other))


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_the_iterates_are_those_of_optax(name, options):
    transformation = getattr(optax, name)(RATE, **options)
    assert distance(transformation, *eomsym.from_optax(transformation)) < 1e-12


@pytest.mark.parametrize("name", CHAINS)
def test_the_iterates_of_chains(name):
    transformation = CHAINS[name]()
    entry, values = eomsym.from_optax(transformation)
    assert distance(transformation, entry, values) < 1e-12
    assert f"its learning rate {RATE} being η" in entry.summary


def test_it_is_the_package_s_own_name():
    assert eomsym.from_optax is eomsym.jax.from_optax


def test_twelve_aliases_are_read():
    assert len({name for name, _ in CASES}) == 12


def test_another_number_is_another_sequence():
    """The comparison above would notice a number that is read wrongly."""
    transformation = optax.adamw(RATE)
    entry, values = eomsym.from_optax(transformation)
    for name in values:
        wrong = {**values, name: values[name] * Fraction(999, 1000)}
        assert distance(transformation, entry, wrong) > 1e-12, name


def text(name, options):
    return f"optax.{name}({', '.join(f'{key}={value}' for key, value in options.items())})"


#: Without those that can only be stepped, and those with decay below a root.
DERIVED = [case for case in CASES if case[0] not in ("adagrad", "adadelta") and "eps_in_sqrt" not in case[1]]


@pytest.mark.parametrize(("name", "options"), DERIVED, ids=[f"{name} {' '.join(options)}" for name, options in DERIVED])
def test_the_equation_of_motion_is_that_of_the_rule_in_the_table(name, options):
    """Whatever the memories and numbers are called: the numbers of the terms at a point."""
    options = {"eps": 0.01, **options} if name not in ("sgd", "optimistic_gradient_descent") else options
    found = eomsym.from_optax(getattr(optax, name)(RATE, **options))
    written = ExpressionLoss("x**4 + x*y + y**2", ["x", "y"])
    rows = [
        interpreted(KernelSpec(written, 3, entry, settings=tuple(values.items()))).counterterms(np.array([0.7, -0.4]))
        for entry, values in (found, chosen(text(name, options)))
    ]
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-8)


def test_numbers_are_those_that_were_written():
    entry, values = eomsym.from_optax(optax.adamw(3e-4, b1=0.85, weight_decay=0.05))
    assert sorted(values.values()) == sorted(map(Fraction, ("0.85", "0.999", "1e-8", "0.05")))
    assert [parameter.name for parameter in entry.parameters if parameter.kind == "share"] == ["beta1", "beta2"]
    assert entry.memory == ("mu", "nu", "share of the start 1", "share of the start 2")


def test_the_same_transformation_has_the_same_name():
    one, other = (eomsym.from_optax(optax.adam(rate))[0] for rate in (0.1, 0.1))
    assert one.name == other.name
    assert one.name != eomsym.from_optax(optax.adam(0.1, b1=0.8))[0].name


def test_the_whole_state_has_the_same_equation_of_motion():
    """Heavy ball's terms, F_1 = h/2 (γ v − g) among them."""
    entry, _ = eomsym.from_optax(optax.sgd(0.1, momentum=0.9))
    mine = eomsym.derive(entry, order=2, state="whole", gamma1="3/2")
    assert mine.terms == eomsym.derive("heavy-ball", order=2, state="whole", gamma="3/2").terms


def test_measured_slopes():
    teacher = dataset("teacher")
    few = Dataset("a few samples", teacher.inputs[:24].copy(), teacher.targets[:24].copy())
    entry, values = eomsym.from_optax(optax.adam(0.1, b1=1 / 4, b2=3 / 8, eps=0.0, eps_root=0.1))
    study = asking.verify(entry, MLP([2, 3, 1], "tanh", "mse"), few, orders=range(3), state="slow", **values)
    assert study.passed, [(record.slope, record.reason) for record in study.orders]


def masked(params):
    return jax.tree.map(lambda part: part.ndim > 1, params)


def not_bias(params):
    return {name: name != "bias" for name in params} if isinstance(params, dict) else True


REFUSED = {
    "lion": (lambda: optax.lion(0.1), "optax: sign jumps, so that the step has no derivative"),
    "sign_sgd": (lambda: optax.sign_sgd(0.1), "optax: sign jumps"),
    "yogi": (lambda: optax.yogi(0.1), "optax: sign jumps"),
    "rprop": (lambda: optax.rprop(0.1), "optax: eq jumps"),
    "adamax": (lambda: optax.adamax(0.1), "optax: abs has a kink"),
    "amsgrad": (lambda: optax.amsgrad(0.1), "optax: max has a kink"),
    "clipped": (lambda: optax.chain(optax.clip(1.0), optax.sgd(0.1)), "optax: max has a kink"),
    "clipped, by name": (
        lambda: optax.chain(optax.clip(1.0), optax.sgd(0.1)),
        "optax.clip by value has a kink in each entry of g, .*; take a rule by name with clip_norm",
    ),
    "lars": (lambda: optax.lars(0.1), "optax: reduce_sum mixes parameters"),
    "norm": (lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)), "optax: reduce_sum mixes parameters"),
    "radam": (lambda: optax.radam(0.1), "optax: mul depends on the number of the step"),
    "adafactor": (lambda: optax.adafactor(0.1), "depends on the number of the step"),
    "schedule": (
        lambda: optax.adam(optax.exponential_decay(0.1, 9, 0.5)),
        "depends on the number of the step, as a sch",
    ),
    "every second": (lambda: optax.MultiSteps(optax.sgd(0.1), 2), "depends on the number of the step"),
    "zero sum": (lambda: optax.adagrad(0.1, initial_accumulator_value=0.0), "optax: gt jumps"),
    "noise": (lambda: optax.noisy_sgd(0.1, gamma=0.0), "depends on the number of the step|is noise"),
    "loss": (lambda: optax.polyak_sgd(0.1), "optax: its update cannot be traced .*'value'"),
    "line search": (lambda: optax.lbfgs(0.1), "optax: its update cannot be traced"),
    "two sets": (lambda: optax.lookahead(optax.sgd(0.1), 5, 0.5), "optax: its update cannot be traced"),
    "sine": (
        lambda: optax.chain(optax.stateless_with_tree_map(lambda g, _: jax.numpy.sin(g)), optax.sgd(0.1)),
        "optax: sin is none",
    ),
    "mask by shape": (lambda: optax.adamw(0.1, mask=masked), "tells parameters apart by shape or name"),
    "mask by name": (lambda: optax.adamw(0.1, mask=not_bias), "tells parameters apart by shape or name"),
    "no rate": (optax.scale_by_adam, "no learning rate can be split off"),
    "rate of 1": (lambda: optax.sgd(1.0), "with one number lr other than 1"),
    "a second rate": (lambda: optax.optimistic_adam(0.1), "no learning rate can be split off"),
    "upwards": (lambda: optax.sgd(-0.1), "no learning rate can be split off"),
    "decay after the rate": (
        lambda: optax.chain(optax.sgd(0.1), optax.add_decayed_weights(-0.01)),
        "no learning rate can be split off",
    ),
    "cube after the rate": (
        lambda: optax.chain(optax.sgd(0.1), optax.stateless_with_tree_map(lambda u, _: u**3)),
        "no learning rate can be split off",
    ),
    "no transformation": (lambda: optax.adam, "optax: function has no init and update; give a transformation"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_rule_is_refused_by_the_operation(case):
    make, reason = REFUSED[case]
    with pytest.raises(InputError, match=reason) as refusal:
        eomsym.from_optax(make())
    assert "\n" not in str(refusal.value)


def test_what_starts_with_the_parameters_is_refused():
    def update(updates, state, params=None):
        return jax.tree.map(lambda one, other: -0.1 * (one + other), updates, state), updates

    pulled = optax.GradientTransformation(lambda params: jax.tree.map(lambda part: 2 * part, params), update)
    with pytest.raises(InputError, match=r"the start of .* is not one finite number for all parameters"):
        eomsym.from_optax(pulled)


def test_that_a_state_stays_positive_is_shown_and_not_assumed():
    """Adagrad's sum of squares does; this one starts above zero and falls."""

    def start(params):
        return jax.tree.map(lambda part: 0 * part + 1.0, params)

    def update(updates, state, params=None):
        moved = jax.tree.map(lambda g, s: -0.1 * jax.numpy.where(s > 0, g, 0.0), updates, state)
        return moved, jax.tree.map(lambda g, s: s - g, updates, state)

    with pytest.raises(InputError, match="optax: gt jumps"):
        eomsym.from_optax(optax.GradientTransformation(start, update))


def test_a_sequence_that_is_another_is_not_handed_out(monkeypatch):
    """The last check: with a primitive read wrongly there is no rule."""
    monkeypatch.setitem(FUNCTIONS, "sqrt", lambda value: value)
    with pytest.raises(InputError, match="what was read off is another sequence"):
        eomsym.from_optax(optax.adam(0.1))


def test_the_page_says_what_comes_out(tmp_path):
    root = Path(__file__).parents[2]
    with Session(tmp_path, Path(sys.executable).parent, PYTHONPATH=str(root)) as session:
        found = [part for part in examples(root / "docs/libraries.md", "jax") if part.kind == "python"]
        assert [session.run(part) for part in found] == [part.expected for part in found]
    assert len(found) == 1
