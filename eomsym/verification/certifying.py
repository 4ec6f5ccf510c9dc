"""A certificate of a kernel at one point: how far its counter terms are from the true ones, proven by ball arithmetic.

The model, written out as a straight-line program, and the optimiser's rule are run once more on balls (python-flint's
``arb``), whose radii hold every rounding, so the true counter terms lie inside.  Nothing of the generated file is used
but the numbers that it returned.  Precision is raised until the balls are small against the error that they measure.

The counter terms are taken from the definition.  Along the iterates every coefficient in η is a polynomial in the step
index s, and here it *is* one: a polynomial of balls by its own coefficients, on which a step s ↦ s + 1 acts as
exp(d/ds).  A memory is ``(exp(d/ds) − a)⁻¹`` of what is added to it, a sum over steps ``(exp(d/ds) − 1)⁻¹``, and both
are power series in d/ds whose coefficients come from that of exp by division.  There are no nodes, no weights, no
interpolation: with the tables of ``step_index``, of which kernels are made, nothing is shared.  What is shared is the
rule, and the order in which ``Solution`` takes its levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

from eomsym.double_double import EPSILON, DoubleDouble
from eomsym.dynamics.kernel_rule import check_rule
from eomsym.dynamics.vectors import epsilon, rounded
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient
from eomsym.models import MLP
from eomsym.models.network import network_program
from eomsym.optimizers.optimizer import Field
from eomsym.optimizers.rule import Elapsed, UpdateRule
from eomsym.result import Result
from eomsym.series.number_rings import ball_ring
from eomsym.series.program import Program
from eomsym.series.rings import Ring
from eomsym.step_index import solve
from eomsym.step_index.numbers import ProgramAlgebra, each
from eomsym.step_index.tables import Tables
from eomsym.verification.accuracy import proportional_noise
from eomsym.verification.training import Training

if TYPE_CHECKING:
    from eomsym.codegen.kernel import Kernel

#: Where none is given and the kernel is generated.
USUAL_ORDER = 4
#: Where the precision begins, in units of the bits of the kernel's numbers, and beyond how many bits none is tried.
FIRST_PRECISION = 2
LAST_PRECISION = 4096
#: Balls are small enough when their radius is this part of the error found.
TIGHTNESS = 0.01
#: An error this many times what round-off was measured to be has another cause.
EXPLAINED = 100

Row = list[Any]  # of balls, (d,)


@dataclass(frozen=True, repr=False)
class Certificate(Result):
    """Proven bounds for rows 0 … order of ``kernel.counterterms`` at one point, ‖·‖₂.

    ``errors[k]`` is an upper bound of the distance between row k and the true −f̃_k (ξ_{k−1} for gradient descent);
    ``sizes[k]`` a lower bound of the true row's norm; ``radii[k]`` the radius of the ball that encloses it, contained
    in the error; ``bits`` the precision at which the balls were small enough.  ``rounding[k]`` is what round-off makes
    of row k, measured at points beside this one, and nothing proven: an error far above it is a wrong number.
    """

    kernel: str
    errors: tuple[float, ...]
    sizes: tuple[float, ...]
    radii: tuple[float, ...]
    bits: int
    rounding: tuple[float, ...]

    @property
    def wrong(self) -> tuple[int, ...]:
        """The rows whose error is not explained by round-off: the kernel computes something else there."""
        pairs = enumerate(zip(self.errors, self.rounding, strict=True))
        return tuple(row for row, (error, rounding) in pairs if error > EXPLAINED * rounding)

    @property
    def passed(self) -> bool:
        """Whether every error is one of round-off."""
        return not self.wrong

    @property
    def relative_errors(self) -> tuple[float, ...]:
        """Upper bounds of error over size; inf for a row that may vanish."""
        return tuple(error / size if size > 0 else np.inf for error, size in zip(self.errors, self.sizes, strict=True))

    @property
    def summary(self) -> str:
        """The kernel, the worst bound, and which rows are wrong."""
        worst = f"relative errors at most {max(self.relative_errors):.1e}"
        wrong = f", not certified: more than round-off in rows {', '.join(map(str, self.wrong))}" if self.wrong else ""
        return f"{self.kernel}, rows 0 to {len(self.errors) - 1}, {worst}{wrong}"

    def column_values(self) -> dict[str, Any]:
        """One row for each row of the kernel's counter terms."""
        bounds = {
            "error": self.errors,
            "relative_error": self.relative_errors,
            "size": self.sizes,
            "radius": self.radii,
            "rounding": self.rounding,
        }
        return {"row": list(range(len(self.errors))), **bounds}

    told = ("kernel", "errors", "relative_errors", "sizes", "radii", "bits", "rounding", "wrong", "passed")


