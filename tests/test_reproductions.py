"""Reproductions: pages say what their numbers are, numbers are what a run gives, problems are posed right."""

import sys
from fractions import Fraction
from importlib import import_module

import asking
import numpy as np
import pytest

from benchmarks.reproductions import heavy_ball, two_players
from benchmarks.reproductions.__main__ import main
from benchmarks.reproductions.balance import (
    CLASSES,
    HIDDEN,
    INPUTS,
    Motion,
    Problem,
    balance,
    descend,
    first_norm,
    fit,
    layers,
    problem,
    slope,
)
from benchmarks.reproductions.pages import PLACES, file, page, read


@pytest.mark.parametrize("name", PLACES)
def test_pages_are_made_of_their_numbers(name):
    """So that no number on a page was written by hand after the run."""
    assert file(name, ".md").read_text(encoding="utf-8") == page(name, read(name))
    assert file(name, ".png").stat().st_size > 10_000


def test_the_claims_of_broken_balance_hold():
    """To 2 % at the smallest η, exponents within the seeds' spread, slopes N + 1; and the controls fail."""
    numbers = read("balance")
    assert max(numbers["worst_ratio"]) < 0.02
    whole, below = numbers["all_rates"], numbers["below_one"]
    assert abs(whole["exponent"] - numbers["published"]["exponent"]) < whole["spread"]
    off = [abs(found["exponent"] - below["exponent"]) for found in numbers["below_one_predicted"]]
    assert max(off[2:]) < below["spread"] < min(off[:2])
    for order, slopes in enumerate(numbers["slopes"]):
        assert np.abs(np.array(slopes) - (order + 1)).max() < 0.1
    assert np.abs(np.array(numbers["first_norm_slopes"]) - 1).min() > 0.5
    assert min(map(abs, numbers["flow_moves"])) > 0.01


def test_the_claims_of_data_order_hold():
    """Slopes to 0.1, controls with them; no four passes have the designed round's."""
    numbers = read("data_order")
    slopes = {scheme["name"]: scheme["slopes"][-1] for scheme in numbers["schemes"]}
    assert list(slopes.values()) == pytest.approx([2, 2, 3, 3, 4], abs=0.1)
    assert [scheme["expected"] for scheme in numbers["schemes"]] == [2, 2, 3, 3, 4]
    assert sum(Fraction(weight) ** 3 for weight in numbers["weights"]) == 0
    assert len(numbers["proofs"]) == 8
    assert all(text == "basis {1}" or text.endswith("has no real root") for text in numbers["proofs"].values())


def test_the_claims_of_the_noise_of_adam_hold():
    """The part that knows β₂ turns its sign, as the field of the mean square says; with the covariance held, not."""
    numbers = read("adam_noise")
    for row in numbers["rows"]:
        turned = row["size"] <= 16
        assert np.sign(row["of_square"][-1]) == (1 if turned else -1)
        assert (np.diff(row["of_square"][2:]) > 0).all() == turned
        assert row["field"][-1] == pytest.approx(row["of_square"][-1], rel=0.1)
        assert row["held"][-1] < (0 if row["size"] > 2 else 0.01 * row["of_square"][-1])
    whole = numbers["rows"][0]
    kappas = [beta / (1 - beta) / (numbers["beta1"] / (1 - numbers["beta1"])) for beta in numbers["beta2"]]
    np.testing.assert_allclose(whole["of_square"], -np.array(kappas) * whole["of_mean"][0], rtol=0.05)
    for place in numbers["elsewhere"]:
        assert place["lowered"][0] == 0
        assert 0 < place["lowered"][-1] < numbers["starts"] / 2 + 1
    small = [place["lowered"][-1] for place in numbers["elsewhere"]]
    assert small[0] < min(small[1:])


def test_the_claims_of_muon_hold():
    """Slope 2 with κ, 1 without the term and with either wrong factor; the iteration is no gradient."""
    numbers = read("muon")
    for row in numbers["betas"]:
        assert row["kappa"] == pytest.approx(0.5 + row["beta"] ** 2 / (1 - row["beta"]))
        assert row["average"] == pytest.approx(0.5 * (1 + row["beta"]) / (1 - row["beta"]))
        wrong = ("half a step", "the average's factor") if row["beta"] else ()
        expected = {name: 1 if name in ("order 0", *wrong) else 2 for name in row["slopes"]}
        assert row["slopes"] == pytest.approx(expected, abs=0.1)
    assert numbers["exact"] < 1e-8
    assert numbers["iterated"] > 0.02
    assert min(row["share"] for row in numbers["usual"]) > 0.5


