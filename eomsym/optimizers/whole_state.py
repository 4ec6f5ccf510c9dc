"""The whole state: an optimiser's step with its memory as slow states, a rule in a small parameter h.

A state that moves by η is slow, and so is a memory that keeps the share β of itself as soon as 1 − β is small.  So
1 − β = γh goes with the small parameter, and nothing is eliminated: the state (θ, memory) has an equation of motion of
its own, which begins at the real start.  A memory that is an average (Adam's) has η = h.  One that is a sum of
gradients (heavy ball, Nesterov) has the inertial scaling η = h², and is counted in units of 1/h; to zeroth order
``θ̈ + γθ̇ + g = 0``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient
from eomsym.optimizers.optimizer import AVERAGED, AVERAGING_TIME, Optimizer, Parameter
from eomsym.optimizers.registry import check_one_gradient, form
from eomsym.optimizers.rule import UpdateRule
from eomsym.optimizers.tracing import StepSize, trace


@dataclass(frozen=True)
class WholeState:
    """How an optimiser's state is scaled: ``power`` is p in ``η = h^p``, 2 if its memory is a sum, else 1."""

    optimizer: Optimizer
    power: int

    @property
    def decays(self) -> tuple[tuple[str, str], ...]:
        """Each share's name and its γ's."""
        shares = (parameter for parameter in self.optimizer.parameters if parameter.kind == "share")
        return tuple((parameter.name, _decay_of(parameter).name) for parameter in shares)

    def units(self, h: float) -> tuple[float, ...]:
        """What each memory is multiplied by in the rule."""
        return tuple(h**power for power in memory_powers(self.optimizer.memory, self.power))

    @property
    def taking_rates(self) -> Optimizer:
        """The optimiser with the parameters that the rule takes: γ in place of each share β."""
        name, parameters = f"the whole state of {self.optimizer.name}", map(_decay_of, self.optimizer.parameters)
        return replace(self.optimizer, name=name, parameters=tuple(parameters))

    def rule(self, **values: Coefficient) -> UpdateRule:
        """One step in powers of h, all states slow; ``values`` has γ for each share and the other parameters."""
        return _traced(self.optimizer, self.power, values)

    def small_parameter(self, eta: float) -> float:
        """h."""
        return eta ** (1 / self.power)

    def scaled(self, eta: Fraction, values: Mapping[str, Fraction]) -> dict[str, Fraction]:
        """The rule's parameters at a given step size and given shares: ``γ = (1 − β)/h``."""
        h = eta if self.power == 1 else Fraction(math.sqrt(eta))
        decays = dict(self.decays)
        return {decays.get(name, name): (1 - value) / h if name in decays else value for name, value in values.items()}

    def shares_at(self, h: float, values: Mapping[str, Fraction]) -> dict[str, float]:
        """The optimiser's own parameters at another h of the same family: ``β = 1 − γh``.  Raises ``InputError``."""
        found = {}
        for parameter in self.optimizer.parameters:
            decay = _decay_of(parameter).name
            found[parameter.name] = 1 - float(values[decay]) * h if parameter.kind == "share" else float(values[decay])
            if parameter.kind == "share" and found[parameter.name] < 0:
                raise InputError(
                    f"{decay} = {float(values[decay]):g}: times h = {h:g} it exceeds 1; take a smaller eta"
                )
        return found


def memory_powers(memory: Sequence[str], power: int) -> tuple[int, ...]:
    """p of each memory that the rule has times h^p; of inertial ones averages of θ stay, and the time counts in h."""
    own = {AVERAGED: 0, AVERAGING_TIME: -1}
    return tuple(own.get(name, 1) * (power - 1) for name in memory)


def chosen_whole(optimizer: Any, given: Mapping[str, object]) -> tuple[WholeState, dict[str, Fraction]]:
    """``chosen`` for the whole state: ``given`` has the rate γ of a share β, and of a library's name β stays open."""
    entry, own, rates = form(optimizer, given)
    scaling = whole_state(entry)
    check_one_gradient(entry, {})
    names = {parameter.name for parameter in scaling.taking_rates.parameters}
    beside = {name: value for name, value in (own or {}).items() if name in names}
    return scaling, scaling.taking_rates.read_parameters({**beside, **rates})


def whole_state(optimizer: Optimizer) -> WholeState:
    """The scaling in which all of an optimiser's memory is slow.

    A state that keeps itself with weight 1 and moves by η, as Adagrad's sum in slow time, is slow as it stands.
    Raises ``InputError`` for an optimiser without memory, with one that fades at once, or whose memories ask for
    different scalings.
    """
    if not optimizer.memory:
        raise InputError(
            f"optimizer {optimizer.name!r}: has no memory that fades slowly or moves as theta does, so its whole state "
            "is theta"
        )
    trial = {
        _decay_of(p).name: Fraction(1, 2) if p.kind == "share" or p.default is None else p.default
        for p in optimizer.parameters
    }
    for power in (1, 2):
        try:
            rule = _traced(optimizer, power, trial)
        except InputError as error:
            refused = error
            continue
        if len(rule.slow) == 1 + len(optimizer.memory):
            return WholeState(optimizer, power)
        refused = InputError("step function: a state forgets, by no share that is a parameter of its own")
    if not any(parameter.kind == "share" for parameter in optimizer.parameters):
        raise InputError(
            f"optimizer {optimizer.name!r}: has no memory that fades slowly, so no share beta to go with the small "
            "parameter; take heavy-ball, nesterov or adam, or differences of its steps (follow)"
        ) from refused
    raise InputError(f"optimizer {optimizer.name!r}: its whole state is not near the identity ({refused})") from refused


def _traced(optimizer: Optimizer, power: int, values: Mapping[str, Coefficient]) -> UpdateRule:
    settings: dict[str, Any] = {}
    for parameter in optimizer.parameters:
        value = values[_decay_of(parameter).name]
        settings[parameter.name] = StepSize({(0, 0): 1, (1, 0): -1 * value}) if parameter.kind == "share" else value

    def step(gradient: Callable[..., Any], state: tuple[Any, ...], h: StepSize) -> tuple[Any, ...]:
        powers = (0, *memory_powers(optimizer.memory, power))
        own = tuple(part * StepSize({(-p, 0): 1}) for p, part in zip(powers, state, strict=True))
        after = optimizer.step(gradient, own, StepSize({(power, 0): 1}), **settings)
        return tuple(part * StepSize({(p, 0): 1}) for p, part in zip(powers, after, strict=True))

    return trace(step, 1 + len(optimizer.memory), {}, slow=True)


def _decay_of(parameter: Parameter) -> Parameter:
    """γ of a share β."""
    if parameter.kind != "share":
        return parameter
    name = parameter.name
    return Parameter(
        name.replace("beta", "gamma") if "beta" in name else f"{name}_rate",
        parameter.symbol.replace("β", "γ"),
        f"(1 − {parameter.symbol})/h, rate at which {parameter.meaning} fades",
        Fraction(0),
        None,
    )
