"""The way of three calls through the package, each cold in a process of its own: ``python -m benchmarks.walk``.

A file is visited where a function of it runs.  A pair of files is two-way where each calls the other, with no other
file of the package in between.  The room changes where a function runs in another room than the one before it did;
a generator runs anew each time it is resumed, and a module at the top of the package is a room of its own.
What is imported beforehand is not counted.  ``python -m benchmarks.walk CALL`` prints one call's figures as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

import eomsym
from benchmarks import processes, tables
from eomsym.models import MLP

PACKAGE = Path(eomsym.__file__).parent


def _derive(folder: Path) -> Callable[[], object]:
    _ = eomsym.derive  # imports its room
    return lambda: eomsym.derive("adam", order=2)


def _generate(folder: Path) -> Callable[[], object]:
    _, model = eomsym.generate, MLP((2, 3, 1), "tanh", "mse")
    return lambda: eomsym.generate(model, order=3, optimizer="heavy-ball", output=folder / "kernel.py")


def _counterterms(_: Path) -> Callable[[], object]:
    import torch

    from eomsym.torch import counterterms

    theta = torch.tensor([0.3, 0.4], dtype=torch.float64)

    def loss(point: torch.Tensor) -> torch.Tensor:
        return (point**4).sum() + (point[0] * point[1]).sin()

    return lambda: counterterms(loss, theta, 2, optimizer="adam")


#: What makes each call, all imports done.
CALLS: dict[str, tuple[str, Callable[[Path], Callable[[], object]]]] = {
    "derive": ('derive("adam", 2)', _derive),
    "generate": ("generate(MLP, 3, heavy-ball)", _generate),
    "counterterms": ('torch.counterterms(…, 2, "adam")', _counterterms),
}


class Walk:
    """Which file of the package each function that runs is in, and which file called it."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.calls: set[tuple[str, str]] = set()
        self._names: dict[str, str | None] = {}

    def follow(self, call: Callable[[], object]) -> None:
        sys.setprofile(self._event)
        try:
            call()
        finally:
            sys.setprofile(None)

    def figures(self) -> dict[str, int]:
        rooms = [Path(name).parts[0] for name in self.visits]
        return {
            "files": len(set(self.visits)),
            "pairs": sum((callee, caller) in self.calls for caller, callee in self.calls if caller < callee),
            "changes": sum(before != after for before, after in pairwise(rooms)),
        }

    def _event(self, frame: FrameType, event: str, _: object) -> None:
        here = self._name(frame.f_code) if event == "call" else None
        if here is None:
            return
        self.visits.append(here)
        back = frame.f_back
        while back is not None and self._name(back.f_code) is None:
            back = back.f_back
        if back is not None:
            self.calls.add((self._name(back.f_code) or "", here))

    def _name(self, code: CodeType) -> str | None:
        """The file's path inside of the package, None outside."""
        if code.co_filename not in self._names:
            path = Path(code.co_filename)
            self._names[code.co_filename] = str(path.relative_to(PACKAGE)) if path.is_relative_to(PACKAGE) else None
        return self._names[code.co_filename]


def measure(name: str) -> dict[str, int]:
    """Files visited, two-way pairs of files, and changes of room in one call."""
    with tempfile.TemporaryDirectory() as folder:
        call = CALLS[name][1](Path(folder))
        walk = Walk()
        walk.follow(call)
    return walk.figures()


def report() -> str:
    """A table of all calls."""
    rows = []
    for name, (title, _) in CALLS.items():
        outcome = processes.measured("benchmarks.walk", (name,), limit=300)
        figures = outcome.answer
        cells = [outcome.reason, tables.NONE, tables.NONE] if figures is None else [*map(str, figures.values())]
        rows.append([title, *cells])
    return tables.table(("call", "files visited", "two-way pairs", "room changes"), rows)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])) if sys.argv[1:] else report())
