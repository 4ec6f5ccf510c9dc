"""The registry of optimisers, found by name or alias, and what is needed to write one's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from eomsym.checks import check_choice
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, read_rational
from eomsym.optimizers import (
    adam,
    batches,
    decoupled_decay,
    gradient_descent,
    heavy_ball,
    implicit_euler,
    libraries,
    library_momentum,
    nesterov,
    optimistic,
    root_mean_square,
    two_players,
)
from eomsym.optimizers._base import (
    Field,
    Optimizer,
    Parameter,
)
from eomsym.optimizers._latex import rule_latex
from eomsym.optimizers._rule import (
    Atom,
    Elapsed,
    Gradient,
    Linear,
    One,
    Product,
    Quotient,
    SquareRoot,
    Stage,
    State,
    UpdateRule,
)
from eomsym.optimizers._stepping import solve, sqrt
from eomsym.optimizers._tracing import Later, number, trace
from eomsym.optimizers._whole import WholeState, whole_state
from eomsym.optimizers.batches import Batches, cut, of_index_sets, read_batching
from eomsym.optimizers.families import batch_passes, member, runge_kutta_family
from eomsym.optimizers.libraries import LIBRARIES, from_torch
from eomsym.optimizers.loop import Loop, check_free, rule_of_losses
from eomsym.optimizers.runge_kutta import CLASSICAL, EXPLICIT_MIDPOINT, EXTRAGRADIENT, IMPLICIT_MIDPOINT, runge_kutta
from eomsym.schedules import RATE, read_schedules

__all__ = [
    "LIBRARIES",
    "RATE",
    "REGISTRY",
    "Atom",
    "Batches",
    "Coefficient",
    "Elapsed",
    "Field",
    "Gradient",
    "Later",
    "Linear",
    "Loop",
    "One",
    "Optimizer",
    "Parameter",
    "Product",
    "Quotient",
    "SquareRoot",
    "Stage",
    "State",
    "UpdateRule",
    "WholeState",
    "batch_passes",
    "check_one_gradient",
    "chosen",
    "cut",
    "from_torch",
    "get",
    "is_built_in",
    "loop_of",
    "member",
    "number",
    "of_index_sets",
    "read_batching",
    "read_optimizer",
    "read_rational",
    "register",
    "rule_latex",
    "rule_of_losses",
    "rule_of_one_gradient",
    "runge_kutta",
    "runge_kutta_family",
    "solve",
    "sqrt",
    "trace",
    "whole_state",
]

#: Every optimiser by its name, in the order in which they are listed to people.
REGISTRY: dict[str, Optimizer] = {
    entry.name: entry
    for entry in (
        gradient_descent.OPTIMIZER,
        implicit_euler.OPTIMIZER,
        heavy_ball.OPTIMIZER,
        nesterov.OPTIMIZER,
        library_momentum.NESTEROV_LOOKAHEAD,
        optimistic.OPTIMIZER,
        EXTRAGRADIENT,
        EXPLICIT_MIDPOINT,
        IMPLICIT_MIDPOINT,
        CLASSICAL,
        decoupled_decay.OPTIMIZER,
        batches.IN_ORDER,
        batches.RESHUFFLED,
        two_players.SIMULTANEOUS,
        two_players.ALTERNATING,
        root_mean_square.RMSPROP,
        root_mean_square.RMSPROP_INSIDE,
        adam.ADAM,
        adam.ADAM_OUTSIDE,
        adam.ADAM_INSIDE,
        adam.ADAMW,
        adam.ADAMW_UNCORRECTED,
    )
}

_BY_ALIAS = {alias: entry for entry in REGISTRY.values() for alias in (entry.name, *entry.aliases)}
_BUILT_IN = frozenset(_BY_ALIAS)
#: Rules that are reached by a library's name for them; found by their own name too, and not listed.
_OF_LIBRARIES = frozenset(libraries.RULES) - _BUILT_IN
_BY_ALIAS |= {name: libraries.RULES[name] for name in _OF_LIBRARIES}


def get(name: str | Optimizer) -> Optimizer:
    """The optimiser called ``name`` or by an alias, up to case and hyphens.  Raises ``InputError`` if there is none.

    An ``Optimizer`` that is not registered is registered, so that kernels and results find it by its name.
    """
    if isinstance(name, Optimizer):
        return name if _BY_ALIAS.get(name.name) is name else register(name)
    return _BY_ALIAS[check_choice("optimizer", name, _BY_ALIAS, REGISTRY)]


def chosen(name: str | Optimizer, given: Mapping[str, object]) -> tuple[Optimizer, dict[str, Fraction]]:
    """The optimiser that is meant, and the parameters that are given for it, exact; what every door reads names with.

    ``name`` is what ``get`` takes, or a library's name with options, ``torch.SGD(momentum=0.9)``, which gives all
    parameters itself.  Raises ``InputError`` as ``get`` and ``Optimizer.read_parameters`` do, for a text that cannot be
    read, and for parameters beside one.
    """
    if not libraries.is_library_text(name):
        entry = get(name)
        return entry, entry.read_parameters(given)
    if given:
        raise InputError(f"{next(iter(given))}: {str(name)[:80]!r} gives all parameters itself; write it in there")
    return libraries.read_library_text(str(name))


def read_optimizer(text: str) -> tuple[Optimizer, dict[str, Fraction]]:
    """The optimiser and the hyperparameters that a text stands for: ``optax.adam(b1=0.9)``, or a name of the registry.

    The text is parsed, never evaluated.  A library's name comes with all hyperparameters, at the library's defaults
    where none is given; a name of the registry with none.  A learning rate is refused: it is eta, and given as such.
    Raises ``InputError``, one line.
    """
    return chosen(text, {})


def loop_of(
    optimizer: str | Optimizer, schedule: object = None, batching: object = None, samples: int = 0, **given: object
) -> Loop:
    """The run as it is made: an optimiser with its schedules and batches of so many samples.

    ``schedule`` is read by ``schedules.read_schedules`` and ``batching`` by ``read_batching``; parameters not given
    have their defaults.  Raises ``InputError`` as these, ``chosen`` and ``Loop`` do.
    """
    schedules = read_schedules(schedule)
    check_free(given, schedules)
    entry, exact = chosen(optimizer, given)
    if batching is not None and samples == 0:
        raise InputError("batching: this loss has no data; leave it out")
    batches = None if batching is None else read_batching(batching, samples)
    return Loop(entry, entry.complete(exact), schedules, batches)


def rule_of_one_gradient(optimizer: str | Optimizer, given: Mapping[str, object]) -> UpdateRule:
    """The rule of an optimiser at given parameters, the others at their defaults, for one loss or vector field.

    Raises ``InputError`` as ``get``, ``Optimizer.complete`` and ``check_one_gradient`` do.
    """
    entry, exact = chosen(optimizer, given)
    values = entry.complete(exact)
    check_one_gradient(entry, values)
    return entry.rule(**values)


def check_one_gradient(entry: Optimizer, values: Mapping[str, Coefficient]) -> None:
    """Raises ``InputError`` for an optimiser of batches or players; ``values`` hold the parameters that count."""
    kinds = {field.kind for field in entry.fields(**values)} - {"loss"}
    if kinds:
        raise InputError(
            f"optimizer {entry.name!r}: takes the gradients of batches or players ({', '.join(sorted(kinds))}), and "
            "here is one loss; take the kernel of a network, or an optimizer of one gradient"
        )


def is_built_in(entry: Optimizer) -> bool:
    """Whether the optimiser is eomsym's own: then every process finds the same one by its name."""
    return entry.name in _BUILT_IN or entry.name in _OF_LIBRARIES


def register(entry: Optimizer) -> Optimizer:
    """Make a user's own optimiser known by its name and aliases, for this process; returns it.

    Raises ``InputError`` if a name is taken, or is not of small letters, digits and hyphens.
    """
    for name in (entry.name, *entry.aliases):
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
            raise InputError(f"optimizer {name!r}: not a name; use small letters, digits and hyphens, as in my-method")
        if name in _BUILT_IN or name in _OF_LIBRARIES:
            raise InputError(f"optimizer {name!r}: the name is taken; choose another")
    REGISTRY[entry.name] = entry
    _BY_ALIAS.update(dict.fromkeys((entry.name, *entry.aliases), entry))
    return entry
