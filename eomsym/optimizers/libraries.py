"""Optimisers by the names that PyTorch and optax have for them: ``torch.SGD(momentum=1/3, nesterov=True)``.

One table says of each name which optimiser it is with which options, or why there is none.  A text with options, of a
library's name or of one of the package's own, is read by a fixed grammar and never evaluated: a name, and in brackets
options ``keyword=value`` whose values are numbers, fractions, ``True``, ``False``, ``None``, ``yes``, ``no`` and tuples
of these.  The learning rate is not among them: it is eta, and is given where eta is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

from eomsym.checks import meant, shown, suggestion
from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.models.parser import python_tree
from eomsym.optimizers.optimizer import FLAG_WORDS

#: What an option may be.
Value = bool | None | Fraction | tuple[Fraction, ...]
#: One of our names, and options and parameters that it is given.
Meaning = tuple[str, dict[str, Any]]

#: Each name with its options and the library's defaults, and below what it is here: the name, and what each number and
#: each choice is called.  With a question mark it is left out where it is 0; with a value it is given besides.
_TABLE = """
torch.SGD(weight_decay=0, maximize=False, momentum=0, dampening=0, nesterov=False)
    heavy-ball decay? maximize beta? dampening? nesterov
torch.Adam(weight_decay=0, maximize=False, betas=(0.9, 0.999), eps=1e-8, decoupled_weight_decay=False)
    adam decay? maximize beta1 beta2 epsilon decoupled_decay
torch.AdamW(weight_decay=0.01, maximize=False, betas=(0.9, 0.999), eps=1e-8)
    adam decay? maximize beta1 beta2 epsilon decoupled_decay=yes
torch.RMSprop(weight_decay=0, maximize=False, alpha=0.99, eps=1e-8, momentum=0, centered=False)
    rmsprop decay? maximize beta2 epsilon beta? centered
torch.NAdam(weight_decay=0, maximize=False, betas=(0.9, 0.999), eps=1e-8, momentum_decay=0.004,
            decoupled_weight_decay=False)
    nadam decay? maximize beta1 beta2 epsilon momentum_decay decoupled_decay
torch.Adagrad(weight_decay=0, maximize=False, lr_decay=0, initial_accumulator_value=0, eps=1e-10)
    adagrad decay? maximize rate_decay? initial_sum epsilon
torch.Adadelta(weight_decay=0, maximize=False, rho=0.9, eps=1e-6)
    adadelta decay? maximize beta2 epsilon
torch.ASGD(weight_decay=0, maximize=False, lambd=1e-4, alpha=0.75)
    gradient-descent decay? maximize lambd? alpha?
torch.Muon(weight_decay=0.1, momentum=0.95, nesterov=True, ns_steps=5)
    muon decay? beta nesterov iterations decoupled_decay=yes
optax.sgd(momentum=None, nesterov=False)
    heavy-ball beta? nesterov
optax.adam(b1=0.9, b2=0.999, eps=1e-8, eps_root=0, nesterov=False)
    adam beta1 beta2 epsilon root_epsilon? nesterov
optax.adamw(b1=0.9, b2=0.999, eps=1e-8, eps_root=0, nesterov=False, weight_decay=1e-4)
    adam beta1 beta2 epsilon root_epsilon? nesterov decay? decoupled_decay=yes
optax.nadam(b1=0.9, b2=0.999, eps=1e-8, eps_root=0, nesterov=True)
    adam beta1 beta2 epsilon root_epsilon? nesterov
optax.nadamw(b1=0.9, b2=0.999, eps=1e-8, eps_root=0, nesterov=True, weight_decay=1e-4)
    adam beta1 beta2 epsilon root_epsilon? nesterov decay? decoupled_decay=yes
optax.adabelief(b1=0.9, b2=0.999, eps=1e-16, eps_root=1e-16, nesterov=False)
    adabelief beta1 beta2 epsilon root_epsilon nesterov
optax.adan(b1=0.98, b2=0.92, b3=0.99, eps=1e-8, eps_root=1e-8, weight_decay=0)
    adan beta1 beta2 beta3 epsilon root_epsilon decay? decoupled_decay=yes
