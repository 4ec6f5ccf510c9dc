"""A step to zeroth order: the field that a rule follows where η and all 1 − β are small, on arrays of any library.

θ moves by η, and a memory that keeps the share β of itself fades by 1 − β (``optimizers.whole_state``).  Nothing is
expanded: gradients, maps and roots are taken at the state as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from eomsym.blocks import Blocks
from eomsym.errors import InputError
from eomsym.optimizers.optimizer import Optimizer
from eomsym.optimizers.rule import (
    Elapsed,
    Gradient,
    Image,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    UpdateRule,
)
from eomsym.optimizers.stepping import sqrt
from eomsym.optimizers.whole_state import memory_powers, whole_state


@dataclass(frozen=True)
class LeadingField:
    """``dz/dn`` for n steps; ``moves`` says of θ and of each memory whether its row is times η."""

    rule: UpdateRule
    moves: tuple[bool, ...]

    @property
    def divides(self) -> bool:
        """Whether it may divide by a memory, which is 0 before the first step: by a quotient, a root or a map."""
        return any(isinstance(atom, (Quotient, SquareRoot, Image)) for atom in self.rule.atoms)

    def __call__(self, slope: Any, states: Sequence[Any], eta: Any, blocks: Blocks | None = None) -> list[Any]:
        """Returns the rows at ``states``, θ (d,) first, where the gradient at θ is ``slope`` (d,)."""
        rule, values = self.rule, dict[int, Any]()
        for index in rule.slow:
            values[rule.state(index)] = states[index]

        def at(linear: Linear, power: int = 0) -> Any:
            parts = [(share, values[atom]) for atom, exponent, share in linear.terms if exponent == power]
            made = [part if share == 1 else float(share) * part for share, part in parts]
            return sum(made[1:], made[0]) if made else 0 * states[0]

        for number in rule.schedule:
            match rule.atoms[number]:
                case Gradient():
                    values[number] = slope
                case Image(map, arguments):
                    values[number] = map.of_vectors([at(part) for part in arguments], blocks)
                case Stage(index):
                    values[number] = at(rule.stages[index])
                case One():
                    values[number] = 0 * states[0] + 1
                case Product(left, right):
                    values[number] = at(left) * at(right)
                case Quotient(numerator, denominator):
                    values[number] = at(numerator) / at(denominator)
                case SquareRoot(argument):
                    values[number] = sqrt(at(argument))
        rows = [at(rule.moved(index), 1) for index in rule.slow]
        return [eta * row if moves else row for row, moves in zip(rows, self.moves, strict=True)]


@lru_cache(maxsize=64)
def leading_field(entry: Optimizer, values: tuple[tuple[str, Fraction], ...]) -> LeadingField:
    """Returns the field of a rule with these values.

    Raises ``InputError`` for a rule with groups or batches, one whose state is not near the identity, one that takes
    gradients elsewhere than at θ, and for a memory that fades and moves by η in one.
    """
    entry.check_ungrouped("a field of zeroth order")
    if not entry.memory:
        return LeadingField(_checked(entry, entry.rule(**dict(values))), (True,))
    scaling = whole_state(entry)
    fading = scaling.scaled(Fraction(1), dict(values))
    rule = _checked(entry, scaling.rule(**fading))
    rates = {name for _, name in scaling.decays}
    twice = scaling.rule(**{name: 2 * value if name in rates else value for name, value in fading.items()})
    if scaling.power == 2:
        plain = rule.linear and not rule.images and set(memory_powers(entry.memory, 2)) == {1}
        moves = (True, *(False for _ in entry.memory)) if plain else ()
    else:
        moves = _moves(entry, rule, twice)
    if not moves:
        raise InputError(
            f"optimizer {entry.name!r}: its memory is a sum that a map takes; there is no field to correct"
        )
    return LeadingField(rule, moves)


def _moves(entry: Optimizer, rule: UpdateRule, twice: UpdateRule) -> tuple[bool, ...]:
    """Of each row whether it is times η: it stays as it is where memories fade ``twice`` as fast, else it doubles."""
    answers = []
    for index in rule.slow:
        rows = [{term[0]: term[2] for term in one.moved(index).terms if term[1] == 1} for one in (rule, twice)]
        stays, doubles = rows[0] == rows[1], {atom: 2 * share for atom, share in rows[0].items()} == rows[1]
        if stays == doubles:
            name = ("theta", *entry.memory)[index]
            raise InputError(f"optimizer {entry.name!r}: {name} fades and moves by eta in one; take another rule")
        answers.append(stays)
    return tuple(answers)


def _checked(entry: Optimizer, rule: UpdateRule) -> UpdateRule:
    """The rule, if it asks at η = 0 for nothing but a gradient at θ."""
    at_theta = [(rule.state(0), 1)]
    for atom in rule.atoms:
        if isinstance(atom, Gradient):
            points = [(number, share) for number, power, share in atom.point.terms if power == 0]
            if points != at_theta or atom.field:
                raise InputError(
                    f"optimizer {entry.name!r}: takes gradients elsewhere than at theta; take another rule"
                )
        if isinstance(atom, Elapsed):
            raise InputError(
                f"optimizer {entry.name!r}: a number depends on time; give it to the optimiser step by step"
            )
    return rule
