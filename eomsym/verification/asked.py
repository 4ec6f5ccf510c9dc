"""One question of ``verify``: a training at some orders and step sizes, measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from eomsym.verification.gradient_check import check_gradient
from eomsym.verification.measurement import Measurement, Problem
from eomsym.verification.posing import Progress
from eomsym.verification.training import Training
from eomsym.verification.verification_record import Verification

#: Orders that are measured at a time; the numbers do not depend on it.  Losses of JAX and PyTorch are followed by their
#: library's tracer, whose state two threads would share: there it is one.
THREADS = 2


@dataclass(frozen=True, eq=False)
class Asked:
    """Arguments of ``verify``, under their names."""

    training: Training
    orders: Sequence[int]
    etas: Sequence[float] | None
    progress: Progress | None = None

    def kernel(self) -> Any:
        """Returns the loss in doubles, one order higher than the highest asked for, which predicts its error.

        Raises ``InputError`` for one without a gradient along a curve and ``KernelError`` where a kernel's gradient is
        not that of its loss.
        """
        order, training = max(self.orders), self.training
        kernel = training.series_kernel(order + 1, f"verifying order {order}")
        check_gradient(kernel, training.theta, training.data)
        return kernel

    def study(
        self,
        problem: Problem,
        etas: Sequence[float],
        time: float,
        radius: float,
        *,
        warnings: tuple[str, ...] = (),
        **about: Any,
    ) -> Verification:
        """Measures all orders; ``about`` is what else the result says of itself."""
        measurement = Measurement(problem, time, self.progress)
        threads = THREADS if self.training.own is None else 1
        records = measurement.records(self.orders, etas, extend=self.etas is None, threads=threads)
        return Verification(
            training=replace(self.training.setting, eta=None),
            time=time,
            spectral_radius=radius,
            orders=records,
            warnings=(*warnings, *measurement.warnings),
            **about,
        )
