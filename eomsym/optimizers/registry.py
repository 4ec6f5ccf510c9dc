"""The registry: from a name, a text or an object to an optimiser and its parameters, in one way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from eomsym.blocks import Blocks
from eomsym.checks import check_choice, meant
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, read_rational
from eomsym.optimizers import adaptive, averages, batches, descent, factored, matrix_rules, runge_kutta
from eomsym.optimizers.groups import FACTOR, Group, grouped, places_of, read_groups
from eomsym.optimizers.libraries import (
    LibraryOptimizer,
    check_has_rule,
    is_text,
    of_library,
    options_of_groups,
    options_of_object,
    read_text,
)
from eomsym.optimizers.optimizer import Optimizer
from eomsym.optimizers.variants import form_of

#: Every optimiser that has an equation of motion, by its name, in the order in which they are listed to people.
REGISTRY: dict[str, Optimizer] = {
    entry.name: entry
    for entry in (
        descent.GRADIENT_DESCENT,
        descent.IMPLICIT_EULER,
        descent.HEAVY_BALL,
        descent.NESTEROV,
        descent.OPTIMISTIC,
        *runge_kutta.RULES,
        descent.SGDW,
        *batches.RULES,
        adaptive.RMSPROP,
        adaptive.ADAM,
        adaptive.ADAMW,
    )
}
_OF_ADAPTIVE = (adaptive.ADABELIEF, adaptive.ADAN, adaptive.ADAGRAD, adaptive.ADADELTA, adaptive.NADAM)
#: Those that the libraries have and few people ask for; found by their names too.
FURTHER: dict[str, Optimizer] = {
    entry.name: entry for entry in (*_OF_ADAPTIVE, *averages.RULES, *matrix_rules.RULES, *factored.RULES)
}

_BY_ALIAS = {
    alias: entry for entry in (*REGISTRY.values(), *FURTHER.values()) for alias in (entry.name, *entry.aliases)
}
_BUILT_IN = frozenset(_BY_ALIAS)


def get(name: str | Optimizer) -> Optimizer:
    """The optimiser called ``name`` or by an alias, up to case and hyphens.  Raises ``InputError`` if there is none.

    The name may have flags in brackets, ``adam(inside=yes)``.  An ``Optimizer`` that is not registered is registered,
    so that kernels and results find it by its name.
    """
    if isinstance(name, Optimizer):
        plain = name.plain or name
        if _BY_ALIAS.get(plain.name) is not plain:
            register(plain)
        return name
    word, given = read_text(name) if is_text(name) else (name, {})
    if meant(word, tuple(_BY_ALIAS)) not in _BY_ALIAS:
        check_has_rule(word, name)
    entry, values = form_of(_BY_ALIAS[check_choice("optimizer", word, _BY_ALIAS, REGISTRY)], given)
    if values:
        raise InputError(f"optimizer {name!r}: {next(iter(values))} is no flag; give it beside the name")
    return entry


def chosen(
    optimizer: Any,
    given: Mapping[str, object] = MappingProxyType({}),
    groups: object = None,
    blocks: Blocks | None = None,
    arrays: Sequence[Any] = (),
) -> tuple[Optimizer, dict[str, Fraction]]:
    """The optimiser that is meant, and the parameters that are given for it, exact; what every door reads names with.

    ``optimizer`` is what ``get`` takes, a text with options and parameters, ``heavy-ball(beta=0.9)``, a library's name
    with its options, ``torch.SGD(momentum=0.9)``, or an object of ``torch.optim``; the last two give all parameters
    themselves.  ``given`` holds parameters and flags; the optimiser is the form that they ask for.
    ``blocks`` are the arrays that θ is made of, and ``groups`` those that have numbers of their own (``read_groups``);
    an object has its groups itself, of ``arrays``, which are the blocks as its own parameters.
    Raises ``InputError`` as ``get`` and ``Optimizer.read_parameters`` do, for a text that cannot be read, and for
    parameters beside a library's name.
    """
    if blocks is not None and hasattr(optimizer, "param_groups") and not given and not groups:
        return _of_groups(optimizer, blocks, arrays)
    entry, exact = _chosen(optimizer, given)
    if blocks is not None and entry.grouped and entry.blocks is not None and entry.blocks.sizes != blocks.sizes:
        raise InputError(f"optimizer {entry.name!r}: is of arrays of other sizes; make it for these")
    if not groups:
        return entry, exact
    if hasattr(optimizer, "param_groups") or entry.grouped or blocks is None:
        why = "the optimizer has its own" if blocks is not None else "this loss has one array"
        raise InputError(f"groups: {why}; leave them out")
    check_one_gradient(entry, {})
    made = grouped(entry, read_groups(entry, groups, blocks), blocks)
    if not made.numeric_only:
        rule = made.rule(**made.complete(exact))  # refuses what cannot differ, as what a map is made of
        if any(image.map.layouts for image in rule.images):
            raise InputError(f"groups: {entry.name} has memories of other shapes than theta; leave groups out")
    return made, exact


def _chosen(optimizer: Any, given: Mapping[str, object]) -> tuple[Optimizer, dict[str, Fraction]]:
    entry, own, rest = form(optimizer, given)
    if own is None:
        return entry, entry.read_parameters(rest)
    if rest:
        name = optimizer if isinstance(optimizer, str) else f"torch.{type(optimizer).__name__}"
        raise InputError(f"{next(iter(rest))}: {name[:80]!r} gives all parameters itself; write it in there")
    return entry, own


def form(
    optimizer: Any, given: Mapping[str, object]
) -> tuple[Optimizer, dict[str, Fraction] | None, dict[str, object]]:
    """``chosen`` before parameters are read, for those who have some of another kind, as the rates of a whole state.

    The form of the optimiser; all its parameters where a library's name gives them, else None; and the values that are
    no flags.
    """
    if hasattr(optimizer, "param_groups"):
        return *_of_library(*options_of_object(optimizer)), dict(given)
    name, written = read_text(optimizer) if is_text(optimizer) else (optimizer, {})
    if isinstance(name, str) and "." in name:
        return *_of_library(of_library(name, optimizer), written), dict(given)
    for twice in written.keys() & given.keys():
        raise InputError(f"{twice} = {given[twice]}: stands in the name {optimizer!r} too; give it once")
    entry, rest = form_of(get(name), {**written, **given})
    return entry, None, rest


def _of_library(entry: LibraryOptimizer, options: Mapping[str, object]) -> tuple[Optimizer, dict[str, Fraction]]:
    """The rule under a library's name, and all its parameters."""
    try:
        name, told = entry.read(options)
        made, exact = chosen(name, told)
        return made, made.complete(exact)
    except InputError as error:
        raise InputError(f"{entry.name}: {error}") from None


