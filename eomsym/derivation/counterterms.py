"""``derive`` and its immutable result, the counter terms of an equation of motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import factorial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from eomsym import optimizers
from eomsym.checks import check_choice, check_integer
from eomsym.derivation.general_terms import RATE_SYMBOL, GeneralCounterterms, GeneralTerm, Pairs, SlowEquation
from eomsym.derivation.memory import check_memory, tree_demand
from eomsym.derivation.symbols import symbolic_parameters, symbols_of
from eomsym.derivation.tree_algebra import modified_tree_coefficients
from eomsym.derivation.vector_language import ComponentwiseFunction, Monomial, modified_vector_terms
from eomsym.derivation.whole_state import WholeStateEquation, derive_whole_state
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, exact
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.general import Writer
from eomsym.notation.json import KEYS, indexed_entries
from eomsym.notation.latex import mathtext
from eomsym.optimizers import RATE, Gradient, Loop, Optimizer, UpdateRule
from eomsym.schedules import constant
from eomsym.trees import LEAF, ColouredTree, Tree, count_coloured_trees, rooted_trees

if TYPE_CHECKING:
    import sympy
    from matplotlib.figure import Figure

    from eomsym.derivation.start_terms import StartTerms

#: Number of rooted trees grows like 2.96^n: 20 nodes are 12.8 million trees of the last order alone.
MAX_ORDER = 15
#: Coloured trees and monomials are far more.
MAX_COLOURED_ORDER = 6
MAX_VECTOR_ORDER = 3
#: The slow manifold, or θ with all that the optimiser remembers.
STATES = ("slow", "whole")


@dataclass(frozen=True)
class Term:
    """``coefficient · F_g(tree)``; the coefficient already holds 1/σ and the sign of ``f = −g``."""

    tree: Tree
    coefficient: Coefficient


@dataclass(frozen=True, repr=False)
class Counterterms(SlowEquation):
    """The equation of motion ``θ̇ = −c g − η Σ_k η^k ξ_k`` of an optimiser, with ``ξ_k = Σ coefficient · F_g(tree)``.

    ``terms[k]``, k < ``order``, lists every tree with ``k + 2`` nodes in canonical order, zero coefficients included.
    ``gradient_coefficient`` is c.  Coefficients are exact: ``Fraction``, or elements of a SymPy fraction field where a
    parameter stays a symbol.  ``shadow`` is the start of its flow, if it was derived too.
    """

    optimizer: str
    parameters: Mapping[str, Fraction]
    order: int
    gradient_coefficient: Coefficient
    terms: tuple[tuple[Term, ...], ...]
    shadow: StartTerms | None = None

    def records(self) -> list[dict[str, Any]]:
        """One row a tree; coefficients are exact, as text."""
        return [
            {"index": k, "tree": str(tree), "symmetry": tree.symmetry, "coefficient": coefficient_text(coefficient)}
            for k, row in enumerate(self.rows)
            for coefficient, tree in row
        ]

    @property
    def rows(self) -> list[list[tuple[Coefficient, Tree]]]:
        """The terms as plain pairs, for ``eomsym.notation``."""
        return [[(term.coefficient, term.tree) for term in terms] for terms in self.terms]

    @property
    def _plain(self) -> tuple[Pairs, Sequence[Pairs]]:
        return [(self.gradient_coefficient, LEAF)], self.rows

    def _first(self, writer: Writer) -> tuple[str, str]:
        return "gradient_coefficient", coefficient_text(self.gradient_coefficient)

    def mathtext(self) -> list[str]:
        r"""The equations, line by line, for Matplotlib's mathtext: ``$\xi_{0} = …$``."""
        return mathtext(self.equations())

    def to_dict(self) -> dict[str, Any]:
        """The object of the command line contract; ``Counterterms.from_json`` reads it back from ``to_json``."""
        values = (
            self.optimizer,
            {name: str(value) for name, value in self.parameters.items()},
            self.order,
            coefficient_text(self.gradient_coefficient),
            indexed_entries(self.rows),
        )
        return dict(zip(KEYS, values, strict=True)) | self._start_entry

    @classmethod
    def from_json(cls, text: str) -> Counterterms:
        """The counter terms that ``to_json`` wrote.  Raises ``InputError`` for anything else."""
        from eomsym.derivation.json_reader import parse_counterterms

        return parse_counterterms(text)

    def to_sympy(self, loss: sympy.Expr, variables: Sequence[sympy.Symbol]) -> list[sympy.Matrix]:
        """``[ξ_0, ξ_1, …]`` of a concrete loss, each a column of exact SymPy expressions in the order of ``variables``.

        Not simplified; ``sympy.expand`` or ``sympy.factor`` the entries as needed.
        """
        from eomsym.derivation.concrete import counterterms_sympy

        return counterterms_sympy(self, loss, variables)

    def plot(self, columns: int = 10) -> Figure:
        """The trees with their coefficients (``eomsym.derivation.figures.tree_figure``)."""
        from eomsym.derivation.figures import tree_figure

        return tree_figure(self, columns)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Counterterms.from_json, (self.to_json(),)


