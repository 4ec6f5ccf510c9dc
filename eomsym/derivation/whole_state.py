"""The equation of motion of an optimiser's whole state (θ, memory), exactly: nothing is eliminated.

The memory is slow: ``1 − β = γh`` goes with the small parameter, and the rule is solved as any other, with a field for
each state (``optimizers.whole_state`` has the scaling).  Heavy ball, to zeroth order: ``θ̈ + γθ̇ + g = 0``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eomsym import optimizers
from eomsym.checks import check_integer
from eomsym.derivation.formula import Formula, meanings
from eomsym.derivation.general_terms import GeneralTerm, plain
from eomsym.derivation.symbols import symbols_of
from eomsym.derivation.tree_algebra import TreeAlgebra
from eomsym.derivation.vector_language import ComponentwiseFunction, VectorAlgebra
from eomsym.exact_numbers import exact
from eomsym.notation.coefficients import symbol_latex
from eomsym.notation.general import LATEX_STYLE, SYMPY_STYLE, TEXT_STYLE, Style, Writer, state_symbols
from eomsym.notation.json import term_entries
from eomsym.notation.latex import power_latex
from eomsym.notation.text import power_text, subscript
from eomsym.notation.typesetting import Equation
from eomsym.optimizers import Optimizer, check_one_gradient, whole_state
from eomsym.step_index import integer_nodes, solve_slow

if TYPE_CHECKING:
    import sympy

#: Monomials of componentwise functions are many.
MAX_WHOLE_ORDER, MAX_WHOLE_VECTOR_ORDER = 6, 4


@dataclass(frozen=True, repr=False)
class WholeStateEquation(Formula):
    """``ż = F_0 + h F_1 + … + h^order F_order`` of the state z = (θ, memory), with ``η = h^power``, time nh.

    ``terms[k][i]`` lists what is not zero in F_k of state i, θ first; coefficients are exact and hold 1/σ.  A tree's
    leaf of colour −i is state i.  ``parameters`` are those given; ``shares`` pairs each β of the optimiser with its γ,
    ``β = 1 − γh``.  With ``power`` 2 a memory is in units of 1/h: what is called v here is h times the optimiser's.
    """

    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    power: int
    shares: tuple[tuple[str, str], ...]
    memory: tuple[str, ...]
    terms: tuple[tuple[tuple[GeneralTerm, ...], ...], ...]
    functions: tuple[ComponentwiseFunction, ...] = ()

    def text(self) -> str:
        """What the letters mean, then one line per term."""
        definitions, states = self._lines(TEXT_STYLE)
        lines = [
            self._scaling(),
            "ż = F₀" + "".join(f" + {power_text('h', k)} F{subscript(k)}" for k in range(1, len(self.terms))),
        ]
        lines += [f"{name} = {value}" for name, value in definitions]
        for state in states:
            lines += [f"{name}: F{subscript(k)} = {value}" for k, (name, value) in enumerate(state)]
        return "\n".join(lines)

    def equations(self) -> list[Equation]:
        """Left and right sides in LaTeX, one equation a state; products are componentwise."""
        _, states = self._lines(LATEX_STYLE)
        series = (
            " + ".join(
                value if k == 0 else rf"{power_latex('h', k)}\bigl({value}\bigr)"
                for k, (_, value) in enumerate(state)
                if value != "0" or len(state) == 1
            )
            for state in states
        )
        return [(rf"\dot{{{state[0][0]}}}", right) for state, right in zip(states, series, strict=True)]

    def where(self) -> list[Equation]:
        """The scaling, the update rule, the functions that occur, and what the symbols mean."""
        functions, states = self._lines(LATEX_STYLE)
        shares = [(symbol_latex(share), f"1 - {symbol_latex(decay)} h") for share, decay in self.shares]
        memory = ", ".join(state[0][0] for state in states[1:])
        units = [("", rf"\text{{${memory}$ here: $h$ times the optimiser's}}")] if self.power == 2 else []
        derivative = ("", r"\text{the dot: the derivative by the time $n h$ after $n$ steps}")
        scaling = [(r"\eta", power_latex("h", self.power).removesuffix(r"\,")), *shares, *units, derivative]
        return [*scaling, *meanings(self.optimizer, {}, self.equations(), functions, fading=False)]

    def sympy_lines(self) -> str:
        """Lines ``NAME_k = EXPRESSION`` that SymPy reads; products are componentwise."""
        definitions, states = self._lines(SYMPY_STYLE)
        lines = [f"{name} = {value}" for name, value in definitions]
        return "\n".join(lines + [f"{name}_{k} = {value}" for state in states for k, (name, value) in enumerate(state)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values: trees as bracket lists with colours, monomials as SymPy reads them."""
        return {
            "optimizer": self.optimizer,
            "parameters": {name: str(value) for name, value in self.parameters.items()},
            "order": self.order,
            "state": ["theta", *self.memory],
            "scaling": {"eta": f"h^{self.power}", **{share: f"1 - {decay}*h" for share, decay in self.shares}},
            "functions": dict(self._lines(SYMPY_STYLE)[0]),
            "terms": [{"index": k, "fields": list(map(self._entries, row))} for k, row in enumerate(self.terms)],
        }

    def records(self) -> list[dict[str, Any]]:
        """One row a term; trees as bracket lists with colours, monomials as SymPy reads them."""
        states = ("theta", *self.memory)
        return [
            {"index": k, "state": state, **{"tree": None, "term": None}, **entry}
            for k, row in enumerate(self.terms)
            for state, field in zip(states, row, strict=True)
            for entry in self._entries(field)
        ]

    def to_sympy(
        self, loss: sympy.Expr, variables: Sequence[sympy.Symbol], memory: Sequence[Sequence[sympy.Expr]]
    ) -> list[list[sympy.Matrix]]:
        """``F_k`` of each state for a concrete loss, as columns; ``memory`` has the other states' components."""
        from eomsym.notation.general_sympy import general_combinations

        gradient = [loss.diff(name) for name in variables]
        return [
            general_combinations([plain(field) for field in row], self.functions, [gradient], variables, memory)
            for row in self.terms
        ]

    def _lines(self, style: Style) -> tuple[list[Equation], list[list[Equation]]]:
        """Definitions of functions, then name and value of each term, a list for each state."""
        writer = Writer(style, False, self.functions, self.memory)
        states = [[(name, writer.sum(plain(row[i]))) for row in self.terms] for i, name in enumerate(writer.states)]
        return writer.definitions(), states

    def _scaling(self) -> str:
        letters = ", ".join(state_symbols(self.memory))
        shares = ", ".join(f"{share} = 1 − {decay} h" for share, decay in self.shares)
        units = f"; {letters} in units of 1/h" if self.power == 2 else ""
        scaled = f"η = {power_text('h', self.power)}" + (f", {shares}" if shares else "")
        return f"{scaled}; z = (θ, {letters}), time nh{units}"

    def _entries(self, field: Sequence[GeneralTerm]) -> list[dict[str, Any]]:
        return term_entries(plain(field), Writer(SYMPY_STYLE, False, self.functions, self.memory).basis)


