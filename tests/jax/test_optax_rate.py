"""An optax transformation has a learning rate inside: a training takes it once, or another one in its place."""

import numpy as np
import pytest
import shared_kernels

import eomsym
from eomsym.errors import InputError

jnp = pytest.importorskip("jax.numpy", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")

RANDOM = np.random.default_rng(5)
DATA = RANDOM.normal(size=(6, 2)), RANDOM.normal(size=(6, 1))
PARAMS = {"first": RANDOM.normal(size=(2, 2)), "last": RANDOM.normal(size=(2, 1))}
#: The rate inside, and the one that takes its place.
INSIDE, OTHER = 0.05, 0.02
RULES = {
    "optax.sgd()": lambda: optax.sgd(INSIDE),
    "optax.sgd(momentum=0.9)": lambda: optax.chain(optax.trace(0.9), optax.scale(-INSIDE)),
    "optax.adamw(eps=0.1)": lambda: optax.adamw(INSIDE, eps=0.1),
}


def loss(params, data):
    return jnp.mean((jnp.tanh(data[0] @ params["first"]) @ params["last"] - data[1]) ** 2)


def own(optimizer, eta=None, **options):
    return eomsym.Training(loss, DATA, optimizer, eta, theta=PARAMS, **options)


def network(optimizer, eta=None, **options):
    kernel = shared_kernels.kernel("tiny")
    return eomsym.Training(kernel, DATA, optimizer, eta, theta=kernel.model.initial(0), **options)


QUESTIONS = {
    "verify": lambda training: [one.errors for one in eomsym.verify(training, [0, 1], state="whole").orders],
    "follow": lambda training: list(eomsym.follow(training, 6, (0, 1), after=1).errors.values()),
    "drift": lambda training: eomsym.drift(training, "loss", [0, 1], steps=3, state="whole", after=1).rows,
    "recommend": lambda training: [
        (one.eta, one.measured_error) for one in eomsym.recommend(training, 0.1, 0.5, [0], relative=True).advice
    ],
    "noise": lambda training: eomsym.noise(training.with_(batches=2), 5).traces,
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    ("pose", "rule"),
    [
        pytest.param(own, "optax.sgd(momentum=0.9)", id="own", marks=pytest.mark.slow),
        pytest.param(network, "optax.adamw(eps=0.1)", id="network"),
    ],
)
def test_another_rate_goes_in_the_place_of_the_one_inside(question, pose, rule):
    """Answers are those of the rule by name at that rate, and not those at a product of both, or at the one inside."""
    ask = QUESTIONS[question]
    found = ask(pose(RULES[rule]()).with_(eta=OTHER))
    np.testing.assert_allclose(found, ask(pose(rule, OTHER)), rtol=1e-6)
    if question not in ("verify", "recommend"):  # which choose their own
        for wrong in (OTHER * INSIDE, INSIDE):
            assert not np.allclose(found, ask(pose(rule, wrong)), rtol=1e-3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("question", ["follow", "drift", "noise"])
def test_a_network_is_trained_at_the_rate_inside(question, rule):
    """The same answer as by name at that rate; a rate beside the object is the same, or refused."""
    ask = QUESTIONS[question]
    np.testing.assert_allclose(ask(network(RULES[rule]())), ask(network(rule, INSIDE)), rtol=1e-6)
    assert network(RULES[rule](), INSIDE).eta == INSIDE
    with pytest.raises(InputError, match=r"eta 0\.02: the optimizer's own is 0.05; give None") as told:
        network(RULES[rule](), OTHER)
    assert "\n" not in str(told.value)


def test_a_schedule_is_a_factor_of_the_rate_inside():
    ask = QUESTIONS["follow"]
    by_name, slow = (own("optax.sgd()", eta, schedule="1 - tau") for eta in (INSIDE, OTHER))
    found = ask(own(optax.sgd(INSIDE), schedule="1 - tau"))
    np.testing.assert_allclose(found, ask(by_name), rtol=1e-6)
    assert not np.allclose(found, ask(slow), rtol=1e-3)


def test_where_no_rule_is_read_another_rate_is_refused():
    """A schedule inside, and a sign: no learning rate is split off, and the object's own is followed or refused."""
    for transformation in (optax.sgd(optax.linear_schedule(0.1, 0.01, 10)), optax.lion(0.1)):
        with pytest.raises(InputError, match="optax: ") as told:
            own(transformation).with_(eta=OTHER)
        assert "\n" not in str(told.value)


def test_what_asks_for_the_number_says_how_to_give_it():
    with pytest.raises(InputError, match=r"noise needs its number; take training.with_\(eta=…\)"):
        QUESTIONS["noise"](own(optax.sgd(INSIDE)))
