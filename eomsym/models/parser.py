"""Text of a user to a SymPy expression: a list of what is allowed over Python's ``ast``, and nothing else.

Nothing is ever evaluated as code.  Sizes are checked before work is done: length and nesting before parsing, the
number of digits before a power is taken.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import operator
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from eomsym.checks import shown
from eomsym.errors import InputError

if TYPE_CHECKING:
    import sympy

FUNCTIONS = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "erf", "sigmoid", "softplus")
MAX_LENGTH = 20_000
MAX_DEPTH = 50
#: Largest exponent of a power, and bits of the largest number: beyond float64 anyway.
MAX_EXPONENT = 100
MAX_BITS = 2048
#: The exponential of more is beyond float64, and towers of exponentials are beyond everything.
MAX_ARGUMENT = 700
#: Levels of functions, sums and products in a number.
MAX_NUMBER_DEPTH = 6
_GROWING = ("exp", "sinh", "cosh")
MAX_NAMES = 64

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}")
_LONG_NUMBER = re.compile(r"[0-9]{41}")
_ALLOWED = re.compile(r"[A-Za-z0-9_ .+\-*/(),]*")
_NUMBER = re.compile(r"[0-9]{0,40}(?:\.[0-9]{0,40})?(?:[eE]([+-]?[0-9]{1,3}))?")
#: Names that mean something in a generated file or to people who read it.
_RESERVED = frozenset(("np", "numpy", "numba", "math", "jit", "njit", "prange", "sympy", "eomsym", *FUNCTIONS))
_EXAMPLE = "write it as (1-x)**2 + 100*(y-x**2)**2"


def check_names(kind: str, names: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of variables or parameters as a tuple.  Raises ``InputError`` for what is no name, or stands twice."""
    if isinstance(names, str) or not isinstance(names, (list, tuple)):
        raise InputError(f"{kind} {shown(names)}: give a list of names, such as ['x', 'y']")
    if len(names) > MAX_NAMES:
        raise InputError(f"{kind}: {len(names)} names; give at most {MAX_NAMES}")
    seen = list(taken)
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
            raise InputError(f"{kind} {shown(name)}: not a name; use letters and digits, such as x or w1")
        if keyword.iskeyword(name) or name in _RESERVED or hasattr(builtins, name):
            raise InputError(f"{kind} {name!r}: has a meaning of its own; take another name, such as {name}1")
        if name in seen:
            raise InputError(f"{kind} {name!r}: stands there twice; give each name once")
        seen.append(name)
    return tuple(names)


def parse_expression(text: str, symbols: Mapping[str, sympy.Symbol]) -> sympy.Expr:
    """The expression that a text stands for, with exact rational numbers.

    ``symbols`` are the names it may use.  Raises ``InputError``, one line, for anything outside of arithmetic, powers
    and the functions in ``FUNCTIONS``, and for numbers, powers or texts that are too large.
    """
    tree = syntax_tree(text)
    expression = _Reader(text, symbols).read(tree, 0)
    return _check_real(expression, text)


def syntax_tree(text: object, more: str = "") -> ast.expr:
    """The syntax tree of a text of letters, digits, ``_ . + - * / ( ) ,`` and the characters ``more``.

    Raises ``InputError``, one line, for what is no such text, and for one that is too long or nested too deeply.
    """
    if not isinstance(text, str):
        raise InputError(f"expression {shown(text)}: not a text; {_EXAMPLE}")
    if len(text) > MAX_LENGTH:
        raise InputError(f"expression {shown(text)}: {len(text)} characters; give at most {MAX_LENGTH}")
    plain = re.sub(f"[{re.escape(more)}]", "+", text) if more else text
    place = _ALLOWED.match(plain).end()  # type: ignore[union-attr]
    if place < len(text):
        hint = "write ** for powers" if text[place] == "^" else _EXAMPLE
        raise InputError(f"expression {shown(text)}: character {text[place]!r} is not allowed; {hint}")
    if _LONG_NUMBER.search(text):
        raise InputError(f"expression {shown(text)}: a number has more than 40 digits; write it as 0.01")
    if _nesting(text) > MAX_DEPTH:
        raise InputError(f"expression {shown(text)}: nested deeper than {MAX_DEPTH}; split it into fewer levels")
    return python_tree(text, f"expression {shown(text)}", _EXAMPLE)


