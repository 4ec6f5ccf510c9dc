"""``eomsym.follow`` on real ``torch.optim`` objects, and the look-ahead field of their rules."""

import copy

import asking
import iris
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.nn import functional  # noqa: E402

import eomsym  # noqa: E402
import eomsym.torch  # noqa: E402
from eomsym.errors import InputError  # noqa: E402

INPUTS, LABELS = map(torch.from_numpy, iris.data())


def loss(params):
    hidden = functional.gelu(INPUTS @ params["first"] + params["first_bias"])
    return functional.cross_entropy(hidden @ params["last"] + params["last_bias"], LABELS)


def parameters(theta):
    return {name: torch.from_numpy(part).requires_grad_() for name, part in iris.named(theta).items()}


def flat(params):
    return torch.cat([params[name].detach().reshape(-1) for name in iris.SIZES]).numpy()


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_real_momentum_from_rest(fraction):
    theta, curvature = iris.trained()
    params = parameters(theta)
    optimizer = torch.optim.SGD(params.values(), lr=fraction / curvature, momentum=0.9)
    found = asking.follow(loss, params, None, 40, optimizer=optimizer, orders=(2, 4))
    assert found.errors[4] <= 1e-6
    assert found.errors[2] <= 2e-5
    for _ in range(40):
        optimizer.zero_grad()
        loss(params).backward()
        optimizer.step()
    np.testing.assert_allclose(found.iterates[-1], flat(params), rtol=1e-11)


def test_real_adam_at_its_defaults():
    params = parameters(iris.fresh())
    optimizer = torch.optim.Adam(params.values(), lr=1e-3)
    found = asking.follow(loss, params, None, 200, optimizer=optimizer, orders=(2, 4), after=5)
    assert found.errors[2] <= 2e-5
    assert found.errors[4] <= 1e-6


OBJECTS = {
    "torch.Adam()": lambda tensors: torch.optim.Adam(tensors, lr=1e-3),
    "torch.AdamW(weight_decay=0.1)": lambda tensors: torch.optim.AdamW(tensors, lr=1e-3, weight_decay=0.1),
    "torch.NAdam()": lambda tensors: torch.optim.NAdam(tensors, lr=1e-3),
    "torch.RMSprop()": lambda tensors: torch.optim.RMSprop(tensors, lr=1e-3),
    "torch.Adagrad()": lambda tensors: torch.optim.Adagrad(tensors, lr=1e-3),
    "torch.SGD(momentum=0.9, nesterov=True)": lambda tensors: torch.optim.SGD(
        tensors, lr=1e-3, momentum=0.9, nesterov=True
    ),
    "torch.SGD(momentum=0.9, dampening=0.5)": lambda tensors: torch.optim.SGD(
        tensors, lr=1e-3, momentum=0.9, dampening=0.5
    ),
}


@pytest.mark.parametrize("text", OBJECTS)
def test_the_rule_on_a_kernel_and_the_object_have_the_same_errors(text):
    params = parameters(iris.fresh())
    optimizer = OBJECTS[text](params.values())
    real = asking.follow(loss, params, None, 10, optimizer=optimizer, orders=(0, 1), after=5)
    rule = asking.follow(iris.kernel(), iris.fresh(), 1e-3, 10, *iris.data(), optimizer=text, orders=(0, 1), after=5)
    np.testing.assert_allclose(real.iterates[:, :36], rule.iterates[:, :36], rtol=1e-9)
    # Bias corrections: the object counts steps, the rule keeps powers of β.  It is one map in two coordinates, in which
    # a sum that ends is not the same, at its order.
    nearly = 3 if "Adam" in text else 1 + 1e-4
    for order in (0, 1):
        assert 1 / nearly < real.errors[order] / rule.errors[order] < nearly
    assert real.optimizer == text.partition("(")[0]
    assert real.eta == 1e-3


