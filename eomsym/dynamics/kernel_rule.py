"""Whose rule a kernel has the terms of: the only place that says, so that no run meets the field of another rule."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from eomsym import optimizers
from eomsym.dynamics.kernel import TermsKernel
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer

DESCENT = "gradient-descent"


def kernel_rule(kernel: Any) -> tuple[Optimizer, dict[str, Fraction]] | None:
    """The rule of a kernel that was made for one, with all its parameters; None of a kernel that does not say.

    Raises ``InputError`` for the terms of a loop or of a whole state, of which there are no steps of θ.
    """
    if isinstance(kernel, TermsKernel):
        if kernel.rule is not None:
            return kernel.rule
        raise InputError("kernel: has the terms of a loop or of a whole state; give the kernel of the loss itself")
    spec = getattr(kernel, "spec", None)
    return None if spec is None else (optimizers.get(spec.optimizer), dict(spec.settings))


def rule_name(kernel: Any) -> str:
    """The rule's name; descent where a kernel does not say."""
    rule = kernel_rule(kernel)
    return DESCENT if rule is None else rule[0].name


def asked_rule(
    kernel: Any, optimizer: str | Optimizer | None, given: Mapping[str, object], groups: tuple[Any, Any] = (None, None)
) -> tuple[Optimizer, dict[str, Fraction]]:
    """The rule that is asked for, and the parameters given; without a name the kernel's own, and its own parameters.

    With parameters but no name they are the kernel's rule's.  A kernel that does not say is one of descent.
    ``groups`` are what ``optimizers.chosen`` takes of groups of parameters.
    Raises ``InputError`` as ``optimizers.chosen`` does.
    """
    entry, own = kernel_rule(kernel) or (optimizers.get(DESCENT), {})
    if optimizer is not None:
        return optimizers.chosen(optimizer, given, *groups)
    return optimizers.chosen(entry, given or own, *groups) if given or groups[0] else (entry, own)


def has_rule(kernel: Any, entry: Optimizer, values: Mapping[str, Any]) -> bool:
    """Whether the terms of a kernel are those of a rule with these parameters; one that does not say has descent's."""
    own, numbers = kernel_rule(kernel) or (optimizers.get(DESCENT), {})
    return (own, numbers) == (entry, dict(values))


def check_rule(kernel: Any, entry: Optimizer, values: Mapping[str, Any], purpose: str) -> None:
    """Raises ``InputError`` where a kernel says that its terms are those of another rule than the one that is run."""
    rule = kernel_rule(kernel)
    if rule is None or has_rule(kernel, entry, values):
        return
    made, asked = (
        f"{one.name} ({', '.join(f'{key} = {value}' for key, value in numbers.items())})" if numbers else one.name
        for one, numbers in (rule, (entry, values))
    )
    raise InputError(f"kernel: was generated for {made}, and {asked} is to be {purpose}; give the same to both")


def check_descent(kernel: Any, purpose: str) -> None:
    """The same of what runs gradient descent."""
    check_rule(kernel, optimizers.get(DESCENT), {}, purpose)
