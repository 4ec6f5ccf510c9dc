"""Rules of elementary functions: the quadratic systems of ``series.elementary`` on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from eomsym.arrays.machine import Backend, Operand, Row, Rule, RuleMaker, Series, total
from eomsym.arrays.program import Instruction
from eomsym.arrays.rules import TIMES, added, entrywise, first_output, inner_rows, times
from eomsym.series.elementary import (
    ARGUMENT,
    ELEMENTARY,
    Combination,
    ElementaryFunction,
    Integral,
    Product,
    Reciprocal,
    Relation,
    power,
)

#: Exponents up to this one are products; above, and for fractions, powers have a system of their own.
LARGEST_PRODUCT = 1024
#: So many different exponents in one array are taken one by one.
MOST_EXPONENTS = 8


class System:
    """The quadratic system of an elementary function at a series."""

    def __init__(
        self,
        function: ElementaryFunction,
        argument: Series,
        backend: Backend,
        seeds: Mapping[str, Callable[..., Any]] | None = None,
        scale: Any = 1,
    ) -> None:
        self._function, self._backend, self._scale = function, backend, scale
        all_seeds = {**backend.seeds, **(seeds or {})}
        self._members: dict[str, Series] = {ARGUMENT: argument}
        for relation in function.relations:
            if isinstance(relation, Integral):
                self._members[relation.target] = Series(argument.rows, all_seeds[relation.seed](argument[0]))
        for relation in function.relations:
            if isinstance(relation, Reciprocal):
                self._members[relation.target] = Series(argument.rows, 1 / self._members[relation.of][0])
            elif isinstance(relation, Combination):
                self._members[relation.target] = Series(argument.rows, self._combination(relation, 0))

    @property
    def value(self) -> Series:
        """The series of the function's value."""
        return self._members[self._function.value]

    def rule(self) -> Rule:
        """The rule for the function's value."""

        def rule(level: int) -> list[Any]:
            self.advance(level)
            return [self.value[level]]

        return rule

    def advance(self, level: int) -> None:
        """Appends coefficient ``level`` of all members."""
        for relation in self._function.relations:
            target = self._members[relation.target]
            target.values.append(self._next(relation, target, level))

    def _next(self, relation: Relation, target: Series, level: int) -> Any:
        if isinstance(relation, Integral):
            return self._integral(relation, level)
        if isinstance(relation, Reciprocal):
            return _reciprocal(self._members[relation.of], target, level, self._backend)
        return self._combination(relation, level)

    def _integral(self, relation: Integral, level: int) -> Any:
        argument, factor = self._members[ARGUMENT], self._members[relation.factor]
        first = factor[0] if relation.sign == 1 else relation.sign * factor[0]
        moved = [row * first for row in argument[level]]
        if level == 1:
            return moved

        def convolve(arguments: Row, factors: Row) -> Any:
            weighted = [(relation.sign * i / level) * row for i, row in enumerate(arguments, 1)]
            return entrywise(TIMES, weighted, factors, self._backend)

        return added(moved, inner_rows(argument, factor, level, convolve))

    def _combination(self, relation: Combination, level: int) -> Any:
        linear = [self._members[member][level] for member in relation.linear]
        products = [(product.sign, self._multiplied(product, level)) for product in relation.products]
        if level == 0:
            return self._scaled(
                relation, total([relation.constant, *linear, *(sign * part for sign, part in products)])
            )
        rows = [*linear, *(part if sign == 1 else [sign * row for row in part] for sign, part in products)]
        return [self._scaled(relation, row) for row in added(*rows)]

    def _scaled(self, relation: Combination, value: Any) -> Any:
        value = value if relation.weight == 1 else value * float(relation.weight)
        return value if self._scale is _ONE else value * self._scale

    def _multiplied(self, product: Product, level: int) -> Any:
        return times(self._members[product.left], self._members[product.right], level, self._backend)


_ONE = 1


def _reciprocal(of: Series, target: Series, level: int, backend: Backend) -> Row:
    rest = [row * target[0] for row in of[level]]
    if level > 1:
        rest = added(rest, inner_rows(of, target, level, lambda a, b: entrywise(TIMES, a, b, backend)))
    return [-row * target[0] for row in rest]


def function(name: str, same: bool = True) -> RuleMaker:
    """An elementary function, by its name in ``ELEMENTARY``; ``same`` says whether its value is the operation's."""
    known, value = ELEMENTARY[name], ELEMENTARY[name].value
    own = {part.seed for part in known.relations if same and isinstance(part, Integral) and part.target == value}

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        return System(known, series[0], backend, dict.fromkeys(own, _made(instruction, series))).rule()

    return maker


def _made(instruction: Instruction, series: Sequence[Operand]) -> Callable[..., Any]:
    """A seed that was made already: the operation's value."""
    return lambda _: series[0].rows.made(instruction)


