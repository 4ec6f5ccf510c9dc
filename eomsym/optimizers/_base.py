"""What an optimiser is to the rest of the package: a difference form, a numeric step, parameters, and a source."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from eomsym.errors import InputError

if TYPE_CHECKING:
    import numpy as np

#: An element of a commutative ring: int, Fraction, or an element of a SymPy fraction field for symbolic parameters.
Coefficient = Any


@dataclass(frozen=True)
class Evaluation:
    """One term ``weight · f(σ(E) θ)`` of an update rule; ``shifts`` maps the power of E to its coefficient in σ."""

    weight: Coefficient
    shifts: Mapping[int, Coefficient]


@dataclass(frozen=True)
class DifferenceForm:
    """An update rule ``ρ(E) θ = η Σ_j w_j f(σ_j(E) θ)`` with ``f = −g``; ``rho`` maps a power of E to its coefficient.

    Consistency needs ``ρ(1) = 0``, ``ρ'(1) ≠ 0`` and ``σ_j(1) = 1``; ``InputError`` otherwise.
    """

    rho: Mapping[int, Coefficient]
    evaluations: tuple[Evaluation, ...]

    def __post_init__(self) -> None:
        if sum(self.rho.values()) != 0:
            raise InputError(f"difference form: rho(1) = {sum(self.rho.values())}, but a fixed point needs rho(1) = 0")
        if sum(power * value for power, value in self.rho.items()) == 0:
            raise InputError("difference form: rho'(1) = 0, but 1 must be a simple root of rho")
        for evaluation in self.evaluations:
            total = sum(evaluation.shifts.values())
            if total != 1:
                raise InputError(f"difference form: sigma(1) = {total}, but f is evaluated at a mean, so sigma(1) = 1")


@dataclass(frozen=True)
class Parameter:
    """A parameter of an optimiser other than the step size, with the half-open range ``minimum ≤ value < supremum``."""

    name: str
    symbol: str
    meaning: str
    minimum: Fraction
    supremum: Fraction

    def read(self, value: object) -> Fraction:
        """``value`` as an exact rational.  Raises ``InputError`` if it is none or out of range."""
        number = read_rational(self.name, value)
        if not self.minimum <= number < self.supremum:
            raise InputError(
                f"{self.name} = {value}: out of range; give {self.minimum} <= {self.name} < {self.supremum}"
            )
        return number


_RATIONAL = re.compile(r"[+-]?(\d{1,40}/\d{1,40}|\d{1,40}(\.\d{0,40})?|\.\d{1,40})", re.ASCII)


def read_rational(name: str, value: object) -> Fraction:
    """An exact rational from an int, a ``Fraction`` or text such as ``9/10`` and ``0.9``; ``InputError`` for all else.

    A float is refused: 0.9 as a float is not nine tenths.
    """
    if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        return Fraction(value)
    if isinstance(value, str) and _RATIONAL.fullmatch(value.strip()):
        try:
            return Fraction(value.strip())
        except ZeroDivisionError:
            pass
    raise InputError(f"{name} = {value!r}: not an exact rational; write it as '9/10' or '0.9'")


@dataclass(frozen=True)
class Optimizer:
    """A registry entry.

    ``difference_form(**parameters)`` gives the update rule as data, with exact numbers or ring elements as parameters.
    ``step(gradient, theta, eta, **parameters)`` is one step in floating point: ``gradient`` maps a (d,) array to (d,).
    """

    name: str
    aliases: tuple[str, ...]
    summary: str
    source: str
    parameters: tuple[Parameter, ...]
    difference_form: Callable[..., DifferenceForm]
    step: Callable[[Callable[[np.ndarray], np.ndarray], np.ndarray, float], np.ndarray]

    def read_parameters(self, given: Mapping[str, object]) -> dict[str, Fraction]:
        """The given parameters as exact rationals.  Raises ``InputError`` for an unknown name or a bad value."""
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                allowed = ", ".join(known) if known else "none, it has no parameters"
                raise InputError(f"parameter {name!r}: {self.name} does not have it; it takes {allowed}")
        return {name: known[name].read(value) for name, value in given.items()}
