"""optax transformations that tell parameters apart, by masks and labels, and groups by names."""

from fractions import Fraction

import grouped_adamw as by_hand
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.integrate import solve_ivp

import eomsym
from eomsym.errors import InputError
from eomsym.jax import counterterms, from_optax, with_counterterm

PARAMS = {
    str(2 * place): {"weight": np.array(matrix), "bias": np.array(bias)}
    for place, (matrix, bias) in enumerate(by_hand.MODEL.split(by_hand.THETA))
}
RATE = 0.02
ADAM = {"b1": 0.5, "b2": 0.4, "eps": 0.1}


def loss(params):
    hidden = jnp.tanh(by_hand.INPUTS @ params["0"]["weight"] + params["0"]["bias"])
    scores = jax.nn.log_softmax(hidden @ params["2"]["weight"] + params["2"]["bias"])
    return -jnp.mean(scores[jnp.arange(len(by_hand.TARGETS)), by_hand.TARGETS])


def as_theta(row):
    return np.concatenate([np.asarray(row[name[0]][name[2:]]).reshape(-1) for name in by_hand.TABLE])


def matrices(params):
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def labelled(**kinds):
    """``multi_transform`` by the last names of parameters, or by whole ones."""

    def label(path, _):
        name = ".".join(entry.key for entry in path)
        return name if name in kinds else path[-1].key

    return optax.multi_transform(kinds, jax.tree_util.tree_map_with_path(label, PARAMS))


OBJECTS = {
    "mask": optax.adamw(RATE, **ADAM, weight_decay=0.3, mask=matrices),
    "mask of booleans": optax.adamw(RATE, weight_decay=0.3, mask=matrices(PARAMS)),
    "decay beside": optax.chain(optax.masked(optax.add_decayed_weights(0.2), matrices), optax.sgd(RATE, momentum=0.9)),
    "rates": labelled(weight=optax.adam(RATE, **ADAM), bias=optax.adam(2 * RATE, **ADAM)),
    "rules": labelled(
        weight=optax.adamw(RATE, weight_decay=0.1), bias=optax.sgd(RATE / 2, momentum=0.5, nesterov=True)
    ),
    "frozen": labelled(**{"weight": optax.adam(RATE), "bias": optax.set_to_zero(), "0.bias": optax.sgd(3 * RATE)}),
    "alike": optax.adamw(RATE, **ADAM),
}


def steps_of(transformation, count):
    state, params = transformation.init(PARAMS), PARAMS
    rows = [as_theta(params)]
    for _ in range(count):
        updates, state = transformation.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
        rows.append(as_theta(params))
    return np.array(rows)


@pytest.mark.parametrize("name", OBJECTS)
def test_the_rule_is_the_transformation_step_for_step(name):
    entry, values = from_optax(OBJECTS[name], PARAMS)
    numbers = {key: float(value) for key, value in values.items()}
    kernel = eomsym.Training(loss, theta=PARAMS).own.kernel

    def gradient(point, field=0):
        return kernel.gradient(point)

    state = entry.initial_state(kernel.theta, gradient, **numbers)
    rate = max((3 if name == "frozen" else 2 if name == "rates" else 1) * RATE, RATE)
    for wanted in steps_of(OBJECTS[name], 20)[1:]:
        state = entry.run(gradient, state, rate, **numbers)
        np.testing.assert_allclose(as_theta(kernel.restored(state[0])), wanted, rtol=0, atol=1e-13)
    if name == "frozen":
        np.testing.assert_array_equal(kernel.restored(state[0])["2"]["bias"], PARAMS["2"]["bias"])
    assert (entry.blocks is None) == (name == "alike")


def test_rows_of_a_mask_against_iterates_in_many_digits():
    """AdamW by hand has four kinds of arrays; here they are four transformations."""
    made = {}
    for name, (beta1, beta2, epsilon, decay, factor) in by_hand.TABLE.items():
        b1, b2, eps, weight_decay, scale = (float(Fraction(text)) for text in (beta1, beta2, epsilon, decay, factor))
        made[name] = optax.adamw(RATE * scale / 1.5, b1, b2, eps, weight_decay=weight_decay)
    entry, values = from_optax(labelled(**made), PARAMS)
    wanted = by_hand.rows_by_iterates()
    rows = counterterms(loss, PARAMS, 2, optimizer=entry, **values)
    for order, (row, truth) in enumerate(zip(rows, wanted, strict=True)):
        found = as_theta(row) * 1.5 ** (order + 1)  # in units of the largest rate, 3/2 of that by hand
        assert np.linalg.norm(found - truth) < 1e-8 * np.linalg.norm(truth)


