"""Errors of the equation of motion along real paths of a convolutional network and a transformer: slopes N + 1."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402

import eomsym.torch  # noqa: E402
from eomsym.dynamics.integration import integrate_vector  # noqa: E402

RANDOM = np.random.default_rng(3)
IMAGES, WORDS, TARGETS = (torch.from_numpy(RANDOM.standard_normal(s)) for s in ((3, 1, 6, 6), (3, 2, 4), (3, 2)))
#: Highest order, and the term that the control leaves out.
HIGHEST, DROPPED = 3, 2


class Transformer(nn.Module):
    """One layer of attention and a perceptron, with layer norm."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 1, 4, dropout=0.0, activation="gelu", batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.layer(x).mean(1))


NETWORKS = {
    "cnn": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 2)),
        IMAGES,
    ),
    "transformer": (Transformer, WORDS),
}


class Path:
    """A network on its data: the run of gradient descent, and the flow of fields, as vectors."""

    def __init__(self, make, x):
        torch.manual_seed(0)
        module = make().double()
        self.shapes = {name: value.shape for name, value in module.named_parameters()}
        self.start = torch.cat([value.detach().reshape(-1) for value in module.parameters()])
        self.loss = lambda v: (torch.func.functional_call(module, self.named(v), (x,)) - TARGETS).square().mean()
        self.gradient, self.followed = torch.func.grad(self.loss), eomsym.torch.traced(self.loss)

    def named(self, vector):
        parts = vector.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def curvature(self):
        """The largest eigenvalue of the Hessian, by differences: PyTorch's own need not be right."""
        step = 1e-5
        vector = torch.ones_like(self.start)
        for _ in range(30):
            moved = self.gradient(self.start + step * vector) - self.gradient(self.start - step * vector)
            vector = moved / moved.norm()
        return float(moved.norm() / (2 * step))

    def descended(self, eta, steps):
        end = self.start
        for _ in range(steps):
            end = end - eta * self.gradient(end)
        return end.numpy()

    def moved(self, eta, time, order, dropped=None):
        """Where the equation of motion of an order ends, without one of its terms if that is said."""
        weights = [eta**k * (k != dropped) for k in range(order + 1)]

        def field(v):
            if order == 0:
                return -self.gradient(torch.from_numpy(v)).numpy()
            rows = eomsym.torch.counterterms(self.followed, torch.from_numpy(v), order, check=False)
            return -sum(weight * row for weight, row in zip(weights, rows, strict=True)).numpy()

        return integrate_vector(field, self.start.numpy(), time, 1e-8, 2e-16)


@pytest.mark.parametrize("name", NETWORKS)
def test_slopes_to_order_three(name):
    path = Path(*NETWORKS[name])
    etas = [0.16 / path.curvature(), 0.08 / path.curvature()]
    time = 4 * etas[0]
    errors = []
    for eta in etas:
        end = path.descended(eta, round(time / eta))
        ends = [path.moved(eta, time, order) for order in range(HIGHEST + 1)]
        ends.append(path.moved(eta, time, HIGHEST, DROPPED))
        errors.append([np.linalg.norm(found - end) for found in ends])
    slopes = np.log2(np.array(errors[0]) / errors[1])
    np.testing.assert_allclose(slopes[:-1], [1, 2, 3, 4], atol=0.1)
    assert slopes[-1] == pytest.approx(DROPPED, abs=0.1)
    assert errors[1][HIGHEST] < 1e-3 * errors[1][0]
