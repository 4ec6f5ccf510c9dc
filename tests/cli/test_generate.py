"""``eomsym generate``: the file of the library, the check of the committed ones."""

import shutil

import pytest

import eomsym
from eomsym.codegen import KernelSpec, generate, locate
from eomsym.codegen.store import check_committed
from eomsym.codegen.templates import environment
from eomsym.models import MLP

NET = ("--layers", "4,3,2", "--activation", "softplus", "--loss", "mse", "--weight-decay", "1e-2", "--order", "2")
NET += ("--normalization", "layer", "--no-bias")


def test_writes_what_the_library_writes(run, tmp_path):
    result = run("generate", "mlp", *NET, "--output", "kernels")
    assert (result.status, result.err) == (0, "")
    written = tmp_path / result.out.strip()
    expected = generate(MLP([4, 3, 2], "softplus", "mse", 0.01, "layer", bias=False), 2, output=tmp_path / "expected")
    assert written.parent == tmp_path / "kernels"
    assert written.name == expected.name
    assert written.read_bytes() == expected.read_bytes()
    assert {path.name for path in written.parent.iterdir()} == {path.name for path in expected.parent.iterdir()}


def test_again_changes_nothing(run, tmp_path):
    def stamps():
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "generated").iterdir()}

    run("generate", "mlp", *NET)
    first = stamps()
    assert run("generate", "mlp", *NET).status == 0
    assert stamps() == first


def test_defaults_are_those_of_the_library(run):
    name = KernelSpec(MLP([4, 3, 2]), 1).name
    assert run("generate", "mlp", "--layers", "4,3,2", "--order", "1").out == f"generated/{name}.py\n"


def test_double_double_goes_to_higher_order(run, tmp_path):
    net = ("--layers", "2,3,1", "--loss", "mse")
    written = run("generate", "mlp", *net, "--order", "20", "--precision", "double-double").out.strip()
    expected = generate(MLP([2, 3, 1], "tanh", "mse"), 20, precision="double-double", output=tmp_path / "expected")
    assert (tmp_path / written).read_bytes() == expected.read_bytes()
    result = run("generate", "mlp", *net, "--order", "13")
    assert (result.status, result.err.count("\n")) == (2, 1)
    assert "from 0 to 12" in result.err


def test_check_agrees_with_the_library(run):
    result = run("generate", "--check")
    assert (result.status == 0) == (check_committed() == [])
    assert result.err == ""


@pytest.fixture
def installation(tmp_path, monkeypatch):
    """Templates and committed kernels of an installation that may be spoilt."""
    package = tmp_path / "site-packages" / "eomsym"
    for name in ("templates", "generated"):
        shutil.copytree(locate.data_folder(name), package.parent / name, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(locate, "_PACKAGE", package)
    environment.cache_clear()  # it remembers where the templates are
    yield package.parent
    environment.cache_clear()


def test_check_finds_a_changed_kernel(run, installation):
    eomsym.codegen.store.write_committed(installation / "generated")
    assert run("generate", "--check") == (0, "", "")
    kernel = sorted((installation / "generated").glob("*.py"))[0]
    kernel.write_text(kernel.read_text().replace("ORDER = ", "ORDER = 1 + ", 1))
    result = run("generate", "--check")
    assert (result.status, result.err) == (1, "")
    assert kernel.name in result.out
    changed = [line for line in result.out.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert sorted(line[:9] for line in changed) == ["+ORDER = ", "-ORDER = "]


def test_an_installation_without_templates_is_told_in_one_line(run, installation):
    shutil.rmtree(installation / "templates")
    result = run("generate", "mlp", *NET)
    assert (result.status, result.out) == (2, "")
    assert result.err.count("\n") == 1


def test_a_folder_without_permission(run_process, tmp_path, monkeypatch):
    """As root no folder is read-only; /proc refuses even root."""
    result = run_process("generate", "mlp", *NET, "--output", "/proc/kernels")
    assert (result.status, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "/proc" in result.err
