"""Where the slow manifold of a method with memory is entered, as terms: the shadow start of the equation of motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eomsym import optimizers
from eomsym.checks import shown
from eomsym.derivation.counterterms import check_order, chosen_with_counts
from eomsym.derivation.formula import Formula
from eomsym.derivation.symbols import symbolic_parameters
from eomsym.derivation.tree_start import Combination, tree_start
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, read_rational
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.general import LATEX_STYLE, SYMPY_STYLE, TEXT_STYLE, Style, Writer, state_symbols
from eomsym.notation.json import START, indexed_entries
from eomsym.notation.latex import power_latex
from eomsym.notation.text import power_text
from eomsym.notation.typesetting import Sides
from eomsym.optimizers import Gradient, Linear, Optimizer, State, UpdateRule
from eomsym.trees import THETA, ColouredTree, Tree, rooted_trees, slow_leaf

if TYPE_CHECKING:
    import sympy

#: Four seconds with a symbol at order 6; each order more takes four times as long.
MAX_START_ORDER = 8

Basis = Tree | ColouredTree


@dataclass(frozen=True, repr=False)
class StartTerms(Formula):
    """The shadow start ``θ̂_0 = θ_0 + Σ_{k≥1} η^k c_k``, ``c_k = Σ coefficient · F_g(tree)``.

    ``terms[k − 1]`` maps trees to the coefficients of c_k, 1/σ included.  Of plain trees every one with k nodes is
    there, zeros included.  Where they do not suffice (a memory that starts as a symbol, θ itself as a leaf, powers of η
    beside those of g, several ``fields``) they are coloured trees, zeros left out, leaf −i being what number i of the
    ``memory`` starts as.
    """

    terms: tuple[Mapping[Basis, Coefficient], ...]
    fields: int = 1
    memory: tuple[str, ...] = ()

    @property
    def rows(self) -> list[list[tuple[Coefficient, Basis]]]:
        """The terms as plain pairs, for ``eomsym.notation``."""
        return [[(coefficient, tree) for tree, coefficient in row.items()] for row in self.terms]

    def text(self) -> str:
        """The series, then one line a term: ``c_1 = beta/(1 - beta)**2 g``; of no terms ``θ̂_0 = θ_0``."""
        writer = self._writer(TEXT_STYLE)
        series = "".join(f" + {power_text('η', k)} c_{k}" for k, _ in self._moving)
        return "\n".join([f"θ̂_0 = θ_0{series}", *(f"c_{k} = {writer.sum(row)}" for k, row in self._moving)])

    @property
    def summary(self) -> str:
        """The order and the numbers of terms."""
        return f"order {len(self.terms)}, {[len(row) for row in self.terms]} terms"

    def records(self) -> list[dict[str, Any]]:
        """One row a tree; coefficients are exact, as text."""
        return [
            {"index": k, "tree": str(tree), "coefficient": coefficient_text(coefficient)}
            for k, row in enumerate(self.rows, start=1)
            for coefficient, tree in row
        ]

    def to_dict(self) -> dict[str, Any]:
        """The terms, as in the JSON of ``derive``."""
        return {START: indexed_entries(self.rows, first=1)}

    def equations(self) -> list[Sides]:
        """Left and right sides in LaTeX."""
        writer = self._writer(LATEX_STYLE)
        series = "".join(" + " + power_latex(r"\eta", k) + f"c_{{{k}}}" for k, _ in self._moving)
        equations = [(f"c_{{{k}}}", writer.sum(row)) for k, row in self._moving]
        return [(r"\hat{\theta}_{0}", rf"\theta_{{0}}{series}"), *equations]

    def sympy_lines(self) -> str:
        """Lines ``c_1 = EXPRESSION`` that SymPy reads, one for each power of η."""
        writer = self._writer(SYMPY_STYLE)
        return "\n".join(f"c_{k} = {writer.sum(row)}" for k, row in enumerate(self.rows, start=1))

    @property
    def _moving(self) -> list[tuple[int, list[tuple[Coefficient, Basis]]]]:
        """The rows by their powers of η; none where all terms are zero."""
        return [*enumerate(self.rows, start=1)] if any(value != 0 for row in self.rows for value, _ in row) else []

    def _writer(self, style: Style) -> Writer:
        """Its trees may have leaves that stand for what a memory starts as, v₀."""
        writer = Writer(style, self.fields > 1)
        writer.states += map(style.start, state_symbols(self.memory))
        return writer

    def to_sympy(self, loss: sympy.Expr, variables: Sequence[sympy.Symbol]) -> list[sympy.Matrix]:
        """``[c_1, c_2, …]`` of a concrete loss, each a column of exact expressions in the order of ``variables``.

        Raises ``InputError`` where the terms are not plain trees.
        """
        from eomsym.notation.sympy import combinations_of_trees

        rows = [[(value, plain_tree(tree)) for value, tree in row] for row in self.rows]
        return combinations_of_trees(rows, [loss.diff(name) for name in variables], variables)


def start_terms(
    optimizer: str | Optimizer,
    order: int,
    given: Mapping[str, object],
    memory: Mapping[str, object] | None = None,
) -> StartTerms:
    """The shadow start to η^order, exactly; parameters that are not ``given`` stay symbols.

    ``memory`` says what a memory starts as, by its name, where that is not the optimiser's own start: 0, ``"g"`` (the
    gradient at θ_0), ``"v"`` (a symbol, for a hand-over with any value), or multiples of both, ``{"g": "9/10"}``.
    Raises ``InputError`` for a rule with componentwise functions, an order above 8, an unknown memory or start.
    """
    entry, values = chosen_with_counts(optimizer, given)
    complete = values | symbolic_parameters(entry, values)
    rule = check_start(entry, complete, order)
    fields = len(entry.fields(**values))
    starts = own_memory(entry, complete) | _read_memory(entry, {} if memory is None else memory, fields)
    found = tree_start(rule, starts, order) if entry.memory else [{} for _ in range(order)]
    plain = all(_is_plain(tree) and tree.order == k for k, row in enumerate(found, start=1) for tree in row)
    if fields == 1 and rule.linear and plain:
        return StartTerms(tuple(_listed(row, k) for k, row in enumerate(found, start=1)))
    coloured = tuple(MappingProxyType(dict[Basis, Coefficient](row.items())) for row in found)
    return StartTerms(coloured, fields, entry.memory)


def check_start(entry: Optimizer, parameters: Mapping[str, Coefficient], order: int) -> UpdateRule:
    """The rule of all states, those that fade included; ``InputError`` unless its start has terms to this order."""
    rule = optimizers.trace(entry.step, 1 + len(entry.memory), parameters)
    if not entry.memory:
        return rule
    if not rule.linear:
        raise InputError(
            f"start: {entry.name} has componentwise functions, whose start has no terms; "
            "eomsym.dynamics.shadow_start(kernel, theta, eta, order) has its numbers"
        )
    check_order(order, MAX_START_ORDER)
    return rule


def own_memory(entry: Optimizer, parameters: Mapping[str, Coefficient]) -> dict[int, Combination]:
    """What each memory of a linear rule starts as; ``InputError`` if it is no combination of θ and g there."""
    initial = entry.initial
    if initial is None:
        return {}

    def before(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **others: Any) -> tuple[Any, ...]:
        return (state[0], *initial(gradient, state[0], **others))

    rule = optimizers.trace(before, 1 + len(entry.memory), parameters)
    return {index: _combination(entry, rule, rule.following[index]) for index in range(1, 1 + len(entry.memory))}


def _combination(entry: Optimizer, rule: UpdateRule, linear: Linear) -> Combination:
    theta = Linear(((rule.state(0), 0, 1),))
    found: dict[ColouredTree, Coefficient] = {}
    for number, power, coefficient in linear.terms:
        match rule.atoms[number]:
            case State(0) if power == 0:
                found[THETA] = coefficient
            case Gradient(field, point) if power == 0 and point == theta:
                found[ColouredTree(field + 1)] = coefficient
            case _:
                raise InputError(
                    f"start: the memory of {entry.name} starts as more than a multiple of theta and g there; "
                    "eomsym.dynamics.shadow_start(kernel, theta, eta, order) has the numbers"
                )
    return found


def plain_tree(tree: Basis) -> Tree:
    """The tree without colours.  Raises ``InputError`` if it is none: a field's number or a start stands in it."""
    if isinstance(tree, Tree):
        return tree
    if not _is_plain(tree):
        raise InputError(
            f"start: its tree {tree} is over more than one g; eomsym.dynamics.shadow_start(kernel, theta, eta, order) "
            "has its numbers"
        )
    return tree.plain


