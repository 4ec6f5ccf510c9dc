"""Schedules, lists of losses and of fields in PyTorch: the kernels' terms; schedulers beside the real objects."""

from __future__ import annotations

import numpy as np
import pytest
from sample_quartic import THETA, SampleQuartic, samples

torch = pytest.importorskip("torch")
lr = pytest.importorskip("torch.optim.lr_scheduler")

import eomsym.torch  # noqa: E402
from eomsym.dynamics.loop_kernel import LoopKernel  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.optimizers import from_torch, rounds  # noqa: E402
from eomsym.optimizers.batches import cut  # noqa: E402
from eomsym.optimizers.loop import loop_of  # noqa: E402
from eomsym.schedules import from_torch_scheduler  # noqa: E402

SCHEDULE = "cosine(2, warmup=0.5)"


def loss(data):
    a, b, c, d = torch.tensor(data.T)

    def value(w):
        x, y = w
        return torch.mean(x**4 / 4 + a * x * y**2 / 3 + (1 + b**2) * x**2 + 3 * y**2 / 4 + c * x + d * y)

    return value


@pytest.mark.parametrize("as_fields", [False, True])
@pytest.mark.parametrize("count", [1, 4])
def test_terms_are_those_of_the_kernels(count, as_fields):
    data, point = samples(8), torch.tensor(THETA)
    losses = [loss(part) for part in np.split(data, count)]
    models = (None, {"field": [torch.func.grad(one) for one in losses]}) if as_fields else (losses, {})
    rows = eomsym.torch.counterterms(
        models[0],
        point,
        3,
        optimizer="heavy-ball",
        beta="9/10",
        schedule=SCHEDULE,
        tau=0.7,
        visits="palindrome",
        **models[1],
    )
    loop = loop_of("heavy-ball", SCHEDULE, cut(8, 8 // count, order="palindrome"), beta="9/10")
    wanted = LoopKernel(SampleQuartic(), loop).counterterms(np.append(THETA, 0.7), data, order=3)[:, :2]
    np.testing.assert_allclose(np.array([row.numpy() for row in rows]), wanted, rtol=1e-9, atol=1e-10)


def test_workers_of_rounds_take_a_loss_each():
    rule, data = rounds("heavy-ball", 2, "nesterov", control_variates=True), samples(8)
    values = {"local_steps": 3, "beta": "1/2", "outer_beta": "1/2", "outer_rate": "2/3"}
    losses = [loss(part) for part in np.split(data, 2)]
    rows = eomsym.torch.counterterms(losses, torch.tensor(THETA), 2, optimizer=rule, **values)
    found = LoopKernel(SampleQuartic(), loop_of(rule, **values))
    wanted = found.counterterms(np.append(THETA, 0.0), data, order=2)[:, :2]
    np.testing.assert_allclose(np.array([row.numpy() for row in rows]), wanted, rtol=1e-9)
    with pytest.raises(InputError, match="losses: 4 given, rounds-2-heavy-ball"):
        eomsym.torch.counterterms(losses * 2, torch.tensor(THETA), 2, optimizer=rule, **values)


def two(optimizer):
    return [lr.LinearLR(optimizer, start_factor=0.1, total_iters=10), lr.CosineAnnealingLR(optimizer, 40)]


SCHEDULERS = {
    "cosine": lambda o: lr.CosineAnnealingLR(o, 50, eta_min=0.01),
    "exponential": lambda o: lr.ExponentialLR(o, 0.98),
    "linear": lambda o: lr.LinearLR(o, start_factor=0.2, end_factor=0.7, total_iters=20),
    "constant": lambda o: lr.ConstantLR(o, 0.25, 10),
    "polynomial": lambda o: lr.PolynomialLR(o, total_iters=30, power=2.0),
    "steps": lambda o: lr.MultiStepLR(o, [10, 30]),
    "one cycle": lambda o: lr.OneCycleLR(o, 0.1, total_steps=61),
    "one cycle, rate alone": lambda o: lr.OneCycleLR(o, 0.1, total_steps=61, cycle_momentum=False),
    "restarts": lambda o: lr.CosineAnnealingWarmRestarts(o, 15, eta_min=0.02),
    "one after another": lambda o: lr.SequentialLR(o, two(o), [10]),
    "product": lambda o: lr.ChainedScheduler([lr.LinearLR(o, 0.1, total_iters=10), lr.ExponentialLR(o, 0.97)]),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_are_read_as_they_run(name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = SCHEDULERS[name](optimizer)
    eta, schedules = from_torch_scheduler(scheduler)
    for number in range(55):
        group = optimizer.param_groups[0]
        assert group["lr"] == pytest.approx(eta * schedules["eta"](number * eta), rel=1e-12, abs=1e-16)
        if "beta" in schedules:
            assert group["momentum"] == pytest.approx(schedules["beta"](number * eta), rel=1e-12)
        optimizer.step()
        scheduler.step()


RUNS = {
    "torch.SGD(momentum=0.9, nesterov=True)": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "torch.Adam()": lambda p: torch.optim.Adam(p, lr=0.02),
    "torch.AdamW()": lambda p: torch.optim.AdamW(p, lr=0.02),
    "torch.RMSprop()": lambda p: torch.optim.RMSprop(p, lr=0.02),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_are_those_of_the_real_objects(name):
    """Three batches, warm-up and cosine, decay beside the step included, at the defaults of PyTorch."""
    data, params = samples(9), torch.nn.Parameter(torch.tensor(THETA))
    optimizer = RUNS[name]([params])
    scheduler = lr.SequentialLR(optimizer, two(optimizer), [10])
    eta, schedules = from_torch_scheduler(scheduler)
    losses = [loss(part) for part in np.split(data, 3)]
    for number in range(45):
        optimizer.zero_grad()
        losses[number % 3](params).backward()
        optimizer.step()
        scheduler.step()
    kernel = LoopKernel(SampleQuartic(), loop_of(name, schedules, cut(9, 3)))
    end = kernel.run(np.append(THETA, 0.0), eta, 15, (data,)).theta[:2]
    np.testing.assert_allclose(end, params.detach().numpy(), rtol=1e-11)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lr.ReduceLROnPlateau, "losses of the run"),
        (lambda o: lr.LambdaLR(o, lambda n: 1.0), "Python function"),
        (lambda o: lr.StepLR(o, 3), "MultiStepLR"),
        (lambda o: lr.CosineAnnealingWarmRestarts(o, 3, T_mult=2), "T_mult"),
        (lambda o: lr.OneCycleLR(o, 0.1, total_steps=9, anneal_strategy="linear"), "anneal_strategy"),
        (lambda o: object(), "no scheduler"),
        (lambda o: lr.ChainedScheduler([lr.ExponentialLR(o, 0.9), lr.CosineAnnealingLR(o, 9, 0.1)]), "no factor"),
        (lambda o: lr.ChainedScheduler([lr.ExponentialLR(o, 0.9), lr.CosineAnnealingWarmRestarts(o, 9)]), "no factor"),
        (lambda o: lr.ExponentialLR(o, 0.0), "gamma"),
        (lambda o: lr.ExponentialLR(torch.optim.ASGD(o.param_groups[0]["params"]), 0.9), "one step late"),
        (lambda o: lr.OneCycleLR(torch.optim.Adam(o.param_groups[0]["params"]), 0.1, 9), "cycle_momentum=False"),
    ],
)
def test_schedulers_of_another_kind_are_refused_with_the_reason(make, named):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    with pytest.raises(InputError) as caught:
        from_torch_scheduler(make(optimizer))
    assert named in str(caught.value)


def test_a_stepped_scheduler_is_refused():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = lr.ExponentialLR(optimizer, 0.9)
    optimizer.step()
    scheduler.step()
    with pytest.raises(InputError, match="has made 1 step"):
        from_torch_scheduler(scheduler)


def test_rates_that_differ_are_refused():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.1, 0.2)]
    with pytest.raises(InputError, match=r"\[0\.1, 0\.2\]"):
        from_torch_scheduler(lr.ExponentialLR(torch.optim.SGD(groups, lr=0.1), 0.9))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"visits": "reshuffled"}, "mean over all orders"),
        ({"visits": [0.9, 1]}, "not an integer"),
        ({"visits": 2}, "list of integers"),
        ({"schedule": "1 - tau", "tau": 2.0}, "learning rate: -1"),
        ({"schedule": {"beta": "1 + tau"}, "optimizer": "heavy-ball"}, "beta: 1; give one of at least 0 and below 1"),
    ],
)
def test_no_order_and_no_number_is_taken_for_another(options, named):
    losses = [loss(part) for part in np.split(samples(4), 2)]
    with pytest.raises(InputError, match=named):
        eomsym.torch.counterterms(losses, torch.tensor(THETA), 1, **options)


