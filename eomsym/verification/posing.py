"""What studies of convergence have in common: their step sizes, and their models by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.checks import check_positive
from eomsym.derivation import series_radius
from eomsym.dynamics import FieldKernel
from eomsym.dynamics.kernel import check_order, check_theta
from eomsym.errors import InputError
from eomsym.models import MLP, Dataset, dataset, default_model
from eomsym.optimizers import Optimizer
from eomsym.verification.gradient_check import check_gradient
from eomsym.verification.measurement import Measurement, Problem
from eomsym.verification.study import ConvergenceStudy

if TYPE_CHECKING:
    from eomsym.codegen import Kernel, KernelSpec

Progress = Callable[[int, int], None]

#: Without step sizes given, the largest has η max|λ| of this size: well inside the radius of convergence, 1.
LARGEST_STEP = 0.8
#: The same for optimisers with a memory: they travel during their transient, and should not arrive.
LARGEST_STEP_WITH_MEMORY = 0.3
#: T is this many of the largest steps.
STEPS = 8
#: How often the largest step is halved.
HALVINGS = 5
#: A term this much smaller than f̃_0 is zero but for round-off.
VANISHING = 1e-9


def growth_of_terms(terms: np.ndarray, norm: float = 2) -> float:
    """How fast the terms (order + 1, d) of a field grow, ‖f̃_{k+1}‖/‖f̃_k‖: what η has to be small against.

    ``norm`` is p of the p-norm; inf is for fields whose entries have each a series of its own, of which a single one
    may leave all measure.  Vanishing terms are passed over.  The largest ratio is taken: the ratios rise towards the
    reciprocal of the radius of convergence.
    """
    sizes = np.linalg.norm(terms, norm, axis=1)
    present = [(index, size) for index, size in enumerate(sizes) if size > VANISHING * sizes[0]]
    ratios = [(b / a) ** (1 / (j - i)) for (i, a), (j, b) in pairwise(present)]
    return max(ratios, default=0.0)


def model_for(model: MLP | None, data: str | Dataset | None) -> MLP:
    """The model given, or the one that suits a data set's name.  Raises ``InputError`` if there is none."""
    if model is not None:
        return model
    if isinstance(data, str):
        return default_model(data)
    raise InputError("model: none given, and only a data set given by its name has a default; give an MLP or a kernel")


def kernel_of(
    model: MLP, order: int, output: str | Path | None = None, alike: Callable[[KernelSpec], bool] | None = None
) -> Kernel:
    """A kernel of gradient descent on a network, or a committed one that is ``alike`` where no folder is asked for."""
    from eomsym.codegen import COMMITTED, KernelSpec, kernel_for

    spec = KernelSpec(model, order)
    if alike is not None and output is None:
        spec = next((known for known in COMMITTED if known.model == model and alike(known)), spec)
    return kernel_for(spec, output)


def describe(kernel: FieldKernel, model: MLP | None = None) -> str:
    """The model of a kernel in a few words."""
    model = getattr(kernel, "model", model)
    return describe_model(model) if isinstance(model, MLP) else type(kernel).__name__


def describe_model(model: MLP) -> str:
    """Such as ``64-32-10 tanh cross-entropy``."""
    decay = f" weight-decay {model.weight_decay!r}" if model.weight_decay else ""
    normalised = f" {model.normalization}-normalization" if model.normalization != "none" else ""
    bias = "" if model.bias else " no-bias"
    return f"{'-'.join(map(str, model.layers))} {model.activation}{normalised} {model.loss}{bias}{decay}"


