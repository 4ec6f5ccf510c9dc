"""Every registered optimiser against its own equation of motion: slopes, predicted errors, and controls that fail.

The fast test takes a loss of two parameters whose field is interpolated from a grid, so that no kernel is compiled; the
slow one generates the kernel of a small network for each.
"""

import numpy as np
import pytest
from asking import verify
from forms import EVERY
from own_rules import POWERS
from second_routes.modified_fields import modified_field_terms

from eomsym import optimizers
from eomsym.models import MLP, Dataset, dataset
from eomsym.verification.verifying import error_exponents

#: Short memories and smooth denominators: the transient is short, and the series converges fast.
MILD = {"beta": "1/4", "beta1": "1/4", "beta2": "1/5", "epsilon": "1/2", "decay": "1/3"}
SAMPLES = Dataset("toy", np.array([[-0.5], [0.2], [0.9], [1.4]]), np.zeros((4, 1)))
START = np.array([1.1, 1.1])
BOX = (-0.1, 1.2)
NODES = 40


class ToyKernel:
    """``ℓ = 4(x + y)/5 + x²/2 + 3y²/5 + c x y/3 + x⁴/8 + c x y²/5``, mean over the samples c.

    The terms of any rule are interpolated from a grid.  No component of the gradient vanishes in the box, where the
    root of an optimiser with ε outside would have a kink.
    """

    size = 2

    def __init__(self, entry, values, order):
        self.order = order
        self._grid = np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
        self._signs = (-1.0) ** np.arange(NODES) * np.sin(np.pi * (np.arange(NODES) + 0.5) / NODES)
        axis = BOX[0] + (BOX[1] - BOX[0]) * (self._grid + 1) / 2
        points = np.concatenate([values.ravel() for values in np.meshgrid(axis, axis, indexing="ij")])
        fields = entry.fields(**values)
        rows = modified_field_terms(
            entry.rule(**values), lambda field, series: self._series(fields[field], series), points, order + 1
        )
        self._table = -np.array(rows).reshape(order + 1, 2, NODES, NODES) / entry.steps(**values)

    @staticmethod
    def _series(field, series):
        samples = SAMPLES.inputs[:, 0]
        if field.kind == "batch":
            samples = np.split(samples, field.count)[field.index]
        along_x, along_y = ToyKernel._along(series, samples.mean())
        if field.kind == "game" or (field.kind == "player" and field.index == 1):
            along_y = -along_y
        if field.kind == "player":
            along_x, along_y = ((along_x, 0 * along_y), (0 * along_x, along_y))[field.index]
        return np.concatenate([along_x, along_y], axis=1)

    def gradient_series(self, series, inputs, targets):
        return np.concatenate(self._along(series, inputs.mean()), axis=1)

    @staticmethod
    def _along(series, c):
        x, y = np.split(series, 2, axis=1)

        def times(a, b):
            return np.array([sum(a[i] * b[k - i] for i in range(k + 1)) for k in range(len(a))])

        along_x = x + c * y / 3 + times(times(x, x), x) / 2 + c * times(y, y) / 5
        along_y = 6 * y / 5 + c * x / 3 + 2 * c * times(x, y) / 5
        along_x[0] += 4 / 5
        along_y[0] += 4 / 5
        return along_x, along_y

    def gradient(self, theta, inputs, targets):
        (x, y), c = theta, inputs.mean()
        along_x = 4 / 5 + x + c * y / 3 + x**3 / 2 + c * y * y / 5
        return np.array([along_x, 4 / 5 + 6 * y / 5 + c * x / 3 + 2 * c * x * y / 5])

    def hessian_vector(self, theta, vector, inputs, targets):
        (x, y), c = theta, inputs.mean()
        mixed = c / 3 + 2 * c * y / 5
        return np.array([[1 + 3 * x * x / 2, mixed], [mixed, 6 / 5 + 2 * c * x / 5]]) @ vector

    def counterterms(self, theta, inputs, targets, order=None):
        assert np.all(np.abs(theta - np.mean(BOX)) < (BOX[1] - BOX[0]) / 2), "the path left the box of interpolation"
        left, right = (self._weights(coordinate) for coordinate in theta)
        terms = self.order + 1 if order is None else order + 1
        return (self._table[:terms] @ right) @ left

    def _weights(self, coordinate):
        distance = 2 * (coordinate - BOX[0]) / (BOX[1] - BOX[0]) - 1 - self._grid
        if np.any(distance == 0):
            return (distance == 0).astype(float)
        weights = self._signs / distance
        return weights / weights.sum()

    def field(self, theta, eta, inputs, targets, order=None):
        rows = self.counterterms(theta, inputs, targets, order)
        return -sum(eta**k * row for k, row in enumerate(rows))


