"""Primitives on truncated power series: each kind has one rule for coefficient k of its results.

A value is known by number.  Its coefficient 0 is an array as the primitive made it; higher ones have the iterates as an
additional first axis.  Values that do not depend on the parameters have coefficient 0 only.  Elementary functions come
from ``series.elementary``, the table that serves the generated kernels too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy import special

from eomsym.errors import InputError
from eomsym.jax.tracing import FlatProgram, Instruction
from eomsym.series.elementary import (
    ARGUMENT,
    ELEMENTARY,
    Combination,
    ElementaryFunction,
    Integral,
    Product,
    Reciprocal,
    power,
)

#: Linear in all arguments that depend on the parameters.
LINEAR = frozenset(
    "neg add sub add_any reduce_sum cumsum transpose reshape broadcast_in_dim squeeze expand_dims slice pad rev"
    " concatenate gather scatter-add dynamic_slice dynamic_update_slice convert_element_type copy copy_p stack index"
    " split reduce_window_sum sharding_constraint device_put reshard real imag conj unstack mul_linear".split()
)
#: Arguments that stay as they are: indices, of which no coefficient beyond 0 exists.
BILINEAR = frozenset(("mul", "dot_general", "conv_general_dilated"))
#: Piecewise constant: no coefficient beyond 0.
FLAT = frozenset(
    "sign floor ceil round is_finite eq ne lt le gt ge and or not xor argmax argmin stop_gradient iota"
    " random_bits random_seed random_wrap random_unwrap nextafter population_count clz".split()
)
#: Primitive to the function in ``ELEMENTARY``.
FUNCTIONS = {
    **{name: name for name in ("exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "erf", "sqrt")},
    "logistic": "sigmoid",
}
SEEDS: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(jnp, name) for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh")},
    "atan": jnp.arctan,
    "erf": special.erf,
    "erf_slope": lambda z: (1.1283791670955126 * jnp.exp(-z * z)).astype(z.dtype),
    "sigmoid": jax.nn.sigmoid,
    "softplus": lambda z: jnp.logaddexp(z, jnp.zeros_like(z)),
}


class Machine:
    """Runs a flat program coefficient by coefficient."""

    def __init__(self, program: FlatProgram, arguments: Sequence[Any], iterates: int) -> None:
        self.program = program
        self.iterates = iterates
        self._series: dict[int, list[Any]] = {number: [value] for number, value in program.constants.items()}
        self._series |= {number: [value] for number, value in zip(program.arguments, arguments, strict=True)}
        self._varying = set(program.arguments)
        self._rules: list[tuple[Instruction, _Rule]] = []
        for instruction in program.instructions:
            self._start(instruction)

    def _start(self, instruction: Instruction) -> None:
        values = instruction.apply(*(self._series[number][0] for number in instruction.inputs))
        for number, value in zip(instruction.outputs, values, strict=True):
            self._series[number] = [value]
        floating = any(jnp.issubdtype(value.dtype, jnp.inexact) for value in values)
        varying = any(number in self._varying for number in instruction.inputs)
        if varying and floating and instruction.name not in FLAT:
            self._varying |= set(instruction.outputs)
            self._rules.append((instruction, _rule(instruction, self)))

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
        """Whether a value depends on the parameters."""
        return number in self._varying

    def coefficient(self, number: int, level: int) -> Any:
        """Coefficient ``level`` of a value."""
        if level == 0 or self.varies(number):
            return self._series[number][level]
        return jnp.zeros((self.iterates, *self._series[number][0].shape), self._series[number][0].dtype)


_Rule = Callable[[int], list[Any]]


def _rule(instruction: Instruction, machine: Machine) -> _Rule:
    """The rule for coefficients 1, 2, … of an instruction's results."""
    name = instruction.name
    series = [_Operand(machine, number) for number in instruction.inputs]
    if name in LINEAR:
        return _linear(instruction, series)
    if name in BILINEAR:
        return _bilinear(instruction, series)
    if name in FUNCTIONS:
        return _System(ELEMENTARY[FUNCTIONS[name]], series[0]).rule()
    special_rule = _SPECIAL.get(name)
    if special_rule is None:
        raise InputError(
            f"loss_fn: the primitive {name!r} has no rule for power series; write the loss without it, or use lookahead_field"
        )
    return special_rule(instruction, series)


class _Operand:
    """An input's coefficients."""

    def __init__(self, machine: Machine, number: int) -> None:
        self._machine, self._number = machine, number

    @property
    def varies(self) -> bool:
        return self._machine.varies(self._number)

    def __getitem__(self, level: int) -> Any:
        return self._machine.coefficient(self._number, level)


