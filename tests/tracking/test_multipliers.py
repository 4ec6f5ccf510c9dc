"""Multipliers read off linear recurrences with known ones, in double and single precision, and off noise."""

import numpy as np
import pytest

from eomsym.tracking.multipliers import FEWEST, degrees, multipliers


def gram(rows, times=2):
    rows = np.diff(np.asarray(rows, dtype=np.float64), times, axis=0)
    return rows @ rows.T


def modes(values, count=12, size=400, dtype=np.float64, offset=0.0):
    """θ_k of which the second differences have these multipliers in about equal parts."""
    generator, times = np.random.default_rng(1), np.arange(count)[:, None]
    rows = np.zeros((count, size), dtype=complex)
    for value in values:
        start = generator.normal(size=size) + 1j * generator.normal(size=size) * (abs(np.imag(value)) > 0)
        rows += start / (value - 1) ** 2 * np.asarray(value, dtype=complex) ** times
    return (rows.real + offset).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "values",
    [(0.9,), (-1.0,), (-1.02,), (0.95 * np.exp(1.3j),), (0.5, -0.99), (0.97, 0.95 * np.exp(2.5j)), (0.9, 0.5, 0.1j)],
)
def test_known_multipliers(values, dtype):
    found = multipliers(gram(modes(values, dtype=dtype)))
    tolerance = 1e-6 if dtype is np.float64 else 2e-3
    assert found.residual < tolerance
    for value in values:
        assert min(abs(np.array(found.values) - value)) < 50 * tolerance
    assert found.dimension <= 2 * len(values) + 0.5


def test_heavy_ball_on_a_quadratic():
    beta, product = 0.9, 3.5
    rows, velocity, theta = [], 0.0, np.ones(1)
    for _ in range(12):
        velocity = beta * velocity + product * theta
        theta = theta - velocity
        rows.append(np.concatenate([theta, 0.9 ** len(rows) * np.ones(2)]))
    found = multipliers(gram(rows))
    leading = max(found.values, key=degrees)
    assert abs(leading) == pytest.approx(np.sqrt(beta), rel=1e-6)


def test_noise_has_no_recurrence():
    """White steps (descent) and a white second difference (a long memory): what no recurrence explains is most."""
    generator = np.random.default_rng(0)
    drawn = generator.normal(size=(12, 5000))
    assert multipliers(gram(np.cumsum(drawn, axis=0))).residual == pytest.approx(np.sqrt(0.6), abs=0.05)
    steps = multipliers(gram(np.cumsum(np.cumsum(drawn, axis=0), axis=0)))
    assert steps.residual > 0.97
    assert steps.dimension > 9
    assert multipliers(gram(modes((0.9, -0.99)))).dimension < 3, "control"


def test_where_there_is_nothing_to_fit():
    assert multipliers(gram(modes((0.9,), count=FEWEST + 1))) is None
    assert multipliers(np.zeros((10, 10))) is None
    assert multipliers(np.full((10, 10), np.nan)) is None


def test_directions_that_rounding_made_are_left_out():
    """A slow mode in single precision beside large numbers: no multiplier but its own has a share."""
    rows = modes((0.97,), dtype=np.float32, offset=3e3)
    plain, known = (multipliers(gram(rows), 0.2 * 2.0**-23 * np.linalg.norm(rows[0]) * k) for k in (0, 3))
    assert known.values[0] == pytest.approx(0.97, abs=0.03)
    assert known.residual >= plain.residual


def test_angles():
    assert degrees(-1) == 180
    assert degrees(np.exp(-1j)) == pytest.approx(57.2958)
