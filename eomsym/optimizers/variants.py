"""Forms of an optimiser: with its own flags set, and with what every optimiser of one gradient has beside them.

These are weight decay, ascent, averages of the weights and slow weights.  *Coupled* decay makes ``g + λ θ`` of the
gradient, so that it passes through all memories; *decoupled* decay is ``θ⁺ = … − η λ θ`` beside them, as in AdamW;
*maximize* is the method with −g.  Coupled decay comes after the sign.  An *average* of the weights is a memory x that θ
knows nothing of: exponential, or of all steps alike, where it moves by 1/n of its way in step n, which is η/T of the
time T = ηn.  With *slow weights* (Lookahead) one step is a round: k steps from φ to θ, and φ⁺ = φ + α (θ − φ).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from fractions import Fraction
from functools import cache, lru_cache, reduce
from typing import Any

from eomsym.errors import InputError
from eomsym.optimizers.maps import Map, norm
from eomsym.optimizers.optimizer import (
    AVERAGED,
    AVERAGING_TIME,
    Arrays,
    Optimizer,
    Parameter,
    Slope,
    flag,
    from_zero,
    one_loss,
    share,
    spelt,
)
from eomsym.optimizers.stepping import number_for

DECAY = replace(
    from_zero("decay", "λ", "weight decay, outside of the gradient", Fraction(1, 100)),
    trial=Fraction(1, 10),
    reason="weights that decay must not grow",
)
AVERAGE_SHARE = share(
    "average_beta", "βₓ", "share of the averaged weights that is kept", Fraction(999, 1000), Fraction(1, 2)
)
SYNC_PERIOD = Parameter(
    "sync_period",
    "k",
    "steps in a round",
    Fraction(1),
    Fraction(100),
    default=Fraction(5),
    trial=Fraction(2),
    kind="count",
    reason="a round is one step, and all of its steps are followed exactly",
    brought_by=("slow_weights",),
)
SLOW_RATE = Parameter(
    "slow_rate",
    "α",
    "share of the round's way that the slow weights go",
    Fraction(0),
    None,
    default=Fraction(1, 2),
    trial=Fraction(2, 5),
    open_minimum=True,
    reason="at 0 they stay where they are",
    brought_by=("slow_weights",),
)
NEVER = "since its average weighs all steps alike and never forgets: ask for its whole state"
_SOURCE = "; Loshchilov & Hutter, Decoupled weight decay regularization, ICLR 2019"
#: What people call clipping by value.
BY_VALUE = {"clip_value", "clip_grad_value"}
WHY_NOT_BY_VALUE = "by value has a kink in each entry of g, which a run crosses one after the other"
#: What every optimiser of one gradient can have, beside its own options.
COMMON = (
    flag("coupled_decay", "g + λ θ in place of g, as PyTorch's weight_decay"),
    flag("decoupled_decay", "− η λ θ beside the step, as in AdamW"),
    replace(DECAY, brought_by=("coupled_decay", "decoupled_decay")),
    flag("maximize", "−g in place of g, before any decay: the method climbs"),
    flag("clipped", "g min(1, c/(‖g‖ + ε)) in place of g, before all else: clipping by the global norm"),
    from_zero("clip_norm", "c", "largest norm of a gradient", Fraction(1), "", "clipped"),
    from_zero("clip_epsilon", "ε", "added to the norm: 1e-6 in PyTorch, 0 in optax", Fraction(0), "", "clipped"),
    flag("ema", "x⁺ = βₓ x + (1−βₓ) θ⁺ beside it, from x = θ on: exponentially averaged weights"),
    replace(AVERAGE_SHARE, brought_by=("ema",)),
    flag("swa", "x⁺ = x + (θ⁺ − x)/n beside it in step n: the mean of all weights"),
    flag("slow_weights", "Lookahead: a step is a round of k, then θ⁺ = φ + α (θ − φ), φ where the round began"),
    SYNC_PERIOD,
    SLOW_RATE,
)


def options_of(entry: Optimizer) -> tuple[Parameter, ...]:
    """Its own options and those of ``COMMON``; the latter for rules of one gradient, and where no name is taken."""
    if entry.plain is not None or entry.fields is not one_loss:
        return entry.options
    taken = {option.name for option in (*entry.parameters, *entry.options)}
    useless = {name for option in COMMON if option.name in taken for name in option.brought_by}
    return (*entry.options, *(option for option in COMMON if option.name not in taken | useless))


def form_of(entry: Optimizer, given: Mapping[str, object]) -> tuple[Optimizer, dict[str, object]]:
    """The optimiser with the flags that are among the given values, and the other values as they are.

    A number that only a flag brings sets that flag.  Raises ``InputError`` for a flag that is neither yes nor no, and
    for flags that exclude each other.
    """
    options = {option.name: option for option in options_of(entry)}
    own = {parameter.name for parameter in entry.parameters}
    rest = spelt(given, {*own, *options, *BY_VALUE})
    for name in BY_VALUE & rest.keys() - own:
        raise InputError(f"{name}: clipping {WHY_NOT_BY_VALUE}; take clip_norm, by the norm of all")
    defaults = {option.name: bool(option.default) for option in options.values() if option.kind == "flag"}
    flags = {name: bool(options[name].read(rest.pop(name))) for name in defaults if name in rest}
    for name in rest.keys() & options.keys() - own:
        if not flags.keys() & options[name].brought_by:
            flags[options[name].brought_by[0]] = True
    changed = tuple(name for name, default in defaults.items() if flags.get(name, default) != default)
    return (_form(entry, changed) if changed else entry), rest


@cache
def _form(entry: Optimizer, changed: tuple[str, ...]) -> Optimizer:
    """The optimiser with these flags other than by default, always the same object; its name says which."""
    options = options_of(entry)
    flags = {option.name: bool(option.default) != (option.name in changed) for option in options if _is_flag(option)}
    own = {option.name: flags[option.name] for option in entry.options if _is_flag(option)}
    brought = (option for option in options if any(flags[name] for name in option.brought_by))
    numbers = {parameter.name: parameter for parameter in (*entry.parameters, *brought)}
    words = ", ".join(f"{name}={'yes' if flags[name] else 'no'}" for name in changed)
    made = replace(
        changed_step(entry, lambda gradient, theta, /, **values: (gradient, {**values, **own})),
        name=f"{entry.name}({words})",
        parameters=tuple(numbers.values()),
        options=(),
        form=None,
        plain=entry,
        **(entry.form(**own) if entry.form else {}),
    )
    if flags.get("coupled_decay") and flags.get("decoupled_decay"):
        raise InputError(f"optimizer {made.name!r}: both flags are weight decay; set one of them")
    if flags.get("decoupled_decay"):
        made = decoupled_decay(made)
    if flags.get("coupled_decay"):
        made = changed_step(made, _coupled)
    if flags.get("ema") and flags.get("swa"):
        raise InputError(f"optimizer {made.name!r}: both flags are an average of the weights; set one of them")
    wrappers = {
        "maximize": _climbing,
        "clipped": _clipping,
        "slow_weights": with_slow_weights,
        "ema": with_ema,
        "swa": with_swa,
    }
    return reduce(lambda inner, name: wrappers[name](inner), filter(flags.get, wrappers), made)


def _is_flag(option: Parameter) -> bool:
    return option.kind == "flag"


def decoupled_decay(entry: Optimizer) -> Optimizer:
    """The method with ``− η λ θ`` beside its step; of Adam it is AdamW."""

    def step(gradient: Slope, state: Arrays, eta: Any, decay: Any, **others: Any) -> Arrays:
        moved, *memory = entry.run(gradient, state, eta, **others)
        return moved - eta * (decay * state[0]), *memory

    numbers = {parameter.name: parameter for parameter in (*entry.parameters, DECAY)}
    made = changed_step(entry, lambda gradient, theta, /, decay, **others: (gradient, others))
    return replace(made, step=step, source=entry.source + _SOURCE, parameters=tuple(numbers.values()))


def with_slow_weights(entry: Optimizer) -> Optimizer:
    """The rounds of a method's k steps after which θ goes back: Zhang et al., Lookahead optimizer, NeurIPS 2019."""

    def step(gradient: Slope, state: Arrays, eta: Any, sync_period: Any, slow_rate: Any, **values: Any) -> Arrays:
        after = state
        for _ in range(int(sync_period)):
            after = entry.run(gradient, after, eta, **values)
        return state[0] + slow_rate * (after[0] - state[0]), *after[1:]

    def initial(gradient: Slope, theta: Any, sync_period: Any, slow_rate: Any, **values: Any) -> Arrays:
        return tuple(entry.initial_state(theta, gradient, **values)[1:])

    def steps(sync_period: Any, **values: Any) -> int:
        return int(sync_period) * entry.steps(**values)

    return replace(entry, step=step, initial=initial, steps=steps)