def test_the_object_is_not_touched_and_what_it_has_gathered_is_the_start():
    params = parameters(iris.fresh())
    optimizer = torch.optim.Adam(params.values(), lr=1e-3)
    for _ in range(5):
        optimizer.zero_grad()
        loss(params).backward()
        optimizer.step()
    before = copy.deepcopy((optimizer.state_dict(), params))
    found = asking.follow(loss, params, 1e-3, 10, optimizer=optimizer, orders=[1])
    fresh = parameters(iris.fresh())
    whole = asking.follow(
        loss, fresh, None, 10, optimizer=torch.optim.Adam(fresh.values(), lr=1e-3), orders=[1], after=5
    )
    assert found.errors[1] == pytest.approx(whole.errors[1], rel=1e-5)
    state, values = before
    assert str(state) == str(optimizer.state_dict())
    assert all(torch.equal(values[name], params[name]) for name in values)


def test_groups_in_another_order_and_with_other_rates():
    params = parameters(iris.fresh())
    groups = [{"params": [params["last"], params["last_bias"]], "lr": 0.02}, {"params": [params["first"]]}]
    optimizer = torch.optim.SGD([*groups, {"params": [params["first_bias"]]}], lr=0.01, momentum=0.9)
    found = asking.follow(loss, params, None, 10, optimizer=optimizer, orders=[4])
    assert found.eta == 0.02  # of the fastest group; the head says what the others have of it
    assert ("eta_factor[group 1]", "1/2") in found.training.parameters
    assert "eta_factor[group 1] = 1/2" in str(found)
    assert found.errors[4] < 1e-4


def test_what_only_exists_after_the_first_step():
    params = parameters(iris.fresh())
    make = OBJECTS["torch.SGD(momentum=0.9, dampening=0.5)"]
    with pytest.raises(InputError, match=r"after 0: a part of the state.*give at least 1"):
        asking.follow(loss, params, None, 10, optimizer=make(params.values()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda tensors: torch.optim.Adam(tensors, amsgrad=True),
            r"torch\.Adam: no equation of motion, it keeps the maximum",
        ),
        (torch.optim.Rprop, r"torch\.Rprop: no equation of motion, the sign of g jumps"),
        (torch.optim.LBFGS, r"torch\.LBFGS: no equation of motion"),
        (lambda tensors: torch.optim.SGD(tensors, lr=0.1, momentum=1.5), r"momentum = 1\.5; give 0 <= momentum < 1"),
        (lambda tensors: torch.optim.SGD([torch.zeros(3)], lr=0.1), r"shapes \[\(3,\)\].*make it for these params"),
        (lambda tensors: torch.optim.SGD(tensors, lr=0.2), r"eta 0\.1: the optimizer's own is 0\.2; give None"),
    ],
)
def test_what_is_not_smooth_or_does_not_fit_is_refused(make, message):
    params = parameters(iris.fresh())
    with pytest.raises(InputError, match=message):
        asking.follow(loss, params, 0.1 if "own is" in message else None, 10, optimizer=make(list(params.values())))


def test_data_in_single_precision_are_told_of():
    params = [torch.zeros(3, requires_grad=True)]
    single = torch.ones(5, 3)
    with pytest.raises(InputError, match=r"loss_fn: params are float64 here, make its data float64 too .*dtype"):
        asking.follow(lambda p: (single @ p[0]).sum(), params, None, 10, optimizer=torch.optim.SGD(params, lr=0.1))


def test_surplus_arguments_are_refused():
    params = parameters(iris.fresh())
    optimizer = OBJECTS["torch.Adam()"](params.values())
    with pytest.raises(InputError, match="beta: beside a real optimizer"):
        asking.follow(loss, params, None, 10, optimizer=optimizer, beta=0.5)
    with pytest.raises(
        InputError,
        match=r"data: .*called as loss_fn\(params, data\), which it does not take",
    ):
        asking.follow(loss, params, None, 10, INPUTS, optimizer=optimizer)


def quartic(params):
    return params["a"].pow(4).sum() / 4 + (params["a"][0] * params["b"]).pow(2).sum()


POINT = {"a": torch.tensor([0.5, -1.0], dtype=torch.float64), "b": torch.tensor([[0.7]], dtype=torch.float64)}


