"""The tracker against exact counter terms, and with what a loop does to it."""

import json
import weakref
from dataclasses import replace

import numpy as np
import pytest
import shared_kernels
from sample_quartic import THETA, SampleQuartic, samples

from eomsym.errors import InputError
from eomsym.models import dataset
from eomsym.tracking import Tracker
from eomsym.tracking.verdict import (
    AT_REST,
    EDGE,
    KINKS,
    NOISE,
    NOT_FINITE,
    ROUND_OFF,
    SERIES,
    TRANSIENT,
    UNDERDAMPED,
    steps_to_forget,
)


def descent(gradient, theta, eta, steps, tracker):
    for step in range(1, steps + 1):
        theta = theta - eta * gradient(theta)
        tracker(step, {"theta": theta})
    return tracker


def quartic(theta):
    return SampleQuartic().gradient(theta, samples(5))


def test_differences_tend_to_the_exact_terms_on_digits():
    """Δ²/(2η²) to ξ_0 with slope 1; all to the fourth to ξ_0 + ηξ_1 + η²ξ_2 with slope 3 (theory §14)."""
    kernel, data = shared_kernels.kernel("digits"), dataset("digits").arrays
    theta = kernel.model.initial(0)
    rows = kernel.counterterms(theta, *data)
    first, all_of_them, etas = [], [], 0.04 / 2.0 ** np.arange(4)
    for eta in etas:
        tracker = Tracker(3, 5)
        point = theta
        for step in range(1, 6):
            tracker(step, [point])
            point = point - eta * kernel.gradient(point, *data)
        gradient = kernel.gradient(theta, *data)
        second, fourth = (-(tracker.field(order)[0] / eta + gradient) / eta for order in (1, 3))
        first.append(np.linalg.norm(second - rows[1]))
        all_of_them.append(np.linalg.norm(fourth - rows[1] - eta * rows[2] - eta**2 * rows[3]))
    np.testing.assert_allclose(np.diff(np.log2(first))[-1], -1, atol=0.05)
    np.testing.assert_allclose(np.diff(np.log2(all_of_them))[-1], -3, atol=0.1)


def test_a_series_is_seen_and_told():
    lines = []
    tracker = Tracker(3, 10, callback=lambda step, entries: lines.append((step, entries)))
    descent(quartic, THETA, 0.02, 40, tracker)
    assert tracker.verdict == SERIES
    assert tracker.shares[0] == 1
    assert list(tracker.shares) == sorted(tracker.shares, reverse=True)
    assert [step for step, _ in lines] == [10, 20, 30, 40]
    assert [entries for _, entries in lines] == [json.loads(one.to_json()) for one in tracker.measurements]
    assert tracker.table().splitlines()[0].split() == [
        *("step", "order", "0", "order", "1", "order", "2", "order", "3"),
        *("schedule", "multiplier", "residual", "edge", "verdict"),
    ]
    assert "Step 40: series" in str(tracker)
    assert repr(tracker).startswith("Tracker(step 40, series, shares (1, ")
    axes = tracker.plot().axes[0]
    assert [line.get_label() for line in axes.lines[:3]] == ["order 1", "order 2", "order 3"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), [one.shares[2] for one in tracker.measurements])
    _, bars, strip = tracker.plot().axes
    assert not bars.patches, "no multiplier turns"
    assert len(strip.patches) == 4, "a verdict each"


@pytest.mark.parametrize(
    ("gradient", "eta", "wanted"),
    [
        (lambda theta: np.array([1.0, 2.0]) * theta, 0.1, SERIES),
        (lambda theta: np.array([1.0, 1e-3]) * theta, 1.999, EDGE),
        (lambda theta: 0 * theta, 0.1, AT_REST),
        (lambda theta: 1e-12 * np.ones(2), 0.1, ROUND_OFF),
        (lambda theta: np.full(2, np.nan), 0.1, NOT_FINITE),
    ],
    ids=["series", "edge", "rest", "round-off", "not finite"],
)
def test_verdicts_on_plain_maps(gradient, eta, wanted):
    tracker = descent(gradient, THETA, eta, 60, Tracker(3, 10))
    assert tracker.verdict == wanted
    assert not tracker.problems


