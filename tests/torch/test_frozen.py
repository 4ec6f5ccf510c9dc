"""Frozen parameters and hooks: held and run as a loop of PyTorch holds and runs them, or refused by name."""

import asking
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402
from torch.optim.lr_scheduler import StepLR  # noqa: E402

import eomsym  # noqa: E402
import eomsym.torch  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.models import MLP  # noqa: E402
from eomsym.torch import counterterms, lookahead_field, traced  # noqa: E402

INPUTS, TARGETS = (torch.randn(20, k, generator=torch.manual_seed(0)).double() for k in (3, 2))
SHARES = torch.linspace(0.2, 1.7, 8).double().reshape(2, 4)


def scaled(module, inputs, output):
    return 1.1 * output


def bent(gradient):
    return SHARES * (gradient + 0.3 * gradient**2)


def network():
    """A backbone that is frozen and has a forward hook, and a head whose gradient passes a hook."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    net[0].requires_grad_(False).register_forward_hook(scaled)
    net[2].weight.register_hook(bent)
    return net


def loss_of(net):
    return lambda p: (torch.func.functional_call(net, p, (INPUTS,)).tanh() - TARGETS).square().mean()


def flat(parts):
    return torch.cat([part.detach().reshape(-1) for part in parts]).numpy()


MAKE = {
    "SGD": lambda parts: torch.optim.SGD(parts, 0.1, momentum=0.9),
    "AdamW": lambda parts: torch.optim.AdamW(parts, 0.01, weight_decay=0.3),
    "SGD of the head": lambda parts: torch.optim.SGD([part for part in parts if part.requires_grad], 0.1),
}


@pytest.mark.parametrize("name", MAKE)
def test_follow_makes_the_steps_of_the_plain_loop(name):
    net, other = network(), network()
    params = dict(net.named_parameters())
    found = asking.follow(loss_of(net), params, None, 10, optimizer=MAKE[name](net.parameters()), orders=(2,), after=2)
    optimizer = MAKE[name](other.parameters())
    for _ in range(12):
        optimizer.zero_grad()
        loss_of(other)(dict(other.named_parameters())).backward()
        optimizer.step()
    np.testing.assert_allclose(found.iterates[-1], flat(other.parameters()), rtol=1e-12, atol=1e-14)
    assert np.all(found.iterates[:, :16] == found.iterates[0, :16]), "the backbone"
    assert found.errors[2] < 1e-2


def own_gradient(net, point):
    """The gradient of PyTorch's own backward, hooks and all, at other parameters; zero for what has none."""
    parts = list(net.parameters())
    with torch.no_grad():
        for part, value in zip(parts, point, strict=True):
            part.copy_(value)
    net.zero_grad()
    loss_of(net)(dict(net.named_parameters())).backward()
    return [torch.zeros_like(part) if part.grad is None else part.grad.clone() for part in parts]


def map_logarithm(net, point, order, step):
    """Rows by the differences of real iterates of descent, from gradients alone: one value of η is enough of them."""
    states = [point]
    for _ in range(order + 1):
        slopes = own_gradient(net, states[-1])
        states.append([part - step * slope for part, slope in zip(states[-1], slopes, strict=True)])
    rows = [flat(state) for state in states]
    return -sum((-1) ** (n + 1) / n * np.diff(rows, n, axis=0)[0] for n in range(1, order + 2)) / step


def test_counterterms_are_those_of_the_differences_of_the_loops_own_gradients():
    net = network()
    point = [part.detach().clone() for part in net.parameters()]
    rows = counterterms(loss_of(net), dict(net.named_parameters()), 6)
    step, order = 0.05, 6
    field = sum(step**k * flat(row.values()) for k, row in enumerate(rows))
    wanted = map_logarithm(net, point, order + 3, step)
    assert np.all(field[:16] == 0)
    np.testing.assert_allclose(field, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())


@pytest.mark.parametrize("optimizer", ["torch.AdamW(eps=0.001)", "torch.SGD(momentum=0.9, weight_decay=0.1)"])
def test_rules_with_memory_and_decay_hold_what_is_frozen(optimizer):
    net = network()
    params, held = dict(net.named_parameters()), net[0]
    rows = counterterms(loss_of(net), params, 2, optimizer=optimizer)
    head = {name: part for name, part in params.items() if name[0] == "2"}
    fixed = {f"0.{name}": part.detach() for name, part in held.named_parameters()}
    alone = counterterms(lambda p: loss_of(net)({**fixed, **p}), head, 2, optimizer=optimizer)
    for row, other in zip(rows, alone, strict=True):
        assert not row["0.weight"].any()
        assert not row["0.bias"].any()
        for name, part in other.items():
            torch.testing.assert_close(row[name], part, rtol=1e-12, atol=0)


