"""Every text entrance under hostile text: some hundred inputs here, ten thousand each with ``make fuzz``."""

import gc
import os
import subprocess
import sys
import time
from pathlib import Path

import fuzz_entrances
import fuzzing
import pytest

from eomsym.errors import InputError

REPOSITORY = Path(__file__).parents[2]
#: Seconds: other programs may have the machine.
A_HANG = 60.0


@pytest.fixture(scope="module")
def entrances(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "dont_write_bytecode", True)
        patch.setenv("EOMSYM_CACHE", str(folder / "cache"))
        yield {entrance.name: entrance for entrance in fuzz_entrances.entrances(folder)}


@pytest.mark.parametrize("name", fuzz_entrances.NAMES)
def test_no_traceback_no_hang_nothing_written(name, entrances):
    outcome = fuzzing.run(entrances[name], 300, seed=1, longest=A_HANG)
    assert outcome.findings == []
    assert outcome.count == 300
    assert outcome.accepted < 300


def test_the_names_are_those_of_the_table(entrances):
    assert tuple(entrances) == fuzz_entrances.NAMES


def test_valid_examples_are_accepted(entrances):
    for entrance in entrances.values():
        if entrance.name in ("kernel path", "command line"):  # folders, and what would compute
            continue
        outcome = fuzzing.run(entrance, len(entrance.examples), longest=A_HANG)
        assert outcome.findings == []
        if entrance.name != "names of things":  # each is a name of one thing only
            assert outcome.accepted == len(entrance.examples), entrance.name


def test_the_same_seed_draws_the_same_inputs(entrances):
    entrance = entrances["loss"]
    assert list(fuzzing.inputs(entrance, 200, 1)) == list(fuzzing.inputs(entrance, 200, 1))
    assert list(fuzzing.inputs(entrance, 200, 1)) != list(fuzzing.inputs(entrance, 200, 2))


def hangs(text):
    deadline = time.process_time() + A_HANG
    while time.process_time() < deadline:
        pass


#: What the harness must notice.
BAD_BEHAVIOUR = {
    "raises": (lambda text: {}[text], "KeyError"),
    "exits": (lambda text: sys.exit(1), "SystemExit"),
    "asserts": (lambda text: (_ for _ in ()).throw(AssertionError("no")), "AssertionError"),
    "hangs": (hangs, "more than 1.0 s"),
    "writes": (lambda text: Path("written").write_text(text), "Forbidden: open"),
    "makes a folder": (lambda text: Path("made").mkdir(), "Forbidden: os.mkdir"),
    "starts a process": (lambda text: subprocess.run(["true"], check=False), "Forbidden: subprocess.Popen"),
    "runs a shell": (lambda text: os.system("true"), "Forbidden: os.system"),
    "says several lines": (lambda text: (_ for _ in ()).throw(InputError("one\ntwo")), "several lines"),
}


@pytest.mark.parametrize(("call", "problem"), BAD_BEHAVIOUR.values(), ids=BAD_BEHAVIOUR)
def test_the_harness_finds_what_it_looks_for(call, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = fuzzing.run(fuzzing.Entrance("bad", call, ["x"], ["y"]), 1)
    ((text, found),) = outcome.findings
    assert text == "x"
    assert problem in found
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_not_charged_for_the_garbage_of_others():
    collected = []

    class Garbage:
        def __del__(self):
            collected.append(self)

    circle = Garbage()
    circle.itself = circle
    del circle
    frozen = []
    fuzzing.run(
        fuzzing.Entrance("any", lambda text: frozen.append((len(collected), gc.get_freeze_count())), ["x"], []), 1
    )
    ((garbage, objects),) = frozen
    assert garbage == 1
    assert objects > 0


@pytest.mark.slow
def test_ten_thousand_inputs_for_every_entrance():
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests' / 'support'}"}
    done = subprocess.run(
        [sys.executable, "-m", "fuzzing", "10000"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.split()[-1] == "0"]
    assert len(rows) == len(fuzz_entrances.NAMES)
