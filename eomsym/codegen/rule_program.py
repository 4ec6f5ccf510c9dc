"""An update rule to statements: the solver of ``step_index`` run over text, one level of every quantity at once.

The generated code works level by level: ``name[k]`` is coefficient k of a quantity at all nodes, (nodes, d).
Parameters are numbers by now, exact ones, and so are the tables that solve the difference equations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial as partial_of

from eomsym.errors import InputError
from eomsym.optimizers import (
    Atom,
    Coefficient,
    Elapsed,
    Gradient,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
)
from eomsym.step_index import Algebra, Matrix, Solution, small_nodes


@dataclass(frozen=True)
class RuleProgram:
    """What the template is given: array names with their meaning, statements of one level, and constant tables.

    ``result`` is an expression, the level of the modified field; ``gradients`` counts the gradients of a step;
    ``tables`` maps a name to a matrix for each level, whose rows are weights of the values at the first nodes.
    """

    nodes: tuple[Fraction, ...]
    arrays: tuple[tuple[str, str], ...]
    level: tuple[str, ...]
    result: str
    gradients: int
    tables: dict[str, list[Matrix]]


def rule_program(rule: UpdateRule, terms: int, gradient: str, partial: bool = True) -> RuleProgram:
    """The program of a rule whose parameters are rational numbers, for the first ``terms`` terms of its field.

    ``gradient`` is the call that makes level k of a gradient, with places for ``{field}``, ``{point}``, the array of
    the argument, and ``{index}``, which of the rule's gradients it is; ``partial`` if only at as many nodes as needed.
    """
    tables = small_nodes(rule, terms)
    text = StatementAlgebra(rule, gradient, partial)
    (result,) = Solution(rule, text).advance(Level(0))
    makers = {"EXTENSION": tables.extension} if partial else {}
    makers |= {name: partial_of(tables.resolvent, share) for name, share in text.shares.items()}
    makers |= {"SUM": tables.summation, "LOGARITHM": tables.logarithm}
    made = {name: [maker(level) for level in range(terms)] for name, maker in makers.items()}
    return RuleProgram(tables.nodes, tuple(text.arrays), tuple(text.statements), result, rule.evaluations, made)


@dataclass(frozen=True)
class Level:
    """The level k + ``offset`` of a statement in which k is a variable; to the solver it is above every number."""

    offset: int

    def __add__(self, other: int) -> Level:
        return Level(self.offset + other)

    def __sub__(self, other: int) -> Level:
        return self + -other

    def __ge__(self, other: int) -> bool:
        return True

    def __str__(self) -> str:
        return f"k {'+' if self.offset > 0 else '-'} {abs(self.offset)}" if self.offset else "k"


class Named:
    """The array of a quantity: what is appended becomes a statement, unless it is empty and told elsewhere."""

    def __init__(self, name: str, statements: list[str]) -> None:
        self.name, self._statements, self._ahead = name, statements, 0

    def append(self, text: str) -> None:
        if text:
            self._statements.append(f"{self.name}[{Level(self._ahead)}] = {text}")
        else:
            self._ahead += 1

    def __str__(self) -> str:
        return self.name


class StatementAlgebra(Algebra):
    """Values are expressions of NumPy, (nodes, d) when they are run."""

    def __init__(self, rule: UpdateRule, gradient: str, partial: bool) -> None:
        self._rule, self._gradient, self._partial = rule, gradient, partial
        self.arrays: list[tuple[str, str]] = []
        self.statements: list[str] = []
        self.shares: dict[str, Fraction] = {}
        self._evaluations = 0

    def quantity(self, number: int, kind: str) -> Named:
        atom = self._rule.atoms[number]
        word, meaning = _WORDS[type(atom)]
        name = f"state_{atom.index}" if isinstance(atom, State) else f"{kind or word}_{number}"
        if name != "state_0":
            self.arrays.append((name, f"{kind} of {word}_{number}" if kind else meaning))
        return Named(name, self.statements)

    def coefficient(self, levels: Named, level: Level) -> str:
        return f"_coefficient({levels}, {level})" if level.offset < 0 else f"{levels}[{level}]"

    def slow(self, index: int) -> str:
        return ""

    def one(self, level: Level) -> str:
        return f"float({level} == 0)"

    def combine(self, parts: Sequence[tuple[Coefficient, str]]) -> str:
        text = ""
        for weight, value in parts:
            number = Fraction(weight)
            sign = "-" if number < 0 else "+"
            factor = "" if abs(number) == 1 else f"({quotient_text(abs(number))}) * "
            text = f"{text} {sign} {factor}{value}" if text else ("-" if sign == "-" else "") + factor + value
        return text or "np.zeros((NODES, SIZE))"

    def gradient(self, field: int) -> Callable[[str], str]:
        index = self._evaluations
        self._evaluations += 1
        return lambda at: self._gradient.format(field=field, point=at.removesuffix("[k]"), index=index)

    def extended(self, values: str, level: Level) -> str:
        return f"_apply(EXTENSION, {level}, {values})" if self._partial else values

    def resolved(self, share: Coefficient, index: int, values: str, level: Level) -> str:
        self.shares[f"RESOLVENT_{index}"] = Fraction(share)
        return f"_apply(RESOLVENT_{index}, {level}, {values})"

    def summed(self, values: str, level: Level) -> str:
        self.statements.append(f"moved = {values}")
        return f"_apply(SUM, {level}, moved)"

    def logarithm(self, values: str, level: Level) -> str:
        return f"_apply(LOGARITHM, {level}, moved)[0]"

    def elapsed(self, levels: Named, atom: Elapsed, level: Level) -> str:
        raise InputError("kernel: is generated for constant parameters; give a schedule where it is evaluated")

    def product(self, left: Named, right: Named, level: Level) -> str:
        return f"sum({left}[i] * {right}[{level} - i] for i in range({level} + 1))"

    def quotient(self, numerator: str, denominator: Named, known: Named, level: Level) -> str:
        rest = f"sum({denominator}[i] * {known}[{level} - i] for i in range(1, {level} + 1))"
        return f"({numerator} - {rest}) / {denominator}[0]"

    def square_root(self, argument: str, known: Named, level: Level) -> str:
        return f"_root({argument}, {known}, {level})"


def quotient_text(number: Fraction) -> str:
    """A rational as Python computes it."""
    return f"{number.numerator}.0" if number.denominator == 1 else f"{number.numerator} / {number.denominator}"


#: Of each kind of atom, the word in the names of its arrays, and what it is.
_WORDS: dict[type[Atom], tuple[str, str]] = {
    State: ("state", "state of the optimiser"),
    Gradient: ("gradient", "gradient"),
    Stage: ("stage", "stage of an implicit step"),
    One: ("one", "ones"),
    Elapsed: ("elapsed", "product with a power of the time elapsed"),
    Product: ("product", "componentwise product"),
    Quotient: ("quotient", "componentwise quotient"),
    SquareRoot: ("root", "componentwise square root"),
}
