"""Running a sweep: nothing is lost, nothing is done twice, and the executor does not matter."""

import dataclasses
import platform
from datetime import UTC, datetime
from importlib.metadata import version

import pytest

from eomsym import sweeps
from eomsym.errors import EomsymError, InputError
from eomsym.sweeps import Processes, Serial
from eomsym.sweeps.executors import WorkerLost
from eomsym.sweeps.job import JobResult
from eomsym.sweeps.measure import prepare_kernel
from eomsym.sweeps.store import ResultStore


class Recorded(Serial):
    """Serial; keeps what it was asked for, and ``outcome(job)`` may put something in place of a measurement."""

    def __init__(self, outcome=lambda job: None):
        super().__init__()
        self.prepared, self.asked, self.outcome = [], [], outcome

    def submit(self, function, *arguments):
        if function is prepare_kernel:
            self.prepared += arguments
            return super().submit(function, *arguments)
        self.asked.append(arguments[0])
        instead = self.outcome(arguments[0])
        return super().submit(lambda *_: instead) if instead else super().submit(function, *arguments)

    def value(self, future):
        if isinstance(future.result(), WorkerLost):
            raise future.result()
        return future.result()


def failed(job):
    return JobResult(job, reason="made up")


def interrupt_at(number):
    """Ctrl-C while job number ``number`` is measured."""
    seen = []

    def outcome(job):
        seen.append(job)
        if len(seen) == number:
            raise KeyboardInterrupt

    return outcome


def test_every_job_has_a_result(plan, tmp_path, contents):
    done = sweeps.run_sweep(plan, tmp_path)
    assert (done.jobs, done.found, done.measured, done.failed) == (12, 0, 12, 0)
    found = contents(tmp_path)
    assert set(found) == {f"{job.digest}.json" for job in plan.jobs()}
    assert ResultStore(tmp_path).read_plan() == plan
    assert (tmp_path / "results.parquet").is_file()


def test_results_hold_neither_date_nor_place(plan, tmp_path, contents):
    sweeps.run_sweep(plan, tmp_path)
    for text in contents(tmp_path).values():
        for secret in (platform.node(), f"{datetime.now(UTC):%Y-%m-%d}", str(tmp_path), version("numpy")):
            assert secret.encode() not in text


def test_a_second_run_measures_nothing(plan, tmp_path):
    sweeps.run_sweep(plan, tmp_path)
    again = Recorded()
    done = sweeps.run_sweep(plan, tmp_path, again)
    assert (done.found, done.measured) == (12, 0)
    assert (again.prepared, again.asked) == ([], [])


def test_a_run_that_was_ended_goes_on_where_it_was(plan, tmp_path, contents):
    with pytest.raises(KeyboardInterrupt):
        sweeps.run_sweep(plan, tmp_path / "ended", Recorded(interrupt_at(6)))
    assert len(contents(tmp_path / "ended")) == 5
    rest = Recorded()
    done = sweeps.run_sweep(plan, tmp_path / "ended", rest)
    assert (done.found, done.measured) == (5, 7)
    assert rest.asked == list(plan.jobs())[5:]
    sweeps.run_sweep(plan, tmp_path / "whole")
    assert contents(tmp_path / "ended") == contents(tmp_path / "whole")


def test_processes_give_the_same_bytes_as_serial(plan, tmp_path, contents):
    sweeps.run_sweep(plan, tmp_path / "serial")
    done = sweeps.run_sweep(plan, tmp_path / "processes", Processes(1))
    assert done.measured == 12
    assert contents(tmp_path / "processes") == contents(tmp_path / "serial")
    tables = [(tmp_path / name / "results.parquet").read_bytes() for name in ("serial", "processes")]
    assert tables[0] == tables[1]


def test_a_sweep_that_grew_measures_only_what_is_new(cheap, tmp_path):
    sweeps.run_sweep(sweeps.plan_from_dict(cheap(seeds=1)), tmp_path)
    grown = Recorded()
    done = sweeps.run_sweep(sweeps.plan_from_dict(cheap(seeds=2)), tmp_path, grown)
    assert (done.jobs, done.found, done.measured) == (8, 4, 4)
    assert {job.seed for job in grown.asked} == {1}


def test_a_failed_job_keeps_its_reason_until_it_is_to_be_tried_again(plan, tmp_path):
    bad = list(plan.jobs())[3]
    first = sweeps.run_sweep(plan, tmp_path, Recorded(lambda job: failed(job) if job == bad else None))
    assert (first.measured, first.failed) == (12, 1)
    assert ResultStore(tmp_path).read(bad).reason == "made up"
    resumed = Recorded()
    assert sweeps.run_sweep(plan, tmp_path, resumed).failed == 1
    assert resumed.asked == []
    again = Recorded()
    done = sweeps.run_sweep(plan, tmp_path, again, retry_failed=True)
    assert (again.asked, done.found, done.measured, done.failed) == ([bad], 11, 1, 0)
    assert not ResultStore(tmp_path).read(bad).failed


def test_a_job_over_which_workers_died_is_a_failure(plan, tmp_path):
    bad = list(plan.jobs())[2]
    done = sweeps.run_sweep(plan, tmp_path, Recorded(lambda job: WorkerLost() if job == bad else None))
    assert (done.measured, done.failed) == (12, 1)
    assert "each worker process" in ResultStore(tmp_path).read(bad).reason


def test_two_runs_in_one_folder_are_refused(plan, tmp_path):
    seen = []

    def start_another(job):
        with pytest.raises(InputError, match="another run is at work"):
            sweeps.run_sweep(plan, tmp_path)
        seen.append(job)

    sweeps.run_sweep(plan, tmp_path, Recorded(start_another))
    assert len(seen) == 12


def test_an_altered_result_stops_the_run_and_stays(plan, tmp_path):
    sweeps.run_sweep(plan, tmp_path)
    path = next((tmp_path / "results").iterdir())
    path.write_bytes(b"{}")
    with pytest.raises(EomsymError, match=path.name):
        sweeps.run_sweep(plan, tmp_path)
    assert path.read_bytes() == b"{}"
    path.unlink()
    assert sweeps.run_sweep(plan, tmp_path).measured == 1


def test_a_fault_of_the_program_ends_the_run_and_keeps_what_there_is(plan, tmp_path, contents):
    def broken(job):
        if job.seed == 1:
            raise TypeError("a fault")

    with pytest.raises(TypeError, match="a fault"):
        sweeps.run_sweep(plan, tmp_path, Recorded(broken))
    assert len(contents(tmp_path)) == 4
    assert sweeps.run_sweep(plan, tmp_path).measured == 8


def test_progress_counts_kernels_and_jobs(plan, tmp_path):
    seen = []
    sweeps.run_sweep(plan, tmp_path, progress=lambda *said: seen.append(said))
    assert seen[:2] == [("kernels", 0, 1), ("kernels", 1, 1)]
    assert seen[2:] == [("jobs", done, 12) for done in range(13)]


def test_jobs_outside_of_a_sweep_are_left_alone(plan, tmp_path, contents):
    sweeps.run_sweep(plan, tmp_path)
    other = dataclasses.replace(plan, seeds=(7,))
    assert sweeps.run_sweep(other, tmp_path).measured == 4
    assert len(contents(tmp_path)) == 16
    assert sweeps.read_results(tmp_path).jobs == 4
