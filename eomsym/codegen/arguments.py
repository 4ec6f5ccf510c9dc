"""What compiled functions take and give: the data of a network or the constants of an expression, doubles or pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from eomsym.checks import check_finite
from eomsym.double_double import DoubleDouble
from eomsym.errors import InputError
from eomsym.models import MLP, ExpressionLoss, VectorField
from eomsym.models.losses import LOSS_TABLE
from eomsym.models.samples import all_finite, check_samples, float_array


class NetworkData:
    """``inputs`` (n, n_in) and ``targets`` of a network."""

    fault = "leaves the range of floating-point numbers here"
    remedy = "give smaller parameters and inputs, or a lower order"

    def __init__(self, model: MLP) -> None:
        self._model = model

    def check(self, *data: Any) -> tuple[np.ndarray, np.ndarray]:
        """Both as compiled functions take them.  Raises ``InputError`` for a wrong number, type, shape or label."""
        if len(data) != 2:
            raise InputError(f"data: {len(data)} arrays given; a network takes two, inputs and targets")
        inputs, targets = map(_plain, check_samples(*data))
        width, outputs = self._model.layers[0], self._model.layers[-1]
        if inputs.shape[1] != width:
            raise InputError(f"inputs: shape {inputs.shape}; this model takes (n, {width})")
        if LOSS_TABLE[self._model.loss].labels:
            if targets.dtype != np.int64:
                raise InputError(f"targets: {targets.dtype}; this loss takes integer labels of shape ({len(inputs)},)")
            if targets.min() < 0 or targets.max() >= outputs:
                wrong = targets[(targets < 0) | (targets >= outputs)][0]
                raise InputError(f"targets: label {wrong} is out of range; this model has classes 0 to {outputs - 1}")
        elif targets.dtype != np.float64 or targets.shape[1] != outputs:
            kind = f"{targets.dtype} of shape {targets.shape}"
            raise InputError(f"targets: {kind}; give float64 of shape ({len(inputs)}, {outputs}) for these inputs")
        return inputs, targets


class Constants:
    """``parameters`` (p,) of a written loss or vector field, left out where it has none."""

    fault = "is not defined here, or leaves the range of floating-point numbers"
    remedy = "give another point, or a lower order"

    def __init__(self, model: ExpressionLoss | VectorField) -> None:
        self._names = model.parameters

    def check(self, *data: Any) -> tuple[np.ndarray]:
        """Them as compiled functions take them.  Raises ``InputError`` for a wrong number, type or shape."""
        names = self._names
        listed = f"({', '.join(names)})" if names else "none"
        parameters = data[0] if data else None
        if len(data) > 1:
            raise InputError(f"data: {len(data)} arrays given; this kernel takes one, its parameters {listed}")
        if parameters is None and names:
            raise InputError(f"parameters: not given; this kernel's parameters are {listed}, give ({len(names)},)")
        values = np.empty(0) if parameters is None else float_array("parameters", parameters, f"({len(names)},)")
        if values.shape != (len(names),):
            raise InputError(f"parameters: shape {values.shape}; they are {listed}, give ({len(names)},)")
        return (_plain(values),)


class Doubles:
    """Vectors of float64, as they are."""

    kind = "a float64 array"

    @staticmethod
    def vector(name: str, value: Any, size: int) -> np.ndarray:
        """(d,).  Raises ``InputError`` for another type or shape, and for an entry that is not finite."""
        array = float_array(name, value, f"({size},)")
        if array.shape != (size,):
            raise InputError(f"{name}: shape {array.shape}; this model has {size} parameters, give ({size},)")
        return _plain(array)

    @staticmethod
    def is_curve(series: Any) -> bool:
        """Whether these are rows of such numbers."""
        return isinstance(series, np.ndarray) and series.ndim == 2

    @classmethod
    def curve(cls, series: np.ndarray, size: int) -> np.ndarray:
        """(terms, d).  All rows are checked at once, and one by one where there is something to say of one of them."""
        plain = type(series) is np.ndarray and series.dtype == np.float64 and series.shape[1] == size
        if plain and all_finite(series):
            return _plain(series)
        return np.stack([cls.vector(f"series[{k}]", row, size) for k, row in enumerate(series)])

    @staticmethod
    def result(values: Any) -> Any:
        """What a compiled function gave, (…, d), or one number."""
        return values if isinstance(values, np.ndarray) else float(values)

    number = staticmethod(check_finite)


class Pairs:
    """Vectors of ``DoubleDouble``, as arrays (2, d) of their high and low parts; float64 is taken too."""

    kind = "an array"

    @staticmethod
    def vector(name: str, value: Any, size: int) -> np.ndarray:
        """(2, d).  Raises ``InputError`` as that of doubles."""
        if not isinstance(value, DoubleDouble):
            value = DoubleDouble.from_value(Doubles.vector(name, value, size))
        high, low = Doubles.vector(name, value.high, size), float_array(f"{name}.low", value.low, f"({size},)")
        return np.stack([high, low])

    @staticmethod
    def is_curve(series: Any) -> bool:
        """Whether these are rows of such numbers."""
        return len(getattr(series, "shape", ())) == 2

    @classmethod
    def curve(cls, series: Any, size: int) -> np.ndarray:
        """(terms, 2, d)."""
        return np.stack([cls.vector(f"series[{k}]", series[k], size) for k in range(len(series))])

    @staticmethod
    def result(values: np.ndarray) -> DoubleDouble:
        """The pairs of an array whose last axis but one, or only axis, holds high and low parts."""
        axis = max(values.ndim - 2, 0)
        return DoubleDouble(np.take(values, 0, axis), np.take(values, 1, axis))

    @staticmethod
    def number(name: str, value: Any) -> DoubleDouble:
        """One number.  Raises ``InputError`` for anything else."""
        if isinstance(value, bool) or value is None:
            raise InputError(f"{name} {value!r}: not a number")
        try:
            number = DoubleDouble.from_value(value)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        if number.shape != () or not number.is_finite():
            raise InputError(f"{name} {value!r}: give one finite number")
        return number


def _plain(array: np.ndarray) -> np.ndarray:
    """In C order and writeable: compiled functions take no array that is read only, as JAX's are."""
    if array.flags.c_contiguous and array.flags.writeable:
        return array  # by far the most; ``np.require`` takes as long as all other checks
    return np.require(array, requirements=("C", "W"))
