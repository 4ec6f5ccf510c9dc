"""Worker processes: every task once, whatever becomes of the workers."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import worker_tasks

from eomsym.errors import InputError
from eomsym.sweeps import Processes, executors
from eomsym.sweeps.executors import WorkerLost

ROOT = Path(__file__).parents[2]
SURROUNDINGS = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"}


@pytest.fixture
def answers():
    """What two workers make of tasks."""

    def call(function, items, workers=2):
        with Processes(workers) as pool:
            return [(item, said) for (item,), said in executors.answers(pool, function, [(item,) for item in items])]

    return call


def gone(process):
    """Whether a process has ended: a zombie that nobody has waited for has, too."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_every_task_once_in_several_processes(answers):
    found = answers(worker_tasks.answer, list(range(20)))
    assert sorted(item for item, _ in found) == list(range(20))
    assert all(item == said for item, (said, _) in found)
    processes = {process for _, (_, process) in found}
    assert 1 <= len(processes) <= 2
    assert os.getpid() not in processes
    assert all(map(gone, processes))


def test_nothing_to_do(answers):
    assert answers(worker_tasks.answer, []) == []


#: With several, a death meets the tasks of others.
WORKERS = pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])


@WORKERS
def test_the_task_of_a_worker_that_died_is_done_by_another(answers, tmp_path, workers):
    paths = [str(tmp_path / name) for name in "abc"[: workers + 1]]
    found = answers(worker_tasks.die_at_first, paths, workers=workers)
    assert sorted(item for item, _ in found) == paths
    assert all(item == said for item, (said, _) in found)


@WORKERS
def test_a_task_that_kills_every_worker_is_given_up_and_the_others_are_done(answers, workers):
    items = [1, 2, 3, 4][: workers + 2]
    found = dict(answers(worker_tasks.die_over_two, items, workers=workers))
    assert set(found) == set(items)
    assert isinstance(found[2], WorkerLost)
    assert all(found[item][0] == item for item in items if item != 2)


def test_what_a_task_raises_is_raised_here_with_the_place(answers):
    with pytest.raises(TypeError, match="no 5") as raised:
        answers(worker_tasks.fail, [5], workers=1)
    assert "worker_tasks.py" in str(raised.value.__cause__)


def test_workers_do_not_hear_ctrl_c():
    """In a process of its own: the first worker that a process starts is the one that might."""
    program = (
        "import worker_tasks\nfrom eomsym.sweeps import Processes, executors\n"
        "if __name__ == '__main__':\n"
        "    with Processes(1) as pool:\n"
        "        print(list(executors.answers(pool, worker_tasks.sigint_is_blocked, [(0,)])))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=SURROUNDINGS, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"[((0,), True)]\n"


@pytest.mark.parametrize("count", [0, -1, 257, True, "2", 1.0])
def test_numbers_of_workers_that_are_none(count):
    with pytest.raises(InputError, match="workers"):
        Processes(count)


def test_by_default_as_many_workers_as_cores():
    assert Processes()._count == executors.available_cores() == len(os.sched_getaffinity(0))


def test_workers_end_when_their_parent_is_killed():
    program = (
        "import sys, worker_tasks\nfrom eomsym.sweeps import Processes, executors\n"
        "if __name__ == '__main__':\n"
        "    with Processes(2) as pool:\n"
        "        for _, (_, process) in executors.answers(pool, worker_tasks.answer, [(0,), (1,)]):\n"
        "            print(process, flush=True)\n"
        "        sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=SURROUNDINGS, cwd=ROOT
    )
    try:
        workers = [int(parent.stdout.readline()) for _ in range(2)]
        assert not any(map(gone, workers))
    finally:
        parent.kill()
        parent.communicate()
    wait_until(lambda: all(map(gone, workers)))


def test_a_script_without_a_guard_is_told_of_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from eomsym.sweeps import Processes\nwith Processes(1) as pool:\n    print(pool.submit(abs, 1).result())\n"
    )
    done = subprocess.run([sys.executable, script], env=SURROUNDINGS, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "below if __name__ == '__main__'" in done.stderr.splitlines()[-1]
