"""Same seed, same bytes: whatever the number of threads and the order in which Python's sets come out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
#: What is printed and written with the same seed.
COMMANDS = (
    "derive gradient-descent --order 5 --format json",
    "derive nesterov --order 3 --format text",
    "derive adam --order 2 --format json",
    "derive mini-batches --order 2 --format latex",
    "derive --loss exp(x*y)+a*x**2 --variables x,y --parameters a --order 2 --format sympy",
    "generate mlp --layers 3,4,2 --order 3 --optimizer heavy-ball --set beta=1/2 --output kernels",
    "generate mlp --layers 3,4,2 --order 3 --precision double-double --output kernels",
    "generate loss x**4+a*y**2*exp(x) --variables x,y --parameters a --order 4 --output kernels",
    "verify --dataset teacher-small --orders 0:2 --format json",
    "verify --dataset digits-small --layers 8,16,10 --orders 2 --eta 0.2 --halvings 2 --format json",
    "layers translation --dataset moons --layers 2,8,2 --steps 50 --orders 0:2 --format json",
)
PROGRAM = """
import json, sys
from eomsym.cli import main
print(json.dumps([main(command.split()) for command in json.loads(sys.argv[1])]))
"""
SURROUNDINGS = {
    "one thread": ("1", "0"),
    "four threads": ("4", "4711"),
}


def run_all(folder, threads, hash_seed):
    """Everything that is printed, and every file that is written."""
    folder.mkdir()
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, threads)}
    environment |= {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(COMMANDS)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return done.stdout.splitlines(), files


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return [run_all(folder / name.replace(" ", "_"), *given) for name, given in SURROUNDINGS.items()]


def test_all_commands_have_done_their_work(runs):
    lines, files = runs[0]
    statuses = json.loads(lines[-1])
    assert len(statuses) == len(COMMANDS)
    assert set(statuses) <= {0, 1}
    assert statuses[:8] == [0] * 8
    assert len(files) == 3


@pytest.mark.parametrize("index", range(1, len(SURROUNDINGS)), ids=list(SURROUNDINGS)[1:])
def test_bytes_depend_neither_on_threads_nor_on_the_hash_seed(index, runs):
    assert runs[index][0] == runs[0][0]
    assert runs[index][1] == runs[0][1]
