"""The oracles that are installed agree, each one that is not is skipped by name, and none agrees with everything."""

import re
import subprocess
import sys
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from forms import EVERY
from oracles import __main__ as command
from oracles.agreement import Agreement, agreement_table

SLOW = ("heyoka", "jax", "flint")
ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "oracle", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in command.ORACLES]
)
def test_agrees(oracle):
    _, package, distribution = command.ORACLES[oracle]
    pytest.importorskip(package, reason=f"{distribution} is not installed")
    found = list(command.agreements(oracle))
    assert found
    assert [agreement for agreement in found if not agreement.holds] == []


def test_every_optimizer_has_iterates_of_its_own():
    from oracles.mpmath_iterates import STEPS

    assert set(STEPS) == set(EVERY)


def test_one_wrong_coefficient_is_a_disagreement(monkeypatch):
    """ξ_1 of gradient descent with 1/13 in the place of 1/12."""
    from oracles import mpmath_iterates

    import eomsym

    right = eomsym.derive("gradient-descent", 3)
    text = right.to_json().replace('"coefficient": "1/12"', '"coefficient": "1/13"', 1)
    wrong = type(right).from_json(text)
    assert list(wrong.rows[2].values())[1] == Fraction(1, 13)
    monkeypatch.setattr(eomsym, "derive", lambda *arguments, **settings: wrong)
    (agreement,) = mpmath_iterates.agreements(["gradient-descent"])
    assert agreement.difference > 1e-3
    assert not agreement.holds


def test_a_table_says_what_disagrees():
    good = Agreement("this", 3, "relative", 1e-12, 1e-11)
    assert good.holds
    for bad in (
        Agreement("too far", 3, "relative", 2e-11, 1e-11),
        Agreement("not a number", 3, "relative", float("nan"), 1e-11),
        Agreement("nothing", 0, "relative", 0.0, 1e-11),
    ):
        assert not bad.holds
        lines = agreement_table([good, bad]).splitlines()
        assert lines[2].endswith("agrees")
        assert lines[3].endswith("DISAGREES")


@pytest.mark.parametrize(("difference", "status"), [(0.0, 0), (1.0, 1)])
def test_exit_status(difference, status, monkeypatch, capsys):
    rows = [Agreement("this", 2, "absolute", difference, 0.5)]
    monkeypatch.setattr(command, "agreements", lambda oracle: iter(rows))
    monkeypatch.setattr(command, "find_spec", lambda package: package == "mpmath" or None)
    assert command.main(["--only", "kauri,mpmath"]) == status
    out = capsys.readouterr().out
    assert "kauri: skipped, kauri is not installed" in out
    assert f"{1 - status} of 1 comparisons agree, in 2 values" in out


def test_without_any_oracle_nothing_is_shown_to_agree(monkeypatch, capsys):
    monkeypatch.setattr(command, "find_spec", lambda package: None)
    assert command.main([]) == 1
    assert capsys.readouterr().out.count("skipped") == len(command.ORACLES)


def test_names_are_checked(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["--only", "delphi"])
    assert caught.value.code == 2
    assert "'delphi' is no oracle; choose from kauri, heyoka, jax, mpmath, flint" in capsys.readouterr().err


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "oracles", "--help"],
        cwd=ROOT / "tests/support",
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"exit status 1 if one\s+disagrees", done.stdout)


def test_what_make_installs_is_what_is_asked():
    """Every distribution is in the extra ``oracles``, or needed by the package itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = project["optional-dependencies"]["oracles"] + project["dependencies"]
    names = {re.split(r"[<>=\[]", entry)[0] for entry in listed}
    assert {distribution for _, _, distribution in command.ORACLES.values()} <= names
