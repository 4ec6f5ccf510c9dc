"""Numbers that leave the floating-point range: an error with step, order and η, and never a silent NaN."""

import numpy as np
import pytest
import shared_kernels

from eomsym import dynamics
from eomsym.dynamics import spectrum
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.runs import run_optimizer
from eomsym.errors import InputError, IntegrationError, OverflowInKernelError


class Quartic:
    """``L = θ⁴/4`` with ``ξ_0 = ½ g'g = 3/2 θ⁵``: overflows early; ``hole`` is what it answers instead of infinity."""

    size, order = 1, 1

    def __init__(self, hole=np.inf):
        self.hole = hole

    def gradient(self, theta):
        return self.counterterms(theta, order=0)[0]

    def counterterms(self, theta, order=1):
        with np.errstate(over="ignore"):
            rows = np.array([theta**3, 1.5 * theta**5])[: order + 1]
        if np.isfinite(rows).all():
            return rows
        if self.hole is OverflowInKernelError:
            raise OverflowInKernelError("theta: too large")
        return np.where(np.isfinite(rows), rows, self.hole)

    def field(self, theta, eta, order=1):
        return -sum(eta**k * row for k, row in enumerate(self.counterterms(theta, order)))

    def hessian_vector(self, theta, vector):
        return self.counterterms(theta, 0)[0] / theta * 3 * vector


HOLES = pytest.mark.parametrize("hole", [np.inf, np.nan, OverflowInKernelError], ids=["inf", "nan", "error"])


@HOLES
def test_a_path_that_diverges_names_step_and_eta(hole):
    for run in (run_optimizer, dynamics.optimizer_path):
        # 10 → −990 → 9.7e8 → −9.1e26 → 7.6e80 → −4.3e242 → ∞
        with pytest.raises(IntegrationError, match=r"optimizer path: step 6 .*eta = 1\b"):
            run(Quartic(hole), np.array([10.0]), 1.0, 20)


def test_the_step_before_is_still_a_path():
    path = dynamics.optimizer_path(Quartic(), np.array([10.0]), 1.0, 5)
    assert np.isfinite(path).all()
    assert abs(path[-1, 0]) > 1e200


@HOLES
def test_an_equation_of_motion_that_has_no_value_names_order_and_eta(hole):
    with pytest.raises(IntegrationError, match=r"equation of motion of order 1, eta = 0\.5: path: .* at time 0 of 1"):
        dynamics.integrate_equation_of_motion(Quartic(hole), np.array([1e100]), 0.5, 1.0, order=1)


def test_a_motion_that_leaves_in_finite_time_names_order_and_eta(closed_form):
    """``y' = y²`` from 1 is infinite at time 1."""
    with pytest.raises(IntegrationError, match=r"equation of motion of order 0, eta = 0\.1: path: .* time (0\.9|1)"):
        dynamics.integrate_equation_of_motion(closed_form.Riccati(), np.ones(2), 0.1, 2.0, order=0, accuracy=1e-10)


@HOLES
def test_predicted_errors_that_do_not_exist_name_the_order(hole):
    with pytest.raises((IntegrationError, OverflowInKernelError), match=r"orders? .*|theta: too large"):
        predict_discretization_error(Quartic(hole), np.array([1e100]), 1.0, [0])


def test_a_prediction_along_a_flow_that_leaves_names_orders_and_time(closed_form):
    with pytest.raises(IntegrationError, match=r"predicted errors of orders 0, 1: path: .* time"):
        predict_discretization_error(closed_form.Riccati(), np.ones(2), 2.0, [0, 1])


@pytest.mark.parametrize("size", [1, 60], ids=["dense", "Lanczos"])
def test_a_hessian_that_is_not_finite(size, closed_form):
    kernel = closed_form.Quadratic(np.full(size, np.inf))
    for edge in (spectrum.spectral_radius, spectrum.largest_eigenvalue):
        with (
            pytest.raises(IntegrationError, match="curvature: the Hessian is not finite at theta"),
            np.errstate(all="ignore"),
        ):
            edge(kernel, np.zeros(size))


def test_lanczos_that_does_not_converge(closed_form, monkeypatch):
    from scipy.sparse.linalg import ArpackNoConvergence

    def gives_up(*_, **__):
        raise ArpackNoConvergence("No convergence", np.empty(0), np.empty((0, 0)))

    monkeypatch.setattr(spectrum, "eigsh", gives_up)
    with pytest.raises(IntegrationError, match="the largest eigenvalue of the Hessian was not found"):
        spectrum.spectral_radius(closed_form.Quadratic(np.ones(60)), np.ones(60))


def test_the_memory_of_a_path_is_told_beforehand(closed_form):
    with pytest.raises(InputError) as caught:
        dynamics.optimizer_path(closed_form.Quadratic(np.ones(1000)), np.ones(1000), 0.1, 10**9)
    assert str(caught.value) == "steps 1000000000: all iterates of 1000 numbers take 8000.0 GB; take fewer steps"


@pytest.fixture(scope="module")
def kernel():
    return shared_kernels.kernel("sin mse")


def test_a_kernel_names_the_order_that_overflows(kernel):
    inputs, targets = np.full((2, 2), 1e3), np.zeros((2, 3))
    theta = np.full(kernel.size, 1e120)
    assert kernel.gradient(np.full(kernel.size, 1e3), inputs, targets).shape == (kernel.size,)
    for call in (
        lambda: kernel.counterterms(theta, inputs, targets),
        lambda: kernel.field(theta, 0.1, inputs, targets),
        lambda: kernel.hessian_vector(theta, theta, inputs, targets),
    ):
        with pytest.raises(OverflowInKernelError, match=r"theta: what belongs to order [01] leaves the range"):
            call()
    with pytest.raises(OverflowInKernelError, match="theta: what belongs to order 0 leaves"):
        kernel.loss(np.full(kernel.size, 1e200), inputs, targets)


def test_a_network_whose_training_diverges_names_step_and_eta(kernel):
    data = np.ones((2, 2)), np.zeros((2, 3))
    with pytest.raises(IntegrationError, match=r"optimizer path: step \d+ .*eta = 1e\+100"):
        dynamics.optimizer_path(kernel, kernel.model.initial(0), 1e100, 50, data)
