"""Schedules that have a name: as factors of the learning rate, 1 where it is largest; times are in ``tau = n η``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from eomsym.checks import check_finite, check_positive, shown
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.schedules.schedule import Piece, Schedule


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
