"""``eomsym verify``: the contract of table and JSON, the figure, and a failure that is reported as one."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asking
import pytest

import eomsym
from eomsym.models import MLP, default_model

ROOT = Path(__file__).parents[2]
SMALL = ("verify", "--dataset", "moons", "--layers", "2,4,2", "--orders", "0:1")
ORDER_KEYS = {"order", "expected_slope", "slope", "local_slopes", "etas", "errors", "error_ratio", "at_floor"}


@pytest.fixture(scope="module")
def study():
    """What the library finds for ``SMALL``."""
    return asking.verify(model=MLP([2, 4, 2]), data="moons", orders=range(2))


@pytest.fixture
def run_with(run, monkeypatch):
    """``run`` with a study in place of the measurement; keeps what the library was asked for."""

    def call(study, *arguments):
        asked = {}

        def verify(training, orders, **rest):
            posed = {"optimizer": training.entry.name, "model": training.model, "dataset": training.dataset}
            asked.update(posed, training=training, orders=orders, **rest)
            return study

        monkeypatch.setattr("eomsym.verification.verify", verify)
        return run(*arguments), asked

    return call


@pytest.fixture
def own(tmp_path):
    """The moons as a file of one's own, bit by bit."""
    data = eomsym.models.dataset("moons")
    rows = (f"{x!r},{y!r},{label}" for (x, y), label in zip(data.inputs.tolist(), data.targets, strict=True))
    (tmp_path / "own.csv").write_text("\n".join(["x,y,kind", *rows]))
    return ("verify", "--data", "own.csv", *SMALL[3:])


def test_own_data_with_figure_and_json(run, study, own, tmp_path):
    result = run(*own, "--plot", "own.png", "--json")
    assert (result.status, result.err) == (0, "")
    assert result.json["orders"] == study.to_dict()["orders"]
    assert (result.json["dataset"], result.json["model"]) == ("own.csv", "2-4-2 tanh cross-entropy")
    about = {"file": "own.csv", "samples": 256, "inputs": ["x", "y"], "targets": ["kind"], "classes": ["0", "1"]}
    assert result.json["data"] == {**about, "scale": "none"}
    assert (tmp_path / "own.png").read_bytes().startswith(b"\x89PNG")


def test_own_data_are_described(run_with, study, own):
    result, asked = run_with(study, *own, "--scale", "standard", "--target", "3", "--inputs", "y,x")
    first, second = result.out.splitlines()[:2]
    assert first == "own.csv: 256 samples; inputs y, x; target kind, classes 0, 1"
    assert second.startswith("inputs scaled (standard): (value - shift)/spread, with (")
    assert asked["dataset"] == "own.csv?target=3&inputs=y,x&scale=standard"
    assert asked["training"].data[0].std(axis=0) == pytest.approx([1, 1])


def test_the_network_and_the_loss_say_what_the_target_is(run_with, study, own):
    _, asked = run_with(study, "verify", "--data", "own.csv")
    assert asked["model"] == MLP([2, 16, 2], "tanh", "cross-entropy")
    for words in (("--layers", "2,4,1"), ("--loss", "MSE")):
        _, asked = run_with(study, "verify", "--data", "own.csv", *words)
        assert (asked["model"].loss, asked["training"].data[1].shape) == ("mse", (256, 1))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--data", "own.csv", "--dataset", "moons"), "--data, --dataset: both given"),
        (("--target", "kind"), "--target: of what? give the file with --data too"),
        (("--no-header",), "--header: of what?"),
        (("--data", "own.csv", "--layers", "3,2"), "--layers '3,2': do not fit own.csv, where the first width is 2"),
        (
            ("--data", "own.csv", "--target", "king"),
            "has no column 'king'; choose from x, y, kind; did you mean 'kind'",
        ),
        (("--data", "missing.csv"), "data 'missing.csv': cannot be read"),
    ],
)
def test_data_that_cannot_be_are_told_at_once(run, own, words, fault):
    result = run("verify", *words)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert fault in result.err


