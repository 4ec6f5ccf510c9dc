"""What a library calls an optimiser: its options with their defaults, and the rule and parameters that they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from eomsym.errors import InputError
from eomsym.exact_numbers import read_rational
from eomsym.optimizers._base import Optimizer
from eomsym.optimizers.variants import coupled_decay, decoupled_decay, maximized

#: What an option may be.
Value = bool | None | Fraction | tuple[Fraction, ...]
Choice = tuple[Optimizer, dict[str, Fraction]]

KINK = "a maximum has a kink, where the step has no derivative"
SIGN = "the sign of g jumps, so that the step has no derivative"
RATES = ("lr", "learning_rate")


@dataclass(frozen=True)
class LibraryOptimizer:
    """An optimiser under the name that a library has for it, such as ``torch.SGD``.

    ``defaults`` are the library's own, for the options that decide what a step is; ``choose(**options)`` gives rule and
    parameters.  ``fixed`` options may have one value only, with the reason; ``ignored`` ones say how a step is computed
    and not what it is.  ``refused`` is the reason why there is no rule at all.
    """

    name: str
    choose: Callable[..., Choice] | None = None
    defaults: Mapping[str, Value] = field(default_factory=dict)
    fixed: Mapping[str, tuple[object, str]] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    refused: str = ""

    def read(self, given: Mapping[str, object]) -> Choice:
        """The rule and its parameters, all of them, for these options.  Raises ``InputError``."""
        if self.choose is None:
            raise InputError(f"{self.name}: is no rule of eomsym, since {self.refused}; choose another optimizer")
        options = dict(self.defaults)
        for name, value in given.items():
            if name in self.defaults:
                options[name] = self._value(name, value)
            elif name not in self.ignored:
                self._check_fixed(name, value)
        try:
            entry, values = self.choose(**options)
            return entry, entry.complete(values)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None

    def _check_fixed(self, name: str, value: object) -> None:
        if name in RATES:
            raise InputError(f"{self.name}: {name} is the step size, which is given as eta; leave it out here")
        if name not in self.fixed:
            allowed = ", ".join((*self.defaults, *self.fixed)) or "no options"
            raise InputError(f"{self.name}: {name} is unknown; it takes {allowed}")
        only, reason = self.fixed[name]
        if value is not only and (isinstance(value, bool) or isinstance(only, bool) or value != only):
            raise InputError(f"{self.name}: {name} = {_written(value)} is refused, {reason}; leave it at {only}")

    def _value(self, name: str, value: object) -> Value:
        """The option, of the kind that its default is of."""
        default = self.defaults[name]
        if isinstance(default, bool):
            if isinstance(value, bool):
                return value
            raise InputError(f"{self.name}: {name} = {_written(value)} is no choice; give True or False")
        if isinstance(default, tuple):
            if isinstance(value, (tuple, list)) and len(value) == len(default):
                return tuple(self._number(name, part) for part in value)
            example = ", ".join(map(str, map(float, default)))
            raise InputError(f"{self.name}: {name} = {_written(value)} is no tuple of {len(default)}; give ({example})")
        return None if default is None and value is None else self._number(name, value)

    def _number(self, name: str, value: object) -> Fraction:
        if isinstance(value, (tuple, list)):
            raise InputError(f"{self.name}: {name} = {_written(value)} is no number; give one such as 0.9 or 1/3")
        return read_rational(f"{self.name}: {name}", getattr(value, "item", lambda: value)())


def _written(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_written, value))})"
    return str(value)[:40]


def varied(
    entry: Optimizer, values: Mapping[str, Any], decay: Any = 0, decoupled: bool = False, maximize: bool = False
) -> Choice:
    """A rule with weight decay where there is some, and upwards if so; decay is added after the sign."""
    exact = dict(values)
    if decay:
        entry, exact["decay"] = (decoupled_decay if decoupled else coupled_decay)(entry), decay
    return maximized(entry) if maximize else entry, exact
