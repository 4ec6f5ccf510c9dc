"""Arrays of double-double numbers: pairs of doubles ``high + low``, high the double nearest to the sum, 32 digits.

Sum, product and quotient as in generated double-double kernels, in NumPy: algorithms 6, 12 and 17 of Joldes, Muller &
Popescu, Tight and rigorous error bounds for basic building blocks of double-word arithmetic (ACM TOMS 44, 2017), with
relative errors of at most 3u², 5u² and 15u², u = 2⁻⁵³.  NumPy has no fused multiply-add, so products are made exact by
Dekker's splitting (A floating-point technique for extending the available precision, Numer. Math. 18, 1971).  Numbers
beyond 1e300 overflow in it; results below 1e−290 lose digits one after the other, because their low parts underflow.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from eomsym.checks import check_integer
from eomsym.errors import InputError

__all__ = ["DoubleDouble"]

#: Unit of the last place: numbers next to each other are about this far apart, relatively; 4u².
EPSILON = 2.0**-104
#: The factor that cuts a double into two halves of 26 bits.
_SPLITTER = 2.0**27 + 1

_DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,3})?")

Pair = tuple[Any, Any]


class DoubleDouble:
    """An immutable array of double-double numbers of any shape, a single number included.

    ``high`` and ``low`` are float64 arrays that cannot be written to.  ``+ - * /`` take other ``DoubleDouble`` arrays
    and anything that ``from_value`` takes, shapes broadcast as in NumPy.  Make one by ``from_value`` or from two parts,
    whose sum is taken; ``InputError`` if those are no float64 arrays of one shape.
    """

    __slots__ = ("high", "low")
    #: NumPy leaves ``array + DoubleDouble`` to this class.
    __array_ufunc__ = None

    high: np.ndarray
    low: np.ndarray

    def __init__(self, high: np.ndarray, low: np.ndarray) -> None:
        for name, part in (("high", high), ("low", low)):
            if not isinstance(part, (float, np.ndarray, np.float64)) or np.asarray(part).dtype != np.float64:
                raise InputError(
                    f"{name}: {type(part).__name__} given; a double-double number is made of float64 parts"
                )
        if np.shape(high) != np.shape(low):
            raise InputError(f"low: shape {np.shape(low)}; give that of high, {np.shape(high)}")
        self._set(*_two_sum(np.asarray(high), np.asarray(low)))

    def _set(self, high: Any, low: Any) -> None:
        first, second = np.array(high), np.array(low)
        first.flags.writeable = second.flags.writeable = False
        object.__setattr__(self, "high", first)
        object.__setattr__(self, "low", second)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: a DoubleDouble cannot be changed")

    @classmethod
    def _of(cls, pair: Pair) -> DoubleDouble:
        made = cls.__new__(cls)
        made._set(*pair)
        return made

    @classmethod
    def from_value(cls, value: Any) -> DoubleDouble:
        """The double-double numbers next to ``value``.

        It may be a ``DoubleDouble``, a float or integer, ``Fraction``, ``Decimal``, mpmath or NumPy number, a decimal
        number as text such as ``"0.1"``, or an array or list of such.  Raises ``InputError`` for anything else, for a
        text that is no finite decimal number, and for numbers beyond the range of doubles.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, (float, np.floating)) or (isinstance(value, np.ndarray) and value.dtype == np.float64):
            return cls._of((np.asarray(value, dtype=np.float64), np.zeros(np.shape(value))))
        objects = np.asarray(value, dtype=object)
        parts = [_words(entry) for entry in objects.ravel()]
        high, low = (np.array([pair[part] for pair in parts], dtype=np.float64) for part in (0, 1))
        return cls._of((high.reshape(objects.shape), low.reshape(objects.shape)))

    @classmethod
    def zeros(cls, shape: int | tuple[int, ...]) -> DoubleDouble:
        """Zeros of this shape."""
        return cls._of((np.zeros(shape), np.zeros(shape)))

    @classmethod
    def stack(cls, arrays: Sequence[DoubleDouble]) -> DoubleDouble:
        """Arrays of one shape along a new first axis."""
        return cls._of((np.stack([array.high for array in arrays]), np.stack([array.low for array in arrays])))

    # Out again

    def to_fractions(self) -> np.ndarray:
        """The exact values, an object array of ``Fraction``.  Raises ``InputError`` for values that are not finite."""
        if not self.is_finite():
            raise InputError("to_fractions: infinity and NaN are no fractions")
        return _map(lambda high, low: Fraction(high) + Fraction(low), self.high, self.low)

    def to_mpmath(self) -> np.ndarray:
        """The values as an object array of mpmath numbers, exact from 110 bits of mpmath's precision on."""
        import mpmath

        return _map(lambda high, low: mpmath.mpf(high) + mpmath.mpf(low), self.high, self.low)

    def to_text(self, digits: int = 32) -> np.ndarray:
        """The values as an object array of decimal texts.  Raises ``InputError`` unless ``digits`` are 1 to 100."""
        digits = check_integer("digits", digits, 1, 100)
        import mpmath

        with mpmath.workdps(digits + 400):
            return _map(lambda value: str(mpmath.nstr(value, digits)), self.to_mpmath())

    def __float__(self) -> float:
        return float(self.high)

    # What arrays have

    @property
    def shape(self) -> tuple[int, ...]:
        """As in NumPy."""
        return self.high.shape

    @property
    def size(self) -> int:
        """As in NumPy."""
        return self.high.size

    def __len__(self) -> int:
        return len(self.high)

    def __getitem__(self, index: Any) -> DoubleDouble:
        return DoubleDouble._of((self.high[index], self.low[index]))

    def __repr__(self) -> str:
        return f"DoubleDouble({np.array2string(self.to_text(), formatter={'object': str})})"

    def is_finite(self) -> bool:
        """Whether every entry is."""
        return bool(np.isfinite(self.high).all() and np.isfinite(self.low).all())

    def norm(self) -> float:
        """The Euclidean norm, a double."""
        return float(np.linalg.norm(self.high))

    # Arithmetic

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble._of((-self.high, -self.low))

    def __abs__(self) -> DoubleDouble:
        sign = np.copysign(1.0, self.high)
        return DoubleDouble._of((sign * self.high, sign * self.low))

    def __add__(self, other: Any) -> DoubleDouble:
        return self._with(other, _plus)

    __radd__ = __add__

    def __sub__(self, other: Any) -> DoubleDouble:
        return self._with(other, _minus)

    def __rsub__(self, other: Any) -> DoubleDouble:
        return -self + other

    def __mul__(self, other: Any) -> DoubleDouble:
        return self._with(other, _times)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> DoubleDouble:
        return self._with(other, _over)

    def __rtruediv__(self, other: Any) -> DoubleDouble:
        return DoubleDouble.from_value(other) / self

    def _with(self, other: Any, operation: Callable[..., Pair]) -> DoubleDouble:
        if isinstance(other, float):  # a double is its own high part
            return DoubleDouble._of(operation(self.high, self.low, other, 0.0))
        right = DoubleDouble.from_value(other)
        return DoubleDouble._of(operation(self.high, self.low, right.high, right.low))

    def sum(self) -> DoubleDouble:
        """The sum along the first axis, in halves, so that errors grow with the logarithm of its length."""
        rest = self
        while len(rest) > 1:
            half = len(rest) // 2
            odd = rest[2 * half :]
            rest = rest[:half] + rest[half : 2 * half]
            if len(odd):
                rest = DoubleDouble._of((np.concatenate([rest.high, odd.high]), np.concatenate([rest.low, odd.low])))
        return rest[0] if len(rest) else DoubleDouble.zeros(self.shape[1:])

    # Comparison

    def __eq__(self, other: object) -> Any:
        return self._compared(other, operator.eq, operator.eq)

    def __ne__(self, other: object) -> Any:
        return ~self._compared(other, operator.eq, operator.eq)

    def __lt__(self, other: Any) -> Any:
        return self._compared(other, operator.lt, operator.lt)

    def __gt__(self, other: Any) -> Any:
        return self._compared(other, operator.gt, operator.gt)

    __hash__ = None  # type: ignore[assignment]

    def _compared(self, other: Any, high: Callable[..., Any], low: Callable[..., Any]) -> Any:
        """The high parts decide, unless they are equal; entry by entry."""
        right = DoubleDouble.from_value(other)
        same = self.high == right.high
        return np.where(same, low(self.low, right.low), ~same & high(self.high, right.high))


