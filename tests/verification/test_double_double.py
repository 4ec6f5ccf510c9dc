"""The convergence study in double-double arithmetic: high orders, and what must not pass."""

import json

import numpy as np
import pytest
import shared_kernels
from asking import verify

from eomsym.errors import InputError
from eomsym.models import default_model

ORDERS = (0, 5)
#: 24 steps of 0.01 and 8 of 0.03 are the same time to 1e-17 only; each path is compared at its own.
ETAS = [0.03, 0.01, 0.0025]


@pytest.fixture(scope="module")
def kernel():
    """The default network of the study, beyond order 6."""
    assert shared_kernels.SPECS["tiny, double-double"].model == default_model("teacher-small")
    return shared_kernels.kernel("tiny, double-double")


class OneOrderShort:
    """The same kernel, but its field leaves out the last term that it should hold."""

    def __init__(self, kernel):
        self.original, self.order, self.size, self.model = kernel, kernel.order, kernel.size, kernel.model
        self.precision = kernel.precision
        self.gradient, self.hessian_vector = kernel.gradient, kernel.hessian_vector
        self.counterterms = kernel.counterterms

    def field(self, theta, eta, *data, order):
        return self.original.field(theta, eta, *data, order=order - 1)


def test_a_network_follows_its_equation_of_motion(kernel):
    study = verify(kernel=kernel, orders=ORDERS, etas=[0.04, 0.02, 0.01])
    assert study.dataset == "teacher-small", "the problem that suits the precision, as on the command line"
    assert study.passed, [record.reason for record in study.orders]
    np.testing.assert_allclose(study.slopes, [order + 1 for order in ORDERS], atol=0.1)
    for record in study.orders:
        assert record.extrapolated_ratio == pytest.approx(1, abs=2e-3)
        assert not any(record.at_floor)
    # Far below what doubles can tell.
    assert min(study.orders[-1].errors) < 1e-13
    assert study.orders[-1].floors[-1] < 1e-16
    assert json.loads(study.to_json())["precision"] == "double-double"


def test_a_field_one_order_short_is_found(kernel):
    (record,) = verify(data="teacher-small", kernel=OneOrderShort(kernel), orders=[5], etas=ETAS).orders
    assert not record.passed
    assert record.slope == pytest.approx(5, abs=0.1)
    assert "slope" in record.reason


def test_step_sizes_need_not_be_halves(kernel):
    (record,) = verify(data="teacher-small", kernel=kernel, orders=[5], etas=ETAS).orders
    assert record.etas == tuple(ETAS)
    assert record.errors[-1] < 1e-18
    assert record.slope == pytest.approx(6, abs=0.02)


def test_a_precision_that_is_not_the_kernels_is_refused(kernel):
    with pytest.raises(InputError, match="precision 'double': the kernel's is double-double"):
        verify(data="teacher-small", kernel=kernel, orders=[0], precision="double")


@pytest.mark.slow
def test_orders_0_to_12():
    study = verify(data="teacher-small", orders=range(13), precision="double-double")
    assert study.passed, [record.reason for record in study.orders]
    np.testing.assert_allclose(study.slopes, np.arange(1, 14), atol=0.1)
    for record in study.orders:
        assert record.extrapolated_ratio == pytest.approx(1, abs=5e-3)
