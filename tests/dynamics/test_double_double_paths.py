"""Paths in double-double arithmetic, against exact rationals and mpmath."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from mpmath import mp

from eomsym.double_double import DoubleDouble, exact_product
from eomsym.dynamics import integrate_by_extrapolation, integrate_equation_of_motion, optimizer_path
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.kernel import RoundedKernel
from eomsym.dynamics.runs import run_optimizer
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.errors import InputError

START = np.array([-1.0, -0.3])


@pytest.fixture
def quadratic(closed_form):
    """``L = ½ Σ λ θ²`` whose kernel answers in double-double numbers."""

    class Quadratic(closed_form.Quadratic):
        precision = "double-double"

        def gradient(self, theta):
            return self.eigenvalues * DoubleDouble.from_value(theta)

        def counterterms(self, theta, order=None):
            order = self.order if order is None else order
            theta = DoubleDouble.from_value(theta)
            powers = [[Fraction(value) ** (k + 1) / (k + 1) for value in self.eigenvalues] for k in range(order + 1)]
            return DoubleDouble.from_value(powers) * theta

        def field(self, theta, eta, order=None):
            rows = self.counterterms(theta, order)
            total = rows[-1]
            for k in range(len(rows) - 2, -1, -1):
                total = rows[k] + eta * total
            return -total

        def hessian_vector(self, theta, vector):
            return self.eigenvalues * DoubleDouble.from_value(vector)

    return Quadratic([0.5, 2.0])


def test_iterates_against_rationals(quadratic):
    path = optimizer_path(quadratic, START, 0.1, 20)
    assert isinstance(path, DoubleDouble)
    assert path.shape == (21, 2)
    factors = [1 - Fraction(0.1) * Fraction(value) for value in quadratic.eigenvalues]
    for k, row in enumerate(path.to_fractions()):
        for found, start, factor in zip(row, START, factors, strict=True):
            truth = Fraction(start) * factor**k
            assert abs(found - truth) <= k * Fraction(2) ** -103 * abs(truth)


@pytest.mark.parametrize("steps", [8, 128])
def test_the_round_off_of_a_path_is_measured(quadratic, steps):
    end = run_optimizer(quadratic, START, 0.1, steps)
    factors = [1 - Fraction(0.1) * Fraction(value) for value in quadratic.eigenvalues]
    truth = [Fraction(start) * factor**steps for start, factor in zip(START, factors, strict=True)]
    error = max(abs(a - b) for a, b in zip(end.theta.to_fractions(), truth, strict=True))
    assert error <= 3 * end.error_estimate
    assert end.error_estimate < 1e-29


@pytest.mark.parametrize("order", [0, 3, pytest.param(8, marks=pytest.mark.slow)])
def test_the_equation_of_motion_against_mpmath(quadratic, order):
    eta, time = 0.1, exact_product(24, 0.1)
    end = integrate_equation_of_motion(quadratic, START, eta, time, order=order)
    with mpmath.workdps(50):
        for found, start, value in zip(end.theta.to_mpmath(), START, quadratic.eigenvalues, strict=True):
            rate = sum(mp.mpf(eta) ** (n - 1) * mp.mpf(value) ** n / n for n in range(1, order + 2))
            truth = start * mp.exp(-rate * time.to_mpmath().item())
            assert abs(found - truth) <= min(end.error_estimate, 1e-28)


def test_doubles_may_be_extrapolated_too(closed_form):
    kernel = closed_form.Quadratic([0.5, 2.0])
    end = integrate_by_extrapolation(lambda point: kernel.field(point, 0.1, order=3), np.array(START), 2.4, 1e-14)
    other = integrate_equation_of_motion(kernel, START, 0.1, 2.4, order=3)
    truth, estimate = kernel.moved(START, 0.1, 2.4, 3), np.linalg.norm(end.error_estimate)
    assert np.linalg.norm(end.state - truth) <= estimate + 1e-16
    assert end.evaluations != other.evaluations
    assert np.linalg.norm(end.state - other.theta) <= estimate + other.error_estimate


def test_rounded_answers_serve_what_needs_few_digits(quadratic, closed_form):
    double = closed_form.Quadratic([0.5, 2.0])
    kernel = RoundedKernel(quadratic)
    assert (kernel.order, kernel.size) == (8, 2)
    assert isinstance(kernel.field(START, 0.1, order=2), np.ndarray)
    np.testing.assert_allclose(kernel.field(START, 0.1, order=2), double.field(START, 0.1, order=2), rtol=1e-15)
    np.testing.assert_allclose(kernel.gradient(START), double.gradient(START), rtol=1e-15)
    assert spectral_radius(kernel, START) == pytest.approx(2)
    prediction = predict_discretization_error(kernel, START, 1.0, [2])
    np.testing.assert_allclose(prediction.coefficients[0], double.error_coefficient(START, 1.0, 2), rtol=1e-4)


def test_what_is_asked_wrongly_is_named(quadratic, closed_form):
    double = closed_form.Quadratic([0.5, 2.0])
    with pytest.raises(InputError, match="DoubleDouble given to a kernel of doubles"):
        optimizer_path(double, DoubleDouble.from_value(START), 0.1, 2)
    with pytest.raises(InputError, match="times: several are read between the steps of doubles"):
        integrate_equation_of_motion(quadratic, START, 0.1, [0.5, 1.0])
    with pytest.raises(InputError, match="in double-double arithmetic gradient-descent only"):
        run_optimizer(quadratic, START, 0.1, 2, optimizer="nesterov")
    with pytest.raises(InputError, match=r"theta: shape \(3,\)"):
        optimizer_path(quadratic, DoubleDouble.zeros(3), 0.1, 2)
    with pytest.raises(InputError, match="theta: entry 1 is not finite"):
        optimizer_path(quadratic, np.array([1.0, np.nan]), 0.1, 2)
    with pytest.raises(InputError, match="time"):
        integrate_equation_of_motion(double, START, 0.1, DoubleDouble.from_value(1.0))
