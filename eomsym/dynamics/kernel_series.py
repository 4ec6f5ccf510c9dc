"""What any optimiser obeys on any kernel that gives its gradient along a curve, by the solver of ``step_index``.

A kernel of gradient descent serves all optimisers here: neither its counter terms nor its optimiser are used.  Level k
asks for the gradient's series at every node, from its start: it costs about k times what a kernel that is generated for
the optimiser takes, and needs no compilation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from eomsym.checks import check_integer
from eomsym.dynamics.differentials import SeriesKernel, gradient_along, gradient_of_fields
from eomsym.dynamics.kernel import Data, TermsKernel, blocks_of, check_order, check_theta
from eomsym.dynamics.runs import OptimizerEnd, field_gradient, run_twice
from eomsym.dynamics.vectors import slices
from eomsym.optimizers.optimizer import Field, Optimizer
from eomsym.optimizers.rule import UpdateRule
from eomsym.optimizers.whole_state import WholeState
from eomsym.step_index import solve
from eomsym.step_index.frozen import check_frozen, takes_roots
from eomsym.step_index.numbers import NumberAlgebra
from eomsym.step_index.solver import Solution, solve_slow
from eomsym.step_index.tables import small_nodes


class RuleKernel(TermsKernel):
    """A loss that gives its gradient along curves as a kernel with the terms of any rule with these values."""

    rule: tuple[Optimizer, dict[str, Fraction]]

    def __init__(self, inner: Any, entry: Optimizer, values: Mapping[str, Fraction]) -> None:
        self.inner, self.rule = inner, (entry, dict(values))
        self.order, self.size, self.gradient_series = inner.order, inner.size, inner.gradient_series
        self.loss, self.hessian_vector, self.blocks = inner.loss, inner.hessian_vector, blocks_of(inner)

    def gradient(self, theta: np.ndarray, *data: np.ndarray) -> np.ndarray:
        """Of the loss, (d,)."""
        return self.inner.gradient(theta, *data)

    def counterterms(self, theta: np.ndarray, *data: np.ndarray, order: int | None = None) -> np.ndarray:
        """``−f̃_0, …, −f̃_order`` (order + 1, d), in units of time."""
        entry, values = self.rule
        highest = self.order if order is None else order
        rows = kernel_counterterms(self.inner, entry.rule(**values), theta, highest, data, entry.fields(**values))
        return rows / entry.steps(**values)


def kernel_counterterms(
    kernel: SeriesKernel,
    rule: UpdateRule,
    theta: np.ndarray,
    order: int,
    data: Data = (),
    fields: Sequence[Field] = (Field(),),
) -> np.ndarray:
    """``−f̃_0, …, −f̃_order`` (order + 1, d) of a rule at ``theta`` (d,), on the slow manifold, per step.

    Raises ``InputError`` for a bad point or an order above the kernel's.
    """
    algebra = _algebra(kernel, rule, [check_theta(kernel, theta)], order, data, fields)
    return -np.array([values[0] for values in solve(rule, algebra, order + 1)])


def slow_memory(
    kernel: SeriesKernel,
    rule: UpdateRule,
    theta: np.ndarray,
    eta: float,
    order: int,
    data: Data = (),
    fields: Sequence[Field] = (Field(),),
) -> list[np.ndarray]:
    """The memory of a rule on its slow manifold above ``theta``, (d,) each, with powers of η up to ``order``.

    Its distance from the manifold is O(η^{order+1}).  Raises as ``kernel_counterterms`` does.
    """
    algebra = _algebra(kernel, rule, [check_theta(kernel, theta)], order, data, fields)
    solution = Solution(rule, algebra)
    for level in range(order + 1):
        solution.advance(level)
    powers = eta ** np.arange(order + 1.0)
    return [
        np.tensordot(powers, np.array([level[0] for level in solution.levels(index)]), axes=1)
        for index in range(1, len(rule.following))
    ]


def whole_state_terms(
    kernel: SeriesKernel, rule: UpdateRule, states: Sequence[np.ndarray], order: int, data: Data = ()
) -> list[list[np.ndarray]]:
    """Rows ``F_0, …, F_order`` of the whole state's field, θ first; ``rule`` is one of ``optimizers.whole_state``.

    ``states`` has θ (d,) and the memory in the rule's units.  Raises as ``kernel_counterterms`` does.
    """
    theta, *memory = states
    algebra = _algebra(kernel, rule, [check_theta(kernel, theta), *memory], order, data, (Field(),))
    return [[field[0] for field in row] for row in solve_slow(rule, algebra, order + 1)]


def _algebra(
    kernel: SeriesKernel,
    rule: UpdateRule,
    states: Sequence[np.ndarray],
    order: int,
    data: Data,
    fields: Sequence[Field],
) -> NumberAlgebra:
    check_order(kernel, check_integer("order", order, 0), "the gradient along a curve")
    check_roots(kernel, rule, states[0], data, fields)
    along = gradient_of_fields(data, fields, partial(gradient_along, kernel))
    return NumberAlgebra(
        small_nodes(rule, order + 1),
        lambda field, series: along(np.ascontiguousarray(series), field),
        states,
        blocks=blocks_of(kernel),
    )


def check_roots(kernel: SeriesKernel, rule: UpdateRule, theta: np.ndarray, data: Data, fields: Sequence[Field]) -> None:
    """Raises ``InputError`` where a root of the rule has no derivative, by ``check_frozen`` for each field."""
    along = gradient_of_fields(data, fields, partial(gradient_along, kernel))
    for number in range(len(fields)) if takes_roots(rule) else ():
        check_frozen(lambda place, field=number: along(place[None], field)[0], theta, "the optimizer")  # type: ignore[misc]


class WholeStateKernel(TermsKernel):
    """``ż = Σ_k h^k F_k(z)`` of an optimiser on the loss of any kernel that gives its gradient along a curve.

    ``values`` are the parameters of ``scaling.rule``, γ in place of each share β.  The whole state is θ (d,), then the
    memory in the rule's units, ``parts`` at the start.  The kernel's vector z has its entries at ``moving`` (n,), whole
    numbers, divided by ``units`` (n,); the others stay where they are.  A mean of squares may be smaller than θ by ten
    orders of magnitude: units let one tolerance serve all entries.  F_0 is no gradient, so there is no Hessian.
    """

    def __init__(
        self,
        kernel: SeriesKernel,
        scaling: WholeState,
        values: Mapping[str, Fraction],
        parts: Sequence[np.ndarray],
        moving: np.ndarray | None = None,
        units: np.ndarray | float = 1.0,
    ) -> None:
        self._kernel, self._scaling, self._values = kernel, scaling, dict(values)
        self._rule, self._cuts = scaling.rule(**values), slices([part.size for part in parts])
        self._start = np.concatenate(parts)
        self._moving = np.arange(self._start.size) if moving is None else moving
        self.units = np.broadcast_to(units, self._moving.shape)
        self.order, self.size = kernel.order, self._moving.size

    @property
    def start(self) -> np.ndarray:
        """z at the start."""
        return self._vector(self._start)

    def parts(self, state: np.ndarray) -> list[np.ndarray]:
        """θ and each memory, in the rule's units."""
        whole = self._start.copy()
        whole[self._moving] = state * self.units
        return [whole[cut] for cut in self._cuts]

    def _vector(self, whole: np.ndarray) -> np.ndarray:
        """z of the whole state, or a row of z for a row."""
        return np.asarray(whole[..., self._moving] / self.units)

    def counterterms(self, state: np.ndarray, *data: np.ndarray, order: int | None = None) -> np.ndarray:
        """``−F_0, …, −F_order`` (order + 1, n)."""
        rows = whole_state_terms(
            self._kernel, self._rule, self.parts(state), self.order if order is None else order, data
        )
        return -self._vector(np.array([np.concatenate(self._sized(row)) for row in rows]))

    def step(self, h: float, data: Data) -> Callable[[np.ndarray], np.ndarray]:
        """Returns the optimiser's own map on z, at ``β = 1 − γh``."""
        entry, eta = self._scaling.optimizer.on(blocks_of(self._kernel)), h**self._scaling.power
        values = self._scaling.shares_at(h, self._values)
        exact = {parameter.name: Fraction(values[parameter.name]) for parameter in entry.parameters}
        gradient = field_gradient(self._kernel, data, entry.fields(**exact))
        cuts, units = self._cuts, (1.0, *self._scaling.units(h))
        own = np.concatenate([np.full(cut.stop - cut.start, unit) for cut, unit in zip(cuts, units, strict=True)])

        def step(state: np.ndarray) -> np.ndarray:
            whole = np.concatenate(self.parts(state)) / own
            return self._vector(
                np.concatenate(entry.run(gradient, tuple(whole[cut] for cut in cuts), eta, **values)) * own
            )

        return step

    def run(self, state: np.ndarray, h: float, steps: int, data: Data) -> OptimizerEnd:
        """Where the optimiser itself arrives from a state; as ``run_optimizer``, for all of z."""
        step, start = self.step(h, data), np.array(state, dtype=np.float64)
        (end,), error = run_twice(lambda states: (step(states[0]),), (start,), steps, h)
        return OptimizerEnd(end, error, start)

    def _sized(self, row: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What is one number for all parameters may come out as a vector of equal ones."""
        return [part[: cut.stop - cut.start] for part, cut in zip(row, self._cuts, strict=True)]
