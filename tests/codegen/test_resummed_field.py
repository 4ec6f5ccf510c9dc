"""The resummed field of kernels: nearer to the step below ηλ = 1, the plain one beyond; no integration ends by it."""

import warnings

import numpy as np
import pytest
import shared_kernels

from eomsym.codegen import KernelSpec, kernel_for
from eomsym.codegen.kernel import Kernel
from eomsym.dynamics import integrate_equation_of_motion
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.errors import InputError, ResummationWarning
from eomsym.models import MLP, ExpressionLoss

INPUTS = np.random.default_rng(1).standard_normal((20, 2))
DATA = (INPUTS, np.sin(INPUTS[:, :1] - INPUTS[:, 1:]))


def posed():
    kernel = shared_kernels.kernel("tiny")
    theta = kernel.model.initial(1)
    return kernel, theta, spectral_radius(kernel, theta, DATA)


def defect(kernel, theta, eta, data, order, resum):
    """Of the flow over one step, relative to the step."""
    moved = -eta * kernel.gradient(theta, *data)
    end = integrate_equation_of_motion(kernel, theta, eta, eta, data, order=order, accuracy=1e-11, resum=resum)
    return np.linalg.norm(end.theta - theta - moved) / np.linalg.norm(moved)


@pytest.mark.parametrize(("x", "gain"), [(0.4, 20), (0.8, 4)])
def test_the_defect_of_a_step_is_much_smaller(x, gain):
    kernel, theta, curvature = posed()
    plain, resummed = (defect(kernel, theta, x / curvature, DATA, 8, resum) for resum in (False, True))
    assert resummed < plain / gain


def test_beyond_one_it_is_the_plain_field_and_warns_once_for_each_kernel(monkeypatch):
    kernel, theta, curvature = posed()
    monkeypatch.setattr(kernel, "_warned", False)
    eta = 1.5 / curvature
    with pytest.warns(ResummationWarning, match="estimates eta times the largest curvature") as told:
        found = kernel.field(theta, eta, *DATA, resum=True)
    assert told[0].filename == __file__
    np.testing.assert_allclose(found, kernel.field(theta, eta, *DATA), rtol=1e-10, atol=1e-13)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel.field(theta, eta, *DATA, resum=True)
        integrate_equation_of_motion(kernel, theta, eta, eta / 8, DATA, accuracy=1e-6, resum=True)


def test_an_integrator_between_does_not_take_the_place_of_the_warning(monkeypatch):
    kernel, theta, curvature = posed()
    monkeypatch.setattr(kernel, "_warned", False)
    eta = 1.5 / curvature
    with pytest.warns(ResummationWarning) as told:
        integrate_equation_of_motion(kernel, theta, eta, eta / 8, DATA, accuracy=1e-6, resum=True)
    assert told[0].filename == __file__


def test_of_a_rule_whose_sum_would_lose_orders_it_is_refused():
    kernel = Kernel(KernelSpec(MLP([2, 3, 1], "tanh", "mse"), 6, "runge-kutta-4"), None)
    with pytest.raises(InputError, match=r"resum: the term with eta\^1 of runge-kutta-4 vanishes.*leave resum out"):
        kernel.field(np.zeros(13), 0.1, *DATA, resum=True)


def test_of_a_written_loss():
    kernel = kernel_for(KernelSpec(ExpressionLoss("x**4/4 + x**2 + x*y + y**2", ("x", "y")), 8))
    theta = np.array([0.3, -0.4])
    plain, resummed = (defect(kernel, theta, 0.2, (), 8, resum) for resum in (False, True))
    assert resummed < plain / 4


def test_orders_zero_and_one_are_plain():
    kernel, theta, curvature = posed()
    for order in (0, 1):
        plain, resummed = (
            kernel.field(theta, 0.5 / curvature, *DATA, order=order, resum=resum) for resum in (False, True)
        )
        np.testing.assert_allclose(resummed, plain, rtol=1e-13, atol=1e-15)


def test_in_double_double_it_is_refused():
    kernel = shared_kernels.kernel("tiny, double-double")
    with pytest.raises(InputError, match="resum: works in doubles"):
        kernel.field(np.zeros(kernel.size), 0.1, *DATA, resum=True)
