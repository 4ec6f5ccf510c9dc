"""The folder of a sweep: results whole or not at all, one run at a time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eomsym.errors import EomsymError, InputError
from eomsym.files import temporary_files
from eomsym.sweeps.job import JobResult, MeasuredError, canonical_json
from eomsym.sweeps.store import ResultStore


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "results of a sweep")


@pytest.fixture
def results(plan):
    return [JobResult(job, (MeasuredError(0, 1, 0.1, 0.1, 1e-9),)) for job in plan.jobs()]


def test_results_come_back(store, results):
    assert store.digests() == set()
    for result in results:
        store.write(result)
    assert store.digests() == {result.job.digest for result in results}
    assert [store.read(result.job) for result in results] == results


def test_a_plan_comes_back(store, plan):
    store.write_plan(plan)
    assert store.read_plan() == plan


@pytest.mark.parametrize("text", [None, b"", b"[1]", b"{}", b"\xff"])
def test_a_folder_without_a_plan_is_none_of_a_sweep(store, plan, text):
    if text is not None:
        store.write_plan(plan)
        store.plan_path.write_bytes(text)
    with pytest.raises(InputError, match=r"results of a sweep.*give a sweep file or a folder"):
        store.read_plan()


def test_an_altered_result_is_refused_by_its_name(store, results):
    for result in results[:2]:
        store.write(result)
    first, second = (store.folder / "results" / f"{result.job.digest}.json" for result in results[:2])
    text = first.read_bytes()
    first.write_bytes(text[:-20])
    with pytest.raises(EomsymError, match=f"{first.name}: not the result.*delete the file"):
        store.read(results[0].job)
    first.write_bytes(second.read_bytes())
    with pytest.raises(EomsymError, match="of another job than its name says"):
        store.read(results[0].job)
    first.unlink()
    with pytest.raises(EomsymError, match="cannot be read"):
        store.read(results[0].job)


def test_an_edited_number_is_noticed(store, results):
    result = next(result for result in results if result.errors)
    store.write(result)
    path = store.folder / "results" / f"{result.job.digest}.json"
    entry = json.loads(path.read_bytes())
    entry["errors"][0]["error"] *= 2
    path.write_bytes(canonical_json(entry) + b"\n")
    with pytest.raises(EomsymError, match=f"{path.name}: not the result.*delete the file"):
        store.read(result.job)


def test_what_has_no_end_is_no_result_and_no_plan(store, plan, results):
    store.write(results[0])
    store.write_plan(plan)
    result = store.folder / "results" / f"{results[0].job.digest}.json"
    for path, read in ((result, lambda: store.read(results[0].job)), (store.plan_path, store.read_plan)):
        path.unlink()
        path.symlink_to("/dev/zero")
        with pytest.raises(EomsymError, match="not a regular file"):
            read()
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(EomsymError, match="not a regular file"):
            read()
    result.unlink()
    result.write_bytes(b" " * 2**21)
    with pytest.raises(EomsymError, match="larger than"):
        store.read(results[0].job)


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(store, results):
    store.write(results[0])
    place = store.folder / "results"
    half = place / ".eomsym-a1b2c3d_.tmp"
    half.write_bytes(b"{")
    (store.folder / ".eomsym-abcdefgh.tmp").write_bytes(b"{")
    note = store.folder / "notes.txt"
    note.write_text("the user's own")
    assert store.digests() == {results[0].job.digest}
    with store.locked():
        assert not half.exists()
    assert sorted(path.name for path in place.iterdir()) == [f"{results[0].job.digest}.json"]
    assert not (store.folder / ".eomsym-abcdefgh.tmp").exists()
    assert note.exists()


def test_one_run_at_a_time(store):
    with store.locked(), pytest.raises(InputError, match="another run is at work"):
        ResultStore(store.folder).locked().__enter__()
    with ResultStore(store.folder).locked():
        pass


def test_the_lock_of_a_killed_process_is_none(store):
    program = (
        "import os, signal, sys\nfrom eomsym.sweeps.store import ResultStore\n"
        f"with ResultStore({str(store.folder)!r}).locked():\n"
        "    print('locked', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(InputError, match="another run"), store.locked():
            pass
    finally:
        holder.kill()
        holder.communicate()
    with store.locked():
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EomsymError, match="cannot be made"), ResultStore(tmp_path / "file" / "below").locked():
        pass


def test_what_is_removed_is_what_a_kill_before_the_rename_leaves(store, results, monkeypatch):
    """The names are those of ``eomsym.files``: seen at the moment when a kill would leave one."""
    seen = []
    rename = os.replace

    def watched(source, target):
        seen.extend(temporary_files(Path(target).parent))
        rename(source, target)

    monkeypatch.setattr(os, "replace", watched)
    store.write(results[0])
    assert len(seen) == 1
    assert not seen[0].exists()