def derive(
    optimizer: str | Optimizer = "gradient-descent",
    order: int = 2,
    *,
    state: str = "slow",
    start: bool = False,
    schedule: Sequence[str] = (),
    **parameters: object,
) -> Counterterms | GeneralCounterterms | WholeStateEquation:
    """The counter terms ξ_0 … ξ_{order−1} of an optimiser, exactly, by step-index polynomials.

    ``order`` is the highest power of η kept; 0 is gradient flow.  Further keywords are the optimiser's parameters, each
    an exact number (int, ``Fraction`` or text such as ``"9/10"`` and ``"0.9"``); those not given stay symbols.
    ``optimizer`` is a name, an ``Optimizer`` of the user's own, or a library's name with all that is given for it:
    ``torch.SGD(momentum=1/3, nesterov=True)``, where what is not given has the library's default.  Optimisers with
    several fields, with decoupled decay, with powers of η beside those of g or with componentwise functions have
    ``GeneralCounterterms``.  With
    ``start=True`` the shadow start of a method with memory is derived too (``start_terms``).
    With ``state="whole"`` the memory is not eliminated: the result is the equation of motion of (θ, memory), and γ
    takes the place of each β: ``derive_whole_state``.
    ``schedule`` names what depends on time τ = nη: ``eta``, whose factor is then s(τ), and parameters, which stay
    symbols; derivatives s′, s″ have the symbols ``s_d1``, ``s_d2`` (``GeneralCounterterms``).
    Raises ``InputError`` for an unknown optimiser, an unknown or ill-formed parameter, an order that is no integer
    from 0 to 15 (6 with a schedule or several fields, 3 with componentwise functions), or more than 4 GB to be held.
    """
    names = (schedule,) if isinstance(schedule, str) else tuple(schedule)
    state = check_choice("state", state, STATES)
    if names and (start or state == "whole"):
        raise InputError("schedule: is derived on the slow manifold; leave start and state 'whole' out")
    if state == "whole":
        if start:
            raise InputError("start: the whole state begins at its real start; leave start out, or take state slow")
        return derive_whole_state(optimizer, order, **parameters)
    if names:
        return derive_scheduled(optimizer, order, names, **parameters)
    if not start:
        return derive_slow_manifold(optimizer, order, **parameters)
    from eomsym.derivation.start_terms import start_terms

    shadow = start_terms(optimizer, order, parameters)  # first, since it refuses more
    return replace(derive_slow_manifold(optimizer, order, **parameters), shadow=shadow)


def derive_slow_manifold(
    optimizer: str | Optimizer, order: int, **parameters: object
) -> Counterterms | GeneralCounterterms:
    """``derive`` where all memory is eliminated."""
    entry, values = chosen_with_counts(optimizer, parameters)
    order = check_order(order, demand=tree_demand)
    symbols = symbolic_parameters(entry, values)
    return _of_rule(entry, values, order, entry.rule(**values, **symbols), len(entry.fields(**values)), len(symbols))


def derive_scheduled(
    optimizer: str | Optimizer, order: int, names: Sequence[str], **parameters: object
) -> GeneralCounterterms:
    """``derive`` where η or parameters depend on time, with their derivatives as symbols."""
    entry, values = chosen_with_counts(optimizer, parameters)
    check_order(order, MAX_COLOURED_ORDER)
    for name in names:
        if name in values:
            raise InputError(f"{name} = {values[name]}: depends on time, so it has no value; leave it out")
    whole = Loop(entry, values, dict.fromkeys(names, constant()))
    free = [parameter.name for parameter in entry.parameters if parameter.name not in {*values, *names}]
    stems = {name: RATE_SYMBOL if name == RATE else name for name in names}
    if RATE_SYMBOL in {parameter.name for parameter in entry.parameters}:
        raise InputError(f"parameter {RATE_SYMBOL!r}: is what the factor of eta is called here; give it another name")
    every = [*free, *(f"{stem}_d{m}" if m else stem for stem in stems.values() for m in range(order + 1))]
    symbols = symbols_of(every)
    loop = replace(whole, values={**values, **{name: symbols[name] for name in (*free, *stems) if name in symbols}})
    taylor = {
        name: [symbols[f"{stem}_d{m}" if m else stem] * Fraction(1, factorial(m)) for m in range(order + 1)]
        for name, stem in stems.items()
    }
    return _of_rule(entry, values, order, loop.rule(taylor), len(loop.fields), len(every), tuple(stems.values()))


