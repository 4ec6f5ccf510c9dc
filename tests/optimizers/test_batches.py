"""Batches: how samples are cut, what a round visits, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from batching import batched

from eomsym.errors import InputError
from eomsym.optimizers.batches import cut, of_index_sets
from eomsym.optimizers.loop import loop_of


def test_a_smaller_last_batch_is_dropped_kept_or_weighted_as_it_is_said():
    dropped, kept, weighted = (cut(10, size=4, last=last) for last in ("drop", "keep", "weight"))
    assert [len(batch) for batch in dropped.members] == [4, 4]
    assert [len(batch) for batch in kept.members] == [4, 4, 2]
    assert kept.weights == (1, 1, 1)
    assert weighted.weights == (Fraction(6, 5), Fraction(6, 5), Fraction(3, 5))
    assert sum(weight * 10 / (3 * len(b)) for weight, b in zip(weighted.weights, weighted.members, strict=True)) == 3


def test_weighted_batches_have_the_mean_of_all_samples():
    values, batches = np.arange(10.0) ** 2, cut(10, size=4, last="weight")
    means = [float(weight) * values[batches.fields[index].samples(10)].mean() for index, weight in batches.visits]
    assert np.mean(means) == pytest.approx(values.mean())


def test_seven_and_more_batches_and_the_order_of_visits():
    assert len(cut(1797, size=32, last="drop").visits) == 56
    assert cut(8, 2, order="palindrome").order == (0, 1, 2, 3, 3, 2, 1, 0)
    assert cut(8, 2, order=[2, 0, 1, 3, 0]).order == (2, 0, 1, 3, 0)
    assert cut(8, 4, order="reshuffled").reshuffled


def test_index_sets_need_not_be_in_a_row():
    batches = of_index_sets([[0, 3], [2, 1]], 4)
    assert batches.fields[0].samples(4) == [0, 3]
    assert batches.fields[1].samples(4) == [2, 1]
    assert cut(4, 2).fields[1].samples(4) == slice(2, 4)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"size": 11}, "there are 10 samples"),
        ({"size": 0}, "batch size 0"),
        ({"size": "8"}, "batch size '8'"),
        ({"size": 4, "last": "pad"}, "last batch 'pad'"),
        ({"count": 2, "order": "random"}, "'random'"),
        ({"count": 2, "order": [0]}, "order [0] of 2 batches"),
        ({"count": 2, "order": [0, 1, 2]}, "batch 2"),
        ({"sets": [[0, 1, 2], [3, 4]]}, "5 of 10 samples are in none, such as number 5"),
        ({"sets": [range(10), [3]]}, "sample 3 is there twice"),
        ({"sets": [range(10), []]}, "number 1 is empty"),
        ({"sets": [range(11)]}, "sample 10"),
    ],
)
def test_batches_that_do_not_fit_the_data_are_refused_in_one_line(given, named):
    with pytest.raises(InputError) as caught:
        batched(given, 10)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_parameter_has_a_value_or_a_schedule():
    with pytest.raises(InputError, match="beta = 1/2: has a schedule, so it has no value"):
        loop_of("heavy-ball", {"beta": "1/2 + tau/9"}, beta="1/2")


def test_orders_and_what_is_left_are_found_whatever_their_case():
    assert cut(10, size=4, last="Keep", order="Palindrome") == cut(10, size=4, last="keep", order="palindrome")
    assert cut(10, size=4, last="WEIGHT", order="Reshuffled") == cut(10, size=4, last="weight", order="reshuffled")
