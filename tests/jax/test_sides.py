"""optax transformations whose step has no derivative: what jumps is refused, and a run may not cross a kink."""

import re

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.jax import optax_state  # noqa: E402

GENERATOR = np.random.default_rng(0)
DATA = GENERATOR.normal(size=(8, 2)), GENERATOR.normal(size=(8, 1))
RATE = 0.01
SIGN, KEPT = "takes the sign of what moves, which jumps", "keeps the {} of a memory and something new"
JUMPING = {
    "lion": (lambda: optax.lion(RATE), SIGN),
    "sign_sgd": (lambda: optax.sign_sgd(RATE), SIGN),
    "signum": (lambda: optax.signum(RATE), SIGN),
    "scale_by_sign": (lambda: optax.chain(optax.scale_by_sign(), optax.scale(-RATE)), SIGN),
    "rprop": (lambda: optax.rprop(RATE), SIGN),
    "yogi": (lambda: optax.yogi(RATE), SIGN),
    "rounded": (
        lambda: optax.chain(optax.stateless(lambda g, _: jax.tree.map(jnp.round, g)), optax.sgd(RATE)),
        "'round'",
    ),
    "amsgrad": (lambda: optax.amsgrad(RATE), KEPT.format("max")),
    "adamax": (lambda: optax.adamax(RATE), KEPT.format("max")),
    "adamaxw": (lambda: optax.adamaxw(RATE), KEPT.format("max")),
    "sm3": (lambda: optax.sm3(RATE), KEPT.format("min")),
    "prodigy": (optax.contrib.prodigy, KEPT.format("max")),
    "cocob": (optax.contrib.cocob, KEPT.format("max")),
    "apply_if_finite": (lambda: optax.apply_if_finite(optax.adam(RATE), 3), "a leaf of its state has type bool"),
}
SMOOTH = {
    "sgd": lambda: optax.sgd(RATE),
    "momentum": lambda: optax.sgd(RATE, 0.9),
    "nesterov": lambda: optax.sgd(RATE, 0.9, nesterov=True),
    "adam": lambda: optax.adam(RATE),
    "adamw": lambda: optax.adamw(RATE),
    "rmsprop": lambda: optax.rmsprop(RATE),
    "adagrad": lambda: optax.adagrad(RATE),
    "adadelta": lambda: optax.adadelta(RATE),
    "nadam": lambda: optax.nadam(RATE),
    "radam": lambda: optax.radam(RATE),
    "adabelief": lambda: optax.adabelief(RATE),
    "adan": lambda: optax.adan(RATE),
    "novograd": lambda: optax.novograd(RATE),
    "lamb": lambda: optax.lamb(RATE),
    "lars": lambda: optax.lars(RATE),
    "schedule_free_sgd": lambda: optax.contrib.schedule_free_sgd(RATE),
    "schedule_free_adamw": lambda: optax.contrib.schedule_free_adamw(RATE),
    "muon": lambda: optax.contrib.muon(RATE),
    "ademamix": lambda: optax.contrib.ademamix(RATE),
    "a warm-up": lambda: optax.adam(optax.warmup_cosine_decay_schedule(0.0, RATE, 3, 50)),
    "a clip that is idle": lambda: optax.chain(optax.clip_by_global_norm(100.0), optax.sgd(RATE)),
    "a clip that acts": lambda: optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(RATE)),
    "a clip by value that is idle": lambda: optax.chain(optax.clip(100.0), optax.adam(RATE)),
    "a clipped momentum": lambda: optax.chain(
        optax.trace(0.9), optax.clip(100.0), optax.trace(0.5), optax.scale(-RATE)
    ),
}
QUESTIONS = {
    "follow": lambda training: eomsym.follow(training, 20),
    "verify": lambda training: eomsym.verify(training, range(2)),
    "drift": lambda training: eomsym.drift(training, "loss", range(2), steps=5),
    "terms": lambda training: eomsym.terms(training, 5, 1, points=1),
    "recommend": lambda training: eomsym.recommend(training, 0.01, 0.1, range(2)),
    "edge": lambda training: eomsym.edge(training, order=1),
}


def loss(params, data=DATA):
    inputs, targets = data
    return jnp.mean((jnp.tanh(inputs @ params["w"] + params["b"]) - targets) ** 2)


def parameters():
    return {"b": jnp.array([0.1]), "w": jnp.array([[0.5], [-0.3]])}


def posed(optimizer):
    return eomsym.Training(loss, DATA, optimizer, theta=parameters())


@pytest.mark.parametrize("name", JUMPING)
def test_what_jumps_or_keeps_a_maximum_is_refused_in_one_line(name):
    make, message = JUMPING[name]
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        eomsym.follow(posed(make()), 20)
    assert "\n" not in str(caught.value)
    assert "; take " in str(caught.value)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", ["lion", "yogi", "amsgrad", "adamax"])
def test_every_question_refuses_it(question, name):
    with pytest.raises(InputError) as caught:
        QUESTIONS[question](posed(JUMPING[name][0]()))
    assert "\n" not in str(caught.value)


def test_no_other_way_is_offered_that_is_refused_too():
    for make, also in ((JUMPING["lion"][0], False), (SMOOTH["a clip by value that is idle"], True)):
        with pytest.raises(InputError) as caught:
            eomsym.verify(posed(make()), range(2))
        assert ("optax_state" in str(caught.value)) is also


