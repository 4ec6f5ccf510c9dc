"""Sizes of terms and errors of single steps against problems that are solved in closed form."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from benchmarks.series_growth import (
    LOSS_MARGIN,
    AsymptoticStudy,
    StepErrors,
    measure_steps,
    program_asymptotics,
    study_asymptotics,
)
from eomsym.errors import EomsymError
from eomsym.models import MLP
from eomsym.optimizers import get
from eomsym.series.lifting import field_program, loss_program
from eomsym.series.number_rings import array_ring
from eomsym.series.rings import Ring
from eomsym.step_index.numbers import program_counterterms

X, Y = sympy.symbols("x y")
#: Of the Hessian of the saddle.
EIGENVALUES = 3, -1
SADDLE = loss_program(sympy.Rational(3, 2) * X**2 - Y**2 / 2, [X, Y])
SQUARE = field_program([-(Y**2)], [Y])


def test_sizes_of_a_quadratic_loss():
    """``ξ_k = H^{k+1} g / (k + 2)``."""
    study = program_asymptotics(SADDLE, [0.5, 2.0], 8)
    expected = [math.hypot(3 ** (k + 2) * 0.5, 2.0) / (k + 2) for k in range(9)]
    np.testing.assert_allclose(study.sizes, expected, rtol=1e-14)
    assert study.gradient_norm == pytest.approx(math.hypot(1.5, 2), rel=1e-15)
    assert study.curvature == pytest.approx(3, rel=1e-14)
    np.testing.assert_allclose(study.ratios[-1], study.curvature_ratios[-1], rtol=1e-4)


def test_curvature_is_the_one_of_largest_modulus():
    loss = loss_program(X**2 / 2 + 2 * X * Y - 2 * Y**2, [X, Y])
    expected = min(np.linalg.eigvalsh([[1, 2], [2, -4]]))
    assert program_asymptotics(loss, [1.0, 1.0], 4).curvature == pytest.approx(expected, rel=1e-13)


def test_sizes_of_the_square():
    """It blows up at 1/y.  Hairer, Lubich & Wanner, *Geometric Numerical Integration*, ch. IX.1, example 1.1."""
    study = program_asymptotics(SQUARE, [0.5], 5)
    coefficients = (1, 3 / 2, 8 / 3, 31 / 6, 157 / 15, 649 / 30)
    np.testing.assert_allclose(study.sizes, [c / 2 ** (k + 3) for k, c in enumerate(coefficients)], rtol=1e-14)
    assert study.time_radius == pytest.approx(2, rel=1e-12)


def test_time_radius_of_the_tangent():
    """``y' = 1 + y²`` from 0 is tan t, whose poles ±π/2 cancel every other coefficient."""
    study = program_asymptotics(field_program([-1 - Y**2], [Y]), [0.0], 20)
    assert study.time_radius == pytest.approx(math.pi / 2, rel=1e-6)


TANGENT = 1 + Y**2, 0.3, math.pi / 2 - math.atan(0.3)


@pytest.mark.parametrize(
    ("field", "start", "time", "order"),
    [
        (*TANGENT, 30),
        *(
            pytest.param(*flow, 40, marks=pytest.mark.slow)
            for flow in ((Y**2, 1.0, 1.0), TANGENT, (sympy.exp(Y), 0.0, 1.0), (Y**3, 1.0, 0.5))
        ),
    ],
    ids=str,
)
def test_terms_grow_by_the_law_of_the_nearest_singularity(field, start, time, order):
    """Flows with known blow-up: ratios oscillate about (N+2)/(2πT), within 10 % in the mean; curvature is far off."""
    study = program_asymptotics(field_program([-field], [Y]), [start], order, digits=90)
    assert study.time_radius == pytest.approx(time, rel=0.04)
    window = slice(order - 15, order)

    def mean(law):
        return math.exp(np.mean(np.log(study.ratios[window] / law[window])))

    assert mean(study.singularity_ratios) == pytest.approx(1, abs=0.1)
    assert mean(study.curvature_ratios) > 2


def test_the_smallest_term_tells_where_to_stop():
    study = AsymptoticStudy((1.0, 1.0, 2.0, 10.0), 1.0, 2.0, 1.0, 50, 0.0)
    np.testing.assert_allclose(study.terms(0.25), [1 / 16, 1 / 64, 2 / 256, 10 / 1024])
    assert [study.optimal_order(eta) for eta in (2.0, 0.6, 0.4, 0.05)] == [0, 1, 2, 3]
    assert study.overtaking_order == pytest.approx(4 * math.pi - 2)


def test_ratios_where_terms_vanish():
    study = AsymptoticStudy((1.0, 0.0, 2.0), 1.0, 2.0, 1.0, 50, 0.0)
    np.testing.assert_array_equal(study.ratios, [0, np.nan])


@pytest.mark.parametrize(
    ("product", "orders", "substeps"),
    [
        *((product, range(0, 7, 2), 20) for product in (0.3, 1.2)),
        *(pytest.param(product, range(0, 9, 2), 40, marks=pytest.mark.slow) for product in (0.3, 0.9, 1.2)),
    ],
)
def test_steps_on_a_quadratic_loss(product, orders, substeps):
    """Order N multiplies a component by ``exp(−Σ_{n≤N+1} (ηλ)ⁿ/n)``, a step by 1 − ηλ."""
    eta = product / 3
    (record,) = measure_steps(SADDLE, [0.5, 2.0], [eta], orders, substeps=substeps)
    for order, error, doubt in zip(record.orders, record.errors, record.uncertainties, strict=True):
        gaps = [
            math.exp(-sum((eta * value) ** n / n for n in range(1, order + 2))) - (1 - eta * value)
            for value in EIGENVALUES
        ]
        assert error == pytest.approx(math.hypot(0.5 * gaps[0], 2 * gaps[1]), rel=1e-5, abs=1e-11)
        assert doubt < 1e-5


