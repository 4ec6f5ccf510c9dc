"""Whether series are those of the function: against real values a small way along one node's curve.

Along a curve y(η) = Σ y_k η^k a series to order L differs from the function by O(η^{L+1}), so that half the step leaves
1/2^{L+1} of the difference.  A wrong coefficient k leaves a difference ∝ η^k.  Steps are so small that nothing else is
seen, and so large that round-off is not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from eomsym.arrays.machine import Machine
from eomsym.arrays.program import Instruction
from eomsym.checks import check_choice
from eomsym.errors import InputError, KinkWarning, PrecisionWarning, SeriesMismatchError, warn_outside

SMOOTH = ("warn", "error", "ignore")
COMPARISONS = frozenset(["lt", "le", "gt", "ge"])
#: Units of the last place by which row N may be wrong: FIRST · EACH^N, times DIVIDED where steps divide by small roots;
#: measured on networks in float32.  Larger numbers warn of lost digits at lower orders.
FIRST, EACH, DIVIDED = 10.0, 3.0, 50.0
#: The relative error of a row above which a warning comes.  A larger one warns less.
DIGITS = 1e-3
#: The step is such that the first omitted term is this power of the precision, relative to the first one.  A larger
#: power takes shorter steps: round-off hides more of what is wrong, and functions may bend faster.
PLACE = 0.6
#: A step that proves too long is divided by this, so many times.  More tries refuse fewer functions that bend fast, and
#: take longer where something is wrong.
SHORTER, TRIES = 4.0, 2
#: What may look like a wrong last coefficient: a share of the next term, and units of the last place.  Larger ones
#: refuse fewer right series, and see fewer wrong ones.  Of the whole gradient, where a closer look costs time only; and
#: of one operation, which may sum many numbers, and whose next coefficient may happen to be zero.
WHOLE, ONE = (0.25, 8.0), (0.6, 256.0)

Arrays = list[Any]
Gradient = Callable[[Arrays], Arrays]


class Watch:
    """What is looked at while series are made; ``tell`` tells the user.

    ``looks`` says whether the check is made.  ``smooth`` says what to do about a kink: ``warn``, ``error``, or
    ``ignore``; ``linear`` whether the optimiser's step is.
    Raises ``InputError``, and ``SeriesMismatchError`` where the check fails.
    """

    def __init__(self, looks: bool, smooth: str, order: int, linear: bool = True) -> None:
        self.looks, self._smooth, self._order = looks, check_choice("smooth", smooth, SMOOTH), order
        self._roundings = FIRST * EACH**order * (1 if linear else DIVIDED)
        self._notes: dict[str, tuple[str, type[Warning]]] = {}

    def begun(self, machine: Machine) -> None:
        """Looks at what the program is made of, before the work is done."""
        if not self._order:
            return
        names = kinks_of(machine)
        if names and self._smooth == "error":
            raise InputError(f"loss_fn: not smooth, by {names}; take smooth operations, or smooth='warn'")
        if names and self._smooth == "warn":
            self._notes["kinks"] = (
                f"loss_fn: not smooth, by {names}: derivatives are taken on the side where the parameters are, and "
                "paths that cross a kink follow no order better than gradient flow does; smooth='ignore' says no more",
                KinkWarning,
            )
        precision, name = machine.analysis.coarsest
        lost = precision * self._roundings
        if lost > DIGITS or name != "params":
            where = "params" if name == "params" else f"the operation {name}"
            self._notes["digits"] = (
                f"loss_fn: {where} in numbers of precision {precision:.0e}: of row {self._order} up to about "
                f"{lost:.0e} is wrong, relatively; give float64",
                PrecisionWarning,
            )

    def hold(self, numbers: Sequence[int], shapes: Sequence[Any]) -> None:
        """Notes how many components of g are taken for 0 in each array of parameters, by its shape."""
        counts = enumerate(zip(numbers, shapes, strict=True))
        where = ", ".join(f"{number} in array {i} {tuple(shape)}" for i, (number, shape) in counts if number)
        if where:
            self._notes["held"] = (
                f"params: g is round-off at {sum(numbers)} of them, wherever one looks ({where}): they are held, as "
                "if it were 0; a run moves them by its round-off, which the loss does not see",
                PrecisionWarning,
            )

    def tell(self) -> None:
        """One warning of each kind, where the user's own code called."""
        for text, category in self._notes.values():
            warn_outside(text, category)