def test_rows_of_groups_by_names_under_jit_too():
    wanted = by_hand.rows_by_iterates()

    def rows(params, groups):
        return counterterms(loss, params, 2, optimizer="adamw", groups=groups, **by_hand.COMMON)

    for found in (rows(PARAMS, by_hand.GROUPS), jax.jit(lambda params: rows(params, by_hand.GROUPS))(PARAMS)):
        for row, truth in zip(found, wanted, strict=True):
            assert np.linalg.norm(as_theta(row) - truth) < 1e-11 * np.linalg.norm(truth)
    ignored = rows(PARAMS, None)
    assert np.linalg.norm(as_theta(ignored[0]) - wanted[0]) > 0.1 * np.linalg.norm(wanted[0])


LISTED = [part for layer in PARAMS.values() for part in (layer["weight"], layer["bias"])]
LABELS = ["weight", "bias"] * 2


@pytest.mark.parametrize(
    "transformation",
    [
        optax.adamw(RATE, **ADAM, weight_decay=0.3, mask=matrices),
        optax.multi_transform({"weight": optax.adam(RATE, **ADAM), "bias": optax.sgd(RATE / 2, momentum=0.5)}, LABELS),
    ],
    ids=["mask", "rules"],
)
def test_errors_fall_with_the_order(transformation):
    """On a kernel of the same network, whose arrays are those of the list."""
    samples = (by_hand.INPUTS, by_hand.TARGETS)
    asked = eomsym.Training(by_hand.MODEL, samples, from_optax(transformation, LISTED), theta=by_hand.THETA)
    found = eomsym.verify(asked, range(3), state="slow")
    assert found.passed
    assert all(abs(record.slope - record.order - 1) < 0.1 for record in found.orders)


def test_a_run_of_the_object_has_the_mask_and_one_without_has_another_end():
    asked = eomsym.Training(loss, theta=PARAMS, optimizer=OBJECTS["mask"])
    followed = eomsym.follow(asked, 10, range(2))
    assert followed.errors[0] > 3 * followed.errors[1]
    alike = eomsym.Training(loss, theta=PARAMS, optimizer=optax.adamw(RATE, **ADAM, weight_decay=0.3))
    other = eomsym.follow(alike, 10, (1,)).paths[1]
    assert np.linalg.norm(other[-1] - followed.iterates[-1]) > 0.03 * followed.moved


@pytest.mark.parametrize(
    ("transformation", "said"),
    [
        (optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(RATE, mask=matrices)), "reduce_sum mixes parameters"),
        (optax.lamb(RATE), "mixes parameters|reduce_sum|select_n"),
        (optax.masked(optax.adam(RATE), matrices), "no learning rate can be split off"),
        (labelled(weight=optax.adam(RATE), bias=optax.lion(RATE)), "sign jumps"),
        (optax.set_to_zero(), "moves nothing"),
    ],
)
def test_what_has_no_rule_is_refused_in_one_line(transformation, said):
    with pytest.raises(InputError, match=said) as caught:
        from_optax(transformation, PARAMS)
    assert "\n" not in str(caught.value)


def test_a_counter_term_is_left_out_at_the_rate_of_each_group():
    rates = jax.tree.map(lambda leaf: 0.5 if leaf.ndim > 1 else 1.0, PARAMS)
    flat, shaped = jax.flatten_util.ravel_pytree(PARAMS)
    factors = jax.flatten_util.ravel_pytree(jax.tree.map(lambda leaf, rate: rate + 0 * leaf, PARAMS, rates))[0]
    field = jax.jit(lambda point: -factors * jax.flatten_util.ravel_pytree(jax.grad(loss)(shaped(point)))[0])
    end = solve_ivp(
        lambda _, y: np.asarray(field(y)), (0, 1), np.asarray(flat), method="DOP853", rtol=1e-13, atol=1e-15
    ).y[:, -1]

    def error(steps, order, by_group=True):
        own = jax.tree.map(lambda rate: rate / steps, rates)
        chain = optax.chain(
            with_counterterm(order, learning_rate=own if by_group else 1 / steps),
            labelled(weight=optax.sgd(0.5 / steps), bias=optax.sgd(1 / steps)),
        )
        state, params, slope = chain.init(PARAMS), PARAMS, jax.jit(jax.grad(loss))
        for _ in range(steps):
            updates, state = chain.update(slope(params), state, params, grad_fn=slope)
            params = optax.apply_updates(params, updates)
        return np.linalg.norm(jax.flatten_util.ravel_pytree(params)[0] - end)

    for order in (1, 2):
        assert abs(np.log2(error(20, order) / error(40, order)) - order - 1) < 0.1
    assert np.log2(error(20, 2, by_group=False) / error(40, 2, by_group=False)) < 1.2
