"""``eomsym audit``: a file is run and audited; what is wrong with it is one line."""

import sys

import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

SOUND = """
import torch
from neighbour import width

print("said while it ran")
x = torch.linspace(-1, 1, 4 * width, dtype=torch.float64).reshape(4, width)
params = {"w": torch.linspace(1, 2, 3 * width, dtype=torch.float64).sin().reshape(width, 3)}
data = x.cos()


def loss(p, x):
    return torch.tanh(x @ p["w"]).square().mean()
"""
WRONG = SOUND.replace('torch.tanh(x @ p["w"])', 'torch.tanh(torch.nn.functional.layer_norm(x @ p["w"], (3,)))')
MODULE = """
import torch
torch.manual_seed(0)
loss, data = torch.nn.Linear(3, 2).double(), torch.ones(2, 3, dtype=torch.float64)
"""


@pytest.fixture
def audit(run, tmp_path, monkeypatch):
    """``audit(source, *options)`` of a file with a neighbour."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def call(source, *options):
        (tmp_path / "neighbour.py").write_text("width = 2\n")
        (tmp_path / "model.py").write_text(source)
        return run("audit", "model.py", *options)

    return call


def test_json_of_a_sound_file(audit):
    result = audit(SOUND, "--order", "2", "--format", "json")
    assert (result.status, result.err) == (0, "said while it ran\n")
    assert (result.json["passed"], result.json["blame"], result.json["order"]) == (True, None, 2)
    assert [row["order"] for row in result.json["rows"]] == [0, 1, 2]


def test_table_and_status_of_a_wrong_one(audit):
    result = audit(WRONG)
    assert result.status == 1
    assert result.out.startswith(f"PyTorch {torch.__version__.partition('+')[0]}, 6 parameters\n\norder  ")
    assert "at the operation 'layer_norm'; the series of eomsym are right." in result.out


def test_a_module_needs_no_params(audit):
    assert audit(MODULE, "--quiet").status == 0


#: What the file is, and what the one line says of it.
BAD = {
    "syntax": ("x = 1\nloss = (\n", "file 'model.py', line 2: SyntaxError: '(' was never closed; let it define loss"),
    "no loss": ("params = 1.0", "file 'model.py': defines no loss; let it define loss, a function of params or of"),
    "no params": ("def loss(p): return p", "file 'model.py': defines no params; let it define loss"),
    "raises": ("a = 1\nb = a / 0", "file 'model.py', line 2: ZeroDivisionError: division by zero; let it define"),
    "leaves": ("raise SystemExit(0)", "file 'model.py', line 1: SystemExit: 0; let it define"),
    "loss raises": (SOUND + "    # no more\n\n\ndata = 3\n", "file 'model.py', line 12: TypeError: "),
    "not scalar": (SOUND.replace(".mean()", ""), "returned (4, 3); return one real number"),
    "random": (SOUND.replace("p, x):", "p, x):\n    x = x * torch.rand(1)"), "gives another gradient each time"),
    "takes no data": (SOUND.replace("(p, x)", "(p)"), "file 'model.py': TypeError: loss() takes 1 positional argument"),
    "data of another shape": (MODULE.replace("(2, 3,", "(2, 4,"), "file 'model.py': RuntimeError: mat1 and mat2"),
    "imports what is not there": ("import not_there", "line 1: ModuleNotFoundError: No module named 'not_there'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line(name, audit):
    source, said = BAD[name]
    result = audit(source)
    assert (result.status, result.out) == (2, "")
    assert said in result.err
    assert result.err.splitlines()[-1].startswith("eomsym: ")
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.py"], "file 'missing.py': No such file or directory"),
        (["model"], "file 'model': not the name of a Python file; give one that ends in .py"),
        (["model\0.py"], "embedded null byte"),
        ([], "argument FILE.py: missing"),
        (["missing.py", "--order", "9"], "--order '9': input should be less than or equal to 6"),
        (["missing.py", "--format", "xml"], "--format 'xml': unknown; choose from table, json"),
    ],
)
def test_bad_arguments(arguments, said, run):
    result = run("audit", *arguments)
    assert (result.status, result.out) == (2, "")
    assert said in result.err
    assert result.err.count("\n") == 1