def kinks_of(machine: Machine) -> str:
    """The operations with kinks, by the names that a user knows; comparisons only where there is nothing else."""
    told = dict.fromkeys(machine.analysis.kinks)
    return ", ".join([name for name in told if name not in COMPARISONS] or told)


def check_gradient(machine: Machine, gradient: Gradient) -> None:
    """Raises ``SeriesMismatchError`` unless the results' series are those of ``gradient`` along the arguments'.

    Raises ``InputError`` where they are not finite; where the arguments are not, the rows tell (``check_finite_rows``).
    """
    points, slopes = (list(map(machine.curve, numbers)) for numbers in (machine.arguments, machine.program.results))
    finite = [all(math.isfinite(_size(part)) for part in level) for level in zip(*points, *slopes, strict=True)]
    if not all(finite):
        _blame(machine, finite.index(False))
        return  # what is not finite came with the arguments
    precision = machine.analysis.coarsest[0]
    defect = least_defect(slopes, points, lambda eta: gradient([_sum(one, eta) for one in points]), precision, WHOLE)
    if not defect.fails:
        return
    fault = first_fault(machine)
    if fault is None:
        point = [_sum(series, defect.eta) for series in points]
        own, real = machine.program.run([*point, *machine.given]), gradient(point)
        size = max(map(_size, real))
        if all(_size(one - other) <= precision**PLACE * size for one, other in zip(own, real, strict=True)):
            return  # the step crosses a kink, which the series do not, or the next coefficient is small
    raise SeriesMismatchError(_message(fault, defect, machine.order))


class Defect(NamedTuple):
    """How far a series is from real values at η and η/2, in the largest norm; and how much more than it may be."""

    eta: float
    whole: float
    half: float
    excess: float

    @property
    def fails(self) -> bool:
        """Whether it falls more slowly than it should, and is no round-off; NaN is a failure."""
        return not self.excess <= 1


def least_defect(
    made: Sequence[Arrays],
    given: Sequence[Arrays],
    real: Callable[[float], Arrays],
    precision: float,
    allowed: tuple[float, float],
) -> Defect:
    """The defect of the series ``made`` of ``real``, at a step chosen by their sizes and those of ``given``."""
    (share, units), factor = allowed, 2.0 ** len(made[0])
    rate = max(map(_rate, (made, given, [series[1:] for series in given if len(series) > 1])))
    place = max(precision**PLACE, 10 * units * precision * factor)
    eta = place ** (1 / len(made[0])) / rate if rate else 1.0

    def defect(eta: float, noise: float) -> Defect:
        wholes, halves = (
            [value - _sum(series, step) for value, series in zip(real(step), made, strict=True)]
            for step in (eta, eta / 2)
        )
        # Twice the coefficient of an order too low, in which a right series has nothing.
        excess = [
            _size(factor * half - whole) / (_size(whole) * share + factor * noise or 1.0)
            for whole, half in zip(wholes, halves, strict=True)
        ]
        return Defect(eta, max(map(_size, wholes)), max(map(_size, halves)), float(np.max(excess)))

    found = defect(eta, units * _noise(made, given, eta, precision))
    for tries in range(1, TRIES + 1):
        if found.fails:
            # A step too long for this function, it may be; at shorter ones round-off would excuse what is wrong.
            again = defect(eta / SHORTER**tries, 0.0)
            found = found if again.fails else again
    return found


def _noise(made: Sequence[Arrays], given: Sequence[Arrays], eta: float, precision: float) -> float:
    """Round-off of the values, and of the arguments as it is carried into them."""
    own = max(_largest(made, level) * eta**level for level in range(len(made[0])))
    moved = _largest(given, 1) if len(made[0]) > 1 else 0.0
    carried = _largest(given, 0) * _largest(made, 1) / moved if moved else 0.0
    return precision * (own + carried)


def _rate(series: Sequence[Arrays]) -> float:
    """How fast coefficients grow: 1 over the step at which terms are as large as the first."""
    first, *others = [_largest(series, level) for level in range(len(series[0]))] if series else [0.0]
    return max(((size / first) ** (1 / level) for level, size in enumerate(others, 1) if first), default=0.0)


def first_fault(machine: Machine) -> Instruction | None:
    """The first operation whose series are not those of its values along the series of its inputs; None if all are."""
    return next((instruction for instruction, _ in machine.rules if _is_wrong(machine, instruction)), None)