def python_tree(text: str, name: str, example: str) -> ast.expr:
    """The syntax tree of one expression of Python, which is not run.  Raises ``InputError`` by that name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the tokenizer, on what is refused anyway
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or "too complex"
        raise InputError(f"{name}: {reason}; {example}") from None


def _nesting(text: str) -> int:
    """A bound on the depth of Python's parser: open brackets, and signs and powers in a row."""
    deepest = depth = run = 0
    for character in text.replace("**", "^"):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        run = run + 1 if character in "+-^" else (run if character == " " else 0)
        deepest = max(deepest, depth + run)
    return max(deepest, _power_tower(text))


def _power_tower(text: str) -> int:
    """The longest chain a**b**c**…, which Python reads from the right."""
    return max((part.count("**") for part in re.split(r"(?<!\*)[+\-/,](?!\*)|(?<!\*)\*(?!\*)", text)), default=0)


class _Reader:
    """Reads a syntax tree; every kind of node that is not named here is refused."""

    def __init__(self, text: str, symbols: Mapping[str, sympy.Symbol]) -> None:
        import sympy

        from eomsym.models import functions

        self.text = text
        self.source = text.strip()
        self.symbols = symbols
        self.sympy = sympy
        self.not_numbers = (sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)
        self.functions: dict[str, Callable[[Any], Any]] = {
            name: getattr(functions, name, None) or getattr(sympy, name) for name in FUNCTIONS
        }

    def refuse(self, reason: str) -> InputError:
        return InputError(f"expression {shown(self.text)}: {reason}")

    def read(self, node: ast.expr, depth: int) -> Any:
        if depth > 2 * MAX_DEPTH:
            raise self.refuse(f"nested deeper than {2 * MAX_DEPTH}; split it into fewer levels")
        match node:
            case ast.Constant(value=bool() | str() | bytes() | complex() | None):
                raise self.refuse(f"{self._piece(node)} is not a number that is allowed; {_EXAMPLE}")
            case ast.Constant():
                return self._number(node)
            case ast.Name(id=name):
                return self._symbol(name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.read(operand, depth + 1)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read(operand, depth + 1)
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                terms = self._chain(node, depth, {ast.Add: operator.pos, ast.Sub: operator.neg})
                return self._bounded(self.sympy.Add(*terms))
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                factors = self._chain(node, depth, {ast.Mult: operator.pos, ast.Div: self._inverse})
                if sum(map(_bits, factors)) > MAX_BITS:
                    raise self.refuse(f"a number with more than {MAX_BITS} bits; give smaller numbers")
                return self._bounded(self.sympy.Mul(*factors))
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self._power(self.read(left, depth + 1), self.read(right, depth + 1))
            case ast.Call():
                return self._call(node, depth)
        raise self.refuse(f"{self._piece(node)} is {kind_of(node)}, which is not allowed; {_EXAMPLE}")

    def _chain(self, node: ast.expr, depth: int, parts: Mapping[type, Callable[[Any], Any]]) -> list[Any]:
        """The operands of operators of one rank, which Python nests deeply; the last is read first.

        ``parts`` says of each operator what it makes of the operand on its right.
        """
        operands = []
        while isinstance(node, ast.BinOp) and type(node.op) in parts:
            operands.append(parts[type(node.op)](self.read(node.right, depth + 1)))
            node = node.left
        return [self.read(node, depth + 1), *reversed(operands)]

    def _inverse(self, number: Any) -> Any:
        return self._power(number, self.sympy.S.NegativeOne)

    def _power(self, base: Any, exponent: Any) -> Any:
        if base.is_number and base.is_zero and not (exponent.is_Rational and exponent > 0):
            raise self.refuse("divides by zero or takes a power of it that is not defined; give another number")
        if exponent.is_Rational and (abs(exponent) > MAX_EXPONENT or _bits(exponent) > 64):
            raise self.refuse(f"exponent {shown(exponent)} is too large; give one of at most {MAX_EXPONENT}")
        if base.is_number and exponent.is_number and not self._size(exponent) <= MAX_EXPONENT:
            raise self.refuse(f"an exponent is larger than {MAX_EXPONENT}; give a smaller one")
        if base.is_Rational and exponent.is_Rational and _bits(base) * abs(exponent) > MAX_BITS:
            raise self.refuse(f"a power with more than {MAX_BITS} bits; give smaller numbers")
        return self._bounded(self.sympy.Pow(base, exponent))

    def _call(self, node: ast.Call, depth: int) -> Any:
        if not isinstance(node.func, ast.Name) or node.func.id not in self.functions:
            raise self.refuse(f"function {self._piece(node.func)} is unknown; choose from {', '.join(FUNCTIONS)}")
        if len(node.args) != 1 or node.keywords:
            raise self.refuse(f"{node.func.id} takes one argument, such as {node.func.id}(x)")
        argument = self.read(node.args[0], depth + 1)
        if argument.is_number and not self._size(argument) <= MAX_ARGUMENT and node.func.id in _GROWING:
            raise self.refuse(f"{node.func.id} of a number beyond {MAX_ARGUMENT} is no double; give smaller numbers")
        return self._bounded(self.functions[node.func.id](argument))

    def _size(self, number: Any) -> float:
        """The modulus of a number, which SymPy works out in a time that grows fast with the depth of its formula."""
        if _depth(number) > MAX_NUMBER_DEPTH:
            raise self.refuse("functions of a number are nested too deeply; write the number itself")
        return float(abs(complex(number.evalf(15))))

    def _symbol(self, name: str) -> Any:
        if name in self.symbols:
            return self.symbols[name]
        if name in self.functions:
            raise self.refuse(f"{name} stands without an argument; write {name}(x)")
        known = ", ".join(self.symbols) or "none"
        raise self.refuse(f"name {shown(name)} is neither a variable nor a parameter (these are: {known})")

    def _number(self, node: ast.Constant) -> Any:
        """The number as it is written: 0.1 is one tenth."""
        written = self.source[node.col_offset : node.end_col_offset]
        match = _NUMBER.fullmatch(written)
        if not match:
            raise self.refuse(f"number {shown(written)} is not plain or has more than 40 digits; write it as 0.01")
        if abs(int(match[1] or 0)) > 300:
            raise self.refuse(f"number {shown(written)} is out of range; give an exponent of at most 300")
        value = Fraction(written)
        return self.sympy.Rational(value.numerator, value.denominator)

    def _bounded(self, expression: Any) -> Any:
        if expression.is_Rational and _bits(expression) > MAX_BITS:
            raise self.refuse(f"a number with more than {MAX_BITS} bits; give smaller numbers")
        # Whether an expression in symbols is finite is a question that SymPy can think about for minutes.
        if expression in self.not_numbers or (expression.is_number and expression.is_finite is False):
            raise self.refuse("not a finite number; it divides by zero or takes the logarithm of it")
        return expression

    def _piece(self, node: ast.expr) -> str:
        return shown(self.source[node.col_offset : node.end_col_offset])


def _check_real(expression: sympy.Expr, text: str) -> sympy.Expr:
    """Refuses what is not a real number anywhere, such as the square root of −1."""
    import sympy

    if expression.has(sympy.I, sympy.zoo, sympy.nan, sympy.oo, -sympy.oo) or any(
        power.base.is_number and power.base.is_negative and not power.exp.is_integer
        for power in expression.atoms(sympy.Pow)
    ):
        raise InputError(f"expression {shown(text)}: not a real number anywhere; check roots and logarithms")
    return expression


def _bits(number: Any) -> int:
    return int(number.p).bit_length() + int(number.q).bit_length() if number.is_Rational else 0


def _depth(number: Any) -> int:
    """Levels of a formula above its rational numbers."""
    return 0 if number.is_Rational else 1 + max(map(_depth, number.args), default=0)


def kind_of(node: ast.expr) -> str:
    """A node's name in words: IfExp is 'an if exp'."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).lower()
    if isinstance(node, ast.BinOp):
        words = "operator " + re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node.op).__name__).lower()
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
