"""``eomsym track``: a run that is over, from the file of its looks."""

import pytest

from eomsym.tracking import Measurement, json_lines


@pytest.fixture
def file(tmp_path):
    for step in (10, 20):
        one = Measurement(step, (1.0, 0.25), 2, (1.0, 0.5, 0.5), 0.1, "series")
        json_lines(tmp_path / "run.jsonl")(step, one.to_dict())
    return tmp_path / "run.jsonl"


def test_table_sentence_figure_and_json(run, file, tmp_path):
    result = run("track", "run.jsonl", "--plot", "run.png")
    assert result.status == 0
    assert result.out.splitlines()[0].startswith("step  order 0  order 1")
    assert result.out.splitlines()[-1].startswith("Step 20: series: each order")
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert [one["step"] for one in run("track", "run.jsonl", "--json").json["measurements"]] == [10, 20]


def test_a_bad_line_is_named(run, file):
    with file.open("a") as stream:
        stream.write('{"step": 30}\n')
    result = run("track", "run.jsonl")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("eomsym: run.jsonl, line 3: ")
    assert result.err.count("\n") == 1


def test_a_file_that_is_not_there(run):
    result = run("track", "no.jsonl")
    assert (result.status, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert "'no.jsonl'" in result.err
