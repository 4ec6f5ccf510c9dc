"""``eomsym layers`` and ``eomsym terms``: options that reach the library, table and JSON, exit status."""

import dataclasses

import pytest

import eomsym.verification as library
from eomsym import Training
from eomsym.codegen import COMMITTED
from eomsym.models import MLP

COMMANDS = {
    "translation": ("layers", "translation", "--dataset", "moons"),
    "scale": ("layers", "scale", "--dataset", "moons"),
    "terms": ("terms", "--dataset", "moons"),
}


@pytest.fixture(scope="module")
def studies():
    """One of each, small, with kernels that other tests take too."""
    return {
        "translation": library.translation(Training(MLP([2, 8, 2], weight_decay=0.01), "moons", eta=0.1), steps=200),
        "scale": library.scale(Training(MLP([2, 4, 2], weight_decay=0.05, normalization="weight"), "moons")),
        "terms": library.terms(Training(COMMITTED[2].model, "moons"), 5, 3, points=2),
    }


@pytest.fixture(params=COMMANDS)
def command(request, run, studies, monkeypatch):
    """The command with its study made beforehand: ``call(*options, **changes of the study)``."""
    name = request.param
    monkeypatch.setenv("COLUMNS", "80")

    def call(*options, **changes):
        asked = {}

        def stand_in(training, *arguments, **rest):
            asked.update(rest, training=training)
            return dataclasses.replace(studies[name], **changes)

        monkeypatch.setattr(library, name, stand_in)
        return run(*COMMANDS[name], *options), asked

    call.name, call.study = name, studies[name]
    return call


def test_json_is_that_of_the_library(command):
    result, _ = command("--format", "json")
    assert (result.status, result.err) == (0, "")
    assert result.out == command.study.to_json() + "\n"
    assert result.json["dataset"] == "moons"


def test_table_fits_80_columns(command):
    result, _ = command()
    assert (result.status, result.err) == (0, "")
    assert max(map(len, result.out.splitlines()[1:])) <= 80, "but for the head, which names the network"
    assert "…" not in result.out


def test_figure_is_written(command, tmp_path):
    result, _ = command("--plot", "figure.png")
    assert result.status == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_check_that_fails_gives_status_1(command):
    if command.name == "translation":
        changes = {"measured_rate": 0.1}
    elif command.name == "scale":
        changes = {"law_defects": {0: 1.0}}
    else:
        point = command.study.points[0]
        wrong = dataclasses.replace(point.terms[0], defect=1e-3)
        changes = {"points": (dataclasses.replace(point, terms=(wrong, *point.terms[1:])), *command.study.points[1:])}
    assert command(**changes)[0].status == 1
    result, _ = command("--format", "json", **changes)
    assert (result.status, result.json["passed"]) == (1, False)


def test_options_reach_the_library(command):
    net = ("--layers", "2,5,2", "--activation", "sin", "--weight-decay", "0.5", "--eta", "0.25", "--seed", "7")
    _, asked = command(*net)
    training = asked["training"]
    assert training.model.layers == (2, 5, 2)
    assert (training.model.activation, training.model.weight_decay) == ("sin", 0.5)
    assert (training.dataset, training.eta, training.seed) == ("moons", 0.25, 7)


def test_the_digits_of_the_translation_table_show_the_second_order(run, studies, monkeypatch):
    monkeypatch.setattr(library, "translation", lambda *a, **k: studies["translation"])
    out = run(*COMMANDS["translation"]).out
    for prediction in studies["translation"].predictions:
        assert f"{prediction.rate:.19f}" in out


def test_terms_warns_on_stderr_where_the_series_ends(run, studies, monkeypatch):
    study = studies["terms"]
    unstable = dataclasses.replace(
        study, training=dataclasses.replace(study.training, eta=2 / study.points[0].sharpness)
    )
    monkeypatch.setattr(library, "terms", lambda *a, **k: unstable)
    result = run(*COMMANDS["terms"])
    assert result.err.startswith("eomsym: warning: eta = ")
    assert result.err.count("\n") == 1


def test_edge_is_told_in_a_table_and_in_json(run, studies, monkeypatch):
    points = (
        library.Edge(3, 1.7, "even-step", {"series": float("nan"), "resummed": 0.1, "even-step": 1e-3}, COSTS),
        library.Edge(5, 0.3, "series", {"series": 1e-6, "resummed": 1e-8, "even-step": 1e-3}, COSTS),
    )
    asked = {}

    def stand_in(*arguments, **rest):
        asked.update(rest)
        return dataclasses.replace(studies["terms"], edge=points)

    monkeypatch.setattr(library, "terms", stand_in)
    monkeypatch.setenv("COLUMNS", "80")
    result = run(*COMMANDS["terms"], "--edge")
    assert asked["edge"]
    assert "which holds: error over two steps" in result.out
    (line,) = [line for line in result.out.splitlines() if "1.700" in line]
    assert line.count("even-step") == 1
    assert max(map(len, result.out.splitlines()[1:])) <= 80, "but for the head, which names the network"
    told = run(*COMMANDS["terms"], "--edge", "--format", "json").json["edge"]
    assert told[0]["errors"] == {"series": None, "resummed": 0.1, "even-step": 1e-3}
    assert told[1]["holds"] == "series"


COSTS = {"series": 4.8, "resummed": 5.0, "even-step": 3.0}
