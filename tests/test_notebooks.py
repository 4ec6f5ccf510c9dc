"""The notebooks: what is committed was run to its end, and they run again, with smaller networks and lower orders."""

from __future__ import annotations

from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 300_000  # bytes


def test_each_use_has_its_notebook():
    uses = {"derive", "edge", "generate", "high_order", "layers", "momentum_and_adam", "optimisers", "terms", "verify"}
    uses |= {"noise", "switch_the_regulariser_off", "watch_your_run"}
    assert uses <= {path.stem for path in NOTEBOOKS}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_committed_with_its_pictures_and_of_reasonable_size(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run it from top to bottom"
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    assert path.stat().st_size < LARGEST


def test_says_what_its_text_form_says(path):
    """The text form is what is reviewed and edited; ``make notebooks`` writes the notebook from it."""
    told, shown = jupytext.read(path.with_suffix(".py")), nbformat.read(path, as_version=4)
    assert [(cell.cell_type, cell.source) for cell in shown.cells] == [
        (cell.cell_type, cell.source) for cell in told.cells
    ]


def test_committed_without_traces_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert not [trace for trace in ("/root/", "/home/", "/Users/", "/work/", "/tmp/") if trace in text]


def test_runs_again(path, tmp_path, monkeypatch):
    monkeypatch.setenv("EOMSYM_FAST", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()  # raises with the cell and its traceback
    errors = [o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert errors == []
