"""``eomsym sweep``: one call of the library each, a table that lines up, and reasons where there is no number."""

import dataclasses
import json

import polars
import pytest

from eomsym import sweeps
from eomsym.sweeps import Processes, Serial
from eomsym.sweeps.job import JobResult, MeasuredError
from eomsym.sweeps.results import sweep_folder
from eomsym.sweeps.run import SweepRun
from eomsym.sweeps.store import ResultStore

SWEEP = """
orders = [0, 1, 2]
etas = [0.4, 0.2, 0.1, 0.05]
seeds = 2

[[optimizer]]
name = "alternating-players"

[[optimizer]]
name = "adam"
parameters = { beta1 = ["1/2", "9/10"] }

[[model]]
data = "digits"
weight-decay = 0.01
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP)
    return path


def result(job):
    errors = (
        MeasuredError(order, order + 1, job.eta ** (order + 1), job.eta ** (order + 1), 1e-12) for order in (0, 1, 2)
    )
    return JobResult(job, tuple(errors))


@pytest.fixture
def finished(file):
    """Made-up results of the whole sweep."""
    store = ResultStore(sweep_folder(file))
    plan = sweeps.read_plan(file)
    store.write_plan(plan)
    for job in plan.jobs():
        store.write(result(job))
    return file


@pytest.fixture
def asked(monkeypatch):
    """What the library was asked to run; nothing is measured."""
    calls = []

    def run_sweep(plan, folder, executor, **rest):
        calls.append((plan, folder, executor, rest))
        return SweepRun(jobs=24, found=4, measured=20, failed=0)

    monkeypatch.setattr(sweeps, "run_sweep", run_sweep)
    return calls


def test_run_is_one_call_of_the_library(run, file, asked):
    done = run("sweep", "run", "sweep.toml")
    assert (done.status, done.err) == (0, "")
    assert done.out == "24 jobs: 4 found, 20 measured, 0 failed; in sweep.results\n"
    ((plan, folder, executor, rest),) = asked
    assert plan == sweeps.read_plan(file)
    assert (str(folder), type(executor), rest["retry_failed"]) == ("sweep.results", Serial, False)


def test_options_reach_the_library(run, file, asked, tmp_path):
    options = ("--executor", "processes", "--workers", "3", "--output", "elsewhere", "--retry-failed")
    assert run("sweep", "run", str(file), *options).status == 0
    ((_, folder, executor, rest),) = asked
    assert (str(folder), type(executor), executor._count) == ("elsewhere", Processes, 3)
    assert rest["retry_failed"] is True


def test_a_scheduler_is_a_cluster(run, file, asked):
    pytest.importorskip("distributed")
    assert run("sweep", "run", str(file), "--scheduler", "tcp://127.0.0.1:9").status == 0
    assert isinstance(asked[0][2], sweeps.Cluster)


def test_failed_jobs_give_status_1(run, file, monkeypatch):
    monkeypatch.setattr(sweeps, "run_sweep", lambda *a, **k: SweepRun(24, 0, 24, 3))
    done = run("sweep", "run", str(file))
    assert done.status == 1
    assert "3 failed" in done.out


def test_a_small_sweep_from_beginning_to_end(run, tmp_path):
    (tmp_path / "small.toml").write_text(
        "orders = [0, 1, 2]\netas = [0.2, 0.1, 0.05]\n[[optimizer]]\nname = 'gd'\n[[model]]\ndata = 'teacher-small'\n"
    )
    assert run("sweep", "run", "small.toml").out.startswith("3 jobs: 0 found, 3 measured, 0 failed")
    assert run("sweep", "run", "small.toml").out.startswith("3 jobs: 3 found, 0 measured, 0 failed")
    (case,) = run("sweep", "table", "small.toml", "--format", "json").json["cases"]
    assert abs(case["orders"][0]["slope"] - 1) < 0.1
    assert case["orders"][0]["passed"] == 1
    assert run("sweep", "plot", "small.toml", "small.png").status == 0
    assert (tmp_path / "small.png").read_bytes().startswith(b"\x89PNG")


def test_table_lines_up_in_80_columns(run, finished, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = run("sweep", "table", str(finished))
    assert (done.status, done.err) == (0, "")
    assert {len(line) for line in done.out.splitlines()} == {80}
    assert "…" not in done.out
    for word in ("alternating-players", "beta1=9/10", "64-32-10 tanh", "cross-entropy", "weight-decay 0.01", "digits"):
        assert word in done.out
    assert done.out.count("2/2") == 9


@pytest.mark.parametrize("place", ["file", "folder", "parquet"])
def test_the_same_results_from_every_place(run, finished, place, tmp_path):
    folder = sweep_folder(finished)
    sweeps.read_results(folder).write_parquet(tmp_path / "table.parquet")
    name = {"file": finished, "folder": folder, "parquet": tmp_path / "table.parquet"}[place]
    done = run("sweep", "table", str(name), "--format", "json")
    assert done.json == sweeps.read_results(finished).to_dict()


def test_csv_can_be_read(run, finished):
    done = run("sweep", "table", str(finished), "--format", "csv")
    frame = polars.read_csv(done.out.encode())
    assert frame.height == 9
    assert set(frame["optimizer"]) == {"alternating-players", "adam"}


def test_what_failed_or_is_missing_is_said_on_stderr(run, finished):
    store, jobs = ResultStore(sweep_folder(finished)), list(sweeps.read_plan(finished).jobs())
    for job in jobs[:7]:
        store.write(JobResult(job, reason=f"step {job.seed} is not finite"))
    (store.folder / "results" / f"{jobs[9].digest}.json").unlink()
    for arguments in (("table", str(finished)), ("plot", str(finished), "sweep.svg")):
        done = run("sweep", *arguments)
        lines = done.err.splitlines()
        assert done.status == 0
        assert lines[0] == "eomsym: warning: 1 jobs of the sweep have no result yet"
        assert lines[1] == f"eomsym: warning: job {jobs[0].digest[:12]} failed: step 0 is not finite"
        assert lines[-1] == "eomsym: warning: 2 more jobs failed; --format json has all reasons"
        assert len(lines) == 7
    record = run("sweep", "table", str(finished), "--format", "json")
    assert len(record.json["failures"]) == 7
    assert record.err == ""


def test_an_altered_result_is_named(run, finished):
    path = next((sweep_folder(finished) / "results").iterdir())
    path.write_text(json.dumps(dataclasses.asdict(SweepRun(1, 2, 3, 4))))
    done = run("sweep", "table", str(finished))
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert path.name in done.err