def test_the_part_of_a_memory_is_its_sum():
    """Running averages against the double sum over earlier places, with every step's Hessian and way."""
    pytest.importorskip("torch")
    from benchmarks.reproductions.adam_noise import EPSILON, Samples, epochs, memory_parts

    random = np.random.default_rng(1)
    samples = Samples(random.normal(size=(4, 2)), random.normal(size=(4, 2, 2)))
    beta1, beta2, steps = 0.5, 0.6, 1
    filled = int(5 / (1 - beta2))
    batches = epochs(samples, 2, 1, seed=0)
    gradients, hessians = zip(*[[part[0] for part in next(batches)] for _ in range(filled + 1)], strict=True)
    g0 = samples.gradients.mean(axis=0)
    m, v, ways = g0, g0**2, [np.zeros(2)]
    for g in gradients:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        ways.append(ways[-1] + m / (np.sqrt(v) + EPSILON))
    first, second = np.zeros(2), np.zeros(2)
    for k in range(filled + 1):
        turned = hessians[filled - k] @ (ways[filled] - ways[filled - k])
        first = first + (1 - beta1) * beta1**k * turned
        second = second + (1 - beta2) * beta2**k * 2 * gradients[filled - k] * turned
    below = np.sqrt(v) + EPSILON
    found = memory_parts(samples, 2, beta1, beta2, 1, steps)
    np.testing.assert_allclose(found.of_mean, first / below, rtol=1e-12)
    np.testing.assert_allclose(found.of_square, -m * second / (2 * np.sqrt(v) * below**2), rtol=1e-12)


@pytest.mark.parametrize(("module", "name"), [(heavy_ball, "heavy_ball"), (two_players, "two_players")])
def test_a_run_gives_the_numbers_again(module, name):
    again, kept = leaves(module.measure(lambda done, total: None)), leaves(read(name))
    assert again == pytest.approx(kept, rel=1e-3, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["softmax", "data_order", "deep_linear", "adam", "adam_noise", "muon", "balance", "implicit_regularisation"],
)
def test_a_long_run_gives_the_numbers_again(name):
    again = leaves(import_module(f"benchmarks.reproductions.{name}").measure(lambda done, total: None))
    assert again == pytest.approx(leaves(read(name)), rel=1e-2, abs=1e-10)


def leaves(thing):
    """All numbers, in their order."""
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, list | tuple):
        return [leaf for part in thing for leaf in leaves(part)]
    return [float(thing)] if isinstance(thing, int | float) else []


@pytest.fixture
def start():
    random = np.random.default_rng(0)
    theta = random.standard_normal(INPUTS * HIDDEN + HIDDEN * CLASSES) / 5
    return Problem(theta, random.standard_normal((200, INPUTS)), np.eye(CLASSES)[random.integers(0, CLASSES, 200)])


def test_the_balance_is_posed_as_the_authors_do(start):
    """Their loss and step by hand on all samples, this project's kernel on the moments: one step, one drift."""
    eta, kernel = 0.01, Motion().kernel
    end, drift = descend(start, eta, 1)
    g = kernel.gradient(start.theta, *start.moments)
    np.testing.assert_allclose(start.theta - 2 / CLASSES * eta * g, end, atol=1e-15)
    assert drift == pytest.approx(balance(end) - balance(start.theta), rel=1e-9)
    first, second = layers(g)
    found = asking.drift(kernel, "balance:1", start.theta, 2 / CLASSES * eta, *start.moments, order=1, orders=[0])
    assert abs(found.rows[0]) < 1e-12 * np.sum(g**2)
    assert found.rows[1] == pytest.approx(np.sum(second**2) - np.sum(first**2), rel=1e-9)
    # The control: the first norm is moved by the flow itself.
    moved = asking.drift(kernel, "norm2:1", start.theta, 2 / CLASSES * eta, *start.moments, order=1, orders=[0])
    assert abs(moved.rows[0]) > 1e-3 * np.sum(g**2)
    assert moved.rows[0] == pytest.approx(-2 * float(np.sum(layers(start.theta)[0] * first)), rel=1e-9)
    assert first_norm(end) != first_norm(start.theta)


def test_start_and_data_are_the_authors_own():
    """Their published drift at η = 0.1, seed 42, of the float32 run; in float64 it has the same leading digits."""
    pytest.importorskip("torch")
    _, drift = descend(problem(42), 0.1, 2000)
    assert drift == pytest.approx(0.1032075973716502, rel=2e-4)


def test_fit_and_slope():
    rates = np.array([1e-3, 1e-2, 1e-1])
    assert fit(rates, -3 * rates**1.5) == pytest.approx((1.5, 1))
    assert slope([(0.4, 1.0, 0.0), (0.2, 0.25, 0.0), (0.1, 1e-16, 1e-15)]) == pytest.approx(2)


def test_unknown_names_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reproductions", "no-such"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "no-such: no such reproduction; choose from balance" in capsys.readouterr().err