@pytest.mark.parametrize("order", [0, 1, 3])
def test_the_field_of_the_whole_state_of_heavy_ball_by_hand(order):
    gradient = torch.func.grad(quartic)
    velocity = {name: 0.3 * value for name, value in POINT.items()}
    found, along = eomsym.torch.lookahead_field(
        gradient, POINT, 0.05, order, optimizer="heavy-ball", beta=0.9, state=(velocity,)
    )
    point, speed = dict(POINT), dict(velocity)
    states = [(point, speed)]
    for _ in range(order + 1):
        slope = gradient(point)
        speed = {name: 0.9 * speed[name] + slope[name] for name in speed}
        point = {name: point[name] - 0.05 * speed[name] for name in speed}
        states.append((point, speed))
    for which, wanted in ((0, found), (1, along)):
        for name, like in POINT.items():
            rows = np.array([state[which][name].numpy() for state in states])
            total = sum((-1) ** (n + 1) / n * np.diff(rows, n, axis=0)[0] for n in range(1, order + 2))
            np.testing.assert_allclose(wanted[name].numpy(), total / 0.05, rtol=1e-9)
            assert wanted[name].shape == like.shape


def test_without_a_state_it_is_the_one_before_the_first_step():
    gradient = torch.func.grad(quartic)
    theta, mean, square, *faded = eomsym.torch.lookahead_field(gradient, POINT, 1e-3, 0, optimizer="torch.Adam()")
    torch.testing.assert_close(theta["a"], -torch.sign(gradient(POINT)["a"]), rtol=1e-6, atol=0)
    torch.testing.assert_close(mean["b"], 0.1 * gradient(POINT)["b"] / 1e-3)
    assert square["a"].shape == (2,)
    assert [part.shape for part in faded] == [(1,), (1,)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": (POINT, POINT)}, "2 parts given; heavy-ball has 1: velocity"),
        ({"state": ({"a": POINT["a"]},)}, r"velocity has shape \(2,\); heavy-ball keeps one of \(3,\)"),
        ({"beta": 1}, "beta = 1: out of range"),
        ({"optimizer": "simultaneous-players"}, "gradients of batches or players"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        eomsym.torch.lookahead_field(torch.func.grad(quartic), POINT, 0.1, 2, **{"optimizer": "heavy-ball", **options})


@pytest.mark.parametrize("part", ["dropout", "samples"])
def test_a_loss_that_is_drawn_anew_is_refused(part):
    params = parameters(iris.fresh())

    def random_loss(these):
        chosen = torch.randperm(len(INPUTS))[:32] if part == "samples" else slice(None)
        hidden = functional.gelu(INPUTS[chosen] @ these["first"] + these["first_bias"])
        hidden = functional.dropout(hidden, 0.1) if part == "dropout" else hidden
        return functional.cross_entropy(hidden @ these["last"] + these["last_bias"], LABELS[chosen])

    optimizer = torch.optim.SGD(params.values(), lr=0.01, momentum=0.9)
    with pytest.raises(InputError, match="two values at one point differ, so the loss is random"):
        asking.follow(random_loss, params, None, 20, optimizer=optimizer, orders=(0,))


def test_a_module_with_momentum_and_a_cosine_schedule_is_followed_as_a_plain_loop_runs():
    """As docs/questions.md shows it: the run made here is the user's own, to round-off."""
    torch.manual_seed(0)
    x, y = torch.randn(64, 8), torch.randint(10, (64,))
    network = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 10)).double()
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=100)
    run = eomsym.follow(eomsym.Training((network, criterion), (x, y), optimizer, schedule=scheduler), 100)
    for _ in range(100):
        optimizer.zero_grad()
        criterion(network(x.double()), y).backward()
        optimizer.step()
        scheduler.step()
    end = torch.cat([weight.detach().flatten() for weight in network.parameters()]).numpy()
    np.testing.assert_allclose(run.iterates[-1], end, rtol=0, atol=1e-13)
    assert run.errors[0] > 5 * run.errors[1] > 25 * run.errors[2]