class _Known:
    """Coefficients that a rule keeps for itself; coefficient 0 first."""

    varies = True

    def __init__(self, first: Any) -> None:
        self.values = [first]

    def __getitem__(self, level: int) -> Any:
        return self.values[level]


_Series = _Operand | _Known


def _linear(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    if instruction.name == "dynamic_update_slice" or len(series) < 1:
        pass

    def rule(level: int) -> list[Any]:
        values, axes = [], []
        for operand in series:
            moves = operand.varies or jnp.issubdtype(operand[0].dtype, jnp.inexact)
            values.append(operand[level] if moves else operand[0])
            axes.append(0 if moves else None)
        return jax.vmap(instruction.apply, in_axes=tuple(axes))(*values)

    return rule


def _bilinear(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    left, right = series
    return lambda level: [_product(instruction.apply, instruction, left, right, level)]


def _product(apply: Callable[..., list[Any]], instruction: Instruction, left: _Series, right: _Series, level: int) -> Any:
    """Coefficient ``level`` of a bilinear function."""
    total = None
    if right.varies:
        total = jax.vmap(lambda b: apply(left[0], b)[0])(right[level])
    if left.varies:
        share = jax.vmap(lambda a: apply(a, right[0])[0])(left[level])
        total = share if total is None else total + share
    if left.varies and right.varies and level > 1:
        lefts = jnp.stack([left[i] for i in range(1, level)])
        rights = jnp.stack([right[level - i] for i in range(1, level)])
        total += _convolved(apply, instruction, lefts, rights)
    return total


def _convolved(apply: Callable[..., list[Any]], instruction: Instruction, lefts: Any, rights: Any) -> Any:
    """``Σ_i apply(lefts[i, n], rights[i, n])`` for every iterate n."""
    if instruction.name != "dot_general":
        return jax.vmap(jax.vmap(lambda a, b: apply(a, b)[0]))(lefts, rights).sum(axis=0)
    # One product for each iterate, summed over i along with what is contracted already.
    contracting, batch = instruction.params["dimension_numbers"]
    numbers = (
        tuple((0, *(axis + 2 for axis in axes)) for axes in contracting),
        tuple((1, *(axis + 2 for axis in axes)) for axes in batch),
    )
    rest = {name: instruction.params[name] for name in ("precision", "preferred_element_type")}
    return lax.dot_general(lefts, rights, dimension_numbers=numbers, **rest)


def _times(left: Any, right: Any) -> list[Any]:
    return [left * right]


class _System:
    """The quadratic system of an elementary function at a series."""

    def __init__(self, function: ElementaryFunction, argument: _Series, seeds: dict[str, Any] | None = None) -> None:
        self._function = function
        self._seeds = SEEDS | (seeds or {})
        self._members: dict[str, _Series] = {ARGUMENT: argument}
        for relation in function.relations:
            if isinstance(relation, Integral):
                self._members[relation.target] = _Known(self._seeds[relation.seed](argument[0]))
        for relation in function.relations:
            if isinstance(relation, Reciprocal):
                self._members[relation.target] = _Known(1 / self._members[relation.of][0])
            elif isinstance(relation, Combination):
                self._members[relation.target] = _Known(self._combination(relation, 0))

    def rule(self) -> _Rule:
        """The rule for the function's value."""

        def rule(level: int) -> list[Any]:
            self.advance(level)
            return [self._members[self._function.value][level]]

        return rule

    def value(self) -> _Known:
        """The series of the function's value."""
        value = self._members[self._function.value]
        assert isinstance(value, _Known)
        return value

    def advance(self, level: int) -> None:
        """Appends coefficient ``level`` of all members."""
        for relation in self._function.relations:
            target = self._members[relation.target]
            assert isinstance(target, _Known)
            if isinstance(relation, Integral):
                target.values.append(self._integral(relation, level))
            elif isinstance(relation, Reciprocal):
                target.values.append(_reciprocal(self._members[relation.of], target, level))
            else:
                target.values.append(self._combination(relation, level))

    def _integral(self, relation: Integral, level: int) -> Any:
        argument, factor = self._members[ARGUMENT], self._members[relation.factor]
        total = level * argument[level] * factor[0]
        if level > 1:
            indices = jnp.arange(1, level, dtype=total.dtype).reshape(-1, *(1,) * total.ndim)
            arguments = jnp.stack([argument[i] for i in range(1, level)])
            factors = jnp.stack([factor[level - i] for i in range(1, level)])
            total += (indices * arguments * factors).sum(axis=0)
        return total * (relation.sign / level)

    def _combination(self, relation: Combination, level: int) -> Any:
        total: Any = relation.constant if level == 0 else 0
        for member in relation.linear:
            total += self._members[member][level]
        for product in relation.products:
            total += product.sign * self._multiplied(product, level)
        return total if relation.weight == 1 else total * float(relation.weight)

    def _multiplied(self, product: Product, level: int) -> Any:
        left, right = self._members[product.left], self._members[product.right]
        return left[0] * right[0] if level == 0 else _product(_times, _MULTIPLICATION, left, right, level)


_MULTIPLICATION = Instruction("mul", _times, (), (), {})


def _reciprocal(of: _Series, target: _Series, level: int) -> Any:
    total = of[level] * target[0]
    for i in range(1, level):
        total += of[i] * target[level - i]
    return -total * target[0]


def _divide(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    """q = a / b from q b = a."""
    left, right = series
    if not right.varies:
        return lambda level: [jax.vmap(lambda a: instruction.apply(a, right[0])[0])(left[level])]
    quotient = _Known(instruction.apply(left[0], right[0])[0])

    def rule(level: int) -> list[Any]:
        rest = jax.vmap(_spread)(left[level], jnp.broadcast_to(quotient[0], (len(right[level]), *quotient[0].shape)))
        for i in range(1, level + 1):
            product = jax.vmap(lambda b, q: b * q, in_axes=(0, 0 if i < level else None))(right[i], quotient[level - i])
            rest = rest - product
        quotient.values.append(jax.vmap(lambda r: r / right[0])(rest))
        return [quotient[level]]

    return rule


def _spread(value: Any, like: Any) -> Any:
    return jnp.broadcast_to(value, like.shape)


def _integer_power(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    """By repeated squaring; negative powers through the reciprocal."""
    exponent = instruction.params.get("y", 2)
    chain: list[tuple[_Known, Callable[[int], Any]]] = []

    def multiply(left: _Series, right: _Series) -> _Known:
        result = _Known(left[0] * right[0])
        chain.append((result, lambda level: _product(_times, _MULTIPLICATION, left, right, level)))
        return result

    result: _Series | None = None
    base: _Series = series[0]
    remaining = abs(exponent)
    while remaining:
        if remaining & 1:
            result = base if result is None else multiply(result, base)
        remaining >>= 1
        base = multiply(base, base) if remaining else base
    if result is None:
        return lambda level: [jnp.zeros_like(series[0][level])]
    if exponent < 0:
        inverse, of = _Known(1 / result[0]), result
        chain.append((inverse, lambda level: _reciprocal(of, inverse, level)))
        result = inverse
    last = result

    def rule(level: int) -> list[Any]:
        for known, compute in chain:
            known.values.append(compute(level))
        return [last[level]]

    return rule


def _power(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    """x**y: a quadratic system for a constant y, else e^{y log x}."""
    base, exponent = series
    if not exponent.varies:
        return _constant_power(base, exponent[0], instruction)
    if base.varies:
        logarithm = _System(ELEMENTARY["log"], base)
        product = _Known(logarithm.value()[0] * exponent[0])
        factors: tuple[_Series, _Series] = (logarithm.value(), exponent)
    else:
        constant = _Constant(jnp.log(base[0]))
        product, factors = _Known(constant[0] * exponent[0]), (constant, exponent)
    result = _System(ELEMENTARY["exp"], product, {"exp": lambda _: instruction.apply(base[0], exponent[0])[0]})

    def rule(level: int) -> list[Any]:
        if base.varies:
            logarithm.advance(level)
        product.values.append(_product(_times, _MULTIPLICATION, *factors, level))
        return result.rule()(level)

    return rule


class _Constant(_Known):
    varies = False


def _constant_power(base: _Operand, exponent: Any, instruction: Instruction) -> _Rule:
    seeds = {"power": lambda z: instruction.apply(z, exponent)[0]}
    system = _System(power(Fraction(1)), base, seeds)
    # The system's weight is the exponent; as an array it multiplies d, which all relations are linear in.
    known = system._members["d"]
    assert isinstance(known, _Known)
    known.values[0] = known.values[0] * exponent

    def rule(level: int) -> list[Any]:
        system.advance(level)
        known.values[level] = known.values[level] * exponent
        return [system.value()[level]]

    return rule


def _select(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    which, *cases = series

    def rule(level: int) -> list[Any]:
        return jax.vmap(lambda *values: instruction.apply(which[0], *values))(*(case[level] for case in cases))

    return rule


def _extremum(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    """max and min follow the larger or smaller argument, their mean where both are equal, as JAX's own derivative does."""
    left, right = series

    def rule(level: int) -> list[Any]:
        best = instruction.apply(left[0], right[0])[0]
        first, second = (left[0] == best) * 1.0, (right[0] == best) * 1.0
        share = (first / (first + second)).astype(best.dtype)
        return [share * _over(left[level], best) + (1 - share) * _over(right[level], best)]

    return rule


def _over(values: Any, like: Any) -> Any:
    """Scalars of each iterate, or arrays that have the shape already, to arrays of this shape."""
    return values.reshape(-1, *(1,) * like.ndim) if values.ndim == 1 else values


def _reduced_extremum(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    """reduce_max and reduce_min: the mean of the places where the extremum lies."""
    axes = instruction.params["axes"]
    operand = series[0]

    def rule(level: int) -> list[Any]:
        best = jnp.expand_dims(instruction.apply(operand[0])[0], axes)
        places = (operand[0] == best).astype(best.dtype)
        shares = places / places.sum(axes, keepdims=True)
        return [jax.vmap(lambda value: (shares * value).sum(axes))(operand[level])]

    return rule


def _absolute(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    return lambda level: [jnp.sign(series[0][0]) * series[0][level]]


def _clamp(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    low, value, high = series
    if low.varies or high.varies:
        raise InputError("loss_fn: clamp with bounds that depend on the parameters has no rule; write it with where")
    return lambda level: [jnp.where((value[0] > low[0]) & (value[0] < high[0]), value[level], 0)]


class _Shifted:
    """A series plus a constant."""

    varies = True

    def __init__(self, of: _Operand, shift: float) -> None:
        self._of, self._shift = of, shift

    def __getitem__(self, level: int) -> Any:
        return self._of[level] + self._shift if level == 0 else self._of[level]


def _log1p(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    operand = series[0]
    return _System(ELEMENTARY["log"], _Shifted(operand, 1.0), {"log": lambda _: jnp.log1p(operand[0])}).rule()  # type: ignore[arg-type]


def _expm1(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    return _System(ELEMENTARY["exp"], series[0]).rule()  # differs from exp at order 0 only


def _exp2(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    scaled = _Scaled(series[0], 0.6931471805599453)
    return _System(ELEMENTARY["exp"], scaled, {"exp": lambda _: instruction.apply(series[0][0])[0]}).rule()  # type: ignore[arg-type]


class _Scaled:
    """A series times a constant."""

    varies = True

    def __init__(self, of: _Operand, factor: float) -> None:
        self._of, self._factor = of, factor

    def __getitem__(self, level: int) -> Any:
        return self._factor * self._of[level]


def _erfc(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    rule = _System(ELEMENTARY["erf"], series[0]).rule()
    return lambda level: [-rule(level)[0]]


def _rsqrt(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    seeds = {"power": lambda z: instruction.apply(z)[0]}
    return _System(power(Fraction(-1, 2)), series[0], seeds).rule()


def _square(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    return lambda level: [_product(_times, _MULTIPLICATION, series[0], series[0], level)]


def _logaddexp(instruction: Instruction, series: Sequence[_Operand]) -> _Rule:
    """``b + softplus(a − b)``."""
    left, right = series
    difference = _Known(left[0] - right[0])
    system = _System(ELEMENTARY["softplus"], difference)

    def rule(level: int) -> list[Any]:
        first = instruction.apply(left[0], right[0])[0]
        difference.values.append(_over(left[level], first) - _over(right[level], first))
        system.advance(level)
        return [_over(right[level], first) + system.value()[level]]

    return rule


_SPECIAL: dict[str, Callable[[Instruction, Sequence[_Operand]], _Rule]] = {
    "div": _divide,
    "integer_pow": _integer_power,
    "pow": _power,
    "square": _square,
    "select_n": _select,
    "max": _extremum,
    "min": _extremum,
    "reduce_max": _reduced_extremum,
    "reduce_min": _reduced_extremum,
    "abs": _absolute,
    "clamp": _clamp,
    "log1p": _log1p,
    "expm1": _expm1,
    "exp2": _exp2,
    "erfc": _erfc,
    "rsqrt": _rsqrt,
    "logaddexp": _logaddexp,
}
