"""One job of a sweep: a frozen record of everything that decides its numbers, named by a digest of that record."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eomsym.errors import EomsymError
from eomsym.models import MLP

#: Part of every digest: raise it when the meaning of an entry or the way of measuring changes.
SCHEMA = 2


@dataclass(frozen=True)
class Job:
    """Errors of the equation of motion of several ``orders`` at one step size ``eta``, along one path.

    ``parameters`` are all of the optimiser's, exact, as text.  ``time`` is T, where the paths are compared;
    ``seed`` draws the starting point and the data.
    """

    optimizer: str
    parameters: tuple[tuple[str, str], ...]
    model: MLP
    dataset: str
    orders: tuple[int, ...]
    eta: float
    time: float
    seed: int

    @cached_property
    def digest(self) -> str:
        """The name of the job: SHA-256 of its canonical JSON, hexadecimal."""
        return hashlib.sha256(canonical_json({"schema": SCHEMA, "job": self.to_dict()})).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The record as plain JSON values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        model = {**dataclasses.asdict(self.model), "layers": list(self.model.layers)}
        return {**values, "parameters": dict(self.parameters), "model": model, "orders": list(self.orders)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Job:
        """The inverse of ``to_dict``."""
        values = dict(data)
        values["parameters"] = tuple(values["parameters"].items())
        values["model"] = MLP(**values["model"])
        values["orders"] = tuple(values["orders"])
        return cls(**values)


@dataclass(frozen=True)
class MeasuredError:
    """One order N at the job's step size: ‖θ_EoM(T) − θ_optimizer(T/η)‖₂, as measured and as predicted.

    ``exponent`` is the power of η with which the error falls, ``floor`` the round-off and integration error in it.
    """

    order: int
    exponent: int
    error: float
    predicted_error: float
    floor: float


@dataclass(frozen=True)
class JobResult:
    """What became of a job: its ``errors``, one for each order, or the ``reason`` why there are none."""

    job: Job
    errors: tuple[MeasuredError, ...] = ()
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is a reason in place of errors."""
        return bool(self.reason)

    def to_json(self) -> bytes:
        """One line of canonical JSON with its SHA-256, without date or place: the same job gives the same bytes."""
        digest = hashlib.sha256(canonical_json(self._entry)).hexdigest()
        return canonical_json({**self._entry, "sha256": digest}) + b"\n"

    @property
    def _entry(self) -> dict[str, Any]:
        errors = [dataclasses.asdict(error) for error in self.errors]
        return {"schema": SCHEMA, "job": self.job.to_dict(), "errors": errors, "reason": self.reason}

    @classmethod
    def from_json(cls, text: bytes) -> JobResult:
        """The inverse of ``to_json``.  Raises ``EomsymError`` for anything that ``to_json`` does not write."""
        try:
            entry = json.loads(text)
            errors = tuple(MeasuredError(**error) for error in entry["errors"])
            result = cls(Job.from_dict(entry["job"]), errors, entry["reason"])
            written = result.to_json()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise EomsymError(f"not the result of a job ({type(error).__name__}: {error})") from error
        if text != written:
            raise EomsymError("not the result of a job as eomsym writes it")
        return result

    @classmethod
    def of(cls, job: Job, errors: tuple[MeasuredError, ...]) -> JobResult:
        """The result of a measurement, which has failed if a number in it is not finite."""
        for error in errors:
            if not all(map(math.isfinite, (error.error, error.predicted_error, error.floor))):
                return cls(job, reason=f"order {error.order}: the error is beyond the floating-point numbers")
        return cls(job, errors)


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys, no spaces and the shortest text of each float, so that equal values are equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
