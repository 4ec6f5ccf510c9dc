"""Array programs on truncated power series, for any array library: each kind of operation has one rule.

A program is a flat list of operations on arrays.  A value is known by number.  Its coefficient 0 is an array as the
operation made it; higher ones have the iterates as an additional first axis.  Values that do not depend on the
arguments
have coefficient 0 only.  Elementary functions are those of ``elementary.py``, the table that serves the generated
kernels too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError
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
from eomsym.series.levels import nodes, slope_weights, sum_weights


@dataclass(frozen=True)
class Instruction:
    """One operation: ``apply`` maps the input arrays to a list of output arrays; values are known by number."""

    name: str
    apply: Callable[..., list[Any]]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FlatProgram:
    """Instructions in order; ``constants`` are arrays by number, ``arguments`` and ``results`` are numbers."""

    instructions: tuple[Instruction, ...]
    constants: Mapping[int, Any]
    arguments: tuple[int, ...]
    results: tuple[int, ...]

    def needed(self, without: frozenset[str] = frozenset()) -> set[int]:
        """The values that the results depend on; what only operations of these names need is left out."""
        wanted = set(self.results)
        for instruction in reversed(self.instructions):
            if wanted & set(instruction.outputs) and instruction.name not in without:
                wanted |= set(instruction.inputs)
        return wanted


@dataclass(frozen=True)
class Backend:
    """What is asked of an array library, and its operations: name to rule.

    ``vmap(function, axes)`` maps over the first axis where ``axes`` says 0; ``stack(arrays)`` makes a new first axis;
    ``zeros(rows, like)`` has one axis more than ``like``; ``ramp(n, rank, like)`` is 1 … n along the first of
    ``rank`` axes;
    ``combine(weights, rows)`` is a matrix of floats times rows; ``flat`` names operations that are piecewise constant.
    """

    vmap: Callable[..., Any]
    stack: Callable[[list[Any]], Any]
    zeros: Callable[[int, Any], Any]
    ramp: Callable[[int, int, Any], Any]
    combine: Callable[[list[list[float]], Any], Any]
    floating: Callable[[Any], bool]
    seeds: Mapping[str, Callable[..., Any]]
    rules: Mapping[str, RuleMaker]
    flat: frozenset[str]
    advice: str


class Machine:
    """Runs a flat program coefficient by coefficient."""

    def __init__(self, program: FlatProgram, arguments: Sequence[Any], iterates: int, backend: Backend) -> None:
        self.program = program
        self.iterates = iterates
        self.backend = backend
        self._series: dict[int, list[Any]] = {number: [value] for number, value in program.constants.items()}
        self._series |= {number: [value] for number, value in zip(program.arguments, arguments, strict=True)}
        self._varying = set(program.arguments)
        self._rules: list[tuple[Instruction, Rule]] = []
        needed, self._carried = program.needed(), program.needed(backend.flat)
        for instruction in program.instructions:
            if needed & set(instruction.outputs):
                self._start(instruction)

    def _start(self, instruction: Instruction) -> None:
        values = instruction.apply(*(self._series[number][0] for number in instruction.inputs))
        for number, value in zip(instruction.outputs, values, strict=True):
            self._series[number] = [value]
        floating = any(map(self.backend.floating, values))
        carried = self._carried & set(instruction.outputs)
        varying = carried and any(number in self._varying for number in instruction.inputs)
        if not (varying and floating) or instruction.name in self.backend.flat:
            return
        if instruction.name not in self.backend.rules:
            raise InputError(
                f"loss_fn: the operation {instruction.name!r} has no rule for power series; {self.backend.advice}"
            )
        self._varying |= set(instruction.outputs)
        operands = [Operand(self, number) for number in instruction.inputs]
        self._rules.append((instruction, self.backend.rules[instruction.name](instruction, operands, self.backend)))

    def advance(self, level: int, arguments: Sequence[Any]) -> None:
        """Appends coefficient ``level`` of all values, given that of the arguments, one row an iterate."""
        for number, value in zip(self.program.arguments, arguments, strict=True):
            self._series[number].append(value)
        for instruction, rule in self._rules:
            for number, value in zip(instruction.outputs, rule(level), strict=True):
                self._series[number].append(value)

    def outputs(self, level: int) -> list[Any]:
        """Coefficient ``level`` of the results, zero for those that do not vary."""
        return [self.coefficient(number, level) for number in self.program.results]

    def varies(self, number: int) -> bool:
        """Whether a value depends on the arguments."""
        return number in self._varying

    def coefficient(self, number: int, level: int) -> Any:
        """Coefficient ``level`` of a value."""
        if level == 0 or self.varies(number):
            return self._series[number][level]
        return self.backend.zeros(self.iterates, self._series[number][0])


def descend(program: FlatProgram, arguments: Sequence[Any], order: int, backend: Backend) -> list[list[Any]]:
    """``[g, ξ_0, …, ξ_{order−1}]`` where the program computes g from θ, each a list of arrays; see ``levels.py``."""
    machine = Machine(program, arguments, max(order, 1), backend)
    rows = [machine.outputs(0)]
    steps = nodes(machine.iterates)
    for level in range(1, order + 1):
        weights = [[-float(weight) for weight in sum_weights(level - 1, step)] for step in steps]
        before = [_of_nodes(value, level - 1) for value in machine.outputs(level - 1)]
        machine.advance(level, [backend.combine(weights, value) for value in before])
        slopes = [[float(weight) for weight in slope_weights(level)]]
        rows.append([backend.combine(slopes, _of_nodes(value, level))[0] for value in machine.outputs(level)])
    return rows


def _of_nodes(value: Any, level: int) -> Any:
    """The iterates that determine this level; at level 0 there is no such axis yet."""
    return value[None] if level == 0 else value[:level]


class Operand:
    """An input's coefficients."""

    def __init__(self, machine: Machine, number: int) -> None:
        self._machine, self._number = machine, number

    @property
    def varies(self) -> bool:
        return self._machine.varies(self._number)

    def __getitem__(self, level: int) -> Any:
        return self._machine.coefficient(self._number, level)


