"""An update rule to statements: the levels of ``derivation.levels`` written out for NumPy, one atom a line.

The generated code works level by level: ``name[k]`` is coefficient k of a quantity at all nodes, (nodes, d).
Parameters are numbers by now, exact ones, and so are the tables that solve the difference equations.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction

from eomsym.derivation.levels import Matrix, antidifference, extension, logarithm, resolvent
from eomsym.optimizers import (
    Gradient,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
)

Cube = list[list[list[Fraction]]]


@dataclass(frozen=True)
class RuleProgram:
    """What the template is given: array names with their meaning, statements of one level, and constant tables.

    ``tables`` maps a name to (terms, terms, terms) rationals ``[k][node][i]``; ``logarithm`` is (terms, terms).
    """

    arrays: tuple[tuple[str, str], ...]
    level: tuple[str, ...]
    moved: str
    tables: dict[str, Cube]
    logarithm: list[list[Fraction]]


def rule_program(rule: UpdateRule, terms: int) -> RuleProgram:
    """The program of a rule whose parameters are rational numbers, for the first ``terms`` terms of its field."""
    writer = _Writer(rule)
    level = tuple(line for number in rule.schedule for line in writer.statements(number))
    tables = {"EXTENSION": [extension(k, terms) for k in range(terms)]}
    tables["SUM"] = [antidifference(k, terms) for k in range(terms)]
    for name, weight in writer.resolvents.items():
        tables[name] = [resolvent(weight, k, terms) for k in range(terms)]
    return RuleProgram(
        arrays=tuple(writer.arrays),
        level=level,
        moved=writer.sum(rule.increment, "k + 1"),
        tables={name: [_padded(matrix, terms) for matrix in cube] for name, cube in tables.items()},
        logarithm=[_padded([logarithm(k)], terms)[0] for k in range(terms)],
    )


class _Writer:
    """Names the arrays and writes the statements of one level."""

    def __init__(self, rule: UpdateRule) -> None:
        self.rule = rule
        self.arrays: list[tuple[str, str]] = []
        self.resolvents: dict[str, Fraction] = {}

    def name(self, number: int) -> str:
        kind = self.rule.atoms[number]
        if isinstance(kind, State):
            return f"state_{kind.index}"
        return f"{_WORDS[type(kind)]}_{number}"

    def statements(self, number: int) -> Iterator[str]:
        name, kind = self.name(number), self.rule.atoms[number]
        self.arrays.append((name, f"{_MEANINGS[type(kind)]}"))
        match kind:
            case State(index):
                table = f"RESOLVENT_{index}"
                self.resolvents[table] = Fraction(self.rule.self_coefficient(index))
                yield f"{name}[k] = _apply({table}, k, {self.sum(self.rule.following[index].without(number))})"
            case Gradient(field, point):
                at = yield from self._operand(point, f"point_{number}")
                yield f"{name}[k] = _apply(EXTENSION, k, _gradient({field}, {at}, k, inputs, targets, **sharing))"
            case Stage(index):
                yield f"{name}[k] = {self.sum(self.rule.stages[index])}"
            case One():
                yield f"{name}[k] = float(k == 0)"
            case Product(left, right):
                a = yield from self._operand(left, f"left_{number}")
                b = yield from self._operand(right, f"right_{number}")
                yield f"{name}[k] = sum({a}[i] * {b}[k - i] for i in range(k + 1))"
            case Quotient(numerator, denominator):
                a = yield from self._operand(numerator, f"numerator_{number}")
                b = yield from self._operand(denominator, f"denominator_{number}")
                yield f"{name}[k] = ({a}[k] - sum({b}[i] * {name}[k - i] for i in range(1, k + 1))) / {b}[0]"
            case SquareRoot(argument):
                a = yield from self._operand(argument, f"argument_{number}")
                yield f"{name}[k] = _root_level({a}, {name}, k)"

    def _operand(self, linear: Linear, name: str) -> Generator[str, None, str]:
        """The array that holds a combination: that of an atom if it is one, else a new one, filled by a statement."""
        if len(linear.terms) == 1 and linear.terms[0][1:] == (0, 1):
            return self.name(linear.terms[0][0])
        self.arrays.append((name, "combination"))
        yield f"{name}[k] = {self.sum(linear)}"
        return name

    def sum(self, linear: Linear, level: str = "k") -> str:
        """A combination at a level as an expression."""
        text = ""
        for atom, power, coefficient in linear.terms:
            number = Fraction(coefficient)
            sign = "-" if number < 0 else "+"
            factor = "" if abs(number) == 1 else f"({_quotient(abs(number))}) * "
            term = f"{factor}_at({self.name(atom)}, {_shifted(level, power)})"
            text = f"{text} {sign} {term}" if text else ("-" if sign == "-" else "") + term
        return text or "np.zeros((TERMS, SIZE))"


_WORDS = {
    Gradient: "gradient",
    Stage: "stage",
    One: "one",
    Product: "product",
    Quotient: "quotient",
    SquareRoot: "root",
}
_MEANINGS = {
    State: "state of the optimiser",
    Gradient: "gradient",
    Stage: "stage of an implicit step",
    One: "ones",
    Product: "componentwise product",
    Quotient: "componentwise quotient",
    SquareRoot: "componentwise square root",
}


def _shifted(level: str, power: int) -> str:
    plus = int(level.removeprefix("k").replace(" ", "") or 0) - power
    return "k" if plus == 0 else f"k {'+' if plus > 0 else '-'} {abs(plus)}"


def _quotient(number: Fraction) -> str:
    return f"{number.numerator}.0" if number.denominator == 1 else f"{number.numerator} / {number.denominator}"


def _padded(matrix: Matrix, terms: int) -> list[list[Fraction]]:
    return [[Fraction(value) for value in row] + [Fraction(0)] * (terms - len(row)) for row in matrix]
