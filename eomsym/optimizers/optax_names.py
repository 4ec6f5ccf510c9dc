"""The aliases of optax: which rule each is, with optax's own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from eomsym.optimizers import gradient_descent, heavy_ball
from eomsym.optimizers._library import KINK, SIGN, Choice, LibraryOptimizer, Value, varied
from eomsym.optimizers.adam import ADAMS, ADAN, BELIEFS, OPTIMISTS
from eomsym.optimizers.library_momentum import NESTEROV_LOOKAHEAD, OPTIMISTIC
from eomsym.optimizers.root_mean_square import RULES as ROOT_MEAN_SQUARE
from eomsym.optimizers.root_mean_square import rmsprop_name
from eomsym.optimizers.stepped_only import ADADELTA, ADAGRAD_INSIDE

_NONE, _MASK, _TYPE = Fraction(0), "every parameter decays here", "the arithmetic is that of theta"
_MOMENTS: dict[str, Value] = {"b1": Fraction(9, 10), "b2": Fraction(999, 1000)}
_ADAM = _MOMENTS | {"eps": Fraction(1, 10**8), "eps_root": _NONE, "nesterov": False}

#: The rules that are combined with decoupled decay here.
DECOUPLED = (*ADAMS.values(), ADAN)


def _sgd(momentum: Any, nesterov: bool) -> Choice:
    if momentum is None:
        return gradient_descent.OPTIMIZER, {}
    return NESTEROV_LOOKAHEAD if nesterov else heavy_ball.OPTIMIZER, {"beta": momentum}


def _adam(b1: Any, b2: Any, eps: Any, eps_root: Any, nesterov: bool, weight_decay: Any = 0) -> Choice:
    entry = ADAMS[f"adam{'-nesterov' * nesterov}{'-two-epsilons' * bool(eps_root)}"]
    values = {"beta1": b1, "beta2": b2, "epsilon": eps, **({"root_epsilon": eps_root} if eps_root else {})}
    return varied(entry, values, weight_decay, decoupled=True)


def _adabelief(b1: Any, b2: Any, eps: Any, eps_root: Any, nesterov: bool) -> Choice:
    values = {"beta1": b1, "beta2": b2, "epsilon": eps, "root_epsilon": eps_root}
    return BELIEFS[f"adabelief{'-nesterov' * nesterov}"], values


def _adan(b1: Any, b2: Any, b3: Any, eps: Any, eps_root: Any, weight_decay: Any) -> Choice:
    values = {"beta1": b1, "beta2": b2, "beta3": b3, "epsilon": eps, "root_epsilon": eps_root}
    return varied(ADAN, values, weight_decay, decoupled=True)


def _rmsprop(
    decay: Any,
    eps: Any,
    initial_scale: Any,
    eps_in_sqrt: bool,
    centered: bool,
    momentum: Any,
    nesterov: bool,
    bias_correction: bool,
) -> Choice:
    form = "" if momentum is None else "nesterov" if nesterov else "momentum"
    name = rmsprop_name(eps_in_sqrt, centered, bias_correction, form, bool(initial_scale))
    values = {"beta2": decay, "epsilon": eps}
    values |= {} if momentum is None else {"beta": momentum}
    return ROOT_MEAN_SQUARE[name], values | ({"initial_square": initial_scale} if initial_scale else {})


def _adagrad(initial_accumulator_value: Any, eps: Any) -> Choice:
    return ADAGRAD_INSIDE, {"epsilon": eps, "initial_sum": initial_accumulator_value}


def _adadelta(rho: Any, eps: Any, weight_decay: Any) -> Choice:
    return varied(ADADELTA, {"beta2": rho, "epsilon": eps}, weight_decay)


def _optimistic_adam(alpha: Any = 1, beta: Any = 1, **options: Any) -> Choice:
    entry, values = _adam(**options)
    return OPTIMISTS[f"{entry.name}-optimistic"], {**values, "alpha": alpha, "beta": beta}


def _optimistic(alpha: Any, beta: Any) -> Choice:
    return OPTIMISTIC, {"alpha": alpha, "beta": beta}


def _named(
    name: str,
    choose: Any,
    defaults: Mapping[str, Value],
    masked: str = "",
    typed: str = "",
    **fixed: tuple[object, str],
) -> LibraryOptimizer:
    fixed |= {masked: (None, _MASK)} if masked else {}
    fixed |= {typed: (None, _TYPE)} if typed else {}
    return LibraryOptimizer(f"optax.{name}", choose, defaults, fixed)


_DECAY: dict[str, Value] = {"weight_decay": Fraction(1, 10**4)}
_LAYERS = "it scales each layer by norms, and a rule for one vector does not know the layers"
_REFUSED = {
    "adafactor": f"it clips its step at a maximum, and {KINK}",
    "adamax": f"it divides by a maximum, and {KINK}",
    "adamaxw": f"it divides by a maximum, and {KINK}",
    "amsgrad": KINK,
    "fromage": _LAYERS,
    "lamb": _LAYERS,
    "lars": _LAYERS,
    "lbfgs": "it searches along lines and keeps a history, so that a step is no smooth function of the state",
    "lion": SIGN,
    "noisy_sgd": "it adds noise",
    "novograd": _LAYERS,
    "polyak_sgd": "its step depends on the value of the loss, and a rule knows gradients only",
    "radam": "it changes from one rule to another after some steps, at a bound on n and not on the state",
    "rprop": SIGN,
    "sign_sgd": SIGN,
    "signum": SIGN,
    "sm3": f"it takes minima and maxima over rows and columns, and {KINK}",
    "yogi": SIGN,
}

ALIASES = (
    _named("sgd", _sgd, {"momentum": None, "nesterov": False}, typed="accumulator_dtype"),
    _named("adam", _adam, _ADAM, typed="mu_dtype"),
    _named("adamw", _adam, _ADAM | _DECAY, "mask", "mu_dtype"),
    _named("nadam", _adam, _ADAM | {"nesterov": True}, typed="mu_dtype"),
    _named("nadamw", _adam, _ADAM | _DECAY | {"nesterov": True}, "mask", "mu_dtype"),
    _named("adabelief", _adabelief, _ADAM | {"eps": Fraction(1, 10**16), "eps_root": Fraction(1, 10**16)}),
    _named(
        "adan",
        _adan,
        {
            "b1": Fraction(98, 100),
            "b2": Fraction(92, 100),
            "b3": Fraction(99, 100),
            "eps": Fraction(1, 10**8),
            "eps_root": Fraction(1, 10**8),
            "weight_decay": _NONE,
        },
        "mask",
    ),
    _named(
        "rmsprop",
        _rmsprop,
        {
            "decay": Fraction(9, 10),
            "eps": Fraction(1, 10**8),
            "initial_scale": _NONE,
            "eps_in_sqrt": True,
            "centered": False,
            "momentum": None,
            "nesterov": False,
            "bias_correction": False,
        },
    ),
    _named("adagrad", _adagrad, {"initial_accumulator_value": Fraction(1, 10), "eps": Fraction(1, 10**7)}),
    _named(
        "adadelta",
        _adadelta,
        {"rho": Fraction(9, 10), "eps": Fraction(1, 10**6), "weight_decay": _NONE},
        "weight_decay_mask",
    ),
    _named("optimistic_gradient_descent", _optimistic, {"alpha": Fraction(1), "beta": Fraction(1)}),
    _named(
        "optimistic_adam",
        _optimistic_adam,
        _ADAM | {"nesterov": True},
        typed="mu_dtype",
        optimism=(None, "it is a second learning rate; optimistic_adam_v2 has beta, in units of the first"),
    ),
    _named(
        "optimistic_adam_v2",
        _optimistic_adam,
        _ADAM | {"nesterov": True, "alpha": Fraction(1), "beta": Fraction(1)},
        typed="mu_dtype",
    ),
    *(LibraryOptimizer(f"optax.{name}", refused=reason) for name, reason in _REFUSED.items()),
)
