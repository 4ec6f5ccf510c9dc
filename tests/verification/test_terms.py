"""Terms along a run: trees against the committed kernel of order 5, directions, and the unstable side."""

import dataclasses
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import shared_kernels

from eomsym import derive, optimizers
from eomsym.derivation import series_radius
from eomsym.dynamics import kernel_counterterms
from eomsym.dynamics.setting import Setting
from eomsym.errors import InputError
from eomsym.models import dataset
from eomsym.verification import Terms, Training, terms
from eomsym.verification.terms_along import chain_rate, measure_terms

DATA = dataset("teacher").arrays


@pytest.fixture(scope="module")
def kernel():
    return shared_kernels.kernel("teacher")  # 2-16-16-1, tanh, mse, order 5


def measured(kernel, equation, seed=0, rule=None):
    """The terms at a network drawn from a seed, by the kernel's own rows or those of a rule."""
    theta = kernel.model.initial(seed)
    if rule is None:
        rows = kernel.counterterms(theta, *DATA, order=equation.order)
    else:
        rows = kernel_counterterms(kernel, rule, theta, equation.order, DATA)
    return measure_terms(kernel, theta, rows, equation, DATA, step=seed)


def setting(eta, optimizer="gradient-descent"):
    return Setting(optimizer, model="2-16-16-1 tanh mse", dataset="teacher", seed=0, eta=eta)


@pytest.fixture(scope="module")
def study(kernel):
    """Two points, not from a run but from two seeds."""
    points = tuple(measured(kernel, derive(order=4), seed) for seed in (0, 1))
    return Terms(setting(0.15), 4, points)


def test_the_sum_over_trees_is_the_kernel_to_order_4(study):
    assert study.passed
    assert max(term.defect for point in study.points for term in point.terms) < 1e-12
    assert [len(term.trees) for term in study.points[0].terms] == [1, 2, 4, 9]


def test_one_wrong_coefficient_is_noticed(kernel):
    """The control: 1/12 of g'g''(g,g) and g''(g,g'g) exchanged with its neighbours' would pass no sum."""
    counterterms = derive(order=3)
    last = dict(counterterms.rows[3])
    first, second, *_ = last
    wrong = last | {first: last[second]}
    broken = dataclasses.replace(counterterms, terms=(*counterterms.terms[:3], (wrong,)))
    point = measured(kernel, broken)
    assert [term.defect < 1e-10 for term in point.terms] == [True, True, False]


def test_sizes_and_cosines_are_those_of_the_rows(kernel, study):
    rows = kernel.counterterms(kernel.model.initial(0), *DATA)
    for term in study.points[0].terms:
        row = rows[term.index + 1]
        assert term.size == pytest.approx(np.linalg.norm(row))
        assert term.cosine == pytest.approx(row @ rows[0] / np.linalg.norm(row) / np.linalg.norm(rows[0]))
    assert study.share(study.points[0], 1) == pytest.approx(0.15**2 * np.linalg.norm(rows[2]) / np.linalg.norm(rows[0]))
    zero = study.points[0].terms[2].trees[3]
    assert (zero.coefficient, zero.size) == ("0", 0)
    assert math.isnan(zero.cosine)


@pytest.mark.parametrize(("beta", "radius"), [("9/10", 0.0026334), ("1/2", 0.0857864)])
def test_terms_of_momentum_and_their_warning_at_the_radius(kernel, beta, radius):
    """(1 − √β)², theory.md §16; the sum over heavy ball's trees is what the solver finds on the kernel of descent."""
    values = {"beta": Fraction(beta)}
    counterterms, rule = derive("heavy-ball", order=3, **values), optimizers.get("heavy-ball").rule(**values)
    point = measured(kernel, counterterms, rule=rule)
    assert max(term.defect for term in point.terms) < 1e-12
    assert series_radius(rule) == pytest.approx(radius, rel=1e-4)
    for factor, warned in ((0.9, False), (1.1, True)):
        eta = factor * radius / point.sharpness
        found = Terms(setting(eta, "heavy-ball"), 3, (point,), radius=series_radius(rule))
        assert bool(found.warnings) == warned
        assert not warned or "the series of heavy-ball on its slow manifold diverges" in found.warnings[0]


def test_a_warning_from_where_eta_times_sharpness_is_1(study):
    assert study.warnings == ()
    sharpest = max(point.sharpness for point in study.points)
    unstable = dataclasses.replace(study, training=setting(1.5 / sharpest))
    (warning,) = unstable.warnings
    assert "is 1.5 at step" in warning
    assert any(entry["chain_rate"] is None for entry in json.loads(unstable.to_json())["points"])


def test_chains_sum_to_the_rate_of_gradient_descent():
    assert chain_rate(0.1, 3.0) == pytest.approx(sum(0.1 ** (n - 1) * 3.0**n / n for n in range(1, 60)), rel=1e-14)
    assert math.exp(-0.1 * chain_rate(0.1, 3.0)) == pytest.approx(1 - 0.3)
    assert chain_rate(0.5, 2.0) is None


def test_a_run_is_looked_at_at_evenly_spaced_steps():
    told = []
    training = Training(shared_kernels.kernel("moons"), "moons", eta=0.2)
    found = terms(training, 7, 3, points=3, progress=lambda *counts: told.append(counts))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert [point.step for point in found.points] == [0, 4, 7]
    assert found.points[-1].loss < found.points[0].loss
    assert found.passed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"order": 0}, "order 0"),
        ({"order": 8}, "from 1 to 7"),
        ({"steps": 0}, "steps 0"),
        ({"points": 1}, "points 1"),
    ],
)
def test_what_cannot_be_measured(change, named):
    with pytest.raises(InputError, match=named):
        terms(Training(None, "moons", eta=0.1), **change)


def test_a_rule_without_plain_trees_has_terms_without_them():
    """Adam's terms are over products of components; the rows are those of the solver."""
    found = terms(Training(shared_kernels.kernel("moons"), "moons", "adam", eta=1e-5), 2, 1, points=2)
    assert [term.trees for point in found.points for term in point.terms] == [(), ()]
    assert found.points[0].terms[0].size > 0
    assert "trees at step" not in str(found)
