"""Methods that see the arrays that θ is made of: Muon, Shampoo, LAMB, LARS, and sharpness-aware minimisation."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, NoReturn

from eomsym.blocks import Blocks
from eomsym.errors import InputError
from eomsym.optimizers.adaptive import ADAM, BETA1, BETA2, EPSILON, adam_direction, mean_ahead, ones
from eomsym.optimizers.descent import MOMENTUM
from eomsym.optimizers.maps import Map, identity, norm, vanishes
from eomsym.optimizers.optimizer import Arrays, Optimizer, Parameter, Slope, flag, from_zero
from eomsym.optimizers.stepping import sqrt

#: Of the quintic Newton–Schulz iteration X ← a X + (b A + c A²) X, A = X Xᵀ (Jordan 2024; PyTorch and optax have them).
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


@lru_cache(maxsize=64)
def newton_schulz(iterations: Any, epsilon: Any, scaled: bool, rms: Any, columns_out: bool, auxiliary: bool) -> Map:
    """Returns the map from a matrix to its Newton–Schulz iterate, times a factor of its shape.

    ``scaled`` is √max(1, n_out/n_in), ``rms`` > 0 that number times √max(n_out, n_in) in its place.  What is no matrix
    is taken to 0 where it has an ``auxiliary`` rule, and refused else.
    """
    a, b, c = NEWTON_SCHULZ

    def iterated(matrix: Any) -> Any:
        if matrix.ndim != 2 and auxiliary:
            return 0 * matrix
        if matrix.ndim != 2:
            raise InputError(
                f"muon: an array of shape {tuple(matrix.shape)} is no matrix; take auxiliary=yes, Adam for the others"
            )
        rows, columns = matrix.shape
        wide = matrix.T if rows > columns else matrix
        wide = wide / (norm(wide) + float(epsilon))
        for _ in range(int(iterations)):
            gram = wide @ wide.T
            wide = a * wide + (b * gram + c * (gram @ gram)) @ wide
        made, (outputs, inputs) = (wide.T if rows > columns else wide), (rows, columns)
        if columns_out:
            outputs, inputs = columns, rows
        if rms:
            return float(rms) * math.sqrt(max(rows, columns)) * made
        return math.sqrt(max(1, outputs / inputs)) * made if scaled else made

    return Map("newtonschulz", iterated)


#: Linear: what is no matrix, the rest 0.
OTHERS = Map("others", lambda array: array if array.ndim != 2 else 0 * array)


def _memory_of_muon(corrected: bool = False, auxiliary: bool = False, **flags: bool) -> tuple[str, ...]:
    return ("mean", *("faded",) * corrected, *ADAM.memory * auxiliary)


def _step_muon(
    gradient: Slope,
    state: Arrays,
    eta: Any,
    beta: Any,
    epsilon: Any,
    iterations: Any,
    rms: Any = 0,
    beta1: Any = 0,
    beta2: Any = 0,
    adam_epsilon: Any = 0,
    *,
    nesterov: bool = True,
    scaled: bool = True,
    columns_out: bool = False,
    corrected: bool = False,
    auxiliary: bool = False,
    matched: bool = False,
) -> Arrays:
    """m⁺ = β m + (1−β) g, θ⁺ = θ − η P(β m⁺ + (1−β) g), P five Newton–Schulz steps on each matrix

    Source: Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024, as in torch.optim.Muon and
    optax.contrib.muon

    Limits: in the precision of θ, where PyTorch iterates in bfloat16; holds after the transient β^k
    """
    theta, mean, *rest = state
    slope, faded = gradient(theta), [beta * rest.pop(0)] if corrected else []
    mean = beta * mean + (1 - beta) * slope
    ahead = mean_ahead(mean, slope, beta, faded[0] if corrected else 0, nesterov)
    polar = newton_schulz(iterations, epsilon, scaled, rms if matched else 0, columns_out, auxiliary)
    if not auxiliary:
        return theta - eta * polar(ahead), mean, *faded
    of_slope, adam_state = (lambda point: slope), (theta, *rest)
    direction, *adam = adam_direction(of_slope, adam_state, beta1, beta2, adam_epsilon, nesterov=nesterov)
    return theta - eta * (polar(ahead) + OTHERS(direction)), mean, *faded, *adam


def _start_muon(
    gradient: Slope, theta: Any, *values: Any, corrected: bool = False, auxiliary: bool = False, **others: Any
) -> Arrays:
    return (0 * theta, *(ones(theta),) * corrected, *(ADAM.initial_state(theta)[1:] if auxiliary else ()))


MUON = Optimizer(
    "muon",
    _step_muon,
    (
        replace(MOMENTUM, meaning="share of the last mean that is kept", default=Fraction(95, 100)),
        from_zero("epsilon", "ε", "added to the norm of the matrix", Fraction(0)),
        Parameter("iterations", "", "Newton–Schulz steps", Fraction(1), Fraction(100), Fraction(5), kind="count"),
    ),
    ("mean",),
    _start_muon,
    options=(
        flag("nesterov", "looks one step ahead: β m⁺ + (1−β) g in place of m⁺", default=True),
        flag("scaled", "times √max(1, n_out/n_in), as PyTorch's 'original' and optax", default=True),
        flag("columns_out", "columns are outputs, as in JAX; else rows, as in PyTorch"),
        flag("matched", "times a number and √max(n_out, n_in) in place of that, as PyTorch's 'match_rms_adamw'"),
        from_zero("rms", "r", "that number", Fraction(1, 5), "", "matched"),
        flag("corrected", "the mean without its bias, as optax"),
        flag("auxiliary", "Adam for what is no matrix, as optax.contrib.muon"),
        replace(BETA1, brought_by=("auxiliary",)),
        replace(BETA2, brought_by=("auxiliary",)),
        replace(EPSILON, name="adam_epsilon", symbol="ε₁", brought_by=("auxiliary",)),
    ),
    form=lambda **flags: {"memory": _memory_of_muon(**flags)},
)


def trusted(array: Any, move: Any) -> Any:
    """A move times the norm of its array over its own; where one is 0 optax takes 1, and there is no derivative."""
    if vanishes(array) or vanishes(move):
        _refuse_zero(array)
    return move * (norm(array) / norm(move))


def _refuse_zero(array: Any) -> NoReturn:
    raise InputError(
        f"trust ratio: an array of shape {tuple(array.shape)} or its move is 0, where a norm has no derivative; begin "
        "with weights and biases other than 0"
    )


def _not_zero(array: Any) -> Any:
    """The array, if it is not 0 everywhere, as far as that can be looked at."""
    try:
        zero = not bool((array != 0).any())
    except Exception:  # a traced array of any library has its own error
        zero = False
    if zero:
        _refuse_zero(array)
    return array


#: Of LAMB and LARS; and what their start is looked at with, as PyTorch's and JAX's steps are not.
TRUST, NOT_ZERO = Map("trust", trusted), Map("not-zero", _not_zero)
DECAY = from_zero("decay", "λ", "weight decay, below the trust ratio", Fraction(0))
_TRUST_LIMITS = "an array that is zero has no norm's derivative: begin with none"


def _step_lamb(gradient: Slope, state: Arrays, eta: Any, beta1: Any, beta2: Any, epsilon: Any, decay: Any) -> Arrays:
    """θ⁺ = θ − η ‖θ‖/‖u‖ u array by array, u = Adam's direction + λ θ

    Source: You et al., Large batch optimization for deep learning, ICLR 2020, as in optax.lamb
    """
    direction, *memory = adam_direction(gradient, state, beta1, beta2, epsilon)
    return state[0] - eta * TRUST(state[0], direction + decay * state[0]), *memory


LAMB = Optimizer(
    "lamb",
    _step_lamb,
    (BETA1, BETA2, replace(EPSILON, default=Fraction(1, 10**6)), DECAY),
    ADAM.memory,
    lambda gradient, theta, **values: ADAM.initial_state(NOT_ZERO(theta))[1:],
    limits=f"{ADAM.limits}; {_TRUST_LIMITS}",
)


def _step_lars(
    gradient: Slope, state: Arrays, eta: Any, beta: Any, decay: Any, trust: Any, *, nesterov: bool = False
) -> Arrays:
    """v⁺ = β v + c ‖θ‖/‖u‖ u array by array, u = g + λ θ, θ⁺ = θ − η v⁺

    Source: You, Gitman & Ginsburg, Large batch training of convolutional networks, 2017, as in optax.lars
    """
    theta, velocity = state
    move = trust * TRUST(theta, gradient(theta) + decay * theta)
    velocity = beta * velocity + move
    return theta - eta * (move + beta * velocity if nesterov else velocity), velocity


LARS = Optimizer(
    "lars",
    _step_lars,
    (MOMENTUM, DECAY, from_zero("trust", "c", "trust coefficient", Fraction(1, 1000))),
    ("velocity",),
    lambda gradient, theta, **values: (0 * NOT_ZERO(theta),),
    options=(flag("nesterov", "looks one step ahead, as optax"),),
    limits=f"holds after the transient β^k; {_TRUST_LIMITS}",
)


def rows_by_rows(blocks: Blocks) -> Blocks:
    """A square matrix of the rows of each array, numbers for what is no matrix refused."""
    return Blocks(tuple(_squared(shape, 0) for shape in blocks.shapes))


def columns_by_columns(blocks: Blocks) -> Blocks:
    """The same of its columns."""
    return Blocks(tuple(_squared(shape, 1) for shape in blocks.shapes))


def _squared(shape: tuple[int, ...], axis: int) -> tuple[int, int]:
    if len(shape) != 2:
        raise InputError(f"shampoo: an array of shape {shape} is no matrix; give the others to another rule, by groups")
    return shape[axis], shape[axis]


#: ``G Gᵀ`` and ``Gᵀ G`` of each matrix.
ROWS = Map("rows", lambda matrix: matrix @ matrix.T, layouts=(None, rows_by_rows))
COLUMNS = Map("columns", lambda matrix: matrix.T @ matrix, layouts=(None, columns_by_columns))


@lru_cache(maxsize=64)
def preconditioner(iterations: Any, epsilon: Any) -> Map:
    """Returns ``(L + ε)^(−1/4) G (R + ε)^(−1/4)``, the roots by so many coupled Newton steps.

    Source: Guo & Higham, A Schur–Newton method for the matrix pth root and its inverse, SIMAX 2006.
    """

    def root(square: Any) -> Any:
        unit = identity(square)
        square = square + float(epsilon) * unit
        scale = 2.5 / norm(square)
        product, made = scale * square, sqrt(sqrt(scale)) * unit
        for _ in range(int(iterations)):
            turn = 1.25 * unit - product / 4
            made, twice = made @ turn, turn @ turn
            product = twice @ twice @ product
        return made

    return Map(
        "preconditioned",
        lambda matrix, left, right: root(left) @ matrix @ root(right),
        layouts=(None, rows_by_rows, columns_by_columns, None),
    )


def _step_shampoo(gradient: Slope, state: Arrays, eta: Any, beta: Any, epsilon: Any, iterations: Any) -> Arrays:
    """L⁺ = β L + (1−β) G Gᵀ, R⁺ = β R + (1−β) Gᵀ G, θ⁺ = θ − η (L⁺ + ε)^(−1/4) G (R⁺ + ε)^(−1/4) of each matrix

    Source: Gupta, Koren & Singer, Shampoo: preconditioned stochastic tensor optimization, ICML 2018, with means for
    sums

    Limits: holds after the transient β^k; the roots are what so many Newton steps give
    """
    theta, left, right = state
    slope = gradient(theta)
    left, right = beta * left + (1 - beta) * ROWS(slope), beta * right + (1 - beta) * COLUMNS(slope)
    return theta - eta * preconditioner(iterations, epsilon)(slope, left, right), left, right


SHAMPOO = Optimizer(
    "shampoo",
    _step_shampoo,
    (
        replace(MOMENTUM, meaning="share of the last means that is kept", default=Fraction(95, 100)),
        replace(EPSILON, meaning="added to the eigenvalues", default=Fraction(1, 10**6)),
        Parameter("iterations", "", "Newton steps", Fraction(1), Fraction(100), Fraction(20), kind="count"),
    ),
    ("left", "right"),
    lambda gradient, theta, **values: (0 * ROWS(theta), 0 * COLUMNS(theta)),
)

#: Of all arrays together.
UNIT = Map("unit", lambda vector: vector / norm(vector), blocks="vector")


def _step_sam(
    gradient: Slope, state: Arrays, eta: Any, rho: Any, *, normalized: bool = True, falling: bool = False
) -> Arrays:
    """θ⁺ = θ − η g(θ + ρ g/‖g‖)

    Source: Foret et al., Sharpness-aware minimization for efficiently improving generalization, ICLR 2021
    """
    (theta,) = state
    slope = gradient(theta)
    ascent = rho * (UNIT(slope) if normalized else slope)
    return (theta - eta * gradient(theta + (eta * ascent if falling else ascent)),)


SAM = Optimizer(
    "sam",
    _step_sam,
    (from_zero("rho", "ρ", "radius of the ascent", Fraction(1, 20)),),
    options=(
        flag("normalized", "along g/‖g‖; else along g", default=True),
        flag("falling", "the radius is ρ η"),
    ),
    limits="normalized, g must not vanish",
)
RULES = (MUON, LAMB, LARS, SAM, SHAMPOO)