@pytest.mark.parametrize(
    ("orders", "substeps"), [((2, 4, 6), 12), pytest.param((2, 6, 10), 30, marks=pytest.mark.slow)]
)
def test_beyond_the_radius_a_sharp_direction_levels_off_and_a_saddle_s_does_not(orders, substeps):
    """η|λ| = 1.5: towards a minimum the flow tends to 0 while the step goes to −½; off a saddle the flow runs away."""
    (minimum,) = measure_steps(loss_program(X**2 / 2, [X]), [1.0], [1.5], orders, substeps=substeps)
    assert minimum.errors[-1] == pytest.approx(0.5, abs=1e-3)
    assert minimum.best_order == orders[-1]
    (saddle,) = measure_steps(loss_program(-(X**2) / 2, [X]), [1.0], [1.5], (0, *orders), substeps=substeps)
    assert saddle.errors[-1] > saddle.errors[-2] > saddle.errors[-3]


def test_a_step_of_the_square_against_another_integrator():
    """Order 1: ``y' = y² − η y³``."""
    eta = 0.2
    end = solve_ivp(lambda _, y: y**2 - eta * y**3, (0, eta), [1.0], rtol=1e-12, atol=1e-14).y[0, -1]
    (record,) = measure_steps(SQUARE, [1.0], [eta], [1], substeps=30)
    assert record.errors[0] == pytest.approx(abs(end - 1.2), abs=1e-10)


def test_round_off_of_the_terms_is_in_the_uncertainty():
    """Against the same terms in fractions; the error of the terms moves the end of a step by η Σ_k η^k of it."""
    start, eta, order = 0.7, 0.2, 16
    rule = get("gradient-descent").rule()
    exact = program_counterterms(rule, [SQUARE], [Fraction(start)], [], order + 1, Ring(Fraction, {}))
    found = program_counterterms(rule, [SQUARE], [np.longdouble(start)], [], order + 1, array_ring(np.longdouble))
    lost = [abs(float(Fraction(*a[0].as_integer_ratio()) - b[0])) for a, b in zip(found, exact, strict=True)]
    assert lost[order] > 100 * lost[2]
    floor = [LOSS_MARGIN * eta * sum(eta**k * lost[k] for k in range(kept + 1)) for kept in (2, order)]
    (record,) = measure_steps(SQUARE, [start], [eta], [2, order], substeps=3)
    assert all(doubt >= least * (1 - 1e-9) for doubt, least in zip(record.uncertainties, floor, strict=True))


def test_paths_that_leave_the_numbers_are_infinite():
    (record,) = measure_steps(SQUARE, [1.0], [0.5], [0, 10], substeps=8)
    assert record.errors[1] == record.uncertainties[1] == math.inf
    assert record.best_order == 0
    assert record.errors[0] == pytest.approx(0.5, rel=1e-6)  # 1/(1 − ½) against 1.5


@pytest.fixture(scope="module")
def network():
    model = MLP([1, 2, 1], activation="tanh", loss="mse")
    return model, model.initial(seed=0), np.array([[0.5], [-1.0]]), np.array([[1.0], [0.3]])


def test_a_network_with_its_steps(network):
    study = study_asymptotics(*network, 8, etas=[0.1, 0.2], orders=[0, 1, 2])
    assert study.agreement < 1e-20
    for record in study.steps:
        leading = study.terms(record.eta)[:3]
        np.testing.assert_allclose(record.errors, leading, rtol=0.5)
        assert max(record.uncertainties) < 1e-6 * min(record.errors)
    halved = np.log2(np.array(study.steps[1].errors) / study.steps[0].errors)
    np.testing.assert_allclose(halved, [2, 3, 4], atol=0.5)
    assert study_asymptotics(*network, 8).steps == ()


def test_too_few_digits_are_noticed():
    with pytest.raises(EomsymError, match=r"digits 32: terms change by .* give 52"):
        program_asymptotics(SQUARE, [1.0], 40, digits=32)


def test_the_figure_shows_ratios_and_steps(network):
    study = study_asymptotics(*network, 5)
    drawn = replace(study, steps=(StepErrors(0.1, (0, 1, 2), (1e-2, 1e-3, math.inf), (0.0, 0.0, math.inf)),))
    ratios, steps = drawn.plot().axes
    np.testing.assert_allclose(ratios.get_lines()[0].get_ydata(), study.ratios / abs(study.curvature))
    np.testing.assert_allclose(steps.get_lines()[0].get_ydata(), study.terms(0.1))
    np.testing.assert_allclose(steps.get_lines()[2].get_xydata(), [[0, 1e-2], [1, 1e-3]])
    assert len(study.plot().axes) == 1


def test_ratios_alone_are_drawn_where_no_step_was_measured():
    study = AsymptoticStudy((1.0, 1.5, 2.4, 4.0), 1.0, curvature=2.0, time_radius=0.5, digits=40, agreement=0.0)
    (axes,) = study.plot().axes
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), [0.75, 0.8, 5 / 6])
    stepped = replace(study, steps=(StepErrors(0.1, (0, 1), (1e-2, 1e-3), (1e-9, 1.0)),))
    figure = stepped.plot()
    terms, ring, errors = figure.axes[1].get_lines()
    np.testing.assert_allclose(terms.get_ydata(), [0.1**2, 0.1**3 * 1.5, 0.1**4 * 2.4, 0.1**5 * 4])
    assert ring.get_xdata() == [3]
    np.testing.assert_array_equal(errors.get_xydata(), [[0, 1e-2]])  # the other is not known to half of itself
