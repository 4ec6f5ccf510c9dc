"""``derive``: from the name of an optimiser to its equation, whichever is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from eomsym.checks import check_choice, shown
from eomsym.derivation.algebras import Combination, StartAlgebra
from eomsym.derivation.equation import LOSS, SLOW, START, WHOLE, Equation
from eomsym.derivation.modified_loss import componentwise_loss, split_gradient, tree_rows
from eomsym.derivation.noise_generator import modified_generator
from eomsym.derivation.noise_text import mean_fields
from eomsym.derivation.posing import STATES, Posed, check_order, pose
from eomsym.derivation.state_noise import highest_power, noise_blocks
from eomsym.errors import InputError
from eomsym.exact_numbers import Coefficient, exact, read_rational
from eomsym.notation.terms import Row, Vertex
from eomsym.optimizers import Optimizer
from eomsym.optimizers.registry import form
from eomsym.optimizers.rule import Gradient, Linear, State, UpdateRule
from eomsym.optimizers.tracing import trace
from eomsym.step_index import solve
from eomsym.trees import LEAF, THETA, Tree, slow_leaf

#: Four seconds with a symbol at order 6; each order more takes four times as long.
MAX_START_ORDER = 8


def derive(
    optimizer: str | Optimizer = "gradient-descent",
    order: int = 2,
    *,
    state: str = "slow",
    start: bool | Mapping[str, object] = False,
    schedule: Sequence[str] = (),
    noise: bool = False,
    modified_loss: bool = False,
    **parameters: object,
) -> Equation:
    """The equation of motion of an optimiser, exactly, by step-index polynomials: rows for each power of η.

    ``order`` is the highest power of η kept; 0 is gradient flow.  Further keywords are the optimiser's parameters, each
    an exact number (int, ``Fraction`` or text such as ``"9/10"`` and ``"0.9"``); those not given stay symbols.
    ``optimizer`` is a name, an ``Optimizer`` of the user's own, or a library's name with all that is given for it:
    ``torch.SGD(momentum=1/3, nesterov=True)``, where what is not given has the library's default.

    With ``start=True`` the shadow start of a method with memory is derived too: where the flow has to start to follow
    the iterates.  A mapping says what its memory starts as, by its name, where that is not the optimiser's own start:
    0, ``"g"`` (the gradient at θ_0), ``"v"`` (a symbol, for a hand-over with any value), or multiples of both,
    ``{"velocity": {"g": "9/10"}}``.  For numbers at a point there is ``eomsym.dynamics.start_at``.
    With ``state="whole"`` the memory is not eliminated: the equation is that of (θ, memory), and γ takes the place of
    each β.
    ``schedule`` names what depends on time τ = nη: ``eta``, whose factor is then s(τ), and parameters, which stay
    symbols; derivatives s′, s″ have the symbols ``s_d1``, ``s_d2``.
    With ``noise=True`` it is the modified generator on batches drawn independently: of gradient descent
    (``modified_generator``), or of the whole state of a rule with memory, drift and diffusion, to order 2 where the
    gradient is taken once and linearly, else 1;
    with ``modified_loss=True`` the loss that the rule descends, and what of its motion no loss gives.

    Raises ``InputError`` for an unknown optimiser, an unknown or ill-formed parameter, an order that is no integer
    from 0 to 15 (6 with a schedule, several fields or the whole state, 3 with componentwise functions, there 4), too
    many trees to be held, and for what does not go together.
    """
    names = (schedule,) if isinstance(schedule, str) else tuple(schedule)
    state = check_choice("state", state, STATES)
    starting = start is not False
    asked = {"schedule": names, "state 'whole'": state == "whole", "start": starting, "noise": noise}
    _check_one([*(name for name, value in asked.items() if value), *(["modified_loss"] if modified_loss else [])])
    if noise:
        return _generator(optimizer, order, parameters)
    posed = pose(optimizer, order, parameters, state, names)
    if modified_loss:
        return _loss(posed, order)
    memory: Any = {} if start is True else start
    return _motion(posed, order, _start(posed, order, memory) if starting else None)


def _check_one(asked: Sequence[str]) -> None:
    if "start" in asked and "state 'whole'" in asked:
        raise InputError("start: the whole state begins at its real start; leave start out, or take state slow")
    if len(asked) > 1:
        raise InputError(f"{asked[0]}: is derived on the slow manifold by itself; leave {' and '.join(asked[1:])} out")


def modified_loss(optimizer: str | Optimizer = "gradient-descent", order: int = 2, **parameters: object) -> Equation:
    """The loss that an optimiser descends up to ``η^order``, as exact as its equation of motion: ``derive`` for it.

    Of a rule that divides componentwise it is known to order 1: ``θ̇ = −P ∇L̃``, Adam with ε outside of a root too.
    Raises ``InputError`` for games, whose field is no gradient to begin with, and for decoupled decay.
    """
    return _loss(pose(optimizer, order, parameters), order)


def derive_on_trees(optimizer: str | Optimizer, order: int, **parameters: object) -> Equation:
    """``derive`` for callers that need plain rooted trees; ``InputError`` too where the optimiser has other terms."""
    equation = _motion(pose(optimizer, order, parameters), order)
    if not equation.plain:
        raise InputError(
            f"optimizer {equation.optimizer!r}: this needs a series over plain rooted trees, which it has not; "
            "take gradient-descent or heavy-ball, say"
        )
    return equation


def _motion(posed: Posed, order: int, start: Equation | None = None) -> Equation:
    levels, names = posed.solved(order)
    told = {**posed.head, "order": order, **names}
    if posed.noise:
        first = () if posed.rule.linear else replace(posed, noise=False).solved(0)[0][0]
        told["noise"] = noise_blocks(posed.rule, levels, first)
        told["fields"] = mean_fields(highest_power(levels))
    if posed.scaling is not None:
        return Equation(WHOLE, terms=levels, **told)
    scale = Fraction(-1, posed.entry.steps(**posed.values))
    rows = [{basis: exact(value * scale) for basis, value in level[0].items()} for level in levels]
    return Equation(SLOW, terms=[[row] for row in rows], plain=posed.plain, start=start, **told)


def _start(posed: Posed, order: int, memory: Mapping[str, object]) -> Equation:
    """``[c_1, …, c_order]`` of ``θ̂_0 = θ_0 + Σ η^k c_k``, plain where c_k has trees of k nodes alone."""
    entry, symbols, fields = posed.entry, {**posed.values, **posed.symbols}, len(posed.fields)
    rule = trace(entry.step, 1 + len(entry.memory), symbols)
    if entry.memory and not rule.linear:
        raise InputError(
            f"start: {entry.name} has componentwise functions, whose start has no terms; "
            "eomsym.dynamics.shadow_start(kernel, theta, eta, order) has its numbers"
        )
    starts = _own_memory(entry, symbols) | _read_memory(entry, memory, fields)
    rows: list[Row] = [{} for _ in range(order)]
    vertices: Sequence[Vertex] = ()
    if entry.memory:
        check_order(order, MAX_START_ORDER)
        algebra = StartAlgebra(starts, fields)
        rows, vertices = [algebra.row(start) for start in solve(rule, algebra, order)], algebra.vertices
    in_place = all(tree.is_plain and tree.order == k for k, row in enumerate(rows, start=1) for tree in row)
    plain = fields == 1 and rule.linear and in_place
    told = {**posed.head, "order": order, "memory": entry.memory, "vertices": tuple(vertices)}
    return Equation(START, terms=[[row] for row in rows], plain=plain, **told)


def _own_memory(entry: Optimizer, parameters: Mapping[str, Coefficient]) -> dict[int, Combination]:
    """What each memory of a linear rule starts as; ``InputError`` if it is no combination of θ and g there."""
    initial = entry.initial
    if initial is None:
        return {}

    def before(gradient: Callable[..., Any], state: tuple[Any, ...], eta: Any, **others: Any) -> tuple[Any, ...]:
        return (state[0], *initial(gradient, state[0], **others))

    rule = trace(before, 1 + len(entry.memory), parameters)
    return {index: _combination(entry, rule, rule.following[index]) for index in range(1, 1 + len(entry.memory))}


def _combination(entry: Optimizer, rule: UpdateRule, linear: Linear) -> Combination:
    theta = Linear(((rule.state(0), 0, 1),))
    found: dict[Tree, Coefficient] = {}
    for number, power, coefficient in linear.terms:
        match rule.atoms[number]:
            case State(0) if power == 0:
                found[THETA] = coefficient
            case Gradient(field, point) if power == 0 and point == theta:
                found[Tree(colour=field + 1)] = coefficient
            case _:
                raise InputError(
                    f"start: the memory of {entry.name} starts as more than a multiple of theta and g there; "
                    "eomsym.dynamics.shadow_start(kernel, theta, eta, order) has the numbers"
                )
    return found


def _read_memory(entry: Optimizer, given: Mapping[str, object], fields: int) -> dict[int, Combination]:
    if not isinstance(given, Mapping):
        raise InputError(f"memory {shown(given)}: give starts by name, such as {{'velocity': 'v'}}")
    starts: dict[int, Combination] = {}
    for name, value in given.items():
        if name not in entry.memory:
            known = ", ".join(map(repr, entry.memory)) or "none"
            raise InputError(f"memory {shown(name)}: {entry.name} does not have it; its memory is {known}")
        index = 1 + entry.memory.index(name)
        leaves = {"v": slow_leaf(index)} | ({"g": LEAF} if fields == 1 else {})
        weights: Any = {value: 1} if isinstance(value, str) else value
        if isinstance(value, (int, float)) and value == 0:
            weights = {}
        if not isinstance(weights, Mapping) or not set(weights) <= set(leaves):
            right = f"give 0, {' or '.join(map(repr, leaves))}, or a mapping of these to numbers"
            raise InputError(f"memory {name!r} starts as {shown(value)}: {right}")
        starts[index] = {
            leaves[word]: number if hasattr(number, "numer") else read_rational(f"memory {name!r}", number)
            for word, number in weights.items()
        }
    return starts


def _loss(posed: Posed, order: int) -> Equation:
    motion = _motion(posed, order)
    if any(field.is_game for field in posed.entry.fields(**posed.values)):
        raise InputError(
            f"modified loss: the field of {posed.entry.name} is a game's, which is no gradient to begin with"
        )
    if motion.vertices:
        raise InputError(f"modified loss: none is known of the maps of blocks of {motion.optimizer}; leave it out")
    factor: Row = {}
    if motion.functions:
        rows, rest, factor = componentwise_loss(motion)
    else:
        parts = [split_gradient(row) for row in tree_rows(motion)]
        rows, rest = [gradient for gradient, _ in parts], [left for _, left in parts]
    told = {**posed.head, "order": order, "functions": motion.functions}
    return Equation(LOSS, terms=[[row] for row in rows], rest=rest, factor=factor, **told)


def _generator(optimizer: str | Optimizer, order: int, parameters: Mapping[str, object]) -> Equation:
    entry, *_ = form(optimizer, parameters)
    if entry.name == "gradient-descent":
        return modified_generator(order)
    return _motion(pose(optimizer, order, parameters, "whole", noise=True), order)
