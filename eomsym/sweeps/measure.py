"""Measuring one job, in whatever process: the kernel is found, or generated, by its specification."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from eomsym import __version__, optimizers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.codegen.kernel import Kernel
from eomsym.codegen.render import render
from eomsym.dynamics.kernel import FieldKernel
from eomsym.errors import IntegrationError, KernelError
from eomsym.models import dataset
from eomsym.models.data import Dataset
from eomsym.sweeps.job import Job, JobResult, MeasuredError
from eomsym.verification.training import Training
from eomsym.verification.verifying import error_exponents, measure_errors

#: An explicit integrator creeps along a stiff path for hours.  Jobs that go well ask a few thousand times; a count, and
#: not seconds, because it is the same on every machine.
MAX_EVALUATIONS = 100_000


@dataclass(frozen=True)
class KernelOrder:
    """Which kernel a job needs: a specification, and the fingerprint of the bytes that must come out of it."""

    spec: KernelSpec
    fingerprint: str


def kernel_order(job: Job) -> KernelOrder:
    """The kernel of a job.  Raises ``InputError`` for one that cannot be generated."""
    exponents = _exponents(job.optimizer, job.parameters, job.orders)
    return _order(KernelSpec(job.model, max(exponents.values()), job.optimizer, "double", job.parameters))


def kernel_orders(jobs: Iterable[Job]) -> list[KernelOrder]:
    """The kernels that jobs need, each once."""
    return list(dict.fromkeys(map(kernel_order, jobs)))


def prepare_kernel(order: KernelOrder) -> None:
    """Generates, compiles and caches a kernel where that has not been done: seconds, once a machine.

    Raises ``KernelError`` if the eomsym here writes another kernel than the one that ordered it, or is of another
    version.
    """
    if _order(order.spec) != order:
        raise KernelError(
            f"kernel {order.spec.name}: eomsym {__version__} on {platform.node()} writes another file than the client; "
            "install the same version there"
        )
    _kernel(order)


def measure(job: Job, order: KernelOrder) -> JobResult:
    """The job's errors, or the reason why there are none: a path that leaves the numbers, data that do not fit.

    The caller limits BLAS to one thread.  Raises ``KernelError`` for a kernel that cannot be had, which is no fault of
    the job's.
    """
    prepare_kernel(order)
    return _result(job, _kernel(order))


class _PatientKernel:
    """A kernel that answers an integrator ``MAX_EVALUATIONS`` times and then ends the job."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel: FieldKernel = kernel
        self._left = MAX_EVALUATIONS
        self.model, self.order, self.size = kernel.model, kernel.order, kernel.size
        self.gradient, self.hessian_vector = kernel.gradient, kernel.hessian_vector
        self.gradient_series = kernel.gradient_series  # asked once a path, for the memory that it begins with

    def counterterms(self, *arguments: Any, **order: int) -> np.ndarray:
        self._count()
        return self._kernel.counterterms(*arguments, **order)

    def field(self, *arguments: Any, **order: int) -> np.ndarray:
        self._count()
        return self._kernel.field(*arguments, **order)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise IntegrationError(
                f"the integrator has asked for the field more than {MAX_EVALUATIONS} times: the equation of motion is "
                "stiff or the time long; take smaller step sizes"
            )


def _result(job: Job, kernel: Kernel) -> JobResult:
    try:
        rule = optimizers.chosen(job.optimizer, dict(job.parameters))
        training = Training(_PatientKernel(kernel), _dataset(job.dataset, job.seed), rule, seed=job.seed)
        exponents = _exponents(job.optimizer, job.parameters, job.orders)
        records = measure_errors(training, job.orders, job.eta, job.time, exponents)
    # What a number or a matrix can do wrong; anything else is a fault of the program and shall be seen.
    except (ValueError, ArithmeticError) as error:
        return JobResult(job, reason=" ".join(str(error).split()) or type(error).__name__)
    errors = (
        MeasuredError(
            record.order, record.expected_slope, record.errors[0], record.predicted_errors[0], record.floors[0]
        )
        for record in records
    )
    return JobResult.of(job, tuple(errors))


@lru_cache(maxsize=256)
def _exponents(optimizer: str, parameters: tuple[tuple[str, str], ...], orders: tuple[int, ...]) -> dict[int, int]:
    exact = {name: Fraction(value) for name, value in parameters}
    return error_exponents(optimizers.get(optimizer), exact, orders)


@lru_cache(maxsize=256)
def _order(spec: KernelSpec) -> KernelOrder:
    # The version stands for everything else that a number depends on.
    content = f"eomsym {__version__}\n{render(spec)}"
    return KernelOrder(spec, hashlib.sha256(content.encode()).hexdigest())


@lru_cache(maxsize=32)
def _kernel(order: KernelOrder) -> Kernel:
    return kernel_for(order.spec)


@lru_cache(maxsize=4)
def _dataset(name: str, seed: int) -> Dataset:
    return dataset(name, seed)