def test_json_is_that_of_the_library_and_follows_the_contract(run, study):
    result = run(*SMALL, "--format", "json")
    assert (result.status, result.err) == (0, "")
    assert result.out == study.to_json() + "\n"
    assert result.out.count("\n") == 1
    record = result.json
    assert {"optimizer", "model", "orders", "passed"} <= set(record)
    assert (record["optimizer"], record["passed"]) == ("gradient-descent", True)
    assert [entry["order"] for entry in record["orders"]] == [0, 1]
    for entry in record["orders"]:
        assert set(entry) >= ORDER_KEYS
        assert entry["expected_slope"] == entry["order"] + 1
        assert abs(entry["slope"] - entry["expected_slope"]) < 0.1
        count = len(entry["etas"])
        assert [len(entry[key]) for key in ("errors", "error_ratio", "at_floor")] == [count] * 3
        assert len(entry["local_slopes"]) == count - 1
        assert entry["etas"] == [entry["etas"][0] / 2**k for k in range(count)]


def test_options_reach_the_library(run_with, study):
    """Every option that describes the experiment, none at its default."""
    net = ("--layers", "2,5,1", "--activation", "sin", "--loss", "mse", "--weight-decay", "0.5", "--seed", "7")
    more = ("--optimizer", "gd", "--dataset", "teacher", "--orders", "1,3")
    more += ("--precision", "double-double", "--normalization", "weight", "--no-bias")
    _, asked = run_with(study, "verify", *net, *more, "--eta", "0.2", "--halvings", "2")
    training = asked.pop("training")
    assert (training.eta, training.seed, training.precision) == (0.2, 7, "double-double")
    assert (training.loop, training.batches) == (None, None)
    assert asked == {
        "optimizer": "gradient-descent",
        "model": MLP([2, 5, 1], "sin", "mse", 0.5, "weight", bias=False),
        "dataset": "teacher",
        "orders": (1, 3),
        "etas": [0.2, 0.1, 0.05],
        "state": None,
        "after": None,
        "resum": False,
    }


@pytest.mark.parametrize(
    ("words", "state", "after", "factor"),
    [
        (("--state", "shadow"), "shadow", None, 2),
        (("--resum",), None, None, 2),
        ((), None, None, 4),
        (("--state", "whole", "--after", "5"), "whole", 5, 4),
    ],
)
def test_where_an_optimiser_with_memory_begins(run_with, study, words, state, after, factor):
    """With the inertial scaling of heavy ball h is halved, and so eta quartered."""
    _, asked = run_with(study, "verify", "--optimizer", "heavy-ball", "--eta", "0.8", "--halvings", "2", *words)
    assert (asked["state"], asked["after"], asked["resum"]) == (state, after, "--resum" in words)
    assert asked["etas"] == [0.8, 0.8 / factor, 0.8 / factor**2]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--state", "half"), "--state 'half': unknown; choose from slow, whole, shadow"),
        (("--state", "whole", "--schedule", "1-tau"), "takes neither schedule nor batches; leave them out"),
        (("--state", "whole", "--optimizer", "optimistic"), "no memory that fades slowly"),
        (("--optimizer", "adam", "--set", "beta2=0.999", "--state", "shadow"), "takes 83137 steps"),
        (("--optimizer", "heavy-ball", "--state", "slow", "--after", "3"), "give --state whole too"),
        (("--optimizer", "heavy-ball", "--set", "beta=1"), "give 0 <= beta < 1"),
    ],
)
def test_a_start_that_cannot_be_is_told_at_once(run, words, fault):
    result = run("verify", *words)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert fault in result.err


def test_defaults_are_the_digits_and_the_network_that_suits_them(run_with, study):
    _, asked = run_with(study, "verify")
    assert (asked["dataset"], asked["model"]) == ("digits", default_model("digits"))
    assert (asked["orders"], asked["etas"], asked["training"].eta) == ((0, 1, 2, 3, 4), None, None)


def test_the_default_problem_in_double_double_is_a_tiny_one(run_with, study):
    _, asked = run_with(study, "verify", "--precision", "double-double", "--orders", "0:19")
    assert (asked["dataset"], asked["model"]) == ("teacher-small", MLP([2, 3, 1], "tanh", "mse"))
    assert (asked["orders"], asked["training"].precision) == (tuple(range(20)), "double-double")


