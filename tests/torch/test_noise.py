"""Noise of PyTorch modules with real optimisers: the same numbers as on a kernel, and those of real runs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from shared_kernels import kernel  # noqa: E402

import eomsym  # noqa: E402
from eomsym.errors import InputError  # noqa: E402

GENERATOR = np.random.default_rng(7)
INPUTS, TARGETS = GENERATOR.normal(size=(12, 2)), GENERATOR.normal(size=(12, 1))


def module(theta):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)).double()
    parts = theta[:6].reshape(2, 3).T, theta[6:9], theta[9:12].reshape(3, 1).T, theta[12:]
    with torch.no_grad():
        for parameter, part in zip(net.parameters(), parts, strict=True):
            parameter.copy_(torch.tensor(part.copy()))
    return net


@pytest.mark.parametrize(("name", "values"), [("SGD", {"lr": 0.02, "momentum": 0.9}), ("AdamW", {"lr": 0.01})])
def test_the_same_as_on_a_kernel(name, values):
    theta = GENERATOR.normal(size=13) / 2
    net = module(theta)
    half = lambda made, wanted: torch.nn.functional.mse_loss(made, wanted) / 2  # noqa: E731 - as the kernel's
    real = getattr(torch.optim, name)(net.parameters(), **values)
    own = eomsym.Training((net, half), (INPUTS, TARGETS), real, batches=3)
    rule, exact = eomsym.from_torch(getattr(torch.optim, name)(module(theta).parameters(), **values))
    made = eomsym.Training(kernel("tiny"), (INPUTS, TARGETS), (rule, exact), values["lr"], theta=theta, batches=3)
    found, wanted = (eomsym.noise(one, 6, every=2, ensemble=10) for one in (own, made))
    np.testing.assert_allclose(found.traces, wanted.traces, rtol=1e-6)
    np.testing.assert_allclose(found.expected("loss"), wanted.expected("loss"), rtol=1e-9)
    np.testing.assert_allclose(found.ensemble.traces, wanted.ensemble.traces, rtol=1e-8)


def test_batch_normalisation_in_training_mode_is_refused_in_one_line():
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))
    with pytest.raises(InputError, match=r"changes a buffer .* call eval\(\) on the model") as caught:
        eomsym.Training((net, torch.nn.MSELoss()), (INPUTS, TARGETS), "torch.SGD()", 0.01, batches=3)
    assert "\n" not in str(caught.value)
    eomsym.noise(
        eomsym.Training((net.eval(), torch.nn.MSELoss()), (INPUTS, TARGETS), "torch.SGD()", 0.01, batches=3), 2
    )


@pytest.mark.parametrize("reduce", [torch.sum, torch.amax])
def test_losses_that_are_no_means_over_samples_are_refused_in_one_line(reduce):
    def loss(params, data):
        return reduce((data[0] @ params["w"] - data[1]) ** 2)

    data, start = (torch.tensor(INPUTS), torch.tensor(TARGETS)), {"w": torch.full((2, 1), 0.1, dtype=torch.float64)}
    training = eomsym.Training(loss, data, "torch.SGD()", 0.01, theta=start, batches=3)
    with pytest.raises(InputError, match=r"the loss is no mean over its samples.* give a mean") as caught:
        eomsym.noise(training, 2)
    assert "\n" not in str(caught.value)
