"""What derived results share: they are formulas, told as text and set as LaTeX with every symbol defined."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from eomsym import optimizers
from eomsym.checks import check_integer
from eomsym.derivation.posing import symbolic_parameters
from eomsym.errors import InputError
from eomsym.notation.coefficients import symbol_latex
from eomsym.notation.typesetting import TERMS, Sides, aligned, document
from eomsym.optimizers.latex import rule_latex
from eomsym.optimizers.optimizer import Field
from eomsym.optimizers.tracing import trace
from eomsym.result import Result

WHERE = r"\text{where}"
STEP = r"\text{a step takes the parameters $\theta$ to $\theta^{+}$:}"


class Formula(Result, ABC):
    """A formula of an ``optimizer``: ``text`` is what people read, ``latex`` what notebooks and papers show."""

    @property
    def summary(self) -> str:
        """The optimiser, what it was given, and the order."""
        found: Any = self
        values = "".join(f", {name} = {value}" for name, value in found.parameters.items())
        return f"{found.optimizer}{values}, order {found.order}"

    @abstractmethod
    def text(self) -> str:
        """As unicode text."""

    def sympy_lines(self) -> str:
        """As lines that SymPy reads.  Raises ``InputError`` where there are none."""
        raise InputError(f"{type(self).__name__}: has no lines for SymPy; take text(), latex() or to_json()")

    @abstractmethod
    def equations(self) -> list[Sides]:
        """Left and right sides in LaTeX."""

    def where(self) -> list[Sides]:
        """What the symbols of ``equations`` mean, as equations."""
        return []

    def latex(self, terms: int = TERMS) -> str:
        """An ``aligned`` block (amsmath, MathJax), and what its symbols mean.

        A line has so many ``terms``; one whose coefficient is a full fraction counts twice.
        """
        return aligned(self._set(), check_integer("terms", terms, 1))

    def document(self, terms: int = TERMS) -> str:
        """A LaTeX document that compiles alone, on as many pages as it needs; the rest as for ``latex``."""
        title = f"Equation of motion: {self.summary}"
        return document(title.replace("_", r"\_"), self._set(), check_integer("terms", terms, 1))

    def mathtext(self) -> list[str]:
        r"""The equations, line by line, for Matplotlib, which does not know the small fraction: ``$\xi_{0} = …$``."""
        return [f"${left} = {right}$".replace(r"\tfrac", r"\frac") for left, right in self.equations()]

    def report(self) -> Sequence[str]:
        """The text."""
        return [self.text()]

    def _set(self) -> list[Sides]:
        meanings = self.where()
        return [*self.equations(), *([("", WHERE), *meanings] if meanings else [])]

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def _repr_html_(self) -> None:  # type: ignore[override]
        """None: notebooks then take the LaTeX."""


#: What stands in the words of parameters.
_IN_WORDS = {"²": "$^{2}$", "η": r"$\eta$", "κ": r"$\kappa$", "β": r"$\beta$", "θ": r"$\theta$", "ε": r"$\epsilon$"}


def meanings(
    name: str,
    given: Mapping[str, Fraction],
    equations: Sequence[Sides],
    functions: Sequence[Sides] = (),
    fading: bool = True,
) -> list[Sides]:
    """The update rule of an optimiser, definitions of functions of g, and what other symbols of the equations mean.

    With ``fading`` a memory's start has to fade before the equation holds.  An optimiser that is not registered has
    neither a rule nor parameters here.
    """
    try:
        entry = optimizers.get(name)
    except InputError:
        return [*functions, *_derivatives((Field(),), equations)]
    values = entry.read_parameters(given)
    fields = entry.fields(**values)
    rule = trace(entry.step, 1 + len(entry.memory), values | symbolic_parameters(entry, values), checked=False)
    steps = rule_latex(rule, entry.memory, len(fields))
    symbols = [
        (symbol_latex(parameter.name), _words(parameter.meaning))
        for parameter in entry.parameters
        if parameter.name not in values
    ]
    rate = (r"\eta", r"\text{learning rate}")
    derivatives = _derivatives(fields, [*equations, *functions])
    faded = [("", r"\text{valid once the start of the memory has faded}")] if entry.memory and fading else []
    return [("", STEP), *steps, *functions, *derivatives, rate, *symbols, *_products(functions), *faded]


def _derivatives(fields: Sequence[Field], equations: Sequence[Sides]) -> Iterator[Sides]:
    """The gradients and those of their derivatives that occur."""
    text, several = " ".join(right for _, right in equations), len(fields) > 1
    index = "_{i}" if several else ""
    for number, field in enumerate(fields, start=1):
        yield f"g_{{{number}}}" if several else "g", field.latex
    if re.search(r"(?<!\\)\bH", text):
        yield f"H{index}", rf"\nabla g{index}"
    if re.search(r"\\nabla\^\{\d+\}g", text):
        yield (
            "",
            rf"\text{{$\nabla^{{m}}g{index}[u, v, \dots]$: $m$-th derivative of $g{index}$ along $u$, $v$, $\dots$}}",
        )


def _products(functions: Sequence[Sides]) -> list[Sides]:
    said = r"\text{products, quotients, powers and roots of vectors are componentwise}"
    return [("", said)] if functions else []


def _words(text: str) -> str:
    return rf"\text{{{''.join(_IN_WORDS.get(letter, letter) for letter in text)}}}"