@pytest.mark.parametrize("optimizer", ["mini-batches", "random-reshuffling"])
def test_the_default_data_of_a_rule_of_batches_make_equal_ones(run_with, study, optimizer):
    """Digits are 1797 samples, which are 3 · 599."""
    for batches, data in (("2", "moons"), ("3", "digits"), ("4", "moons")):
        _, asked = run_with(study, "verify", "--optimizer", optimizer, "--set", f"batches={batches}")
        assert asked["dataset"] == data


def test_samples_that_make_no_equal_batches_are_refused_before_anything_is_compiled(run, monkeypatch):
    monkeypatch.setattr("eomsym.codegen.kernel_for", lambda *_: pytest.fail("compiled"))
    result = run("verify", "--optimizer", "mini-batches", "--dataset", "digits")
    assert result.status == 2
    assert "data: 1797 samples do not make 2 equal batches; leave 1 out, or take another number" in result.err


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--precision", "quad"), "--precision 'quad': unknown; choose from double, double-double"),
        (("--orders", "0:12"), "--orders 12: out of range; give an integer from 0 to 11"),
        (("--precision", "double-double", "--orders", "20"), "from 0 to 19"),
        (("--precision", "double-double", "--optimizer", "heavy-ball", "--orders", "0"), "gradient-descent only"),
    ],
)
def test_what_a_precision_cannot_do_is_told(run, arguments, fault):
    result = run("verify", *arguments)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert fault in result.err


def test_table_fits_80_columns(run_with, study, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result, _ = run_with(study, *SMALL)
    assert (result.status, result.err) == (0, "")
    assert max(map(len, result.out.splitlines())) <= 80
    assert result.out.count("passed") == 2
    assert "…" not in result.out
    assert "double-double" not in result.out
    in_pairs = dataclasses.replace(study, precision="double-double")
    assert ", seed 0, double-double\n" in run_with(in_pairs, *SMALL)[0].out
    for record in study.orders:
        assert f"{record.slope:.4f}" in result.out
        assert f"{record.extrapolated_ratio:.4f}" in result.out


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG"), ("PDF", b"%PDF"), ("svg", b"<?xml")])
def test_figure_is_written_whole_and_alone(run_with, study, tmp_path, suffix, magic):
    result, _ = run_with(study, *SMALL, "--plot", f"slopes.{suffix}")
    assert (result.status, result.err) == (0, "")
    (figure,) = tmp_path.iterdir()
    assert figure.name == f"slopes.{suffix}"
    assert figure.read_bytes().startswith(magic)


def test_an_order_that_fails_gives_status_1_with_the_reason(run_with, study, tmp_path):
    lame = dataclasses.replace(study.orders[1], errors=tuple(error**0.9 for error in study.orders[1].errors))
    failed = dataclasses.replace(study, orders=(study.orders[0], lame))
    result, _ = run_with(failed, *SMALL, "--plot", "slopes.png")
    assert (result.status, result.out.count("failed")) == (1, 1)
    assert f"order 1: {lame.reason}" in " ".join(result.out.split())
    assert (tmp_path / "slopes.png").exists(), "the figure shows what went wrong"
    result, _ = run_with(failed, *SMALL, "--format", "json")
    assert (result.status, result.json["passed"]) == (1, False)


def test_warnings_go_to_stderr_or_into_the_json(run_with, study):
    warned = dataclasses.replace(study, warnings=("eta is large",))
    assert run_with(warned, *SMALL)[0].err == "eomsym: warning: eta is large\n"
    assert run_with(warned, *SMALL, "--quiet")[0].err == ""
    result, _ = run_with(warned, *SMALL, "--format", "json")
    assert (result.err, result.json["warnings"]) == ("", ["eta is large"])


def seconds_of_the_processor(process):
    user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_interrupt_is_quiet():
    """In pure Python; while numba compiles, an interrupt was seen to be lost, for a reason that is not known."""
    command = [sys.executable, "-m", "eomsym", "derive", "--order", "15"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while seconds_of_the_processor(process) < 1.5:  # imports take half of one: now it is in the middle of its work
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")
