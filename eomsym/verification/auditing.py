"""Whether the higher derivatives of a model are right: by three routes that share nothing but the first gradient."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from eomsym.arrays.check import first_fault, kinks_of
from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.result import Result, Table, plain
from eomsym.verification.line_differences import Estimate, line_coefficients

#: The routes: rules of eomsym, the framework's derivatives of derivatives, differences of its first gradients.
ROUTES = SERIES, NESTED, DIFFERENCES = ("series", "nested", "differences")
PAIRS = ((SERIES, NESTED), (SERIES, DIFFERENCES), (NESTED, DIFFERENCES))

#: Differences that may be wrong by so much of the coefficient say nothing.
BLUNT = 0.1


#: Nested derivatives double with each order.
MAX_AUDIT_ORDER = 6
#: How many times its own estimate differences may be wrong, and units of the last place that routes without step size
#: may differ by, in numbers of the size that all terms have at the step of the differences.
TRUST, UNITS = 4.0, 1e4


@dataclass(frozen=True, eq=False, repr=False)
class AuditRow(Result):
    """One Taylor coefficient of the gradient: its ``size``, the largest of its numbers, by the routes.

    ``apart`` has the distance of two routes over it, ``error`` the estimate of what differences may be wrong by, over
    it too.  ``verdict`` is the route that is apart from the two others, ``?`` where it cannot be said, '' where all
    agree.
    """

    order: int
    size: float
    apart: Mapping[tuple[str, str], float]
    error: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """The row in the JSON of ``audit``."""
        pairs = {f"{one}_{other}": plain(self.apart.get((one, other))) for one, other in PAIRS}
        return {**self.entries("order", "size"), **pairs, **self.entries("error"), "verdict": self.verdict or None}


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Result):
    """Derivatives of a model by three routes; ``operation`` is where the one to blame goes wrong, if that was found."""

    framework: str
    order: int
    size: int
    rows: tuple[AuditRow, ...]
    operation: str | None
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether no route is apart from another."""
        return not any(row.verdict for row in self.rows)

    @property
    def blame(self) -> str | None:
        """``eomsym``, ``framework``, ``first gradients``, or ``undecided``; None where all agree."""
        verdict = next((row.verdict for row in self.rows if row.verdict), "")
        return {"": None, SERIES: "eomsym", NESTED: "framework", DIFFERENCES: "first gradients"}.get(
            verdict, "undecided"
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """The notes, and from where on differences say nothing, being in error by a tenth or more."""
        blunt = next((row.order for row in self.rows if not row.error < BLUNT), None)
        said = f"from order {blunt} on differences of first gradients say nothing: give float64, or a smooth loss"
        return self.notes if blunt is None else (*self.notes, said)

    @property
    def sentence(self) -> str:
        """What was found, in one sentence or two."""
        row = next((row for row in self.rows if row.verdict), None)
        if row is None:
            seen = [row.order for row in self.rows if row.apart]
            return f"All routes agree to order {max(seen)}."
        by = f", by {max(row.apart.values()):.1e}"
        where = f"{by}, at the operation {self.operation!r}" if self.operation else by
        said = {
            "eomsym": f"the series of eomsym are wrong{where}: please report it.",
            "framework": f"nested derivatives of {self.framework} are wrong{where}; the series of eomsym are right.",
            "first gradients": f"first gradients differ from the others{by}: they jump, or are not of one loss.",
            "undecided": f"routes differ{by}, and which is wrong cannot be said: give float64, or a smooth loss.",
        }
        return f"From order {row.order} on {said[str(self.blame)]}"

    @property
    def summary(self) -> str:
        """The framework, the order, and what is to blame."""
        return f"{self.framework}, order {self.order}, blame {self.blame}, operation {self.operation}"

    def report(self) -> list[str | Table]:
        """For each order the size of the coefficient, how far the routes are apart, and what differences may owe."""
        apart = {f"{one} - {other}": f"{one}_{other}:.1e" for one, other in PAIRS}
        ends = {"error of differences": "error:.1e", "apart": "verdict"}
        table = Table.of(self.records(), {"order": "order", "size": "size:.1e", **apart, **ends})
        return [f"{self.framework}, {self.size} parameters", "", table, self.sentence]

    rows_of = "rows"
    told = ("framework", "order", "size", "passed", "blame", "operation", "rows", "sentence", "warnings")


class Line(Protocol):
    """A loss along a line: ``eomsym.jax.line`` and ``eomsym.torch.line`` have one each."""

    framework: str
    precision: float

    def along(self, t: float) -> np.ndarray: ...
    def anew(self) -> np.ndarray: ...
    def nested(self, order: int) -> list[np.ndarray]: ...
    def machine(self, order: int) -> Any: ...
    def series(self, machine: Any) -> list[np.ndarray]: ...
    def operations(self) -> Iterator[tuple[str, Line]]: ...


def audit(model: Any, params: Any = None, data: Any = None, *, order: int = 3) -> Audit:
    """Derivatives of a model's gradient along the direction of descent, by three routes that have to agree.

    Taylor coefficients 0 … order of g(θ − t g(θ)) in t come from the series rules of eomsym, from differences of first
    gradients, a hundred or two of them, and from the framework's derivatives of derivatives.  Where one differs from
    the two others it is to blame, and the operation is looked for.

    ``model`` is a loss of JAX or PyTorch, ``model(params)``, or ``model(params, data)`` where data are given; or a
    ``torch.nn.Module``, called with ``data`` (a tuple: its arguments), whose outputs are summed with weights unless
    they are one number, and whose parameters are its own unless ``params`` are given.  Give float64: differences in
    float32 see little from the third derivative on.
    Raises ``InputError`` for an order outside 1 … 6, for what is no loss of its parameters alone, and where g is 0 or
    not finite.
    """
    check_integer("order", order, 1, MAX_AUDIT_ORDER)
    line = _line(model, params, data)
    start, again = line.along(0.0), line.anew()
    if not np.isfinite(start).all() or not start.any():
        raise InputError(f"params: g is {'0' if np.isfinite(start).all() else 'not finite'} there; take other params")
    if not np.abs(again - start).max() <= UNITS * line.precision * np.abs(start).max():
        raise InputError("model: gives another gradient each time; call eval(), or draw random numbers before")
    return _Auditor(line, order).result(start)


def _line(model: Any, params: Any, data: Any) -> Line:
    """By the library that is loaded and that the model or its parameters belong to."""
    if not callable(model):
        raise InputError(f"model {model!r}: give a function of params, or a torch.nn.Module")
    if "torch" in sys.modules:
        import torch
        from torch.utils import _pytree as pytree

        leaves = pytree.tree_leaves(params)
        if isinstance(model, torch.nn.Module) or any(isinstance(leaf, torch.Tensor) for leaf in leaves):
            from eomsym.torch.line import module_line

            return module_line(model, params, data)
    from eomsym.jax.line import loss_line

    return loss_line(model, params, data)


class _Auditor:
    def __init__(self, line: Line, order: int) -> None:
        self._line, self._order = line, order
        self._notes: list[str] = []
        self._machine: Any = None

    def result(self, start: np.ndarray) -> Audit:
        """All routes and what is to be said of them."""
        line, order = self._line, self._order
        series, nested = self._attempt(SERIES, self._series), self._attempt(NESTED, lambda: line.nested(order))
        precision = max(line.precision, self._machine.analysis.coarsest[0] if self._machine else 0.0)
        rows = compared(series, nested, line_coefficients(line.along, order, precision), precision)
        blame = next((row for row in rows if row.verdict), None)
        operation = self._operation(blame) if blame else None
        if self._machine is not None and self._machine.analysis.kinks:
            kinks = kinks_of(self._machine)
            self._notes.append(f"not smooth, by {kinks}: what is said holds on the side where the parameters are")
        return Audit(line.framework, order, len(start), tuple(rows), operation, tuple(self._notes))

    def _attempt(self, name: str, route: Any) -> list[np.ndarray] | None:
        """A route that cannot be gone is told of, and left out."""
        try:
            return list(route())
        except (InputError, RuntimeError, NotImplementedError) as error:
            self._notes.append(f"no {name}: {str(error).partition(chr(10))[0]}")
            return None

    def _series(self) -> list[np.ndarray]:
        self._machine = self._line.machine(self._order)
        return self._line.series(self._machine)

    def _operation(self, row: AuditRow) -> str | None:
        """Where what is to blame goes wrong; None where it cannot be said."""
        if row.verdict == SERIES:
            fault = first_fault(self._machine)
            return None if fault is None else fault.name
        if row.verdict != NESTED:
            return None
        try:
            for name, alone in self._line.operations():
                if _parts(alone, row.order):
                    return name
        except (InputError, RuntimeError, NotImplementedError) as error:
            self._notes.append(f"operations could not be looked at one by one: {str(error).partition(chr(10))[0]}")
        return None


def _parts(line: Line, order: int) -> bool:
    """Whether the framework's derivatives of one operation are not those of its first ones."""
    if not line.along(0.0).any():
        return False
    rows = compared(None, line.nested(order), line_coefficients(line.along, order, line.precision), line.precision)
    return any(row.verdict for row in rows)


def compared(
    series: list[np.ndarray] | None, nested: list[np.ndarray] | None, differences: list[Estimate], precision: float
) -> list[AuditRow]:
    """A row for each order; routes that are None are left out."""
    rows = []
    for k, estimate in enumerate(differences):
        there = {SERIES: series, NESTED: nested}
        values = {name: found[k] for name, found in there.items() if found is not None}
        if np.isfinite(estimate.error):
            values[DIFFERENCES] = estimate.value
        sizes = {name: float(np.abs(value).max(initial=0.0)) for name, value in values.items()}
        size = max(sizes.values(), default=0.0)
        # What a coefficient is made of may be far larger than it is: all terms at the step that the differences took.
        terms = [float(np.abs(other.value).max(initial=0.0)) * estimate.step**j for j, other in enumerate(differences)]
        made_of = max(terms) / estimate.step**k if estimate.step else size
        exact = np.sqrt(precision) * size + UNITS * precision * made_of
        # A coefficient that is 0 to all that can be seen is no scale.
        unit = size if size > 2 * (UNITS * precision * made_of + min(estimate.error, size)) else made_of
        apart, parted = {}, set()
        for one, other in combinations(ROUTES, 2):
            if one in values and other in values:
                distance = float(np.abs(values[one] - values[other]).max(initial=0.0))
                apart[one, other] = distance / (unit or 1.0)
                allowed = exact + (TRUST * estimate.error if other == DIFFERENCES else 0.0)
                parted |= set() if distance <= allowed else {frozenset((one, other))}
        rows.append(AuditRow(k, size, apart, estimate.error / (unit or 1.0), blamed(parted, values)))
    return rows


def blamed(parted: set[frozenset[str]], routes: Any) -> str:
    """Which route is apart from the others; '' where none is, and ``?`` where it cannot be said."""
    if not parted:
        return ""
    agree = [frozenset(pair) for pair in combinations(routes, 2) if frozenset(pair) not in parted]
    return next(iter(set(routes) - agree[0])) if len(routes) == 3 and len(agree) == 1 else "?"
