"""The way to a user: source distribution, wheel built from it, an environment without checkout, another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the source distribution, as ``pip install`` does where an index has no wheel."""
    folder = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), where=folder)
    assert len(list(folder.glob("eomsym-*.tar.gz"))) == 1
    (built,) = folder.glob("eomsym-*-py3-none-any.whl")
    return built


@pytest.fixture(scope="module")
def commands(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of a fresh environment with the wheel in it; the dependencies are borrowed from this environment.

    A plain path in a ``.pth`` file makes packages importable, but not the checkout that an editable install points to.
    """
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    site_packages = _run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", where=environment)
    (Path(site_packages.strip()) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--no-deps", "--force-reinstall", "--no-index", str(wheel), where=environment)
    return environment / "bin"


def _run(*command: str, where: Path, status: int = 0) -> str:
    """stdout of a command that knows nothing of the checkout; the whole story if its exit status is another."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    surroundings["EOMSYM_CACHE"] = str(where / "cache")
    done = subprocess.run(command, cwd=where, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_wheel_holds_what_it_needs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"eomsym", wheel.name.split("-py3")[0] + ".dist-info"}
    for suffix in (
        "eomsym/py.typed",
        "eomsym/_data/templates/mlp.py.jinja",
        "licenses/docs/LICENSE",
        "entry_points.txt",
    ):
        assert any(name.endswith(suffix) for name in names), suffix
    assert not [name for name in names if name.endswith((".nbi", ".nbc", ".pyc"))]
    committed = {path.name for pattern in ("*.py", "*.json") for path in (ROOT / "generated").glob(pattern)}
    packed = {name.rsplit("/", 1)[1] for name in names if name.startswith("eomsym/_data/generated/")}
    assert committed <= packed


def test_it_is_the_wheel_that_runs(commands, tmp_path):
    where = _run(str(commands / "python"), "-c", "import eomsym; print(eomsym.__file__)", where=tmp_path)
    assert Path(where.strip()).is_relative_to(commands.parent)
    assert not Path(where.strip()).is_relative_to(ROOT / "eomsym")


def test_derive(commands, tmp_path):
    record = json.loads(_run(str(commands / "eomsym"), "derive", "--order", "1", "--format", "json", where=tmp_path))
    assert record["counterterms"][0]["terms"] == [{"tree": "[[]]", "symmetry": 1, "coefficient": "1/2"}]


def test_generate_finds_its_templates(commands, tmp_path):
    arguments = ("generate", "mlp", "--layers", "3,4,2", "--order", "1", "--output", "kernels")
    path = tmp_path / _run(str(commands / "eomsym"), *arguments, where=tmp_path).strip()
    assert path.parent == tmp_path / "kernels"
    program = f"import eomsym; print(eomsym.load({str(path)!r}).size)"
    assert _run(str(commands / "python"), "-c", program, where=tmp_path) == "26\n"  # 3·4 + 4 + 4·2 + 2


def test_committed_kernels_are_in_the_wheel_and_up_to_date(commands, tmp_path):
    assert _run(str(commands / "eomsym"), "generate", "--check", where=tmp_path) == ""


def test_verify(commands, tmp_path):
    arguments = ("verify", "--dataset", "moons", "--layers", "2,4,2", "--orders", "0:1", "--format", "json")
    assert json.loads(_run(str(commands / "eomsym"), *arguments, where=tmp_path))["passed"] is True


@pytest.mark.slow
def test_declared_dependencies_suffice(wheel, tmp_path):
    """Everything downloaded into an environment of its own: nothing borrowed that the package forgot to declare."""
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True, symlinks=True)
    command = environment / "bin" / "eomsym"
    _run(str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", str(wheel), where=tmp_path)
    arguments = ("verify", "--dataset", "moons", "--layers", "2,4,2", "--orders", "0:1", "--plot", "slopes.png")
    _run(str(command), *arguments, where=tmp_path)
    assert (tmp_path / "slopes.png").read_bytes().startswith(b"\x89PNG")
