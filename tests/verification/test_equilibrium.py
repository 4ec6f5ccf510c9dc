"""The exact toy f = c·arg(w): its kernel, and the equilibrium of theory §6."""

import math

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.verification import measure_equilibrium, norm_law
from eomsym.verification.equilibrium import toy_field

ETA, DECAY, STRENGTH = 0.1, 0.1, 1.7


class Toy:
    """What the law of the norm asks of a kernel, written out by hand."""

    def gradient(self, w):
        return STRENGTH / (w @ w) * np.array([-w[1], w[0]]) + DECAY * w

    def hessian_vector(self, w, vector):
        (x, y), square = w, w @ w
        curved = STRENGTH / square**2 * np.array([[2 * x * y, y * y - x * x], [y * y - x * x, -2 * x * y]])
        return curved @ vector + DECAY * vector


def test_the_toy_is_the_gradient_of_its_loss():
    toy, point, step = Toy(), np.array([0.8, -0.5]), 1e-6

    def loss(w):
        return STRENGTH * math.atan2(w[1], w[0]) + DECAY / 2 * w @ w

    slopes = [(loss(point + step * e) - loss(point - step * e)) / (2 * step) for e in np.eye(2)]
    np.testing.assert_allclose(toy.gradient(point), slopes, rtol=1e-8)
    for direction in np.eye(2):
        change = toy.gradient(point + step * direction) - toy.gradient(point - step * direction)
        np.testing.assert_allclose(toy.hessian_vector(point, direction), change / (2 * step), rtol=1e-8)
    gradient = toy.gradient(point)
    first, second = (toy_field(point, STRENGTH, DECAY, 1.0, order) for order in (0, 1))
    np.testing.assert_allclose(-first, gradient, rtol=1e-14)
    np.testing.assert_allclose(first - second, toy.hessian_vector(point, gradient) / 2, rtol=1e-12)


def test_gradient_descent_settles_where_theory_says():
    found = measure_equilibrium(ETA, DECAY, STRENGTH)
    assert found.exact_norm**4 == pytest.approx(ETA * STRENGTH**2 / (2 * DECAY - ETA * DECAY**2), rel=1e-14)
    assert found.measured_norm == pytest.approx(found.exact_norm, rel=1e-12)
    assert found.measured_angle == pytest.approx(math.acos(1 - ETA * DECAY), rel=1e-11)


def test_order_1_has_the_equilibrium_of_its_closed_form_and_order_3_is_nearer():
    found = measure_equilibrium(ETA, DECAY, STRENGTH)
    assert found.norms[1] ** 4 == pytest.approx(ETA * STRENGTH**2 / (2 * DECAY + ETA * DECAY**2), rel=1e-12)
    assert abs(found.norms[3] - found.exact_norm) < 0.1 * abs(found.norms[1] - found.exact_norm)
    assert abs(found.angles[3] - found.exact_angle) < 0.1 * abs(found.angles[1] - found.exact_angle)
    assert found.norm_dict()["predictions"][0] == {"order": 0, "norm": None, "error": None}


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_law_of_the_norm_is_that_of_the_toys_own_counter_terms(order):
    toy, point = Toy(), np.array([0.8, -0.5])
    (speed,) = norm_law(toy, point, [np.arange(2)], ETA, DECAY, order)
    assert 2 * point @ toy_field(point, STRENGTH, DECAY, ETA, order) == pytest.approx(speed, rel=1e-13)
    if order:
        (lower,) = norm_law(toy, point, [np.arange(2)], ETA, DECAY, order - 1)
        assert abs(speed - lower) > 1e-6 * abs(speed)


def test_too_slow_to_settle_is_said_not_guessed():
    found = measure_equilibrium(1e-3, 1e-4)
    assert (found.measured_norm, found.measured_angle) == (None, None)
    assert found.norms[1] == pytest.approx(found.exact_norm, rel=1e-6)


@pytest.mark.parametrize("arguments", [(0, 0.1), (0.1, 0), (2.0, 0.5), (0.1, 0.1, -1)])
def test_what_has_no_equilibrium(arguments):
    with pytest.raises(InputError):
        measure_equilibrium(*arguments)
