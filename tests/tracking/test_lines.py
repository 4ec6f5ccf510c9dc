"""A run in a file: every look a whole line of JSON, and the same tracker read from them."""

import json

import numpy as np
import pytest

import eomsym.tracking.lines
from eomsym.errors import InputError
from eomsym.tracking import Measurement, Tracker, json_lines
from eomsym.tracking.gradient_noise import GradientNoise
from eomsym.tracking.lines import read_json_lines


def watched(steps, callback, first=1):
    run = Tracker(order=2, every=10, callback=callback)
    theta = np.array([1.0, 0.5])
    for step in range(first, first + steps):
        theta = theta - 0.1 * np.array([1.0, 0.3]) * theta
        run(step, theta)
    return run


def test_a_run_is_read_back_to_the_last_bit(tmp_path):
    run = watched(40, json_lines(tmp_path / "run.jsonl"))
    again = read_json_lines(tmp_path / "run.jsonl")
    assert [one.to_dict() for one in again.measurements] == [one.to_dict() for one in run.measurements]
    assert len(again.measurements) == 4
    assert str(again) == str(run)
    assert again.plot()


def test_every_entry_of_a_measurement_is_read_back():
    noise = GradientNoise(0.5, 0.1, None, None, 0.2, 0.1, 30.0, 4.0, 200)
    whole = Measurement(7, (1.0, 0.25), 1, (1.0, np.nan, 0.5), 0.1, "series", (1.0, 0.2), noise=noise)
    assert repr(Measurement.from_dict(whole.to_dict() | {"loss": 3}).to_dict()) == repr(whole.to_dict())


def test_a_resumed_run_replaces_what_it_had_after_its_start(tmp_path):
    watched(40, json_lines(tmp_path / "run.jsonl"))
    watched(30, json_lines(tmp_path / "run.jsonl"), first=21)
    assert [one.step for one in read_json_lines(tmp_path / "run.jsonl").measurements] == [10, 20, 30, 40, 50]


GOOD = Measurement(7, (1.0, 0.25), 2, (1.0, 0.5, 0.5), 0.1, "series").to_dict()
BAD = [
    ("{", "not JSON"),
    ("[1]", "not a JSON object"),
    ('{"step": NaN}', "NaN is no number"),
    (json.dumps({"step": 3}), "field required"),
    (json.dumps(GOOD | {"step": 3.5}), "step 3.5"),
    (json.dumps(GOOD | {"shares": ["1"]}), r"shares\.0 '1'"),
    (json.dumps(GOOD | {"shares": []}), "0 shares"),
    (json.dumps(GOOD | {"step": 9, "shares": [1, 0.1, 0.1]}), "3 shares, and 2 in those before"),
    (json.dumps(GOOD | {"verdict": "fine"}), "'fine'"),
    (json.dumps(GOOD | {"noise": {"share": 1}}), r"noise\.share_error"),
    ("\xff", "can't decode"),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_the_first_line_that_is_no_look_is_named(line, message, tmp_path):
    file = tmp_path / "run.jsonl"
    file.write_bytes(f"{json.dumps(GOOD)}\n{line}\n".encode("latin-1"))
    with pytest.raises(InputError, match=rf"run\.jsonl, line 2: .*{message}"):
        read_json_lines(file)


def test_a_file_without_looks_and_a_folder(tmp_path):
    (tmp_path / "empty").touch()
    for path, message in ((tmp_path / "empty", "nothing is in it"), (tmp_path, "not a regular file|directory")):
        with pytest.raises((InputError, OSError), match=message):
            read_json_lines(path)


def test_a_file_that_cannot_be_written_is_refused_before_the_run(tmp_path):
    with pytest.raises(InputError, match="give a file that can be written to"):
        json_lines(tmp_path / "no" / "run.jsonl")


def test_a_line_that_finds_no_space_leaves_nothing_of_it(tmp_path, monkeypatch):
    """The system writes what it has space for, and says how much that was."""
    callback = json_lines(tmp_path / "run.jsonl")
    watched(20, callback)
    before = (tmp_path / "run.jsonl").read_bytes()

    class Full:
        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *fault):
            self.stream.close()

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def write(self, line):
            return self.stream.write(line[:5])

    monkeypatch.setattr(eomsym.tracking.lines, "open", lambda *a, **b: Full(open(*a, **b)), raising=False)  # noqa: SIM115
    run = watched(30, callback)
    assert (tmp_path / "run.jsonl").read_bytes() == before
    assert len(run.measurements) == 3
    assert "no space left" in run.problems[0]