optax.rmsprop(decay=0.9, eps=1e-8, initial_scale=0, eps_in_sqrt=True, centered=False, momentum=None, nesterov=False,
              bias_correction=False)
    rmsprop beta2 epsilon initial_square? inside centered beta? nesterov corrected
optax.adagrad(initial_accumulator_value=0.1, eps=1e-7)
    adagrad initial_sum epsilon inside=yes
optax.adadelta(rho=0.9, eps=1e-6, weight_decay=0)
    adadelta beta2 epsilon decay?
optax.optimistic_gradient_descent(alpha=1, beta=1)
    optimistic alpha beta
optax.optimistic_adam(b1=0.9, b2=0.999, eps=1e-8, eps_root=0, nesterov=True)
    adam beta1 beta2 epsilon root_epsilon? nesterov alpha=1 beta=1
optax.optimistic_adam_v2(alpha=1, beta=1, b1=0.9, b2=0.999, eps=1e-8, eps_root=0, nesterov=True)
    adam alpha beta beta1 beta2 epsilon root_epsilon? nesterov
optax.lamb(b1=0.9, b2=0.999, eps=1e-6, weight_decay=0)
    lamb beta1 beta2 epsilon decay
optax.lars(weight_decay=0, trust_coefficient=0.001, momentum=0.9, nesterov=False)
    lars decay trust beta nesterov
optax.contrib.muon(ns_steps=5, beta=0.95, eps=1e-8, weight_decay=0, nesterov=True, adam_b1=0.9, adam_b2=0.999,
                   consistent_rms=None)
    muon iterations beta epsilon decay? nesterov beta1 beta2 rms decoupled_decay=yes
optax.contrib.ademamix(b1=0.9, b2=0.999, b3=0.9999, alpha=5, eps=1e-8, eps_root=0, weight_decay=0)
    ademamix beta1 beta2 beta3 alpha epsilon root_epsilon? decay? decoupled_decay=yes
optax.contrib.schedule_free_sgd(b1=0.9, weight_decay=None)
    schedule-free-sgd beta1 decay?
optax.contrib.schedule_free_adamw(b1=0.9, b2=0.999, eps=1e-8, weight_decay=0)
    schedule-free-adamw beta1 beta2 epsilon decay