def test_a_traced_loss_sees_held_values_that_change_in_place_or_are_replaced():
    net = network()
    params, once = dict(net.named_parameters()), traced(loss_of(net))

    def replaced():
        net[0].weight.data = torch.ones(4, 3).double()

    for change in (lambda: None, lambda: net[0].weight.data.mul_(1.5), replaced):
        change()
        for row, other in zip(counterterms(once, params, 1), counterterms(loss_of(net), params, 1), strict=True):
            assert all(torch.equal(row[name], other[name]) for name in params)
    params["2.weight"].register_hook(lambda gradient: 0.5 * gradient)
    row, other = (counterterms(loss, params, 0)[0] for loss in (once, loss_of(net)))
    assert torch.equal(row["2.weight"], other["2.weight"])


def test_data_in_batches_with_a_frozen_backbone():
    net = network()
    params = dict(net.named_parameters())

    def of_data(p, data):
        return (torch.func.functional_call(net, p, (data[0],)).tanh() - data[1]).square().mean()

    whole = counterterms(loss_of(net), params, 2)
    net[2].weight._backward_hooks.clear()  # a hook that is not linear is none of a mean over batches
    plain = counterterms(loss_of(net), params, 2)
    parts = counterterms(of_data, params, 2, data=(INPUTS, TARGETS), batch_size=8)
    assert not torch.equal(whole[1]["2.weight"], plain[1]["2.weight"])
    torch.testing.assert_close(parts, plain, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("optimizer", ["gradient-descent", "heavy-ball"])
def test_the_look_ahead_field_holds_what_is_frozen(optimizer):
    net = network()
    net[2].weight._backward_hooks.clear()
    params = dict(net.named_parameters())
    found = lookahead_field(torch.func.grad(loss_of(net)), params, 0.1, 2, optimizer=optimizer)
    field = found if optimizer == "gradient-descent" else found[0]
    assert field.keys() == params.keys()
    assert not field["0.weight"].any()
    if optimizer == "gradient-descent":
        wanted = map_logarithm(net, [part.detach().clone() for part in params.values()], 2, 0.1)
        np.testing.assert_allclose(flat(field.values()), -wanted, atol=1e-13)


def test_drift_moves_what_moves():
    net = network()
    params = dict(net.named_parameters())
    with pytest.raises(InputError, match=r"a leaf has a hook of register_hook.*remove it"):
        asking.drift(loss_of(net), "norm2", params, 0.1, order=1)
    net[2].weight._backward_hooks.clear()
    found = asking.drift(loss_of(net), lambda p: p["0.weight"].square().sum() + p["2.bias"].sum(), params, 0.1, order=1)
    gradient = own_gradient(net, [part.detach().clone() for part in net.parameters()])
    assert found.rows[0] == pytest.approx(-float(gradient[3].sum()), rel=1e-12)


def test_exact_terms_of_a_tracker_hold_what_is_frozen():
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    names = [name for name, _ in net.named_parameters()]

    def exact(parts):
        return loss_of(net)(dict(zip(names, parts, strict=True)))

    with eomsym.torch.track(optimizer, order=1, every=10, exact=exact) as run:
        for _ in range(10):
            optimizer.zero_grad()
            loss_of(net)(dict(net.named_parameters())).backward()
            optimizer.step()
    rows = [flat(row.values()) for row in counterterms(loss_of(net), dict(net.named_parameters()), 1)]
    share = 0.05 * np.linalg.norm(rows[1]) / np.linalg.norm(rows[0])
    assert run.measurements[-1].terms[1] == pytest.approx(share, rel=1e-12)
    optimizer.register_step_pre_hook(lambda *call: None)
    with eomsym.torch.track(optimizer, order=1, every=10, exact=exact) as run:
        for _ in range(10):
            optimizer.step()
    assert "no exact terms" in run.problems[0]


def attach_scheduler(net, optimizer):
    StepLR(optimizer, 3)


def replace_step(net, optimizer):
    optimizer.step = lambda: None


REFUSED = {
    r"params: a leaf of shape \(2,\) has a hook of register_post_accumulate": lambda net, optimizer: net[
        2
    ].bias.register_post_accumulate_grad_hook(lambda part: None),
    "a hook of its step, .*lambda": lambda net, optimizer: optimizer.register_step_pre_hook(lambda *call: None),
    "a hook of its step, print": lambda net, optimizer: optimizer.register_step_post_hook(print),
    "has a scheduler of its learning rate": attach_scheduler,
    "its step was replaced": replace_step,
    "a hook of register_hook makes another kind of its gradient": lambda net, optimizer: net[2].bias.register_hook(
        lambda gradient: gradient.float()
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_follow_refuses_by_name_what_it_cannot_run(message):
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    REFUSED[message](net, optimizer)
    with pytest.raises(InputError, match=message):
        asking.follow(loss_of(net), dict(net.named_parameters()), None, 5, optimizer=optimizer)


def test_counterterms_refuse_by_name_what_they_cannot_run():
    net = network()
    net[2].bias.register_post_accumulate_grad_hook(lambda part: None)
    with pytest.raises(InputError, match=r"leaf of shape \(2,\) has a hook of register_post_accumulate"):
        counterterms(loss_of(net), dict(net.named_parameters()), 1)


def test_a_kernel_is_of_a_network_that_moves_as_a_whole():
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    net[0].bias.requires_grad_(False)
    with pytest.raises(InputError, match=r"some of its parameters are frozen.*eomsym\.torch\.counterterms"):
        MLP.from_torch(net)
    assert MLP.from_torch(net.requires_grad_(False)).layers == (3, 4, 2)
    net.requires_grad_()[2].bias.register_hook(bent)
    with pytest.raises(InputError, match=r"module 2 \(Linear\): has a hook"):
        MLP.from_torch(net)
    with pytest.raises(InputError, match=r"module 0 \(Linear\): has a hook"):
        MLP.from_torch(network().requires_grad_())


class Halved(torch.optim.SGD):
    """Keeps a number, a function, the parameters themselves and a mask for each of them as attributes."""

    def __init__(self, parts, lr):
        parts = list(parts)
        super().__init__(parts, lr)
        self.half, self.of, self.parts = 0.5, lambda value: value, parts
        self.masks = {part: torch.full_like(part, 0.5) for part in parts}

    @torch.no_grad()
    def step(self, closure=None):
        for part in self.parts:
            part.add_(self.of(self.masks[part] * part.grad), alpha=-self.half * self.param_groups[0]["lr"])


class Counting(Halved):
    def step(self, closure=None):
        super().step()
        self.count = getattr(self, "count", 0) + 1


class Remembering(Halved):
    def step(self, closure=None):
        super().step()
        self.masks[self.parts[0]].mul_(0.9)


class Wrapping(Halved):
    """Its memory is that of another optimiser within."""

    def __init__(self, parts, lr):
        super().__init__(parts, lr)
        self.base = torch.optim.SGD(self.parts, lr, momentum=0.9)

    def step(self, closure=None):
        self.base.step()


class InItsGroup(Halved):
    def step(self, closure=None):
        super().step()
        self.param_groups[0]["k"] = self.param_groups[0].get("k", 0) + 1


class Closing(Halved):
    def step(self, closure):
        closure()


def followed(kind, **attributes):
    net = network().requires_grad_()
    optimizer = kind(net.parameters(), 0.1)
    vars(optimizer).update(attributes)
    return net, optimizer, asking.follow(loss_of(net), dict(net.named_parameters()), None, 5, optimizer=optimizer)


def test_attributes_of_an_own_optimizer_are_copied_with_it():
    net, optimizer, found = followed(Halved)
    for _ in range(5):
        optimizer.zero_grad()
        loss_of(net)(dict(net.named_parameters())).backward()
        optimizer.step()
    np.testing.assert_allclose(found.iterates[-1], flat(net.parameters()), rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        (Counting, {}, "count is another after each step, and no part of its state"),
        (Remembering, {}, "masks is another after each step"),
        (Wrapping, {}, "base is another after each step"),
        (InItsGroup, {}, "k of group 0 is another after each step"),
        (Closing, {}, r"optimizer Closing: its step fails on a copy \(TypeError: .*closure"),
        (Halved, {"log": open}, None),
        (Halved, {"rows": (row for row in ())}, "its attribute rows cannot be copied"),
    ],
)
def test_what_an_own_optimizer_remembers_outside_of_its_state_is_refused(kind, attributes, message):
    if message is None:
        assert followed(kind, **attributes)[2].errors
        return
    with pytest.raises(InputError, match=message):
        followed(kind, **attributes)
