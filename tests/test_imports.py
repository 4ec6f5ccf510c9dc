"""What no module of the package does: run text as code, unpickle, or reach the network."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import eomsym

PACKAGE = Path(eomsym.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: Modules that run text, unpickle, start processes or talk to others.
FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml"),
    *("socket", "ssl", "urllib", "http", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "webbrowser"),
    *("subprocess", "multiprocessing", "pty", "code", "codeop", "runpy", "imp"),
}
#: Names that do the same, called as a function or as a method.
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "sympify", "parse_expr", "lambdify", "execfile", "getoutput"),
    *("system", "popen", "spawnl", "spawnv", "execv", "execve", "fork"),
}
#: Where a forbidden name stands for something else, and why.
ALLOWED = {
    # importlib's own name for running a module: the loader runs a kernel, as an import does.
    ("codegen/loader.py", "exec_module"),
    # The file that a user asks to have audited, by name, is a program of theirs.
    ("cli/audit.py", "exec_module"),
    # Worker processes of a sweep: it begins them itself, and speaks to nobody else over their pipes.
    ("sweeps/executors.py", "multiprocessing"),
}
#: Arguments that make a harmless function load a pickle.
FORBIDDEN_KEYWORDS = {"allow_pickle"}


def offences(path):
    """Forbidden imports, calls and keywords of a module, as (file, name)."""
    place = path.relative_to(PACKAGE).as_posix()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found = [name.name.split(".")[0] for name in names if name.name.split(".")[0] in FORBIDDEN_MODULES]
            case ast.ImportFrom(module=str(module)):
                found = [module.split(".")[0]] if module.split(".")[0] in FORBIDDEN_MODULES else []
                found += [name.name for name in node.names if name.name in FORBIDDEN_CALLS]
            case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
                found = [name] if name in FORBIDDEN_CALLS or name == "exec_module" else []
                found += [keyword.arg for keyword in node.keywords if keyword.arg in FORBIDDEN_KEYWORDS]
            case _:
                found = []
        yield from ((place, name) for name in found)


def test_no_module_runs_text_or_unpickles_or_reaches_the_network():
    assert len(MODULES) > 100
    found = {offence for path in MODULES for offence in offences(path)}
    compiled_patterns = {(place, name) for place, name in found if name == "compile" and _only_compiles_patterns(place)}
    assert found - compiled_patterns == ALLOWED


def _only_compiles_patterns(place):
    """Whether every ``compile`` of a module is that of ``re``."""
    calls = [node for node in ast.walk(ast.parse((PACKAGE / place).read_text())) if isinstance(node, ast.Call)]
    return all(
        isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "re"
        for call in calls
        if getattr(call.func, "attr", getattr(call.func, "id", "")) == "compile"
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import pickle", "pickle"),
        ("from urllib.request import urlopen", "urllib"),
        ("eval(text)", "eval"),
        ("sympy.sympify(text)", "sympify"),
        ("from sympy import sympify", "sympify"),
        ("compile(text, '', 'exec')", "compile"),
        ("np.load(path, allow_pickle=True)", "allow_pickle"),
        ("os.system(text)", "system"),
    ],
)
def test_the_scan_sees_what_it_looks_for(source, name, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    (tmp_path / "module.py").write_text(source)
    assert ("module.py", name) in set(offences(tmp_path / "module.py"))
    assert name != "compile" or not _only_compiles_patterns("module.py")


WITHOUT_NETWORK = """
import sys

def refuse(event, arguments):
    if event.startswith(("socket.", "urllib.")):
        raise RuntimeError(f"{event} {arguments}")

sys.addaudithook(refuse)
from eomsym.models import DATASETS, dataset
print([dataset(name).inputs.shape for name in DATASETS])
"""


def test_data_sets_need_no_network(tmp_path):
    surroundings = {"PYTHONPATH": str(PACKAGE.parent), "HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK], env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "[(1797, 64), (256, 8), (256, 2), (64, 2), (256, 2)]\n"
    assert list(tmp_path.iterdir()) == []


def test_the_audit_hook_sees_a_socket():
    hook = WITHOUT_NETWORK[: WITHOUT_NETWORK.index("from eomsym")]
    program = hook + "import socket; socket.getaddrinfo('localhost', 80)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "RuntimeError: socket." in done.stderr
