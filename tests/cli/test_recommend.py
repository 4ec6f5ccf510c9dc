"""``eomsym recommend``: what the library finds, as table and as JSON."""

import pytest
import shared_kernels

import eomsym
from eomsym.models import dataset

WORDS = ("recommend", "--dataset", "teacher-small", "--time", "1", "--accuracy", "0.01")


@pytest.fixture
def kernel(monkeypatch):
    """A kernel of the network that suits ``teacher-small``, of a higher order than asked for."""
    found = shared_kernels.kernel("tiny")
    monkeypatch.setattr("eomsym.codegen.kernel_for", lambda spec: found)
    return found


def test_json_has_what_the_library_finds(run, kernel):
    record = run(*WORDS, "--orders", "0:1", "--json").json
    samples = dataset("teacher-small").arrays
    training = eomsym.Training(kernel, samples, theta=kernel.model.initial(0))
    expected = eomsym.recommend(training, 0.01, 1.0, (0, 1), relative=True).advice
    assert record["advice"] == [advice.to_dict() for advice in expected]
    assert (record["dataset"], record["relative"], record["warnings"]) == ("teacher-small", True, [])
    assert all(advice["measured_error"] <= advice["accuracy"] for advice in record["advice"])


def test_table_and_warning(run, kernel, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run(*WORDS, "--orders", "0", "--time", "4", "--accuracy", "100")
    assert result.status == 0
    assert max(map(len, result.out.splitlines())) <= 80
    assert "gradient flow moves" in result.out
    assert result.err.startswith("eomsym: warning: order 0: eta = 4 times the largest eigenvalue")
    assert "more orders make it worse" in result.err
