"""Equations back from the JSON that ``Equation.to_json`` wrote: parsed, never evaluated, and compared with it again."""

from __future__ import annotations

import ast
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from eomsym.checks import shown
from eomsym.derivation.posing import RATE_SYMBOL, Posed, check_order, pose
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, divide, exact
from eomsym.files import strict_json
from eomsym.models.parser import python_tree
from eomsym.notation.operators import read_product
from eomsym.notation.terms import Cumulant, Monomial, Row, state_symbols
from eomsym.schedules.schedule import RATE
from eomsym.trees import LEAF, MAX_PARSED_NODES, Tree

_RIGHT = "give what to_json wrote"
#: No coefficient of an order that is derived comes near.
_MAX_LENGTH, _MAX_EXPONENT = 20_000, 1000
#: More than any power of the gradient that a step has.
_MAX_MEANS = 10


def parsed(text: object, head: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands in the text, and the arguments of the ``Equation``; ``head`` tells what the text does not.

    Raises ``InputError``.
    """
    try:
        data = strict_json(text)
        told = _arguments({**data, **head})
        for part in filter(None, (told, told.get("start"))):
            if len(part["terms"]) != part["order"] + (part["kind"] != "start"):
                raise ValueError(f"{len(part['terms'])} rows of order {part['order']}")
        return data, told
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        why = f"{type(error).__name__}: {shown(str(error))}"
        raise InputError(f"equation: this JSON cannot be read ({why}); {_RIGHT}") from None


def check_same(data: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    """Raises ``InputError`` unless what was read is what is written of it: nothing too much, missing or not exact."""
    for key in {**data, **written}:
        if json.dumps(data.get(key), sort_keys=True) != json.dumps(written.get(key), sort_keys=True):
            raise InputError(f"equation: {shown(key)} is {shown(data.get(key))}, which is not as derived; {_RIGHT}")


def _arguments(data: Mapping[str, Any]) -> dict[str, Any]:
    if "generator" in data:
        products: list[Row] = [
            {read_product(e): Fraction(e["coefficient"]) for e in row["terms"]} for row in data["generator"]
        ]
        told = {"optimizer": "gradient-descent", "parameters": {}, "order": data["order"]}
        return {"kind": "generator", **told, "terms": [[row] for row in products]}
    order = check_order(len(data["levels"]) - 1 if "levels" in data else data["order"])
    names = [RATE if name == RATE_SYMBOL else name for name in data.get("schedule", ())]
    state, noise = "whole" if "scaling" in data else "slow", "noise" in data
    posed = pose(data["optimizer"], order, data["parameters"], state, names, noise)
    read = _Reader(posed)
    told = {**posed.head, "order": order, **read.defined}
    if "scaling" in data:
        told |= {"fields": tuple(data["fields"]), "noise": read.blocks(data["noise"])} if noise else {}
        return {"kind": "whole", **told, "terms": [list(map(read.row, row["fields"])) for row in data["terms"]]}
    if "levels" in data:
        rest = [[{_kind(name): name, "coefficient": row[name]} for name in row] for row in data["rest"]]
        told |= {"rest": list(map(read.row, rest)), "factor": read.row(data.get("factor", ()))}
        return {"kind": "loss", **told, "terms": [[read.row(row)] for row in data["levels"]]}
    start = None
    if "start" in data:
        entries = [row["terms"] for row in data["start"]]
        on_trees = posed.rule.linear and len(posed.fields) == 1
        plain = on_trees and all(entry["tree"].startswith("[") for row in entries for entry in row)
        start = {**told, "kind": "start", "functions": (), "plain": plain, "memory": posed.entry.memory}
        start["terms"] = [[read.row(row)] for row in entries]
        if "counterterms" not in data:
            return start
    first = {LEAF: read.coefficient(data["gradient_coefficient"])} if posed.plain else read.row(data["leading"])
    rows = [first, *(read.row(row["terms"]) for row in data["counterterms"])]
    return {"kind": "slow", **told, "plain": posed.plain, "terms": [[row] for row in rows], "start": start}


def _kind(name: str) -> str:
    return "tree" if "[" in name else "term"


class _Reader:
    """Reads terms by the names that an equation has: of symbols, slow states, and componentwise functions."""

    def __init__(self, posed: Posed) -> None:
        self.symbols = posed.symbols
        self.defined = posed.solved(0)[1] if posed.rule.images or not posed.rule.linear else {}
        states = ["theta", *state_symbols(posed.entry.memory)]
        self.names: dict[str, Any] = {f"g{m}": _derivative for m in range(1, 10)} | {"g": Monomial(gradient=1)}
        self.names |= {name: Monomial(states=((i, 1),)) for i, name in enumerate(states)}
        functions = self.defined.get("functions", ())
        self.names |= {made.name: Monomial(powers=((i, 1),)) for i, made in enumerate(functions)}
        self.names |= {f"g_{n}": Monomial(means=((n, ()),)) for n in range(1, _MAX_MEANS)}
        self.names |= {f"g_{n}_1": partial(_mean_slope, n) for n in range(1, _MAX_MEANS)}
        self.memory, self.states = posed.entry.memory, states

    def row(self, entries: Sequence[Mapping[str, Any]]) -> Row:
        return {self.basis(entry): self.coefficient(entry["coefficient"]) for entry in entries}

    def blocks(self, entries: Sequence[Mapping[str, Any]]) -> dict[tuple[int, ...], list[Row]]:
        places = {name: i for i, name in enumerate(("theta", *self.memory))}
        return {tuple(map(places.__getitem__, e["states"])): list(map(self.row, e["rows"])) for e in entries}

    def basis(self, entry: Mapping[str, Any]) -> Tree | Monomial | Cumulant:
        if "tree" in entry:
            return _tree(entry["tree"])
        if "vectors" in entry:
            return Cumulant(tuple(map(self.monomial, entry["vectors"])), tuple(map(self.states.index, entry["along"])))
        return self.monomial(entry["term"])

    def monomial(self, text: str) -> Monomial:
        monomial = _value(_syntax(text), self.names) if text else Monomial()
        if not isinstance(monomial, Monomial):
            raise ValueError(text)
        return monomial

    def coefficient(self, text: str) -> Coefficient:
        if re.fullmatch(r"-?[0-9]+(/[0-9]+)?", text):
            return Fraction(text)
        return exact(_value(_syntax(text), self.symbols))


def _mean_slope(power: int, argument: Monomial) -> Monomial:
    return Monomial(means=((power, (argument,)),))


def _derivative(*arguments: Monomial) -> Monomial:
    return Monomial(derivatives=(tuple(sorted(arguments)),))


def _tree(text: str) -> Tree:
    """The tree of ``[[],[]]``, or of ``1[2[],1[]]`` with colours."""
    if text.count("[") > MAX_PARSED_NODES:
        raise ValueError(f"a tree of more than {MAX_PARSED_NODES} nodes")

    def made(node: list[Any]) -> Tree:
        colour, children = (node[0], node[1:]) if node and isinstance(node[0], int) else (1, node)
        return Tree(map(made, children), colour)

    return made(json.loads(re.sub(r"(-?\d+)\[", r"[\1,", text).replace(",]", "]")))


def _syntax(text: str) -> ast.expr:
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"{len(text)} characters")
    return python_tree(text, f"equation, {shown(text)}", _RIGHT)


def _power(base: Any, exponent: Any) -> Any:
    if not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
        raise ValueError(f"exponent {exponent}")
    return divide(1, base**-exponent) if exponent < 0 and isinstance(base, int) else base**exponent


_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: divide,
    ast.Pow: _power,
}


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """An expression of these names: numbers, elements of a field, or monomials, by their own operations."""
    match node:
        case ast.Constant(value=number) if type(number) is int:  # no bool
            return number
        case ast.Name(id=name):
            return names[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, names)
        case ast.BinOp(left=left, op=operation, right=right):
            return _OPERATIONS[type(operation)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return names[name](*(_value(argument, names) for argument in arguments))
    raise ValueError(ast.unparse(node))
