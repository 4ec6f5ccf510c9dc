"""A network's outputs and their slopes in NumPy, against the loss and the gradient of generated kernels."""

import high_precision
import numpy as np
import pytest
import shared_kernels
from scipy.special import log_softmax, softmax

from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.models.outputs import outputs_along


@pytest.mark.parametrize("name", shared_kernels.ACCURACY)
def test_the_loss_of_the_outputs_is_that_of_the_kernel(name):
    kernel = shared_kernels.kernel(name)
    model, (theta, inputs, targets) = kernel.model, high_precision.problem(kernel.model, 9)
    direction = np.random.default_rng(3).standard_normal(model.size)
    outputs, slopes = outputs_along(model, theta, direction, inputs)
    if model.loss == "mse":
        losses, back = ((outputs - targets) ** 2).sum(axis=1) / 2, outputs - targets
    else:
        losses = -log_softmax(outputs, axis=1)[np.arange(9), targets]
        back = softmax(outputs, axis=1) - np.eye(model.layers[-1])[targets]
    decay = model.weight_decay
    assert losses.mean() + decay / 2 * theta @ theta == pytest.approx(kernel.loss(theta, inputs, targets), rel=1e-13)
    slope = (back * slopes).sum(axis=1).mean() + decay * theta @ direction
    assert slope == pytest.approx(kernel.gradient(theta, inputs, targets) @ direction, rel=1e-12)


def test_normalisation_is_refused():
    model = MLP([2, 3, 2], normalization="batch")
    with pytest.raises(InputError, match="normalization 'batch': outputs are of networks without"):
        outputs_along(model, model.initial(0), model.initial(1), np.ones((4, 2)))
