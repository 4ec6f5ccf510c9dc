"""One small sweep for all tests of the room, with one kernel."""

from __future__ import annotations

import json
from pathlib import Path

import kernel_cache
import pytest

from eomsym import sweeps

#: Jobs of some 20 ms: what is tested is that they are run, kept and found, not what they measure.
CHEAP = {
    "orders": [0, 1, 2],
    "etas": [0.2, 0.1, 0.05, 0.025],
    "steps": 2,
    "seeds": 3,
    "optimizer": [{"name": "gradient-descent"}],
    "model": [{"data": "teacher-small"}],
}


@pytest.fixture
def kernels():
    """The cache of kernels, in this process and in those that it starts."""
    return kernel_cache.folder()


@pytest.fixture
def cheap():
    """The words of the sweep, a new copy; keywords change some."""

    def words(**changes):
        return {**json.loads(json.dumps(CHEAP)), **changes}

    return words


@pytest.fixture
def plan(cheap):
    """Twelve cheap jobs."""
    return sweeps.plan_from_dict(cheap())


@pytest.fixture
def sweep_file(tmp_path):
    """Twelve cheap jobs as a file; ``seeds`` changes how many."""

    def write(seeds=3) -> Path:
        path = tmp_path / "cheap.toml"
        path.write_text(
            f"orders = [0, 1, 2]\netas = [0.2, 0.1, 0.05, 0.025]\nsteps = 2\nseeds = {seeds}\n"
            '[[optimizer]]\nname = "gradient-descent"\n[[model]]\ndata = "teacher-small"\n'
        )
        return path

    return write


@pytest.fixture
def contents():
    """The bytes of every result in a folder, by the name of its file."""

    def read(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / "results").iterdir()}

    return read