"""
_KINK = "a maximum has a kink, where the step has no derivative"
_SIGN = "the sign of g jumps, so that the step has no derivative"
#: Names that are no rule, by the reason why, and what to take in their place; those without a dot are of no library.
_REFUSED = {
    f"it divides by a maximum, and {_KINK}": ("torch.Adamax optax.adamax optax.adamaxw", "adam"),
    "its share in step n is 1 − n^(−0.8), and it scales by the size of θ, with a maximum": (
        "torch.Adafactor optax.adafactor",
        "adafactor, with a constant share",
    ),
    f"it takes minima and maxima over rows and columns, and {_KINK}": ("optax.sm3", "adafactor"),
    _KINK: ("optax.amsgrad", "adam"),
    _SIGN: (
        "torch.Rprop optax.rprop optax.lion optax.sign_sgd optax.signum sign-descent",
        "smoothed-sign or smoothed-lion",
    ),
    "the sign of the change of its second moment jumps, so that the step has no derivative": (
        "optax.yogi",
        "adam or adabelief",
    ),
    "its eigenbasis is a memory that no share fades, by a factorisation that is not smooth where eigenvalues meet": (
        "soap",
        "shampoo, of fixed numbers of Newton steps",
    ),
    "it changes from one rule to another after some steps, at a bound on n and not on the state": (
        "torch.RAdam optax.radam",
        "adam",
    ),
    "it searches along lines and keeps a history, so that a step is no smooth function of the state": (
        "torch.LBFGS optax.lbfgs",
        "gradient-descent",
    ),
    "it steps where a gradient is stored only; torch.Adam is the same for dense gradients": (
        "torch.SparseAdam",
        "adam",
    ),
    "it scales each layer by norms in a way that no rule here has": ("optax.fromage optax.novograd", "lamb or lars"),
    "it adds noise": ("optax.noisy_sgd", "noise(…, gaussian=…) of gradient-descent"),
    "its step depends on the value of the loss, and a rule knows gradients only": (
        "optax.polyak_sgd",
        "gradient-descent",
    ),
}
_TYPE = (None, "the arithmetic is that of theta")
_MASK = (None, "every parameter decays here")
_TWICE = (None, "it is a second learning rate; optimistic_adam_v2 has beta, in units of the first")
_WARM = (None, "the rate is constant here, and a step's weight in the average depends on it")
_EVEN = (2, "at a constant rate all powers are the same")
#: Options that may have one value only, with the reason.
_FIXED: dict[str, dict[str, tuple[object, str]]] = {
    "torch.Adam": {"amsgrad": (False, _KINK)},
    "torch.AdamW": {"amsgrad": (False, _KINK), "decoupled_weight_decay": (True, "that is Adam")},
    "torch.ASGD": {"t0": (10**6, "it changes the running mean of the weights only, which is no part of the step")},
    "torch.Muon": {
        "ns_coefficients": ((3.4445, -4.775, 2.0315), "the iteration has these coefficients"),
        "eps": (1e-7, "the norm is above it, else there is no derivative"),
        "adjust_lr_fn": (None, "'match_rms_adamw' is muon(matched=yes)"),
    },
    "optax.lamb": {"eps_root": (0, "the root has nothing added"), "mask": _MASK},
    "optax.lars": {
        "eps": (0, "the trust ratio has nothing added"),
        "weight_decay_mask": (True, _MASK[1]),
        "trust_ratio_mask": (True, "every array has its ratio"),
    },
    "optax.contrib.muon": {
        "mu_dtype": _TYPE,
        "weight_decay_mask": _MASK,
        "adaptive": (False, "it scales by the value of a product"),
        "preconditioning": ("frobenius", "the iteration starts at the matrix over its norm"),
        "adam_eps_root": (0, "the root has nothing added"),
        "adam_weight_decay": (0, "vectors decay as matrices do, by groups"),
        "adam_learning_rate": (None, "one rate serves both, by groups another"),
        "muon_weight_dimension_numbers": (None, "rows are inputs"),
    },
    "optax.sgd": {"accumulator_dtype": _TYPE},
    "optax.adadelta": {"weight_decay_mask": _MASK},
    "optax.adan": {"mask": _MASK},
    "optax.optimistic_adam": {"mu_dtype": _TYPE, "optimism": _TWICE},
    "optax.contrib.ademamix": {"mask": _MASK, "mu_dtype": _TYPE},
    **{
        f"optax.contrib.schedule_free_{name}": {"warmup_steps": _WARM, "weight_lr_power": _EVEN, "state_dtype": _TYPE}
        for name in ("sgd", "adamw")
    },
    **{f"optax.{name}": {"mu_dtype": _TYPE} for name in ("adam", "nadam", "optimistic_adam_v2")},
    **{f"optax.{name}": {"mask": _MASK, "mu_dtype": _TYPE} for name in ("adamw", "nadamw")},
}
RATES = ("lr", "learning_rate")
#: How a step of PyTorch's is computed, not what it is.
_HOW = frozenset(("foreach", "fused", "capturable", "differentiable"))


@dataclass(frozen=True)
class LibraryOptimizer:
    """An optimiser under the name that a library has for it, such as ``torch.SGD``.

    ``defaults`` has the options that decide what a step is, at the library's own defaults; ``optimizer`` is what it is
    here, and ``ours`` what the options are called, one by one.  ``fixed`` options may have one value only, with the
    reason; ``ignored`` ones say how a step is computed.  ``refused`` is the reason why there is no rule at all, and
    ``instead`` what to take.
    """

    name: str
    defaults: Mapping[str, Value] = field(default_factory=dict)
    optimizer: str = ""
    ours: tuple[str, ...] = ()
    fixed: Mapping[str, tuple[object, str]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    refused: str = ""
    instead: str = ""

    def read(self, given: Mapping[str, object], kept: Collection[str] = ()) -> Meaning:
        """The optimiser here, and its options and parameters, for these options.

        Numbers of ours that are ``kept`` are there at 0 too: another group of parameters has them.  Raises
        ``InputError``; whoever tells it says which optimiser it is about.
        """
        if self.refused:
            raise InputError(self.why_no_rule)
        values = dict(self.defaults)
        for name, value in given.items():
            if name in values:
                values[name] = self._value(name, value)
            elif name not in self.ignored:
                self._check_fixed(name, value)
        parts = [part for value in values.values() for part in (value if isinstance(value, tuple) else (value,))]
        told: dict[str, Any] = dict(name.split("=") for name in self.ours if "=" in name)
        for name, part in zip((name for name in self.ours if "=" not in name), parts, strict=True):
            if (
                part is not None
                and part is not False
                and not (name.endswith("?") and part == 0 and name[:-1] not in kept)
            ):
                told[name.rstrip("?")] = part
        if "decay" not in told:
            told.pop("decoupled_decay", None)
        return _SETTLE.get(self.name, _settle)(self.optimizer, told)

    @property
    def why_no_rule(self) -> str:
        """The end of a message about a name without a rule."""
        return f"is no rule of eomsym, since {self.refused}; choose another optimizer, such as {self.instead}"

    def _check_fixed(self, name: str, value: object) -> None:
        if name in RATES:
            raise InputError(f"{name} is the step size, which is given as eta; leave it out here")
        if name not in self.fixed:
            allowed = ", ".join((*self.defaults, *self.fixed)) or "no options"
            raise InputError(f"{name} is unknown; it takes {allowed}")
        only, reason = self.fixed[name]
        if value is not only and (isinstance(value, bool) or isinstance(only, bool) or _plain(value) != only):
            raise InputError(f"{name} = {_written(value)} is refused, {reason}; leave it at {only}")

    def _value(self, name: str, value: object) -> Value:
        """The option, of the kind that its default is of."""
        default = self.defaults[name]
        if isinstance(default, bool):
            if isinstance(value, bool):
                return value
            raise InputError(f"{name} = {_written(value)} is no choice; give True or False")
        if isinstance(default, tuple):
            if isinstance(value, (tuple, list)) and len(value) == len(default):
                return tuple(self._number(name, part) for part in value)
            example = ", ".join(map(str, map(float, default)))
            raise InputError(f"{name} = {_written(value)} is no tuple of {len(default)}; give ({example})")
        return None if default is None and value is None else self._number(name, value)

    def _number(self, name: str, value: object) -> Fraction:
        if isinstance(value, (tuple, list)):
            raise InputError(f"{name} = {_written(value)} is no number; give one such as 0.9 or 1/3")
        return read_rational(name, getattr(value, "item", lambda: value)())


def _plain(value: object) -> object:
    """As the library has it: a number exactly as written is the nearest float."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    return float(value) if isinstance(value, Fraction) else value


