"""Commands that run something without options, or with as few as keep it fast: exit status 0, and something shown."""

import pytest

MOONS = ("--dataset", "moons")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("recommend", *MOONS, "--orders", "0:1"), "order"),
        (("recommend", *MOONS, "--optimizer", "torch.SGD(momentum=0.9)", "--orders", "0", "--time", "0.1"), "order"),
        (("layers", "conserved"), "conserved by gradient flow"),
        (("follow", *MOONS, "--steps", "10"), "of the movement of 10 steps"),
        (("edge", *MOONS), "even-step"),
        (("edge", *MOONS, "--optimizer", "torch.Adam()", "--eta", "0.001", "--after", "5"), "even-step"),
    ],
)
def test_a_command_without_options_shows_something(run, words, shown):
    result = run(*words)
    assert (result.status, result.err) == (0, "")
    assert shown in result.out


NOISE = ("noise", *MOONS, "--batch-size", "8", "--steps", "10")


@pytest.mark.parametrize("order", ["shuffled", "independent", "replacement"])
def test_noise_is_told(run, tmp_path, order):
    result = run(*NOISE, "--batches", order, "--plot", "noise.png")
    assert (result.status, result.err) == (0, "")
    assert result.out
    assert (tmp_path / "noise.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("words", [("noise", *MOONS), (*NOISE, "--batches", "fixed")])
def test_noise_is_of_batches_that_are_drawn(run, words):
    result = run(*words)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "independent" in result.err
