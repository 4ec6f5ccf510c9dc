"""The check of series outside of tracing: once for each compiled shape, on concrete values."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym.jax  # noqa: E402
from eomsym.errors import KinkWarning, SeriesMismatchError  # noqa: E402
from eomsym.jax import checked_jit  # noqa: E402
from eomsym.jax.checked import MANY, UNFUSED, is_scattered  # noqa: E402
from eomsym.jax.rules import RULES  # noqa: E402

RANDOM = np.random.default_rng(0)
W, X = (RANDOM.standard_normal(shape) for shape in ((3, 3), (5, 3)))


def second(w, x):
    """ξ_0 of a loss that holds an argument."""
    return eomsym.jax.counterterms(lambda v: jnp.sum(jnp.tanh(x @ v) ** 2), w, 1)[1]


@pytest.fixture
def wrong_rule(monkeypatch):
    maker = RULES["tanh"]

    def planted(instruction, series, backend):
        rule = maker(instruction, series, backend)
        return lambda level: jax.tree.map(lambda row: 1.05 * row, rule(level))

    monkeypatch.setitem(RULES, "tanh", planted)


@pytest.mark.usefixtures("wrong_rule")
def test_a_wrong_rule_is_seen_each_time():
    def own(w, x):  # JAX keeps what it traced of a function, wrong rules in it
        return second(w, x)

    jax.jit(own)(W, X)  # says nothing
    compiled = checked_jit(own)
    for _ in range(2):
        with pytest.raises(SeriesMismatchError, match="part at the operation 'tanh'"):
            compiled(W, X)


def test_it_runs_once_for_each_shape_and_gives_the_same():
    made = []

    def counted(w, x, scale=1.0):
        made.append(isinstance(w, jax.core.Tracer))
        return scale * second(w, x)

    compiled = checked_jit(counted)
    for x in (X, 2 * X, X[:4], X):
        np.testing.assert_allclose(compiled(W, x), second(W, x), rtol=1e-12)
    assert made == [False, True] * 2
    compiled(W, X, scale=2.0)
    assert made == [False, True] * 3


def test_warnings_come_once_for_each_shape():
    compiled = checked_jit(lambda w: eomsym.jax.counterterms(lambda v: jnp.sum(jax.nn.relu(X @ v) ** 2), w, 1)[1])
    with pytest.warns(KinkWarning, match="relu"):
        compiled(W)
    compiled(2 * W)


def test_static_arguments_and_transformations():
    power = checked_jit(lambda w, name: second(w, X) if name == "second" else w, static_argnames="name")
    np.testing.assert_allclose(power(W, name="second"), second(W, X), rtol=1e-12)
    np.testing.assert_array_equal(power(W, name="none"), W)
    compiled = checked_jit(second)
    many = jax.vmap(compiled, (None, 0))(W, jnp.stack([X, 2 * X]))
    np.testing.assert_allclose(many[1], second(W, 2 * X), rtol=1e-10)


def repeated(count):
    """As many operations, each of as many numbers as there are."""

    def function(w):
        for step in range(count):
            w = w + step
        return w

    return function


@pytest.mark.parametrize(("count", "size", "expected"), [(MANY, 30, True), (MANY // 2, 30, False), (MANY, 3000, False)])
def test_many_operations_on_few_numbers_are_compiled_without_fusion(count, size, expected, monkeypatch):
    function, given = repeated(count), np.ones(size)
    assert is_scattered(jax.make_jaxpr(function)(given).jaxpr) == expected
    asked, jit = [], jax.jit
    monkeypatch.setattr(jax, "jit", lambda *arguments, **named: asked.append(named) or jit(*arguments, **named))
    compiled = checked_jit(function)
    np.testing.assert_array_equal(compiled(given), 1 + sum(range(count)))
    assert ({"compiler_options": UNFUSED} in asked) == expected
    own = checked_jit(function, compiler_options={"xla_backend_optimization_level": 2})
    np.testing.assert_array_equal(own(given), compiled(given))
    assert sum(named.get("compiler_options") == UNFUSED for named in asked) == expected
