"""What PyTorch adds to every method: weight decay in the gradient or beside it, and ascent instead of descent.

*Coupled* decay makes ``g + λ θ`` of the gradient, so that it passes through all memories; *decoupled* decay is
``θ⁺ = … − η λ θ`` beside them, as in AdamW; *maximized* is the method with −g.  Coupled decay comes after the sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

from eomsym.optimizers._base import Optimizer, Parameter

DECAY = Parameter(
    "decay",
    "λ",
    "weight decay, outside of the gradient",
    Fraction(0),
    None,
    default=Fraction(1, 100),
    trial=Fraction(1, 10),
    reason="weights that decay must not grow",
)
_SOURCE = "; Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019"

Gradient = Callable[..., Any]


@cache
def coupled_decay(entry: Optimizer) -> Optimizer:
    """The method for the gradient ``g + λ θ``: what ``weight_decay`` is in all of torch.optim but AdamW."""
    return _changed(
        replace(entry, parameters=(*entry.parameters, DECAY), source=entry.source + _SOURCE),
        "coupled-decay",
        "g + λ θ for g",
        lambda gradient, decay: lambda point, field=0: gradient(point, field) + decay * point,
    )


@cache
def maximized(entry: Optimizer) -> Optimizer:
    """The method for −g: it climbs."""
    return _changed(entry, "maximized", "−g for g", lambda gradient: lambda point, field=0: -gradient(point, field))


@cache
def decoupled_decay(entry: Optimizer) -> Optimizer:
    """The method with ``− η λ θ`` beside its step; of Adam it is AdamW."""

    def step(gradient: Gradient, state: tuple[Any, ...], eta: Any, decay: Any, **others: Any) -> tuple[Any, ...]:
        moved, *memory = entry.run(gradient, state, eta, **others)
        return moved - eta * (decay * state[0]), *memory

    initial, of_adam = entry.initial, entry.name == "adam"
    return replace(
        entry,
        name="adamw" if of_adam else f"{entry.name}-decoupled-decay",
        aliases=(),
        summary=f"{'as adam' if of_adam else entry.summary}, with − η λ θ beside it{': as PyTorch has it' * of_adam}",
        source=entry.source + _SOURCE,
        parameters=(*entry.parameters, DECAY),
        step=step,
        initial=None
        if initial is None
        else lambda gradient, theta, decay, **others: initial(gradient, theta, **others),
    )


def _changed(entry: Optimizer, word: str, meaning: str, change: Callable[..., Gradient]) -> Optimizer:
    """The method with another gradient, ``change(gradient, **those of its parameters that change takes)``."""
    mine = ("decay",) if word == "coupled-decay" else ()

    def bound(gradient: Gradient, values: dict[str, Any]) -> Gradient:
        return change(gradient, **{name: values.pop(name) for name in mine})

    def step(gradient: Gradient, state: tuple[Any, ...], eta: Any, **values: Any) -> tuple[Any, ...]:
        return entry.run(bound(gradient, values), state, eta, **values)

    def initial(gradient: Gradient, theta: Any, **values: Any) -> tuple[Any, ...]:
        assert entry.initial is not None
        return entry.initial(bound(gradient, values), theta, **values)

    return replace(
        entry,
        name=f"{entry.name}-{word}",
        aliases=(),
        summary=f"{entry.summary}, with {meaning}",
        step=step,
        initial=None if entry.initial is None else initial,
    )