def test_noise_and_kinks_in_the_plane_of_many():
    generator = np.random.default_rng(3)
    start, rates = generator.normal(size=(2, 400))
    noisy = descent(lambda theta: theta + generator.normal(size=400), start, 0.01, 100, Tracker(3, 10))
    assert noisy.verdict == NOISE
    grid = np.abs(rates) / 40
    jumps = descent(lambda theta: theta + grid * np.round(theta / grid), start, 0.01, 100, Tracker(3, 10))
    assert jumps.verdict == KINKS


def test_a_memory_that_has_not_forgotten():
    assert [steps_to_forget(shares) for shares in ((), (0.0,), (0.9, 0.99), (0.9,))] == [0, 0, 917, 88]
    assert [steps_to_forget((), (0.99,)), steps_to_forget((0.9,), (0.99,)), steps_to_forget((0.99,), (0.9,))] == [
        *(459, 459, 917)
    ]
    tracker = descent(quartic, THETA, 0.02, 40, Tracker(3, 10, forgets=25))
    assert [one.verdict for one in tracker.measurements] == [TRANSIENT, TRANSIENT, SERIES, SERIES]


def test_batches_in_a_fixed_order_are_looked_at_by_epochs():
    """Control: looked at within the epochs, the steps are those of different losses."""
    parts = np.split(samples(6), 3)

    def epochs(tracker):
        theta = THETA
        for step in range(1, 91):
            theta = theta - 0.01 * SampleQuartic().gradient(theta, parts[(step - 1) % 3])
            tracker(step, theta)
        return tracker

    assert epochs(Tracker(3, 10, steps_per_epoch=3)).verdict == SERIES
    assert epochs(Tracker(3, 10)).verdict != SERIES


def test_iterates_are_kept_only_where_they_are_looked_at():
    copies = []

    class Counted(np.ndarray):
        def copy(self, order="C"):
            copies.append(1)
            return super().copy(order)

    tracker = Tracker(3, 50)
    for step in range(1, 101):
        tracker(step, np.array([0.99**step]).view(Counted))
    assert len(copies) == 2 * 12
    assert [one.step for one in tracker.measurements] == [50, 100]


@pytest.mark.parametrize("every", [1, 4, 50])
def test_no_more_copies_are_kept_than_iterates(every):
    alive = weakref.WeakSet()

    class Counted(np.ndarray):
        __hash__ = object.__hash__

        def copy(self, order="C"):
            made = super().copy(order)
            alive.add(made)
            return made

    tracker = Tracker(3, every)
    most = 0
    for step in range(1, 121):
        tracker(step, np.array([0.99**step]).view(Counted))
        most = max(most, len(alive))
    assert not tracker.problems
    assert most == 12
    assert tracker.latest.step == 120 // every * every


def test_the_field_goes_when_iterates_for_the_next_look_are_gathered():
    tracker = descent(quartic, THETA, 0.02, 60, Tracker(3, 50))
    assert tracker.field()[0].shape == (2,)
    descent(quartic, THETA, 0.02, 48, tracker)
    with pytest.raises(InputError, match="ask right after a look"):
        tracker.field()


def test_parameters_that_change_or_are_skipped_start_anew():
    tracker = Tracker(1, 10)
    for step in range(1, 41):
        size = 2 if step < 18 else 3
        if step != 27:
            tracker(step, np.full(size, 0.9**step))
    assert [one.step for one in tracker.measurements] == [10, 40]


def test_a_loop_is_never_broken():
    tracker = Tracker(1, 5, callback=lambda step, entries: 1 / 0)
    for step in range(1, 11):
        tracker(step, [np.array([0.9**step]), "no array"])
    assert "could be had" in tracker.problems[0]
    with pytest.raises(InputError, match=r"nothing is measured\. At step 1: no measurement"):
        tracker.table()
    other = Tracker(1, 5, callback=lambda step, entries: 1 / 0)
    descent(quartic, THETA, 0.02, 10, other)
    assert len(other.measurements) == 2
    assert "ZeroDivisionError" in str(other)


def test_the_verdict_is_that_of_most_of_the_last_looks():
    tracker = descent(quartic, THETA, 0.02, 40, Tracker(3, 10))
    one = tracker.latest
    for verdict in (SERIES, SERIES, KINKS, SERIES, KINKS):
        tracker.measurements.append(replace(one, verdict=verdict))
    assert tracker.latest.verdict == KINKS
    assert tracker.verdict == SERIES
    tracker.measurements.append(replace(one, verdict=KINKS))
    assert tracker.verdict == KINKS