def derive_whole_state(optimizer: str | Optimizer, order: int, **parameters: object) -> WholeStateEquation:
    """The equation of motion of the whole state; γ takes the place of each share β, and what is not given is a symbol.

    Raises ``InputError`` for an optimiser without a slow memory or of several gradients, a bad value, or an order that
    is no integer from 0 to 6 (4 with componentwise functions).
    """
    entry, own, rest = optimizers.form(optimizer, parameters)
    scaling = whole_state(entry)
    check_one_gradient(entry, {})
    values = scaling.read_parameters(scaling.beside_shares(own or {}) | rest, complete=False)
    names = [parameter.name for parameter in scaling.parameters if parameter.name not in values]
    rule = scaling.rule(**values, **symbols_of(names))
    check_integer("order", order, 0, MAX_WHOLE_ORDER if rule.linear else MAX_WHOLE_VECTOR_ORDER)
    tables = integer_nodes(rule, order + 1)
    algebra = TreeAlgebra(tables) if rule.linear else VectorAlgebra(tables)
    rows = solve_slow(rule, algebra, order + 1)
    return WholeStateEquation(
        entry.name,
        MappingProxyType(values),
        order,
        scaling.power,
        scaling.decays,
        entry.memory,
        tuple(tuple(_terms(field) for field in row) for row in rows),
        tuple(getattr(algebra, "functions", ())),
    )


def _terms(field: Any) -> tuple[GeneralTerm, ...]:
    """Of a series of trees, whose values still want 1/σ, or a list with one combination."""
    if isinstance(field, list):
        return tuple(GeneralTerm(basis, exact(value)) for basis, value in sorted(field[0].items()) if value != 0)
    found = ((tree, values[0] * Fraction(1, tree.symmetry)) for tree, values in sorted(field.items(), reverse=True))
    return tuple(GeneralTerm(tree, exact(value)) for tree, value in found if value != 0)