def certify(training: Training, order: int | None = None) -> Certificate:
    """Bound the error of what the training's kernel returns as counter terms at its start, rigorously.

    The kernel is a generated one, of a network without normalisation or of an expression, of any optimiser; where the
    training brings none, one of its rule is generated to ``order``, 4 if not given.  For networks the samples are
    written out one by one, so a handful is the limit (20000 multiplications, as ``models.network``).
    Raises ``InputError`` for a kernel that eomsym did not generate, for what the kernel refuses, and where the counter
    terms are not defined; ``MissingExtraError`` without python-flint.
    Whether the errors are those of round-off says ``passed``.
    """
    from eomsym.codegen.kernel import Kernel

    training.check_plain("a certificate")
    highest = training.highest(USUAL_ORDER) if order is None else order
    kernel = training.kernel(highest, "a certificate", of_rule=True)
    if not isinstance(kernel, Kernel):
        raise InputError(
            "kernel: only generated code is certified, and this loss has none; give an MLP, a written loss, or "
            "a loaded kernel"
        )
    check_rule(kernel, *training.rule, "certified")
    theta, data = training.theta, training.data
    ring = ball_ring()
    from flint import ctx

    rows = kernel.counterterms(theta, *data, order=order)
    run = _reference(kernel, theta, data, len(rows), ring)
    unit = epsilon(rows)
    bits = FIRST_PRECISION * round(1 - np.log2(unit))
    while True:
        with ctx.workprec(bits):
            bounds = [_bounds(_exact(rows[k]), truth) for k, truth in enumerate(run())]
        negligible = unit**2 * bounds[0][1]  # beside the first row: rows that vanish have no size of their own
        tight = all(radius <= max(TIGHTNESS * error, negligible) < np.inf for error, _, radius in bounds)
        if tight or bits > LAST_PRECISION:
            break
        bits *= 2
    errors, sizes, radii = zip(*bounds, strict=True)
    if not np.isfinite(errors).all():
        raise InputError("theta: the counter terms are not defined here, not even in many digits; take another point")
    last_place = EPSILON if isinstance(rows, DoubleDouble) else float(np.finfo(rows.dtype).eps)
    noise = (_noise(kernel, theta, data, rows, row) for row in range(len(rows)))
    rounding = tuple(part + last_place * size for part, size in zip(noise, sizes, strict=True))
    return Certificate(kernel.spec.name, errors, sizes, radii, bits, rounding)


def _noise(kernel: Any, theta: Any, data: Sequence[np.ndarray], rows: Any, row: int) -> float:
    """The round-off in one of the rows."""
    unit = float(np.abs(rounded(rows[row])).max()) or 1.0  # rows of long memories are too large to be squared
    order = len(rows) - 1
    return unit * proportional_noise(lambda at: kernel.counterterms(at, *data, order=order)[row] * (1 / unit), theta)


def _exact(vector: Any) -> Row:
    """Floats, or pairs of them, as balls of radius 0."""
    from flint import arb

    if isinstance(vector, DoubleDouble):
        return [arb(float(high)) + arb(float(low)) for high, low in zip(vector.high, vector.low, strict=True)]
    return [arb(float(value)) for value in np.asarray(vector)]


def _bounds(row: Row, truth: Row) -> tuple[float, float, float]:
    """Upper bound of the distance, lower bound of the true norm, radius of the enclosure; all ‖·‖₂."""
    from flint import arb

    def norm(vector: Row) -> Any:  # of numbers: a ball around 0 times itself reaches below 0, and has no root
        return sum((number * number for number in vector), arb(0)).sqrt()

    distance = norm([(value - ball).abs_upper() for value, ball in zip(row, truth, strict=True)])
    return _above(distance), _below(norm([ball.abs_lower() for ball in truth])), _above(norm([b.rad() for b in truth]))


