"""A training: what it takes, what it refuses, and that nothing of the user's is changed."""

import copy

import numpy as np
import pytest
from quartic_kernel import Quartic
from shared_kernels import kernel

import eomsym
from eomsym import Batches, Training
from eomsym.dynamics import whole_state_kernel
from eomsym.errors import EomsymError, InputError
from eomsym.models import MLP, dataset

NETWORK = MLP([2, 3, 1], "tanh", "mse")
RANDOM = np.random.default_rng(0)
ARRAYS = RANDOM.standard_normal((12, 2)), RANDOM.standard_normal((12, 1))
START = np.array([0.3, -0.2])


def refused(match, *given, ask=Training, **options):
    """One line, with these words."""
    with pytest.raises(InputError, match=match) as caught:
        ask(*given, **options)
    assert "\n" not in str(caught.value)


def test_a_network_with_arrays():
    posed = Training(NETWORK, ARRAYS, eta=0.1, seed=3)
    np.testing.assert_array_equal(posed.theta, NETWORK.initial(3))
    assert all(one is other for one, other in zip(posed.data, ARRAYS, strict=True))
    assert (posed.entry.name, posed.eta, posed.dataset, posed.loop) == ("gradient-descent", 0.1, "", None)


@pytest.mark.parametrize("data", ["moons", dataset("moons", 0)])
def test_a_named_data_set_has_a_network(data):
    posed = Training(None, data, seed=0)
    assert isinstance(posed.model, MLP)
    assert posed.setting.dataset == "moons"
    for one, other in zip(posed.data, dataset("moons", 0).arrays, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_kernel_is_the_loss():
    made = kernel("tiny")
    posed = Training(made, ARRAYS)
    assert posed.kernel(3) is made
    assert posed.model == NETWORK
    refused("order", 99, ask=posed.kernel)


def test_a_text_is_the_loss_of_its_variables():
    posed = Training("x**4/4 + x*y", eta=0.1, variables=("x", "y"), theta=START)
    assert posed.model.size == 2
    np.testing.assert_array_equal(posed.theta, START)
    refused("variables", NETWORK, ARRAYS, variables=("x",))
    with pytest.raises(InputError, match="theta"):
        _ = Training("x**2", variables=("x",)).theta


@pytest.mark.parametrize(
    ("match", "given", "options"),
    [
        ("model 3: give an MLP", (3,), {}),
        ("model: none given", (None,), {}),
        ("model: none given", (None, ARRAYS), {}),
        ("data: none given", (NETWORK,), {}),
        ("optimizer", (NETWORK, ARRAYS, 3), {}),
        ("optimizer", (NETWORK, ARRAYS, "nonsense"), {}),
        ("batches", (NETWORK, ARRAYS), {"batches": "all"}),
        ("batches: this loss has no data", (Quartic(),), {"theta": START, "batches": 2}),
        ("eta", (NETWORK, ARRAYS, None, -1.0), {}),
        ("seed", (NETWORK, ARRAYS), {"seed": 0.5}),
        ("precision", (NETWORK, ARRAYS), {"precision": "single"}),
        ("theta: of a loss function", (lambda _: 0.0,), {}),
        ("has a schedule", (NETWORK, ARRAYS, "heavy-ball"), {"beta": "1/2", "schedule": {"beta": "1/(2 + tau)"}}),
    ],
)
def test_unknown_kinds_are_refused(match, given, options):
    refused(match, *given, **options)


def test_precision_against_the_kernel():
    assert Training(kernel("tiny"), ARRAYS, precision="double").precision == "double"
    assert Training(kernel("tiny, double-double"), ARRAYS).precision == "double-double"
    refused("the kernel's is double;", kernel("tiny"), ARRAYS, precision="double-double")
    refused("the kernel's is double-double;", kernel("tiny, double-double"), ARRAYS, precision="double")


# Batches.


def test_batches_in_order():
    assert Batches(5).of(12).reshuffled
    fixed = Batches(5, "fixed")
    assert [len(batch) for batch in fixed.of(12).members] == [5, 5, 2]
    assert fixed.of(12).order == (0, 1, 2)
    assert set(fixed.of(12).weights) == {1}
    assert [len(batch) for batch in Batches(5, "fixed", "drop").of(12).members] == [5, 5]
    assert [float(w) for w in Batches(5, "fixed", "weight").of(12).weights] == [1.25, 1.25, 0.5]
    assert Batches(4, "fixed", visits="palindrome").of(12).order == (0, 1, 2, 2, 1, 0)
    assert Batches(4, "fixed", visits=[2, 0, 1, 1]).of(12).order == (2, 0, 1, 1)
    assert Batches([[0, 2], [1]], "fixed").of(3).members == ((0, 2), (1,))


def test_drawn_batches():
    assert [Batches(4, order).is_drawn for order in ("shuffled", "fixed", "independent", "replacement")] == [0, 0, 1, 1]
    assert Batches(4, "replacement").draw(3).replacement
    refused("without replacement", 3, ask=Batches(4, "independent").draw)
    assert Training(NETWORK, ARRAYS, batches=Batches(4, "replacement")).loop is None


@pytest.mark.parametrize(
    ("match", "given", "samples"),
    [
        ("order", {"size": 4, "order": "random"}, 12),
        ("visits", {"size": 4, "visits": "palindrome"}, 12),
        ("batch size 13", {"size": 13}, 12),
        ("batch size", {"size": 0}, 12),
        ("last batch", {"size": 5, "last": "lose"}, 12),
        ("no data", {"size": 1}, 0),
        ("order", {"size": 4, "order": "fixed", "visits": [0, 1]}, 12),
        ("in none", {"size": [[0], [1]]}, 3),
        ("twice", {"size": [[0, 1], [1, 2]]}, 3),
        ("empty", {"size": [[0, 1], []]}, 2),
    ],
)
def test_batches_that_are_refused(match, given, samples):
    refused(match, ask=lambda: Batches(**given).of(samples))


@pytest.mark.parametrize("ask", ["verify", "follow", "drift", "terms", "certify", "implicit_regulariser"])
@pytest.mark.parametrize("order", ["independent", "replacement"])
def test_drawn_batches_answer_no_question_of_one_run(ask, order):
    posed = Training(kernel("tiny"), ARRAYS, eta=0.1, batches=Batches(4, order))
    given = {"follow": (3,), "drift": ("loss",)}.get(ask, ())
    refused("batches", posed, *given, ask=getattr(eomsym, ask))


# Rules.


def test_a_kernel_brings_its_rule():
    made = kernel("heavy-ball")
    data = RANDOM.standard_normal((5, 3)), np.eye(2)[[0, 1, 0, 1, 1]].astype(float)
    posed = Training(made, data, eta=0.1)
    assert posed.entry.name == "heavy-ball"
    assert posed.values == {"beta": 1 / 2}
    assert posed.brings_rule
    other = Training(made, data, "gradient-descent", 0.1)
    refused("heavy-ball", other, [0], state="slow", ask=eomsym.verify)


def test_with_shares_the_loss():
    posed = Training(kernel("tiny"), ARRAYS, eta=0.1)
    other = posed.with_(optimizer="heavy-ball", beta="1/2", eta=0.2)
    assert other.kernel(2) is posed.kernel(2)
    assert other.data is posed.data
    assert (other.entry.name, other.eta, dict(other.values)) == ("heavy-ball", 0.2, {"beta": 1 / 2})
    assert (posed.entry.name, posed.eta) == ("gradient-descent", 0.1)
    assert posed.at(0.3).eta == 0.3
    np.testing.assert_array_equal(posed.with_(seed=5).theta, NETWORK.initial(5))
