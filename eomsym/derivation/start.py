"""The shadow start on rooted trees: where the slow manifold of a method with memory is entered.

From its real start the iterate of a method with memory is ``θ_n = θ_0 + Σ_k η^k θ_n[k]``, each coefficient a
quasi-polynomial in n: a polynomial, and terms that fade with the memory.  The polynomial part is the smooth path on the
slow manifold, and its value at n = 0 is where that path starts.  The solver of ``step_index`` finds it in the ring of
quasi-polynomials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from eomsym.checks import shown
from eomsym.derivation.posing import check_order
from eomsym.derivation.tree_algebra import Series, TreeAlgebra
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, read_rational
from eomsym.optimizers import Optimizer
from eomsym.optimizers.rule import Gradient, Linear, State, UpdateRule
from eomsym.optimizers.tracing import trace
from eomsym.step_index import Tables, solve
from eomsym.step_index.quasi_polynomials import QuasiPolynomial
from eomsym.step_index.tables import Matrix
from eomsym.trees import LEAF, THETA, Tree, slow_leaf

#: Four seconds with a symbol at order 6; each order more takes four times as long.
MAX_START_ORDER = 8
#: ``Σ coefficient · F(tree)``: what a memory starts as.
Combination = Mapping[Tree, Coefficient]


def start_rows(
    entry: Optimizer, parameters: Mapping[str, Coefficient], order: int, memory: Mapping[str, object], fields: int
) -> tuple[list[dict[Tree, Coefficient]], bool]:
    """``[c_1, …, c_order]`` of ``θ̂_0 = θ_0 + Σ η^k c_k``, zeros left out; whether all are plain trees, c_k of k nodes.

    ``memory`` says what a memory starts as, by its name, where that is not the optimiser's own start: 0, ``"g"`` (the
    gradient at θ_0), ``"v"`` (a symbol, for a hand-over with any value), or multiples of both, ``{"g": "9/10"}``.
    Raises ``InputError`` for a rule with componentwise functions, an order above 8, an unknown memory or start.
    """
    rule = trace(entry.step, 1 + len(entry.memory), parameters)
    if entry.memory and not rule.linear:
        raise InputError(
            f"start: {entry.name} has componentwise functions, whose start has no terms; "
            "eomsym.dynamics.shadow_start(kernel, theta, eta, order) has its numbers"
        )
    if entry.memory:
        check_order(order, MAX_START_ORDER)
    starts = _own_memory(entry, parameters) | _read_memory(entry, memory, fields)
    if not entry.memory:
        return [{} for _ in range(order)], fields == 1 and rule.linear
    algebra = StartAlgebra(starts)
    rows = [algebra.row(start) for start in solve(rule, algebra, order)]
    in_place = all(tree.is_plain and tree.order == k for k, row in enumerate(rows, start=1) for tree in row)
    return rows, fields == 1 and in_place


class _OneValue(Tables):
    """A quasi-polynomial is one value and needs no nodes."""

    def known(self, level: int) -> int:
        return 1

    def extension(self, level: int) -> Matrix:
        return ((1,),)


class StartAlgebra(TreeAlgebra):
    """B-series whose coefficients are quasi-polynomials in the step number; difference equations keep their start.

    ``memory`` has what state 1, 2, … starts as, where that is not zero.
    """

    def __init__(self, memory: Mapping[int, Combination]) -> None:
        super().__init__(_OneValue((Fraction(0),)))
        self._memory = memory

    def solve_memory(self, share: Coefficient, index: int, values: Series, level: int) -> Series:
        start = self._memory.get(index, {}) if level == 0 else {}
        return {
            tree: [_quasi(values[tree][0] if tree in values else 0).solved(share, start.get(tree, 0))]
            for tree in {**values, **start}
        }

    def antidifference(self, values: Series, level: int) -> Series:
        return {tree: [_quasi(value).solved(1)] for tree, (value,) in values.items()}

    def logarithm(self, values: Series, level: int) -> Series:
        """Here what is read from the increments of θ is not the field but the start of the part that stays."""
        return {tree: [value.lasting] for tree, (value,) in self.antidifference(values, level).items()}


def _quasi(value: QuasiPolynomial | Coefficient) -> QuasiPolynomial:
    return value if isinstance(value, QuasiPolynomial) else QuasiPolynomial.constant(value)


def _own_memory(entry: Optimizer, parameters: Mapping[str, Coefficient]) -> dict[int, Combination]:
    """What each memory of a linear rule starts as; ``InputError`` if it is no combination of θ and g there."""
    initial = entry.initial
    if initial is None:
        return {}

    def before(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **others: Any) -> tuple[Any, ...]:
        return (state[0], *initial(gradient, state[0], **others))

    rule = trace(before, 1 + len(entry.memory), parameters)
    return {index: _combination(entry, rule, rule.following[index]) for index in range(1, 1 + len(entry.memory))}


def _combination(entry: Optimizer, rule: UpdateRule, linear: Linear) -> Combination:
    theta = Linear(((rule.state(0), 0, 1),))
    found: dict[Tree, Coefficient] = {}
    for number, power, coefficient in linear.terms:
        match rule.atoms[number]:
            case State(0) if power == 0:
                found[THETA] = coefficient
            case Gradient(field, point) if power == 0 and point == theta:
                found[Tree(colour=field + 1)] = coefficient
            case _:
                raise InputError(
                    f"start: the memory of {entry.name} starts as more than a multiple of theta and g there; "
                    "eomsym.dynamics.shadow_start(kernel, theta, eta, order) has the numbers"
                )
    return found


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
    words = {"v": slow_leaf(index)} | ({"g": LEAF} if fields == 1 else {})
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
