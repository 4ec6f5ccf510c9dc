"""The modified loss in numbers: its gradient by differences, its first term by hand, and what has none."""

import json

import numpy as np
import pytest
import shared_kernels
from asking import implicit_regulariser

import eomsym
from eomsym import optimizers
from eomsym.dynamics import kernel_counterterms
from eomsym.errors import InputError

RANDOM = np.random.default_rng(3)
DATA = RANDOM.standard_normal((10, 2)), RANDOM.standard_normal((10, 1))
ETA = 0.05


@pytest.fixture(scope="module")
def kernel():
    return shared_kernels.kernel("tiny")


@pytest.mark.parametrize("name", ["gradient-descent", "heavy-ball", "nesterov", "extragradient"])
def test_gradients_are_those_of_the_values(kernel, name):
    """Differences of the values along a line; with what no loss gives beside it, the rows of the equation of motion."""
    theta, along = kernel.model.initial(0), RANDOM.standard_normal(kernel.size)
    width = 1e-3
    found = implicit_regulariser(kernel, theta, ETA, *DATA, order=3, optimizer=name)
    moved = [
        np.array(implicit_regulariser(kernel, theta + s * width * along, ETA, *DATA, order=3, optimizer=name).values)
        for s in (-2, -1, 1, 2)
    ]
    slopes = (moved[0] - 8 * moved[1] + 8 * moved[2] - moved[3]) / (12 * width)
    np.testing.assert_allclose(slopes, found.gradients @ along, rtol=1e-7)
    # The whole row is no gradient: the same test fails for it from η² on.
    whole = (found.gradients + found.rests) @ along
    assert np.all(np.abs(slopes / whole - 1)[2:] > 1e-5)
    entry = optimizers.get(name)
    rows = kernel_counterterms(kernel, entry.rule(**entry.complete({})), theta, 3, DATA)
    np.testing.assert_allclose(found.gradients + found.rests, rows * ETA ** np.arange(4.0)[:, None], rtol=1e-12)
    assert not np.any(found.rests[:2])


def test_first_terms_by_hand(kernel):
    """``L + (η/4)‖g‖² + (η²/8) gᵀHg``, the product with H from a difference of gradients."""
    theta = kernel.model.initial(1)
    g = kernel.gradient(theta, *DATA)
    product = (kernel.gradient(theta + 1e-5 * g, *DATA) - kernel.gradient(theta - 1e-5 * g, *DATA)) / 2e-5
    found = implicit_regulariser(kernel, theta, ETA, *DATA, order=2)
    wanted = [kernel.loss(theta, *DATA), ETA / 4 * g @ g, ETA**2 / 8 * g @ product]
    np.testing.assert_allclose(found.values, wanted, rtol=1e-8)
    assert found.loss == pytest.approx(sum(wanted), rel=1e-10)
    assert found.shares[0] == pytest.approx(1, abs=0.1)
    assert json.loads(found.to_json())["values"] == list(found.values)
    assert len(str(found).splitlines()) == 4


def test_where_the_series_diverges_a_sentence_says_so_beside_the_table(kernel):
    theta = kernel.model.initial(0)
    calm = implicit_regulariser(kernel, theta, 1e-3, *DATA, order=2, optimizer="heavy-ball")
    assert calm.warnings == ()
    found = implicit_regulariser(kernel, theta, ETA, *DATA, order=2, optimizer="heavy-ball")
    (warning,) = found.warnings
    assert "from 0.00263 on the series in eta diverges and more orders make it worse" in warning
    assert str(found).endswith(f"warning: {warning}")
    assert found.to_dict()["warnings"] == [warning]


def test_a_kernel_needs_a_loss_in_doubles():
    kernel = shared_kernels.kernel("tiny, double-double")
    with pytest.raises(InputError, match="modified loss is made in doubles"):
        implicit_regulariser(kernel, np.zeros(kernel.size), ETA, *DATA)


def test_written_losses_have_one_too(tmp_path):
    """``L = x⁴/4 + 2y²``: ``‖g‖² = x⁶ + 16y²``, ``gᵀHg = 3x⁸ + 64y²``."""
    kernel = eomsym.load(eomsym.generate("x**4/4 + 2*y**2", variables=["x", "y"], order=2, output=tmp_path))
    found = implicit_regulariser(kernel, np.array([1.5, -0.5]), ETA, order=2)
    x, y = 1.5, -0.5
    wanted = [x**4 / 4 + 2 * y**2, ETA / 4 * (x**6 + 16 * y**2), ETA**2 / 8 * (3 * x**8 + 64 * y**2)]
    np.testing.assert_allclose(found.values, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"optimizer": "adam"}, "componentwise"),
        ({"optimizer": "simultaneous-players"}, "game"),
        ({"optimizer": "random-reshuffling"}, "a kernel has one"),
        ({"order": 9}, "order"),
        ({"eta": 0.0}, "eta"),
    ],
)
def test_what_has_no_modified_loss(kernel, changes, said):
    settings = {"eta": ETA, **changes}
    with pytest.raises(InputError, match=said):
        implicit_regulariser(kernel, kernel.model.initial(0), settings.pop("eta"), *DATA, **settings)
