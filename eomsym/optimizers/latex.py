"""A step of an optimiser in LaTeX, written from its traced rule: what is printed is what is run."""

from __future__ import annotations

from collections.abc import Sequence

from eomsym.notation.typesetting import Sides
from eomsym.notation.writing import LatexWriter
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


def rule_latex(rule: UpdateRule, memory: Sequence[str], fields: int = 1) -> list[Sides]:
    r"""Left and right sides: ``\theta^{+} = …`` and each memory's, after what they need in between.

    Stages of implicit methods are y_1, …; gradients at points made of gradients k_1, …; all products and quotients are
    componentwise.
    """
    return _Writer(rule, memory, fields).equations()


class _Writer:
    def __init__(self, rule: UpdateRule, memory: Sequence[str], fields: int) -> None:
        self._rule, self._fields = rule, fields
        self._write = LatexWriter(memory=memory)
        self._states = self._write.states
        gradients = [atom for atom in rule.atoms if isinstance(atom, Gradient)]
        nested = any(isinstance(rule.atoms[at], Gradient) for one in gradients for at, _, _ in one.point.terms)
        self._named = {atom: f"k_{{{j}}}" for j, atom in enumerate(gradients, start=1)} if nested else {}

    def equations(self) -> list[Sides]:
        stages = [(f"y_{{{i}}}", self._sum(point)) for i, point in enumerate(self._rule.stages, start=1)]
        between = [(name, self._gradient(atom)) for atom, name in self._named.items()]
        after = [
            (f"{name}^{{+}}", self._sum(value)) for name, value in zip(self._states, self._rule.following, strict=True)
        ]
        return [*stages, *between, *after]

    def _sum(self, combination: Linear) -> str:
        factors = (r"\eta" * (power > 0) + (f"^{{{power}}}" if power > 1 else "") for _, power, _ in combination.terms)
        parts = zip(combination.terms, factors, strict=True)
        named = (
            (coefficient, self._write.times.join(filter(None, (factor, self._atom(self._rule.atoms[at])))))
            for (at, _, coefficient), factor in parts
        )
        return self._write.signed_sum(named)

    def _factor(self, combination: Linear) -> str:
        text = self._sum(combination)
        return text if len(combination.terms) == 1 else rf"\left({text}\right)"

    def _atom(self, atom: Atom) -> str:
        if atom in self._named:
            return self._named[atom]
        match atom:
            case State(index):
                return self._states[index]
            case Gradient():
                return self._gradient(atom)
            case Image(map, arguments):
                inside = ", ".join(self._sum(part) for part in arguments)
                return rf"\operatorname{{{map.name}}}\left({inside}\right)"
            case Stage(index):
                return f"y_{{{index + 1}}}"
            case One():
                return ""
            case Product(left, right) if left == right:
                return f"{self._factor(left)}^{{2}}"
            case Product(left, right):
                return self._write.times.join((self._factor(left), self._factor(right)))
            case Quotient(numerator, denominator):
                return rf"\frac{{{self._sum(numerator)}}}{{{self._sum(denominator)}}}"
            case SquareRoot(argument):
                return self._write.root(self._sum(argument))
            case Elapsed():
                raise AssertionError("a rule with a schedule is written without it")

    def _gradient(self, atom: Gradient) -> str:
        name = f"g_{{{atom.field + 1}}}" if self._fields > 1 else "g"
        at_theta = atom.point.terms == ((self._rule.state(0), 0, 1),)
        return name + ("" if at_theta and not self._named else rf"\left({self._sum(atom.point)}\right)")
