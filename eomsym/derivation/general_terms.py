"""Counter terms of rules that plain trees cannot hold: several fields (coloured trees), or componentwise functions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from eomsym.derivation.formula import Formula, meanings
from eomsym.derivation.vector_language import ComponentwiseFunction, Monomial
from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_text, primed_latex, primed_text
from eomsym.notation.general import LATEX_STYLE, SYMPY_STYLE, TEXT_STYLE, Style, Writer
from eomsym.notation.json import START, indexed_entries, term_entries
from eomsym.notation.latex import motion_equations
from eomsym.notation.text import series_text, subscript
from eomsym.notation.typesetting import Sides
from eomsym.trees import ColouredTree, Tree

if TYPE_CHECKING:
    import sympy

    from eomsym.derivation.start_terms import StartTerms


#: The factor of η where that depends on time.
RATE_SYMBOL = "s"
RATE_MEANING = r"\text{factor of $\eta$, a function of $\tau = n\eta$ with derivatives $s'$, $s''$}"
#: Terms for ``eomsym.notation``.
Pairs = Sequence[tuple[Coefficient, Tree | ColouredTree | Monomial]]


@dataclass(frozen=True)
class GeneralTerm:
    """``coefficient · basis``: a coloured tree's elementary differential, or a monomial of the vector language."""

    basis: ColouredTree | Monomial
    coefficient: Coefficient


class SlowEquation(Formula):
    """What the equations of motion on a slow manifold share, whatever their terms are."""

    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    shadow: StartTerms | None
    fields: tuple[str, ...] = ()
    functions: tuple[ComponentwiseFunction, ...] = ()
    schedule: tuple[str, ...] = ()

    @property
    @abstractmethod
    def _plain(self) -> tuple[Pairs, Sequence[Pairs]]:
        """The leading terms, and those of each ξ_k."""

    def _writer(self, style: Style) -> Writer:
        return Writer(style, len(self.fields) > 1, self.functions)

    def text(self) -> str:
        """The equation of motion, the definitions, one line per counter term, then the start if it was derived.

        Trees come as given and terms that are zero stay visible: ``0 g'''(g,g,g)``.
        """
        (leading, rows), writer = self._plain, self._writer(TEXT_STYLE)
        lines = [f"θ̇ = {writer.sum(_negative(leading))}{series_text(len(rows))}"]
        if len(self.fields) > 1:
            lines += [f"g{subscript(i)}: {meaning}" for i, meaning in enumerate(self.fields, start=1)]
        lines += [f"{name} = {definition}" for name, definition in writer.definitions()]
        lines += [f"ξ_{k} = {writer.sum(row)}" for k, row in enumerate(rows)]
        text = primed_text("\n".join(lines)) if self.schedule else "\n".join(lines)
        return text if self.shadow is None else f"{text}\n{self.shadow.text()}"

    def equations(self) -> list[Sides]:
        """Left and right sides in LaTeX: g = ∇L, H = ∇g, higher derivatives ∇^m g[…]; then the start."""
        (leading, rows), writer = self._plain, self._writer(LATEX_STYLE)
        found = motion_equations(writer.sum(_negative(leading)), len(rows))
        found += [(rf"\xi_{{{k}}}", writer.sum(row)) for k, row in enumerate(rows)]
        if self.schedule:
            return [(left, primed_latex(right)) for left, right in found]
        return [*found, *(self.shadow.equations() if self.shadow else [])]

    def where(self) -> list[Sides]:
        """The update rule, the functions of g, and what the symbols mean."""
        functions = self._writer(LATEX_STYLE).definitions()
        rate = [(name, RATE_MEANING) for name in self.schedule if name == RATE_SYMBOL]
        found = meanings(self.optimizer, self.parameters, self.equations(), functions, self.shadow is None)
        return [*found, *rate]

    def sympy_lines(self) -> str:
        """Lines ``NAME = EXPRESSION`` that SymPy reads, elementary differentials as nested functions."""
        (_, rows), writer = self._plain, self._writer(SYMPY_STYLE)
        lines = [f"{name} = {value}" for name, value in [*writer.definitions(), self._first(writer)]]
        lines += [f"xi_{k} = {writer.sum(row)}" for k, row in enumerate(rows)]
        return "\n".join(lines + ([self.shadow.sympy_lines()] if self.shadow and self.shadow.terms else []))

    def _first(self, writer: Writer) -> tuple[str, str]:
        """Name and value of what comes before the counter terms in the lines for SymPy."""
        return "leading", writer.sum(self._plain[0])

    @property
    def _start_entry(self) -> dict[str, Any]:
        return {START: indexed_entries(self.shadow.rows, first=1)} if self.shadow else {}

    def start(self, memory: Mapping[str, object] | None = None) -> StartTerms:
        """Where the flow has to start to follow the iterates: θ̂_0 = θ_0 + Σ η^k c_k, to the order of the counter terms.

        ``memory`` and errors are those of ``eomsym.derivation.start_terms``, componentwise functions among them; for
        its numbers at a point there is ``eomsym.dynamics.start_at``.
        """
        from eomsym.derivation.start_terms import start_terms

        return start_terms(self.optimizer, self.order, self.parameters, memory)