def integer_power(exponent: int, base: Operand, backend: Backend) -> Rule:
    """By repeated squaring; negative powers through the reciprocal."""
    chain: list[tuple[Series, Callable[[int], Any]]] = []

    def multiply(left: Series, right: Series) -> Series:
        result = Series(left.rows, left[0] * right[0])
        chain.append((result, lambda level: times(left, right, level, backend)))
        return result

    result: Series | None = None
    squared: Series = base
    remaining = abs(exponent)
    while remaining:
        if remaining & 1:
            result = squared if result is None else multiply(result, squared)
        remaining >>= 1
        squared = multiply(squared, squared) if remaining else squared
    if result is None:
        return lambda level: [[0 * row for row in base[level]]]
    if exponent < 0:
        of, inverse = result, Series(result.rows, 1 / result[0])
        chain.append((inverse, lambda level: _reciprocal(of, inverse, level, backend)))
        result = inverse
    last = result

    def rule(level: int) -> list[Any]:
        for known, compute in chain:
            known.values.append(compute(level))
        return [last[level]]

    return rule


def root(exponent: Fraction) -> RuleMaker:
    """A fixed power that the library has a function for."""

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        return System(power(exponent), series[0], backend, {"power": _made(instruction, series)}).rule()

    return maker


def constant_power(instruction: Instruction, base: Operand, exponent: Any, backend: Backend) -> Rule:
    """x**y for a y that does not vary, a number or an array: ``instruction`` maps x to it."""
    return System(power(Fraction(1)), base, backend, {"power": first_output(instruction)}, scale=exponent).rule()


def _whole_powers(base: Operand, exponent: Any, backend: Backend) -> Rule | None:
    """x**y for an array of few whole numbers y, each by products, so that x may be 0; None for another array."""
    if not backend.concrete(exponent) or 0 in exponent.shape:
        return None
    numbers: list[float] = np.unique(np.array(exponent.tolist(), dtype=float)).tolist()
    if len(numbers) == 1 and is_product(numbers[0]) and exponent.shape in ((), base[0].shape):
        return integer_power(int(numbers[0]), base, backend)
    if len(numbers) > MOST_EXPONENTS or not all(map(is_product, numbers)):
        return None
    parts = [(exponent == number, integer_power(int(number), base, backend)) for number in numbers]

    def rule(level: int) -> list[Any]:
        chosen = [0 * row for row in base[level]]
        for where, power_rule in parts:
            chosen = [backend.where(where, new, old) for new, old in zip(power_rule(level)[0], chosen, strict=True)]
        return [chosen]

    return rule


def is_product(exponent: float) -> bool:
    """Whether a power is taken by products."""
    return exponent.is_integer() and abs(exponent) <= LARGEST_PRODUCT


def general_power(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """x**y: products or a quadratic system for a constant y, else e^{y log x}."""
    base, exponent = series
    if not exponent.varies:
        whole = Instruction("power", lambda x: instruction.apply(x, exponent[0]), (), ())
        products = _whole_powers(base, exponent[0], backend)
        return products or constant_power(whole, base, exponent[0], backend)
    logarithm = System(ELEMENTARY["log"], base, backend) if base.varies else None
    factor = logarithm.value if logarithm else Series(base.rows, backend.seeds["log"](base[0]), varies=False)

    def product(level: int) -> Row:
        if logarithm:
            logarithm.advance(level)
        return times(factor, exponent, level, backend)

    seeds = {"exp": _made(instruction, series)}
    rule = _composed("exp", Series(base.rows, factor[0] * exponent[0]), product, backend, seeds)
    return lambda level: [rule(level)]


def of_affine(name: str, factor: float = 1.0, shift: float = 0.0) -> RuleMaker:
    """An elementary function of ``factor · a + shift`` that the library has one operation for, such as log(1 + a)."""

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        (of,) = series
        argument = Series(of.rows, factor * of[0] + shift)
        moved = lambda level: of[level] if factor == 1 else [factor * row for row in of[level]]  # noqa: E731
        rule = _composed(name, argument, moved, backend, {name: _made(instruction, series)})
        return lambda level: [rule(level)]

    return maker


def erfc(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """1 − erf(a)."""
    rule = System(ELEMENTARY["erf"], series[0], backend).rule()
    return lambda level: [[-row for row in rule(level)[0]]]


def logaddexp(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """``b + softplus(a − b)``."""
    left, right = series
    moved = lambda level: [a - b for a, b in zip(left[level], right[level], strict=True)]  # noqa: E731
    rule = _composed("softplus", Series(left.rows, left[0] - right[0]), moved, backend)
    return lambda level: [added(right[level], rule(level))]


def _composed(
    name: str,
    argument: Series,
    moved: Callable[[int], Row],
    backend: Backend,
    seeds: Mapping[str, Callable[..., Any]] | None = None,
) -> Callable[[int], Row]:
    """Coefficients of an elementary function of what ``moved`` makes the coefficients of."""
    system = System(ELEMENTARY[name], argument, backend, seeds)

    def coefficient(level: int) -> Row:
        argument.values.append(moved(level))
        system.advance(level)
        return system.value[level]

    return coefficient