def _written(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_written, value))})"
    return str(value)[:40]


def _settle(optimizer: str, given: dict[str, Any]) -> Meaning:
    """Adam with its decay beside the step has a name of its own."""
    is_adamw = optimizer == "adam" and given.pop("decoupled_decay", False)
    return "adamw" if is_adamw else optimizer, given


def _sgd(optimizer: str, given: dict[str, Any]) -> Meaning:
    ahead = given.pop("nesterov", False)
    if "beta" not in given:
        given.pop("dampening", None)
        return "gradient-descent", given
    return ("nesterov", {**given, "lookahead": True}) if ahead else (optimizer, given)


def _sgd_of_torch(optimizer: str, given: dict[str, Any]) -> Meaning:
    if given.get("beta") == 0 and "dampening" in given:
        given["dampening"] = 0  # of a group without momentum beside one with it: PyTorch does not look at it
    if given.get("nesterov") and ("beta" not in given or "dampening" in given):
        raise InputError("nesterov = True needs a momentum and no dampening; give momentum=0.9, say")
    return _sgd(optimizer, given)


def _asgd(optimizer: str, given: dict[str, Any]) -> Meaning:
    lambd, alpha = given.pop("lambd", 0), given.pop("alpha", 0)
    if lambd and alpha:
        raise InputError(
            f"lambd = {lambd} lets the rate fall like (1 + lambd lr n)^-alpha, a schedule; give lambd=0 for a constant "
            "rate"
        )
    if lambd and "decay" in given:
        raise InputError("lambd and weight_decay: both are weight decay; give one of them")
    return optimizer, {**given, **({"decay": lambd, "decoupled_decay": True} if lambd else {})}