def test_an_optimizer_with_a_scheduler_is_read():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    lr.OneCycleLR(optimizer, 0.1, total_steps=9)
    assert from_torch(optimizer)[0].name == "heavy-ball"


@pytest.mark.parametrize("order", [[0, 1], [1, 0, 0]])
def test_a_memory_that_starts_with_a_gradient_starts_with_that_of_the_first_batch(order):
    """PyTorch's dampening."""
    data, eta = samples(8), 0.05
    whole = torch.nn.Parameter(torch.tensor(THETA))
    optimizer = torch.optim.SGD([whole], lr=eta, momentum=0.5, dampening=0.3)
    for batch in order:
        optimizer.zero_grad()
        loss(np.split(data, 2)[batch])(whole).backward()
        optimizer.step()
    loop = loop_of("torch.SGD(momentum=0.5, dampening=0.3)", None, cut(8, 4, order=order))
    end = LoopKernel(SampleQuartic(), loop).run(np.append(THETA, 0.0), eta, 1, (data,)).theta[:2]
    np.testing.assert_allclose(end, whole.detach().numpy(), rtol=1e-13)


def still_loss(w):
    """A loss that does not see its first parameter."""
    inputs = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, -0.5]], dtype=torch.float64)
    return torch.cosh(inputs @ w + 0.1).mean()


