"""Families of optimisers, whose coefficients are parameters without a value: what ``eomsym.design`` chooses from.

Any ``Optimizer`` is one.  Here are two that are wanted often, and what makes a member of a family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields as fields_of
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.checks import check_integer, shown
from eomsym.errors import InputError
from eomsym.optimizers.batches import BATCHES, epoch, fields
from eomsym.optimizers.optimizer import Arrays, Optimizer, Parameter, Slope
from eomsym.optimizers.runge_kutta import runge_kutta_step
from eomsym.optimizers.stepping import number_for
from eomsym.optimizers.variants import changed_step

#: No coefficient of use is as large.
_LARGEST = Fraction(1000)
_MOST_STAGES = 6


def _coefficient(name: str, meaning: str, default: Fraction | None = None, positive: bool = False) -> Parameter:
    minimum = Fraction(0) if positive else -_LARGEST
    return Parameter(name, name, meaning, minimum, _LARGEST, default, open_minimum=positive)


def runge_kutta_family(stages: int) -> Optimizer:
    """All explicit Runge–Kutta methods of 2 to 6 stages whose weights add up to 1.

    Parameters: the places ``c2, c3, …`` of the stages, ``a32, a42, a43, …`` of the matrix but for its first column,
    which is ``c_i`` less the others of its row, and the weights ``b2, b3, …``; ``b1`` is what is left of 1.
    Raises ``InputError`` for another number of stages.
    """
    count = check_integer("stages", stages, 2, _MOST_STAGES)
    later = range(2, count + 1)
    inner = {i: [f"a{i}{j}" for j in range(2, i)] for i in later}

    def step(gradient: Slope, state: tuple[Any], eta: Any, **values: Any) -> tuple[Any]:
        rows = [[values[name] for name in inner[i]] for i in later]
        matrix = [[values[f"c{i}"] - sum(row), *row] for i, row in zip(later, rows, strict=True)]
        weights = [values[f"b{i}"] for i in later]
        square = [[*row, *(0,) * (count - len(row))] for row in [[], *matrix]]
        return runge_kutta_step(square, [1 - sum(weights), *weights])(gradient, state, eta)

    places = [_coefficient(f"c{i}", f"place of stage {i}", Fraction(i - 1, count - 1)) for i in later]
    matrix = [_coefficient(name, "entry of the matrix") for i in later for name in inner[i]]
    return Optimizer(
        f"runge-kutta-of-{count}-stages",
        step,
        (*places, *matrix, *(_coefficient(f"b{i}", f"weight of stage {i}") for i in later)),
        summary=f"explicit Runge–Kutta methods of {count} stages",
        source="Hairer, Lubich & Wanner, Geometric Numerical Integration, 2nd ed. 2006, section II.1",
    )


def batch_passes(visits: Sequence[int], *, positive: bool = False) -> Optimizer:
    """Rounds of several passes over ``batches`` batches, each forward or reversed, and with a weight of its own.

    ``visits`` has the number of each pass's weight, 1, 2, …, with a minus where the pass is reversed: ``[1, -1]`` is
    forward, then reversed with one weight, ``[1, 2]`` twice forward with two.  A step of a pass is
    ``θ ← θ − η w g_i(θ)``; parameters are ``w1, w2, …``, ``positive`` or of any sign, and ``batches``.  A round of p
    passes counts as p epochs, so that the mean of the gradients is descended at pace 1 where the mean weight is 1.
    Raises ``InputError`` for what is no list of such numbers.
    """
    if isinstance(visits, str) or not isinstance(visits, Sequence):
        raise InputError(f"visits {shown(visits)}; give a list of numbers of weights, such as [1, -1]")
    passes = tuple(check_integer("visit", visit, -99, 99) for visit in visits)
    weights = sorted({abs(visit) for visit in passes})
    if not passes or weights != list(range(1, len(weights) + 1)):
        raise InputError(f"visits {list(passes)}: weights are numbered from 1 on, and none is left out, as in [1, -1]")

    def step(gradient: Slope, state: Arrays, eta: Any, batches: Any, **values: Any) -> Arrays:
        theta, forward = state[0], range(int(batches))
        for visit in passes:
            rate = eta * values[f"w{abs(visit)}"]
            theta = epoch(gradient, theta, rate, forward if visit > 0 else forward[::-1])
        return (theta,)

    directions = "-".join(f"{'f' if visit > 0 else 'r'}{abs(visit)}" for visit in passes)
    count = replace(BATCHES, default=Fraction(3), supremum=None, reason="")
    return Optimizer(
        f"passes-{directions}",
        step,
        (*(_coefficient(f"w{i}", f"weight {i}", positive=positive) for i in weights), count),
        summary=f"rounds of {len(passes)} passes over the batches",
        source="Nguyen, Phan & Kalagnanam, Learning to shuffle, arXiv 2604.00260, 2026 (forward, then reversed)",
        fields=lambda batches, **values: fields(batches),
        steps=lambda batches, **values: int(batches) * len(passes),
        limits="compared at the end of rounds; the number of samples must be a multiple of the batches",
    )


def member(family: Optimizer, values: Mapping[str, Fraction], name: str, kind: type[Any], **more: Any) -> Any:
    """The optimiser ``name`` of a family at exact values of some parameters: an object of ``kind``, an ``Optimizer``.

    The other parameters stay; ``more`` are what ``kind`` asks for beside what every optimiser has.
    """

    def bound(gradient: Slope, theta: Any, /, **others: Any) -> tuple[Slope, dict[str, Any]]:
        return gradient, {**{key: number_for(theta, value) for key, value in values.items()}, **others}

    made = changed_step(family, bound)
    return kind(
        **{
            **{one.name: getattr(made, one.name) for one in fields_of(made)},
            "name": name,
            "aliases": (),
            "plain": None,
            "parameters": tuple(one for one in family.parameters if one.name not in values),
            "fields": lambda **others: family.fields(**values, **others),
            "steps": lambda **others: family.steps(**values, **others),
            **more,
        }
    )
