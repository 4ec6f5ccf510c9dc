"""What is derived: a rule with exact values and symbols, which algebra it is solved in, and how far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import factorial
from typing import Any

from eomsym import optimizers
from eomsym.checks import check_integer
from eomsym.derivation.algebras import TreeAlgebra, VectorAlgebra
from eomsym.derivation.state_noise import MeanAlgebra
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient
from eomsym.notation.terms import Row
from eomsym.optimizers import Optimizer
from eomsym.optimizers.loop import Loop
from eomsym.optimizers.registry import form
from eomsym.optimizers.rule import Gradient, UpdateRule
from eomsym.optimizers.whole_state import WholeState, chosen_whole
from eomsym.schedules import constant
from eomsym.schedules.schedule import RATE
from eomsym.step_index.solver import solve_slow
from eomsym.step_index.tables import integer_nodes
from eomsym.trees import count_coloured_trees

#: Number of rooted trees grows like 2.96^n: 20 nodes are 12.8 million trees of the last order alone.
MAX_ORDER = 15
#: Coloured trees and monomials are far more; the last is of the whole state.
MAX_COLOURED_ORDER, MAX_VECTOR_ORDER, MAX_WHOLE_VECTOR_ORDER = 6, 3, 4
#: Of the whole state under noise, with trees and with monomials.
MAX_NOISE_ORDER, MAX_NOISE_VECTOR_ORDER = 2, 1
#: Of a derivation, some 4 GB: 3 kB a tree with numbers, 100 kB with each parameter that is a symbol.
MAX_TREES, MAX_SYMBOLIC_TREES = 1_333_333, 40_000
#: The factor of η where that depends on time.
RATE_SYMBOL = "s"
#: What there is of rules whose terms are not written out.
NUMBERS = "take its numbers at a point, by counterterms or verify"
#: The slow manifold, or θ with all that the optimiser remembers.
STATES = ("slow", "whole")


@dataclass(frozen=True)
class Posed:
    """A rule to be solved; ``fields`` says what its gradients are of, ``schedule`` what depends on time, by symbols."""

    entry: Optimizer
    values: Mapping[str, Fraction]
    symbols: Mapping[str, Coefficient]
    rule: UpdateRule
    fields: tuple[str, ...]
    schedule: tuple[str, ...] = ()
    scaling: WholeState | None = None
    noise: bool = False

    @property
    def plain(self) -> bool:
        """Whether all terms are rooted trees of one gradient, each in the row of its number of nodes."""
        single = len(self.fields) == 1 and not self.schedule and self.scaling is None
        return single and self.rule.linear and self.rule.homogeneous

    @property
    def highest(self) -> int:
        """The highest order to which it is derived."""
        whole = self.scaling is not None
        if self.noise:
            return MAX_NOISE_ORDER if self.rule.linear else MAX_NOISE_VECTOR_ORDER
        if not self.rule.linear:
            return MAX_WHOLE_VECTOR_ORDER if whole else MAX_VECTOR_ORDER
        return MAX_COLOURED_ORDER if whole or len(self.fields) > 1 or self.schedule or self.rule.images else MAX_ORDER

    @property
    def head(self) -> dict[str, Any]:
        """What an ``Equation`` says of it beside its terms."""
        head: dict[str, Any] = {"optimizer": self.entry.name, "parameters": self.values}
        head |= {"fields": self.fields, "schedule": self.schedule}
        if self.scaling is not None:
            head |= {"power": self.scaling.power, "shares": self.scaling.decays, "memory": self.entry.memory}
        return head

    def solved(self, order: int) -> tuple[list[list[Row]], dict[str, tuple[Any, ...]]]:
        """The modified field of each slow state for each power of η up to ``order``, zeros left out; what it is of.

        Raises ``InputError`` for an order that is too high, or for too many trees.
        """
        check_order(order, self.highest, self._limit)
        if self.noise and self.rule.images:
            raise InputError(f"noise: {self.entry.name} calls maps of blocks, whose noise is not derived; leave it out")
        if self.rule.unwritten:
            raise InputError(f"optimizer {self.entry.name!r}: {self.rule.unwritten}; {NUMBERS}")
        if self.rule.linear and self.scaling is None:
            self._check_trees(order)
        tables = integer_nodes(self.rule, order + 1)
        vectors = MeanAlgebra if self.noise else VectorAlgebra
        algebra: Any = TreeAlgebra(tables, len(self.fields)) if self.rule.linear else vectors(tables)
        levels = solve_slow(self.rule, algebra, order + 1)
        names = {name: tuple(getattr(algebra, name, ())) for name in ("functions", "vertices")}
        return [[algebra.row(field) for field in level] for level in levels], names

    def _limit(self, order: int) -> str:
        return f"{self.entry.name} is derived to order {self.highest}{' with noise' if self.noise else ''}"

    def _check_trees(self, order: int) -> None:
        """θ is one more leaf if a step adds multiples of it, as decoupled decay does."""
        rule, colours = self.rule, len(self.fields) + len(self.rule.images)
        theta, points = rule.state(0), [atom.point for atom in rule.atoms if isinstance(atom, Gradient)]
        added = [term for made in (rule.moved(0), *rule.following[1:]) for term in made.terms]
        added += [term for made in (*points, *rule.stages) for term in made.terms if term[1] > 0]
        trees = sum(count_coloured_trees(order + 1, colours, colours + any(atom == theta for atom, *_ in added)))
        most = MAX_SYMBOLIC_TREES // len(self.symbols) if self.symbols else MAX_TREES
        if trees > most:
            right = "give a lower order" + (", or values to the parameters" if self.symbols else "")
            raise InputError(f"order {order}: {trees} rooted trees, and {most} are allowed; {right}")


def pose(
    optimizer: str | Optimizer,
    order: int,
    parameters: Mapping[str, object],
    state: str = "slow",
    schedule: Sequence[str] = (),
    noise: bool = False,
) -> Posed:
    """The rule that ``derive`` solves.  Raises ``InputError`` as ``derive`` does."""
    if state == "whole":
        return _noisy(optimizer, parameters) if noise else _whole(optimizer, parameters)
    entry, values = optimizers.chosen(optimizer, parameters)
    entry.check_ungrouped("a derivation")
    for parameter in entry.parameters:
        if parameter.kind == "count" and parameter.name not in values:
            values[parameter.name] = parameter.usual()
    check_order(order)
    fields = tuple(field.meaning for field in entry.fields(**values))
    if schedule:
        return _scheduled(entry, values, fields, order, schedule)
    symbols = symbolic_parameters(entry, values)
    return Posed(entry, values, symbols, entry.rule(**values, **symbols), fields)


def _whole(optimizer: str | Optimizer, parameters: Mapping[str, object]) -> Posed:
    """γ takes the place of each share β."""
    scaling, values = chosen_whole(optimizer, parameters)
    entry = scaling.optimizer
    entry.check_ungrouped("a derivation")
    symbols = symbolic_parameters(scaling.taking_rates, values)
    fields = tuple(field.meaning for field in entry.fields())
    return Posed(entry, values, symbols, scaling.rule(**values, **symbols), fields, scaling=scaling)


def _noisy(optimizer: str | Optimizer, parameters: Mapping[str, object]) -> Posed:
    """The whole state on batches drawn independently."""
    entry, *_ = form(optimizer, parameters)
    if not entry.memory:
        raise InputError(
            f"noise: the generator is derived for gradient-descent and rules with a memory, not for {entry.name}; "
            "leave it out"
        )
    posed = _whole(optimizer, parameters)
    if posed.rule.evaluations != 1:
        raise InputError(
            f"noise: a step of {entry.name} takes {posed.rule.evaluations} gradients; the generator is derived for one"
        )
    return replace(posed, noise=True)


def _scheduled(
    entry: Optimizer, values: Mapping[str, Fraction], fields: tuple[str, ...], order: int, names: Sequence[str]
) -> Posed:
    """η or parameters depend on time, with their derivatives as symbols."""
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
    return Posed(entry, values, symbols, loop.rule(taylor), fields, tuple(stems.values()))


def symbolic_parameters(entry: Optimizer, given: Mapping[str, Fraction]) -> dict[str, Coefficient]:
    """The optimiser's parameters that have no value, as generators of one fraction field over the rationals."""
    return symbols_of([parameter.name for parameter in entry.parameters if parameter.name not in given])


def symbols_of(names: Sequence[str]) -> dict[str, Coefficient]:
    """Generators of one fraction field over the rationals, by their names."""
    if not names:
        return {}
    import sympy

    return dict(zip(names, sympy.field(names, sympy.QQ)[1:], strict=True))


def check_order(order: object, maximum: int = MAX_ORDER, why: Callable[[int], str] | None = None) -> int:
    """``order``, or ``InputError`` unless it is an integer from 0 to ``maximum``; ``why`` says what limits it."""
    return check_integer("order", order, 0, maximum, why)
