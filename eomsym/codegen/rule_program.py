"""An update rule to statements, one an atom: what the solver of ``step_index`` does at each level, as text.

The generated code works level by level: ``name[k]`` is coefficient k of a quantity at all nodes, (nodes, d).
Parameters are numbers by now, exact ones, and so are the tables that solve the difference equations.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial as partial_of
from itertools import count

from eomsym.codegen.table_text import quotient
from eomsym.errors import InputError
from eomsym.optimizers.rule import (
    Atom,
    Elapsed,
    Gradient,
    Image,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
)
from eomsym.step_index.tables import Matrix, small_nodes


@dataclass(frozen=True)
class RuleProgram:
    """What the template is given: array names with their meaning, statements of one level, and constant tables.

    ``gradients`` counts the gradients of a step; ``tables`` maps a name to a matrix for each level, whose rows are
    weights of the values at the first nodes.
    """

    nodes: tuple[Fraction, ...]
    arrays: tuple[tuple[str, str], ...]
    level: tuple[str, ...]
    gradients: int
    tables: dict[str, list[Matrix]]


def rule_program(rule: UpdateRule, terms: int, gradient: str, partial: bool = True) -> RuleProgram:
    """The program of a rule whose parameters are rational numbers, for the first ``terms`` terms of its field.

    ``gradient`` is the call that makes level k of a gradient, with places for ``{field}``, ``{point}``, the array of
    the argument, and ``{index}``, which of the rule's gradients it is; ``partial`` if only at as many nodes as needed.
    """
    tables = small_nodes(rule, terms)
    printed = _Printer(rule, gradient, partial)
    makers = {"EXTENSION": tables.extension} if partial else {}
    memory = [atom.index for number in rule.schedule if isinstance(atom := rule.atoms[number], State)]
    makers |= {f"RESOLVENT_{i}": partial_of(tables.resolvent, Fraction(rule.self_coefficient(i))) for i in memory}
    makers |= {"SUM": tables.summation, "LOGARITHM": tables.logarithm}
    made = {name: [maker(level) for level in range(terms)] for name, maker in makers.items()}
    return RuleProgram(tables.nodes, tuple(printed.arrays), tuple(printed.statements), rule.evaluations, made)


class _Printer:
    """Prints the statements that compute level k of every atom, each after those that it needs."""

    def __init__(self, rule: UpdateRule, gradient: str, partial: bool) -> None:
        self._rule, self._gradient, self._partial = rule, gradient, partial
        self._evaluations = count()
        self._names = [
            f"state_{atom.index}" if isinstance(atom, State) else f"{_WORDS[type(atom)][0]}_{number}"
            for number, atom in enumerate(rule.atoms)
        ]
        self.arrays = [
            (name, _WORDS[type(atom)][1])
            for name, atom in zip(self._names, rule.atoms, strict=True)
            if name != "state_0"
        ]
        self.statements: list[str] = []
        for number in rule.schedule:
            value = self._value(number)
            self.statements.append(f"{self._names[number]}[k] = {value}")
        self.statements.append(f"moved = {self._sum(rule.moved(0), ahead=1)}")
        self.statements.append("state_0[k + 1] = _apply(SUM, k, moved)")

    def _value(self, number: int) -> str:
        name = self._names[number]
        match self._rule.atoms[number]:
            case State(index):
                return f"_apply(RESOLVENT_{index}, k, {self._sum(self._rule.following[index].without(number))})"
            case Gradient(field, point):
                at, index = self._operand(number, "point", point), next(self._evaluations)
                text = self._gradient.format(field=field, point=at, index=index)
                return f"_apply(EXTENSION, k, {text})" if self._partial else text
            case Stage(index):
                return self._sum(self._rule.stages[index])
            case One():
                return "float(k == 0)"
            case Product(left, right):
                first, second = self._operand(number, "left", left), self._operand(number, "right", right)
                return f"sum({first}[i] * {second}[k - i] for i in range(k + 1))"
            case Quotient(numerator, denominator):
                below = self._operand(number, "denominator", denominator)
                lower = f"sum({below}[i] * {name}[k - i] for i in range(1, k + 1))"
                return f"({self._sum(numerator)} - {lower}) / {below}[0]"
            case SquareRoot(argument):
                return f"_root({self._sum(argument)}, {name}, k)"
            case Image(map):
                raise InputError(
                    f"kernel: is not generated for the map {map.name!r}; generate one for gradient-descent, which "
                    "serves every rule"
                )
        raise InputError("kernel: is generated for constant parameters; give a schedule where it is evaluated")

    def _operand(self, number: int, word: str, linear: Linear) -> str:
        """The array of a combination: that of an atom if it is one, else one of its own."""
        if len(linear.terms) == 1 and linear.terms[0][1:] == (0, 1):
            return self._names[linear.terms[0][0]]
        name = f"{word}_{number}"
        self.arrays.append((name, f"{word} of {_WORDS[type(self._rule.atoms[number])][0]}_{number}"))
        self.statements.append(f"{name}[k] = {self._sum(linear)}")
        return name

    def _sum(self, linear: Linear, ahead: int = 0) -> str:
        """Level ``k + ahead`` of a combination."""
        text = ""
        for atom, power, coefficient in linear.terms:
            name, below, weight = self._names[atom], power - ahead, Fraction(coefficient)
            value = f"_coefficient({name}, k - {below})" if below else f"{name}[k]"
            sign = "-" if weight < 0 else "+"
            factor = "" if abs(weight) == 1 else f"({quotient(abs(weight))}) * "
            text = f"{text} {sign} {factor}{value}" if text else ("-" if sign == "-" else "") + factor + value
        return text or "np.zeros((NODES, SIZE))"


#: Of each kind of atom, the word in the names of its arrays, and what it is.
_WORDS: dict[type[Atom], tuple[str, str]] = {
    State: ("state", "state of the optimiser"),
    Gradient: ("gradient", "gradient"),
    Image: ("image", "image under a map of blocks"),
    Stage: ("stage", "stage of an implicit step"),
    One: ("one", "ones"),
    Elapsed: ("elapsed", "product with a power of the time elapsed"),
    Product: ("product", "componentwise product"),
    Quotient: ("quotient", "componentwise quotient"),
    SquareRoot: ("root", "componentwise square root"),
}