def _rmsprop(optimizer: str, given: dict[str, Any]) -> Meaning:
    if "beta" not in given:
        given.pop("nesterov", None)
    return optimizer, given


def _muon(optimizer: str, given: dict[str, Any]) -> Meaning:
    """Ours looks ahead by default."""
    return optimizer, {"nesterov": False, **given}


def _muon_of_optax(optimizer: str, given: dict[str, Any]) -> Meaning:
    if "decay" in given:
        raise InputError("weight_decay is that of matrices alone; give groups their own decay")
    flags = {"corrected": True, "auxiliary": True, "columns_out": True}
    return optimizer, {"nesterov": False, **given, **flags, "adam_epsilon": given["epsilon"]}


#: Entries of a parameter group that are no options; the rates and momenta are left by PyTorch's schedulers.
_OF_A_GROUP = frozenset(
    ("params", "param_names", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum", *RATES)
)
#: What PyTorch begins the memory of all groups with, whatever a group says of it.
_OF_THE_START = frozenset(("initial_accumulator_value",))
MAX_LENGTH = 1000
_ALLOWED = re.compile(r"[A-Za-z0-9_.,=()/+\-\s]*", re.ASCII)
#: A number, or a quotient of two.
_NUMBER = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(?:/([0-9.]+(?:[eE][+-]?[0-9]+)?))?", re.ASCII)
_EXAMPLE = "write it as torch.SGD(momentum=0.9, nesterov=True)"


def of_library(name: str, text: str) -> LibraryOptimizer:
    """The entry of a library's name, which stands in a text.  Raises ``InputError``."""
    short = re.sub(r"^torch\.optim\.", "torch.", name)
    found = meant(short, tuple(LIBRARIES))
    if found is None:
        library = name.split(".", maxsplit=1)[0]
        known = [entry for entry in LIBRARIES if entry.startswith(f"{library}.")] or list(LIBRARIES)
        right = f"choose from {', '.join(known)}{suggestion(short, known)}"
        raise InputError(f"optimizer {shown(text)}: {' '.join(name.split())} is unknown; {right}")
    return LIBRARIES[found]


def options_of_object(optimizer: Any) -> tuple[LibraryOptimizer, dict[str, object]]:
    """The entry of a ``torch.optim`` object and its options, which all of its groups agree in.

    Raises ``InputError`` for a class that is not PyTorch's own, and for groups that differ.
    """
    entry, (first, *others) = options_of_groups(optimizer)
    for other in others:
        for key in {*first, *other}:
            if first.get(key) != other.get(key):
                raise InputError(
                    f"{entry.name}: {key} is {first.get(key)} in one group and {other.get(key)} in another; "
                    "give all groups the same, or the object where its parameters are known, as Training does"
                )
    return entry, first


def options_of_groups(optimizer: Any) -> tuple[LibraryOptimizer, list[dict[str, object]]]:
    """The entry of a ``torch.optim`` object and the options of each of its groups.  Raises ``InputError``."""
    kind = type(optimizer)
    groups = getattr(optimizer, "param_groups", None)
    if kind.__module__.split(".")[:2] != ["torch", "optim"] or not isinstance(groups, list) or not groups:
        check_has_rule(kind.__name__, f"{kind.__module__}.{kind.__name__}")
        raise InputError(
            f"optimizer {kind.__module__}.{kind.__name__}: no class of torch.optim; give torch.optim.Adam, say"
        )
    entry = of_library(f"torch.{kind.__name__}", f"torch.{kind.__name__}")
    left_out = _OF_A_GROUP | entry.ignored
    options = [{key: value for key, value in group.items() if key not in left_out} for group in groups]
    for key in _OF_THE_START & getattr(optimizer, "defaults", {}).keys():
        options = [{**group, key: optimizer.defaults[key]} for group in options]
    return entry, options


def is_text(name: object) -> bool:
    """Whether it is more than a bare name: with options in brackets, or a library's, with a dot."""
    return isinstance(name, str) and bool(re.match(r"\s*[\w-]+\s*[.(]", name, re.ASCII))


def read_text(text: str) -> tuple[str, dict[str, object]]:
    """A name and its options, from a text such as ``optax.adam(b1=0.9)``.  Raises ``InputError``, one line."""
    if len(text) > MAX_LENGTH:
        raise InputError(f"optimizer {shown(text)}: {len(text)} characters; give at most {MAX_LENGTH}")
    place = _ALLOWED.match(text).end()  # type: ignore[union-attr]
    if place < len(text):
        raise InputError(f"optimizer {shown(text)}: character {text[place]!r} is not allowed; {_EXAMPLE}")
    name, bracket, options = text.strip().partition("(")
    source = name.replace("-", "_") + bracket + options  # a name with hyphens is none of Python's
    call = python_tree(source, f"optimizer {shown(text)}", _EXAMPLE)
    if not isinstance(call, ast.Call) or call.args:
        raise InputError(f"optimizer {shown(text)}: not a name with options keyword=value in brackets; {_EXAMPLE}")
    read: dict[str, object] = {}
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in read:
            raise InputError(f"optimizer {shown(text)}: give every option once, by its name; {_EXAMPLE}")
        read[keyword.arg] = _value(source, keyword, text)
    return ast.unparse(call.func), read


def _value(source: str, keyword: ast.keyword, text: str) -> object:
    """What an option is given: a choice, a number exactly as it is written, or a tuple of numbers."""

    def number(node: ast.expr) -> Fraction:
        match = _NUMBER.fullmatch("".join((ast.get_source_segment(source, node) or "").split()))
        if match is None:
            reason = f"{keyword.arg} is no number, True, False, None or tuple"
            raise InputError(f"optimizer {shown(text)}: {reason}; {_EXAMPLE}")
        above, below = (read_rational(str(keyword.arg), part or "1") for part in match.groups())
        if below == 0:
            raise InputError(f"optimizer {shown(text)}: {keyword.arg} is divided by zero; {_EXAMPLE}")
        return above / below

    match keyword.value:
        case ast.Constant(value=bool() | None as value):
            return value
        case ast.Name(id=word) if word in FLAG_WORDS:
            return FLAG_WORDS[word]
        case ast.Tuple(elts=parts):
            return tuple(map(number, parts))
    return number(keyword.value)


#: Which have the last word on what they are, from all that they are given.
_SETTLE: dict[str, Callable[[str, dict[str, Any]], Meaning]] = {
    "torch.Muon": _muon,
    "optax.contrib.muon": _muon_of_optax,
    "torch.SGD": _sgd_of_torch,
    "torch.ASGD": _asgd,
    "optax.sgd": _sgd,
    "optax.rmsprop": _rmsprop,
}


def _table() -> Iterator[LibraryOptimizer]:
    for row in re.split(r"\n(?=\w)", _TABLE.strip()):
        signature, _, meaning = row.rpartition("\n")
        name, defaults = read_text(signature)
        optimizer, *ours = meaning.split()
        ignored = _HOW if name.startswith("torch.") else frozenset[str]()
        yield LibraryOptimizer(name, cast(Any, defaults), optimizer, tuple(ours), _FIXED.get(name, {}), ignored)
    for reason, (names, instead) in _REFUSED.items():
        yield from (LibraryOptimizer(name, refused=reason, instead=instead) for name in names.split())


_ENTRIES = sorted(_table(), key=lambda entry: entry.name.startswith("optax."))
#: Every optimiser that is known by a library's name for it, refused ones included; PyTorch's first.
LIBRARIES = {entry.name: entry for entry in _ENTRIES if "." in entry.name}
#: The names without a rule, those of the libraries without the library's: why, and what to take.
NO_RULE = {entry.name.rpartition(".")[2].lower(): entry.why_no_rule for entry in _ENTRIES if entry.refused}


def check_has_rule(name: object, text: object) -> None:
    """Raises ``InputError`` with the reason for a name that is known and has no rule; ``text`` is what was given."""
    found = meant(name, tuple(NO_RULE))
    if found in NO_RULE:
        raise InputError(f"optimizer {shown(text)}: {NO_RULE[found]}")
