"""The validating reader of counter terms in JSON, as ``notation.json`` writes them.

What is read is not trusted: sizes are bounded before any work is done, nothing is evaluated as code, and the trees must
be exactly those that the order asks for.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from eomsym import optimizers
from eomsym.checks import shown
from eomsym.derivation.counterterms import Counterterms, Term, check_order
from eomsym.derivation.start_terms import StartTerms
from eomsym.derivation.symbols import symbolic_parameters
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, divide, exact
from eomsym.files import strict_json
from eomsym.notation.json import COUNTERTERM_KEYS, KEYS, START, TERM_KEYS
from eomsym.trees import Tree, count_rooted_trees, parse_tree, rooted_trees

_MAX_LENGTH = 2**27  # order 15 with rational coefficients takes a third of it
_MAX_WORD_LENGTH = 100
_MAX_COEFFICIENT_LENGTH = 20_000
_MAX_SIZE = 500  # of a symbolic coefficient: bounds the degree and the digits of everything that is computed
_RATIONAL = re.compile(r"(-?[0-9]{1,4000})(?:/([0-9]{1,4000}))?")
_NO_EXPRESSION = re.compile(r"[^A-Za-z0-9_+\-*/() ]|\b[0-9]+[A-Za-z_]")
_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: divide,
}


def parse_counterterms(text: str) -> Counterterms:
    """The counter terms that ``Counterterms.to_json`` wrote.

    Raises ``InputError`` for text that is no such object: other keys, an optimiser or a parameter that is not
    registered, trees missing, doubled or of the wrong size, a wrong symmetry, a coefficient that is not exact.
    """
    loaded = _load(text)
    loaded = _typed("object", loaded, dict, "an object")
    has_start = START in loaded
    data = _object("object", loaded, [*KEYS, START] if has_start else KEYS)
    entry = optimizers.get(_word("optimizer", data["optimizer"]))
    given = _typed("parameters", data["parameters"], dict, "an object")
    parameters = entry.read_parameters(
        {_word("parameters", name): _word("parameters", value) for name, value in given.items()}
    )
    order = data["order"]
    check_order(order)
    symbols = symbolic_parameters(entry, parameters)
    gradient_coefficient = _coefficient("gradient_coefficient", data["gradient_coefficient"], symbols)
    rows = _list("counterterms", data["counterterms"], order)
    terms = tuple(_read_terms(f"counterterms[{index}]", index, row, 2, symbols) for index, row in enumerate(rows))
    shadow = _read_start(data[START], order, symbols) if has_start else None
    return Counterterms(entry.name, MappingProxyType(parameters), order, gradient_coefficient, terms, shadow)


def _read_start(value: Any, order: int, symbols: Mapping[str, Coefficient]) -> StartTerms:
    rows = [
        _read_terms(f"{START}[{place}]", place + 1, row, 0, symbols)
        for place, row in enumerate(_list(START, value, order))
    ]
    return StartTerms(tuple(MappingProxyType({term.tree: term.coefficient for term in row}) for row in rows))


def _load(text: str) -> Any:
    if not isinstance(text, str):
        raise InputError(f"counter terms: not text but {type(text).__name__}; give the JSON that to_json wrote")
    if len(text) > _MAX_LENGTH:
        raise InputError(f"counter terms: {len(text)} characters of JSON, more than the {_MAX_LENGTH} that are read")
    try:
        return strict_json(text)
    except ValueError as error:
        raise InputError(f"counter terms: {error}; give the JSON that to_json wrote") from None


def _read_terms(
    place: str, index: int, row: Any, more_nodes: int, symbols: Mapping[str, Coefficient]
) -> tuple[Term, ...]:
    """The terms of an index, over trees with that many nodes and some more."""
    data = _object(place, row, COUNTERTERM_KEYS)
    if type(data["index"]) is not int or data["index"] != index:
        raise InputError(f"counter terms: {place}.index is {shown(data['index'])}; it must be {index}")
    nodes = index + more_nodes
    entries = _list(f"{place}.terms", data["terms"], count_rooted_trees(nodes))
    read = [_read_term(f"{place}.terms[{j}]", entry, nodes, symbols) for j, entry in enumerate(entries)]
    by_tree = {term.tree: term for term in read}
    if len(by_tree) < len(read):  # the number is right, so one twice means one missing
        raise InputError(f"counter terms: {place}.terms lists a tree twice; give every tree with {nodes} nodes once")
    return tuple(by_tree[tree] for tree in rooted_trees(nodes))


def _read_term(place: str, entry: Any, nodes: int, symbols: Mapping[str, Coefficient]) -> Term:
    data = _object(place, entry, TERM_KEYS)
    tree = _read_tree(f"{place}.tree", data["tree"], nodes)
    if type(data["symmetry"]) is not int or data["symmetry"] != tree.symmetry:
        written = shown(data["symmetry"])
        raise InputError(f"counter terms: {place}.symmetry is {written}; the symmetry of {tree} is {tree.symmetry}")
    return Term(tree, _coefficient(f"{place}.coefficient", data["coefficient"], symbols))


def _read_tree(place: str, value: Any, nodes: int) -> Tree:
    text = _typed(place, value, str, "a string")
    tree = parse_tree(text)
    if tree.order != nodes:
        raise InputError(f"counter terms: {place} is {shown(text)} with {tree.order} nodes; it must have {nodes}")
    return tree


def _coefficient(place: str, value: Any, symbols: Mapping[str, Coefficient]) -> Coefficient:
    text = _typed(place, value, str, "a string")
    number = _RATIONAL.fullmatch(text)
    try:
        if number:
            return Fraction(int(number[1]), int(number[2] or 1))
        if symbols:
            return exact(_symbolic(text, symbols))
    except (ValueError, SyntaxError, ZeroDivisionError, RecursionError, MemoryError):
        pass
    allowed = f" or an expression in {', '.join(symbols)}" if symbols else ""
    raise InputError(f"counter terms: {place} is {shown(text)}; give an exact rational such as 1/12{allowed}")


def _symbolic(text: str, symbols: Mapping[str, Coefficient]) -> Coefficient:
    """The four operations and integer powers.  Raises ``ValueError`` or ``SyntaxError`` for anything else."""
    if len(text) > _MAX_COEFFICIENT_LENGTH or _NO_EXPRESSION.search(text):
        raise ValueError(text)
    tree = ast.parse(text.strip(), mode="eval").body
    if _least_size(tree) > _MAX_SIZE:  # it would be found out later, after hundreds of quotients
        raise ValueError(text)
    return _value(tree, symbols)[0]


def _least_size(node: ast.AST) -> int:
    """No more than the bound that ``_value`` finds, without computing anything."""
    match node:
        case ast.Constant(value=int(number)):
            return len(str(number))
        case ast.UnaryOp(operand=operand):
            return _least_size(operand)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right):
            return _least_size(left) + _least_size(right)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            return max(_least_size(left), _least_size(right))
    return 1


def _value(node: ast.AST, symbols: Mapping[str, Coefficient]) -> tuple[Coefficient, int]:
    """The value and a bound on its size: degree plus digits."""
    match node:
        case ast.Constant(value=number) if type(number) is int:  # no bool
            return number, len(str(number))
        case ast.Name(id=name) if name in symbols:
            return symbols[name], 1
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value, size = _value(operand, symbols)
            return -value, size
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            return _power(_value(base, symbols), _value(exponent, {})[0])
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            return _binary(type(operation), _value(left, symbols), _value(right, symbols))
    raise ValueError(ast.dump(node))


def _power(base: tuple[Coefficient, int], exponent: Coefficient) -> tuple[Coefficient, int]:
    value, size = base
    if not isinstance(exponent, int) or abs(exponent) * size > _MAX_SIZE:
        raise ValueError(exponent)
    return (value**exponent if exponent >= 0 else divide(1, value**-exponent)), max(1, abs(exponent)) * size


def _binary(operation: type, left: tuple[Coefficient, int], right: tuple[Coefficient, int]) -> tuple[Coefficient, int]:
    (a, size_a), (b, size_b) = left, right
    keeps_size = operation in (ast.Add, ast.Sub) and _is_polynomial(a) and _is_polynomial(b)
    size = max(size_a, size_b) if keeps_size else size_a + size_b
    if size > _MAX_SIZE:
        raise ValueError(size)
    return _OPERATIONS[operation](a, b), size


def _is_polynomial(value: Coefficient) -> bool:
    return isinstance(value, int) or (not isinstance(value, Fraction) and bool(value.denom.is_ground))


def _object(place: str, value: Any, keys: Sequence[str]) -> Mapping[str, Any]:
    mapping = _typed(place, value, dict, "an object")
    if set(mapping) != set(keys):
        raise InputError(f"counter terms: {place} has the keys {shown(list(mapping))}; they must be {list(keys)}")
    return mapping


def _list(place: str, value: Any, length: int) -> list[Any]:
    if len(_typed(place, value, list, "a list")) != length:
        raise InputError(f"counter terms: {place} has {len(value)} entries; it must have {length}")
    return value


def _typed(place: str, value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise InputError(f"counter terms: {place} is {shown(value)}; it must be {name}")
    return value


def _word(place: str, value: Any) -> str:
    text = _typed(place, value, str, "a string")
    if len(text) > _MAX_WORD_LENGTH:
        raise InputError(f"counter terms: {place} has {shown(text)}, longer than {_MAX_WORD_LENGTH} characters")
    return text
