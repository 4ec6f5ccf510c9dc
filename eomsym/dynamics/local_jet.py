"""One step of a rule near a point: its value with first and second derivatives by its states and by its gradient.

Rules are componentwise, so a derivative by a state is one number for each parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eomsym.errors import InputError
from eomsym.exact_numbers import Arithmetic
from eomsym.optimizers import Optimizer

#: Numbers of gradients that are stepped together: a jet with three states has 21 times as many, and a step several.
TOGETHER = 2**17


class Jet(Arithmetic):
    """A quantity with its derivatives by k variables: ``value`` (S, d), ``first`` (k, S, d), ``second`` (k, k, S, d).

    S points are looked at together; axes of length 1 stand for equal entries.
    """

    __array_ufunc__ = None  # so that arrays leave products with it to it
    rounds = 2  # of an implicit step, whose second gradient is refused

    def __init__(self, value: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        self.value, self.first, self.second = value, first, second

    def __add__(self, other: Any) -> Jet:
        if isinstance(other, Jet):
            return Jet(self.value + other.value, self.first + other.first, self.second + other.second)
        return Jet(self.value + _number(other), self.first, self.second)

    def __mul__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            factor = _number(other)
            return Jet(self.value * factor, self.first * factor, self.second * factor)
        cross = self.first[:, None] * other.first[None]
        return Jet(
            self.value * other.value,
            self.first * other.value + self.value * other.first,
            self.second * other.value + self.value * other.second + cross + cross.swapaxes(0, 1),
        )

    def through(self, value: np.ndarray, slope: np.ndarray, bend: np.ndarray) -> Jet:
        """A function of the quantity, by its value, derivative and second derivative there."""
        return Jet(value, slope * self.first, slope * self.second + bend * self.first[:, None] * self.first[None])

    def __pow__(self, power: Any) -> Jet:
        p, base = _number(power), self.value
        slope = p * base ** (p - 1) if p != 0 else 0 * base
        bend = p * (p - 1) * base ** (p - 2) if p not in (0, 1) else 0 * base
        return self.through(base**p, slope, bend)

    def sqrt(self) -> Jet:
        """The square root; where the quantity stays 0 whatever the variables do, so does the root."""
        return _at_rest(self, self.__pow__(0.5))

    def __rtruediv__(self, other: Any) -> Jet:
        inverse = 1 / self.value
        return self.through(inverse, -(inverse**2), 2 * inverse**3) * other

    def __truediv__(self, other: Any) -> Jet:
        return self * (1 / other if isinstance(other, Jet) else 1 / _number(other))


def _number(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else float(value)


def _at_rest(argument: Jet, root: Jet) -> Jet:
    still = argument.value == 0
    if not still.any():
        return root
    return Jet(root.value, np.where(still, 0.0, root.first), np.where(still, 0.0, root.second))


@dataclass(frozen=True, eq=False)
class LocalRule:
    """A step at a point, K = states that have an entry for each parameter, θ first.

    ``point`` (K, d) has the derivatives of the place of the gradient by the states.  ``values`` (K, S, d) are the
    states after the step at each of S gradients; ``first`` (K, K + 1, d) and ``second`` (K, K + 1, K + 1, d) their
    derivatives by the states, then by the gradient, means over these.  ``rest`` are the other states after the step.
    """

    point: np.ndarray
    values: np.ndarray
    first: np.ndarray
    second: np.ndarray
    rest: Mapping[int, np.ndarray]


#: ``look(y, by_states)`` → gradients (S, d) at the place y (d,) of the gradient, whose derivatives are ``by_states``.
Look = Callable[[np.ndarray, np.ndarray], np.ndarray]


def local_rule(
    entry: Optimizer, state: Sequence[np.ndarray], eta: float, values: Mapping[str, float], look: Look
) -> LocalRule:
    """Step a rule from ``state``, θ (d,) and its memory, at every gradient that ``look`` gives for its one place.

    Jets are of so many gradients at a time that their memory is bounded, whatever d.
    Raises ``InputError`` for a rule that takes a gradient at two places, or at none that is linear in the states.
    """
    parts: list[LocalRule] = []
    waiting: list[np.ndarray] = []

    def some(place: np.ndarray, by_states: np.ndarray) -> np.ndarray:
        if not parts:
            gradients = look(place, by_states)
            waiting.extend(np.array_split(gradients, max(1, min(len(gradients), -(-gradients.size // TOGETHER)))))
        return waiting.pop(0)

    while waiting or not parts:
        parts.append(_near(entry, state, eta, values, some))
    values_of_all = np.concatenate([part.values for part in parts], axis=1)
    shares = [part.values.shape[1] / values_of_all.shape[1] for part in parts]
    return replace(
        parts[0],
        values=values_of_all,
        first=sum(share * part.first for share, part in zip(shares, parts, strict=True)),
        second=sum(share * part.second for share, part in zip(shares, parts, strict=True)),
    )


def _near(
    entry: Optimizer, state: Sequence[np.ndarray], eta: float, values: Mapping[str, float], look: Look
) -> LocalRule:
    size = len(state[0])
    moving = [index for index, part in enumerate(state) if len(part) == size]
    count = len(moving)

    def variable(value: np.ndarray, number: int) -> Jet:
        first = np.zeros((count + 1, 1, 1))
        first[number] = 1.0
        return Jet(value, first, np.zeros((count + 1, count + 1, 1, 1)))

    places: list[np.ndarray] = []

    def gradient(at: Jet, field: int = 0) -> Jet:
        if places or field:
            raise InputError(
                f"optimizer {entry.name!r}: takes several gradients a step, or solves for one; noise needs one"
            )
        if np.any(at.second):
            raise InputError(f"optimizer {entry.name!r}: takes its gradient at a place that is no sum of its states")
        places.append(np.broadcast_to(at.first[:count, 0], (count, size)))
        return variable(look(at.value[0], places[0]), count)

    parts = [variable(part[None], moving.index(index)) if index in moving else part for index, part in enumerate(state)]
    with np.errstate(all="ignore"):  # what is at rest divides nothing by nothing
        after = entry.run(gradient, tuple(parts), eta, **values)
    if not places:
        raise InputError(f"optimizer {entry.name!r}: takes no gradient")
    jets = [_as_jet(after[index], count) for index in moving]

    def mean(array: np.ndarray) -> np.ndarray:
        return np.broadcast_to(array.mean(axis=-2), (*array.shape[:-2], size))

    rest = {index: np.asarray(after[index]) for index in range(len(state)) if index not in moving}
    samples = max(jet.value.shape[0] for jet in jets)
    return LocalRule(
        point=places[0],
        values=np.array([np.broadcast_to(jet.value, (samples, size)) for jet in jets]),
        first=np.array([mean(jet.first) for jet in jets]),
        second=np.array([mean(jet.second) for jet in jets]),
        rest=rest,
    )


def _as_jet(value: Any, count: int) -> Jet:
    if isinstance(value, Jet):
        return value
    return Jet(np.atleast_2d(value), np.zeros((count + 1, 1, 1)), np.zeros((count + 1, count + 1, 1, 1)))
