"""The rule of a step on the slow manifold, where what only fades is zero: bias corrections leave no trace there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from eomsym.exact_numbers import Coefficient
from eomsym.optimizers._rule import Elapsed, UpdateRule
from eomsym.optimizers._tracing import trace


def trace_settled(step: Callable[..., Any], states: int, parameters: Mapping[str, Coefficient]) -> UpdateRule:
    """``trace`` of the step with the states left out that keep a share |a| < 1 of themselves and get nothing added.

    Those that are left keep their order.  Traced again until there is none: what was added may have been such a state.
    """
    rule = trace(step, states, parameters)
    kept = [index for index in range(states) if not _fades(rule, index)]
    if len(kept) == states:
        return rule

    def rest(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **values: Any) -> tuple[Any, ...]:
        whole = [0 * state[0]] * states
        for index, part in zip(kept, state, strict=True):
            whole[index] = part
        after = step(gradient, tuple(whole), eta, **values)
        return tuple(after[index] for index in kept)

    return trace_settled(rest, len(kept), parameters)


def _fades(rule: UpdateRule, index: int) -> bool:
    """Whether a memory goes to zero by itself; a share that is a symbol stands for one below 1."""
    share = rule.self_coefficient(index)
    fades = -1 < share < 1 if isinstance(share, (int, Fraction)) else True
    return index > 0 and fades and all(_is_itself(rule, index, atom) for atom, *_ in rule.following[index].terms)


def _is_itself(rule: UpdateRule, index: int, number: int) -> bool:
    """Whether an atom is the state, or its product with a power of the time elapsed: a share that depends on time."""
    atom, state = rule.atoms[number], rule.state(index)
    return number == state or (isinstance(atom, Elapsed) and {part for part, *_ in atom.operand.terms} == {state})
