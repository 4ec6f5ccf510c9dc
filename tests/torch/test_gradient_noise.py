"""Noise of gradients beside a loop: its size at frozen weights, and that no loop is broken."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from eomsym.errors import InputError  # noqa: E402
from eomsym.torch import track  # noqa: E402

SAMPLES, SIZE = 32, 8


def problem():
    torch.manual_seed(0)
    inputs = torch.randn(SAMPLES, 6, dtype=torch.float64)
    model = torch.nn.Linear(6, 1).double()
    return model, inputs, inputs @ torch.randn(6, 1, dtype=torch.float64) + torch.randn(SAMPLES, 1).double()


def truth(model, inputs, targets):
    rows = []
    for one in range(SAMPLES):
        model.zero_grad()
        torch.nn.functional.mse_loss(model(inputs[[one]]), targets[[one]]).backward()
        rows.append(torch.cat([part.grad.reshape(-1) for part in model.parameters()]).numpy())
    return np.trace(np.cov(np.array(rows).T)) / np.sum(np.mean(rows, axis=0) ** 2)


def run(optimizer_of, steps=200, parts=2, **options):
    """Shuffled epochs of four batches, at weights that do not move."""
    model, inputs, targets = problem()
    optimizer = optimizer_of(model.parameters())
    order = []
    with track(optimizer, 1, steps, noise=parts, batch_size=SIZE, **options) as tracker:
        for _ in range(steps):
            order = order or list(torch.randperm(SAMPLES).split(SIZE))
            optimizer.zero_grad()
            for rows in order.pop().chunk(parts):
                (torch.nn.functional.mse_loss(model(inputs[rows]), targets[rows]) / parts).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
    return tracker, truth(model, inputs, targets)


FROZEN = {
    "descent": lambda parameters: torch.optim.SGD(parameters, 0.0),
    "momentum": lambda parameters: torch.optim.SGD(parameters, 0.0, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, 0.0),
}


@pytest.mark.parametrize("rule", FROZEN)
def test_the_scale_at_frozen_weights_needs_the_shuffling(rule):
    tracker, exact = run(FROZEN[rule], batches=SAMPLES // SIZE)
    noise = tracker.latest.noise
    assert noise.scale == pytest.approx(exact, rel=0.15)
    assert 0 < noise.scale_error < 0.2 * exact
    assert tracker.latest.to_dict()["noise"]["scale"] == noise.scale
    assert "noise in a step" in tracker.table()
    wrong, _ = run(FROZEN[rule])
    assert wrong.latest.noise.scale is None or abs(wrong.latest.noise.scale / exact - 1) > 0.15


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noise": True, "batch_size": 8}, "two calls a step, and give noise=2"),
        ({"noise": 2}, "batch_size="),
        ({"noise": -1}, "noise -1"),
    ],
)
def test_what_cannot_be_told_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        track(torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], 0.1), **options)


def test_the_loop_goes_on_where_noise_cannot_be_had():
    """Another number of calls than was told, no gradient, frozen parameters, numbers that are none."""
    used, frozen, idle = (torch.nn.Parameter(torch.ones(3, dtype=torch.float64)) for _ in range(3))
    frozen.requires_grad_(False)
    optimizer = torch.optim.SGD([used, frozen, idle], 0.01)
    with track(optimizer, 1, 10, noise=2, batch_size=4) as tracker:
        for step in range(20):
            optimizer.zero_grad()
            for _ in range(2 if step < 12 else 3):
                (used.square().sum() * (float("nan") if step == 11 else 1)).backward()
            optimizer.step()
    assert [one.step for one in tracker.measurements] == [10, 20]
    assert "3 calls of backward" in tracker.problems[0]
    assert not used._post_accumulate_grad_hooks
