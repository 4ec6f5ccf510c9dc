"""RMSProp, plain and with all that PyTorch and optax offer: a centred square, a bias correction, momentum, a start.

``v⁺ = β₂ v + (1 − β₂) g²`` starts at a number of its own; *centered* takes the square of the mean of g away from it,
*corrected* divides both by ``1 − β₂^n``; the quotient may go through momentum, plain or looking ahead as Nesterov's.
ε is inside the root (optax) or outside (PyTorch).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

from eomsym.optimizers._base import Optimizer, Parameter
from eomsym.optimizers.adaptive import EPSILON, RHO, ROUGH, SLOW, divided, ones
from eomsym.optimizers.heavy_ball import MOMENTUM

INITIAL_SQUARE = Parameter(
    "initial_square",
    "v₀",
    "what the mean of g² starts with",
    Fraction(0),
    None,
    default=Fraction(0),
    reason="it stands below a root",
)
_VARIANCE = (
    "since its denominator is the root of a variance that is zero on the slow manifold, and a root has a kink there"
)


def rmsprop_name(inside: bool, centered: bool, corrected: bool, momentum: str, started: bool) -> str:
    """The rule's name; ``momentum`` is empty, ``momentum`` or ``nesterov``."""
    words = ("centered" * centered, "corrected" * corrected, momentum, "started" * started)
    if not any(words):
        return RMSPROP_INSIDE.name if inside else RMSPROP.name
    return "-".join(("rmsprop", "inside" if inside else "outside", *filter(None, words)))


def _step(inside: bool, momentum: str, names: tuple[str, ...]) -> Callable[..., tuple[Any, ...]]:
    def step(
        gradient: Callable[..., Any],
        state: tuple[Any, ...],
        eta: Any,
        beta2: Any,
        epsilon: Any,
        beta: Any = 0,
        initial_square: Any = 0,
    ) -> tuple[Any, ...]:
        theta, memory = state[0], dict(zip(names, state[1:], strict=True))
        slope = gradient(theta)
        memory["square"] = beta2 * memory["square"] + (1 - beta2) * slope**2
        if "faded" in memory:
            memory["faded"] = beta2 * memory["faded"]
        kept = 1 - memory.get("faded", 0)
        spread = memory["square"] / kept
        if "mean" in memory:
            memory["mean"] = beta2 * memory["mean"] + (1 - beta2) * slope
            spread = spread - (memory["mean"] / kept) ** 2
        move = divided(slope, spread, epsilon, inside)
        if "velocity" in memory:
            memory["velocity"] = beta * memory["velocity"] + move
            move = move + beta * memory["velocity"] if momentum == "nesterov" else memory["velocity"]
        return theta - eta * move, *memory.values()

    return step


def _start(names: tuple[str, ...]) -> Callable[..., tuple[Any, ...]]:
    def initial(gradient: Callable[..., Any], theta: Any, initial_square: Any = 0, **others: Any) -> tuple[Any, ...]:
        starts = {"square": 0 * theta + initial_square, "faded": ones(theta)}
        return tuple(starts.get(name, 0 * theta) for name in names)

    return initial


RMSPROP = Optimizer(
    name="rmsprop",
    aliases=("rmsprop-outside", "rmsprop-pytorch"),
    summary="v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η g/(√v⁺ + ε): PyTorch's",
    source="Tieleman & Hinton, Lecture 6.5: RMSProp, COURSERA 2012",
    parameters=(RHO, EPSILON),
    step=_step(False, "", ("square",)),
    memory=("square",),
    limits=ROUGH,
)
RMSPROP_INSIDE = replace(
    RMSPROP,
    name="rmsprop-inside",
    aliases=(),
    summary="as rmsprop, θ⁺ = θ − η g/√(v⁺ + ε)",
    step=_step(True, "", ("square",)),
    limits=SLOW,
)


def _rules() -> Iterator[Optimizer]:
    off = (False, True)
    for inside, centered, corrected, momentum, started in product(off, off, off, ("", "momentum", "nesterov"), off):
        name = rmsprop_name(inside, centered, corrected, momentum, started)
        if name in (RMSPROP.name, RMSPROP_INSIDE.name):
            continue
        names = ("square", *("mean",) * centered, *("faded",) * corrected, *("velocity",) * bool(momentum))
        plain = RMSPROP_INSIDE if inside else RMSPROP
        yield Optimizer(
            name=name,
            aliases=(),
            summary=f"as {plain.name}, {' '.join(name.split('-')[2:])}",
            source="Graves, Generating sequences with recurrent neural networks, 2013; " + plain.source,
            parameters=(RHO, EPSILON, *(MOMENTUM,) * bool(momentum), *(INITIAL_SQUARE,) * started),
            step=_step(inside, momentum, names),
            memory=names,
            limits=plain.limits,
            initial=_start(names),
            numeric_only=_VARIANCE if centered and not inside else "",
        )


RULES = {entry.name: entry for entry in (RMSPROP, RMSPROP_INSIDE, *_rules())}
