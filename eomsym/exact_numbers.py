"""Numbers: what an exact coefficient may be, its quotients, how people write one, and what arithmetic follows."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable
from fractions import Fraction
from typing import Any, TypeVar

from eomsym.errors import InputError

#: An element of a commutative ring: int, Fraction, or an element of a SymPy fraction field for symbolic parameters.
Coefficient = Any
Key = TypeVar("Key", bound=Hashable)

_RATIONAL = re.compile(r"[+-]?(\d{1,40}/\d{1,40}|(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?)", re.ASCII)


class Arithmetic:
    """What follows from ``+`` and ``*``: reflected operations, negatives and differences."""

    __slots__ = ()

    def __radd__(self: Any, other: Any) -> Any:
        return self + other

    def __rmul__(self: Any, other: Any) -> Any:
        return self * other

    def __neg__(self: Any) -> Any:
        return self * -1

    def __sub__(self: Any, other: Any) -> Any:
        return self + -1 * other

    def __rsub__(self: Any, other: Any) -> Any:
        return -self + other


def divide(numerator: Coefficient, denominator: Coefficient) -> Coefficient:
    """Exact quotient: an integer where it is one, a ``Fraction`` for other integers, the ring's own quotient else."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        quotient = Fraction(numerator, denominator)
        return quotient.numerator if quotient.denominator == 1 else quotient
    return numerator / denominator


def collected(terms: Iterable[tuple[Key, Coefficient]]) -> dict[Key, Coefficient]:
    """The sum of the coefficients of each key, zeros included."""
    total: dict[Key, Coefficient] = {}
    for key, value in terms:
        total[key] = total[key] + value if key in total else value
    return total


def exact(coefficient: Coefficient) -> Coefficient:
    """A ``Fraction`` where the coefficient is a rational number, the element of the fraction field else."""
    if isinstance(coefficient, (int, Fraction)):
        return Fraction(coefficient)
    if not (coefficient.numer.is_ground and coefficient.denom.is_ground):
        return coefficient
    number = coefficient.numer.LC / coefficient.denom.LC
    return Fraction(int(number.numerator), int(number.denominator))


def read_rational(name: str, value: object) -> Fraction:
    """An exact rational from an int, a ``Fraction``, text such as ``9/10``, ``0.9`` and ``1e-8``, or a float.

    A float is read by its shortest decimal, as it is printed: 0.9 is 9/10.  Raises ``InputError`` for all else.
    """
    if isinstance(value, (int, Fraction)) and not isinstance(value, bool):
        return Fraction(value)
    text = repr(float(value)) if isinstance(value, float) else value
    if isinstance(text, str) and _RATIONAL.fullmatch(text.strip()):
        try:
            return Fraction(text.strip())
        except ZeroDivisionError:
            pass
    raise InputError(f"{name} = {value!r}: not an exact rational; write it as '9/10' or '0.9'")
