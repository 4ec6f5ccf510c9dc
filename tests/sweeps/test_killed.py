"""Sweeps that are killed, several times, at random moments: in the end they are as if nothing had happened."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eomsym import sweeps
from eomsym.sweeps.job import JobResult

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start():
    """``eomsym sweep run`` as a process of a group of its own, as from a terminal."""
    begun = []

    def call(*arguments):
        command = [sys.executable, "-m", "eomsym", "sweep", "run", *map(str, arguments)]
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        begun.append(process)
        return process

    yield call
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def count(folder):
    place = folder / "results"
    return sum(path.suffix == ".json" and path.name[0] != "." for path in place.iterdir()) if place.is_dir() else 0


def wait_for(process, folder, number, seconds=120.0):
    """Until there are so many results; a process that ends before has failed."""
    end = time.monotonic() + seconds
    while count(folder) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.002)


def check_all_whole(folder):
    """Every file that bears the name of a result is one."""
    for path in (folder / "results").glob("[!.]*"):
        JobResult.from_json(path.read_bytes())


def kill_and_finish(start, file, folder, executor, kills, seed):
    """Kill the run after a random number of new results and a random time, then let it finish."""
    chance = random.Random(seed)
    plan = sweeps.read_plan(file)
    stamps = {}
    for remaining in range(kills, 0, -1):
        process = start(file, "--output", folder, *executor)
        left = len(plan) - count(folder)
        wait_for(process, folder, count(folder) + chance.randint(1, max(1, left // (remaining + 1))))
        time.sleep(chance.uniform(0, 0.03))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        check_all_whole(folder)
        stamps |= {path: path.stat().st_mtime_ns for path in (folder / "results").glob("[!.]*")}
    last = start(file, "--output", folder, *executor)
    out, err = last.communicate(timeout=300)
    assert (last.returncode, err) == (0, b"")
    total, found, measured = (int(number) for number in re.findall(rb"\d+", out)[:3])
    assert found == len(stamps) > 0
    assert found + measured == total == len(plan)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps, "a result was written again"


def check_nothing_is_half_written(folder, plan):
    """Hidden or not."""
    names = {path.name for path in (folder / "results").iterdir()}
    assert names == {f"{job.digest}.json" for job in plan.jobs()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "seeds", "kills"), [((), 6, 1), (("--executor", "processes", "--workers", "2"), 10, 2)]
)
def test_killed_and_finished(start, sweep_file, tmp_path, contents, executor, seeds, kills):
    file = sweep_file(seeds)
    plan = sweeps.read_plan(file)
    sweeps.run_sweep(plan, tmp_path / "undisturbed")
    kill_and_finish(start, file, tmp_path / "killed", executor, kills, seed=1)
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")
    check_nothing_is_half_written(tmp_path / "killed", plan)


@pytest.mark.slow
@pytest.mark.parametrize("executor", [(), ("--executor", "processes", "--workers", "2")], ids=["serial", "processes"])
def test_240_jobs_killed_five_times(start, sweep_file, tmp_path, contents, executor):
    file = sweep_file(60)
    plan = sweeps.read_plan(file)
    assert len(plan) == 240
    sweeps.run_sweep(plan, tmp_path / "undisturbed")
    kill_and_finish(start, file, tmp_path / "killed", executor, kills=5, seed=len(executor))
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")
    check_nothing_is_half_written(tmp_path / "killed", plan)


def test_ctrl_c_says_how_to_go_on(start, sweep_file, tmp_path, contents):
    file, folder = sweep_file(20), tmp_path / "cheap.results"
    process = start(file, "--executor", "processes", "--workers", "2")
    wait_for(process, folder, 3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert err.decode() == f"eomsym: interrupted; results are kept in {folder}, the same command goes on\n"
    check_all_whole(folder)
    kept = len(contents(folder))
    assert 3 <= kept < 80
    done = sweeps.run_sweep(sweeps.read_plan(file), folder)
    assert (done.found, done.measured) == (kept, 80 - kept)