def with_ema(entry: Optimizer) -> Optimizer:
    """The method with exponentially averaged weights as a memory."""

    def step(gradient: Slope, state: Arrays, eta: Any, average_beta: Any, **values: Any) -> Arrays:
        after = entry.run(gradient, state[:-1], eta, **values)
        return *after, average_beta * state[-1] + (1 - average_beta) * after[0]

    def initial(gradient: Slope, theta: Any, average_beta: Any, **values: Any) -> Arrays:
        return *entry.initial_state(theta, gradient, **values)[1:], theta + 0

    return replace(entry, step=step, initial=initial, memory=(*entry.memory, AVERAGED))


def with_swa(entry: Optimizer) -> Optimizer:
    """The method with the mean of its weights, of the first step on, as a memory."""

    def step(gradient: Slope, state: Arrays, eta: Any, **values: Any) -> Arrays:
        *own, average, time = state
        after, time = entry.run(gradient, tuple(own), eta, **values), time + eta
        return *after, average + eta * ((after[0] - average) / time), time

    def initial(gradient: Slope, theta: Any, **values: Any) -> Arrays:
        return *entry.initial_state(theta, gradient, **values)[1:], theta + 0, 0 * theta[:1]

    memory = (*entry.memory, AVERAGED, AVERAGING_TIME)
    return replace(entry, step=step, initial=initial, memory=memory, numeric_only=entry.numeric_only or NEVER)


