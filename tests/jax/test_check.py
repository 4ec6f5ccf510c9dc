"""The check on concrete values, kinks as JAX has them, and what is told of or refused."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym.jax  # noqa: E402
from eomsym.errors import InputError, KinkWarning, PrecisionWarning, SeriesMismatchError  # noqa: E402
from eomsym.jax.rules import RULES  # noqa: E402

RANDOM = np.random.default_rng(0)
W, X = RANDOM.standard_normal((3, 3)) / 2, RANDOM.standard_normal((5, 3))


def scaled(maker, factor, only):
    """The rule with a level that is off by a factor."""

    def planted(instruction, series, backend):
        rule = maker(instruction, series, backend)
        return lambda level: [[row * factor if level == only else row for row in rows] for rows in rule(level)]

    return planted


#: The operation whose rule is wrong, by how much at which level, and a loss that it is in.
FAULTS = {
    "tanh": (1.02, 2, lambda w: jnp.sum(jnp.tanh(X @ w) ** 2)),
    "dot_general": (1.05, 2, lambda w: jnp.sum(jnp.sin(jnp.sin(w) @ w) ** 2)),
    "exp": (0.9, 2, lambda w: jnp.mean(jax.nn.logsumexp(X @ w, axis=1) ** 2)),
    "reduce_sum": (1.01, 1, lambda w: jnp.exp(jnp.sum(w**2))),
    "logistic": (1.05, 2, lambda w: jnp.sum(jax.nn.silu(X @ w))),
    "reduce_window_max": (
        0.5,
        2,
        lambda w: jnp.sum(jnp.exp(jax.lax.reduce_window(jnp.sin(w), -jnp.inf, jax.lax.max, (2, 2), (1, 1), "VALID"))),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rule_is_named(name, monkeypatch):
    factor, level, loss = FAULTS[name]
    eomsym.jax.counterterms(loss, jnp.asarray(W), 2, smooth="ignore")
    monkeypatch.setitem(RULES, name, scaled(RULES[name], factor, level))
    with pytest.raises(SeriesMismatchError, match=f"part at the operation '{name}'"):
        eomsym.jax.counterterms(loss, jnp.asarray(W), 2, smooth="ignore")
    eomsym.jax.counterterms(loss, jnp.asarray(W), 2, smooth="ignore", check=False)


def test_the_equation_of_motion_and_the_whole_state_are_checked(monkeypatch):
    loss, w = FAULTS["tanh"][2], jnp.asarray(W)
    rates = {"optimizer": "heavy-ball", "gamma": 1}
    eomsym.jax.whole_state_terms(loss, w, [w], 2, **rates)
    monkeypatch.setitem(RULES, "tanh", scaled(RULES["tanh"], 1.05, 1))
    with pytest.raises(SeriesMismatchError, match="'tanh'"):
        eomsym.jax.equation_of_motion(loss, w, 0.1, 2)
    with pytest.raises(SeriesMismatchError, match="'tanh'"):
        eomsym.jax.whole_state_terms(loss, w, [w], 2, **rates)
    jax.jit(lambda v: eomsym.jax.counterterms(loss, v, 2))(w)  # traced values cannot be looked at
    eomsym.jax.equation_of_motion(loss, w, 0.1, 2, check=False)


def test_random_numbers_of_others_are_caught():
    with pytest.raises(SeriesMismatchError, match="the loss is another each time"):
        eomsym.jax.counterterms(lambda w: jnp.sum((w * RANDOM.random((3, 3))) ** 3), jnp.asarray(W), 1)


def test_a_fixed_key_is_a_fixed_loss():
    mask = jax.random.bernoulli(jax.random.key(0), 0.5, (3, 3))
    drawn = lambda w: jnp.sum(jnp.where(jax.random.bernoulli(jax.random.key(0), 0.5, (3, 3)), w, 0) ** 3)  # noqa: E731
    rows = [eomsym.jax.counterterms(loss, jnp.asarray(W), 2) for loss in (drawn, lambda w: jnp.sum((w * mask) ** 3))]
    np.testing.assert_allclose(*map(np.array, rows), rtol=1e-13)


def test_relu_at_its_tie_has_the_derivative_zero():
    """Blank inputs and biases of zero lie on the kink: ξ_0 = ½ H g by JAX's own second derivative."""
    inputs = np.concatenate([np.zeros((2, 3)), X])
    params = {"w": jnp.asarray(W), "b": jnp.zeros(3)}
    loss = lambda p: jnp.mean((jax.nn.relu(inputs @ p["w"] + p["b"]) @ W - 1) ** 2)  # noqa: E731
    with pytest.warns(KinkWarning, match="not smooth, by relu:") as caught:
        row = eomsym.jax.counterterms(loss, params, 1)[1]
    assert len(caught) == 1
    gradient = jax.grad(loss)
    exact = jax.jvp(gradient, (params,), (gradient(params),))[1]
    for name in params:
        np.testing.assert_allclose(row[name], exact[name] / 2, rtol=1e-13, atol=1e-16)


KINKED = {
    "relu": (jax.nn.relu, "relu"),
    "leaky_relu": (jax.nn.leaky_relu, "leaky_relu"),
    "elu": (jax.nn.elu, "elu"),
    "clip": (lambda z: jnp.clip(z, -0.2, 0.3), "clip"),
    "max": (lambda z: z.max(1), "reduce_max"),
    "sort": (lambda z: jnp.sort(z, 1)[:, 1:], "sort"),
    "top_k": (lambda z: jax.lax.top_k(z, 2)[0], "top_k"),
    "floor": (lambda z: jnp.floor(3 * z) * z, "floor"),
    "one_hot": (lambda z: jax.nn.one_hot(z.argmax(1), 3) * z, "argmax"),
    "where": (lambda z: jnp.where(z > 0, z, z**2), "gt"),
    "cummax": (lambda z: jax.lax.cummax(z, 1), "max"),
}


