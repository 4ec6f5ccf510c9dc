"""Differences of iterates against NumPy's own, and what rounding hides of them."""

import numpy as np
import pytest

from eomsym.errors import InputError
from eomsym.tracking import differences as module
from eomsym.tracking.differences import differences


def iterates(count=6, dtype=np.float64):
    times = np.arange(count)[:, None]
    rates = np.array([0.1, 0.02, 0.3, 0.05, 0.2])
    return [[row[:3].reshape(3, 1).astype(dtype), row[3:].astype(dtype)] for row in np.exp(-rates * times)]


@pytest.mark.parametrize("chunk", [2, 1 << 16])
def test_products_are_those_of_whole_vectors(monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    found = differences(iterates())
    rows = np.array([np.concatenate([part.ravel() for part in parts]) for parts in iterates()])
    wanted = [np.diff(rows, n, axis=0) for n in range(1, 6)]
    for size, part in zip(found.sizes, wanted, strict=True):
        np.testing.assert_allclose(size, np.diag(part @ part.T), rtol=1e-12)
    np.testing.assert_allclose(found.successive, np.diag(wanted[0] @ wanted[0].T, 1), rtol=1e-12)
    np.testing.assert_allclose(found.gram, wanted[1] @ wanted[1].T, rtol=1e-12)
    assert found.schedule == 0


def test_the_last_iterates_are_a_part():
    rates = [[0.1 * k, 0.2] for k in range(1, 7)]
    part = differences(iterates()[2:], rates[2:])
    for whole in (differences(iterates(), rates).last(4), differences(iterates(), rates, 4).last(4)):
        for mine, wanted in zip((*whole.sizes, whole.gram), (*part.sizes, part.gram), strict=True):
            np.testing.assert_allclose(mine, wanted, rtol=1e-12)
        np.testing.assert_allclose(whole.successive, part.successive, rtol=1e-12)
    assert [len(size) for size in differences(iterates(), rates, 4).sizes] == [5, 4, 1]


def test_shares_and_cosines_of_one_decaying_direction():
    """θ_k = r^k: Δⁿ = (r − 1)ⁿ r^k, and all differences point the same way."""
    found = differences([[np.array([0.8**k])] for k in range(5)])
    sizes = [np.sqrt(np.mean(0.8 ** (2 * np.arange(5 - n)))) * 0.2**n for n in range(1, 5)]
    np.testing.assert_allclose(found.shares, [size / sizes[0] / n for n, size in enumerate(sizes, 1)], rtol=1e-12)
    assert found.cosine(1) == found.cosine(2, 2) == pytest.approx(1)
    alternating = differences([[np.array([(-0.9) ** k])] for k in range(5)])
    assert alternating.cosine(2) == pytest.approx(-1)
    assert alternating.cosine(2, 2) == pytest.approx(1)
    assert np.isnan(alternating.cosine(2, 3))


@pytest.mark.parametrize("kind", ["cosine", "linear", "warm-up"])
def test_a_schedule_is_taken_out(kind):
    """Shares are those of the same steps at a constant rate; without the rates the end of a cosine shows 28 %."""
    count, curvatures = 5, np.array([0.5, 1.0, 3.0])
    left = np.arange(count, 0, -1.0)
    rates = 1e-3 * {"cosine": left**2, "linear": left, "warm-up": left[::-1]}[kind]

    def run(rates):
        rows = [np.ones(3)]
        for rate in rates[1:]:
            rows.append(rows[-1] - rate * curvatures * rows[-1])
        return [[row] for row in rows]

    found = differences(run(rates), [[rate] for rate in rates])
    constant = differences(run(np.full(count, rates[-1])))
    np.testing.assert_allclose(found.shares, constant.shares, rtol=0.2)
    raw = differences(run(rates))
    assert found.schedule == pytest.approx(raw.shares[1], rel=0.1)
    assert raw.shares[1] > 5 * constant.shares[1], "control"
    if kind == "cosine":
        assert found.schedule == pytest.approx(0.28, abs=0.02)


def test_a_rate_of_zero_is_no_time():
    rows = [[row] for row in np.cumsum(np.ones((5, 3)), axis=0)]
    assert differences(rows, [[0.1], [0.1], [0.0], [0.1], [0.1]]).schedule == 0


def test_rounding_is_as_large_as_it_is_said_to_be():
    """Straight lines in float32 have second differences of rounding alone."""
    generator = np.random.default_rng(0)
    start, slope = generator.normal(size=(2, 20_000))
    rows = [[(start + 1e-3 * slope * k).astype(np.float32)] for k in range(5)]
    found = differences(rows)
    np.testing.assert_allclose(found.shares[1:], found.noise[1:], rtol=0.15)
    assert found.seen == 1
    exact = differences([[start + 1e-3 * slope * k] for k in range(5)])
    assert exact.shares[1] < 1e-11, "float64 rounds 2^29 times finer"


def test_single_precision_shows_two_orders_where_double_shows_four():
    rates = np.geomspace(1e-3, 1e-2, 50)
    rows = [np.exp(-rates * k) for k in range(6)]
    assert differences([[row] for row in rows]).seen == 5
    assert differences([[row.astype(np.float32)] for row in rows]).seen == 2


def test_other_numbers_than_floats_are_refused():
    with pytest.raises(InputError, match=r"a leaf is complex128; give bfloat16, float16, float32, float64"):
        differences([[np.array([1j])] for _ in range(3)])
