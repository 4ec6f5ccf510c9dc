"""Methods that divide a step by the root of a mean or a sum of squared gradients: RMSProp, Adagrad, Adadelta, Adam.

With ε outside the root, as PyTorch has it, √v is not smooth where a component of g is zero: there the series in η does
not exist, and it needs η small against |g_j/ġ_j|.  With ε inside it needs η small against √ε/|ġ_j|.
Sums that never forget, averages that feed back and momentum that follows a clock have no slow manifold: such methods
can be stepped, and the whole state has an equation of motion; there is no equation of motion of θ alone.

Adam and its kin have a bias correction, as PyTorch and optax have them, or none.
``m⁺ = β₁ m + (1 − β₁) g``, ``v⁺ = β₂ v + (1 − β₂) g²``, then ``θ⁺ = θ − η m⁺/(√v⁺ + ε)``.  With the correction the
moments are divided by ``1 − β^n``; ``β^n`` is a state of its own, one number, which starts at 1.  After the
transient it is zero, so that the equation of motion is that of the method without correction, to all orders.  ``adam``
and ``adamw`` are those of ``torch.Adam`` and ``torch.AdamW``.  The
Nesterov form looks one step ahead with the mean: ``β₁ m⁺/(1 − β₁^{n+1}) + (1 − β₁) g/(1 − β₁^n)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError
from eomsym.optimizers.descent import MOMENTUM, rates
from eomsym.optimizers.optimizer import Arrays, Optimizer, Slope, flag, from_zero, share
from eomsym.optimizers.stepping import exact_in_trace, sqrt
from eomsym.optimizers.variants import decoupled_decay

ROUGH = "not smooth where a component of g vanishes; holds after the transient"
SLOW = "holds after the transient; η must be small against √ε/|dg/dt|"


BETA1 = share("beta1", "β₁", "memory of the mean of g", Fraction(9, 10), Fraction(1, 3))
BETA2 = share("beta2", "β₂", "memory of the mean of g²", Fraction(999, 1000), Fraction(2, 5))
RHO = replace(BETA2, default=Fraction(99, 100))
EPSILON = replace(
    from_zero("epsilon", "ε", "added to the denominator", Fraction(1, 10**8)),
    trial=Fraction(1, 10),
    open_minimum=True,
    reason="at ε = 0 the step is the sign of g, which has no derivative where g = 0",
)
INITIAL_SQUARE = from_zero(
    "initial_square", "v₀", "what the mean of g² starts with", Fraction(0), "it stands below a root", "started"
)
INITIAL_SUM = from_zero("initial_sum", "V₀", "what the sum of g² starts with", Fraction(0), "it stands below a root")
RATE_DECAY = from_zero(
    "rate_decay", "κ", "the step size of step n is η/(1 + κ n)", Fraction(0), "it must not become negative", "clocked"
)
MOMENTUM_DECAY = from_zero(
    "momentum_decay",
    "ψ",
    "speed at which the momentum rises",
    Fraction(4, 1000),
    "the momentum must not fall below zero",
)


def divided(value: Any, square: Any, epsilon: Any, inside: bool = False) -> Any:
    """``value/(√square + ε)``, or ``value/√(square + ε)`` with ε inside the root."""
    return value / sqrt(square + epsilon) if inside else value / (sqrt(square) + epsilon)


def ones(theta: Any) -> Any:
    """The number 1 as an array of shape (1,), of the library that θ is of."""
    return 0 * theta[:1] + 1


def _memory_of_rmsprop(
    centered: bool = False, corrected: bool = False, momentum: bool = False, nesterov: bool = False, **others: bool
) -> tuple[str, ...]:
    return ("square", *("mean",) * centered, *("faded",) * corrected, *("velocity",) * (momentum or nesterov))


def _step_rmsprop(
    gradient: Slope,
    state: Arrays,
    eta: Any,
    beta2: Any,
    epsilon: Any,
    beta: Any = 0,
    initial_square: Any = 0,
    *,
    inside: bool = False,
    nesterov: bool = False,
    **flags: bool,
) -> Arrays:
    """v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η g/(√v⁺ + ε): PyTorch's

    Source: Tieleman & Hinton, Lecture 6.5: RMSProp, COURSERA 2012; Graves, Generating sequences with recurrent neural
    networks, 2013 (centered)
    """
    names = _memory_of_rmsprop(nesterov=nesterov, **flags)
    theta, memory = state[0], dict(zip(names, state[1:], strict=True))
    slope = gradient(theta)
    memory["square"] = beta2 * memory["square"] + (1 - beta2) * slope**2
    if "faded" in memory:
        memory["faded"] = beta2 * memory["faded"]
    kept = 1 - memory.get("faded", 0)
    spread = memory["square"] / kept
    if "mean" in memory:
        memory["mean"] = beta2 * memory["mean"] + (1 - beta2) * slope
        spread = spread - (memory["mean"] / kept) ** 2
    move = divided(slope, spread, epsilon, inside)
    if "velocity" in memory:
        memory["velocity"] = beta * memory["velocity"] + move
        move = move + beta * memory["velocity"] if nesterov else memory["velocity"]
    return theta - eta * move, *memory.values()


def _start_rmsprop(
    gradient: Slope, theta: Any, beta2: Any, epsilon: Any, beta: Any = 0, initial_square: Any = 0, **flags: bool
) -> Arrays:
    starts = {"square": 0 * theta + initial_square, "faded": ones(theta)}
    return tuple(starts.get(name, 0 * theta) for name in _memory_of_rmsprop(**flags))


def _form_of_rmsprop(**flags: bool) -> Mapping[str, Any]:
    no_root = flags["centered"] and not flags["inside"]
    return {
        "memory": _memory_of_rmsprop(**flags),
        "limits": SLOW if flags["inside"] else ROUGH,
        "numeric_only": _VARIANCE if no_root else "",
    }


def _step_adagrad(
    gradient: Slope,
    state: Arrays,
    eta: Any,
    epsilon: Any,
    initial_sum: Any,
    rate_decay: Any = 0,
    *,
    inside: bool = False,
    slow_time: bool = False,
    clocked: bool = False,
) -> Arrays:
    """V⁺ = V + g², θ⁺ = θ − η g/(√V⁺ + ε)

    Source: Duchi, Hazan & Singer, Adaptive subgradient methods, JMLR 2011

    Limits: no slow manifold
    """
    theta, total, *clock = state
    slope = gradient(theta)
    total = total + (eta * slope**2 if slow_time else slope**2)
    move = divided(slope, total, epsilon, inside)
    for ticks in clock:
        move = move / ticks
    return theta - eta * move, total, *(ticks + rate_decay for ticks in clock)


def _start_adagrad(gradient: Slope, theta: Any, initial_sum: Any, clocked: bool = False, **others: Any) -> Arrays:
    return 0 * theta + initial_sum, *((ones(theta),) if clocked else ())


def _form_of_adagrad(inside: bool, slow_time: bool, clocked: bool) -> Mapping[str, Any]:
    if slow_time and (inside or clocked):
        raise InputError("optimizer 'adagrad': slow_time is for ε outside of the root without a clock; leave those no")
    if slow_time:
        return {
            "limits": "the equation of motion is that of (θ, V), state='whole'; V₀ > 0",
            "numeric_only": "since its sum is a slow state like θ: ask for its whole state",
        }
    return {"memory": ("sum", *("clock",) * clocked)}


def _step_adadelta(gradient: Slope, state: Arrays, eta: Any, beta2: Any, epsilon: Any) -> Arrays:
    """v⁺ = β₂ v + (1−β₂) g², δ = √(D + ε)/√(v⁺ + ε) g, D⁺ = β₂ D + (1−β₂) δ², θ⁺ = θ − η δ

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012

    Limits: no slow manifold
    """
    theta, square, moves = state
    slope = gradient(theta)
    square = beta2 * square + (1 - beta2) * slope**2
    move = sqrt(moves + epsilon) / sqrt(square + epsilon) * slope
    return theta - eta * move, square, beta2 * moves + (1 - beta2) * move**2


def _step_nadam(
    gradient: Slope, state: Arrays, eta: Any, beta1: Any, beta2: Any, epsilon: Any, momentum_decay: Any
) -> Arrays:
    """μₙ = β₁ (1 − 0.96^(ψ n)/2), θ⁺ = θ − η ((1−μₙ)/(1−μ₁⋯μₙ) g + μₙ₊₁/(1−μ₁⋯μₙ₊₁) m⁺)/(√v̂ + ε),
    v̂ = v⁺/(1−β₂ⁿ), m and v as in adam: PyTorch's; optax has adam(nesterov=yes)

    Source: Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016

    Limits: no slow manifold
    """
    theta, mean, square, faded, clock, kept = state
    slope, tick = gradient(theta), exact_in_trace(theta, 0.96**momentum_decay)
    clock = tick * clock
    momentum, following = beta1 * (1 - clock / 2), beta1 * (1 - tick * clock / 2)
    kept, faded = momentum * kept, beta2 * faded
    mean = beta1 * mean + (1 - beta1) * slope
    square = beta2 * square + (1 - beta2) * slope**2
    ahead = (1 - momentum) / (1 - kept) * slope + following / (1 - following * kept) * mean
    return theta - eta * divided(ahead, square / (1 - faded), epsilon), mean, square, faded, clock, kept


_VARIANCE = (
    "since its denominator is the root of a variance that is zero on the slow manifold, and a root has a kink there"
)

_SUM = "since its sum of squares never forgets; its equation is that with slow_time=yes, for eta = rate squared"
RMSPROP = Optimizer(
    "rmsprop",
    _step_rmsprop,
    (RHO, EPSILON),
    ("square",),
    _start_rmsprop,
    options=(
        flag("inside", "ε inside of the root: θ⁺ = θ − η g/√(v⁺ + ε), as optax"),
        flag("centered", "v⁺ less the square of the mean of g"),
        flag("corrected", "v⁺ and the mean divided by 1−β₂ⁿ in step n"),
        flag("momentum", "the quotient goes through momentum"),
        flag("nesterov", "the same, looking ahead as PyTorch's and optax's Nesterov"),
        replace(MOMENTUM, brought_by=("momentum", "nesterov")),
        flag("started", "the mean of g² starts at v₀"),
        INITIAL_SQUARE,
    ),
    form=_form_of_rmsprop,
    limits=ROUGH,
)
ADAGRAD = Optimizer(
    "adagrad",
    _step_adagrad,
    (replace(EPSILON, default=Fraction(1, 10**10)), INITIAL_SUM),
    ("sum",),
    _start_adagrad,
    options=(
        flag("inside", "ε inside of the root: θ⁺ = θ − η g/√(V⁺ + ε), as optax"),
        replace(EPSILON, default=Fraction(1, 10**7), brought_by=("inside",)),
        flag("clocked", "the step size falls, as PyTorch's with lr_decay"),
        RATE_DECAY,
        flag("slow_time", "V⁺ = V + η g²: Adagrad at the rate α = √η, whose sum is V/η and its ε is ε/α"),
        replace(INITIAL_SUM, default=Fraction(1, 10), open_minimum=True, brought_by=("slow_time",)),
    ),
    form=_form_of_adagrad,
    numeric_only=_SUM,
)
ADADELTA = Optimizer(
    "adadelta",
    _step_adadelta,
    (replace(RHO, default=Fraction(9, 10)), replace(EPSILON, default=Fraction(1, 10**6))),
    ("square", "moves"),
    numeric_only="since its mean of squared steps feeds on itself and settles like 1 − ε/(g² + ε) only",
)
NADAM = Optimizer(
    "nadam",
    _step_nadam,
    (BETA1, BETA2, EPSILON, MOMENTUM_DECAY),
    ("mean", "square", "share of the start in the square", "clock", "product of the momenta"),
    lambda gradient, theta, **others: (0 * theta, 0 * theta, *(ones(theta),) * 3),
    numeric_only="since its momentum rises like 1 − 0.96^(ψ n)/2, over thousands of steps whatever eta is",
)
ROOT_EPSILON = replace(EPSILON, name="root_epsilon", symbol="ε₂", meaning="added below the root")
OUTER_EPSILON = replace(EPSILON, open_minimum=False, meaning="added to the root", reason="a distance from zero")
BETA3 = replace(BETA2, name="beta3", symbol="β₃", default=Fraction(99, 100))

_LIMITS = "the equation of motion holds after the transient, where the bias correction is 1"
_INSIDE = f"{_LIMITS}; η must be small against √ε₂/|dg/dt|"
_NESTEROV = flag("nesterov", "looks one step ahead: (β₁ m⁺/(1−β₁ⁿ⁺¹) + (1−β₁) g/(1−β₁ⁿ)) in place of m⁺/(1−β₁ⁿ)")


def adam_direction(
    gradient: Slope,
    state: Arrays,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    root_epsilon: Any = 0,
    *,
    corrected: bool = True,
    inside: bool = False,
    nesterov: bool = False,
    belief: bool = False,
    **flags: bool,
) -> Arrays:
    """What a step goes along, and the memory after it."""
    theta, mean, square, *faded = state
    slope = gradient(theta)
    mean = beta1 * mean + (1 - beta1) * slope
    what = slope - mean if belief else slope
    square = beta2 * square + (1 - beta2) * what**2 + (root_epsilon if belief else 0)
    faded = [beta1 * faded[0], beta2 * faded[1]] if corrected else []
    of_mean, of_square = faded if corrected else (0, 0)
    under = square / (1 - of_square) + (0 if belief else root_epsilon)
    ahead = mean_ahead(mean, slope, beta1, of_mean, nesterov)
    return divided(ahead, under, epsilon, inside), mean, square, *faded


def mean_ahead(mean: Any, slope: Any, beta: Any, faded: Any, nesterov: bool) -> Any:
    """The mean of the gradients without its bias, ``faded`` being β^n, and a step ahead if so."""
    if not nesterov:
        return mean / (1 - faded)
    return beta * (mean / (1 - beta * faded)) + (1 - beta) * (slope / (1 - faded))


def _step_adam(
    gradient: Slope, state: Arrays, eta: Any, alpha: Any = 1, beta: Any = 1, *, optimistic: bool = False, **values: Any
) -> Arrays:
    """m⁺ = β₁ m + (1−β₁) g, v⁺ = β₂ v + (1−β₂) g², θ⁺ = θ − η m⁺/(1−β₁ⁿ)/(√(v⁺/(1−β₂ⁿ)) + ε): PyTorch's, in step n

    Source: Kingma & Ba, Adam: a method for stochastic optimization, ICLR 2015; first counter term: Cattaneo, Klusowski
    & Shigida, On the implicit bias of Adam, ICML 2024; Dozat, Incorporating Nesterov momentum into Adam, 2016
    (nesterov); Daskalakis et al., Training GANs with optimism, ICLR 2018 (optimistic)
    """
    if not optimistic:
        direction, *memory = adam_direction(gradient, state, **values)
        return state[0] - eta * direction, *memory
    *state_of_adam, last = state
    direction, *memory = adam_direction(gradient, tuple(state_of_adam), **values)
    return state[0] - eta * ((alpha + beta) * direction - beta * last), *memory, direction


def _start_adam(
    gradient: Slope, theta: Any, alpha: Any = 1, beta: Any = 1, *, optimistic: bool = False, **values: Any
) -> Arrays:
    memory = (*(0 * theta,) * 2, *((ones(theta),) * 2 if values.get("corrected", True) else ()))
    return (*memory, adam_direction(gradient, (theta, *memory), **values)[0]) if optimistic else memory


def _form_of_adam(
    corrected: bool, inside: bool, two_epsilons: bool, optimistic: bool, nesterov: bool
) -> Mapping[str, Any]:
    if inside and two_epsilons:
        raise InputError("optimizer 'adam': of two_epsilons one is inside of the root already; leave inside=no")
    faded = ADAM.memory[2:] if corrected else ()
    limits = _INSIDE if two_epsilons else SLOW if inside else ADAM.limits
    if not corrected:
        limits = f"{SLOW if inside or two_epsilons else ROUGH}; without bias correction"
    return {"memory": ("mean", "square", *faded, *("last direction",) * optimistic), "limits": limits}


def _step_adabelief(gradient: Slope, state: Arrays, eta: Any, **values: Any) -> Arrays:
    """as adam, v⁺ = β₂ v + (1−β₂) (g − m⁺)² + ε₂: the distrust in g, not its size

    Source: Zhuang et al., AdaBelief optimizer, NeurIPS 2020
    """
    direction, *memory = adam_direction(gradient, state, belief=True, **values)
    return state[0] - eta * direction, *memory


def _step_adan(
    gradient: Slope, state: Arrays, eta: Any, beta1: Any, beta2: Any, beta3: Any, epsilon: Any, root_epsilon: Any
) -> Arrays:
    """m⁺ = β₁ m + (1−β₁) g, d⁺ = β₂ d + (1−β₂)(g − g₋), v⁺ = β₃ v + (1−β₃)(g + (1−β₂)(g − g₋))²,
    θ⁺ = θ − η (m̂ + (1−β₂) d̂)/(√(v̂ + ε₂) + ε), all corrected

    Source: Xie, Zhou, Li, Lin & Yan, Adan: adaptive Nesterov momentum algorithm, 2022
    """
    theta, mean, change, square, last, *faded = state
    slope = gradient(theta)
    mean = beta1 * mean + (1 - beta1) * slope
    change = beta2 * change + (1 - beta2) * (slope - last)
    square = beta3 * square + (1 - beta3) * (slope + (1 - beta2) * (slope - last)) ** 2
    one, two, three = (beta * part for beta, part in zip((beta1, beta2, beta3), faded, strict=True))
    ahead = mean / (1 - one) + (1 - beta2) * (change / (1 - two))
    moved = theta - eta * divided(ahead, square / (1 - three) + root_epsilon, epsilon)
    return moved, mean, change, square, slope, one, two, three


def _start_adan(gradient: Slope, theta: Any, **parameters: Any) -> Arrays:
    return (*(0 * theta,) * 3, gradient(theta), *(ones(theta),) * 3)


ADAM = Optimizer(
    "adam",
    _step_adam,
    (BETA1, BETA2, EPSILON),
    ("mean", "square", "share of the start in the mean", "share of the start in the square"),
    _start_adam,
    options=(
        flag("inside", "ε inside of the root: m⁺/√(v⁺ + ε)"),
        flag("two_epsilons", "one inside of the root as well: m⁺/(√(v⁺ + ε₂) + ε), optax's eps_root"),
        replace(OUTER_EPSILON, brought_by=("two_epsilons",)),
        replace(ROOT_EPSILON, brought_by=("two_epsilons",)),
        _NESTEROV,
        flag("optimistic", "θ⁺ = θ − η ((α + β) r − β r₋), r what it steps along otherwise, the first r₋ is r"),
        *rates("optimistic"),
        flag("corrected", "bias correction, the division by 1−βⁿ", default=True),
    ),
    form=_form_of_adam,
    limits=f"not smooth where a component of g vanishes; {_LIMITS}",
)
ADAMW = replace(decoupled_decay(ADAM), name="adamw", summary="as adam, with − η λ θ beside it: as PyTorch has it")
ADABELIEF = Optimizer(
    "adabelief",
    _step_adabelief,
    (BETA1, BETA2, OUTER_EPSILON, ROOT_EPSILON),
    ("mean", "distrust", "share of the start in the mean", "share of the start in the distrust"),
    _start_adam,
    options=(_NESTEROV,),
    limits=_INSIDE,
)
ADAN = Optimizer(
    "adan",
    _step_adan,
    (
        replace(BETA1, default=Fraction(98, 100)),
        replace(BETA2, default=Fraction(92, 100), meaning="memory of the mean of the change of g"),
        BETA3,
        OUTER_EPSILON,
        ROOT_EPSILON,
    ),
    ("mean", "change", "square", "last gradient", *(f"share of the start {index}" for index in (1, 2, 3))),
    _start_adan,
    limits=_INSIDE,
)
