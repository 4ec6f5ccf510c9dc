"""Which description holds: on a quadratic with known curvature, where each flow has a closed form."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import shared_kernels
from asking import edge_point

import eomsym
from eomsym.errors import InputError, IntegrationError
from eomsym.step_index.resummation import resummed_rows

CURVATURES = np.array([1.0, 0.3])


def quadratic(order=6):
    def counterterms(theta, order=order):
        return np.array([CURVATURES ** (k + 1) / (k + 1) * theta for k in range(order + 1)])

    def field(theta, eta, order=order, resum=False):
        rows = counterterms(theta, order)
        if resum:
            return resummed_rows([[row] for row in rows], eta).value[0]
        return -(eta ** np.arange(order + 1.0)) @ rows

    return SimpleNamespace(
        order=order,
        size=2,
        gradient=lambda theta: CURVATURES * theta,
        counterterms=counterterms,
        field=field,
        hessian_vector=lambda theta, vector: CURVATURES * vector,
    )


@pytest.mark.parametrize(
    ("product", "holds"), [(0.3, "series"), (0.8, "resummed"), (1.6, "even-step"), (2.1, "even-step, at the edge")]
)
def test_the_description_that_holds_is_the_nearest_or_near_enough(product, holds):
    point = edge_point(quadratic(), np.array([1.0, 2.0]), product)
    assert point.product == pytest.approx(product)
    assert point.holds == holds
    name = holds.split(",")[0]
    assert point.errors[name] < 6e-2
    if product > 1:
        assert point.errors["series"] > 10 * point.errors["even-step"]
    assert point.costs["even-step"] == 3


def test_where_nothing_moves_nothing_can_be_said():
    with pytest.raises(IntegrationError, match="moves by 0"):
        edge_point(quadratic(), np.zeros(2), 0.5)


def test_a_flow_that_leaves_the_numbers_has_no_error():
    kernel = quadratic()
    kernel.field = lambda theta, eta, order=6, resum=False: np.full(2, np.nan)
    found = edge_point(kernel, np.ones(2), 0.5)
    assert math.isnan(found.errors["series"])
    assert math.isfinite(found.errors["even-step"])


def test_it_is_said_along_a_run():
    training = eomsym.Training(shared_kernels.kernel("moons"), "moons", eta=0.2)
    study = eomsym.terms(training, 2, 3, points=2, edge=True)
    assert [point.step for point in study.edge] == [0, 2]
    assert study.to_dict()["edge"][1]["holds"] == study.edge[1].holds
    with pytest.raises(InputError, match=r"optimizer 'heavy-ball': .*gradient-descent; take it"):
        eomsym.terms(training.with_(optimizer="heavy-ball"), 2, 3, points=2, edge=True)


@pytest.mark.parametrize("optimizer", ["torch.SGD(momentum=0.9)", "torch.Adam()"])
def test_of_another_rule_the_look_ahead_field_is_beside_the_even_steps(optimizer):
    found = eomsym.edge(eomsym.Training(shared_kernels.kernel("moons"), "moons", optimizer, eta=1e-3), after=5)
    assert found.step == 5
    assert set(found.errors) == {"look-ahead", "even-step"}
    assert found.errors[found.holds] == min(found.errors.values()) < 1e-2
