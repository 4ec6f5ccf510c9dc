"""Files: committed kernels, determinism, what the loader refuses, what a failed write leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import kernel_cache
import pytest
import shared_kernels

import eomsym
from eomsym.codegen import COMMITTED, KernelSpec, kernel_for
from eomsym.codegen.store import check_committed, write_committed, write_kernel
from eomsym.errors import EomsymError, InputError, KernelError
from eomsym.models import MLP

SMALL = KernelSpec(MLP([1, 2, 1], "sin", "mse"), 1)
REPOSITORY = Path(__file__).parents[2]


def test_committed_kernels_are_what_the_generator_writes():
    assert check_committed() == []


def test_check_finds_an_edit_a_missing_file_and_a_stray_one(tmp_path):
    paths = write_committed(tmp_path)
    assert check_committed(tmp_path) == []
    text = paths[0].read_text()
    paths[0].write_text(text.replace("a_2 = z_1 * s_1 + dz_2 * s_0", "a_2 = z_1 * s_1 + dz_2 * s_1", 1))
    paths[1].unlink()
    (tmp_path / "stray.py").write_text("print('hello')\n")
    edited, missing, stray = check_committed(tmp_path)[1], check_committed(tmp_path)[0], check_committed(tmp_path)[2]
    assert "-            a_2 = z_1 * s_1 + dz_2 * s_1" in edited
    assert paths[1].name in missing
    assert "stray.py" in stray


def test_bytes_do_not_depend_on_the_hash_seed(tmp_path):
    source = "import sys; from eomsym.codegen.store import COMMITTED, write_kernel; from pathlib import Path\n"
    source += "for spec in COMMITTED: write_kernel(spec, Path(sys.argv[1]))"
    for seed in ("0", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY)}
        subprocess.run([sys.executable, "-c", source, str(tmp_path / seed)], check=True, env=environment)
    for spec in COMMITTED:
        contents = {(tmp_path / seed / f"{spec.name}.py").read_bytes() for seed in ("0", "4711")}
        assert len(contents) == 1


def test_generated_file_is_self_contained_and_names_no_place_or_time(tmp_path):
    text = eomsym.generate(SMALL.model, 1, output=tmp_path).read_text()
    imports = {line for line in text.splitlines() if line.startswith(("import", "from"))}
    assert imports == {"import math", "import numba", "import numpy as np"}
    assert str(tmp_path) not in text
    assert "20" + "26" not in text


def test_writing_again_leaves_the_file_alone(tmp_path):
    path = write_kernel(SMALL, tmp_path)
    before = path.stat().st_mtime_ns
    assert write_kernel(SMALL, tmp_path) == path
    assert path.stat().st_mtime_ns == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("key", "value"),
    [("order", -1), ("order", "2"), ("layers", [1, 0]), ("layers", "12"), ("activation", "relu"), ("kind", "other")],
)
def test_loader_refuses_an_impossible_specification(key, value, tmp_path):
    path = write_kernel(SMALL, tmp_path)
    entry = json.dumps(SMALL.to_dict() | {key: value})
    path.write_text(path.read_text().replace(SMALL.to_json(), entry))
    with pytest.raises(KernelError, match="no specification stands in it"):
        eomsym.load(path)


@pytest.mark.parametrize("spec", COMMITTED, ids=lambda spec: spec.name)
def test_specification_round_trip(spec):
    assert KernelSpec.from_json(spec.to_json()) == spec
    assert spec.name.isidentifier()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MLP([2, 1], loss="mse"), -1), "out of range"),
        ((MLP([2, 1], loss="mse"), 13), "out of range"),
        ((MLP([2, 1], loss="mse"), 1.5), "not an integer"),
        ((MLP([2, 1], loss="mse"), 1, "no-such"), "unknown"),
        ((MLP([2, 1], loss="mse"), 1, "gradient-descent", "quadruple"), "precision 'quadruple'"),
        (("x**2", 1), "kernels are generated for eomsym.models.MLP, ExpressionLoss or VectorField"),
    ],
)
def test_what_cannot_be_generated_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        KernelSpec(*arguments)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EomsymError, match=r"cannot write .*file"):
        eomsym.generate(SMALL.model, 1, output=tmp_path / "file" / "below")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_failed_rename_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = write_kernel(SMALL, tmp_path)
    before = path.read_bytes()
    path.write_bytes(b"older")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(EomsymError, match="No space left"):
        write_kernel(SMALL, tmp_path)
    assert path.read_bytes() == b"older" != before
    assert len(list(tmp_path.iterdir())) == 1


def test_kernel_for_prefers_the_committed_one_and_keeps_others_in_the_cache(tmp_path, monkeypatch):
    spec = shared_kernels.kernel("sin mse").spec
    (tmp_path / "compiled").symlink_to(kernel_cache.folder() / "compiled")  # nothing is compiled again
    monkeypatch.setenv("EOMSYM_CACHE", str(tmp_path))
    assert kernel_for(spec).spec == spec
    assert (tmp_path / f"{spec.name}.py").is_file()
