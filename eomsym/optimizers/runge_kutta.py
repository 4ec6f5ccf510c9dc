"""One-step methods of Runge–Kutta type for gradient flow: a tableau is an optimiser.

Their modified equations are classical (Hairer, Lubich & Wanner, *Geometric Numerical Integration*, 2nd ed. 2006,
section IX.9).  A method of order p follows gradient flow so closely that ξ_0 … ξ_{p−2} vanish.
Extragradient is *not* the explicit midpoint method: its first step is a whole one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from eomsym.checks import check_integer
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.optimizers.optimizer import Optimizer, coefficient
from eomsym.optimizers.stepping import number_for, solve

_GNI = "Hairer, Lubich & Wanner, Geometric Numerical Integration, 2nd ed. 2006, sections II.1 and IX.9"


def runge_kutta(
    name: str,
    matrix: Sequence[Sequence[object]],
    weights: Sequence[object],
    *,
    aliases: tuple[str, ...] = (),
    summary: str = "",
    source: str = "given by the user",
) -> Optimizer:
    """The optimiser of a tableau: stages ``y_i = θ − η Σ_j matrix[i][j] g(y_j)``, ``θ⁺ = θ − η Σ_i weights[i] g(y_i)``.

    Entries are exact (int, ``Fraction`` or text such as ``"1/6"``).  Raises ``InputError`` for a tableau that is not
    square, or whose weights do not add up to 1.
    """
    b = [read_rational("weight", value) for value in weights]
    a = [[read_rational("matrix entry", value) for value in row] for row in matrix]
    if len(a) != len(b) or any(len(row) != len(b) for row in a):
        raise InputError(f"tableau {name}: {len(b)} weights need a matrix of {len(b)} rows and columns")
    if sum(b) != 1:
        raise InputError(f"tableau {name}: the weights add up to {sum(b)}; they must add up to 1")
    explicit = all(a[i][j] == 0 for i in range(len(b)) for j in range(i, len(b)))
    return Optimizer(
        name,
        runge_kutta_step(a, b),
        aliases=aliases,
        summary=summary or f"Runge–Kutta method with weights {', '.join(map(str, b))}",
        source=source,
        limits="" if explicit else "the stages are solved by fixed-point iteration, which needs η λ_max small",
    )


def runge_kutta_step(matrix: Sequence[Sequence[Fraction]], weights: Sequence[Fraction]) -> Callable[..., Any]:
    """The step function of a Runge–Kutta tableau, explicit where the matrix is strictly lower triangular."""
    count = len(weights)
    explicit = all(matrix[i][j] == 0 for i in range(count) for j in range(i, count))

    def step(gradient: Callable[..., Any], state: tuple[Any], eta: Any) -> tuple[Any]:
        (theta,) = state

        def moved(factors: Sequence[Fraction], slopes: Sequence[Any]) -> Any:
            point = theta
            for factor, slope in zip(factors, slopes, strict=False):
                if factor != 0:
                    point = point - (eta * number_for(theta, factor)) * slope
            return point

        if explicit:
            slopes: list[Any] = []
            for row in matrix:
                slopes.append(gradient(moved(row, slopes)))
        else:

            def equation(points: tuple[Any, ...]) -> tuple[Any, ...]:
                at = [gradient(point) for point in points]
                return tuple(moved(row, at) for row in matrix)

            slopes = [gradient(point) for point in solve(equation, (theta,) * count)]
        return (moved(weights, slopes),)

    return step


_MOST_STAGES = 6


def runge_kutta_family(stages: int) -> Optimizer:
    """All explicit Runge–Kutta methods of 2 to 6 stages whose weights add up to 1.

    Parameters: the places ``c2, c3, …`` of the stages, ``a32, a42, a43, …`` of the matrix but for its first column,
    which is ``c_i`` less the others of its row, and the weights ``b2, b3, …``; ``b1`` is what is left of 1.
    Raises ``InputError`` for another number of stages.
    """
    count = check_integer("stages", stages, 2, _MOST_STAGES)
    later = range(2, count + 1)
    inner = {i: [f"a{i}{j}" for j in range(2, i)] for i in later}

    def step(gradient: Callable[..., Any], state: tuple[Any], eta: Any, **values: Any) -> tuple[Any]:
        rows = [[values[name] for name in inner[i]] for i in later]
        matrix = [[values[f"c{i}"] - sum(row), *row] for i, row in zip(later, rows, strict=True)]
        weights = [values[f"b{i}"] for i in later]
        square = [[*row, *(0,) * (count - len(row))] for row in [[], *matrix]]
        return runge_kutta_step(square, [1 - sum(weights), *weights])(gradient, state, eta)

    places = [coefficient(f"c{i}", f"place of stage {i}", Fraction(i - 1, count - 1)) for i in later]
    matrix = [coefficient(name, "entry of the matrix") for i in later for name in inner[i]]
    return Optimizer(
        f"runge-kutta-of-{count}-stages",
        step,
        (*places, *matrix, *(coefficient(f"b{i}", f"weight of stage {i}") for i in later)),
        summary=f"explicit Runge–Kutta methods of {count} stages",
        source="Hairer, Lubich & Wanner, Geometric Numerical Integration, 2nd ed. 2006, section II.1",
    )


_HALF = Fraction(1, 2)

EXTRAGRADIENT = runge_kutta(
    "extragradient",
    [[0, 0], [1, 0]],
    [0, 1],
    aliases=("korpelevich",),
    summary="θ⁺ = θ − η g(θ − η g(θ))",
    source="Korpelevich, The extragradient method for finding saddle points and other problems, 1976",
)
EXPLICIT_MIDPOINT = runge_kutta(
    "explicit-midpoint",
    [[0, 0], [_HALF, 0]],
    [0, 1],
    aliases=("midpoint",),
    summary="θ⁺ = θ − η g(θ − η/2 g(θ))",
    source=_GNI,
)
IMPLICIT_MIDPOINT = runge_kutta(
    "implicit-midpoint",
    [[_HALF]],
    [1],
    summary="θ⁺ = θ − η g((θ + θ⁺)/2)",
    source=_GNI,
)
CLASSICAL = runge_kutta(
    "runge-kutta-4",
    [[0, 0, 0, 0], [_HALF, 0, 0, 0], [0, _HALF, 0, 0], [0, 0, 1, 0]],
    ["1/6", "1/3", "1/3", "1/6"],
    aliases=("rk4",),
    summary="θ⁺ = θ − η/6 (k₁ + 2k₂ + 2k₃ + k₄), the classical method",
    source=_GNI,
)
RULES = (EXTRAGRADIENT, EXPLICIT_MIDPOINT, IMPLICIT_MIDPOINT, CLASSICAL)