@dataclass(frozen=True, repr=False)
class GeneralCounterterms(SlowEquation):
    """The equation of motion ``θ̇ = −leading − η Σ_k η^k ξ_k`` of an optimiser that needs more than plain trees.

    ``leading`` and each of ``terms`` list what is not zero.  ``fields`` says what ``g_1``, ``g_2``, … are of;
    ``functions`` defines the componentwise functions of g; ``schedule`` has the symbols of what depends on time, whose
    m-th derivative is the symbol with ``_dm`` behind it.  Coefficients are exact, as in ``Counterterms``.
    """

    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    leading: tuple[GeneralTerm, ...]
    terms: tuple[tuple[GeneralTerm, ...], ...]
    fields: tuple[str, ...] = ()
    functions: tuple[ComponentwiseFunction, ...] = ()
    shadow: StartTerms | None = None
    schedule: tuple[str, ...] = ()

    def records(self) -> list[dict[str, Any]]:
        """One row a term, as SymPy reads it; of the leading terms index is None."""
        writer = self._writer(SYMPY_STYLE)
        return [
            {"index": k, "term": writer.basis(basis), "coefficient": coefficient_text(coefficient)}
            for k, row in ((None, self.leading), *enumerate(self.terms))
            for coefficient, basis in plain(row)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: trees as bracket lists with colours, monomials as SymPy reads them."""
        (leading, rows), writer = self._plain, self._writer(SYMPY_STYLE)
        return {
            "optimizer": self.optimizer,
            "parameters": {name: str(value) for name, value in self.parameters.items()},
            "order": self.order,
            "fields": list(self.fields),
            "functions": dict(writer.definitions()),
            "leading": term_entries(leading, writer.basis),
            "counterterms": indexed_entries(rows, writer.basis),
            **({"schedule": list(self.schedule)} if self.schedule else {}),
            **self._start_entry,
        }

    def to_sympy(self, losses: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]) -> list[sympy.Matrix]:
        """``[leading, ξ_0, ξ_1, …]`` for concrete losses, one for each field, as columns of exact expressions."""
        from eomsym.derivation.concrete import general_of_fields

        return general_of_fields(self, [[loss.diff(name) for name in variables] for loss in losses], variables)

    @property
    def _plain(self) -> tuple[Pairs, Sequence[Pairs]]:
        return plain(self.leading), [plain(row) for row in self.terms]


def _negative(terms: Pairs) -> Pairs:
    return [(-coefficient, basis) for coefficient, basis in terms]


def plain(terms: Sequence[GeneralTerm]) -> list[tuple[Coefficient, ColouredTree | Monomial]]:
    """The terms as plain pairs, for ``eomsym.notation``."""
    return [(term.coefficient, term.basis) for term in terms]