def _of_rule(
    entry: Optimizer,
    values: Mapping[str, Fraction],
    order: int,
    rule: UpdateRule,
    fields: int,
    symbols: int,
    schedule: tuple[str, ...] = (),
) -> Any:
    """The result for a rule in so many fields and symbols, of the kind that its terms need."""
    if not rule.linear:
        check_order(order, MAX_VECTOR_ORDER)
        return _general(entry, values, order, *modified_vector_terms(rule, order + 1), schedule)
    if fields > 1:
        check_order(order, MAX_COLOURED_ORDER)
    check_memory(order, _count_trees(rule, fields, order + 1), symbols)
    trees = modified_tree_coefficients(rule, order + 1)
    if fields > 1 or schedule or not rule.homogeneous:
        return _general(entry, values, order, trees, schedule=schedule)
    return _plain(entry, values, order, {tree.plain: value for field in trees for tree, value in field.items()})


def chosen_with_counts(
    optimizer: str | Optimizer, given: Mapping[str, object]
) -> tuple[Optimizer, dict[str, Fraction]]:
    """The optimiser and its exact parameters; those that count something have their default where none is given."""
    entry, values = optimizers.chosen(optimizer, given)
    for parameter in entry.parameters:
        if parameter.kind == "count" and parameter.name not in values:
            values[parameter.name] = parameter.usual()
    return entry, values


def _count_trees(rule: UpdateRule, colours: int, nodes: int) -> int:
    """Trees that a linear rule needs; θ is one more leaf if a step adds multiples of it, as decoupled decay does."""
    theta, points = rule.state(0), [atom.point for atom in rule.atoms if isinstance(atom, Gradient)]
    added = [term for made in (rule.moved(0), *rule.following[1:]) for term in made.terms]
    added += [term for made in (*points, *rule.stages) for term in made.terms if term[1] > 0]
    return sum(count_coloured_trees(nodes, colours, colours + any(atom == theta for atom, *_ in added)))


def _plain(
    entry: Optimizer, values: Mapping[str, Fraction], order: int, field: Mapping[Tree, Coefficient]
) -> Counterterms:
    """From the coefficients of ``F_g(τ)`` in the modified field, 1/σ included."""
    terms = tuple(
        tuple(Term(tree, exact(-field.get(tree, 0))) for tree in rooted_trees(index + 2)) for index in range(order)
    )
    return Counterterms(entry.name, MappingProxyType(dict(values)), order, exact(-field.get(LEAF, 0)), terms)


def _general(
    entry: Optimizer,
    values: Mapping[str, Fraction],
    order: int,
    fields: Sequence[Mapping[ColouredTree, Coefficient] | Mapping[Monomial, Coefficient]],
    functions: tuple[ComponentwiseFunction, ...] = (),
    schedule: tuple[str, ...] = (),
) -> GeneralCounterterms:
    scale = Fraction(-1, entry.steps(**values))
    leading, *terms = (
        tuple(GeneralTerm(basis, exact(value * scale)) for basis, value in field.items()) for field in fields
    )
    meanings = tuple(field.meaning for field in entry.fields(**values))
    return GeneralCounterterms(
        entry.name,
        MappingProxyType(dict(values)),
        order,
        leading,
        tuple(terms),
        meanings,
        functions,
        schedule=schedule,
    )


def derive_on_trees(optimizer: str | Optimizer, order: int, **parameters: object) -> Counterterms:
    """``derive`` for callers that need plain rooted trees; ``InputError`` too where the optimiser has other terms."""
    counterterms = derive_slow_manifold(optimizer, order, **parameters)
    if not isinstance(counterterms, Counterterms):
        raise InputError(
            f"optimizer {counterterms.optimizer!r}: this needs a series over plain rooted trees, which it has not; "
            "take gradient-descent or heavy-ball, say"
        )
    return counterterms


def check_order(order: object, maximum: int = MAX_ORDER, demand: Callable[[int], str] | None = None) -> int:
    """``order``, or ``InputError`` unless it is an integer from 0 to ``maximum``; ``demand`` says why not more."""
    return check_integer("order", order, 0, maximum, demand)
