"""Counter terms, equations of motion and look-ahead fields of models of an array library: its public functions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from eomsym.arrays.algebra import array_counterterms, array_whole_terms
from eomsym.arrays.batches import (
    WHOLE,
    BatchGradient,
    check_means,
    cuts_of,
    pieces_of,
    read_batch_size,
    rebatched,
)
from eomsym.arrays.check import Watch
from eomsym.arrays.library import Library, Traced, blocks_of, listed_models
from eomsym.arrays.lookahead import lookahead, rule_lookahead
from eomsym.blocks import Blocks
from eomsym.checks import check_finite, check_integer, check_positive
from eomsym.dynamics.integration import integrate_vector
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer, chosen
from eomsym.optimizers.loop import Loop, loop_of_losses
from eomsym.optimizers.registry import check_one_gradient
from eomsym.optimizers.rule import UpdateRule
from eomsym.optimizers.whole_state import chosen_whole
from eomsym.schedules import Schedule
from eomsym.schedules.schedule import read_schedules
from eomsym.step_index.resummation import check_summable, resummed_rows, tell_growth

#: What is left of the digits to this order stands in docs/high_order.md.
MAX_ARRAY_ORDER = 16
#: A loss or a field as users give it.
Model = Callable[..., Any] | Traced


class Frontend:
    """The functions of one library, such as ``eomsym.jax.counterterms``."""

    def __init__(self, library: Library) -> None:
        self.library = library

    def counterterms(
        self,
        loss_fn: Model | Sequence[Model] | None,
        params: Any,
        order: int,
        *,
        data: Any = None,
        batch_size: int | None = None,
        field: Callable[..., Any] | Sequence[Callable[..., Any]] | None = None,
        optimizer: Any = "gradient-descent",
        groups: object = None,
        schedule: object = None,
        tau: Any = 0.0,
        visits: Any = "forward",
        check: bool = True,
        smooth: str = "warn",
        **hyperparameters: object,
    ) -> list[Any]:
        """``[−f̃_0, …, −f̃_order]`` of an optimiser on a loss, each a pytree like ``params``: of descent g, ξ_0, ξ_1, …

        ``loss_fn`` maps ``params``, any pytree of floating-point arrays (in PyTorch such as
        ``dict(model.named_parameters())`` with ``torch.func.functional_call``), to a scalar.  ``field``, given with
        None for a loss, maps them to g itself, what is subtracted: any vector field.  ``optimizer`` is a name or an
        ``Optimizer`` of one gradient; its hyperparameters are exact numbers, text, or floats read by their shortest
        decimal, those not given take their defaults.  A real object of ``torch.optim`` is taken by its rule; where its
        groups differ, η is the largest of their rates.  ``groups`` are ``{pattern: {parameter: value}}`` for leaves
        whose path, keys with dots between them, matches as a shell has it; ``eta_factor`` is a factor of η.

        Works in the precision of ``params`` and on their device.  All
        intermediate values are kept for ``order`` nodes (one more with memory): for models where this does not fit
        there is ``lookahead_field``.

        With ``data``, a pytree of arrays whose first axis is the samples, it is ``loss_fn(params, data)``, or
        ``field(params, data)``, a **mean over samples**.  ``batch_size`` then takes so many at a time, the rest last:
        memory is that of one batch, however many there are; each coefficient is made with all below it again.

        ``loss_fn``, or ``field``, may be a list, one for each batch or player: then a step is made for each in the
        order ``visits``, ``forward``, ``palindrome`` or numbers, and g is their mean; or one for each
        worker of ``rounds``.  ``schedule`` is one of the learning rate, a factor of η, or a mapping
        with the names of parameters and ``eta`` (``schedules.read_schedules``), taken at the time ``tau`` = nη.

        ``check`` compares the series with the library's own gradient at two points near by, where values are there to
        be looked at.  ``smooth`` says what to do about operations with kinks, such as relu and max pooling, which are
        taken as the library's derivative takes them: ``warn`` (one ``KinkWarning``), ``error``, or ``ignore``.  Warns
        (``PrecisionWarning``) where few digits are left.

        JAX: it works under ``jax.jit`` too, where ``check`` is **not** made: call once without, or take
        ``checked_jit``.  That a loss in batches is a mean over samples is looked at under ``jax.jit`` too, by the
        gradient in other batches; where data are traced, or the loss holds what is, rows are NaN if it is none.

        PyTorch: leaves that require no gradient beside others that do are frozen: they stay where they are, and their
        rows are zero.  What hooks of a leaf (``register_hook``) make of the gradient of a loss is g.  Each call follows
        the loss anew; ``traced(loss_fn)`` in its place is followed once.

        Raises ``InputError`` for an order outside 0 … 16, for parameters that are no floating-point arrays, for an
        optimiser of batches or players, for random numbers, and for an operation without a rule, such as a ``while``
        loop; ``SeriesMismatchError``, with the operation to blame, where the check fails.
        """
        library, backend = self.library, self.library.backend
        tau = check_finite("tau", tau) if backend.concrete(tau) else tau
        moving = library.moving(params)
        with library.quiet():
            check_integer("order", order, 0, MAX_ARRAY_ORDER)
            if batch_size is not None and data is None:
                raise InputError("batch_size: give data, of which batches are made, and a loss_fn(params, data)")
            models, schedules = listed_models(*moving.models(loss_fn, field)), read_schedules(schedule)
            found = (groups, *_blocks(library, params))
            loop = loop_of_losses(len(models), visits, optimizer, schedules, found, **hyperparameters)
            rule = _rule(loop, lambda one: library.taylor(one, tau, order + 1))
            leaves, structure = library.flatten(moving.leaves)
            leaves = [library.leaf(leaf) for leaf in leaves]
            watch = Watch(check, smooth, order, rule.linear)
            given, kind = library.flatten(data) if data is not None else ([], None)
            given = [library.given(part) for part in given]
            size = 0 if data is None else read_batch_size(given, batch_size)
            with backend.looking():  # so that batches of data that are known can be looked at
                pieces = pieces_of(given, size) if size else [WHOLE]
            traced = [loss if isinstance(loss, Traced) else Traced(loss, slope) for loss, slope in models]
            gradients = [model.gradients(library, (leaves, structure), (given, kind), pieces) for model in traced]
            others: list[list[list[BatchGradient]]] = []
            if check and size and size < given[0].shape[0]:
                with backend.looking():
                    cuts = [[rebatched(model[0], cut) for cut in cuts_of(given, size)] for model in gradients]
                    seen = [check_means(*pair, leaves, backend) for pair in zip(gradients, cuts, strict=True)]
                others = [] if all(seen) else cuts
            maps = library.maps(rule, leaves)
            rows = array_counterterms(rule, gradients, leaves, order + 1, backend, watch, loop.steps, others, maps)
        watch.tell()
        return [moving.row(library.unflatten(structure, row)) for row in rows]

    def equation_of_motion(
        self,
        loss_fn: Callable[[Any], Any] | None,
        params: Any,
        eta: Any,
        order: int,
        *,
        resum: bool = False,
        **options: Any,
    ) -> Any:
        """The modified vector field ``−g − Σ_k η^{k+1} ξ_k``, a pytree like ``params``.

        ``options`` are those of ``counterterms``.  ``resum`` accelerates the sum (``step_index.resummation``), and
        warns where the terms grow too fast for that, but not under ``jax.jit``.
        """
        library = self.library
        if resum:
            asked = inspect.signature(self.counterterms).bind_partial(**options).arguments
            given = asked.get("hyperparameters", {}), asked.get("groups")
            entry, exact = chosen(asked.get("optimizer", "gradient-descent"), *given, *_blocks(library, params))
            check_summable(entry.rule(**entry.complete(exact)), entry.name)
        rows = self.counterterms(loss_fn, params, order, **options)
        if resum:
            found = resummed_rows([library.flatten(row)[0] for row in rows], eta)
            if (growth := library.number(found.growth)) is not None:
                tell_growth(growth)
            parts, structure = library.flatten(rows[0])
            return library.unflatten(structure, list(map(library.cast, found.value, parts)))
        total = rows[-1]
        for row in rows[-2::-1]:
            total = library.map(lambda sum_, part: library.cast(part + eta * sum_, part), total, row)
        return library.map(lambda part: -part, total)

    def whole_state_terms(
        self,
        loss_fn: Callable[[Any], Any] | None,
        params: Any,
        memory: Sequence[Any],
        order: int,
        *,
        optimizer: str | Optimizer,
        field: Callable[[Any], Any] | None = None,
        check: bool = True,
        smooth: str = "warn",
        **rates: object,
    ) -> list[tuple[Any, ...]]:
        """``F_0, …, F_order`` of ``ż = Σ h^k F_k``, ``z = (params, *memory)``: each a tuple of pytrees like ``params``.

        ``memory`` is in the units of ``derive(optimizer, order, state="whole")``, and γ takes the place of each share
        β = 1 − γh; ``loss_fn`` and ``field`` are as for ``counterterms``, and what is frozen stays with its memory.
        Raises ``InputError`` for an optimiser without a slow memory, a rate that is missing or out of range, or a
        memory that does not look like ``params``.
        """
        library = self.library
        check_integer("order", order, 0, MAX_ARRAY_ORDER)
        scaling, given = chosen_whole(optimizer, rates)
        entry, rule = scaling.optimizer, scaling.rule(**scaling.taking_rates.complete(given))
        moving = library.moving(params)
        leaves, structure = library.flatten(moving.leaves)
        states = [[library.leaf(leaf) for leaf in leaves]]
        if len(memory) != len(entry.memory):
            raise InputError(f"memory: {len(memory)} states; {entry.name} has {', '.join(entry.memory)}")
        for name, state in zip(entry.memory, memory, strict=True):
            parts, found = library.flatten(moving.of_tree(state))
            if found != structure or [part.shape for part in parts] != [part.shape for part in states[0]]:
                raise InputError(f"memory {name!r}: does not look like params; give arrays of the same shapes")
            states.append([library.leaf(part) for part in parts])
        ((loss, slope),) = listed_models(*moving.models(loss_fn, field))
        with library.quiet():
            traced = loss if isinstance(loss, Traced) else Traced(loss, slope)
            gradients = traced.gradients(library, (states[0], structure), ([], None), [WHOLE])
            watch = Watch(check, smooth, order, rule.linear)
            maps = library.maps(rule, states[0])
            rows = array_whole_terms(rule, [gradients], states, order + 1, library.backend, watch, maps)
        watch.tell()
        return [tuple(moving.row(library.unflatten(structure, part)) for part in row) for row in rows]

    def lookahead_field(
        self,
        grad_fn: Callable[[Any], Any],
        params: Any,
        eta: Any,
        order: int,
        *,
        stride: int = 1,
        optimizer: str | Optimizer = "gradient-descent",
        state: Sequence[Any] | None = None,
        **hyperparameters: object,
    ) -> Any:
        """``−Σ_i w_i g(y_i)`` with ``y_{i+1} = y_i − η g(y_i)``, a pytree like ``params``.

        ``grad_fn`` maps ``params`` to its gradient, a pytree of the same kind, such as ``torch.func.grad(loss_fn)``;
        ``eta`` is a number or a scalar array.  Its distance to the equation of motion is O(η^{order+1}), so that paths
        have slope ``order + 1`` as well; it is not the truncated series and gives no single ξ_k.  Only sums of arrays
        of one shape are taken: whatever sharding, device and precision the gradients have, the result has.

        ``stride`` 2 is the **even-step equation**, the logarithm of two steps at once from 2(order + 1) gradients: it
        converges for ηλ up to 1 + √2, where stride 1 ends at ηλ = 1.  Beyond that ``ResummationWarning`` says so, as
        the differences of every second state show.

        Another ``optimizer``, a name, a library's (``"torch.Adam()"``) or an ``Optimizer`` of one gradient with its
        hyperparameters, or descent with some (``decay=``), gives the field of the **whole state**: a tuple
        ``(params, *memory)`` of trees, at ``params`` and the memory ``state``, a tuple of trees like ``params`` (of
        vectors of length 1 where one number serves all, as a bias correction's); without ``state``, at the rule's own
        before the first step.  Its distance to the logarithm of a step falls with the order where ``|r − 1| < 1`` for
        the multipliers r of the step: heavy ball ηλ < 1.  With stride 2 it does where ``|r² − 1| < 1``; elsewhere, as
        those differences show, it is refused, and ``state`` has to be given.  Under ``jax.jit`` neither is looked at.
        In PyTorch leaves that require no gradient beside others that do are frozen, whatever
        ``grad_fn`` says of them.
        Raises ``InputError`` for an order outside 0 … 20, an optimiser of batches or players, and a state of another
        shape.
        """
        library, moving = self.library, self.library.moving(params)
        slope, point = moving.slope(grad_fn), moving.leaves
        if optimizer == "gradient-descent" and state is None and not hyperparameters:
            return moving.row(lookahead(library, slope, point, eta, order, stride))
        memory = None if state is None else [moving.of_tree(part) for part in state]
        found = rule_lookahead(library, slope, point, eta, order, optimizer, memory, hyperparameters, stride)
        return tuple(map(moving.row, found))

    def integrate(self, field: Callable[[Any], Any], params: Any, time: float, *, tolerance: float = 1e-10) -> Any:
        """``params`` after ``time`` along ``field``, such as ``lambda p: lookahead_field(grad, p, eta, 2)``, by DOP853.

        ``tolerance`` is relative and absolute, per step, and at least 100 times the precision of ``params``.  Raises
        ``InputError`` for a bad value, ``IntegrationError`` if the path leaves the floating-point numbers.
        """
        time, tolerance = check_positive("time", time), check_positive("tolerance", tolerance)
        library, backend = self.library, self.library.backend
        leaves, structure = library.flatten(params)
        leaves = [library.leaf(leaf) for leaf in leaves]
        ends = np.cumsum([math.prod(leaf.shape) for leaf in leaves])

        def unravel(vector: np.ndarray) -> Any:
            parts = zip(np.split(vector, ends[:-1]), leaves, strict=True)
            return library.unflatten(structure, [backend.like(part.reshape(leaf.shape), leaf) for part, leaf in parts])

        precision = max(map(backend.precision, leaves))
        rate = lambda state: library.vector(library.flatten(field(unravel(state)))[0])  # noqa: E731
        return unravel(integrate_vector(rate, library.vector(leaves), time, tolerance, precision))


def _blocks(library: Library, params: Any) -> tuple[Blocks, list[Any]]:
    """The arrays of params that move, by shapes and names, and as they are."""
    moving = library.moving(params)
    return blocks_of(library, params, moving), library.flatten(moving.leaves)[0]


def _rule(loop: Loop, taylor: Callable[[Schedule], Any]) -> UpdateRule:
    """The rule of a round; ``taylor`` makes the coefficients of a schedule."""
    if not loop.optimizer.local_losses(**loop.values):
        check_one_gradient(loop.optimizer, loop.values)
    series = {name: taylor(schedule) for name, schedule in loop.schedules.items()}
    loop.check_values({name: coefficients[0] for name, coefficients in series.items()})
    return loop.rule(series)
