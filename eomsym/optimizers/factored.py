"""Adafactor: the mean of g² of a matrix kept as the means of its rows and columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from eomsym.blocks import Blocks
from eomsym.optimizers.adaptive import BETA2, EPSILON
from eomsym.optimizers.maps import Layout, Map
from eomsym.optimizers.optimizer import Arrays, Optimizer, Parameter, Slope, flag, from_zero
from eomsym.optimizers.stepping import sqrt

Shape = tuple[int, ...]


def factored_axes(shape: Shape, shortest: int) -> tuple[int, int] | None:
    """Returns the two longest axes, the longest last, as optax takes them; None where one is below ``shortest``."""
    longest = sorted(range(len(shape)), key=shape.__getitem__)[-2:]
    return (longest[0], longest[1]) if len(longest) == 2 and shape[longest[0]] >= shortest else None


@lru_cache(maxsize=64)
def factors(shortest: Any, epsilon: Any) -> tuple[Map, Map, Map]:
    """Returns maps: means of g² + ε along the longest axis, along the next, and g over the root of what they make.

    An array that is not factored keeps its own g² in the first, and its mean, which nothing reads, in the second.
    """

    def squared(array: Any) -> Any:
        return array * array + float(epsilon)

    def layout(place: int, rest: Callable[[Shape], Shape]) -> Layout:
        def left(shape: Shape) -> Shape:
            axes = factored_axes(shape, int(shortest))
            return rest(shape) if axes is None else (*shape[: axes[place]], *shape[axes[place] + 1 :])

        return lambda blocks: Blocks(tuple(map(left, blocks.shapes)))

    def along(array: Any) -> Any:
        axes = factored_axes(tuple(array.shape), int(shortest))
        return squared(array) if axes is None else squared(array).mean(axis=axes[1])

    def across(array: Any) -> Any:
        axes = factored_axes(tuple(array.shape), int(shortest))
        return squared(array).mean().reshape(1) if axes is None else squared(array).mean(axis=axes[0])

    def divided(array: Any, rows: Any, columns: Any) -> Any:
        axes = factored_axes(tuple(array.shape), int(shortest))
        if axes is None:
            return array / sqrt(rows)
        short, long = axes
        rows, columns = (part.reshape(_with_one(array.shape, axis)) for part, axis in ((rows, long), (columns, short)))
        return array / sqrt(rows * (columns / rows.mean(axis=short, keepdims=True)))

    first, second = layout(1, lambda shape: shape), layout(0, lambda shape: (1,))
    return (
        Map("rowmeans", along, layouts=(None, first)),
        Map("columnmeans", across, layouts=(None, second)),
        Map("factored", divided, layouts=(None, first, second, None)),
    )


def _with_one(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], 1, *shape[axis + 1 :])


@lru_cache(maxsize=64)
def clip_by_rms(most: Any) -> Map:
    """Returns the map ``u min(1, most/RMS(u))`` of each array, smooth on either side of where they are equal."""

    def scale(array: Any) -> Any:
        return float(most) / sqrt((array * array).mean())

    return Map("rmsclip", lambda array: array * scale(array).clip(max=1.0), side=lambda array: scale(array) < 1)


def _step_adafactor(
    gradient: Slope,
    state: Arrays,
    eta: Any,
    beta2: Any,
    epsilon: Any,
    shortest: Any,
    threshold: Any = 1,
    *,
    rms_clipped: bool = False,
) -> Arrays:
    """r⁺ = β₂ r + (1−β₂) (mean g² of each row + ε), c⁺ the same of columns, θ⁺ = θ − η g/√(r⁺ c⁺/mean r⁺) of a matrix

    Source: Shazeer & Stern, Adafactor: adaptive learning rates with sublinear memory cost, ICML 2018, with a constant
    β₂, as in optax.scale_by_factored_rms

    Limits: holds after the transient β₂^k; not smooth where a component of g vanishes in what is not factored
    """
    theta, rows, columns = state
    along, across, divided = factors(shortest, epsilon)
    slope = gradient(theta)
    rows = beta2 * rows + (1 - beta2) * along(slope)
    columns = beta2 * columns + (1 - beta2) * across(slope)
    move = divided(slope, rows, columns)
    return theta - eta * (clip_by_rms(threshold)(move) if rms_clipped else move), rows, columns


def _start_adafactor(gradient: Slope, theta: Any, epsilon: Any, shortest: Any, **others: Any) -> Arrays:
    along, across, _ = factors(shortest, epsilon)
    return 0 * along(theta), 0 * across(theta)


ADAFACTOR = Optimizer(
    "adafactor",
    _step_adafactor,
    (
        replace(BETA2, meaning="memory of the means of g²"),
        replace(EPSILON, default=Fraction(1, 10**30), meaning="added to g²"),
        Parameter(
            "shortest",
            "",
            "arrays with two axes of this length are factored, 128 in optax",
            Fraction(1),
            Fraction(10**9),
            Fraction(1),
            kind="count",
        ),
    ),
    ("rows", "columns"),
    _start_adafactor,
    options=(
        flag("rms_clipped", "u min(1, d/RMS(u)) in place of what a step goes along, array by array"),
        replace(from_zero("threshold", "d", "largest RMS", Fraction(1), "", "rms_clipped"), open_minimum=True),
    ),
)
RULES = (ADAFACTOR,)
