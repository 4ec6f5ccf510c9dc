"""The logarithm of a map in the span of its differences: against SciPy's of the matrix, where that is spanned."""

import numpy as np
import pytest
from scipy.linalg import expm, logm

from eomsym.errors import InputError
from eomsym.step_index import map_logarithm
from eomsym.step_index.subspace import far_share, subspace_logarithm

GENERATOR = np.array([[-0.3, 0.2, 0.0], [-0.2, -0.1, 0.05], [0.0, 0.1, -0.4]])
STATE = np.array([1.0, -2.0, 0.5])


@pytest.mark.parametrize("stride", [1, 2])
def test_a_linear_map_on_three_dimensions_has_its_own_at_order_three(stride):
    matrix = expm(GENERATOR)
    found = subspace_logarithm(matrix.__matmul__, STATE, 3, stride)
    np.testing.assert_allclose(found.value, logm(matrix).real @ STATE, rtol=1e-8)
    np.testing.assert_allclose(
        np.sort_complex(found.multipliers), np.sort_complex(np.linalg.eigvals(expm(GENERATOR))), rtol=1e-8
    )


def test_what_alternates_has_a_logarithm_in_two_steps():
    """Multipliers −0.9 and 0.8: with stride 1 no flow, with stride 2 log 0.81 and log 0.64."""
    matrix = np.diag([-0.9, 0.8])
    found = subspace_logarithm(matrix.__matmul__, STATE[:2], 2, 2).value
    np.testing.assert_allclose(found, np.log(np.array([0.9, 0.8])) * STATE[:2], rtol=1e-9)


@pytest.mark.parametrize("stride", [1, 2])
def test_it_takes_a_step_more_than_its_order(stride):
    calls = []

    def step(z):
        calls.append(1)
        return expm(GENERATOR) @ z

    subspace_logarithm(step, STATE, 3, stride)
    assert len(calls) == 4


def test_near_minus_one_it_is_the_logarithm_of_the_square_and_between_half_of_its_step():
    """SciPy's logarithm of the square for −1.1, −0.7 ± 0.3i, 0.9; the step of two where μ is near neither 1 nor −1."""
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1:3, 1:3], matrix[3, 3] = -1.1, [[-0.7, 0.3], [-0.3, -0.7]], 0.9
    start = np.array([0.1, 1.0, -2.0, 0.5])
    found = subspace_logarithm(matrix.__matmul__, start, 4, 2).value
    np.testing.assert_allclose(found, logm(matrix @ matrix).real @ start / 2, rtol=1e-8)
    turned = np.array([[0.0, 1.0], [-1.0, 0.0]])
    found = subspace_logarithm(turned.__matmul__, start[:2], 2, 2).value
    np.testing.assert_allclose(found, (turned @ turned - np.eye(2)) @ start[:2] / 2, rtol=1e-8)


def test_order_zero_is_the_step_and_so_is_what_is_far_from_one():
    step = np.diag([3.0, 0.9, 0.95]).__matmul__
    np.testing.assert_allclose(subspace_logarithm(step, STATE, 0).value, step(STATE) - STATE)
    np.testing.assert_allclose(subspace_logarithm(step, STATE, 0, 2).value, (step(step(STATE)) - STATE) / 2)
    found = subspace_logarithm(step, STATE, 3).value
    np.testing.assert_allclose(found, np.array([2.0, np.log(0.9), np.log(0.95)]) * STATE, rtol=1e-8)


def test_the_plain_sum_has_an_error_there():
    matrix = np.diag([-0.55, 0.8])
    exact = np.log(np.array([0.55, 0.8])) * STATE[:2]
    errors = [np.linalg.norm(map_logarithm(matrix.__matmul__, STATE[:2], n, stride=2) - exact) for n in (0, 2, 4)]
    assert errors[0] > errors[1] > errors[2] > 0.02
    assert np.linalg.norm(subspace_logarithm(matrix.__matmul__, STATE[:2], 2, 2).value - exact) < 1e-9


@pytest.mark.parametrize("stride", [1, 2])
def test_a_multiplier_of_zero_has_no_logarithm_and_is_the_step(stride):
    """As along ηλ = 1; 0 exactly where its vector is an axis."""
    found = subspace_logarithm(np.diag([0.0, 0.7, 0.95]).__matmul__, STATE, 3, stride).value
    expected = np.array([-1 / stride, np.log(0.7), np.log(0.95)]) * STATE
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_what_is_outside_of_the_span_estimates_the_error(order, stride):
    multipliers = np.array([0.7, 0.9, 0.99, 0.8])
    start = np.array([1.0, -2.0, 0.5, 0.7])
    there = subspace_logarithm(lambda z: multipliers * z, start, order, stride)
    exact = np.log(multipliers) * start
    error = np.linalg.norm(there.value - exact) / np.linalg.norm(exact)
    assert there.unspanned < error < 3 * there.unspanned
    assert subspace_logarithm(lambda z: multipliers * z, start, 4, stride).unspanned < 1e-9


def test_an_oscillation_about_a_point_at_rest_has_no_share_outside():
    assert subspace_logarithm(lambda z: -z, STATE, 2, 2).unspanned < 1e-6


def test_what_goes_along_far_multipliers():
    matrix = np.diag([-1.6, 0.5, 0.95])
    points = [np.linalg.matrix_power(matrix, k) @ STATE for k in range(5)]
    moved = points[2] - points[0]
    share, multiplier = far_share(points, 1.5)
    assert share == pytest.approx(abs(moved[0]) / np.linalg.norm(moved), rel=1e-8)
    assert multiplier == pytest.approx(-1.6, rel=1e-8)
    assert far_share(points, 1.7) == (0.0, 0.0)
    assert far_share([STATE] * 3, 1.0) == (0.0, 0.0)
    assert far_share([STATE, STATE * np.inf, STATE], 1.0) == (0.0, 0.0)


def test_a_state_at_rest_stays():
    found = subspace_logarithm(lambda z: z, STATE, 3, 2)
    assert np.array_equal(found.value, np.zeros(3))
    assert not found.multipliers.size


def test_a_map_that_leaves_the_numbers_is_nan():
    with np.errstate(all="ignore"):
        assert np.isnan(subspace_logarithm(lambda z: 1e200 * z**2, STATE, 3).value).all()


def test_bad_values_are_refused():
    with pytest.raises(InputError, match=r"stride 0.*1 to 2"):
        subspace_logarithm(np.sin, STATE, 2, 0)
    with pytest.raises(InputError, match=r"order -1"):
        subspace_logarithm(np.sin, STATE, -1)
