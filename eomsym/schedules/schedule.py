"""A number that depends on time ``tau = n η``: one smooth expression after the other, each with its Taylor series.

``θ_{n+1} = θ_n − η s(nη) g(θ_n)`` is gradient descent for the field ``(τ̇, θ̇) = (1, −s(τ) g)``.  What the equation of
motion needs of s are its derivatives, taken here as power series of the expression, never by differences.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from eomsym.checks import check_finite, check_positive, shown
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.models.parser import parse_expression

if TYPE_CHECKING:
    import sympy

    from eomsym.series.program import Program
    from eomsym.series.rings import Ring

#: What a schedule of the learning rate is called where there are others beside it.
RATE = "eta"
#: Where a schedule is looked at to see whether its values are allowed: so many points of each piece.
POINTS = 257
_EXAMPLE = "write it as (1+cos(pi*tau))/2, or with a name, cosine(2)"


@dataclass(frozen=True)
class Piece:
    """A smooth expression in ``tau`` that holds from the time ``start`` on."""

    start: float
    expression: str

    @cached_property
    def as_sympy(self) -> sympy.Expr:
        """The expression in SymPy's symbol tau."""
        import sympy

        return parse_expression(self.expression, {"tau": sympy.Symbol("tau"), "pi": sympy.pi})

    @cached_property
    def program(self) -> Program:
        """The expression as a straight-line program on power series."""
        import sympy

        from eomsym.series.lifting import field_program

        return field_program([self.as_sympy], [sympy.Symbol("tau")])


@dataclass(frozen=True)
class Schedule:
    """A factor s(τ), or a value β(τ), as pieces in the order of their starts; the first starts at 0.

    At a start the new piece holds already.  Raises ``InputError`` for an expression that cannot be read, and for starts
    that do not rise from 0.
    """

    pieces: tuple[Piece, ...]

    def __post_init__(self) -> None:
        starts = [piece.start for piece in self.pieces]
        if not starts or starts[0] != 0 or any(b <= a for a, b in pairwise(starts)):
            raise InputError(f"schedule: its pieces start at {starts}; give starts that rise from 0")
        for piece in self.pieces:
            piece.program  # noqa: B018 - refuses here what cannot be evaluated later

    @property
    def breaks(self) -> tuple[float, ...]:
        """Times at which one piece ends and another begins."""
        return tuple(piece.start for piece in self.pieces[1:])

    def piece_at(self, tau: float) -> int:
        """The number of the piece that holds at a time, a thousand roundings before its start included.

        So a step that would be at the start in exact arithmetic belongs to the new piece.
        """
        return max(index for index, piece in enumerate(self.pieces) if index == 0 or piece.start <= reached(tau))

    def __call__(self, tau: float) -> float:
        """The value at a time."""
        return float(self.taylor(tau, 1)[0])

    def taylor(self, tau: Any, terms: int, piece: int | None = None, ring: Ring | None = None) -> list[Any]:
        """``s^{(m)}(τ)/m!`` for m < ``terms``, of the piece that holds there or of another one.

        In NumPy's floats, or in the numbers of another ``ring``; only the former are checked.
        Raises ``InputError`` where the schedule has no such derivatives, and where it is undefined.
        """
        import numpy as np

        from eomsym.series.rings import gradient_series

        chosen = self.pieces[self.piece_at(tau) if piece is None else piece]
        numbers = _floats() if ring is None else ring
        curve = [[tau if ring is not None else np.float64(tau)], [numbers.number(1)]]  # type: ignore[arg-type]
        curve += [[numbers.number(0)]] * (terms - 2)  # type: ignore[arg-type]
        with np.errstate(all="ignore"):
            found = [row[0] for row in gradient_series(chosen.program, curve[:terms], [], numbers)]
        if ring is None:
            self._check(found, tau, chosen)
        return found

    def looked_at(self, time: float) -> Iterator[tuple[float, float]]:
        """``(tau, value)`` at many times up to ``time``, both ends of each piece included."""
        import numpy as np

        from eomsym.series.rings import gradient_series

        for piece, end in zip(self.pieces, [*self.breaks, math.inf], strict=True):
            length = min(end, time) - piece.start
            if length < 0:
                continue
            with np.errstate(all="ignore"):  # all at once: one run of the program
                taus = piece.start + length * np.arange(POINTS) / (POINTS - 1)
                values = gradient_series(piece.program, [[taus]], [], _floats())[0][0]
            for tau, value in zip(taus.tolist(), np.broadcast_to(values, POINTS).tolist(), strict=True):
                self._check([value], tau, piece)
                yield tau, value

    @staticmethod
    def _check(found: Sequence[Any], tau: float, piece: Piece) -> None:
        for m, value in enumerate(found):
            if not math.isfinite(value):
                what = "is undefined" if m == 0 else "is not smooth"
                raise InputError(
                    f"schedule {shown(piece.expression)}: {what} at tau = {tau:.6g}; give one with derivatives there, "
                    "or pieces that begin where it is smooth"
                )

    def __str__(self) -> str:
        first, *others = self.pieces
        return first.expression + "".join(f" until {piece.start!r}; {piece.expression}" for piece in others)