def _above(ball: Any) -> float:
    """A float that is not below the ball."""
    return float(np.nextafter(float(ball.abs_upper()), np.inf))


def _below(ball: Any) -> float:
    """A float that is not above the ball, at least 0."""
    return max(0.0, float(np.nextafter(float(ball.abs_lower()), -np.inf)))


def _reference(kernel: Kernel, theta: Any, data: Sequence[np.ndarray], terms: int, ring: Ring) -> Any:
    """A function that computes ``terms`` rows of balls at flint's current precision."""
    spec = kernel.spec
    if isinstance(spec.model, MLP):
        parameters: Sequence[np.ndarray] = ()
        programs = [_field_program(spec.model, field, data) for field in spec.fields]
    else:
        parameters = data
        programs = [spec.model.program]

    def rows() -> list[Row]:
        constants = [ball for vector in parameters if vector is not None for ball in _exact(vector)]
        return polynomial_counterterms(
            spec.rule, programs, _exact(theta), constants, terms, ring, spec.fields, spec.steps
        )

    return rows


def _field_program(model: MLP, field: Field, data: Sequence[np.ndarray]) -> Program:
    """The network's loss on the samples that the field sees."""
    inputs, targets = (array[field.samples(len(array))].tolist() for array in data)
    return network_program(model, inputs, targets)


class StepPolynomials(ProgramAlgebra):
    """Vectors of polynomials in s: ``arb_poly`` of python-flint; values have one row, of polynomials."""

    def solve_memory(self, share: Coefficient, index: int, values: np.ndarray, level: int) -> np.ndarray:
        operator = memory_operator(Fraction(share), level + 1)
        found = each(lambda added: self._applied(operator, added), values)
        return found if level else each(lambda polynomial: polynomial[0], found)

    def antidifference(self, values: np.ndarray, level: int) -> np.ndarray:
        return each(lambda moved: self._applied(sum_operator(level + 1), moved).integral(), values)

    def logarithm(self, values: np.ndarray, level: int) -> np.ndarray:
        return each(lambda moved: self._applied(sum_operator(level + 1), moved)[0], values)

    def elapsed(self, values: np.ndarray, atom: Elapsed, alike: bool) -> np.ndarray:
        raise AssertionError("kernels are generated for constant parameters")  # pragma: no cover

    def _applied(self, operator: Sequence[Fraction], value: Any) -> Any:
        """``Σ_j operator[j] (d/ds)^j`` of a polynomial, or of a ball, which is constant."""
        from flint import arb_poly

        derivative, total = arb_poly([value]) if not isinstance(value, arb_poly) else value, arb_poly([])
        for coefficient in operator:
            total = total + self._ring.number(coefficient) * derivative
            derivative = derivative.derivative()
        return total


def polynomial_counterterms(
    rule: UpdateRule,
    programs: Sequence[Program],
    point: Row,
    parameters: Row,
    terms: int,
    ring: Ring,
    fields: Sequence[Field],
    steps: int,
) -> list[Row]:
    """``−f̃_0, …, −f̃_{terms−1}`` of a rule at a point in balls; arguments as for ``step_index.program_counterterms``."""
    algebra = StepPolynomials(Tables((Fraction(0),)), programs, point, parameters, ring, fields)
    rows = solve(rule, algebra, terms)
    scale = ring.number(Fraction(-1, steps))
    return [[scale * value for value in values[0]] for values in rows]


@cache
def memory_operator(share: Fraction, count: int) -> tuple[Fraction, ...]:
    """``1/(exp(x) − share)``, share ≠ 1, to so many coefficients."""
    return _reciprocal([1 - share, *(Fraction(1, factorial(n)) for n in range(1, count))])


@cache
def sum_operator(count: int) -> tuple[Fraction, ...]:
    """``x/(exp(x) − 1)``, the derivative of a sum over steps, to so many coefficients."""
    return _reciprocal([Fraction(1, factorial(n + 1)) for n in range(count)])


def _reciprocal(series: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """1 over a power series."""
    found: list[Fraction] = []
    for k in range(len(series)):
        rest = sum((series[k - i] * found[i] for i in range(k)), Fraction(0))
        found.append(((k == 0) - rest) / series[0])
    return tuple(found)
