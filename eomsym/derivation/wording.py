"""How an equation is written: its opening, definitions and rows, in text, LaTeX and lines that SymPy reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from eomsym.derivation.formula import Formula, meanings
from eomsym.derivation.posing import RATE_SYMBOL
from eomsym.errors import InputError
from eomsym.notation.coefficients import coefficient_text, primed_latex, primed_text, symbol_latex
from eomsym.notation.operators import LATEX_SIGNS, TEXT_SIGNS, derivatives
from eomsym.notation.terms import (
    LATEX_STYLE,
    SYMPY_STYLE,
    TEXT_STYLE,
    TIGHT_STYLE,
    ComponentwiseFunction,
    Monomial,
    Row,
    Style,
    Writer,
    motion,
    power_latex,
    power_text,
    state_symbols,
    subscript,
)
from eomsym.notation.typesetting import Sides

#: What an equation is: of the slow manifold, of its start, of the whole state, of expectations, of a modified loss.
SLOW, START, WHOLE, GENERATOR, LOSS = "slow", "start", "whole", "generator", "loss"
RATE_MEANING = r"\text{factor of $\eta$, a function of $\tau = n\eta$ with derivatives $s'$, $s''$}"
CUMULANTS = {1: "mean", 2: "covariance"}
#: The letter of the rows of each kind, in text, LaTeX and SymPy.
_LETTERS = {SLOW: ("ξ", r"\xi", "xi"), START: ("c",) * 3, GENERATOR: ("L",) * 3}


class Worded(Formula):
    """An ``Equation``, which says what these attributes are, as text, LaTeX and lines for SymPy."""

    kind: str
    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    terms: Sequence[Sequence[Row]]
    plain: bool
    memory: tuple[str, ...]
    fields: tuple[str, ...]
    functions: tuple[ComponentwiseFunction, ...]
    schedule: tuple[str, ...]
    power: int
    shares: tuple[tuple[str, str], ...]
    start: Any
    rest: Sequence[Row]
    factor: Row

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of θ, one for each power."""
        return tuple(level[0] for level in self.terms)

    def text(self) -> str:
        """What it is, the definitions, then one line a row, and the start if it was derived.

        Trees come as derived, and terms that are zero stay visible: ``0 g'''(g,g,g)``.
        """
        writer = self._writer(TIGHT_STYLE if self.plain else TEXT_STYLE)
        if self.kind == LOSS:
            return "\n".join(self._loss_lines(writer))
        lines = [*self._opening(writer), *(f"{name} = {value}" for name, value in self._defined(writer))]
        lines += [self.sentence] if self.kind == GENERATOR else []
        text = "\n".join(lines)
        text = primed_text(text) if self.schedule else text
        return text if self.start is None else f"{text}\n{self.start.text()}"

    def equations(self) -> list[Sides]:
        """Left and right sides in LaTeX: g = ∇L, H = ∇g, higher derivatives ∇^m g[…]; then the start."""
        writer = self._writer(LATEX_STYLE)
        match self.kind:
            case "whole":
                return self._whole_sides(writer)
            case "loss":
                return self._loss_sides(writer)
        found = [*self._head(writer), *self._named(writer)]
        if self.schedule:
            return [(left, primed_latex(right)) for left, right in found]
        return [*found, *(self.start.equations() if self.start else [])]

    def where(self) -> list[Sides]:
        """The update rule, functions that occur, and what the symbols mean."""
        writer = self._writer(LATEX_STYLE)
        match self.kind:
            case "start":
                return []
            case "generator":
                return _generator_meanings(self.order)
            case "whole":
                told = meanings(self.optimizer, {}, self.equations(), writer.definitions(), fading=False)
                return [*self._scaling_sides(writer), *told]
        defined = [*writer.definitions(), *self._potential(writer)]
        told = meanings(self.optimizer, self.parameters, self.equations(), defined, self.start is None)
        return [*told, *((name, RATE_MEANING) for name in self.schedule if name == RATE_SYMBOL)]

    def sympy_lines(self) -> str:
        """Lines ``NAME = EXPRESSION`` that SymPy reads, products componentwise, derivatives of g as functions."""
        if self.kind in (GENERATOR, LOSS):
            raise InputError(f"{self.kind}: has no lines for SymPy; take text(), latex() or to_json()")
        writer = self._writer(SYMPY_STYLE)
        lines = [f"{name} = {value}" for name, value in self._defined(writer)]
        return "\n".join([*lines, *([self.start.sympy_lines()] if self.start and self.start.terms else [])])

    def _writer(self, style: Style) -> Writer:
        written = style.start if self.kind == START else style.name
        return Writer(style, len(self.fields) > 1, self.functions, map(written, state_symbols(self.memory)))

    def _defined(self, writer: Writer) -> list[Sides]:
        """Functions and rows with their names; for SymPy the leading row stands between them."""
        leading = [self._leading(writer)] if self.kind == SLOW and writer.style is SYMPY_STYLE else []
        return [*writer.definitions(), *leading, *self._named(writer)]

    def _leading(self, writer: Writer) -> Sides:
        if self.plain:
            (coefficient,) = self.rows[0].values()
            return "gradient_coefficient", coefficient_text(coefficient)
        return "leading", writer.sum(self.rows[0])

    def _named(self, writer: Writer) -> list[Sides]:
        """Name and sum of each row."""
        style = writer.style
        if self.kind == WHOLE:
            name = "{}_{}".format if style is SYMPY_STYLE else lambda state, k: f"{state}: F{subscript(k)}"
            return [
                (name(state, k), writer.sum(level[i]))
                for i, state in enumerate(writer.states)
                for k, level in enumerate(self.terms)
            ]
        rows = self._numbered if style is SYMPY_STYLE or self._moves else {}
        return [(style.indexed(self._letter(style), k), writer.sum(row)) for k, row in rows.items()]

    @property
    def _numbered(self) -> dict[int, Row]:
        """The rows by the numbers that they have in every notation: ξ_0 is the second, c_1 the first."""
        first = {SLOW: -1, START: 1}.get(self.kind, 0)
        return {k: row for k, row in enumerate(self.rows, start=first) if k >= 0}

    @property
    def _moves(self) -> bool:
        """Not a start at θ_0 itself, where all terms are zero."""
        return self.kind != START or any(value != 0 for row in self.rows for value in row.values())

    def _letter(self, style: Style) -> str:
        text, latex, sympy = _LETTERS[self.kind]
        return latex if style is LATEX_STYLE else sympy if style is SYMPY_STYLE else text

    def _head(self, writer: Writer) -> list[Sides]:
        """What the rows are rows of, in text and LaTeX."""
        latex = writer.style is LATEX_STYLE
        series = writer.series(self._letter(writer.style), self._numbered if self._moves else ())
        match self.kind:
            case "start":
                names = (r"\hat{\theta}_{0}", r"\theta_{0}") if latex else ("θ̂_0", "θ_0")
                return [(names[0], " + ".join(filter(None, (names[1], series))))]
            case "generator":
                return [(r"\mathcal{L}" if latex else "E φ(θ_k) = exp(kη𝓛) φ,  𝓛", series)]
        return motion(writer, writer.sum({basis: -value for basis, value in self.rows[0].items()}), self.order)

    def _opening(self, writer: Writer) -> list[str]:
        """What stands in text before definitions and rows."""
        if self.kind == WHOLE:
            series = "".join(f" + {power_text('h', k)} F{subscript(k)}" for k in range(1, self.order + 1))
            return [self._scaling(), f"ż = F₀{series}"]
        head = [",  ".join(f"{name} = {value}" for name, value in self._head(writer))]
        if self.kind == GENERATOR:
            names = (f"{TEXT_SIGNS.cumulant(n)} {CUMULANTS.get(n, f'cumulant {n}')}" for n in range(1, self.order + 2))
            return [*head, f"of the batch gradient: {', '.join(names)}"]
        if self.kind == SLOW and len(self.fields) > 1:
            head += [f"g{subscript(i)}: {meaning}" for i, meaning in enumerate(self.fields, start=1)]
        return head

    @property
    def sentence(self) -> str:
        """Of a generator, what differentiates φ more than twice, and what follows."""
        for index, row in enumerate(self.rows):
            higher = {product: value for product, value in row.items() if derivatives(product) > 2}
            if higher:
                return (
                    f"L_{index} differentiates more than twice, by {self._writer(TEXT_STYLE).sum(higher)}: where this "
                    "does not vanish, 𝓛 is no diffusion's, and no stochastic differential equation has it."
                )
        return "It differentiates twice at most: the generator of a diffusion."

    def _scaling(self) -> str:
        letters = ", ".join(state_symbols(self.memory))
        shares = ", ".join(f"{share} = 1 − {decay} h" for share, decay in self.shares)
        units = f"; {letters} in units of 1/h" if self.power == 2 else ""
        scaled = f"η = {power_text('h', self.power)}" + (f", {shares}" if shares else "")
        return f"{scaled}; z = (θ, {letters}), time nh{units}"

    def _scaling_sides(self, writer: Writer) -> list[Sides]:
        shares = [(symbol_latex(share), f"1 - {symbol_latex(decay)} h") for share, decay in self.shares]
        memory = ", ".join(writer.states[1:])
        units = [("", rf"\text{{${memory}$ here: $h$ times the optimiser's}}")] if self.power == 2 else []
        derivative = ("", r"\text{the dot: the derivative by the time $n h$ after $n$ steps}")
        return [(r"\eta", power_latex("h", self.power).removesuffix(r"\,")), *shares, *units, derivative]

    def _whole_sides(self, writer: Writer) -> list[Sides]:
        """One equation a state; products are componentwise."""
        found = []
        for i, state in enumerate(writer.states):
            sums = [writer.sum(level[i]) for level in self.terms]
            parts = (
                value if k == 0 else rf"{power_latex('h', k)}\bigl({value}\bigr)"
                for k, value in enumerate(sums)
                if value != "0" or len(sums) == 1
            )
            found.append((rf"\dot{{{state}}}", " + ".join(parts)))
        return found

    def _potential(self, writer: Writer) -> list[Sides]:
        """The function of g that is summed in a loss."""
        return [
            writer.potential(basis) for row in self.rows for basis in row if self.factor and isinstance(basis, Monomial)
        ]

    def _descent(self, writer: Writer) -> str:
        """``−∇L̃``, or ``−P ∇L̃``."""
        loss = r"\nabla\tilde{L}" if writer.style is LATEX_STYLE else "∇L̃"
        scaled = writer.sum({basis: -value for basis, value in self.factor.items()})
        return f"{scaled}{writer.style.sum.times}{loss}" if self.factor else f"{writer.style.sum.minus}{loss}"

    def _loss_lines(self, writer: Writer) -> Iterable[str]:
        if self.factor:
            yield f"θ̇ = {self._descent(writer)}"
            yield from (f"{name} = {value}" for name, value in [*writer.definitions(), *self._potential(writer)])
        for k, (row, left_over) in enumerate(zip(self.rows, self.rest, strict=True)):
            yield f"{power_text('η', k) if k else 'L̃_0'}: {writer.losses(row)}"
            if left_over:
                yield f"   not a gradient for every loss; beside it stays {writer.sum(left_over)}"

    def _loss_sides(self, writer: Writer) -> list[Sides]:
        left_over = {k: row for k, row in enumerate(self.rest) if row}
        descent = self._descent(writer) + "".join(f" - {writer.style.eta(k)}R_{{{k}}}" for k in left_over)
        losses = [(rf"\tilde{{L}}_{{{k}}}", writer.losses(row)) for k, row in enumerate(self.rows)]
        return [
            (r"\dot{\theta}", descent),
            (r"\tilde{L}", writer.series(r"\tilde{L}", range(len(self.rows)))),
            *losses,
            *((f"R_{{{k}}}", writer.sum(row)) for k, row in left_over.items()),
        ]


def _generator_meanings(order: int) -> list[Sides]:
    names = [(LATEX_SIGNS.cumulant(n), CUMULANTS.get(n, f"cumulant {n}")) for n in range(1, order + 2)]
    return [
        ("", r"\text{$E\,\varphi(\theta_k) = \exp(k \eta \mathcal{L})\, \varphi$ after $k$ steps}"),
        *((name, rf"\text{{{meaning} of the gradient of a batch}}") for name, meaning in names),
        ("", r"\text{$\partial_i$: derivative by $\theta_i$; repeated indices are summed}"),
        (r"\eta", r"\text{learning rate}"),
    ]