def _coupled(gradient: Slope, theta: Any, /, decay: Any, **others: Any) -> tuple[Slope, dict[str, Any]]:
    return lambda point, field=0: gradient(point, field) + decay * point, others


def _climbing(entry: Optimizer) -> Optimizer:
    return changed_step(entry, _upwards)


def _upwards(gradient: Slope, theta: Any, /, **values: Any) -> tuple[Slope, dict[str, Any]]:
    return lambda point, field=0: -gradient(point, field), values


def _clipping(entry: Optimizer) -> Optimizer:
    return changed_step(entry, _clipped)


def _clipped(
    gradient: Slope, theta: Any, /, clip_norm: Any, clip_epsilon: Any, **values: Any
) -> tuple[Slope, dict[str, Any]]:
    clip = clip_by_norm(clip_norm, clip_epsilon)
    return lambda point, field=0: clip(gradient(point, field)), values


@lru_cache(maxsize=64)
def clip_by_norm(most: Any, epsilon: Any) -> Map:
    """Returns the map ``g min(1, most/(‖g‖ + ε))``, smooth on either side of where they are equal."""

    def scale(vector: Any) -> Any:
        return float(most) / (norm(vector) + float(epsilon))

    return Map("clip", lambda vector: vector * scale(vector).clip(max=1.0), "vector", lambda vector: scale(vector) < 1)


def changed_step(entry: Optimizer, change: Callable[..., tuple[Slope, dict[str, Any]]]) -> Optimizer:
    """The method run with another gradient and other values, ``change(gradient, theta, **values)``."""
    begin = entry.initial

    def step(gradient: Slope, state: Arrays, eta: Any, **values: Any) -> Arrays:
        own, others = change(gradient, state[0], **values)
        return entry.run(own, state, eta, **others)

    def initial(gradient: Slope, theta: Any, **values: Any) -> Arrays:
        assert begin is not None
        own, others = change(gradient, theta, **values)
        return begin(own, theta, **others)

    return replace(entry, step=step, initial=None if begin is None else initial)


def member(family: Optimizer, values: Mapping[str, Fraction], name: str, kind: type[Any], **more: Any) -> Any:
    """The optimiser ``name`` of a family at exact values of some parameters: an object of ``kind``, an ``Optimizer``.

    The other parameters stay; ``more`` are what ``kind`` asks for beside what every optimiser has.
    """

    def bound(gradient: Slope, theta: Any, /, **others: Any) -> tuple[Slope, dict[str, Any]]:
        return gradient, {**{key: number_for(theta, value) for key, value in values.items()}, **others}

    made = changed_step(family, bound)
    return kind(
        **{
            **{one.name: getattr(made, one.name) for one in fields(made)},
            "name": name,
            "aliases": (),
            "plain": None,
            "parameters": tuple(one for one in family.parameters if one.name not in values),
            "fields": lambda **others: family.fields(**values, **others),
            "steps": lambda **others: family.steps(**values, **others),
            **more,
        }
    )
