"""``eomsym.torch.counterterms`` of a loss that is traced once: "compile" is that first call."""

from __future__ import annotations

from collections.abc import Callable

import eomsym.torch
from benchmarks.cases import Case
from benchmarks.torch_tools import called, network


def prepare(case: Case, terms: int):
    """Seconds of the first call, a call, its rows (terms, d)."""
    loss, parameters = network(case)
    traced = eomsym.torch.traced(loss)
    return called(lambda: eomsym.torch.counterterms(traced, parameters, terms - 1, check=False))


def checks(case: Case, terms: int) -> dict[str, Callable[[], object]]:
    """Calls with the check and without."""
    loss, parameters = network(case)
    traced = eomsym.torch.traced(loss)
    return {
        "checked": lambda: eomsym.torch.counterterms(traced, parameters, terms - 1),
        "unchecked": lambda: eomsym.torch.counterterms(traced, parameters, terms - 1, check=False),
    }