def reached(tau: Any) -> Any:
    """The latest time that has come at a time, roundings included."""
    return tau + 1e-12 * (1 + abs(tau))


@cache
def _floats() -> Ring:
    from eomsym.series.number_rings import array_ring

    return array_ring()


def joined(parts: Sequence[tuple[float, Schedule | str]]) -> Schedule:
    """Schedules one after the other: each from its time on, with its own time counted from there.

    Raises ``InputError`` for times that do not rise from 0.
    """
    pieces: list[Piece] = []
    ends = [*(start for start, _ in parts[1:]), math.inf]
    for (start, part), end in zip(parts, ends, strict=True):
        clock = f"(tau - {start!r})" if start else "tau"
        for piece in read_schedule(part).pieces:
            if start + piece.start < end:
                pieces.append(Piece(start + piece.start, re.sub(r"\btau\b", clock, piece.expression)))
    return Schedule(tuple(pieces))


def constant(value: float = 1.0) -> Schedule:
    """The same at all times."""
    return Schedule((Piece(0.0, _text(check_finite("value", value))),))


def linear(time: float, start: float = 1.0, end: float = 0.0) -> Schedule:
    """From ``start`` to ``end`` in a straight line, and ``end`` from ``time`` on."""
    time = check_positive("time", time)
    first, last = _text(check_finite("start", start)), _text(check_finite("end", end))
    return _held(f"{first} + ({last} - {first})*tau/{_text(time)}", time, last)


def warmup(time: float, start: float = 0.0) -> Schedule:
    """From ``start`` to 1 in a straight line, then 1."""
    return linear(time, start, 1.0)


def cosine(time: float, end: float = 0.0, warmup: float = 0.0) -> Schedule:
    """From 1 to ``end`` by half a cosine, after a straight warm-up of length ``warmup``; ``end`` from ``time`` on."""
    time, last = check_positive("time", time), _text(check_finite("end", end))
    begin = check_finite("warmup", warmup)
    if not 0 <= begin < time:
        raise InputError(f"warmup {warmup!r}: give a time of at least 0 and below {time:g}, the end of the schedule")
    phase = f"(tau - {_text(begin)})/{_text(time - begin)}"
    falling = f"{last} + (1 - {last})*(1 + cos(pi*{phase}))/2"
    rising = (Piece(0.0, f"tau/{_text(begin)}"),) if begin else ()
    return Schedule((*rising, Piece(begin, falling), Piece(time, last)))


def exponential(rate: float) -> Schedule:
    """``exp(−rate · tau)``."""
    return Schedule((Piece(0.0, f"exp(-{_text(check_finite('rate', rate))}*tau)"),))


def polynomial(time: float, power: float = 1.0, end: float = 0.0) -> Schedule:
    """``end + (1 − end) (1 − tau/time)^power``, and ``end`` from ``time`` on."""
    time, last = check_positive("time", time), _text(check_finite("end", end))
    exponent = _text(check_positive("power", power))
    return _held(f"{last} + (1 - {last})*(1 - tau/{_text(time)})**{exponent}", time, last)


def staircase(times: Sequence[float], factor: float = 0.1) -> Schedule:
    """1, multiplied by ``factor`` at each of the times."""
    factor = check_positive("factor", factor)
    turns = [check_positive("time", time) for time in times]
    starts = sorted({0.0, *turns})
    return Schedule(tuple(Piece(start, _text(factor ** sum(turn <= start for turn in turns))) for start in starts))


def one_cycle(time: float, rise: float = 0.3, start: float = 0.04, end: float = 4e-6) -> Schedule:
    """From ``start`` to 1 by half a cosine in ``rise · time``, then down to ``end``; as PyTorch's OneCycleLR.

    Source: Smith & Topin, Super-convergence, 2019.
    """
    return _there_and_back(time, rise, start, 1.0, end)


def one_cycle_momentum(time: float, rise: float = 0.3, high: float = 0.95, low: float = 0.85) -> Schedule:
    """The momentum that goes with ``one_cycle``: from ``high`` to ``low`` and back."""
    return _there_and_back(time, rise, high, low, high)