def default_etas(radius: float, fraction: float = LARGEST_STEP) -> list[float]:
    """Step sizes, halved each time, of which the largest times ``radius`` is ``fraction``."""
    if not radius > 0:
        raise InputError("etas: the Hessian vanishes at theta, so no step size suggests itself; give some")
    digits = 1 - math.floor(math.log10(fraction / radius))
    # Two digits: short in tables, and the same on every machine though the eigenvalue has its own last digits.
    largest = round(fraction / radius, digits)
    return [largest / 2**k for k in range(HALVINGS + 1)]


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked of a study of convergence beside the optimiser: arguments of ``verify``, under their names."""

    model: MLP | None
    data: str | Dataset | None
    orders: Sequence[int]
    etas: Sequence[float] | None
    seed: int
    theta: Any = None
    kernel: Any = None
    output: str | Path | None = None
    threads: int = 1
    progress: Progress | None = None

    @cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What a kernel is given beside θ: inputs and targets, or nothing for a loss without data."""
        return () if self.data is None else dataset(self.data, self.seed).arrays

    def series_kernel(self) -> Any:
        """The kernel given, or one that is generated: of gradient descent, for its gradient along curves.

        Raises ``InputError`` for one without, or of too low an order.
        """
        order = max(self.orders) + 1
        if self.kernel is None:
            return kernel_of(model_for(self.model, self.data), order, self.output)
        if not hasattr(self.kernel, "gradient_series"):
            raise InputError("kernel: gives no gradient along a curve (gradient_series); take a generated one")
        check_order(self.kernel, order, f"verifying order {order - 1}")
        return self.kernel

    def start(self, kernel: Any) -> Any:
        """θ as given, or drawn from the seed.  Raises ``InputError`` if there is no model to draw it from.

        And ``KernelError`` where the kernel's gradient is not that of its loss there.
        """
        point, own = self.theta, getattr(kernel, "model", self.model)
        if point is None:
            if not isinstance(own, MLP):
                raise InputError("theta: this kernel has no model to draw it from; give a vector to start at")
            point = own.initial(self.seed)
        start = check_theta(kernel, point)
        check_gradient(kernel, start, self.arrays)
        return start

    def study(
        self,
        problem: Problem,
        kernel: Any,
        etas: Sequence[float],
        time: float,
        radius: float,
        *,
        warnings: tuple[str, ...] = (),
        parameters: Mapping[str, Any],
        **about: Any,
    ) -> ConvergenceStudy:
        """Measures all orders; ``about`` is what else the study says of itself, ``kernel`` that of the model."""
        measurement = Measurement(problem, time, self.progress)
        records = measurement.records(self.orders, etas, extend=self.etas is None, threads=self.threads)
        return ConvergenceStudy(
            optimizer=problem.optimizer,
            model=describe(kernel, self.model),
            dataset=self.data.name if isinstance(self.data, Dataset) else str(self.data or ""),
            seed=self.seed,
            time=time,
            spectral_radius=radius,
            orders=records,
            warnings=(*warnings, *measurement.warnings),
            parameters=tuple((name, str(value)) for name, value in parameters.items()),
            **about,
        )


def check_etas(etas: Sequence[float]) -> list[float]:
    """Step sizes, falling, each a whole number of times in the time that is verified.  Raises ``InputError``."""
    steps = [check_positive("eta", eta) for eta in etas]
    if len(steps) < 2:
        raise InputError(f"etas {steps}: a slope needs at least two step sizes; give some, each half of the one before")
    if any(after >= before for before, after in pairwise(steps)):
        raise InputError(f"etas {steps}: not falling; give the largest first, each half of the one before")
    if not math.isfinite(STEPS * steps[0]):
        raise InputError(f"eta {steps[0]!r}: {STEPS} such steps are no finite time; give a smaller one")
    for eta in steps:
        count = STEPS * steps[0] / eta
        if abs(count - round(count)) > 1e-12 * count:
            raise InputError(f"eta {eta!r}: {STEPS} x {steps[0]!r} is not a whole number of such steps; halve instead")
    return steps


def step_warnings(
    entry: Optimizer, values: Mapping[str, Fraction], etas: Sequence[float], curvature: float
) -> tuple[str, ...]:
    """A sentence where the series of the optimiser on a quadratic diverges."""
    limit = series_radius(entry.rule(**values))
    beyond = [eta for eta in etas if eta * curvature >= limit]
    if not beyond:
        return ()
    largest = max(beyond)
    stable = ", though gradient descent is stable up to 2" if entry.name == "gradient-descent" else ""
    return (
        f"eta = {largest:g} times the largest eigenvalue {curvature:.4g} is {largest * curvature:.3g}: from "
        f"{limit:.3g} on the series in eta diverges and more orders make it worse{stable}",
    )
