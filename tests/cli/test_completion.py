"""Completion: the shell is told what there is, from the registries themselves."""

import pytest

from eomsym.cli import main
from eomsym.models import ACTIVATIONS, DATASETS, LOSSES, NORMALIZATIONS
from eomsym.optimizers import REGISTRY


@pytest.fixture
def completed(monkeypatch, capsys):
    """What bash is offered for the last word of a line: ``completed(line)``."""

    def call(line):
        words = {"_EOMSYM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        for name, value in words.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(())
        assert not ended.value.code
        out, err = capsys.readouterr()
        assert err == ""
        return out.split()

    return call


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("eomsym lay", ["layers"]),
        ("eomsym verify --dataset ", DATASETS),
        ("eomsym verify --optimizer ada", [name for name in REGISTRY if name.startswith("ada")]),
        ("eomsym derive heavy", ["heavy-ball"]),
        ("eomsym generate mlp --activation si", [name for name in ACTIVATIONS if name.startswith("si")]),
        ("eomsym generate mlp --loss ", LOSSES),
        ("eomsym layers scale --normalization ", NORMALIZATIONS),
    ],
)
def test_offers(completed, line, offered):
    assert offered
    assert sorted(completed(line)) == sorted(offered)


def test_script_for_the_shell(run_process):
    result = run_process("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert (result.status, result.err) == (0, "")
    assert "_EOMSYM_COMPLETE=complete_bash" in result.out
