"""``eomsym optimizers``: everything that is registered, with parameters, options and update rule."""

from pathlib import Path

from rich.cells import cell_len

from eomsym.derivation import EdgeThreshold
from eomsym.optimizers import COMMON, FURTHER, REGISTRY
from eomsym.optimizers.variants import options_of

LISTED = {**REGISTRY, **FURTHER}


def test_table_names_each_with_aliases_rule_and_parameters(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    result = run("optimizers")
    assert (result.status, result.err) == (0, "")
    assert max(map(cell_len, result.out.splitlines())) <= 80
    for entry in LISTED.values():
        for word in (entry.name, *entry.aliases, *(parameter.name for parameter in entry.parameters)):
            assert word in result.out


def test_conditions_and_what_has_been_verified_are_told(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    lines = run("optimizers").out
    for option in (*COMMON, *(option for entry in LISTED.values() for option in entry.options)):
        assert option.meaning in lines
    for entry in LISTED.values():
        assert entry.limits in lines
        for parameter in entry.parameters:
            assert f"{parameter.meaning} (" not in lines or f"verified at {parameter.verified_at}" in lines
    assert "(default 1/100000000, verified at 1/10)" in lines


def test_other_spellings_of_the_command(run):
    assert run("optimisers", "--json") == run("Optimizers", "--format", "json")


NOT_ON_TREES = {"lamb", "lars", "shampoo", "adafactor"}


def test_json(run):
    listed = run("optimizers", "--format", "json").json["optimizers"]
    assert [entry["name"] for entry in listed] == list(LISTED)
    for entry in listed:
        registered = LISTED[entry["name"]]
        assert entry["update_rule"] == registered.summary
        assert [parameter["name"] for parameter in entry["parameters"]] == [p.name for p in registered.parameters]
        assert [option["name"] for option in entry["options"]] == [option.name for option in options_of(registered)]
        written = (
            registered.numeric_only or "it calls maps of blocks, of several vectors or beside componentwise functions"
        )
        assert entry["why_not_derived"] == (written if entry["name"] in NOT_ON_TREES else registered.numeric_only)
        known = {"name", "aliases", "update_rule", "parameters", "options", "source", "limits", "why_not_derived"}
        assert set(entry) == known


def test_every_name_and_alias_listed_can_be_derived(run):
    for entry in run("optimizers", "--format", "json").json["optimizers"]:
        if entry["why_not_derived"]:
            assert entry["why_not_derived"] in run("derive", entry["name"]).err
            continue
        for name in (entry["name"], *entry["aliases"], entry["name"].title().replace("-", "")):
            assert run("derive", name, "--order", "1", "--format", "json").json["optimizer"] == entry["name"]


def test_thresholds_are_told_as_in_the_documentation(run, monkeypatch):
    """The page has what the command prints."""
    monkeypatch.setenv("COLUMNS", "80")
    result = run("optimizers", "--edge")
    assert (result.status, result.err) == (0, "")
    assert max(map(cell_len, result.out.splitlines())) <= 80
    page = (Path(__file__).parents[2] / "docs/edge.md").read_text(encoding="utf-8")
    assert result.out.rstrip() in page


def test_json_of_thresholds(run):
    listed = run("optimizers", "--edge", "--format", "json").json["optimizers"]
    assert [entry["optimizer"] for entry in listed] == list(LISTED)
    for entry in listed:
        assert "why_none" in entry or set(entry) == {*EdgeThreshold.told, "way"}
    assert [entry["value"] for entry in listed if entry["optimizer"] == "adam"] == [38]
    assert [entry["why_none"] for entry in listed if entry["optimizer"] == "mini-batches"] == [
        "no threshold, it takes gradients of batches or players, which share no lambda"
    ]
