"""The table of a sweep: every number that was measured, and slopes by the standard of ``verify``."""

import dataclasses
import io
import json
import math

import polars
import pytest

from eomsym import sweeps
from eomsym.errors import InputError
from eomsym.sweeps.job import JobResult, MeasuredError
from eomsym.sweeps.results import sweep_folder
from eomsym.sweeps.store import ResultStore

WORDS = {
    "orders": [0, 2],
    "etas": [0.4, 0.2, 0.1, 0.05],
    "seeds": 3,
    "optimizer": [{"name": "gradient-descent"}, {"name": "heavy-ball", "parameters": {"beta": ["1/2", "1/4"]}}],
    "model": [{"data": ["moons", "teacher-small"]}],
}


def made_up(job):
    """Errors that are nearly the predicted ones, η^{N+1}, which are larger for other seeds."""
    predicted = {order: (1 + job.seed) ** 2 * job.eta ** (order + 1) for order in job.orders}
    nearly = 1 + job.eta / 99
    return JobResult(
        job, tuple(MeasuredError(order, order + 1, nearly * size, size, 1e-12) for order, size in predicted.items())
    )


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "sweep.results")


@pytest.fixture
def wide():
    """Six cases of 12 jobs each."""
    return sweeps.plan_from_dict(WORDS)


@pytest.fixture
def results(store, wide):
    """All jobs done, but one failed and two are missing, in the last case."""
    store.write_plan(wide)
    jobs = list(wide.jobs())
    for job in jobs[:-3]:
        store.write(made_up(job))
    store.write(JobResult(jobs[-3], reason="path: step 3 is not finite"))
    return sweeps.read_results(store.folder)


def test_one_row_for_each_job_and_order_with_every_digit(results, wide):
    assert results.frame.height == 2 * (len(wide) - 2)
    assert (results.jobs, results.missing) == (len(wide) - 2, 2)
    job = list(wide.jobs())[17]
    row = results.frame.filter((polars.col("job") == job.digest) & (polars.col("order") == 2)).row(0, named=True)
    error = made_up(job).errors[1]
    assert row == {
        "job": job.digest,
        "optimizer": job.optimizer,
        "parameters": "",
        "model": "2-3-1 tanh mse",
        "data": job.dataset,
        "seed": job.seed,
        "order": 2,
        "eta": job.eta,
        "time": job.time,
        "exponent": 3,
        "error": error.error,
        "predicted_error": error.predicted_error,
        "floor": error.floor,
        "reason": "",
    }


def test_cases_in_the_sequence_of_the_sweep(results):
    assert [(case.optimizer, case.parameters, case.data) for case in results.cases] == [
        ("gradient-descent", "", "moons"),
        ("gradient-descent", "", "teacher-small"),
        ("heavy-ball", "beta=1/2", "moons"),
        ("heavy-ball", "beta=1/2", "teacher-small"),
        ("heavy-ball", "beta=1/4", "moons"),
        ("heavy-ball", "beta=1/4", "teacher-small"),
    ]
    first = results.cases[0]
    assert [(summary.order, summary.seeds) for summary in first.orders] == [(0, (0, 1, 2)), (2, (0, 1, 2))]


def test_summaries_are_medians_over_seeds(results):
    summary = results.cases[0].orders[1]
    assert summary.expected_slope == 3
    assert summary.slope == summary.by_seed[1].slope == pytest.approx(3, abs=0.01)
    assert summary.extrapolated_ratio == pytest.approx(1, abs=1e-9)
    assert summary.smallest_error == summary.by_seed[1].errors[-1] == pytest.approx(4 * 0.05**3, rel=1e-2)
    assert summary.passed == 3


def test_seeds_that_do_not_follow_the_law_do_not_pass(store, wide):
    store.write_plan(wide)
    for job in wide.jobs():
        wrong = tuple(dataclasses.replace(error, error=error.error**0.9) for error in made_up(job).errors)
        store.write(JobResult(job, wrong) if job.seed == 0 else made_up(job))
    summary = sweeps.read_results(store.folder).cases[0].orders[0]
    assert (summary.passed, len(summary.seeds)) == (2, 3)


def test_failed_and_missing_jobs_are_told_and_leave_the_rest(results, wide):
    job = list(wide.jobs())[-3]
    assert results.failures == {job.digest: "path: step 3 is not finite"}
    last = results.cases[-1].orders[0]
    assert [len(record.etas) for record in last.by_seed] == [4, 4, 1]
    assert last.passed == 2
    assert math.isfinite(last.slope)


def test_a_case_whose_jobs_all_failed_has_no_orders(store, wide):
    store.write_plan(wide)
    for job in wide.jobs():
        store.write(JobResult(job, reason="no") if job.dataset == "moons" else made_up(job))
    cases = sweeps.read_results(store.folder).cases
    assert [len(case.orders) for case in cases] == [0, 2] * 3


def test_where_nothing_is_above_the_floor_there_are_no_numbers(store, wide):
    store.write_plan(wide)
    for job in wide.jobs():
        errors = tuple(dataclasses.replace(error, floor=1.0) for error in made_up(job).errors)
        store.write(JobResult(job, errors))
    results = sweeps.read_results(store.folder)
    entry = json.loads(results.to_json())["cases"][0]["orders"][0]
    assert [entry[name] for name in ("slope", "extrapolated_ratio", "smallest_error")] == [None] * 3
    assert entry["passed"] == 0


def test_json_is_strict_and_whole(results):
    record = json.loads(results.to_json(), parse_constant=pytest.fail)
    assert (record["jobs"], record["missing"], len(record["failures"]), len(record["cases"])) == (70, 2, 1, 6)
    assert record["cases"][2]["parameters"] == "beta=1/2"
    assert record["cases"][0]["orders"][0]["slope"] == results.cases[0].orders[0].slope


def test_csv_has_a_line_for_each_order_of_each_case(results):
    frame = polars.read_csv(io.StringIO(results.to_csv()))
    assert frame.height == 6 * 2
    assert frame["slope"].to_list() == [summary.slope for case in results.cases for summary in case.orders]
    assert frame["parameters"].to_list()[4] == "beta=1/2"


def test_parquet_comes_back_the_same(results, tmp_path):
    results.write_parquet(tmp_path / "table.parquet")
    again = sweeps.read_results(tmp_path / "table.parquet")
    assert again.frame.equals(results.frame)
    assert again.cases == results.cases
    before = (tmp_path / "table.parquet").read_bytes()
    again.write_parquet(tmp_path / "table.parquet")
    assert (tmp_path / "table.parquet").read_bytes() == before


def test_a_part_of_the_frame_is_results_too(results):
    named = (polars.col("optimizer") == "heavy-ball") & (polars.col("data") == "moons")
    part = sweeps.SweepResults(results.frame.filter(named))
    assert [case.parameters for case in part.cases] == ["beta=1/2", "beta=1/4"]


def test_a_sweep_file_finds_its_folder(sweep_file, plan):
    file = sweep_file()
    assert sweep_folder(file) == file.with_name("cheap.results")
    with pytest.raises(InputError, match="no results of this sweep; run it first"):
        sweeps.read_results(file)
    store = ResultStore(sweep_folder(file))
    for job in plan.jobs():
        store.write(made_up(job))
    assert sweeps.read_results(file).jobs == 12


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no", "other"])
def test_a_table_that_is_none(tmp_path, content):
    path = tmp_path / "table.parquet"
    if content == "other":
        polars.DataFrame({"a": [1]}).write_parquet(path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"table\.parquet"):
        sweeps.read_results(path)
