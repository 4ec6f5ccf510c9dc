"""The modified loss in numbers: its gradient by differences, its first term by hand, and what has none."""

import json
from itertools import permutations

import numpy as np
import pytest
import shared_kernels
from asking import implicit_regulariser

import eomsym
from eomsym import optimizers
from eomsym.derivation import corrected_step
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


BATCHES = [(4, 1, "keep"), (4, 2, "keep"), (5, 2, "keep"), (5, 2, "drop"), (5, 2, "weight")]


def epoch_means(kernel, data, theta, size, last, step):
    """The end of an epoch, in the mean over all orders of its samples; ``step(theta, gradient, weight)``."""
    count, ends = len(data[0]), []
    whole, short = divmod(count, size)
    sizes = [size] * whole + [short] * (short > 0 and last != "drop")
    for order in permutations(range(count)):
        place, batches = theta, np.split(np.array(order), np.cumsum(sizes))[: len(sizes)]
        for chosen in batches:
            weight = len(chosen) * len(sizes) / sum(sizes) if last == "weight" else 1.0
            place = step(place, lambda at, field=0, b=chosen: kernel.gradient(at, *(part[b] for part in data)), weight)
        ends.append(place)
    return np.mean(ends, axis=0), len(sizes) if last != "weight" else sum(n * len(sizes) / sum(sizes) for n in sizes)


def flow(field, theta, time):
    """One step of the classical Runge–Kutta method, exact to the fourth power of the time."""
    first = field(theta)
    second = field(theta - time / 2 * first)
    third = field(theta - time / 2 * second)
    return theta - time / 6 * (first + 2 * second + 2 * third + field(theta - time * third))


@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_the_mean_of_shuffled_epochs_descends_it(kernel, batches):
    """Errors of an epoch fall with the cube of η; without what the scatter of batches adds with the square."""
    (count, size, last), theta = batches, kernel.model.initial(0)
    data = tuple(part[:count] for part in DATA)
    errors = []
    for eta in (2e-3, 1e-3):

        def found(place, eta=eta):
            training = eomsym.Training(
                kernel, data, "gradient-descent", eta, theta=place, batches=eomsym.Batches(size, last=last)
            )
            return eomsym.implicit_regulariser(training)

        def plain(place, gradient, weight, eta=eta):
            return place - eta * weight * gradient(place)

        mean, steps = epoch_means(kernel, data, theta, size, last, plain)
        ends = [
            flow(
                lambda at, on=on: found(at).gradients.sum(axis=0) + on * found(at).scatter_gradient, theta, eta * steps
            )
            for on in (1, 0)
        ]
        errors.append([np.linalg.norm(end - mean) for end in ends])
    np.testing.assert_allclose(np.log2(np.divide(*errors)), [3, 2], atol=0.1)
    along = np.ones(kernel.size)
    values = [found(theta + width * along).scatter for width in (-1e-4, 1e-4)]
    assert (values[1] - values[0]) / 2e-4 == pytest.approx(found(theta).scatter_gradient @ along, rel=1e-6)


@pytest.mark.parametrize("batches", BATCHES, ids=str)
def test_a_corrected_step_a_batch_switches_it_off(kernel, batches):
    """Each batch's own flow has no regulariser, and what batches do to one another is zero in the mean over orders.

    So it is where the steps of an epoch sum to the whole loss, whatever the order: not with a short batch that counts
    as much as others, or is dropped.
    """
    (count, size, last), theta = batches, kernel.model.initial(0)
    data = tuple(part[:count] for part in DATA)
    whole = count % size == 0 or last == "weight"
    slopes = []
    for strength in (1, 0):
        made, errors = corrected_step(1, strength).optimizer, []
        for eta in (2e-3, 1e-3):

            def step(place, gradient, weight, eta=eta, made=made):
                return made.step(gradient, (place,), eta * weight)[0]

            mean, steps = epoch_means(kernel, data, theta, size, last, step)
            errors.append(np.linalg.norm(flow(lambda at: kernel.gradient(at, *data), theta, eta * steps) - mean))
        slopes.append(np.log2(errors[0] / errors[1]))
    np.testing.assert_allclose(slopes, [3 if whole else 2, 2], atol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 2}, "shuffled ones, to order 1"),
        ({"optimizer": "heavy-ball"}, "known of gradient descent on shuffled ones"),
        ({"batches": eomsym.Batches(2, "independent")}, "known of gradient descent on shuffled ones"),
        ({"batches": eomsym.Batches(2, "fixed")}, "known of gradient descent on shuffled ones"),
        ({"schedule": "1 - tau"}, "known of plain steps"),
    ],
    ids=str,
)
def test_batches_that_have_none_are_refused(kernel, options, message):
    order, optimizer = options.pop("order", 1), options.pop("optimizer", "gradient-descent")
    options = {"batches": 2, **options}
    training = eomsym.Training(kernel, DATA, optimizer, 0.1, theta=kernel.model.initial(0), **options)
    with pytest.raises(InputError, match=message):
        eomsym.implicit_regulariser(training, order)


def test_a_kernel_with_batch_normalisation_has_no_scatter_of_samples():
    """A batch's gradient is no mean of samples', so Σ says nothing of it; on all samples it is not asked for."""
    kernel = shared_kernels.kernel("batch")
    data = np.random.default_rng(0).normal(size=(6, 2)), np.array([0, 1, 0, 1, 1, 0])
    training = eomsym.Training(kernel, data, None, 0.01, theta=kernel.model.initial(0), batches=3)
    with pytest.raises(InputError, match="modified loss of batches: the loss is no mean over its samples") as told:
        eomsym.implicit_regulariser(training)
    assert "\n" not in str(told.value)
    assert eomsym.implicit_regulariser(training.with_(batches=None)).scatter == 0


@pytest.mark.parametrize("library", ["jax", "torch"])
def test_a_sum_over_samples_has_none_either(library):
    """A sum's batches of 2 of 6 take a third of its gradient: refused; its mean has what a kernel of it has."""
    pytest.importorskip(library)
    if library == "jax":
        import jax.numpy as xp
    else:
        import torch as xp
    inputs, targets = DATA[0][:6], DATA[1][:6]
    slopes = np.array([[0.3], [-0.2]])
    params = {"w": slopes if library == "jax" else xp.asarray(slopes)}  # JAX's own would be float32

    def mean(params, data):
        return ((xp.tanh(data[0] @ params["w"]) - data[1]) ** 2).sum() / len(data[0])

    def total(params, data):
        return ((xp.tanh(data[0] @ params["w"]) - data[1]) ** 2).sum()

    def posed(loss):
        return eomsym.Training(loss, (inputs, targets), "gradient-descent", 0.01, theta=params, batches=2)

    with pytest.raises(InputError, match="as a sum or with batch normalisation") as told:
        eomsym.implicit_regulariser(posed(total))
    assert "\n" not in str(told.value)
    output = np.tanh(inputs @ slopes)
    gradients = 2 * (output - targets) * (1 - output**2) * inputs
    covariance = np.trace(np.cov(gradients.T, bias=True))
    of_two = (6 - 2) / (6 - 1) / 2  # a batch's covariance over a sample's
    found = eomsym.implicit_regulariser(posed(mean))
    assert found.scatter == pytest.approx(0.01 / 4 * of_two * covariance, rel=1e-12)
