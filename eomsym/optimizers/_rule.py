"""One step of an optimiser as data: the step function, run once on symbols that write down what is done to them.

The function that steps in floating point is the only description of an optimiser that is needed.  Traced, it becomes
an ``UpdateRule``: a short list of *atoms* (states, gradients at points, stages of implicit methods, componentwise
products, quotients and roots), each given by linear combinations ``Σ coefficient · η^power · atom`` of others.  Trees,
numbers, the vector language and generated kernels all read this one list.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError, IntegrationError

#: An element of a commutative ring: int, Fraction, or an element of a SymPy fraction field for symbolic parameters.
Coefficient = Any

#: Floats in a step function are read as exact rationals up to this denominator: 0.5 is one half, 0.1 is refused.
_LARGEST_DENOMINATOR = 1024
#: Iterations that an implicit step may take.
_MAX_ITERATIONS = 5000


@dataclass(frozen=True)
class Linear:
    """``Σ coefficient · η^power · atom``; ``terms`` holds (atom, power, coefficient), sorted, none zero."""

    terms: tuple[tuple[int, int, Coefficient], ...]

    def atoms(self, power: int) -> set[int]:
        """The atoms that stand with this power of η."""
        return {atom for atom, exponent, _ in self.terms if exponent == power}

    def coefficient(self, atom: int, power: int = 0) -> Coefficient:
        """The coefficient of ``η^power · atom``; 0 if it does not occur."""
        return next((value for index, exponent, value in self.terms if (index, exponent) == (atom, power)), 0)

    def without(self, atom: int) -> Linear:
        """The combination less ``coefficient · η⁰ · atom``."""
        return Linear(tuple(term for term in self.terms if term[:2] != (atom, 0)))


@dataclass(frozen=True)
class State:
    """A state of the optimiser before the step; state 0 is θ."""

    index: int


@dataclass(frozen=True)
class Gradient:
    """The gradient of field number ``field`` at a point."""

    field: int
    point: Linear


@dataclass(frozen=True)
class Stage:
    """Number ``index`` of the unknowns of an implicit step; ``UpdateRule.stages`` defines it."""

    index: int


@dataclass(frozen=True)
class One:
    """The vector of ones."""


@dataclass(frozen=True)
class Product:
    """Componentwise product."""

    left: Linear
    right: Linear


@dataclass(frozen=True)
class Quotient:
    """Componentwise quotient."""

    numerator: Linear
    denominator: Linear


@dataclass(frozen=True)
class SquareRoot:
    """Componentwise square root."""

    argument: Linear


Atom = State | Gradient | Stage | One | Product | Quotient | SquareRoot


@dataclass(frozen=True)
class UpdateRule:
    """A traced step: ``following[i]`` is state i after the step.

    ``schedule`` lists all atoms but θ so that each needs, at the same power of η, only those before it.
    """

    atoms: tuple[Atom, ...]
    stages: tuple[Linear, ...]
    following: tuple[Linear, ...]
    schedule: tuple[int, ...]

    def state(self, index: int) -> int:
        """The number of the atom that is state ``index``."""
        return self.atoms.index(State(index))

    @property
    def increment(self) -> Linear:
        """``θ⁺ − θ``; every term has a power of η of at least 1."""
        return self.following[0].without(self.state(0))

    @property
    def linear(self) -> bool:
        """Whether there is nothing componentwise: the modified field is then a series over rooted trees."""
        return all(isinstance(atom, (State, Gradient, Stage)) for atom in self.atoms)

    @property
    def evaluations(self) -> int:
        """Gradients evaluated in one step."""
        return sum(isinstance(atom, Gradient) for atom in self.atoms)

    def self_coefficient(self, index: int) -> Coefficient:
        """a in ``state⁺ = a · state + …``."""
        return self.following[index].coefficient(self.state(index))


def trace(step: Callable[..., Any], states: int, parameters: Mapping[str, Coefficient]) -> UpdateRule:
    """The update rule of ``step(gradient, state, eta, **parameters)`` with ``states`` states, θ first.

    Raises ``InputError`` if the function does what has no step-index series: see the messages below.
    """
    builder = _Builder()
    before = tuple(builder.vector(State(index)) for index in range(states))
    try:
        after = step(builder.gradient, before, StepSize({1: 1}), **parameters)
    except (TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"step function: cannot be traced ({error}); use + - * / sqrt and powers only") from error
    if not isinstance(after, tuple) or len(after) != states or not all(isinstance(part, Vector) for part in after):
        raise InputError(f"step function: returned {type(after).__name__}; return a tuple of the {states} states")
    stages = tuple(stage.frozen() for stage in builder.stages)
    following = tuple(_expand_stages(builder, part).frozen() for part in after)
    rule = UpdateRule(tuple(builder.atoms), stages, following, ())
    _check(rule)
    return UpdateRule(rule.atoms, stages, following, _schedule(rule))


def _expand_stages(builder: _Builder, part: Vector) -> Vector:
    """A stage that stands without η is replaced by its definition, so that ``θ⁺ = y`` shows what it adds to θ."""
    total = Vector(builder, {})
    for (atom, power), value in part.terms.items():
        kind = builder.atoms[atom]
        one = builder.stages[kind.index] if isinstance(kind, Stage) and power == 0 else None
        total = total + (Vector(builder, {(atom, power): value}) if one is None else one * value)
    return total


class StepSize:
    """A polynomial in the step size η: what ``eta`` is while a step function is traced."""

    def __init__(self, terms: Mapping[int, Coefficient]) -> None:
        self.terms = dict(terms)

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Vector):
            return other * self
        terms: dict[int, Coefficient] = {}
        for p, a in self.terms.items():
            for q, b in _polynomial(other).items():
                terms[p + q] = terms.get(p + q, 0) + a * b
        return StepSize(terms)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> StepSize:
        terms = dict(self.terms)
        for power, value in _polynomial(other).items():
            terms[power] = terms.get(power, 0) + value
        return StepSize(terms)

    __radd__ = __add__

    def __neg__(self) -> StepSize:
        return self * -1

    def __sub__(self, other: Any) -> StepSize:
        return self + StepSize(_polynomial(other)) * -1

    def __rsub__(self, other: Any) -> StepSize:
        return -self + other

    def __truediv__(self, other: Any) -> StepSize:
        return self * inverse(exact_number(other))


def _polynomial(value: Any) -> Mapping[int, Coefficient]:
    return value.terms if isinstance(value, StepSize) else {0: exact_number(value)}


class Vector:
    """A traced vector: a linear combination of atoms under construction."""

    __array_ufunc__ = None  # NumPy scalars on the left then leave the operation to this class

    def __init__(self, builder: _Builder, terms: Mapping[tuple[int, int], Coefficient]) -> None:
        self.builder = builder
        self.terms = {key: value for key, value in terms.items() if value != 0}

    def frozen(self) -> Linear:
        return Linear(tuple((*key, self.terms[key]) for key in sorted(self.terms)))

    def __add__(self, other: Any) -> Vector:
        terms = dict(self.terms)
        for key, value in self.builder.coerce(other).terms.items():
            terms[key] = terms.get(key, 0) + value
        return Vector(self.builder, terms)

    __radd__ = __add__

    def __neg__(self) -> Vector:
        return self * -1

    def __sub__(self, other: Any) -> Vector:
        return self + self.builder.coerce(other) * -1

    def __rsub__(self, other: Any) -> Vector:
        return -self + other

    def __mul__(self, other: Any) -> Vector:
        if isinstance(other, Vector):
            return self.builder.vector(Product(self.frozen(), other.frozen()))
        terms: dict[tuple[int, int], Coefficient] = {}
        for (atom, power), value in self.terms.items():
            for shift, factor in _polynomial(other).items():
                key = atom, power + shift
                terms[key] = terms.get(key, 0) + value * factor
        return Vector(self.builder, terms)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Vector:
        if isinstance(other, Vector):
            return self.builder.vector(Quotient(self.frozen(), other.frozen()))
        return self * inverse(exact_number(other))

    def __rtruediv__(self, other: Any) -> Vector:
        return self.builder.coerce(other) / self

    def __pow__(self, exponent: Any) -> Vector:
        if exponent == Fraction(1, 2):
            return self.sqrt()
        if not isinstance(exponent, int) or not 1 <= exponent <= 16:
            raise InputError(f"step function: power {exponent!r}; take an integer from 1 to 16, or 1/2")
        power = self
        for _ in range(exponent - 1):
            power = power * self
        return power

    def sqrt(self) -> Vector:
        """What ``np.sqrt`` and ``eomsym.optimizers.sqrt`` call."""
        return self.builder.vector(SquareRoot(self.frozen()))


class _Builder:
    """Collects the atoms of one trace, each once."""

    def __init__(self) -> None:
        self.atoms: list[Atom] = []
        self.numbers: dict[Atom, int] = {}
        self.stages: list[Vector] = []

    def vector(self, atom: Atom) -> Vector:
        if atom not in self.numbers:
            self.numbers[atom] = len(self.atoms)
            self.atoms.append(atom)
        return Vector(self, {(self.numbers[atom], 0): 1})

    def gradient(self, point: Any, field: int = 0) -> Vector:
        if not isinstance(point, Vector):
            raise InputError(f"step function: gradient of {type(point).__name__}; take it at a vector")
        return self.vector(Gradient(field, point.frozen()))

    def coerce(self, value: Any) -> Vector:
        return value if isinstance(value, Vector) else self.vector(One()) * value

    def solve(self, equation: Callable[[Any], Any], count: int) -> tuple[Vector, ...]:
        first = len(self.stages)
        unknowns = tuple(self.vector(Stage(first + index)) for index in range(count))
        self.stages.extend(unknowns)  # their places; the definitions follow
        definitions = equation(unknowns)
        self.stages[first : first + count] = [self.coerce(part) for part in definitions]
        return unknowns


def solve(equation: Callable[[tuple[Any, ...]], tuple[Any, ...]], start: tuple[Any, ...]) -> tuple[Any, ...]:
    """The fixed point ``y = equation(y)`` of a tuple of vectors, for implicit steps; ``start`` is a first guess.

    ``equation`` must be a contraction, as ``y = θ − η g(y)`` is for ηλ_max < 1.  Iterated until it no longer moves.
    Raises ``IntegrationError`` if it does not settle.
    """
    if isinstance(start[0], Vector):
        return start[0].builder.solve(equation, len(start))
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):
        return _iterate(equation, start)


def _iterate(equation: Callable[[tuple[Any, ...]], tuple[Any, ...]], start: tuple[Any, ...]) -> tuple[Any, ...]:
    """Fixed-point iteration until round-off, where the change no longer falls."""
    import numpy as np

    point, last = start, np.inf
    for _ in range(_MAX_ITERATIONS):
        following = equation(point)
        change = max(float(np.max(np.abs(a - b))) for a, b in zip(following, point, strict=True))
        size = max(float(np.max(np.abs(part))) for part in following)
        point = following
        if not np.isfinite(change):
            break
        if change == 0 or (change >= last and change <= 1e-14 * size):
            return point
        last = change
    raise IntegrationError("implicit step: the equation of the stages was not solved; take a smaller eta")


def sqrt(value: Any) -> Any:
    """Componentwise square root of an array, or of a traced vector."""
    if isinstance(value, Vector):
        return value.sqrt()
    import numpy as np

    return np.sqrt(value)


def exact_number(value: Any) -> Coefficient:
    """A coefficient from what stands in a step function."""
    if isinstance(value, (int, Fraction)) or hasattr(value, "numer"):
        return value
    if isinstance(value, float):
        number = Fraction(value) if math.isfinite(value) else None
        if number is not None and number.denominator <= _LARGEST_DENOMINATOR:
            return number
    raise InputError(f"step function: {value!r} is not exact; use integers, Fraction(1, 10) or a parameter")


def inverse(value: Coefficient) -> Coefficient:
    """``1/value``, exactly."""
    return Fraction(1) / value if isinstance(value, (int, Fraction)) else 1 / value


def _linears(rule: UpdateRule, number: int) -> Iterator[Linear]:
    """The combinations that an atom is made of."""
    match rule.atoms[number]:
        case State(index) if index > 0:
            yield rule.following[index].without(number)
        case Gradient(point=point):
            yield point
        case Stage(index):
            yield rule.stages[index]
        case Product(left, right) | Quotient(left, right):
            yield left
            yield right
        case SquareRoot(argument):
            yield argument


def _check(rule: UpdateRule) -> None:
    theta = rule.state(0)
    if rule.following[0].coefficient(theta) != 1 or rule.increment.atoms(0):
        raise InputError("step function: theta must move by eta times something, theta + eta * (...), and does not")
    for index in range(1, len(rule.following)):
        if rule.self_coefficient(index) == 1:
            raise InputError(f"step function: state {index} keeps itself with weight 1, so it never settles")
    every = [*rule.following, *rule.stages, *(part for n in range(len(rule.atoms)) for part in _linears(rule, n))]
    if any(power < 0 for part in every for _, power, _ in part.terms):
        raise InputError("step function: divides by eta; keep states of the size of a gradient instead")


def _schedule(rule: UpdateRule) -> tuple[int, ...]:
    """Topological order at one power of η."""
    theta, done, order = rule.state(0), {rule.state(0)}, []
    waiting = [number for number in range(len(rule.atoms)) if number != theta]
    while waiting:
        ready = [n for n in waiting if all(part.atoms(0) <= done for part in _linears(rule, n))]
        if not ready:
            raise InputError("step function: states or stages depend on one another in one step without a factor eta")
        order += ready
        done |= set(ready)
        waiting = [number for number in waiting if number not in done]
    return tuple(order)


def runge_kutta_step(matrix: Sequence[Sequence[Fraction]], weights: Sequence[Fraction]) -> Callable[..., Any]:
    """The step function of a Runge–Kutta tableau, explicit where the matrix is strictly lower triangular."""
    count = len(weights)
    explicit = all(matrix[i][j] == 0 for i in range(count) for j in range(i, count))

    def step(gradient: Callable[..., Any], state: tuple[Any], eta: Any) -> tuple[Any]:
        (theta,) = state

        def moved(factors: Sequence[Fraction], slopes: Sequence[Any]) -> Any:
            point = theta
            for factor, slope in zip(factors, slopes, strict=False):
                if factor != 0:
                    point = point - (eta * _number_for(theta, factor)) * slope
            return point

        if explicit:
            slopes: list[Any] = []
            for row in matrix:
                slopes.append(gradient(moved(row, slopes)))
        else:

            def equation(points: tuple[Any, ...]) -> tuple[Any, ...]:
                at = [gradient(point) for point in points]
                return tuple(moved(row, at) for row in matrix)

            slopes = [gradient(point) for point in solve(equation, (theta,) * count)]
        return (moved(weights, slopes),)

    return step


def _number_for(theta: Any, value: Fraction) -> Any:
    """An exact number for a traced step, a float for arrays."""
    return value if isinstance(theta, Vector) else float(value)
