"""From a step function to its ``UpdateRule``: run once on symbols that write down what is done to them.

The function that steps in floating point is so the only description of an optimiser that is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from graphlib import CycleError, TopologicalSorter
from operator import mul
from typing import Any

from eomsym.errors import InputError
from eomsym.exact_numbers import Arithmetic, Coefficient, collected
from eomsym.optimizers.blockwise import values_of
from eomsym.optimizers.maps import Map
from eomsym.optimizers.rule import (
    Atom,
    Elapsed,
    Gradient,
    Image,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
    operands,
)
from eomsym.optimizers.stepping import exact_number, inverse

#: Stands for the vector of ones while a combination is put together; the atom is written down where it is used.
_ONES = -1


def trace(
    step: Callable[..., Any], states: int, parameters: Mapping[str, Any], slow: bool = False, checked: bool = True
) -> UpdateRule:
    """The update rule of ``step(gradient, state, eta, **parameters)`` with ``states`` states, θ first.

    With ``slow`` every state must keep itself with weight 1 and move by powers of η, as θ does, or forget.
    What is not ``checked`` may have no step-index series, and gets no ``schedule``.
    Raises ``InputError`` if the function does what has no step-index series: see the messages below.
    """
    builder = _Builder()
    before = tuple(builder.vector(State(index)) for index in range(states))
    try:
        after = step(builder.gradient, before, StepSize({(1, 0): 1}), **parameters)
    except (TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f"step function: cannot be traced ({error}); use + - * / sqrt and powers only") from error
    if not isinstance(after, tuple) or len(after) != states or not all(isinstance(part, Vector) for part in after):
        raise InputError(f"step function: returned {type(after).__name__}; return a tuple of the {states} states")
    stages = tuple(stage.frozen() for stage in builder.stages)
    following = tuple(_expand_stages(builder, part).frozen() for part in after)
    rule = UpdateRule(tuple(builder.atoms), stages, following, ())
    if not checked:
        return rule
    _check(rule, slow)
    return UpdateRule(rule.atoms, stages, following, _schedule(rule))


def trace_settled(step: Callable[..., Any], states: int, parameters: Mapping[str, Coefficient]) -> UpdateRule:
    """``trace`` of the step with the states left out that keep a share |a| < 1 of themselves and get nothing added.

    Those that are left keep their order.  Traced again until there is none: what was added may have been such a state.
    """
    return settled(step, states, parameters)[0]


def settled(
    step: Callable[..., Any], states: int, parameters: Mapping[str, Coefficient], checked: bool = True
) -> tuple[UpdateRule, list[int]]:
    """``trace_settled``, and which states are left; ``checked`` is that of ``trace``."""
    rule = trace(step, states, parameters, checked=checked)
    kept = [index for index in range(states) if not _fades(rule, index)]
    if len(kept) == states:
        return rule, kept

    def rest(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **values: Any) -> tuple[Any, ...]:
        whole = [0 * state[0]] * states
        for index, part in zip(kept, state, strict=True):
            whole[index] = part
        after = step(gradient, tuple(whole), eta, **values)
        return tuple(after[index] for index in kept)

    rule, left = settled(rest, len(kept), parameters, checked)
    return rule, [kept[index] for index in left]


def _fades(rule: UpdateRule, index: int) -> bool:
    """Whether a memory goes to zero by itself; a share that is a symbol stands for one below 1."""
    shares = [share for share in values_of(rule.self_coefficient(index)) if isinstance(share, (int, Fraction))]
    fades = all(-1 < share < 1 for share in shares)
    return index > 0 and fades and all(_is_itself(rule, index, atom) for atom, *_ in rule.following[index].terms)


def _is_itself(rule: UpdateRule, index: int, number: int) -> bool:
    """Whether an atom is the state, or its product with a power of the time elapsed: a share that depends on time."""
    atom, state = rule.atoms[number], rule.state(index)
    return number == state or (isinstance(atom, Elapsed) and {part for part, *_ in atom.operand.terms} == {state})


def _expand_stages(builder: _Builder, part: Vector) -> Vector:
    """Stages that stand without η are replaced by their definitions, so that ``θ⁺ = y`` shows what it adds to θ."""
    for _ in range(1 + len(builder.stages)):  # a stage that is a name for an expression may stand on another one
        kinds = [(builder.kind(atom), atom) for atom, power in part.terms if power == 0]
        found = [(kind.index, atom) for kind, atom in kinds if isinstance(kind, Stage)]
        if not found:
            break
        index, atom = max(found)
        rest = {key: value for key, value in part.terms.items() if key != (atom, 0)}
        part = Vector(builder, rest) + builder.stages[index] * StepSize({(0, 0): part.terms[atom, 0]})
    return part


class _Linear(Arithmetic):
    """Numbers beside it are exact."""

    def __sub__(self: Any, other: Any) -> Any:
        return self + (-other if isinstance(other, _Linear) else -1 * exact_number(other))


class StepSize(_Linear):
    """A polynomial in the step size η, what ``eta`` is while a step function is traced; and in the time since then.

    ``terms`` has the coefficient of η^p t^m at (p, m), where t is the time of this step, ``clock = (start, pace)`` as
    ``Elapsed`` has it: a number that depends on time is its Taylor polynomial there, with no power of t above ``most``.
    """

    def __init__(self, terms: Mapping[tuple[int, int], Coefficient], clock: tuple[int, int] = (0, 1), most: int = 0):
        self.terms = {key: value for key, value in terms.items() if key[1] <= most}
        self.clock, self.most = clock, most

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Vector):
            return other * self
        right = self._like(other)
        terms = collected(
            [((p + q, m + n), a * b) for (p, m), a in self.terms.items() for (q, n), b in right.terms.items()]
        )
        return self._joined(terms, right)

    def __add__(self, other: Any) -> StepSize:
        right = self._like(other)
        return self._joined(collected([*self.terms.items(), *right.terms.items()]), right)

    def __truediv__(self, other: Any) -> StepSize:
        return self * (other.inverse() if isinstance(other, StepSize) else inverse(exact_number(other)))

    def __rtruediv__(self, other: Any) -> StepSize:
        return self.inverse() * other

    def __pow__(self, exponent: int) -> StepSize:
        if not isinstance(exponent, int):
            raise InputError(f"step function: power {exponent!r} of eta or of a number that depends on time; take 1, 2")
        if exponent < 0:
            return self.inverse() ** -exponent
        return reduce(mul, [self] * exponent, StepSize({(0, 0): 1}))

    def inverse(self) -> StepSize:
        """``1/self`` of a number that depends on time, not on η.  Raises ``InputError`` for another."""
        if any(p for (p, _), value in self.terms.items() if value != 0):
            raise InputError("step function: divides by eta; keep states of the size of a gradient instead")
        found = [inverse(self.terms[0, 0])]
        for m in range(1, self.most + 1):
            found.append(-sum(self.terms.get((0, i), 0) * found[m - i] for i in range(1, m + 1)) * found[0])
        return StepSize({(0, m): value for m, value in enumerate(found)}, self.clock, self.most)

    def _joined(self, terms: Mapping[tuple[int, int], Coefficient], other: StepSize) -> StepSize:
        """One of two numbers may be constant; both depend on the time of one step."""
        clock = self.clock if self.most else other.clock
        assert not (self.most and other.most) or self.clock == other.clock
        return StepSize(terms, clock, max(self.most, other.most))

    @staticmethod
    def _like(value: Any) -> StepSize:
        return value if isinstance(value, StepSize) else StepSize({(0, 0): exact_number(value)})


class Vector(_Linear):
    """A traced vector: a linear combination of atoms under construction."""

    __array_ufunc__ = None  # NumPy scalars on the left then leave the operation to this class

    def __init__(self, builder: _Builder, terms: Mapping[tuple[int, int], Coefficient]) -> None:
        self.builder = builder
        self.terms = {key: value for key, value in terms.items() if value != 0}

    def frozen(self) -> Linear:
        terms = {}
        for (atom, power), value in self.terms.items():
            terms[self.builder.number(One()) if atom == _ONES else atom, power] = value
        return Linear(tuple((*key, terms[key]) for key in sorted(terms)))

    def over(self, eta: StepSize) -> Vector:
        """Divided by η, which every term of it has.  Raises ``InputError`` where one has none, or the rate a factor."""
        if eta.terms != {(1, 0): 1}:
            raise InputError(
                "step function: divides by a rate that is not eta itself; leave schedules, groups and state='whole' out"
            )
        whole = _expand_stages(self.builder, self)
        if any(power < 1 for _, power in whole.terms):
            raise InputError("step function: theta must move by eta times something, theta + eta * (...), and does not")
        return Vector(self.builder, {(atom, power - 1): value for (atom, power), value in whole.terms.items()})

    def lowest(self) -> tuple[Vector, int]:
        """What is left when the lowest power of η is taken out, and that power: ``η m / r`` is η times ``m / r``."""
        least = min((power for _, power in self.terms), default=0)
        rest = {(atom, power - least): value for (atom, power), value in self.terms.items()}
        return Vector(self.builder, rest), least

    def constant(self) -> StepSize | None:
        """The number of which it is a vector, None where it holds anything else than ones; zero is one."""
        if any(atom != _ONES for atom, _ in self.terms):
            return None
        return StepSize({(power, 0): value for (_, power), value in self.terms.items()})

    def __add__(self, other: Any) -> Vector:
        return Vector(self.builder, collected([*self.terms.items(), *self.builder.coerce(other).terms.items()]))

    def __mul__(self, other: Any) -> Vector:
        if isinstance(other, Vector):
            for one, factor in ((self, other.constant()), (other, self.constant())):
                if factor is not None:
                    return one * factor
            (left, p), (right, q) = self.lowest(), other.lowest()
            return self.builder.vector(Product(left.frozen(), right.frozen())) * StepSize({(p + q, 0): 1})
        number = StepSize._like(other)
        parts = {m: self._elapsed(m, number.clock) for m in sorted({m for _, m in number.terms})}
        total = collected(
            [
                ((atom, power + shift), value * factor)
                for (shift, m), factor in number.terms.items()
                for (atom, power), value in parts[m].terms.items()
            ]
        )
        return Vector(self.builder, total)

    def _elapsed(self, power: int, clock: tuple[int, int]) -> Vector:
        """Times t^power."""
        if power == 0 or not self.terms:
            return self
        return self.builder.vector(Elapsed(self.frozen(), power, *clock))

    def __truediv__(self, other: Any) -> Vector:
        if isinstance(other, Vector):
            if not other.terms:
                raise ZeroDivisionError("it divides by what is zero on the slow manifold")
            constant = other.constant()
            if constant is not None and set(constant.terms) == {(0, 0)}:
                return self if constant.terms[0, 0] == 1 else self * inverse(constant.terms[0, 0])
            (above, p), (below, q) = self.lowest(), other.lowest()
            return self.builder.vector(Quotient(above.frozen(), below.frozen())) * StepSize({(p - q, 0): 1})
        return self * (other.inverse() if isinstance(other, StepSize) else inverse(exact_number(other)))

    def __rtruediv__(self, other: Any) -> Vector:
        return self.builder.coerce(other) / self

    def __pow__(self, exponent: Any) -> Vector:
        if exponent == Fraction(1, 2):
            return self.sqrt()
        if not isinstance(exponent, int) or not 1 <= exponent <= 16:
            raise InputError(f"step function: power {exponent!r}; take an integer from 1 to 16, or 1/2")
        return reduce(mul, [self] * exponent)

    def sqrt(self) -> Vector:
        """What ``np.sqrt`` and ``eomsym.optimizers.sqrt`` call."""
        if self.terms == {(_ONES, 0): 1}:
            return self
        inside, power = self.lowest()
        if power % 2:
            raise InputError("step function: takes the square root of eta, which has no series in powers of eta")
        return self.builder.vector(SquareRoot(inside.frozen())) * StepSize({(power // 2, 0): 1})


class _Builder:
    """Collects the atoms of one trace, each once."""

    def __init__(self) -> None:
        self.atoms: list[Atom] = []
        self.numbers: dict[Atom, int] = {}
        self.stages: list[Vector] = []

    def number(self, atom: Atom) -> int:
        if atom not in self.numbers:
            self.numbers[atom] = len(self.atoms)
            self.atoms.append(atom)
        return self.numbers[atom]

    def vector(self, atom: Atom) -> Vector:
        return Vector(self, {(self.number(atom), 0): 1})

    def kind(self, atom: int) -> Atom:
        return One() if atom == _ONES else self.atoms[atom]

    def named(self, parts: tuple[Vector, ...]) -> tuple[Vector, ...]:
        """Each under a name of its own, so that what is made of it stays short."""
        return self.solve(lambda _: parts, len(parts))

    def short(self, parts: tuple[Vector, ...]) -> tuple[Vector, ...]:
        """``named`` where there is more than one term."""
        return tuple(self.named((part,))[0] if len(part.terms) > 1 else part for part in parts)

    def gradient(self, point: Any, field: int = 0) -> Vector:
        if not isinstance(point, Vector):
            raise InputError(f"step function: gradient of {type(point).__name__}; take it at a vector")
        return self.vector(Gradient(field, point.frozen()))

    def image(self, map: Map, arguments: Sequence[Any]) -> Vector:
        return self.vector(Image(map, tuple(self.coerce(argument).frozen() for argument in arguments)))

    def coerce(self, value: Any) -> Vector:
        return value if isinstance(value, Vector) else Vector(self, {(_ONES, 0): 1}) * value

    def solve(self, equation: Callable[[Any], Any], count: int) -> tuple[Vector, ...]:
        first = len(self.stages)
        unknowns = tuple(self.vector(Stage(first + index)) for index in range(count))
        self.stages.extend(unknowns)  # their places; the definitions follow
        definitions = equation(unknowns)
        self.stages[first : first + count] = [self.coerce(part) for part in definitions]
        return unknowns


def _linears(rule: UpdateRule, number: int) -> Iterator[Linear]:
    """The combinations that an atom is made of."""
    match rule.atoms[number]:
        case State(index) if index not in rule.slow:
            yield rule.following[index].without(number)
        case Stage(index):
            yield rule.stages[index]
        case Elapsed():  # needs its operand at lower powers of η only
            return
        case atom:
            yield from operands(atom)


def _check(rule: UpdateRule, slow: bool) -> None:
    theta = rule.state(0)
    if rule.following[0].coefficient(theta) != 1 or rule.moved(0).atoms(0):
        raise InputError("step function: theta must move by eta times something, theta + eta * (...), and does not")
    for index in range(1, len(rule.following)):
        for share in () if index in rule.slow else values_of(rule.self_coefficient(index)):
            # one that is a symbol stands for one below 1
            if isinstance(share, (int, Fraction, float)) and not -1 < share < 1:
                raise InputError(
                    f"step function: state {index} keeps {share} of itself in a step, so it never fades; take a share "
                    "between -1 and 1, or differences of its steps (follow)"
                )
        if index in rule.slow and (not slow or rule.moved(index).atoms(0)):
            raise InputError(
                f"step function: state {index} keeps itself with weight 1, so it never settles; ask for the whole state"
            )
    inner = [part for n in range(len(rule.atoms)) for part in _linears(rule, n)]
    every = [*rule.following, *rule.stages, *inner, *(a.operand for a in rule.atoms if isinstance(a, Elapsed))]
    if any(power < 0 for part in every for _, power, _ in part.terms):
        raise InputError("step function: divides by eta; keep states of the size of a gradient instead")


def _schedule(rule: UpdateRule) -> tuple[int, ...]:
    """Topological order at one power of η."""
    done = {rule.state(index) for index in rule.slow}
    needs = {n: set().union(*(part.atoms(0) for part in _linears(rule, n))) - done for n in range(len(rule.atoms))}
    sorter = TopologicalSorter({n: before for n, before in needs.items() if n not in done})
    try:
        return tuple(sorter.static_order())
    except CycleError:
        raise InputError(
            "step function: states or stages depend on one another in one step without a factor eta"
        ) from None
