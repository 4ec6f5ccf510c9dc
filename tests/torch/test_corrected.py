"""``eomsym.torch.Corrected``: follows gradient flow, is SGD at strength 0, is resumed bit by bit."""

import io

import numpy as np
import pytest
from scipy.integrate import solve_ivp

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.optim import SGD, lr_scheduler  # noqa: E402

from eomsym.errors import InputError  # noqa: E402
from eomsym.torch import Corrected  # noqa: E402

INPUTS = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(6, 2)
TARGETS = torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4, 0.2], dtype=torch.float64)
START = [[[0.5, -0.3, 0.8], [0.2, 0.7, -0.6]], [0.9, -0.5, 0.4]]


def parameters(dtype=torch.float64):
    return [torch.nn.Parameter(torch.tensor(part, dtype=dtype)) for part in START]


def loss(params):
    return ((torch.tanh(INPUTS.to(params[0].dtype) @ params[0]) @ params[1] - TARGETS.to(params[0].dtype)) ** 2).mean()


def train(optimizer, params, steps, scheduler=None):
    def closure():
        optimizer.zero_grad()
        value = loss(params)
        value.backward()
        return value

    values = []
    for _ in range(steps):
        values.append(optimizer.step(closure).item())
        if scheduler is not None:
            scheduler.step()
    return values


def flat(params):
    return torch.cat([part.detach().flatten() for part in params]).numpy().copy()


def flow(time, decay=0.0):
    def field(_, theta):
        params = [torch.nn.Parameter(part.clone()) for part in torch.from_numpy(theta).split([6, 3])]
        shaped = [params[0].reshape(2, 3), params[1]]
        found = torch.autograd.grad(loss(shaped) + decay / 2 * sum((part**2).sum() for part in params), params)
        return -torch.cat(found).numpy()

    start = flat(parameters())
    return solve_ivp(field, (0, time), start, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]


def errors(order, decay=0.0, strength=1):
    found = []
    for steps in (80, 160):
        params = parameters()
        train(Corrected(SGD(params, 4.0 / steps, weight_decay=decay), order, strength), params, steps)
        found.append(np.linalg.norm(flat(params) - flow(4.0, decay)))
    return found


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_it_follows_gradient_flow_to_its_order(order, decay):
    found = errors(order, decay)
    assert np.log2(found[-2] / found[-1]) == pytest.approx(order + 1, abs=0.15)


def test_without_the_correction_the_slope_is_one():
    found = errors(3, strength=0)
    assert np.log2(found[-2] / found[-1]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1}, {"maximize": True}])
def test_at_strength_zero_it_is_sgd_bit_by_bit(options):
    mine, theirs = parameters(torch.float32), parameters(torch.float32)
    train(Corrected(SGD(mine, 0.3, **options), 2, 0), mine, 5)
    train(SGD(theirs, 0.3, foreach=False, **options), theirs, 5)
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))


def test_maximize_and_groups():
    """Ascent on −L with two learning rates is descent on L with them."""
    up, down = parameters(), parameters()
    groups = [{"params": [up[0]], "lr": 0.2, "maximize": False}, {"params": [up[1]]}]
    train(Corrected(SGD(groups, 0.1), 2), up, 4)
    other = SGD([{"params": [down[0]], "lr": 0.2}, {"params": [down[1]], "lr": 0.1}], 0.5)
    train(Corrected(other, 2), down, 4)
    np.testing.assert_array_equal(flat(up), flat(down))
    single = parameters()
    optimizer = Corrected(SGD(single, 0.1, maximize=True), 1)

    def negative():
        optimizer.zero_grad()
        value = -loss(single)
        value.backward()
        return value

    optimizer.step(negative)
    plain = parameters()
    train(Corrected(SGD(plain, 0.1), 1), plain, 1)
    np.testing.assert_allclose(flat(single), flat(plain), rtol=1e-15)


def test_resumed_from_a_checkpoint_bit_by_bit():
    def made(params):
        optimizer = Corrected(SGD(params, 0.4), 2)
        return optimizer, lr_scheduler.ExponentialLR(optimizer, 0.9)

    whole = parameters()
    optimizer, scheduler = made(whole)
    values = train(optimizer, whole, 12, scheduler)
    first = parameters()
    optimizer, scheduler = made(first)
    train(optimizer, first, 5, scheduler)
    file = io.BytesIO()
    torch.save([first, optimizer.state_dict(), scheduler.state_dict()], file)
    file.seek(0)
    second, *states = torch.load(file, weights_only=False)
    optimizer, scheduler = made(second)
    for part, state in zip((optimizer, scheduler), states, strict=True):
        part.load_state_dict(state)
    assert train(optimizer, second, 7, scheduler) == values[5:]
    np.testing.assert_array_equal(flat(second), flat(whole))


def test_a_closure_that_raises_leaves_the_parameters():
    params, calls = parameters(), []
    optimizer = Corrected(SGD(params, 0.4), 3)

    def closure():
        optimizer.zero_grad()
        calls.append(1)
        if len(calls) == 3:
            raise KeyError("mine")
        loss(params).backward()

    with pytest.raises(KeyError, match="mine"):
        optimizer.step(closure)
    np.testing.assert_array_equal(flat(params), flat(parameters()))


def test_parameters_without_a_gradient_stay():
    params, frozen = parameters(), torch.nn.Parameter(torch.ones(2))
    train(Corrected(SGD([*params, frozen], 0.4), 2), params, 2)
    assert torch.equal(frozen, torch.ones(2))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Corrected(torch.optim.Adam(parameters()), 1), r"give torch\.optim\.SGD"),
        (lambda: Corrected(SGD(parameters(), 0.1, momentum=0.9), 1), "has momentum"),
        (lambda: Corrected(SGD(parameters(), 0.1), 4), "order 4"),
        (lambda: Corrected(SGD(parameters(), 0.1), 1, "much"), "strength"),
        (lambda: Corrected(SGD(parameters(), 0.1), 1).step(), "closure None"),
    ],
)
def test_bad_input(make, named):
    with pytest.raises(InputError, match=named):
        make()
