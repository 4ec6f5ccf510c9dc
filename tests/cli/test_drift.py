"""``eomsym drift`` and ``eomsym layers conserved``: table, JSON of the library, figure, and what is refused."""

import asking
import numpy as np
import pytest
import shared_kernels

from eomsym.models import dataset

#: The network of a committed kernel.
MODEL = ("--dataset", "moons", "--layers", "2,8,2", "--activation", "softplus", "--weight-decay", "0.01")


def library(observable, eta, arrays, **keywords):
    kernel = shared_kernels.kernel("moons")
    return asking.drift(kernel, observable, kernel.model.initial(3), eta, *arrays, **keywords)


@pytest.mark.parametrize("observable", ["norm2:2", "W1 @ W2"])
def test_json_is_that_of_the_library(run, observable):
    options = ("--eta", "0.2", "--steps", "5", "--orders", "0,2", "--seed", "3", "--format", "json")
    result = run("drift", observable, *MODEL, *options)
    assert (result.status, result.err) == (0, "")
    assert result.out.count("\n") == 1
    found = library(observable, 0.2, dataset("moons", 3).arrays, order=2, orders=(0, 2), steps=5)
    assert result.json == {**found.to_dict(), "dataset": "moons", "seed": 3}
    assert result.json["predictions"][1]["error"] < 0.1 * result.json["predictions"][0]["error"]


def test_the_test_loss_is_of_samples_that_are_left_out(run):
    result = run("drift", "test-loss", *MODEL, "--eta", "0.2", "--orders", "0:1", "--seed", "3", "--format", "json")
    left_out = np.arange(256) % 5 == 0
    trained, tested = (tuple(a[rows] for a in dataset("moons", 3).arrays) for rows in (~left_out, left_out))
    found = library("test-loss", 0.2, trained, order=1, test=tested)
    assert result.json == {**found.to_dict(), "dataset": "moons", "seed": 3}


def test_own_data_are_those_of_a_data_set_with_the_same_numbers(run, tmp_path):
    arrays = dataset("moons", 3).arrays
    rows = np.column_stack(arrays)
    np.savetxt(tmp_path / "own.csv", rows, ["%.17g", "%.17g", "%d"], ",", header="x,y,moon", comments="")
    options = ("--eta", "0.2", "--orders", "0:1", "--seed", "3", "--json")
    result = run("drift", "loss", "--data", "own.csv", *MODEL[2:], *options)
    found = library("loss", 0.2, arrays, order=1).to_dict()
    assert result.json["predictions"] == found["predictions"]
    assert result.json["data"]["inputs"] == ["x", "y"]
    assert result.json["dataset"] == "own.csv"


def test_table_and_figure(run, tmp_path):
    words = ("--optimizer", "torch.Adam()", "--state", "whole", "--after", "5", "--eta", "0.001", "--steps", "8")
    result = run("drift", "loss", *MODEL, *words, "--orders", "0:1", "--plot", "drift.png", "--quiet")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("loss: torch.Adam() (beta1 = 9/10, beta2 = 999/1000, epsilon = 1/100000000) on moons")
    assert "change in 8 steps, measured" in result.out
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("observable", "named"),
    [
        ("norm2:7", "there is no layer 7"),
        ("balance:2", "there is no layer 2"),
        ("W1 + W2", "do not fit"),
        ("abs(W1)", "function 'abs'"),
        ("sqrt(W1 - W1)", "not finite here"),
        ("blance:1", "unknown; choose from loss"),
    ],
)
def test_what_is_refused_in_one_line(run, observable, named):
    result = run("drift", observable, *MODEL)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert named in result.err


def test_conserved_quantities(run):
    words = ("--dataset", "digits", "--activation", "tanh", "--steps", "3", "--orders", "0:1")
    result = run("layers", "conserved", *words)
    assert result.status == 0
    assert "rows(W2)" in result.out
    assert "never" in result.out
    record = run("layers", "conserved", *words[:-1], "0", "--format", "json").json
    assert [law["broken_at"] for law in record["laws"]] == [None, None]
    assert record["passed"] is True
    refused = run("layers", "conserved", "--dataset", "teacher", "--activation", "tanh")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert "tanh layers before mse conserve nothing" in refused.err
