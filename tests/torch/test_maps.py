"""Maps of blocks on models of PyTorch: rows, clipping and Muon beside PyTorch's own objects."""

import numpy as np
import pytest
import shared_kernels

import eomsym
from eomsym import optimizers
from eomsym.blocks import Blocks
from eomsym.dynamics.kernel_series import kernel_counterterms

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

RANDOM = np.random.default_rng(0)
INPUTS, TARGETS = (torch.tensor(RANDOM.normal(size=(6, 2))) for _ in range(2))


def network():
    """As the kernel's; its matrices are n_out × n_in."""
    torch.manual_seed(0)
    layers = torch.nn.Linear(2, 3, bias=False), torch.nn.Tanh(), torch.nn.Linear(3, 2, bias=False)
    return torch.nn.Sequential(*layers).double()


def loss_of(model):
    def loss(params):
        outputs = torch.func.functional_call(model, params, (INPUTS,))
        return 0.5 * ((outputs - TARGETS) ** 2).sum(dim=1).mean()

    return loss


def flat(tensors):
    return np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("muon", {"beta": "19/20"}),
        ("lamb", {"beta1": "1/4", "beta2": "1/3", "epsilon": "1/4", "decay": "1/7"}),
        ("shampoo", {"beta": "1/3", "epsilon": "1/10", "iterations": 6}),
        ("sam", {}),
        ("heavy-ball(clipped=yes)", {"beta": "1/2", "clip_norm": "1/20"}),
    ],
)
def test_rows_are_those_of_the_kernel(name, values):
    model, kernel = network(), shared_kernels.kernel("no bias")
    params = dict(model.named_parameters())
    theta = kernel.pack({key: value.detach() for key, value in params.items()})
    entry, exact = optimizers.chosen(name, values)
    data = INPUTS.numpy(), TARGETS.numpy()
    expected = kernel_counterterms(kernel, entry.rule(**entry.complete(exact)), theta, 2, data)
    rows = eomsym.torch.counterterms(loss_of(model), params, 2, optimizer=name, smooth="ignore", **values)
    for row, wanted in zip(rows, expected, strict=True):
        found = kernel.pack({key: value.detach() for key, value in row.items()})
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10 * np.abs(wanted).max())


def rule_run(name, values, model, steps, eta):
    """The same steps by the rule."""
    params = dict(model.named_parameters())
    start = torch.cat([value.detach().reshape(-1) for value in params.values()])
    shapes = tuple(tuple(value.shape) for value in params.values())
    entry, exact = optimizers.chosen(name, values)
    numbers = {key: float(value) for key, value in entry.complete(exact).items()}
    entry, loss = entry.on(Blocks(shapes)), loss_of(model)

    def slope(point, field=0):
        return torch.func.grad(lambda at: loss(dict(zip(params, Blocks(shapes).split(at), strict=True))))(point)

    state = entry.initial_state(start, slope, **numbers)
    for _ in range(steps):
        state = entry.run(slope, state, eta, **numbers)
    return state[0].numpy()


def real_run(optimizer, model, steps, clip=None):
    loss, params = loss_of(model), dict(model.named_parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        loss(params).backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(params.values(), clip)
        optimizer.step()
    return flat(params.values())


@pytest.mark.parametrize("clip", [0.05, 100.0])
def test_adamw_with_clipping_step_for_step(clip):
    values = {"clip_norm": clip, "clip_epsilon": 1e-6}
    expected = rule_run("adamw(clipped=yes)", values, network(), 25, 0.01)
    model = network()
    found = real_run(torch.optim.AdamW(model.parameters(), lr=0.01), model, 25, clip)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    other = rule_run("adamw(clipped=yes)", {**values, "clip_norm": 0.07}, network(), 25, 0.01)
    assert clip > 1 or np.abs(found - other).max() > 1e-8  # Adam forgets the size of g, but for ε


def test_muon_is_pytorch_s_but_for_its_half_precision():
    """PyTorch iterates in bfloat16, whose numbers are 4e-3 apart; the rule in the precision of the parameters."""
    expected = rule_run("torch.Muon()", {}, network(), 10, 0.02)
    model = network()
    found = real_run(torch.optim.Muon(model.parameters(), lr=0.02), model, 10)
    moved = np.linalg.norm(expected - flat(network().parameters()))
    assert np.linalg.norm(found - expected) < 0.02 * moved
    plain = rule_run("muon", {"nesterov": False, "decay": "1/10", "decoupled_decay": True}, network(), 10, 0.02)
    assert np.linalg.norm(found - plain) > 2 * np.linalg.norm(found - expected)


def test_muon_s_object_is_followed_by_its_rule():
    """The steps of the object itself have no derivatives, in bfloat16."""
    model = network()
    training = eomsym.Training(
        (model, lambda outputs, targets: 0.5 * ((outputs - targets) ** 2).sum(dim=1).mean()),
        (INPUTS, TARGETS),
        torch.optim.Muon(model.parameters(), lr=0.01),
    )
    errors = eomsym.follow(training, 8, after=5).errors
    assert errors[0] > 3 * errors[1] > 9 * errors[2]