def study(entry, tamper=None, orders=range(4), state="slow"):
    values = entry.complete({p.name: MILD[p.name] for p in entry.parameters if p.name in MILD})
    kernel = ToyKernel(entry, values, max(error_exponents(entry, values, orders).values()))
    if tamper is not None:
        tamper(kernel._table)
    rule, game = entry.rule(**values), entry.fields(**values)[0].kind in ("game", "player")
    # So that the path stays in the box: with momentum it travels during the transient, and a player ascends.
    eta = (0.004 if rule.linear else 0.02) if entry.memory else 0.05 if game else 0.05 / entry.steps(**values)
    theta = np.array([1.1, 0.3]) if game else START
    etas = [eta / 2**k for k in range(4)]
    return verify(entry, None, SAMPLES, orders, etas, theta=theta, kernel=kernel, state=state, **values)


@pytest.mark.parametrize("entry", [*EVERY.values(), *POWERS], ids=lambda entry: entry.name)
def test_slopes_and_predicted_errors(entry):
    found = study(entry)
    assert found.passed, [
        (record.order, record.slope, record.extrapolated_ratio, record.reason) for record in found.orders
    ]
    assert found.start == ("manifold" if entry.memory else "")


@pytest.mark.parametrize("name", ["heavy-ball", "optimistic", "adam"])
def test_an_optimiser_that_begins_with_its_own_memory(name):
    found = study(optimizers.get(name), state="shadow")
    assert found.passed, [(record.order, record.slope, record.reason) for record in found.orders]
    assert found.transient > 0


def test_a_memory_of_zero_is_no_start_on_the_slow_manifold(monkeypatch):
    """Negative control: without the memory that the manifold asks for, order 1 falls like order 0."""
    monkeypatch.setattr("eomsym.verification.measurement.Problem._memory", lambda problem, eta: None)
    record = study(optimizers.get("heavy-ball"), orders=range(1, 2)).orders[0]
    assert 0.8 < record.slope < 1.3


@pytest.mark.parametrize("name", ["heavy-ball", "adam", "random-reshuffling", "implicit-midpoint"])
@pytest.mark.parametrize("order", [0, 2])
def test_a_term_that_is_wrong_by_a_hundredth_is_seen(name, order):
    """Negative control: of the terms kept, the highest that is not zero is 1 % off."""

    def tamper(table):
        table[order] *= 1.01

    record = study(optimizers.get(name), tamper, range(order, order + 1)).orders[0]
    assert "slope" in record.reason
    assert "ratio" in record.reason


def test_vanishing_terms_raise_the_slope_expected():
    exponents = {
        name: list(error_exponents(optimizers.get(name), {}, range(5)).values())
        for name in ("gradient-descent", "explicit-midpoint", "implicit-midpoint", "runge-kutta-4")
    }
    assert exponents == {
        "gradient-descent": [1, 2, 3, 4, 5],
        "explicit-midpoint": [2, 2, 3, 4, 5],
        "implicit-midpoint": [2, 2, 4, 4, 6],
        "runge-kutta-4": [4, 4, 4, 4, 5],
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_generated_kernels_of_a_network(name):
    teacher = dataset("teacher")
    few = Dataset("a few samples", teacher.inputs[:24].copy(), teacher.targets[:24].copy())
    values = optimizers.get(name).complete({}, trial=True)
    found = verify(name, MLP([2, 3, 1], "tanh", "mse"), few, range(4), state="slow", **values)
    assert found.passed, [
        (record.order, record.slope, record.extrapolated_ratio, record.reason) for record in found.orders
    ]
