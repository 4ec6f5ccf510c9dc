"""Files are whole or not there: what a failure, a kill, a link or a device leaves."""

import os
import time

import pytest

from eomsym import files
from eomsym.errors import EomsymError


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def fail_with(number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


def test_what_is_there_already_is_left_alone(tmp_path):
    target = tmp_path / "new" / "file"
    assert files.write_atomically(target, b"one")
    before = target.stat()
    assert not files.write_atomically(target, b"one")
    assert target.stat().st_mtime_ns == before.st_mtime_ns
    assert files.write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert names(target.parent) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
def test_a_disk_that_fails_leaves_the_old_file_and_no_other(call, tmp_path, monkeypatch):
    old = tmp_path / "old"
    old.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail_with(28))
    for path in (old, tmp_path / "made" / "below" / "file"):
        with pytest.raises(EomsymError) as caught:
            files.write_atomically(path, b"new")
        assert str(caught.value) == f"cannot write {path}: No space left on device; nothing was changed"
    assert old.read_bytes() == b"old"
    assert names(tmp_path) == ["old"]


def test_no_folder_is_left_below_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EomsymError, match=r"cannot write .*file.two: .*nothing was changed"):
        files.write_atomically(tmp_path / "file" / "two", b"2")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300])
def test_names_that_no_file_can_have(name, tmp_path):
    with pytest.raises(EomsymError, match="cannot write"):
        files.write_atomically(tmp_path / name, b"")
    assert names(tmp_path) == []


def test_a_link_is_replaced_and_not_followed(tmp_path):
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "link"
    elsewhere.write_bytes(b"precious")
    link.symlink_to(elsewhere)
    assert files.write_atomically(link, b"new")
    assert elsewhere.read_bytes() == b"precious"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_leftovers_of_a_killed_process_go_and_those_of_a_running_one_stay(tmp_path):
    dead, alive, other = tmp_path / ".eomsym-dead.tmp", tmp_path / ".eomsym-alive.tmp", tmp_path / ".other.tmp"
    for path in (dead, alive, other):
        path.write_bytes(b"half a fi")
    for path in (dead, other):
        os.utime(path, (0, time.time() - 3600))
    files.write_atomically(tmp_path / "file", b"whole")
    assert names(tmp_path) == [".eomsym-alive.tmp", ".other.tmp", "file"]


def test_reading_stops_at_the_size_allowed_and_takes_regular_files_only(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert files.read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ValueError, match="larger than 4 bytes"):
        files.read_bounded(tmp_path / "file", 4)
    os.mkfifo(tmp_path / "pipe")
    for endless in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="not a regular file"):
            files.read_bounded(endless, 5)
    with pytest.raises(OSError, match="directory"):
        files.read_bounded(tmp_path, 5)
