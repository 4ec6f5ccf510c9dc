"""Completion: the shell is told what there is, from the registries themselves."""

import pytest

from eomsym.models import ACTIVATIONS, DATASETS, LOSSES, NORMALIZATIONS
from eomsym.optimizers import REGISTRY


def completed(run_process, line):
    """What bash is offered for the last word of ``line``."""
    words = line.split(" ")
    variables = {"_EOMSYM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    result = run_process(**variables)
    assert (result.status, result.err) == (0, "")
    return result.out.split()


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
def test_offers(run_process, line, offered):
    assert offered
    assert sorted(completed(run_process, line)) == sorted(offered)


def test_script_for_the_shell(run_process):
    result = run_process("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert (result.status, result.err) == (0, "")
    assert "_EOMSYM_COMPLETE=complete_bash" in result.out
