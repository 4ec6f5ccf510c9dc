"""The head of every result: which optimiser trains which model on which data, from which seed, at which rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eomsym.result import Result


@dataclass(frozen=True)
class Setting:
    """Names of what is trained; ``parameters`` are the optimiser's, exact, as text.

    ``schedules`` are pairs of names and texts, ``eta`` for the learning rate; ``batches`` is how often a round visits
    one, 0 where all samples are one.  ``dataset`` is empty for a loss without data by name, ``seed`` None where nothing
    was drawn, ``eta`` where the question chose its own learning rates.  ``width`` is the ε of a smoothed sign.
    Of groups with rates of their own ``eta`` is the one that each group's ``eta_factor`` in ``parameters`` multiplies.
    """

    optimizer: str
    parameters: tuple[tuple[str, str], ...] = ()
    model: str = ""
    dataset: str = ""
    seed: int | None = None
    eta: float | None = None
    schedules: tuple[tuple[str, str], ...] = ()
    batches: int = 0
    width: float | None = None

    @property
    def sharpness(self) -> str:
        """Says η/ε of a smoothed sign, with whose powers the terms grow; empty of other rules, and without η."""
        return "" if self.eta is None else sharpness(self.width, self.eta)

    @property
    def rule(self) -> str:
        """The optimiser with its parameters, schedules and batches."""
        values = [f"{name} = {value}" for name, value in self.parameters]
        values += [f"{name} times {text}" if name == "eta" else f"{name} = {text}" for name, text in self.schedules]
        values += [f"rounds of {self.batches} steps"] if self.batches else []
        values += [self.sharpness] if self.sharpness else []
        return f"{self.optimizer} ({', '.join(values)})" if values else self.optimizer

    @property
    def place(self) -> str:
        """The model, on its data."""
        if not self.dataset:
            return self.model
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.dataset}: {self.model}{seed}"

    def __str__(self) -> str:
        return f"{self.rule} on {self.place}"


def sharpness(width: float | None, eta: float) -> str:
    """Says η/ε of a smoothed sign of this width ε; empty where it is None."""
    return "" if width is None else f"eta/epsilon = {eta / width:g}, with whose powers the terms grow"


#: The head in JSON.
HEAD = ("optimizer", "parameters", "model", "dataset", "seed", "eta")


class OfTraining(Result):
    """A result whose head is ``training``: its names are attributes of the result too."""

    if TYPE_CHECKING:
        training: Setting
        optimizer: str
        parameters: tuple[tuple[str, str], ...]
        model: str
        dataset: str
        seed: int | None
        eta: Any
        schedules: tuple[tuple[str, str], ...]
        batches: int

    def __getattr__(self, name: str) -> Any:
        if name != "training" and name in Setting.__dataclass_fields__:
            return getattr(self.training, name)
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