@pytest.mark.parametrize("name", KINKED)
def test_kinks_are_as_jax_has_them_and_told_of_once(name):
    function, told = KINKED[name]
    loss, w = lambda v: jnp.sum(jnp.sin(function(X @ v)) ** 2), jnp.asarray(W)
    with pytest.warns(KinkWarning, match=rf"not smooth, by ([\w, ]*, )?{told}[,:]") as caught:
        rows = eomsym.jax.counterterms(loss, w, 2)
    assert len(caught) == 1
    g = jax.grad(loss)
    h = lambda v: jax.jvp(g, (v,), (g(v),))[1]  # noqa: E731
    second = jax.jvp(lambda v: jax.jvp(g, (v,), (g(w),))[1], (w,), (g(w),))[1]
    hessian_twice = jax.jvp(g, (w,), (h(w),))[1]
    for row, exact in zip(rows, (g(w), h(w) / 2, hessian_twice / 3 + second / 12), strict=True):
        np.testing.assert_allclose(row, exact, rtol=1e-11, atol=1e-13 * float(jnp.abs(exact).max()))
    with pytest.raises(InputError, match=r"not smooth, by .*take smooth operations"):
        eomsym.jax.counterterms(loss, w, 1, smooth="error")


@pytest.mark.parametrize(
    "function", [jax.nn.softmax, jax.nn.log_softmax, jax.nn.softplus, jax.nn.mish, jax.nn.gelu, jax.nn.standardize]
)
def test_what_is_smooth_is_not_told_of(function):
    options = {"epsilon": 0.1} if function is jax.nn.standardize else {}
    smooth = "ignore" if function is jax.nn.standardize else "error"  # its variance is cut at zero
    eomsym.jax.counterterms(lambda w: jnp.sum(function(X @ w, **options) ** 2), jnp.asarray(W), 2, smooth=smooth)


def test_few_digits_are_told_of():
    loss, w = FAULTS["tanh"][2], jnp.asarray(W)
    with pytest.warns(PrecisionWarning, match=r"params in numbers of precision 1e-07: of row 7"):
        jax.make_jaxpr(lambda v: eomsym.jax.counterterms(loss, v, 7))(w.astype(jnp.float32))
    heads = lambda w: [(X[:4, :2] @ w[:2, :2]).reshape(1, 4, 1, 2)] * 3  # noqa: E731
    with pytest.warns(PrecisionWarning, match=r"the operation convert_element_type in numbers of precision 1e-07"):
        eomsym.jax.counterterms(lambda w: jnp.sum(jax.nn.dot_product_attention(*heads(w)) ** 2), w, 2)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda w: jnp.sum(jnp.abs(jnp.fft.rfft(w)) ** 2), "'fft' makes complex numbers"),
        (
            lambda w: jnp.sum(jax.lax.while_loop(lambda c: c.sum() < 9, lambda c: 2 * c, w)),
            "while loop.*lookahead_field",
        ),
        (lambda w: jnp.sum(jnp.linalg.inv(w)), "'lu' has no rule.*lookahead_field"),
        (lambda w: jnp.sum(jnp.abs(w - W) ** 2.5), r"'pow' has no derivatives of order 2 at params"),
        (lambda w: jnp.sum(jnp.log(w - W)), r"has no derivatives of order 1 at params"),
    ],
)
def test_what_is_refused(loss, message):
    with pytest.raises(InputError, match=message):
        eomsym.jax.counterterms(loss, jnp.asarray(W), 2, smooth="ignore")


def test_products_of_all_are_right_with_zeros_too():
    w = jnp.asarray(W).at[0, 1].set(0)
    loss, same = (lambda v: jnp.prod(v, 1) @ jnp.sin(v[0])), (lambda v: (v[:, 0] * v[:, 1] * v[:, 2]) @ jnp.sin(v[0]))
    rows = [np.array(eomsym.jax.counterterms(f, w, 3)) for f in (loss, same)]
    np.testing.assert_allclose(*rows, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("exponent", [3.0, np.array([2.0, 1.0, 5.0])], ids=["one", "several"])
@pytest.mark.parametrize("transformed", [lambda function: function, jax.jit], ids=["plain", "jit"])
def test_powers_are_right_at_zeros_too(exponent, transformed):
    w = jnp.asarray(W).at[:, 1:].set(0)
    by_products = lambda v: v**3 if np.ndim(exponent) == 0 else jnp.stack([v[:, 0] ** 2, v[:, 1], v[:, 2] ** 5], 1)  # noqa: E731
    losses = (lambda v: jnp.sum(jnp.sin(v**exponent) * X[:3])), (lambda v: jnp.sum(jnp.sin(by_products(v)) * X[:3]))
    rows = [transformed(lambda v, f=f: jnp.stack(eomsym.jax.counterterms(f, v, 3)))(w) for f in losses]
    np.testing.assert_allclose(*rows, rtol=1e-12, atol=1e-14)


def test_rows_that_no_operation_makes_infinite_are_refused_too():
    """A square of 0 in the memory, under a root, while g is none."""
    given = {"optimizer": "adam(corrected=no)", "gamma1": 1, "gamma2": 1}
    loss, w = lambda v: jnp.sum(jnp.sin(v)), jnp.asarray(W)
    eomsym.jax.whole_state_terms(loss, w, [0 * w, 0 * w + 1], 2, **given)
    with pytest.raises(InputError, match="params: row 1 is not finite"):
        eomsym.jax.whole_state_terms(loss, w, [0 * w, 0 * w], 2, **given)