def _is_wrong(machine: Machine, instruction: Instruction) -> bool:
    precision, inputs = machine.analysis.coarsest[0], instruction.inputs
    kept = [place for place, number in enumerate(instruction.outputs) if machine.varies(number)]
    made = [machine.curve(instruction.outputs[place]) for place in kept]
    moving = {number: machine.curve(number) for number in inputs if machine.varies(number)}

    def real(at: Callable[[Arrays], Any]) -> Arrays:
        """Its values where those of its inputs are at a place of their series."""
        results = instruction.apply(*(at(moving[n]) if n in moving else machine.coefficient(n, 0) for n in inputs))
        return [results[place] for place in kept]

    given = list(moving.values())
    if instruction.name not in machine.backend.kinks:
        return least_defect(made, given, lambda eta: real(lambda series: _sum(series, eta)), precision, ONE).fails
    return any(_bends_wrong(made, given, real, level, precision) for level in range(1, machine.order + 1))


def _bends_wrong(
    made: Sequence[Arrays],
    given: Sequence[Arrays],
    real: Callable[[Callable[[Arrays], Any]], Arrays],
    level: int,
    precision: float,
) -> bool:
    """Of what is linear on each side of its kinks: a coefficient as a direction, where values lie on no kink."""
    lines, sources = ([[series[0], series[level]] for series in many] for many in (made, given))
    rate = max(_rate(lines), _rate(sources))
    step = precision**PLACE / rate if rate else 1.0
    allowed = DIGITS * step * _largest(lines, 1) + ONE[1] * _noise(lines, sources, step, precision)
    ahead = real(lambda series: series[0] + step * series[level])
    behind = real(lambda series: series[0] - step * series[level])
    apart = [
        _size((on - start - step * slope) * (abs(on + back - 2 * start) <= allowed))
        for on, back, (start, slope) in zip(ahead, behind, lines, strict=True)
    ]
    return not all(size <= allowed for size in apart)


def _message(fault: Instruction | None, defect: Defect, order: int) -> str:
    sizes = (
        f"the gradient differs from its series by {defect.whole:.1e} at eta = {defect.eta:.1e} and by "
        f"{defect.half:.1e} at half of it, where 1/{2 ** (order + 1)} of it should be left"
    )
    if fault is None:
        return (
            f"loss_fn: {sizes}; no operation is to blame: the loss is another each time, or depends on more than params"
        )
    inside = "" if fault.name == fault.known_as else f" (in {fault.known_as})"
    return (
        f"loss_fn: {sizes}; they part at the operation {fault.name!r}{inside}: write the loss without it and report it"
    )


def check_finite_rows(rows: Sequence[Arrays]) -> None:
    """Raises ``InputError`` for the first row with a number that is none."""
    for order, row in enumerate(rows):
        if not all(math.isfinite(_size(value)) for value in row):
            raise InputError(
                f"params: row {order} is not finite: the optimizer's step has no derivative there, or the row leaves "
                "the floating-point numbers; take other params, or a lower order"
            )


def _blame(machine: Machine, level: int) -> None:
    """Raises ``InputError`` with the operation that first makes numbers that are none in coefficients up to a level."""

    def finite(number: int) -> bool:
        floating = machine.backend.floating(machine.coefficient(number, 0))
        return not floating or all(math.isfinite(_size(part)) for part in machine.curve(number)[: level + 1])

    if not all(map(finite, machine.arguments)):
        return
    wanted, blamed = {number for number in machine.program.results if not finite(number)}, "it"
    for instruction, _ in reversed(machine.rules):
        if wanted & set(instruction.outputs):
            causes = {number for number in instruction.inputs if not finite(number)}
            if not causes:
                blamed = f"the operation {instruction.known_as!r}"
                break
            wanted |= causes
    raise InputError(
        f"loss_fn: {blamed} has no derivatives of order {level + 1} at params, or they leave the floating-point "
        "numbers; take other params, a lower order, or write the loss without it"
    )


def _sum(series: Arrays, eta: float) -> Any:
    total = series[-1]
    for value in series[-2::-1]:
        total = value + eta * total
    return total


def _largest(series: Sequence[Arrays], level: int) -> float:
    return max((_size(part[level]) for part in series), default=0.0)


def _size(value: Any) -> float:
    """The largest magnitude, NaN if there is one."""
    return float(abs(value).max()) if math.prod(value.shape) else 0.0