def test_after_what_could_not_be_looked_at_iterates_are_gathered_anew():
    tracker = Tracker(1, 10)
    for step in range(1, 31):
        tracker(step, ["no array"] if step == 18 else [np.array([0.9**step])])
    assert [one.step for one in tracker.measurements] == [10, 30]
    assert len(tracker.problems) == 1


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"order": 9}, "order 9"),
        ({"order": -1}, "order -1"),
        ({"every": 0}, "every 0"),
        ({"steps_per_epoch": 0}, "steps_per_epoch 0"),
        ({"callback": 3}, "callback 3"),
    ],
)
def test_bad_options(options, named):
    with pytest.raises(InputError, match=named):
        Tracker(**options)


def test_nothing_is_told_before_something_is_seen():
    tracker = Tracker(3, 50)
    with pytest.raises(InputError, match="the optimizer has not stepped"):
        _ = tracker.verdict
    descent(quartic, THETA, 0.02, 20, tracker)
    with pytest.raises(InputError, match="20 steps are made, and order 3 is measured first after 50"):
        _ = tracker.shares
    with pytest.raises(InputError, match="measured first after 50"):
        tracker.field()
    with pytest.raises(InputError, match="first after 50"):
        tracker.plot()
    assert "first after 50" in repr(tracker)
    descent(quartic, THETA, 0.02, 50, tracker)
    with pytest.raises(InputError, match="order 4"):
        tracker.field(4)


def oscillator(product, tracker, beta=0.9, steps=120, every_direction=400):
    """Heavy ball on a quadratic with one sharp direction and many flat ones."""
    curvatures = np.concatenate([[product], np.geomspace(1e-3, 1e-2, every_direction)])
    theta = velocity = np.concatenate([[1.0], np.ones(every_direction)])
    for step in range(1, steps + 1):
        velocity = beta * velocity + curvatures * theta
        theta = theta - velocity
        tracker(step, theta)
    return tracker


def test_underdamped_is_told_from_the_edge_and_from_a_series():
    """θ alone swings with √β a step; at the threshold it does not calm down; with a small rate it does not swing."""
    verdicts = {x: oscillator(x, Tracker(3, 20), steps=40).latest.verdict for x in (3e-3, 1.0, 3.799)}
    assert verdicts == {3e-3: SERIES, 1.0: UNDERDAMPED, 3.799: EDGE}
    one = oscillator(1.0, Tracker(3, 20), steps=40).latest
    assert one.modulus == pytest.approx(0.9**0.5, abs=0.01)
    assert one.angle == pytest.approx(np.degrees(np.arccos(0.9 / 2 / 0.9**0.5)), abs=2)
    assert one.residual < 0.05
    assert one.to_dict()["angle"] == one.angle


def test_what_stands_above_rounding_by_its_direction_alone_is_a_series():
    """In single precision; control: the same steps with no curvature leave rounding alone."""
    curvatures, start = np.linspace(3e-4, 4e-4, 4000), np.random.default_rng(0).normal(size=4000)
    for kept, wanted in ((1.0, SERIES), (0.0, ROUND_OFF)):
        tracker = Tracker(3, 20)
        for step in range(1, 41):
            decay = np.exp(-curvatures * step) if kept else 1 - curvatures * step
            tracker(step, (start * decay).astype(np.float32))
        assert tracker.verdict == wanted, str(tracker)


def test_a_rate_in_the_call_is_taken_out():
    """Control: without it the end of a cosine shows the schedule at order 1."""
    runs = []
    for told in (True, False):
        tracker, theta = Tracker(3, 10), THETA
        for step in range(1, 41):
            rate = 0.005 * (1 - np.cos(np.pi * (41 - step) / 41))
            theta = theta - rate * quartic(theta)
            tracker(step, theta, rate if told else 1.0)
        runs.append(tracker.latest)
    assert runs[0].schedule == pytest.approx(runs[1].shares[1], rel=0.1)
    assert runs[0].shares[1] < 0.02 < runs[1].shares[1]
    assert runs[1].schedule == 0