def _of_groups(optimizer: Any, blocks: Blocks, arrays: Sequence[Any]) -> tuple[Optimizer, dict[str, Fraction]]:
    """The rule of a ``torch.optim`` object with its groups, rates as factors of the largest.

    A block that the object does not step is frozen.  Raises ``InputError`` as ``from_torch`` does, where groups differ
    in more than numbers, and where its parameters are not these arrays.
    """
    library, options = options_of_groups(optimizer)
    rates = [read_rational("lr", _plain_number(group["lr"])) for group in optimizer.param_groups]
    try:
        kept = {name for one in options for name in library.read(one)[1]}
        told = [library.read(one, kept) for one in options]
        forms = [chosen(name, numbers) for name, numbers in told]
    except InputError as error:
        raise InputError(f"{library.name}: {error}") from None
    if len({entry for entry, _ in forms}) > 1:
        listed = " and ".join(dict.fromkeys(entry.name for entry, _ in forms))
        raise InputError(f"{library.name}: its groups are {listed}; give groups that differ in numbers only")
    largest, entry, (values, *others) = max(rates), forms[0][0], [entry.complete(exact) for entry, exact in forms]
    factors = [rate / largest if largest else Fraction(1) for rate in rates]
    differ = {name for other in others for name in other if other[name] != values[name]}
    alike, known = not differ and set(factors) == {1}, set(map(id, arrays))
    if alike and not any(id(one) in known for group in optimizer.param_groups for one in group["params"]):
        return entry, values  # of other arrays, as one rule for all may be
    members, groups = places_of(optimizer, blocks, arrays), []
    for number, (places, factor) in enumerate(zip(members, [*factors, Fraction(0)], strict=True)):
        own = {name: [values, *others][number][name] for name in differ} if 0 < number < len(forms) else {}
        own |= {FACTOR.name: factor} if factor != 1 else {}
        label = f"group {number}" if number < len(forms) else "not stepped"
        groups += [Group(label, places, tuple(sorted(own.items())))] if places and own else []
    return grouped(entry, tuple(groups), blocks), values


def _plain_number(value: Any) -> Any:
    return getattr(value, "item", lambda: value)()


def from_torch(optimizer: Any) -> tuple[Optimizer, dict[str, Fraction]]:
    """The rule of a ``torch.optim`` object and its hyperparameters, as ``(Optimizer, dict)``.

    Read from its class and its ``param_groups``, which must agree in all but parameters and learning rate; the learning
    rate itself is left to the caller, who gives it as eta.  Raises ``InputError`` for a class that is not PyTorch's
    own, for one without a rule, and for groups that differ.
    """
    return _of_library(*options_of_object(optimizer))


def label(optimizer: object, entry: Optimizer) -> str:
    """What results call an optimiser: as it was written, or a form by its own name, which says its flags."""
    as_written = isinstance(optimizer, str) and ("." in optimizer or entry.plain is None)
    return str(optimizer) if as_written else entry.name


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
    return (entry.plain or entry).name in _BUILT_IN


def register(entry: Optimizer) -> Optimizer:
    """Make a user's own optimiser known by its name and aliases, for this process; returns it.

    Raises ``InputError`` if a name is taken, or is not of small letters, digits and hyphens.
    """
    for name in (entry.name, *entry.aliases):
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
            raise InputError(f"optimizer {name!r}: not a name; use small letters, digits and hyphens, as in my-method")
        if name in _BUILT_IN:
            raise InputError(f"optimizer {name!r}: the name is taken; choose another")
    REGISTRY[entry.name] = entry
    _BY_ALIAS.update(dict.fromkeys((entry.name, *entry.aliases), entry))
    return entry
