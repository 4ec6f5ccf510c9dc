"""The notebooks: what is committed was run to its end, and they run again, with smaller networks and lower orders."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import jupytext
import nbformat
import pytest
from preloaded import Interpreter

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LARGEST = 300_000  # bytes
#: What the cell tagged ``parameters`` is overruled with: smaller networks, lower orders, fewer steps, the same story.
SMALL = {
    "derive": {"ORDER": 2},
    "edge": {"ORDER": 2, "STEPS": 200},
    "generate": {"DATA": "moons", "LAYERS": [2, 4, 2], "ORDER": 2, "ETA": 0.5, "STEPS": 20, "REPEATS": 3},
    "high_order": {"NODES": 12, "ORDERS": (1, 7)},
    "layers": {"DATA": "moons", "STEPS": 500, "NORMALISED": "moons", "DECAY": 0.05},
    "momentum_and_adam": {
        "DATA": "digits-small",
        "LAYERS": [8, 4, 10],
        "ORDERS": (0, 1, 2),
        "SLOW_STEPS": 120,
        "ADAM_STEPS": 30,
    },
    "noise": {"STEPS": 8, "RUNS": 10, "RANK": 8, "ROUNDS": 1, "ROUND_RUNS": 10, "ROUND_STEPS": 4},
    "optimisers": {"ORDERS": range(3), "MEASURED": {"nesterov(lookahead=yes)": {"beta": "1/2"}}},
    "terms": {"DATA": "moons", "LAYERS": [2, 4, 2], "ORDER": 3, "STEPS": 20, "POINTS": 3},
    "verify": {"DATA": "moons", "LAYERS": [2, 4, 2], "ORDERS": range(2), "HIGHEST": 3},
}


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


def assigned(source):
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def shorten(notebook, values):
    """A cell behind the one tagged ``parameters``, which has nothing but these names."""
    (place,) = (k for k, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
    assert assigned(notebook.cells[place].source) - {"range"} == set(values)
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source))


def test_tells_a_reader_nothing_of_these_tests(path):
    text = path.with_suffix(".py").read_text(encoding="utf-8")
    assert not [word for word in ("FAST", "environ", "pytest") if word in text]


def test_runs_again(path, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    if path.stem in SMALL:
        shorten(notebook, SMALL[path.stem])
    with Interpreter(tmp_path, dict(os.environ), notebook=True) as interpreter:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                _, failed = interpreter.answer(cell.source)
                assert not failed, failed
