"""An expression in arrays, such as ``W1.T @ W1 - W2 @ W2.T``, with its exact derivative along a direction.

The text is read over Python's ``ast`` with a list of what is allowed, and never evaluated as code.  Every node is a
value with its slope (a dual number), so that the derivative is that of the rules and no difference of values.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from eomsym.errors import InputError
from eomsym.models.parser import kind_of, syntax_tree

#: An array with its derivative, of one shape.
Dual = tuple[np.ndarray, np.ndarray]

#: Entries of the largest array on the way.
MOST_ENTRIES = 10_000_000
#: A chain of sums is nested as deep as it is long.
MOST_CHARACTERS = 400


def _outer(x: np.ndarray, dx: np.ndarray) -> Dual:
    return np.outer(x, x), np.outer(dx, x) + np.outer(x, dx)


#: Each takes a value and its slope.
FUNCTIONS: dict[str, Callable[[Any, Any], Dual]] = {
    "sum": lambda x, dx: (x.sum(), dx.sum()),
    "norm2": lambda x, dx: ((x * x).sum(), 2 * (x * dx).sum()),
    "trace": lambda x, dx: (np.trace(x), np.trace(dx)),
    "rows": lambda x, dx: (x.sum(axis=1), dx.sum(axis=1)),
    "columns": lambda x, dx: (x.sum(axis=0), dx.sum(axis=0)),
    "outer": _outer,
    "exp": lambda x, dx: (np.exp(x), np.exp(x) * dx),
    "log": lambda x, dx: (np.log(x), dx / x),
    "sqrt": lambda x, dx: (np.sqrt(x), dx / (2 * np.sqrt(x))),
    "sin": lambda x, dx: (np.sin(x), np.cos(x) * dx),
    "cos": lambda x, dx: (np.cos(x), -np.sin(x) * dx),
    "tanh": lambda x, dx: (np.tanh(x), (1 - np.tanh(x) ** 2) * dx),
}
#: How many axes the argument must have, where that matters, and what to give.
_FITTING = {
    "trace": (2, "give a square matrix"),
    "rows": (2, "give a matrix"),
    "columns": (2, "give a matrix"),
    "outer": (1, "give a vector"),
}


class ArrayExpression:
    """A text in named arrays: numbers, ``+ - * / @``, powers with a number as exponent, ``.T`` and ``FUNCTIONS``.

    ``sum`` adds all entries, ``norm2`` their squares, ``rows`` and ``columns`` those of each row or column;
    ``outer(b)`` is b bᵀ.  Arrays are added and multiplied entry by entry, of equal shapes or with a number beside them;
    ``@`` is the matrix product.  Raises ``InputError``, one line, for anything else, where shapes do not fit, and where
    value or derivative is no finite number.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        if len(self.text) > MOST_CHARACTERS:
            raise self._refuse(f"{len(self.text)} characters; give at most {MOST_CHARACTERS}")
        self._tree = syntax_tree(self.text, more="@")

    def dual(self, arrays: Mapping[str, np.ndarray], slopes: Mapping[str, np.ndarray]) -> Dual:
        """Value and derivative, of one shape, where the arrays move along ``slopes``."""
        with np.errstate(all="ignore"):
            value, slope = self._read(self._tree, arrays, slopes)
        value, slope = np.asarray(value, dtype=np.float64), np.asarray(slope, dtype=np.float64)
        if not (np.isfinite(value).all() and np.isfinite(slope).all()):
            raise self._refuse("it or its derivative is not finite here; check quotients, roots and logarithms")
        return value, slope

    def _read(self, node: ast.expr, arrays: Mapping[str, np.ndarray], slopes: Mapping[str, np.ndarray]) -> Dual:
        def read(part: ast.expr) -> Dual:
            return self._read(part, arrays, slopes)

        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return np.float64(number), np.float64(0)  # type: ignore[return-value]
            case ast.Name(id=name):
                if name not in arrays:
                    raise self._refuse(f"name {name!r} is unknown; there are {_listed(arrays)}")
                return arrays[name], slopes[name]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                x, dx = read(operand)
                return (-x, -dx) if isinstance(sign, ast.USub) else (x, dx)
            case ast.Attribute(value=inner, attr="T"):
                x, dx = read(inner)
                return x.T, dx.T
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self._power(read(left), right)
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _PRODUCTS:
                return self._combined(node, operator, read(left), read(right))
            case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
                x, dx = read(argument)
                axes, fitting = _FITTING.get(name, (np.ndim(x), ""))
                if np.ndim(x) != axes or (name == "trace" and x.shape[0] != x.shape[1]):
                    raise self._refuse(f"{name} of an array of shape {np.shape(x)}; {fitting}")
                self._check_size(x.size**2 if name == "outer" else 1)
                return FUNCTIONS[name](x, dx)
            case ast.Call():
                called = ast.unparse(node.func)
                raise self._refuse(
                    f"function {called!r} with these arguments is unknown; one of {', '.join(FUNCTIONS)}"
                )
        raise self._refuse(f"{ast.unparse(node)!r} is {kind_of(node)}, which is not allowed here")

    def _power(self, base: Dual, exponent: ast.expr) -> Dual:
        try:
            power = float(ast.literal_eval(exponent))
        except (ValueError, TypeError):
            raise self._refuse(f"exponent {ast.unparse(exponent)[:40]!r} is not a number; write it as 2") from None
        x, dx = base
        return x**power, power * x ** (power - 1) * dx if power else 0 * dx

    def _combined(self, node: ast.expr, operator: ast.operator, left: Dual, right: Dual) -> Dual:
        (x, dx), (y, dy) = left, right
        shapes = np.shape(x), np.shape(y)
        fits = shapes[0] == shapes[1] or () in shapes
        if isinstance(operator, ast.MatMult):
            fits = () not in shapes and shapes[0][-1] == shapes[1][0]
            self._check_size(int(np.prod(shapes[0][:-1] + shapes[1][1:])) if fits else 0)
        if not fits:
            raise self._refuse(f"{ast.unparse(node)!r}: shapes {shapes[0]} and {shapes[1]} do not fit")
        return _PRODUCTS[type(operator)](x, dx, y, dy)

    def _check_size(self, entries: int) -> None:
        if entries > MOST_ENTRIES:
            raise self._refuse(f"an array of {entries} entries on the way; at most {MOST_ENTRIES} are allowed")

    def _refuse(self, reason: str) -> InputError:
        return InputError(f"observable {self.text[:60]!r}: {reason}")


_PRODUCTS: dict[type[ast.operator], Callable[[Any, Any, Any, Any], Dual]] = {
    ast.Add: lambda x, dx, y, dy: (x + y, dx + dy),
    ast.Sub: lambda x, dx, y, dy: (x - y, dx - dy),
    ast.Mult: lambda x, dx, y, dy: (x * y, dx * y + x * dy),
    ast.Div: lambda x, dx, y, dy: (x / y, (dx - x / y * dy) / y),
    ast.MatMult: lambda x, dx, y, dy: (x @ y, dx @ y + x @ dy),
}


def _listed(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{name} {np.shape(array)}" for name, array in arrays.items())