def _is_plain(tree: ColouredTree) -> bool:
    return tree == ColouredTree.of(tree.plain)


def _listed(row: Mapping[ColouredTree, Coefficient], nodes: int) -> Mapping[Basis, Coefficient]:
    known = {tree.plain: value for tree, value in row.items()}
    return MappingProxyType({tree: known.get(tree, Fraction(0)) for tree in rooted_trees(nodes)})


def _read_memory(entry: Optimizer, given: Mapping[str, object], fields: int) -> dict[int, Combination]:
    if not isinstance(given, Mapping):
        raise InputError(f"memory {shown(given)}: give starts by name, such as {{'velocity': 'v'}}")
    for name in given:
        if name not in entry.memory:
            known = ", ".join(map(repr, entry.memory)) or "none"
            raise InputError(f"memory {shown(name)}: {entry.name} does not have it; its memory is {known}")
    return {
        index: _read_combination(name, given[name], index, fields)
        for index, name in enumerate(entry.memory, start=1)
        if name in given
    }


def _read_combination(name: str, value: object, index: int, fields: int) -> Combination:
    words = {"v": slow_leaf(index)} | ({"g": ColouredTree(1)} if fields == 1 else {})
    if isinstance(value, str) and value in words:
        value = {value: 1}
    if isinstance(value, Mapping) and all(word in words for word in value):
        return {words[word]: _read_number(name, number) for word, number in value.items()}
    if isinstance(value, (int, float)) and value == 0:
        return {}
    allowed = " or ".join(map(repr, words))
    raise InputError(f"memory {name!r} starts as {shown(value)}: give 0, {allowed}, or a mapping of these to numbers")


def _read_number(name: str, value: object) -> Coefficient:
    return value if hasattr(value, "numer") else read_rational(f"memory {name!r}", value)
