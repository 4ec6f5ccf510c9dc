"""optax's schedules to schedules in time: the function of the step number is traced, and read piece by piece.

Between two places at which a comparison in it changes its mind it is one smooth expression.  The places are found where
both sides of a comparison are equal, at a sample point of each piece that is known so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import sympy

from eomsym.arrays.program import FlatProgram
from eomsym.checks import check_positive, shown
from eomsym.errors import InputError
from eomsym.jax.tracing import flatten
from eomsym.schedules import Schedule
from eomsym.schedules.schedule import Piece

#: Pieces of one schedule that are looked for.
MOST_PIECES = 200
#: Steps at which what is read is compared with the function: so many at the start, and then ever farther apart.
LOOKED_AT, GROWTH, FAR = 100, 1.13, 70
#: How far two values may be apart that are to be the same.
SAME = 1e-9

_STEP = sympy.Symbol("n", nonnegative=True)
_PLAIN: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "pow": lambda a, b: a**b,
    "integer_pow": lambda a, y: a**y,
    "square": lambda a: a**2,
    **{name: getattr(sympy, name) for name in ("exp", "log", "cos", "sin", "sqrt", "tanh")},
    "logistic": lambda a: 1 / (1 + sympy.exp(-a)),
    **dict.fromkeys(("convert_element_type", "copy", "copy_p", "stop_gradient", "squeeze"), lambda a: a),
}
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def from_optax_schedule(schedule: Callable[[Any], Any], eta: float) -> Schedule:
    """A schedule s(τ) with ``schedule(n) = eta · s(n · eta)`` at every step n ≥ 0.

    ``eta`` is the learning rate that s is a factor of, such as the peak.  Raises ``InputError`` for what is no function
    of the step number, and for one with another operation than arithmetic, elementary functions and comparisons.
    """
    eta = check_positive("eta", eta)
    with jax.enable_x64(True):
        try:
            program = flatten(lambda step: [schedule(step)], [jnp.float64(1)])
            values = {number: jnp.asarray(value) for number, value in program.constants.items()}
            single = len(program.results) == 1 and not jnp.shape(schedule(jnp.float64(1)))
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(f"schedule {shown(schedule)}: no function of the step ({error})") from error
        if not single:
            raise InputError(f"schedule {shown(schedule)}: does not return a number; give one that does")
        constants = {number: float(value) for number, value in values.items() if not value.ndim}
        starts = _starts(program, constants)
        ends = zip(starts, [*starts[1:], math.inf], strict=True)
        made = Schedule(tuple(_piece(program, constants, first, last, schedule, eta) for first, last in ends))
        _check(made, schedule, eta)
    return made


def _check(made: Schedule, schedule: Callable[[Any], Any], eta: float) -> None:
    """Raises ``InputError`` where the two part, as at turns of a wave, of which only the first are found."""
    far = (round(LOOKED_AT * GROWTH**k) for k in range(1, FAR))
    for step in (*range(LOOKED_AT), *far, *(round(start / eta) + k for start in made.breaks for k in (-1, 0, 1))):
        wanted, found = float(schedule(jnp.float64(step))), eta * made(step * eta)
        if not math.isclose(wanted, found, rel_tol=SAME, abs_tol=SAME * eta):
            raise InputError(
                f"schedule: at step {step} it is {wanted:.6g}, and {found:.6g} as it was read; write pieces in tau"
            )


def _starts(program: FlatProgram, constants: dict[int, float]) -> list[float]:
    """Where pieces begin: found at a point of each known piece, until none is new."""
    starts, looked = {0.0}, set[float]()
    while len(starts) <= MOST_PIECES:
        known = sorted(starts)
        points = [_inside(a, b) for a, b in zip(known, [*known[1:], math.inf], strict=True)]
        new = [point for point in points if point not in looked]
        if not new:
            return known
        for point in new:
            looked.add(point)
            starts.update(_read(program, constants, point)[1])
    raise InputError(f"schedule: more than {MOST_PIECES} pieces; write it as an expression in tau")


def _inside(start: float, end: float) -> float:
    return start + 1.37 if math.isinf(end) else start + (end - start) * 0.43


def _piece(
    program: FlatProgram,
    constants: dict[int, float],
    start: float,
    end: float,
    schedule: Callable[[Any], Any],
    eta: float,
) -> Piece:
    """The expression of a piece, in τ; it begins at the first step that has its value."""
    found = _read(program, constants, _inside(start, end))[0]
    first = math.ceil(start)
    # In a comparison with equality the step at the very place still belongs to the piece before.
    if start and not math.isclose(float(schedule(jnp.float64(first))), float(found.subs(_STEP, first)), rel_tol=SAME):
        first += 1
    text = sympy.sstr(found.subs(_STEP, sympy.Symbol("tau") / sympy.Float(eta)) / sympy.Float(eta))
    return Piece(first * eta, text)


def _read(program: FlatProgram, constants: dict[int, float], point: float) -> tuple[sympy.Expr, set[float]]:
    """The expression that holds at a point, and the steps at which a comparison in it would turn out otherwise."""
    known: dict[int, Any] = {number: sympy.Float(value, 17) for number, value in constants.items()}
    known[program.arguments[0]] = _STEP
    turns = set[float]()

    def at(value: Any) -> float:
        return float(_expression(value).subs(_STEP, point))

    def compared(left: Any, right: Any) -> None:
        difference = _expression(left) - right
        if difference.has(_STEP):
            turns.update(float(root) for root in _roots(difference) if float(root) > 0)

    for instruction in program.instructions:
        name = instruction.name
        if not known.keys() >= set(instruction.inputs):
            raise InputError(f"schedule: the operation {name} takes an array; write it in tau")
        parts = [known[number] for number in instruction.inputs]
        if name in ("min", "max"):
            compared(*parts)
            value = (min if name == "min" else max)(parts, key=at)
        elif name == "sign":
            compared(parts[0], 0)
            value = sympy.Float(math.copysign(1, at(parts[0])))
        elif name in _COMPARISONS:
            compared(*parts)
            value = _COMPARISONS[name](*map(at, parts))
        elif name == "select_n":
            value = parts[1 + int(parts[0])]
        elif name in _PLAIN:
            more = [instruction.params["y"]] if name == "integer_pow" else []
            value = _PLAIN[name](*parts, *more)
        else:
            raise InputError(f"schedule: the operation {name} has no pieces that are smooth; write it in tau")
        known[instruction.outputs[0]] = value
    return _expression(known[program.results[0]]), turns


def _expression(value: Any) -> sympy.Expr:
    """A number as an expression; no text is read."""
    return value if isinstance(value, sympy.Basic) else sympy.Float(value)


def _roots(difference: sympy.Expr) -> list[sympy.Expr]:
    try:
        return [root for root in sympy.solve(difference, _STEP) if root.is_real]
    except NotImplementedError:
        raise InputError(
            f"schedule: where {shown(str(difference))} is 0 cannot be said; write it as pieces in tau"
        ) from None
