"""The look-ahead field: slopes N + 1, and nothing asked of a model but its gradient."""

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")

import jax.numpy as jnp  # noqa: E402

import eomsym.jax  # noqa: E402
from eomsym.errors import InputError, IntegrationError  # noqa: E402

X = np.random.default_rng(1).standard_normal((20, 2))
Y = np.sin(X[:, :1] - X[:, 1:])
PARAMS = {
    "w": np.random.default_rng(2).standard_normal((2, 4)),
    "v": np.random.default_rng(3).standard_normal((4, 1)),
}


def loss(p):
    return jnp.mean((jnp.tanh(X @ p["w"]) @ p["v"] - Y) ** 2)


gradient = jax.grad(loss)


def distance(one, other):
    return jnp.sqrt(
        sum(jnp.sum((a - b) ** 2) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    )


def descended(eta, steps):
    step = lambda _, point: jax.tree.map(lambda y, g: y - eta * g, point, gradient(point))  # noqa: E731
    return jax.lax.fori_loop(0, steps, step, jax.tree.map(jnp.asarray, PARAMS))


ETAS = (0.0025, 0.00125)  # small enough for local slopes at order 4, errors still far above the round-off


def slope(order, solver=None):
    """The local slope of the distance to gradient descent at time 0.4."""
    errors = []
    for eta in ETAS:
        end = eomsym.jax.integrate(
            lambda p, eta=eta: eomsym.jax.lookahead_field(gradient, p, eta, order),
            PARAMS,
            0.4,
            tolerance=1e-13,
            solver=solver,
        )
        errors.append(distance(end, descended(eta, round(0.4 / eta))))
    return np.log2(errors[0] / errors[1])


@pytest.mark.parametrize("order", range(5))
def test_slope_is_one_more_than_the_order(order):
    assert slope(order, "scipy") == pytest.approx(order + 1, abs=0.1)


def test_the_same_with_diffrax():
    pytest.importorskip("diffrax")
    assert slope(2) == pytest.approx(3, abs=0.1)


def test_a_field_one_order_short_fails_the_same_test():
    """A control: the slope of order 1 is not that of order 2."""
    assert slope(1, "scipy") != pytest.approx(3, abs=0.1)


def test_it_costs_one_gradient_more_than_its_order():
    calls = []

    def counted(p):
        calls.append(1)
        return gradient(p)

    for order in range(5):
        calls.clear()
        eomsym.jax.lookahead_field(counted, PARAMS, 0.1, order)
        assert len(calls) == order + 1


def test_it_is_near_the_equation_of_motion():
    params = jax.tree.map(jnp.asarray, PARAMS)
    gap = jax.jit(
        lambda eta: distance(
            eomsym.jax.lookahead_field(gradient, params, eta, 2), eomsym.jax.equation_of_motion(loss, params, eta, 2)
        )
    )
    gaps = [gap(eta) for eta in ETAS]
    assert np.log2(gaps[0] / gaps[1]) == pytest.approx(3, abs=0.1)


def test_precision_and_structure_are_kept():
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), PARAMS)
    field = jax.jit(lambda p, eta: eomsym.jax.lookahead_field(jax.grad(loss), p, eta, 3))(params, jnp.float32(0.1))
    assert jax.tree.structure(field) == jax.tree.structure(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(field)} == {jnp.dtype("float32")}


def test_sharding_is_kept():
    """On two devices of the CPU, in a process of its own: the result lies where the parameters lie."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    program = """
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec
from eomsym.jax import counterterms, lookahead_field
mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
place = NamedSharding(mesh, PartitionSpec("d"))
x = jax.device_put(jnp.arange(8.0) / 8, place)
loss = lambda p: jnp.sum(jnp.tanh(p) ** 2) * jnp.mean(p)
field = jax.jit(lambda p: lookahead_field(jax.grad(loss), p, 0.1, 3))
assert field(x).sharding.is_equivalent_to(place, 1), field(x).sharding
assert jnp.allclose(field(x), field(jnp.asarray(jax.device_get(x))), rtol=1e-5)
rows = jax.jit(lambda p: counterterms(loss, p, 3))
for one, other in zip(rows(x), rows(jnp.asarray(jax.device_get(x)))):
    assert jnp.allclose(one, other, rtol=1e-4)
"""
    surroundings = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    subprocess.run([sys.executable, "-c", program], env=surroundings, check=True)


def test_bad_values_are_refused():
    params = jnp.ones(2)
    for call, what in (
        (lambda: eomsym.jax.lookahead_field(jnp.sin, params, 0.1, 21), "0 to 20"),
        (lambda: eomsym.jax.integrate(jnp.sin, params, -1.0), "above 0"),
        (lambda: eomsym.jax.integrate(jnp.sin, params, 1.0, solver="euler"), "diffrax, scipy"),
    ):
        with pytest.raises(InputError, match=what):
            call()


@pytest.mark.parametrize("solver", ["diffrax", "scipy"])
def test_a_path_with_a_pole_is_an_error(solver):
    if solver == "diffrax":
        pytest.importorskip("diffrax")
    with pytest.raises(IntegrationError):
        eomsym.jax.integrate(lambda y: y**2, jnp.ones(1), 2.0, solver=solver, max_steps=500)


def test_the_tolerance_is_above_the_round_off_of_the_coarsest_leaf():
    """Below it every step would be tried over and over: it took 13,800 evaluations."""
    params, calls = {"a": jnp.array([1.0, -0.5], jnp.float32), "b": jnp.array([0.3])}, []

    def field(p):
        jax.debug.callback(lambda: calls.append(1))
        return {"a": -jnp.sin(3 * p["a"]), "b": p["a"].sum(keepdims=True).astype(jnp.float64)}

    end = eomsym.jax.integrate(field, params, 5.0, solver="scipy")
    jax.effects_barrier()
    assert [leaf.dtype for leaf in jax.tree.leaves(end)] == [jnp.float32, jnp.float64]
    np.testing.assert_allclose(end["b"], 1.0480135, rtol=1e-5)
    assert len(calls) < 500


def test_a_term_of_diffrax_saves_at_times_and_agrees_with_scipy():
    diffrax = pytest.importorskip("diffrax", reason="the extra 'jax' has it")
    field = lambda y: -y - 0.1 * y**3  # noqa: E731
    times = jnp.array([0.5, 2.0])
    found = diffrax.diffeqsolve(
        eomsym.jax.ode_term(field),
        diffrax.Dopri8(),
        0.0,
        2.0,
        None,
        jnp.array([1.0, -2.0]),
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(rtol=1e-10, atol=1e-10),
    )
    for time, state in zip(times, found.ys, strict=True):
        peer = eomsym.jax.integrate(field, jnp.array([1.0, -2.0]), float(time), solver="scipy")
        np.testing.assert_allclose(state, peer, rtol=1e-8)
