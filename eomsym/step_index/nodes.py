"""Where polynomials in the step index are known: rational nodes in the order in which they are used.

Nothing asks for steps that the optimiser visits: θ(½) is as good as θ(1), and where the nodes lie decides how many
digits are left.  Without memory small steps on both sides of 0 are best, with memory its length is the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import prod

from eomsym.checks import check_integer
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.blockwise import values_of
from eomsym.optimizers.rule import Gradient, Linear, Stage, State, UpdateRule, operands

#: Iterates of gradient descent that a kernel visits one after the other, all coefficients at once: the cheap ones.
FORWARD = (1, 2, 3)
#: What follows them, level by level, as far as the highest order asks: chosen by the digits left on hard networks.
AFTER_FORWARD = "-1 1/2 -1/2 3/2 -3/2 -2 5/2 1/4 -1/4 -5/2 7/2 -3 4 -7/2 9/2 -4 5"
#: Of a share that is known in floating point.
LARGEST_DENOMINATOR = 1000
#: The unit where there is no memory.
SMALL = Fraction(1, 3)


@lru_cache(maxsize=256)
def two_sided(count: int, unit: Fraction = SMALL) -> tuple[Fraction, ...]:
    """0, unit, −unit, 2 unit, −2 unit, …"""
    return tuple(unit * (-1) ** (i + 1) * ((i + 1) // 2) for i in range(count))


def forward_first(count: int) -> tuple[Fraction, ...]:
    """0, then ``FORWARD``, then small steps on both sides: the nodes of a gradient-descent kernel, at most 21."""
    nodes = [Fraction(0), *map(Fraction, FORWARD), *map(Fraction, AFTER_FORWARD.split())]
    return tuple(nodes[: check_integer("number of nodes", count, 1, len(nodes))])


def unit_of(rule: UpdateRule) -> Fraction:
    """The unit of the nodes of a rule whose parameters are numbers: twice the age a/(1 − a) of its longest memory.

    a is the share of itself that a state keeps in a step.  Measured for heavy ball on a quadratic, β from 1/5 to
    999/1000: twice the age leaves 1e−15 at order 12, the age 1e−11, steps of 1/3 nothing.
    """
    fading = [atom.index for atom in rule.atoms if isinstance(atom, State) and atom.index not in rule.slow]
    shares = [_short(abs(share)) for index in fading for share in values_of(rule.self_coefficient(index))]
    longest = max(shares, default=Fraction(0))
    return SMALL + 2 * longest / (1 - longest)


def _short(share: Coefficient) -> Fraction:
    """A number that a schedule has at some time is as good with few digits: nodes may lie anywhere."""
    return Fraction(share).limit_denominator(LARGEST_DENOMINATOR) if isinstance(share, float) else Fraction(share)


def is_anchored(rule: UpdateRule) -> bool:
    """Whether nothing depends on η at s = 0: no memory, no stages, gradients at θ alone, a step of η times that.

    A step with ``η² g`` has ``η g`` in its increment over η, which is g and not 0 there.
    """
    if any(isinstance(atom, Stage) or (isinstance(atom, State) and atom.index) for atom in rule.atoms):
        return False
    inside = [part for atom in rule.atoms for part in operands(atom)]
    if any(power != 1 for _, power, _ in rule.moved(0).terms):
        return False
    return all(power == 0 for operand in inside for _, power, _ in operand.terms)


def is_descent(rule: UpdateRule) -> bool:
    """Whether a step is η times a combination of θ and of gradients there, and nothing else."""
    theta = Linear(((rule.state(0), 0, 1),))
    return (
        len(rule.following) == 1
        and all(power == 1 for _, power, _ in rule.moved(0).terms)
        and all(isinstance(atom, State) or (isinstance(atom, Gradient) and atom.point == theta) for atom in rule.atoms)
    )


def outermost_first(nodes: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """As far as they can be from those before: further values are found by interpolation, and keep their digits."""
    rest, found = list(nodes), [max(nodes, key=abs)]
    rest.remove(found[0])
    while rest:
        found.append(max(rest, key=lambda node: prod(abs(node - other) for other in found)))
        rest.remove(found[-1])
    return tuple(found)
