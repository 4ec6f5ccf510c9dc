"""The classes of ``torch.optim``: which rule each is, with PyTorch's own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product
from typing import Any

from eomsym.errors import InputError
from eomsym.optimizers import gradient_descent, heavy_ball
from eomsym.optimizers._library import KINK, SIGN, Choice, LibraryOptimizer, Value, varied
from eomsym.optimizers.adam import ADAM
from eomsym.optimizers.library_momentum import DAMPENED, NESTEROV_LOOKAHEAD
from eomsym.optimizers.root_mean_square import RULES as ROOT_MEAN_SQUARE
from eomsym.optimizers.root_mean_square import rmsprop_name
from eomsym.optimizers.stepped_only import ADADELTA, ADAGRAD, NADAM

#: How a step is computed, not what it is.
_HOW = frozenset(("foreach", "fused", "capturable", "differentiable"))
_OFF = (False, True)
_TENTH, _HUNDREDTH = Fraction(1, 10), Fraction(1, 100)
_BETAS = (Fraction(9, 10), Fraction(999, 1000))
_TINY = Fraction(1, 10**8)

#: The rules that are combined with weight decay and ascent here, and those with decoupled decay.
BASES = (
    gradient_descent.OPTIMIZER,
    heavy_ball.OPTIMIZER,
    NESTEROV_LOOKAHEAD,
    DAMPENED,
    ADAM,
    *(ROOT_MEAN_SQUARE[rmsprop_name(False, *form)] for form in product(_OFF, (False,), ("", "momentum"), (False,))),
    ADAGRAD,
    ADADELTA,
    NADAM,
)
DECOUPLED = (gradient_descent.OPTIMIZER, ADAM, NADAM)


def _sgd(momentum: Any, dampening: Any, weight_decay: Any, nesterov: bool, maximize: bool) -> Choice:
    if nesterov and (not momentum or dampening):
        raise InputError("nesterov = True needs a momentum and no dampening; give momentum=0.9, say")
    options = {"decay": weight_decay, "maximize": maximize}
    if not momentum:
        return varied(gradient_descent.OPTIMIZER, {}, **options)
    if dampening:
        return varied(DAMPENED, {"beta": momentum, "dampening": dampening}, **options)
    return varied(NESTEROV_LOOKAHEAD if nesterov else heavy_ball.OPTIMIZER, {"beta": momentum}, **options)


def _adam(betas: Any, eps: Any, weight_decay: Any, maximize: bool, decoupled_weight_decay: bool = False) -> Choice:
    values = {"beta1": betas[0], "beta2": betas[1], "epsilon": eps}
    return varied(ADAM, values, weight_decay, decoupled_weight_decay, maximize)


def _adamw(**options: Any) -> Choice:
    return _adam(**options, decoupled_weight_decay=True)


def _nadam(
    betas: Any, eps: Any, weight_decay: Any, momentum_decay: Any, decoupled_weight_decay: bool, maximize: bool
) -> Choice:
    values = {"beta1": betas[0], "beta2": betas[1], "epsilon": eps, "momentum_decay": momentum_decay}
    return varied(NADAM, values, weight_decay, decoupled_weight_decay, maximize)


def _rmsprop(alpha: Any, eps: Any, weight_decay: Any, momentum: Any, centered: bool, maximize: bool) -> Choice:
    entry = ROOT_MEAN_SQUARE[rmsprop_name(False, centered, False, "momentum" if momentum else "", False)]
    values = {"beta2": alpha, "epsilon": eps, **({"beta": momentum} if momentum else {})}
    return varied(entry, values, weight_decay, maximize=maximize)


def _adagrad(lr_decay: Any, weight_decay: Any, initial_accumulator_value: Any, eps: Any, maximize: bool) -> Choice:
    values = {"epsilon": eps, "initial_sum": initial_accumulator_value, "rate_decay": lr_decay}
    return varied(ADAGRAD, values, weight_decay, maximize=maximize)


def _adadelta(rho: Any, eps: Any, weight_decay: Any, maximize: bool) -> Choice:
    return varied(ADADELTA, {"beta2": rho, "epsilon": eps}, weight_decay, maximize=maximize)


def _asgd(lambd: Any, alpha: Any, weight_decay: Any, maximize: bool) -> Choice:
    if lambd and alpha:
        raise InputError(
            f"lambd = {lambd} lets the rate fall like (1 + lambd lr n)^-alpha, a schedule; give lambd=0 for a constant "
            "rate"
        )
    if lambd and weight_decay:
        raise InputError("lambd and weight_decay: both are weight decay; give one of them")
    return varied(gradient_descent.OPTIMIZER, {}, weight_decay or lambd, bool(lambd), maximize)


def _named(
    name: str, choose: Any, fixed: Mapping[str, tuple[object, str]] | None = None, **defaults: Value
) -> LibraryOptimizer:
    common: dict[str, Value] = {"weight_decay": Fraction(0), "maximize": False}
    return LibraryOptimizer(f"torch.{name}", choose, common | defaults, fixed or {}, _HOW)


def _refused(name: str, reason: str) -> LibraryOptimizer:
    return LibraryOptimizer(f"torch.{name}", refused=reason)


_NO_AMSGRAD = {"amsgrad": (False, KINK)}

CLASSES = (
    _named("SGD", _sgd, momentum=Fraction(0), dampening=Fraction(0), nesterov=False),
    _named("Adam", _adam, _NO_AMSGRAD, betas=_BETAS, eps=_TINY, decoupled_weight_decay=False),
    _named(
        "AdamW",
        _adamw,
        {**_NO_AMSGRAD, "decoupled_weight_decay": (True, "that is Adam")},
        betas=_BETAS,
        eps=_TINY,
        weight_decay=_HUNDREDTH,
    ),
    _named("RMSprop", _rmsprop, alpha=1 - _HUNDREDTH, eps=_TINY, momentum=Fraction(0), centered=False),
    _named("NAdam", _nadam, betas=_BETAS, eps=_TINY, momentum_decay=Fraction(4, 1000), decoupled_weight_decay=False),
    _named(
        "Adagrad",
        _adagrad,
        lr_decay=Fraction(0),
        initial_accumulator_value=Fraction(0),
        eps=Fraction(1, 10**10),
    ),
    _named("Adadelta", _adadelta, rho=1 - _TENTH, eps=Fraction(1, 10**6)),
    _named(
        "ASGD",
        _asgd,
        {"t0": (10**6, "it changes the running mean of the weights only, which is no part of the step")},
        lambd=Fraction(1, 10**4),
        alpha=Fraction(3, 4),
    ),
    _refused("Adamax", f"it divides by a maximum, and {KINK}"),
    _refused("RAdam", "it changes from one rule to another after some steps, at a bound on n and not on the state"),
    _refused("Rprop", f"it steps by the sign of g, and {SIGN}"),
    _refused("Adafactor", f"it clips its step at a maximum, and {KINK}"),
    _refused("Muon", "its step needs the shapes of the weight matrices, which a rule for one vector does not know"),
    _refused("LBFGS", "it searches along lines and keeps a history, so that a step is no smooth function of the state"),
    _refused("SparseAdam", "it steps where a gradient is stored only; torch.Adam is the same for dense gradients"),
)
