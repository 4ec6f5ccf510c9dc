"""What a sweep consists of, with nothing left to defaults, and the jobs that follow from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from eomsym import optimizers
from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.sweeps.job import Job
from eomsym.verification.training import describe_model

#: More jobs than this are a slip of the pen more often than a sweep; each leaves a file, too.
MAX_JOBS = 100_000


@dataclass(frozen=True)
class OptimizerChoice:
    """An optimiser with all its parameters, exact, as text, and its step sizes, falling."""

    name: str
    parameters: tuple[tuple[str, str], ...]
    etas: tuple[float, ...]

    def __str__(self) -> str:
        settings = describe_settings(self.parameters)
        return f"{self.name} ({settings})" if settings else self.name

    @property
    def exact(self) -> dict[str, Fraction]:
        """The parameters as numbers."""
        return {name: Fraction(value) for name, value in self.parameters}


@dataclass(frozen=True)
class ModelChoice:
    """A model and the name of the data that it is trained on."""

    data: str
    model: MLP

    def __str__(self) -> str:
        return f"{describe_model(self.model)} on {self.data}"


@dataclass(frozen=True)
class SweepPlan:
    """Every optimiser on every model from every seed, at each of the optimiser's step sizes.

    T is ``steps`` of an optimiser's largest steps.  ``read_plan`` makes a plan from a file, ``plan_from_dict`` from the
    same words as Python values.  Raises ``InputError`` for a job that would be there twice, for step sizes that do not
    make up T, and for more than 100000 jobs.
    """

    optimizers: tuple[OptimizerChoice, ...]
    models: tuple[ModelChoice, ...]
    orders: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: int

    def __post_init__(self) -> None:
        if not len(self):
            raise InputError("sweep: not one job follows from it; some list is empty, give it a value")
        if len(self) > MAX_JOBS:
            raise InputError(
                f"sweep: {len(self)} jobs ({sum(len(choice.etas) for choice in self.optimizers)} optimisers with step "
                f"sizes x {len(self.models)} models x {len(self.seeds)} seeds), at most {MAX_JOBS} are allowed; "
                "cut it into several sweeps"
            )
        for kind, names in (("optimizer", map(str, self.optimizers)), ("model", map(str, self.models))):
            name, count = Counter(names).most_common(1)[0]
            if count > 1:
                raise InputError(f"{kind}: {name} stands there {count} times; give it once")
        for choice in self.optimizers:
            _check_whole(choice, self.steps)

    def __len__(self) -> int:
        """How many jobs there are."""
        return sum(len(choice.etas) for choice in self.optimizers) * len(self.models) * len(self.seeds)

    def jobs(self) -> Iterator[Job]:
        """Every job, in the sequence of the file; the step sizes of one path follow one another."""
        for choice, trained, seed in product(self.optimizers, self.models, self.seeds):
            entry, exact = optimizers.get(choice.name), choice.exact
            time = self.steps * choice.etas[0] * entry.steps(**exact)
            what = choice.name, choice.parameters, trained.model, trained.data, self.orders
            for eta in choice.etas:
                yield Job(*what, eta, time, seed)

    def to_dict(self) -> dict[str, Any]:
        """The plan in the words of a sweep file; ``plan_from_dict`` reads it."""
        return {
            "orders": list(self.orders),
            "steps": self.steps,
            "seeds": list(self.seeds),
            "optimizer": [
                {"name": choice.name, "parameters": dict(choice.parameters), "etas": list(choice.etas)}
                for choice in self.optimizers
            ],
            "model": [_model_dict(choice) for choice in self.models],
        }


def describe_settings(parameters: Iterable[tuple[str, str]]) -> str:
    """Parameters in a few words, such as ``beta=1/2``."""
    return ", ".join(f"{name}={value}" for name, value in parameters)


def _check_whole(choice: OptimizerChoice, steps: int) -> None:
    for eta in choice.etas:
        count = steps * choice.etas[0] / eta
        if not math.isfinite(count) or abs(count - round(count)) > 1e-12 * count:
            raise InputError(
                f"optimizer {choice.name!r}: {steps} x {choice.etas[0]!r} is not a whole number of steps of {eta!r}; "
                "take step sizes that are each half of the one before"
            )


def _model_dict(choice: ModelChoice) -> dict[str, Any]:
    model = choice.model
    return {
        "data": choice.data,
        "layers": list(model.layers),
        "activation": model.activation,
        "loss": model.loss,
        "weight-decay": model.weight_decay,
        "normalization": model.normalization,
        "bias": model.bias,
    }