def _there_and_back(time: float, rise: float, start: float, middle: float, end: float) -> Schedule:
    time, turn = check_positive("time", time), check_positive("rise", rise) * time
    if not turn < time:
        raise InputError(f"rise {rise!r}: give the part of the time in which the rate rises, between 0 and 1")
    a, b, c = (_text(check_finite("value", value)) for value in (start, middle, end))
    down = f"{c} + ({b} - {c})*(1 + cos(pi*(tau - {_text(turn)})/{_text(time - turn)}))/2"
    up = Piece(0.0, f"{b} + ({a} - {b})*(1 + cos(pi*tau/{_text(turn)}))/2")
    return Schedule((up, Piece(turn, down), Piece(time, c)))


def _held(expression: str, time: float, last: str) -> Schedule:
    return Schedule((Piece(0.0, expression), Piece(time, last)))


def _text(number: float) -> str:
    """A number as it stands in an expression."""
    return repr(float(number)) if number >= 0 else f"({float(number)!r})"


_NAMED = (constant, linear, warmup, cosine, exponential, polynomial, one_cycle, one_cycle_momentum)
#: By the names that texts have for them.
NAMED: dict[str, Callable[..., Schedule]] = {named.__name__.replace("_", "-"): named for named in _NAMED}


def read_named(text: str) -> Schedule | None:
    """The schedule that ``cosine(2, warmup=0.5)`` stands for; None for what has none of these names before a bracket.

    Raises ``InputError`` for arguments that are no plain numbers, or do not suit.
    """
    match = re.fullmatch(r"([a-z-]+)\((.*)\)", text)
    if match is None or match[1] not in NAMED:
        return None
    positional, named = [], dict[str, float]()
    for part in filter(None, (piece.strip() for piece in match[2].split(","))):
        name, found, value = part.rpartition("=")
        number = check_finite("schedule", read_rational(f"schedule {shown(text)}", value.strip()))
        if found:
            named[name.strip()] = number
        else:
            positional.append(number)
    try:
        return NAMED[match[1]](*positional, **named)
    except TypeError as error:
        reason = re.sub(r"^.*?\(\) ", "", str(error))
        raise InputError(f"schedule {shown(text)}: {reason}; see eomsym.schedules.{match[1]}") from None


def read_schedule(given: object) -> Schedule:
    """A schedule from a ``Schedule``, a number, or a text: an expression in ``tau``, parsed and never evaluated.

    A text may have pieces, ``tau/0.5 until 0.5; 1 + cos(pi*(tau-0.5))``, and a name in place of an expression,
    ``cosine(2)``, see ``NAMED``; time is counted from 0 in all of them (``joined`` counts each from its start).
    Raises ``InputError``, one line.
    """
    if isinstance(given, Schedule):
        return given
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return Schedule((Piece(0.0, repr(check_finite("schedule", given))),))
    if not isinstance(given, str):
        raise InputError(f"schedule {shown(given)}: neither a text nor a schedule; {_EXAMPLE}")
    parts: list[tuple[float, Schedule]] = []
    start = 0.0
    for text in given.split(";"):
        expression, found, until = text.partition(" until ")
        named = read_named(expression.strip())
        part = Schedule((Piece(0.0, expression.strip()),)) if named is None else named
        parts.append((start, part))
        start = _time(until, given) if found else math.inf
    if math.isfinite(start) or any(math.isinf(start) for start, _ in parts):
        raise InputError(f"schedule {shown(given)}: all pieces but the last end with until TIME; {_EXAMPLE}")
    pieces: list[Piece] = []
    for (start, part), (end, _) in zip(parts, [*parts[1:], (math.inf, None)], strict=True):
        pieces += [Piece(max(piece.start, start), piece.expression) for piece in _within(part, start, end)]
    return Schedule(tuple(pieces))


def _within(schedule: Schedule, start: float, end: float) -> list[Piece]:
    """The pieces that hold somewhere between two times."""
    first = schedule.piece_at(start)
    return [piece for piece in schedule.pieces[first:] if piece.start < end]


def _time(text: str, whole: str) -> float:
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not (math.isfinite(time) and time > 0):
        raise InputError(f"schedule {shown(whole)}: until {text.strip()!r} is no time; give a number above 0")
    return time


def read_schedules(given: object) -> dict[str, Schedule]:
    """Schedules by what they are of: of the learning rate, ``RATE``, where one is given alone; else by a mapping.

    Raises ``InputError`` as ``read_schedule`` does.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {str(name): read_schedule(value) for name, value in given.items()}
    return {RATE: read_schedule(given)}
