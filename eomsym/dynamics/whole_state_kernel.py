"""The equation of motion of a whole state as a kernel: what paths ask of one, with z for θ and h for η."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np

from eomsym.dynamics.differentials import SeriesKernel
from eomsym.dynamics.kernel import Data, TermsKernel
from eomsym.dynamics.kernel_series import whole_state_terms
from eomsym.dynamics.optimizer_path import OptimizerEnd, field_gradient, run_twice
from eomsym.dynamics.vectors import slices
from eomsym.optimizers.whole_state import WholeState


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
        entry, eta = self._scaling.optimizer, h**self._scaling.power
        values = self._scaling.shares_at(h, self._values)
        exact = {parameter.name: Fraction(values[parameter.name]) for parameter in entry.parameters}
        gradient = field_gradient(self._kernel, data, entry.fields(**exact))
        unit = h if self._scaling.power == 2 else 1.0

        def step(state: np.ndarray) -> np.ndarray:
            theta, *memory = self.parts(state)
            after = entry.run(gradient, (theta, *(part / unit for part in memory)), eta, **values)
            return self._vector(np.concatenate([after[0], *(part * unit for part in after[1:])]))

        return step

    def run(self, state: np.ndarray, h: float, steps: int, data: Data) -> OptimizerEnd:
        """Where the optimiser itself arrives from a state; as ``run_optimizer``, for all of z."""
        step, start = self.step(h, data), np.array(state, dtype=np.float64)
        (end,), error = run_twice(lambda states: (step(states[0]),), (start,), steps, h)
        return OptimizerEnd(end, error, start)

    def _sized(self, row: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What is one number for all parameters may come out as a vector of equal ones."""
        return [part[: cut.stop - cut.start] for part, cut in zip(row, self._cuts, strict=True)]
