"""What differs between two trainings with noise: predicted, beside ensembles of real runs."""

import numpy as np
import pytest
from shared_kernels import kernel

import eomsym
from eomsym.errors import InputError

GENERATOR = np.random.default_rng(7)
DATA = GENERATOR.normal(size=(12, 2)), GENERATOR.normal(size=(12, 1))
THETA = GENERATOR.normal(size=13) / 2


def posed(optimizer="torch.SGD(momentum=0.9)", eta=0.02, batches=3, **options):
    return eomsym.Training(kernel("tiny"), DATA, optimizer, eta, theta=THETA, batches=batches, **options)


@pytest.mark.parametrize(
    ("optimizer", "eta", "change"),
    [("torch.SGD(momentum=0.9)", 0.02, {"eta": 0.04}), ("torch.Adam()", 0.01, {"batches": 2})],
)
def test_the_difference_is_that_of_real_runs(optimizer, eta, change):
    first = posed(optimizer, eta)
    found = eomsym.compare_trainings(first, first.with_(**change), 8, ensemble=200)
    assert (np.abs(found.differences - found.measured) <= 4 * found.measured_errors + 1e-12).all()
    assert abs(found.differences[-1]) > 3 * found.measured_errors[-1]
    assert np.abs(found.differences[1:] + found.measured[1:]).max() > 4 * found.measured_errors[1:].max()  # its sign
    assert "of real runs" in str(found)
    assert found.to_dict()["measured"][-1] == found.measured[-1]


def test_a_schedule_is_followed_step_by_step():
    """Two steps at a rate that halves: the same as the linear combination by hand."""
    found = eomsym.noise(posed(schedule="linear(4)", eta=0.05), 4, every=1, ensemble=200)
    apart = np.abs(found.traces - found.ensemble.traces)
    assert (apart <= 4 * found.ensemble.trace_errors + 0.05 * found.traces).all()
    assert not np.allclose(found.means[-1], eomsym.noise(posed(eta=0.05), 4, every=4).means[-1], rtol=1e-3)


def test_a_random_run_is_refused_where_one_run_is_asked_for():
    for question in (lambda one: eomsym.verify(one, [0]), lambda one: eomsym.follow(one, 4)):
        with pytest.raises(
            InputError, match=r"in shuffled order a run of torch\.Adam\(\) is random.*take 'fixed'.*eomsym\.noise"
        ):
            question(posed("torch.Adam()"))


def test_bad_input_is_one_line():
    first = posed()
    with pytest.raises(InputError, match="begins at another point"):
        eomsym.compare_trainings(first, first.with_(theta=THETA + 1), 4)
    with pytest.raises(InputError, match="batches: noise is of batches that are drawn"):
        eomsym.compare_trainings(first, first.with_(batches=None), 4)
    with pytest.raises(InputError, match="several gradients a step"):
        eomsym.noise(posed("extragradient"), 4)
