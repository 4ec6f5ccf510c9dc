"""The logarithm of a map by its own steps: against that of a matrix, and against the look-ahead field of descent."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.linalg import logm

from eomsym.arrays.lookahead import lookahead
from eomsym.errors import InputError
from eomsym.step_index import map_logarithm

MATRIX = np.array([[0.9, 0.2, 0.0], [-0.1, 1.1, 0.05], [0.0, 0.1, 0.8]])
STATE = np.array([1.0, -2.0, 0.5])
#: One array as a tree of itself.
ARRAYS = SimpleNamespace(
    map=lambda f, *trees: f(*trees),
    cast=lambda moved, _: moved,
    number=float,
    flatten=lambda tree: ([tree], None),
    quiet=nullcontext,
)


@pytest.mark.parametrize("order", [0, 1, 2, 5, 20])
def test_of_a_matrix_it_is_the_truncated_series_of_its_logarithm(order):
    power, wanted = np.eye(3), np.zeros(3)
    for n in range(1, order + 2):
        power = power @ (MATRIX - np.eye(3))
        wanted += (-1) ** (n + 1) / n * power @ STATE
    np.testing.assert_allclose(map_logarithm(MATRIX.__matmul__, STATE, order), wanted, rtol=1e-9)


def test_of_a_step_of_descent_it_is_the_field_of_descent():
    def gradient(theta):
        return theta + theta**3

    found = map_logarithm(lambda theta: theta - 0.1 * gradient(theta), STATE, 3) / 0.1
    wanted = lookahead(ARRAYS, gradient, STATE, 0.1, 3)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_state_may_be_a_tree():
    def tree_map(function, *trees):
        return {name: function(*(tree[name] for tree in trees)) for name in trees[0]}

    found = map_logarithm(lambda z: {"a": z["b"], "b": 0.9 * z["a"]}, {"a": STATE, "b": 2 * STATE}, 2, tree_map)
    both = map_logarithm(lambda z: np.concatenate([z[3:], 0.9 * z[:3]]), np.concatenate([STATE, 2 * STATE]), 2)
    np.testing.assert_allclose(np.concatenate([found["a"], found["b"]]), both)


def test_orders_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"order 21.*0 to 20"):
        map_logarithm(np.sin, STATE, 21)


def test_with_stride_two_it_is_half_the_logarithm_of_the_square():
    """Multipliers −0.9 and 0.7: those of the square are 0.81 and 0.49, and the sum with stride 1 diverges."""
    matrix = np.array([[-0.9, 0.3], [0.0, 0.7]])
    wanted = logm(matrix @ matrix).real @ STATE[:2] / 2
    errors = [
        [np.linalg.norm(map_logarithm(matrix.__matmul__, STATE[:2], n, stride=s) - wanted) for n in (0, 3, 9)]
        for s in (1, 2)
    ]
    assert errors[0][0] < errors[0][1] < errors[0][2]
    assert errors[1][0] > 10 * errors[1][1] > 50 * errors[1][2]


@pytest.mark.parametrize("order", [0, 1, 4])
def test_of_descent_with_stride_two_it_takes_twice_as_many_gradients(order):
    calls = []

    def gradient(theta):
        calls.append(1)
        return theta + theta**3

    found = lookahead(ARRAYS, gradient, STATE, 0.1, order, 2)
    assert len(calls) == 2 * (order + 1)
    wanted = map_logarithm(lambda theta: theta - 0.1 * gradient(theta), STATE, order, stride=2) / 0.1
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("stride", [0, 3, 1.5])
def test_other_strides_are_refused(stride):
    with pytest.raises(InputError, match=r"stride .* 1 to 2"):
        map_logarithm(np.sin, STATE, 2, stride=stride)
