"""The benchmark beside central flow: its equations hold, and so do the ways to sum that stand beside ours."""

from itertools import islice

import numpy as np
import pytest

from benchmarks import logarithms
from benchmarks.central_flow import central_flow, complementary, leading_directions, third_derivatives
from benchmarks.edge_problems import Counter, GivenUp
from benchmarks.edge_series import pade_on, plain, vector_epsilon

RANDOM = np.random.default_rng(4)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_complementarity_problem_is_solved(count):
    for _ in range(5):
        thirds = RANDOM.standard_normal((count, count, 30))
        thirds = thirds + thirds.transpose(1, 0, 2)
        room = RANDOM.standard_normal((count, count))
        room = room + room.T - np.eye(count)
        found = complementary(room, thirds / 2, thirds)
        other = room + np.einsum("ijd,kld,kl->ij", thirds / 2, thirds, found)
        assert np.linalg.eigvalsh(found)[0] > -1e-8
        assert np.linalg.eigvalsh(other)[0] > -1e-5
        assert abs(np.sum(found * other)) < 1e-5


def test_where_there_is_room_nothing_oscillates():
    assert np.array_equal(complementary(np.eye(2), np.ones((2, 2, 3)), np.ones((2, 2, 3))), np.zeros((2, 2)))


def test_directions_and_third_derivatives_are_those_of_a_cubic():
    """L = θᵀAθ/2 + (bθ)³/6: the Hessian at 0 is A, its derivative b⊗b⊗b."""
    matrix = np.diag([5.0, 3.0, 1.0, 0.5, 0.1, 0.2])
    b = RANDOM.standard_normal(6)

    def gradient(theta):
        return matrix @ theta + (b @ theta) ** 2 / 2 * b

    start = np.linalg.qr(RANDOM.standard_normal((6, 2)))[0]
    basis, values = leading_directions(gradient, np.zeros(6), start, 2)
    np.testing.assert_allclose(values, [5, 3], rtol=1e-6)
    np.testing.assert_allclose(np.abs(basis), np.eye(6)[:, :2], atol=1e-3)
    thirds = third_derivatives(gradient, np.zeros(6), basis, gradient(np.zeros(6)))
    wanted = np.einsum("i,j,d->ijd", basis.T @ b, basis.T @ b, b)
    np.testing.assert_allclose(thirds, wanted, rtol=1e-4, atol=1e-5)


def test_central_flow_keeps_the_curvature_at_the_edge():
    """L = (1 + y) x²/2 − y: the curvature of x rises with y until it is 2/η, and would go on."""

    def gradient(theta):
        x, y = theta
        return np.array([(1 + y) * x, x**2 / 2 - 1.0])

    points = list(islice(central_flow(gradient, np.array([0.0, 0.0]), 0.5, tracked=1), 15))
    assert points[3].curvatures[0] == pytest.approx(2.375, abs=0.01)  # of the last substep
    assert points[-1].curvatures[0] == pytest.approx(4, abs=0.02)
    # There the mean of x²/2 has to be the slope of y: the variance is 2.
    assert points[-1].covariance[0, 0] == pytest.approx(2, abs=0.05)


def test_epsilon_and_pade_sum_a_geometric_series():
    vectors = RANDOM.standard_normal((2, 5))
    terms = [0.9**k * vectors[0] + (-0.5) ** k * vectors[1] for k in range(5)]
    np.testing.assert_allclose(vector_epsilon(terms), 10 * vectors[0] + vectors[1] / 1.5, rtol=1e-6)
    along = np.eye(5)[:, :2]
    one = [0.9**k * vectors[0] for k in range(5)]
    found = pade_on(along)(one)
    np.testing.assert_allclose(found[:2], 10 * vectors[0][:2], rtol=1e-6)
    np.testing.assert_allclose(found[2:], plain(one)[2:])


def test_each_logarithm_is_right_on_a_linear_map():
    matrix = np.diag([0.9, -0.95, 0.7])
    start, wanted = np.array([1.0, 2.0, -1.0]), np.log(np.array([0.9, 0.95, 0.7])) * [1.0, 2.0, -1.0]
    for values in (logarithms.exact, logarithms.doubted):
        rate = logarithms.of_states(logarithms.through(values), 3)(matrix.__matmul__)
        np.testing.assert_allclose(rate(start), wanted, rtol=1e-6)
    for rate_of in (logarithms.subspace(3), logarithms.of_states(logarithms.accelerated, 8)):
        np.testing.assert_allclose(rate_of(matrix.__matmul__)(start), wanted, rtol=0.02)


def test_a_counter_stops():
    counted = Counter(lambda theta: theta, most=2)
    counted(1), counted(2)
    with pytest.raises(GivenUp):
        counted(3)