@pytest.mark.parametrize("name", SMOOTH)
def test_what_is_smooth_where_the_run_is_is_followed(name):
    found = eomsym.follow(posed(SMOOTH[name]()), 8, orders=(0,), after=1)
    assert np.isfinite(found.errors[0])


@pytest.mark.parametrize("name", ["sgd", "adam", "radam", "schedule_free_adamw", "muon", "a warm-up"])
def test_a_step_without_kinks_costs_nothing_to_look_at(name):
    assert optax_state(loss, parameters(), SMOOTH[name]()).sides is None


def clipped(most, rate=0.1):
    return optax.chain(optax.clip_by_global_norm(most), optax.sgd(rate))


def norms(most, rate=0.1, steps=12):
    """‖g‖ before each step of descent that is clipped, by hand."""
    values, found = parameters(), []
    for _ in range(steps):
        slope = jax.grad(loss)(values)
        size = float(jnp.sqrt(sum(jnp.sum(part**2) for part in slope.values())))
        factor = rate * min(1.0, most / size)
        values = {name: values[name] - factor * slope[name] for name in values}
        found.append(size)
    return found


def test_a_run_that_crosses_a_clip_is_refused_at_that_step_and_followed_on_either_side():
    most = 0.9 * norms(np.inf)[0]
    acts = [size > most for size in norms(most)]
    crossing = acts.index(False)  # so many steps are clipped
    assert 2 <= crossing < 10
    assert acts == [True] * crossing + [False] * (len(acts) - crossing)
    message = f"its comparison lt goes to another side at step {crossing + 1},.*stop at step {crossing}, or begin there"
    with pytest.raises(InputError, match=message):
        eomsym.follow(posed(clipped(most)), crossing + 1)
    eomsym.follow(posed(clipped(most)), crossing)
    beyond = eomsym.follow(posed(clipped(most)), 5, after=crossing)
    plain = eomsym.follow(
        eomsym.Training(loss, DATA, optax.sgd(0.1), theta=unflat(beyond.iterates[0])), 5, orders=(0, 1, 2)
    )
    np.testing.assert_allclose(list(beyond.errors.values()), list(plain.errors.values()), rtol=1e-3)
    with pytest.raises(
        InputError, match=rf"at step {crossing + 1},.*; stop at step {crossing}, or .* after={crossing}, or take"
    ):
        eomsym.follow(posed(clipped(most)), 8, after=1)


def unflat(theta):
    return {"b": jnp.asarray(theta[:1]), "w": jnp.asarray(theta[1:].reshape(2, 1))}


BENT = {
    "comparison gt": lambda part: jnp.where(part > 0, part, 2 * part),
    "abs": lambda part: part + 0.1 * jnp.abs(part),
    "max": lambda part: jnp.maximum(part, 0.9 * part),
    "clip": lambda part: jnp.clip(part, -0.1, 100.0),
    "relu": jax.nn.relu,
    "reduce_max": lambda part: part * (1 + jnp.max(-part) ** 2),
    "sort": lambda part: part * (1 + jnp.sort(part)[0] ** 2),
    "comparison argmax": lambda part: part * (1 + jnp.argmax(-part)),
}


@pytest.mark.parametrize("kink", BENT)
def test_an_entry_that_changes_its_sign_or_place_is_seen(kink):
    def bowl(params):
        return (params[0] ** 2 + 30 * params[1] ** 2) / 2

    def run(rate):
        bent = optax.stateless(lambda slope, _: BENT[kink](slope))
        training = eomsym.Training(bowl, None, optax.chain(bent, optax.sgd(rate)), theta=jnp.array([1.0, 0.3]))
        return eomsym.follow(training, 5, orders=(0,))

    with pytest.raises(InputError, match=f"its {kink} goes to another side at step 2,"):
        run(0.05)
    run(0.001)  # where nothing changes its sign it is as smooth as any


def test_a_comparison_of_what_has_a_kink_is_no_kink_where_it_stays():
    """|g| has another side where g changes its sign, and |g| < 10 has none."""

    def checked(slope, _):
        return jax.tree.map(lambda part: jnp.where(jnp.abs(part) < 10, part, 0.0), slope)

    def bowl(params):
        return (params[0] ** 2 + 30 * params[1] ** 2) / 2

    def run(*parts):
        training = eomsym.Training(bowl, None, optax.chain(*parts, optax.sgd(0.05)), theta=jnp.array([1.0, 0.3]))
        return eomsym.follow(training, 5, orders=(0,)).iterates

    found = run(optax.stateless(checked))
    assert found[0, 1] * found[1, 1] < 0
    np.testing.assert_allclose(found, run(), rtol=1e-12)


def test_looking_takes_one_gradient_a_step():
    with_clip = eomsym.follow(posed(SMOOTH["a clip that is idle"]()), 20, orders=(0,))
    without = eomsym.follow(posed(SMOOTH["sgd"]()), 20, orders=(0,))
    assert (without.run_gradients, with_clip.run_gradients) == (20, 40)
    np.testing.assert_array_equal(with_clip.iterates, without.iterates)


def test_a_loop_of_unknown_length_is_refused():
    def halved(slope, _):
        return jax.tree.map(
            lambda part: jax.lax.while_loop(lambda x: jnp.sum(x**2) > 1e-4, lambda x: x / 2, part), slope
        )

    with pytest.raises(InputError, match="optimizer: a while loop has no series in its update"):
        eomsym.follow(posed(optax.chain(optax.stateless(halved), optax.sgd(RATE))), 5)
