"""Kernels whose samples are shared by threads: the same numbers, but for the order of one sum."""

import numpy as np
import pytest
import shared_kernels

from eomsym.codegen import KernelSpec, load
from eomsym.codegen.store import write_kernel
from eomsym.errors import InputError
from eomsym.models import VectorField

CASES = {
    "gradient-descent": shared_kernels.SPECS["tanh cross-entropy"],
    "random-reshuffling": shared_kernels.SPECS["random-reshuffling"],
    "weight normalization": shared_kernels.SPECS["weight"],
    "layer normalization": shared_kernels.SPECS["heavy-ball"],
}


@pytest.fixture(scope="module", params=CASES)
def path(request, tmp_path_factory):
    return write_kernel(CASES[request.param], tmp_path_factory.mktemp("kernels"))


def arguments(model, samples):
    random = np.random.default_rng(0)
    first, last = model.layers[0], model.layers[-1]
    targets = random.standard_normal((samples, last)) if model.loss == "mse" else random.integers(0, last, samples)
    return model.initial(1), random.standard_normal((samples, first)), targets


def assert_close(found, expected):
    """Row by row, within the round-off of sums that are taken in another order."""
    assert (np.abs(found - expected) <= 1e-12 * np.abs(expected).max(axis=-1, keepdims=True)).all()


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("samples", [64, 130, 500])  # one block; an odd number of blocks; the last of them not full
def test_the_same_numbers(path, samples, threads):
    alone, shared = load(path), load(path, threads=threads)
    given = arguments(alone.model, samples)
    np.testing.assert_allclose(shared.loss(*given), alone.loss(*given), rtol=1e-14)
    expected = alone.counterterms(*given)
    for _ in range(2):  # the second time, with spaces that the first has left behind
        assert_close(shared.counterterms(*given), expected)
    assert_close(shared.counterterms(*given, order=1), expected[:2])
    assert_close(shared.gradient(*given), alone.gradient(*given))
    series = np.stack([given[0], given[0][::-1]])
    assert_close(shared.gradient_series(series, *given[1:]), alone.gradient_series(series, *given[1:]))


def test_every_run_gives_the_same_bytes(path):
    shared = load(path, threads=3)
    given = arguments(shared.model, 500)
    first = shared.counterterms(*given)
    assert all(shared.counterterms(*given).tobytes() == first.tobytes() for _ in range(5))


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_asked_for(path, threads):
    with pytest.raises(InputError, match="threads"):
        load(path, threads=threads)


@pytest.mark.parametrize(
    "model",
    [VectorField("y; -x", ["x", "y"]), shared_kernels.SPECS["batch"].model],
    ids=["no samples", "samples that need one another"],
)
def test_kernels_that_have_nothing_to_share(model, tmp_path):
    file = write_kernel(KernelSpec(model, 6), tmp_path)
    assert load(file, threads=1).order == 6
    with pytest.raises(InputError, match="threads 2: only networks"):
        load(file, threads=2)