def exact_product(count: int, number: float) -> DoubleDouble:
    """``count · number`` without any rounding, for |count| up to 2⁵³."""
    return DoubleDouble.from_value(Fraction(count) * Fraction(number))


def _two_sum(a: Any, b: Any) -> Pair:
    """a + b and its rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _fast_two_sum(a: Any, b: Any) -> Pair:
    """The same for |a| ≥ |b|."""
    total = a + b
    return total, b - (total - a)


def _halves(a: Any) -> Pair:
    scaled = _SPLITTER * a
    top = scaled - (scaled - a)
    return top, a - top


def _two_product(a: Any, b: Any) -> Pair:
    """a b and its rounding error."""
    product = a * b
    (a_top, a_rest), (b_top, b_rest) = _halves(a), _halves(b)
    return product, ((a_top * b_top - product) + a_top * b_rest + a_rest * b_top) + a_rest * b_rest


def _plus(a: Any, a_low: Any, b: Any, b_low: Any) -> Pair:
    high, low = _two_sum(a, b)
    second, third = _two_sum(a_low, b_low)
    high, low = _fast_two_sum(high, low + second)
    return _fast_two_sum(high, low + third)


def _minus(a: Any, a_low: Any, b: Any, b_low: Any) -> Pair:
    return _plus(a, a_low, -b, -b_low)


def _times(a: Any, a_low: Any, b: Any, b_low: Any) -> Pair:
    product, error = _two_product(a, b)
    return _fast_two_sum(product, error + (a * b_low + a_low * b))


def _over(a: Any, a_low: Any, b: Any, b_low: Any) -> Pair:
    quotient = a / b
    product, error = _two_product(quotient, b)
    rest = ((a - product) - error) + (a_low - quotient * b_low)
    return _fast_two_sum(quotient, rest / b)


def _map(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    values = np.frompyfunc(function, len(arrays), 1)(*arrays)
    return np.asarray(values, dtype=object)


def _words(value: Any) -> tuple[float, float]:
    """The two doubles whose sum is next to a number."""
    exact = exact_fraction(value)
    try:
        high = float(exact)
    except OverflowError:
        raise InputError(f"number {str(value)[:60]}: beyond the range of doubles, 1.8e308") from None
    return high, float(exact - Fraction(high))


def exact_fraction(value: Any) -> Fraction:
    """Of any kind of number, or of a decimal text.  Raises ``InputError`` for what is none, or is not finite."""
    if isinstance(value, bool):
        raise InputError(f"number {value!r}: a truth value; give a number")
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value.strip()):
            raise InputError(f"number {value[:60]!r}: not a decimal number; write it as 0.1 or 1e-2")
        return Fraction(value.strip())
    try:
        if isinstance(value, (int, float, np.integer, np.floating, Fraction, Decimal)):
            return Fraction(value if not isinstance(value, np.number) else value.item())
        if hasattr(value, "man_exp"):
            mantissa, exponent = value.man_exp
            # mpmath keeps the sign apart in some versions and in the mantissa in others.
            sign = -1 if (value < 0) != (mantissa < 0) else 1
            if abs(value) < float("inf"):  # NaN is not
                return sign * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    except (OverflowError, ValueError, TypeError):
        pass
    raise InputError(
        f"number {str(value)[:60]}: {type(value).__name__} is no finite number; give a float, an integer, a Fraction, "
        "a Decimal, an mpmath number or a decimal text"
    )
