"""dask on loopback: real workers, one of which is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import worker_tasks

from eomsym import sweeps
from eomsym.errors import EomsymError, InputError, MissingExtraError
from eomsym.sweeps.executors import WorkerLost, answers

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"

pytest.importorskip("distributed")


@pytest.fixture
def cluster(tmp_path, kernels):
    """The process and address of a scheduler, and how to start a worker without a nanny: who is killed stays away.

    ``cache`` is the worker's folder of kernels, by default that of this process, where they are compiled already.
    """
    processes = []

    def start(command, *arguments, cache=kernels):
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}", "EOMSYM_CACHE": str(cache)}
        full = [sys.executable, "-m", f"distributed.cli.dask_{command}", "--no-dashboard", *map(str, arguments)]
        output = (tmp_path / f"{command}-{len(processes)}.log").open("wb")
        processes.append(subprocess.Popen(full, env=environment, stdout=output, stderr=output, cwd=tmp_path))
        output.close()
        return processes[-1]

    file = tmp_path / "scheduler.json"
    start("scheduler", "--host", HOST, "--port", "0", "--scheduler-file", file)
    end = time.monotonic() + 60
    while not file.exists() or not file.read_text():
        assert processes[0].poll() is None, (tmp_path / "scheduler-0.log").read_text()
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    address = json.loads(file.read_text())["address"]

    def start_worker(nanny="--no-nanny", **where):
        return start("worker", address, "--nthreads", "1", nanny, "--host", HOST, **where)

    yield SimpleNamespace(address=address, start_worker=start_worker, scheduler=processes[0])
    for process in reversed(processes):
        process.kill()
        process.wait()


def count(folder):
    place = folder / "results"
    return sum(path.name[0] != "." for path in place.iterdir()) if place.is_dir() else 0


def run_command(address, file, folder):
    command = [sys.executable, "-m", "eomsym", "sweep", "run", file, "--output", folder, "--scheduler", address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(client, folder, number):
    """Until the client has kept so many results."""
    end = time.monotonic() + 150
    while count(folder) < number:
        assert client.poll() is None, client.communicate()
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def kill_after(client, worker, folder, number):
    """SIGKILL for the worker as soon as the client has kept so many results."""
    wait_for(client, folder, number)
    worker.send_signal(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL


def test_workers_of_a_cluster_give_the_same_bytes_as_serial(plan, tmp_path, contents):
    """In threads of this process: what becomes of real ones, killed, is the slow tests'."""
    from distributed import LocalCluster

    sweeps.run_sweep(plan, tmp_path / "serial")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", host=HOST, dashboard_address=None
    ) as local:
        done = sweeps.run_sweep(plan, tmp_path / "dask", sweeps.Cluster(local.scheduler_address))
    assert (done.jobs, done.found, done.measured, done.failed) == (12, 0, 12, 0)
    assert contents(tmp_path / "dask") == contents(tmp_path / "serial")


@pytest.mark.slow
def test_a_killed_worker_loses_no_result(cluster, sweep_file, tmp_path, contents):
    address, start_worker = cluster.address, cluster.start_worker
    workers = [start_worker(), start_worker()]
    file = sweep_file(12)
    plan = sweeps.read_plan(file)
    sweeps.run_sweep(plan, tmp_path / "serial")  # while the workers start; compiles for them, too

    def kill_one(what, done, total):
        if (what, done) == ("jobs", 10):
            workers[0].send_signal(signal.SIGKILL)
            assert workers[0].wait() == -signal.SIGKILL

    done = sweeps.run_sweep(plan, tmp_path / "dask", sweeps.Cluster(address), progress=kill_one)
    assert (done.jobs, done.found, done.measured, done.failed) == (48, 0, 48, 0)
    assert workers[0].returncode == -signal.SIGKILL
    assert contents(tmp_path / "dask") == contents(tmp_path / "serial")


@pytest.mark.slow
def test_workers_share_nothing_and_240_jobs_survive_one_of_three(cluster, sweep_file, tmp_path, contents):
    """Each worker generates and compiles the kernel for itself, byte for byte the client's."""
    address, start_worker = cluster.address, cluster.start_worker
    caches = [tmp_path / f"cache-{number}" for number in range(3)]
    workers = [start_worker(cache=cache) for cache in caches]
    file = sweep_file(60)
    client = run_command(address, file, tmp_path / "dask")
    sweeps.run_sweep(sweeps.read_plan(file), tmp_path / "serial")
    kill_after(client, workers[1], tmp_path / "dask", 40)
    out, _ = client.communicate(timeout=200)
    assert (client.returncode, out.decode().split(";")[0]) == (0, "240 jobs: 0 found, 240 measured, 0 failed")
    assert contents(tmp_path / "dask") == contents(tmp_path / "serial")
    sources = [{path.name: path.read_bytes() for path in cache.glob("*.py")} for cache in caches]
    assert len(sources[0]) == 1
    assert sources[0] == sources[2]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["scheduler", "client"])
def test_a_run_that_loses_its_scheduler_or_hears_ctrl_c_says_so_in_one_line(
    cluster, sweep_file, tmp_path, contents, end
):
    address, start_worker = cluster.address, cluster.start_worker
    start_worker()
    file, folder = sweep_file(60), tmp_path / "dask"
    client = run_command(address, file, folder)
    if end == "scheduler":
        kill_after(client, cluster.scheduler, folder, 10)
        expected = (2, f"eomsym: --scheduler '{address}': the connection was lost")
    else:
        wait_for(client, folder, 10)
        client.send_signal(signal.SIGINT)
        expected = (130, "eomsym: interrupted; results are kept in")
    out, err = client.communicate(timeout=60)
    assert (client.returncode, out, err.count(b"\n")) == (expected[0], b"", 1)
    assert err.decode().startswith(expected[1])
    kept = len(contents(folder))
    done = sweeps.run_sweep(sweeps.read_plan(file), folder)
    assert 10 <= kept < 240
    assert (done.found, done.measured) == (kept, 240 - kept)


@pytest.mark.slow
def test_a_job_over_which_workers_die_is_given_up_and_the_others_are_done(cluster):
    """The nanny starts a new worker each time."""
    address, start_worker = cluster.address, cluster.start_worker
    start_worker("--nanny")
    with sweeps.Cluster(address) as place:
        tasks = [(item,) for item in range(6)]
        found = {item: said for (item,), said in answers(place, worker_tasks.die_over_two, tasks)}
    assert isinstance(found.pop(2), WorkerLost)
    assert {item: said for item, (said, _) in found.items()} == {item: item for item in (0, 1, 3, 4, 5)}


def test_a_scheduler_that_is_none(tmp_path, plan):
    with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:8786"):
        sweeps.Cluster("nonsense")
    place = sweeps.Cluster(f"tcp://{HOST}:1", patience=0.5)
    with pytest.raises(EomsymError, match=r"no answer, or no worker, within 0\.5 s.*dask scheduler"):
        sweeps.run_sweep(plan, tmp_path, place)


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'eomsym\[cluster\]'"):
        sweeps.Cluster(f"tcp://{HOST}:8786")
