"""Averages of weights and Lookahead as forms of a rule, beside what PyTorch and optax have, step for step."""

import numpy as np
import pytest

from eomsym import optimizers

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

START, RATE = np.array([0.9, -0.7, 0.4]), 0.05


def slope(point, field=0):
    """Of a loss that is no quadratic, of NumPy and PyTorch alike."""
    return point**3 + 0.3 * point + 0.1


def by_rule(name, steps, **values):
    entry, exact = optimizers.chosen(name, values)
    numbers = {key: float(value) for key, value in entry.complete(exact).items()}
    state = entry.initial_state(START, slope, **numbers)
    for _ in range(steps):
        state = entry.run(slope, state, RATE, **numbers)
    return dict(zip(("theta", *entry.memory), state, strict=True))


@pytest.mark.parametrize("kind", ["ema", "swa"])
def test_averages_are_those_of_averaged_model(kind):
    model = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(START))])
    average = None if kind == "swa" else torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=average)
    if kind == "ema":
        averaged.update_parameters(model)  # so that it begins at the first weights
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5)
    for _ in range(12):
        model[0].grad = slope(model[0].detach())
        optimizer.step()
        averaged.update_parameters(model)
    shares = {"average_beta": "9/10"} if kind == "ema" else {}
    ours = by_rule(f"heavy-ball({kind}=yes)", 12, beta="1/2", **shares)
    np.testing.assert_allclose(ours["theta"], model[0].detach().numpy(), rtol=0, atol=1e-14)
    expected = averaged.module[0].detach().numpy()
    np.testing.assert_allclose(ours["averaged weights"], expected, rtol=0, atol=1e-14)
    assert np.abs(expected - ours["theta"]).max() > 1e-2


def test_lookahead_is_that_of_optax():
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    optax = pytest.importorskip("optax", reason="optax is not installed")
    with jax.enable_x64(True):
        transformation = optax.lookahead(optax.sgd(RATE, momentum=0.5), sync_period=3, slow_step_size=0.4)
        params = optax.LookaheadParams.init_synced(jax.numpy.asarray(START))
        state = transformation.init(params)
        for _ in range(12):
            updates, state = transformation.update(slope(params.fast), state, params)
            params = optax.apply_updates(params, updates)
        ours = by_rule("heavy-ball(slow_weights=yes)", 4, beta="1/2", sync_period=3, slow_rate="2/5")
        np.testing.assert_allclose(ours["theta"], np.asarray(params.slow), rtol=0, atol=1e-13)