def test_parameters_that_never_move_are_held():
    given = {"optimizer": "adam(corrected=no)", "beta1": "1/3", "beta2": "2/5", "epsilon": "1/10"}
    rows = eomsym.torch.counterterms(still_loss, torch.tensor([0.7, 0.3], dtype=torch.float64), 3, **given)
    alone = eomsym.torch.counterterms(
        lambda w: torch.cosh(torch.tensor([1.0, 2.0, -0.5], dtype=torch.float64) * w + 0.1).mean(),
        torch.tensor([0.3], dtype=torch.float64),
        3,
        **given,
    )
    for row, other in zip(rows, alone, strict=True):
        assert float(row[0]) == 0
        assert float(row[1]) == pytest.approx(float(other[0]), rel=1e-12)


def test_a_component_that_is_zero_at_a_point_alone_is_refused():
    with pytest.raises(InputError, match="a component of g is 0 there, and not around"):
        eomsym.torch.counterterms(
            lambda w: (w**4).sum() + w[0] * (w[1] - 0.5),
            torch.tensor([0.0, 0.5], dtype=torch.float64),
            2,
            optimizer="adam(corrected=no)",
        )


def test_a_component_that_is_zero_along_the_path_never_moves():
    """Though g is not 0 around: w⁴ at 0, and a unit of relu that is dead."""
    alone = eomsym.torch.counterterms(
        lambda w: (w**4).sum(), torch.tensor([0.0, 0.5], dtype=torch.float64)[1:], 2, optimizer="adam"
    )
    rows = eomsym.torch.counterterms(
        lambda w: (w**4).sum(), torch.tensor([0.0, 0.5], dtype=torch.float64), 2, optimizer="adam"
    )
    for row, other in zip(rows, alone, strict=True):
        assert float(row[0]) == 0
        assert float(row[1]) == pytest.approx(float(other[0]), rel=1e-12)
