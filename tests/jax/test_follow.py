"""``eomsym.follow`` on real optax transformations, and the look-ahead field of the whole state in JAX."""

import asking
import iris
import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
optax = pytest.importorskip("optax", reason="optax is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym  # noqa: E402
import eomsym.jax  # noqa: E402
from eomsym.errors import InputError  # noqa: E402


def loss(params):
    inputs, labels = iris.data()
    hidden = jax.nn.gelu(inputs @ params[0] + params[1], approximate=False)
    return optax.softmax_cross_entropy_with_integer_labels(hidden @ params[2] + params[3], labels).mean()


def parameters():
    return list(iris.named(iris.fresh()).values())


TEXTS = {
    "optax.adam()": lambda: optax.adam(1e-3),
    "optax.sgd(momentum=0.9, nesterov=True)": lambda: optax.sgd(1e-3, momentum=0.9, nesterov=True),
    "optax.rmsprop()": lambda: optax.rmsprop(1e-3),
}


@pytest.mark.parametrize("text", TEXTS)
def test_the_rule_on_a_kernel_and_the_transformation_have_the_same_errors(text):
    real = asking.follow(loss, parameters(), None, 10, optimizer=TEXTS[text](), orders=(0, 1), after=5)
    rule = asking.follow(iris.kernel(), iris.fresh(), 1e-3, 10, *iris.data(), optimizer=text, orders=(0, 1), after=5)
    np.testing.assert_allclose(real.iterates, rule.iterates, rtol=1e-8, atol=1e-12)
    # Bias corrections: the object counts steps, the rule keeps powers of β (tests/torch/test_follow.py).
    nearly = 3 if "adam" in text else 1 + 1e-4
    for order in (0, 1):
        assert 1 / nearly < real.errors[order] / rule.errors[order] < nearly
    assert real.eta is None


def test_a_schedule_goes_on_between_the_steps():
    schedule = optax.cosine_decay_schedule(1e-3, 50)
    found = asking.follow(loss, parameters(), None, 40, optimizer=optax.adam(schedule), orders=(0, 1, 2), after=5)
    assert found.errors[2] < 0.1 * found.errors[1] < 0.1 * found.errors[0]


@pytest.mark.parametrize(
    ("optimizer", "eta", "message"),
    [
        (lambda: optax.adam(1e-3), 1e-3, "eta 0.001: an optax transformation has its learning rate inside"),
        (lambda: optax.noisy_sgd(1e-3, key=0), None, "a leaf of its state has type"),
        (optax.lbfgs, None, "takes more than the gradient .*'value_fn'.*as a search along a line"),
        (optax.polyak_sgd, None, "takes more than the gradient .*'value'.*take one that needs the gradient alone"),
    ],
)
def test_what_does_not_fit_is_refused(optimizer, eta, message):
    with pytest.raises(InputError, match=message):
        asking.follow(loss, parameters(), eta, 10, optimizer=optimizer())


def test_the_field_of_the_whole_state_is_that_of_torch_and_works_under_jit():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    point, moments = np.array([0.5, -1.0, 0.7]), np.array([0.1, 0.2, -0.3])
    options = {"optimizer": "torch.Adam(eps=0.001)"}
    with jax.enable_x64(True):
        start = (jnp.asarray(moments), jnp.asarray(moments**2), jnp.array([0.7]), jnp.array([0.9]))
        field = jax.jit(lambda p, *s: eomsym.jax.lookahead_field(lambda q: q**3, p, 0.01, 3, state=s, **options))
        found = field(jnp.asarray(point), *start)
    begun = tuple(torch.from_numpy(np.array(part)) for part in start)
    wanted = eomsym.torch.lookahead_field(lambda q: q**3, torch.from_numpy(point), 0.01, 3, state=begun, **options)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-9)
