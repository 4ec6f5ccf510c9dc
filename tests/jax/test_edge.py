"""Beyond ηλ = 1 in JAX: the resummed equation of motion and the look-ahead field of every second step."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym.jax  # noqa: E402
from eomsym.errors import InputError, ResummationWarning  # noqa: E402

CURVATURES = np.array([1.0, 0.6, 0.3, 0.05])
POINT = {"a": np.array([1.0, -2.0]), "b": np.array([0.5, 3.0])}


def loss(params):
    return jnp.sum(CURVATURES * jnp.concatenate([params["a"], params["b"]]) ** 2) / 2


def flat(tree):
    return np.concatenate([tree["a"], tree["b"]])


def logarithm(eta):
    return np.log1p(-eta * np.asarray(CURVATURES)) / eta * flat(POINT)


@pytest.mark.parametrize("compiled", [False, True])
def test_the_resummed_field_is_nearer(compiled):
    def run(params):
        return eomsym.jax.equation_of_motion(loss, params, 0.7, 8, resum=True)

    plain = eomsym.jax.equation_of_motion(loss, POINT, 0.7, 8)
    found = (jax.jit(run) if compiled else run)(POINT)
    errors = [np.linalg.norm(flat(field) - logarithm(0.7)) for field in (plain, found)]
    assert errors[1] < errors[0] / 20


def test_beyond_one_it_warns_and_is_plain():
    with pytest.warns(ResummationWarning, match="grow by") as told:
        found = eomsym.jax.equation_of_motion(loss, POINT, 1.6, 8, resum=True)
    np.testing.assert_allclose(flat(found), flat(eomsym.jax.equation_of_motion(loss, POINT, 1.6, 8)), rtol=1e-5)
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("rule", "options"), [("runge-kutta-4", {}), ("torch.Adam()", {}), ("optimistic", {"check": False})]
)
def test_where_the_sum_would_be_no_nearer_it_is_refused(rule, options):
    with pytest.raises(InputError, match=r"resum: .*leave resum out"):
        eomsym.jax.equation_of_motion(loss, POINT, 0.1, 6, resum=True, optimizer=rule, **options)


def test_parameters_of_the_rule_count():
    """The control: heavy ball's terms are all there, at the β that is given."""
    options = {"optimizer": "heavy-ball", "beta": "1/2"}
    plain, found = (eomsym.jax.equation_of_motion(loss, POINT, 0.05, 6, resum=r, **options) for r in (False, True))
    np.testing.assert_allclose(flat(found), flat(plain), rtol=1e-3)
    assert not np.array_equal(flat(found), flat(plain))


def test_precision_and_structure_are_kept():
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), POINT)
    for field in (
        eomsym.jax.equation_of_motion(loss, params, 0.5, 4, resum=True, check=False),
        eomsym.jax.lookahead_field(jax.grad(loss), params, 0.5, 2, stride=2),
    ):
        assert jax.tree.structure(field) == jax.tree.structure(params)
        assert {leaf.dtype for leaf in jax.tree.leaves(field)} == {jnp.dtype("float32")}


def even_logarithm(eta):
    return np.log(np.abs(1 - eta * np.asarray(CURVATURES))) / eta * flat(POINT)


def test_with_stride_two_it_converges_beyond_one():
    """At ηλ = 1.7, 1.02, 0.51, 0.085, the second of which has no logarithm to speak of and is left out."""
    errors = [
        [
            np.delete(
                flat(eomsym.jax.lookahead_field(jax.grad(loss), POINT, 1.7, n, stride=s)) - even_logarithm(1.7), 1
            )
            for n in (0, 4, 12)
        ]
        for s in (1, 2)
    ]
    sizes = np.linalg.norm(errors, axis=2)
    assert sizes[0, 0] < sizes[0, 1] < sizes[0, 2]
    assert sizes[1, 0] > 3 * sizes[1, 1] > 9 * sizes[1, 2]


def test_its_path_passes_through_every_second_iterate():
    end = eomsym.jax.integrate(
        lambda p: eomsym.jax.lookahead_field(jax.grad(loss), p, 1.9, 8, stride=2),
        POINT,
        6 * 1.9,
        tolerance=1e-6,
        solver="scipy",
    )
    run = (1 - 1.9 * np.asarray(CURVATURES)) ** 6 * flat(POINT)
    np.testing.assert_allclose(flat(end), run, atol=2e-3)


def whole(x, **options):
    """Heavy ball on ½x θ², with velocity 0.2."""
    state = options.pop("state", (jnp.array([0.2]),))
    return eomsym.jax.lookahead_field(
        lambda p: x * p, jnp.array([1.0]), 1.0, 8, stride=2, optimizer="heavy-ball", state=state, **options
    )


@pytest.mark.parametrize("order", [1, 2, 5])
def test_of_descent_it_says_where_the_sum_diverges(order):
    """From ηλ = 1 + √2 on; at 1 it ends too, and says nothing: what one step loses the flow loses later."""
    with pytest.warns(ResummationWarning, match=r"stride 2: .*gradient descent.*smaller eta"):
        eomsym.jax.lookahead_field(lambda p: 2.5 * p, jnp.array([1.0]), 1.0, order, stride=2)
    for x in (0.3, 1.0, 2.0, 2.4):
        eomsym.jax.lookahead_field(lambda p, x=x: x * p, jnp.array([1.0]), 1.0, order, stride=2)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.complex64])
def test_it_looks_at_short_and_complex_numbers(dtype):
    """Squares of 1e-4 are 0 in half precision."""
    point = jnp.array([1e-4, 1e-5], dtype)
    with pytest.warns(ResummationWarning):
        eomsym.jax.lookahead_field(lambda p: 2.7 * p, point, 1.0, 2, stride=2)
    eomsym.jax.lookahead_field(lambda p: 2.2 * p, point, 1.0, 2, stride=2)


@pytest.mark.parametrize("order", [1, 2])
def test_a_whole_state_has_its_low_orders(order):
    """Order 1 divided by zero."""
    matrix = np.array([[0.9, -0.9], [0.1, 0.9]])
    double, start = matrix @ matrix - np.eye(2), np.array([1.0, 0.2])
    wanted = sum((-1) ** (n + 1) / n / 2 * np.linalg.matrix_power(double, n) @ start for n in range(1, order + 2))
    moved = eomsym.jax.lookahead_field(
        lambda p: 0.1 * p,
        jnp.array([1.0]),
        1.0,
        order,
        stride=2,
        optimizer="heavy-ball",
        state=(jnp.array([1.0]) * 0.2,),
    )
    np.testing.assert_allclose(np.concatenate(moved), wanted, rtol=1e-5)


def test_a_whole_state_has_it_where_it_converges():
    from scipy.linalg import logm

    for x in (0.1, 3.7):
        matrix = np.array([[1 - x, -0.9], [x, 0.9]])
        wanted = logm(matrix @ matrix).real @ [1.0, 0.2] / 2
        np.testing.assert_allclose(np.concatenate(whole(x)), wanted, rtol=5e-3)
    jax.jit(lambda: whole(1.5))()  # where it is traced, nothing can be looked at


def test_bad_values_are_refused():
    for call, words in (
        (lambda: whole(1.5), r"stride 2: \|mu\^2 - 1\| is"),
        (lambda: whole(0.1, state=None), "heavy-ball has a memory .*give it"),
        (lambda: eomsym.jax.lookahead_field(jax.grad(loss), POINT, 0.1, 2, stride=0), "stride 0.*1 to 2"),
    ):
        with pytest.raises(InputError, match=words):
            call()