class Known:
    """Coefficients that a rule keeps for itself; coefficient 0 first."""

    def __init__(self, first: Any, varies: bool = True) -> None:
        self.values = [first]
        self.varies = varies

    def __getitem__(self, level: int) -> Any:
        return self.values[level]


class Affine:
    """``factor · of + shift``."""

    varies = True

    def __init__(self, of: Operand, factor: float = 1.0, shift: float = 0.0) -> None:
        self._of, self._factor, self._shift = of, factor, shift

    def __getitem__(self, level: int) -> Any:
        scaled = self._of[level] if self._factor == 1.0 else self._factor * self._of[level]
        return scaled + self._shift if level == 0 and self._shift else scaled


Series = Operand | Known | Affine
Rule = Callable[[int], list[Any]]
RuleMaker = Callable[[Instruction, Sequence[Operand], Backend], Rule]


def linear(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in all floating-point inputs together."""
    moves = [operand.varies or backend.floating(operand[0]) for operand in series]

    def rule(level: int) -> list[Any]:
        values = [operand[level if moved else 0] for operand, moved in zip(series, moves, strict=True)]
        axes = tuple(0 if moved else None for moved in moves)
        return list(backend.vmap(instruction.apply, axes)(*values))

    return rule


def bilinear(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """Linear in each of two inputs."""
    return bilinear_with(_pairwise)(instruction, series, backend)


Convolution = Callable[[Instruction, Any, Any, Backend], Any]


def bilinear_with(convolve: Convolution) -> RuleMaker:
    """As ``bilinear``; ``convolve(instruction, lefts, rights, …)`` is ``Σ_i left_i right_i``, axes (i, iterate, …)."""

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        left, right = series
        return lambda level: [_product(instruction, convolve, left, right, level, backend)]

    return maker


def _pairwise(instruction: Instruction, lefts: Any, rights: Any, backend: Backend) -> Any:
    twice = backend.vmap(backend.vmap(_first(instruction), (0, 0)), (0, 0))
    return twice(lefts, rights).sum(0)


def _first(instruction: Instruction) -> Callable[..., Any]:
    return lambda *values: instruction.apply(*values)[0]


def _product(
    instruction: Instruction, convolve: Convolution, left: Series, right: Series, level: int, backend: Backend
) -> Any:
    total = None
    if right.varies:
        total = backend.vmap(_first(instruction), (None, 0))(left[0], right[level])
    if left.varies:
        share = backend.vmap(_first(instruction), (0, None))(left[level], right[0])
        total = share if total is None else total + share
    if left.varies and right.varies and level > 1:
        lefts = backend.stack([left[i] for i in range(1, level)])
        rights = backend.stack([right[level - i] for i in range(1, level)])
        total = total + convolve(instruction, lefts, rights, backend)
    return total


_TIMES = Instruction("times", lambda left, right: [left * right], (), ())


def _times(left: Series, right: Series, level: int, backend: Backend) -> Any:
    """Coefficient ``level`` of the product of two series."""
    if level == 0:
        return left[0] * right[0]
    return _product(_TIMES, _pairwise, left, right, level, backend)


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
                self._members[relation.target] = Known(all_seeds[relation.seed](argument[0]))
        for relation in function.relations:
            if isinstance(relation, Reciprocal):
                self._members[relation.target] = Known(1 / self._members[relation.of][0])
            elif isinstance(relation, Combination):
                self._members[relation.target] = Known(self._combination(relation, 0))

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
            assert isinstance(target, Known)
            target.values.append(self._next(relation, target, level))

    def _next(self, relation: Relation, target: Known, level: int) -> Any:
        if isinstance(relation, Integral):
            return self._integral(relation, level)
        if isinstance(relation, Reciprocal):
            return _reciprocal(self._members[relation.of], target, level)
        return self._combination(relation, level)

    def _integral(self, relation: Integral, level: int) -> Any:
        argument, factor = self._members[ARGUMENT], self._members[relation.factor]
        total = level * argument[level] * factor[0]
        if level > 1:
            arguments = self._backend.stack([argument[i] for i in range(1, level)])
            factors = self._backend.stack([factor[level - i] for i in range(1, level)])
            total = total + (self._backend.ramp(level - 1, arguments.ndim, arguments) * arguments * factors).sum(0)
        return total * (relation.sign / level)

    def _combination(self, relation: Combination, level: int) -> Any:
        total: Any = relation.constant if level == 0 else 0
        for member in relation.linear:
            total = total + self._members[member][level]
        for product in relation.products:
            total = total + product.sign * self._multiplied(product, level)
        total = total if relation.weight == 1 else total * float(relation.weight)
        return total if self._scale is _ONE else total * self._scale

    def _multiplied(self, product: Product, level: int) -> Any:
        return _times(self._members[product.left], self._members[product.right], level, self._backend)


_ONE = 1


def _reciprocal(of: Series, target: Series, level: int) -> Any:
    total = of[level] * target[0]
    for i in range(1, level):
        total = total + of[i] * target[level - i]
    return -total * target[0]


def function(name: str) -> RuleMaker:
    """An elementary function, by its name in ``ELEMENTARY``."""
    return lambda instruction, series, backend: System(ELEMENTARY[name], series[0], backend).rule()


def divide(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """q = a / b from q b = a."""
    left, right = series
    over = _first(instruction)
    if not right.varies:
        return lambda level: [backend.vmap(over, (0, None))(left[level], right[0])]
    quotient = Known(over(left[0], right[0]))

    def rule(level: int) -> list[Any]:
        subtract = backend.vmap(lambda b, q: b * q, (0, None))
        rest = subtract(right[level], quotient[0])
        for i in range(1, level):
            rest = rest + backend.vmap(lambda b, q: b * q, (0, 0))(right[i], quotient[level - i])
        quotient.values.append(backend.vmap(lambda a, p, b: (a - p) / b, (0, 0, None))(left[level], rest, right[0]))
        return [quotient[level]]

    return rule


def reciprocal(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """r = 1 / a."""
    return System(ELEMENTARY["reciprocal"], series[0], backend).rule()


def square(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """a · a."""
    return lambda level: [_times(series[0], series[0], level, backend)]


def integer_power(exponent: int, base: Operand, backend: Backend) -> Rule:
    """By repeated squaring; negative powers through the reciprocal."""
    chain: list[tuple[Known, Callable[[int], Any]]] = []

    def multiply(left: Series, right: Series) -> Known:
        result = Known(left[0] * right[0])
        chain.append((result, lambda level: _times(left, right, level, backend)))
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
        return lambda level: [0 * base[level]]
    if exponent < 0:
        of, inverse = result, Known(1 / result[0])
        chain.append((inverse, lambda level: _reciprocal(of, inverse, level)))
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
        return System(power(exponent), series[0], backend, {"power": _first(instruction)}).rule()

    return maker


def constant_power(instruction: Instruction, base: Operand, exponent: Any, backend: Backend) -> Rule:
    """x**y for a y that does not vary, a number or an array: ``instruction`` maps x to it."""
    return System(power(Fraction(1)), base, backend, {"power": _first(instruction)}, scale=exponent).rule()


def general_power(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """x**y: a quadratic system for a constant y, else e^{y log x}."""
    base, exponent = series
    if not exponent.varies:
        whole = Instruction("power", lambda x: instruction.apply(x, exponent[0]), (), ())
        return constant_power(whole, base, exponent[0], backend)
    logarithm = System(ELEMENTARY["log"], base, backend) if base.varies else None
    factor = logarithm.value if logarithm else Known(backend.seeds["log"](base[0]), varies=False)
    product = Known(factor[0] * exponent[0])
    result = System(ELEMENTARY["exp"], product, backend, {"exp": lambda _: _first(instruction)(base[0], exponent[0])})

    def rule(level: int) -> list[Any]:
        if logarithm:
            logarithm.advance(level)
        product.values.append(_times(factor, exponent, level, backend))
        return result.rule()(level)

    return rule


def select(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """A choice among the inputs after the first, which does not vary."""
    which, *cases = series

    def rule(level: int) -> list[Any]:
        chosen = backend.vmap(lambda *values: instruction.apply(which[0], *values), (0,) * len(cases))
        return list(chosen(*(case[level] for case in cases)))

    return rule


def extremum(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """max and min follow the larger or smaller argument, the mean where both are equal, as automatic derivatives do."""
    left, right = series
    best = instruction.apply(left[0], right[0])[0]
    first, second = (left[0] == best) * (0 * best + 1), (right[0] == best) * (0 * best + 1)
    share = first / (first + second)

    def rule(level: int) -> list[Any]:
        return [backend.vmap(lambda a, b: share * a + (1 - share) * b, (0, 0))(left[level], right[level])]

    return rule


def absolute(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """|a|."""
    sign = (series[0][0] > 0) * (0 * series[0][0] + 1) - (series[0][0] < 0) * (0 * series[0][0] + 1)
    return lambda level: [sign * series[0][level]]


def masked(mask: Callable[..., Any]) -> RuleMaker:
    """The first input where ``mask`` of the inputs' values says so, 0 elsewhere: clamp, relu."""

    def maker(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
        if any(operand.varies for operand in series[1:]):
            raise InputError(f"loss_fn: {instruction.name} with bounds that vary has no rule; write it with where")
        kept = mask(instruction, *(operand[0] for operand in series)) * (0 * series[0][0] + 1)
        return lambda level: [kept * series[0][level]]

    return maker


def log1p(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """log(1 + a)."""
    seeds = {"log": lambda _: _first(instruction)(series[0][0])}
    return System(ELEMENTARY["log"], Affine(series[0], shift=1.0), backend, seeds).rule()


def expm1(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """exp(a) − 1, which differs from exp at order 0 only."""
    return System(ELEMENTARY["exp"], series[0], backend).rule()


def exp2(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """2^a."""
    seeds = {"exp": lambda _: _first(instruction)(series[0][0])}
    return System(ELEMENTARY["exp"], Affine(series[0], factor=0.6931471805599453), backend, seeds).rule()


def erfc(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """1 − erf(a)."""
    rule = System(ELEMENTARY["erf"], series[0], backend).rule()
    return lambda level: [-rule(level)[0]]


def logaddexp(instruction: Instruction, series: Sequence[Operand], backend: Backend) -> Rule:
    """``b + softplus(a − b)``."""
    left, right = series
    difference = Known(left[0] - right[0])
    system = System(ELEMENTARY["softplus"], difference, backend)

    def rule(level: int) -> list[Any]:
        difference.values.append(backend.vmap(lambda a, b: a - b, (0, 0))(left[level], right[level]))
        system.advance(level)
        return [backend.vmap(lambda b, c: b + c, (0, 0))(right[level], system.value[level])]

    return rule
