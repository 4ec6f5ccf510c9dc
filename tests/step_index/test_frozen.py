"""Components that never move: held where g is 0 all around, refused where it is 0 at θ alone."""

from __future__ import annotations

import numpy as np
import pytest
from forms import EVERY
from sample_quartic import SampleQuartic, samples

from eomsym import optimizers
from eomsym.dynamics import kernel_counterterms
from eomsym.errors import InputError
from eomsym.series.array_series import root_quotient
from eomsym.step_index.frozen import check_frozen, takes_roots


class WithStillOnes(SampleQuartic):
    """A third parameter that the loss does not see."""

    size = 3

    def gradient_series(self, series, samples):
        return np.pad(super().gradient_series(series[:, :2], samples), ((0, 0), (0, 1)))


SHARES = {"beta1": "1/3", "beta2": "2/5", "epsilon": "1/10"}


@pytest.mark.parametrize("name", ["adam", "adam(corrected=no)", "rmsprop"])
def test_the_others_have_their_terms_and_it_has_none(name):
    entry = optimizers.get(name)
    values = {key: value for key, value in SHARES.items() if key in {p.name for p in entry.parameters}}
    rule, data = entry.rule(**entry.complete(values)), samples(6)
    with_it = kernel_counterterms(WithStillOnes(), rule, np.array([0.3, -0.4, 0.7]), 3, (data,))
    without = kernel_counterterms(SampleQuartic(), rule, np.array([0.3, -0.4]), 3, (data,))
    np.testing.assert_allclose(with_it[:, :2], without, rtol=1e-12)
    np.testing.assert_array_equal(with_it[:, 2], 0)


def test_decay_beside_the_root_moves_it_all_the_same():
    entry = optimizers.get("adamw")
    rule = entry.rule(**entry.complete({**SHARES, "decay": "1/5"}))
    found = kernel_counterterms(WithStillOnes(), rule, np.array([0.3, -0.4, 0.7]), 3, (samples(6),))
    np.testing.assert_allclose(found[:, 2], [0.7 * 0.2 ** (k + 1) / (k + 1) for k in range(4)], rtol=1e-12)


def test_a_gradient_that_vanishes_at_a_point_is_no_held_component():
    """Negative control: there √(g²) has a kink, and 0/0 = 0 would be wrong."""
    entry = optimizers.get("adam(corrected=no)")
    rule = entry.rule(**entry.complete(SHARES))
    data = np.zeros((4, 4))  # then g is 0 at 0, and nowhere else
    with pytest.raises(InputError, match="g is 0 at parameter 0, where the root that the optimizer takes"):
        kernel_counterterms(SampleQuartic(), rule, np.zeros(2), 2, (data,))
    assert np.isfinite(kernel_counterterms(SampleQuartic(), rule, np.array([0.1, 0.2]), 2, (data,))).all()


def test_what_is_held_is_told_from_what_is_not():
    check_frozen(lambda at: np.array([at[0] ** 2, 0.0]), np.array([1.0, 0.0]), "adam")
    with pytest.raises(InputError, match="parameter 1"):
        check_frozen(lambda at: at - [2.0, 0.0], np.array([1.0, 0.0]), "adam")
    assert root_quotient(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 1.0])).tolist() == [0, 0.5, 3]


def test_a_root_of_zero_under_what_moves_is_no_number():
    with np.errstate(divide="ignore"):
        assert not np.isfinite(root_quotient(np.array([1.0]), np.array([0.0]))).any()


def test_rules_that_take_roots_are_known():
    taken = {name for name, entry in EVERY.items() if takes_roots(entry.rule(**entry.complete({}, trial=True)))}
    assert {"adam", "adamw", "rmsprop", "adam(inside=yes, corrected=no)"} <= taken
    assert not taken & {"gradient-descent", "heavy-ball", "sgdw"}
