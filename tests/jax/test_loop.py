"""Schedules and lists of losses in JAX: the kernels' terms, at traced times too."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sample_quartic import THETA, SampleQuartic, samples

import eomsym.jax
from eomsym.dynamics.loop_kernel import LoopKernel
from eomsym.errors import InputError, PrecisionWarning
from eomsym.optimizers import rounds
from eomsym.optimizers.batches import cut
from eomsym.optimizers.loop import loop_of

SCHEDULE = "tau/0.5 until 0.5; (1+cos(pi*(tau-0.5)))/2"
CASES = {
    "descent": ("sgd", {"schedule": SCHEDULE}, 1, "forward"),
    "momentum": ("torch.SGD(momentum=0.9, nesterov=True)", {"schedule": SCHEDULE}, 4, "forward"),
    "palindrome": ("heavy-ball", {"schedule": {"eta": "exp(-tau)"}}, 2, "palindrome"),
    "Adam": ("adam(inside=yes, corrected=no)", {"schedule": "exp(-tau)", "epsilon": "1/2"}, 2, [1, 0]),
}


def loss(data):
    a, b, c, d = jnp.asarray(data).T

    def value(params):
        x, y = params["w"]
        return jnp.mean(x**4 / 4 + a * x * y**2 / 3 + (1 + b**2) * x**2 + 3 * y**2 / 4 + c * x + d * y)

    return value


def wanted(name, options, count, visits, tau, data):
    given = {key: value for key, value in options.items() if key != "schedule"}
    loop = loop_of(name, options["schedule"], cut(len(data), len(data) // count, order=visits), **given)
    return LoopKernel(SampleQuartic(), loop).counterterms(np.append(THETA, tau), data, order=3)[:, :2]


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("tau", [0.25, 0.9])
@pytest.mark.parametrize("case", CASES)
def test_terms_are_those_of_the_kernels(case, tau):
    name, options, count, visits = CASES[case]
    data = samples(8)
    losses = [loss(part) for part in np.split(data, count)]
    params = {"w": jnp.asarray(THETA)}
    rows = eomsym.jax.counterterms(losses, params, 3, optimizer=name, tau=tau, visits=visits, **options)
    found = np.array([row["w"] for row in rows])
    np.testing.assert_allclose(found, wanted(name, options, count, visits, tau, data), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("inner", ["sgd", "adam(inside=yes, corrected=no, epsilon=1/2)"])
def test_workers_of_rounds_take_a_loss_each(inner):
    rule, data = rounds(inner, 2, "nesterov", weights=["1/4", "3/4"]), samples(8)
    losses, params = [loss(part) for part in np.split(data, 2)], {"w": jnp.asarray(THETA)}
    rows = eomsym.jax.counterterms(losses, params, 2, optimizer=rule, local_steps=3, outer_beta="1/2")
    found = LoopKernel(SampleQuartic(), loop_of(rule, local_steps=3, outer_beta="1/2"))
    wanted = found.counterterms(np.append(THETA, 0.0), data, order=2)[:, :2]
    np.testing.assert_allclose(np.array([row["w"] for row in rows]), wanted, rtol=1e-9)


@pytest.mark.parametrize(
    ("count", "options", "named"),
    [
        (3, {}, "losses: 3 given, rounds-2-gradient-descent has 2"),
        (1, {}, "takes the gradients of batches or players"),
        (2, {"visits": "palindrome"}, "visits its losses itself"),
        (2, {"schedule": "exp(-tau)"}, "is an epoch"),
    ],
)
def test_losses_that_are_not_those_of_the_workers_are_refused(count, options, named):
    with pytest.raises(InputError, match=named):
        eomsym.jax.counterterms(
            [loss(samples(4))] * count, {"w": jnp.asarray(THETA)}, 1, optimizer=rounds("sgd", 2), **options
        )


def test_time_may_be_traced():
    data, params = samples(8), {"w": jnp.asarray(THETA)}

    @jax.jit
    def field(params, tau):
        return eomsym.jax.equation_of_motion(loss(data), params, 0.1, 3, schedule=SCHEDULE, tau=tau)["w"]

    for tau in (0.25, 0.9):
        rows = wanted("sgd", {"schedule": SCHEDULE}, 1, "forward", tau, data)
        np.testing.assert_allclose(field(params, tau), -(0.1 ** np.arange(4.0)) @ rows, rtol=1e-10)


def test_a_share_at_a_traced_time_is_refused_with_the_way_out():
    def field(tau):
        return eomsym.jax.counterterms(
            loss(samples(4)),
            {"w": jnp.asarray(THETA)},
            1,
            optimizer="heavy-ball",
            schedule={"beta": "1/2+tau/9"},
            tau=tau,
        )

    with pytest.raises(InputError, match="give tau as a number"):
        jax.jit(field)(0.3)
    assert len(field(0.3)) == 2


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"schedule": "log(tau-1)"}, "undefined at tau = 0"),
        ({"visits": [0, 0]}, "order [0, 0] of 2 batches"),
        ({"visits": "random"}, "'random'"),
        ({"optimizer": "mini-batches"}, "batches"),
        ({"optimizer": "torch.Adagrad()"}, "never forgets"),
    ],
)
def test_bad_input(options, named):
    with pytest.raises(InputError) as caught:
        eomsym.jax.counterterms([loss(samples(4))] * 2, {"w": jnp.asarray(THETA)}, 1, **options)
    assert named in str(caught.value)


def test_no_losses_are_refused():
    with pytest.raises(InputError, match="at least one"):
        eomsym.jax.counterterms([], {"w": jnp.asarray(THETA)}, 1)


def test_a_traced_time_that_is_a_rounding_before_a_piece_is_in_it():
    """Eight steps of 0.1, added up, are less than 0.8."""
    at = jax.jit(lambda w, tau: eomsym.jax.counterterms(jnp.sum, w, 0, schedule="1 until 0.8; 1/2", tau=tau)[0])
    assert sum([0.1] * 8) < 0.8
    assert float(at(jnp.ones(1), sum([0.1] * 8))[0]) == 0.5


def still_loss(w):
    """A loss that does not see its first parameter."""
    inputs = jnp.asarray([[0.0, 1.0], [0.0, 2.0], [0.0, -0.5]])
    return jnp.cosh(inputs @ w + 0.1).mean()


def test_parameters_that_never_move_are_held():
    given = {"optimizer": "adam(corrected=no)", "beta1": "1/3", "beta2": "2/5", "epsilon": "1/10"}
    rows = eomsym.jax.counterterms(still_loss, jnp.asarray([0.7, 0.3]), 3, **given)
    alone = eomsym.jax.counterterms(
        lambda w: jnp.cosh(jnp.asarray([1.0, 2.0, -0.5]) * w + 0.1).mean(), jnp.asarray([0.3]), 3, **given
    )
    for row, other in zip(rows, alone, strict=True):
        assert float(row[0]) == 0
        assert float(row[1]) == pytest.approx(float(other[0]), rel=1e-12)


def test_a_component_that_is_zero_at_a_point_alone_is_refused():
    with pytest.raises(InputError, match="a component of g is 0 there, and not around"):
        eomsym.jax.counterterms(
            lambda w: (w**4).sum() + w[0] * (w[1] - 0.5), jnp.asarray([0.0, 0.5]), 2, optimizer="adam(corrected=no)"
        )


def test_a_component_that_is_zero_along_the_path_never_moves():
    """Though g is not 0 around: w⁴ at 0, and a unit of relu that is dead."""
    alone = eomsym.jax.counterterms(lambda w: (w**4).sum(), jnp.asarray([0.0, 0.5])[1:], 2, optimizer="adam")
    rows = eomsym.jax.counterterms(lambda w: (w**4).sum(), jnp.asarray([0.0, 0.5]), 2, optimizer="adam")
    for row, other in zip(rows, alone, strict=True):
        assert float(row[0]) == 0
        assert float(row[1]) == pytest.approx(float(other[0]), rel=1e-12)


@pytest.mark.parametrize("transformed", [lambda function: function, jax.jit, eomsym.jax.checked_jit])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.filterwarnings("ignore:loss_fn. params in numbers:eomsym.errors.PrecisionWarning")
def test_a_shift_that_softmax_does_not_see_is_held_with_a_word(transformed, dtype):
    """Its gradient is round-off, and Adam's root of it would be noise; under jit it is found while tracing."""
    scores = jnp.asarray([0.3, -0.2, 0.5], dtype)

    def loss(params):
        return -jax.nn.log_softmax(scores * params[0] + params[1])[0]

    def rows(of):
        return transformed(lambda params: eomsym.jax.counterterms(of, params, 2, optimizer="adam"))

    with pytest.warns(PrecisionWarning, match="round-off at 1 of them"):
        found = rows(loss)(jnp.asarray([1.1, 0.7], dtype))
    alone = rows(lambda weight: -jax.nn.log_softmax(scores * weight)[0])(jnp.asarray(1.1, dtype))
    for row, other in zip(found, alone, strict=True):
        assert float(row[1]) == 0
        assert float(row[0]) == pytest.approx(float(other), rel=1e-10 if dtype is jnp.float64 else 1e-3)


def test_what_is_zero_only_where_another_stands_in_is_not_held():
    """Negative control: under jit positive numbers stand in, where this unit is dead."""
    loss = lambda w: jnp.sum(jax.nn.relu(-2.0 * w[0])) ** 2 + w[1] ** 2  # noqa: E731
    rows = jax.jit(lambda w: eomsym.jax.counterterms(loss, w, 1, optimizer="adam", smooth="ignore"))
    w = jnp.asarray([-0.7, 0.3])
    for row, other in zip(rows(w), eomsym.jax.counterterms(loss, w, 1, optimizer="adam", smooth="ignore"), strict=True):
        assert abs(float(row[0])) > 0.5
        assert row.tolist() == pytest.approx(other.tolist(), rel=1e-12)
