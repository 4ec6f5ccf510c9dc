"""A function to a flat list of primitives: calls are inlined, loops of known length unrolled, branches selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from eomsym.arrays.check import COMPARISONS
from eomsym.arrays.program import FlatProgram, Instruction
from eomsym.errors import InputError
from eomsym.jax.rules import CHOICES, KINKS, SMOOTH

#: Calls of functions that come with a derivative of their own.
OWN_DERIVATIVES = frozenset({"custom_jvp_call", "custom_vjp_call"})
#: Longest scan that is unrolled.
MAX_SCAN = 256
#: What is made of constants is a constant if it has no more elements.
SMALL = 4096
_HOME = str(Path("jax", "_src"))
_WHILE = "loss_fn: a while loop has no series; use jax.lax.scan, or lookahead_field"


def flatten(
    function: Callable[..., list[Any]], arguments: Sequence[Any], whole: frozenset[str] = frozenset()
) -> FlatProgram:
    """The flat program of a function of arrays; calls of the kinds in ``whole`` are operations.

    Raises ``InputError`` for loops whose length is not known.
    """
    try:
        closed = jax.make_jaxpr(function)(*arguments)
    except ValueError as error:
        if "Reverse-mode differentiation does not work for lax.while_loop" not in str(error):
            raise
        raise InputError(_WHILE) from error
    flattener = _Flattener(whole)
    numbers = [flattener.new() for _ in arguments]
    results = flattener.inline(closed.jaxpr, [flattener.constant(value) for value in closed.consts], numbers)
    return FlatProgram(tuple(flattener.instructions), flattener.constants, tuple(numbers), tuple(results))


class _Flattener:
    def __init__(self, whole: frozenset[str]) -> None:
        self._whole = whole
        self.instructions: list[Instruction] = []
        self.constants: dict[int, Any] = {}
        self._count = 0
        self._within: list[str] = []

    def new(self) -> int:
        self._count += 1
        return self._count - 1

    def constant(self, value: Any) -> int:
        number = self.new()
        with jax.ensure_compile_time_eval():  # so that it can be looked at under jit too
            self.constants[number] = jnp.asarray(value) if not isinstance(value, jax.Array) else value
        return number

    def emit(
        self,
        name: str,
        apply: Callable[..., list[Any]],
        inputs: Sequence[int],
        count: int,
        origin: str = "",
        **params: Any,
    ) -> list[int]:
        outputs = [self.new() for _ in range(count)]
        self.instructions.append(Instruction(name, apply, tuple(inputs), tuple(outputs), params, origin))
        return outputs

    def inline(self, jaxpr: Any, constants: Sequence[int], arguments: Sequence[int]) -> list[int]:
        """Numbers of the results of a jaxpr at arguments that have numbers."""
        known = dict(zip(jaxpr.constvars, constants, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))

        def read(atom: Any) -> int:
            return self.constant(_literal(atom)) if isinstance(atom, core.Literal) else known[atom]

        for equation in jaxpr.eqns:
            outputs = self._equation(equation, [read(atom) for atom in equation.invars])
            known |= dict(zip(equation.outvars, outputs, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _equation(self, equation: Any, inputs: list[int]) -> list[int]:
        name, params = equation.primitive.name, equation.params
        if name == "custom_jvp_call" and _is_jaxs("relu", params):
            # Written out it is a maximum, whose derivative at 0 is a half; JAX's own of relu is 0.
            return self.emit("relu", lambda value: [jnp.maximum(value, 0)], inputs, 1)
        if name in self._whole:
            called = _called(params).jaxpr.debug_info.func_name
            return self.emit(called, _with_its_derivative(equation), inputs, len(equation.outvars))
        if name in WRITTEN_OUT:
            return self._written_out(equation, inputs)
        if name == "custom_jvp_call" and _is_jaxs("logaddexp", params):
            # Written out it has |a − b| in it, whose series is wrong where a = b.
            return self.emit("logaddexp", lambda a, b: [jnp.logaddexp(a, b)], inputs, 1)
        if name == "scan":
            return self._scan(params, inputs)
        if name == "cond":
            return self._cond(params, inputs)
        if name == "while":
            raise InputError(_WHILE)
        called = _called(params)
        if called is not None:
            return self._call(called, str(params.get("name", "")), inputs)

        def apply(*values: Any) -> list[Any]:
            result = equation.primitive.bind(*values, **params)
            return list(result) if equation.primitive.multiple_results else [result]

        if (
            inputs
            and self.constants.keys() >= set(inputs)
            and all(made.aval.size <= SMALL for made in equation.outvars)
        ):
            with jax.ensure_compile_time_eval():
                return [self.constant(value) for value in apply(*(self.constants[number] for number in inputs))]
        return self.emit(name, apply, inputs, len(equation.outvars), self._origin(name, equation), **params)

    def _call(self, called: Any, name: str, inputs: list[int]) -> list[int]:
        self._within.append(name)
        results = self.inline(called.jaxpr, [self.constant(value) for value in called.consts], inputs)
        self._within.pop()
        return results

    def _origin(self, name: str, equation: Any) -> str:
        """What a user knows the operation as, where it matters."""
        if name not in KINKS | CHOICES | COMPARISONS:
            return ""
        trace = equation.source_info.traceback
        functions = {frame.function_name for frame in trace.frames} if trace else set()
        within = next((called for called in reversed(self._within) if called and called[0] != "_"), "")
        return next(iter(functions & SMOOTH), within)

    def _written_out(self, equation: Any, inputs: list[int]) -> list[int]:
        formula = partial(WRITTEN_OUT[equation.primitive.name], equation.params)
        closed = jax.make_jaxpr(formula)(*(atom.aval for atom in equation.invars))
        return self._call(closed, equation.primitive.name, inputs)

    def _scan(self, params: dict[str, Any], inputs: list[int]) -> list[int]:
        length, fixed, carried = params["length"], params["num_consts"], params["num_carry"]
        if length > MAX_SCAN:
            raise InputError(f"loss_fn: a scan of {length} steps; at most {MAX_SCAN} are unrolled, use lookahead_field")
        body = params["jaxpr"]
        constants = [self.constant(value) for value in body.consts]
        state, stacked = inputs[fixed : fixed + carried], inputs[fixed + carried :]
        slices: dict[int, list[int]] = {}
        order = range(length - 1, -1, -1) if params["reverse"] else range(length)
        for step in order:
            pieces = [self._piece(number, step) for number in stacked]
            results = self.inline(body.jaxpr, constants, [*inputs[:fixed], *state, *pieces])
            state, slices[step] = results[:carried], results[carried:]
        columns = zip(*(slices[step] for step in range(length)), strict=True)
        return [*state, *(self.emit("stack", lambda *rows: [jnp.stack(rows)], column, 1)[0] for column in columns)]

    def _piece(self, number: int, step: int) -> int:
        return self.emit("index", lambda rows: [lax.index_in_dim(rows, step, keepdims=False)], [number], 1)[0]

    def _cond(self, params: dict[str, Any], inputs: list[int]) -> list[int]:
        """All branches, and of their results the one that the index selects."""
        results = []
        for branch in params["branches"]:
            constants = [self.constant(value) for value in branch.consts]
            results.append(self.inline(branch.jaxpr, constants, inputs[1:]))
        return [self._selected(inputs[0], cases) for cases in zip(*results, strict=True)]

    def _selected(self, index: int, cases: Sequence[int]) -> int:
        def select(which: Any, *values: Any) -> list[Any]:
            clamped = jnp.clip(which, 0, len(values) - 1)
            return [lax.select_n(jnp.broadcast_to(clamped, jnp.shape(values[0])), *values)]

        return self.emit("select_n", select, [index, *cases], 1)[0]


def _product(params: dict[str, Any], value: Any) -> Any:
    """By halves."""
    for axis in params["axes"]:
        while value.shape[axis] > 1:
            size = value.shape[axis]
            half = size // 2
            first, second, rest = (
                lax.slice_in_dim(value, start, end, axis=axis)
                for start, end in ((0, half), (half, 2 * half), (2 * half, size))
            )
            value = lax.concatenate([first * second, rest], axis)
    return jnp.squeeze(value, params["axes"])


WRITTEN_OUT: dict[str, Callable[..., Any]] = {"reduce_prod": _product}


def _is_jaxs(name: str, params: dict[str, Any]) -> bool:
    """Whether a function with a derivative of its own is JAX's of this name."""
    source = str(params["call_jaxpr"].jaxpr.debug_info.func_src_info)
    return source.startswith(f"{name} at ") and _HOME in source


def _with_its_derivative(equation: Any) -> Callable[..., list[Any]]:
    def apply(*values: Any) -> list[Any]:
        made = equation.primitive.get_bind_params(equation.params)
        functions, params = made if isinstance(made, tuple) else ((), made)  # a tuple before JAX 0.10
        return list(equation.primitive.bind(*functions, *values, **params))

    return apply


def _called(params: dict[str, Any]) -> Any:
    """The jaxpr that a call stands for, closed."""
    for name in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if name in params:
            called = params[name]
            return called if hasattr(called, "consts") else core.ClosedJaxpr(called, ())
    return None


def _literal(atom: Any) -> Any:
    return np.asarray(atom.val, atom.aval.dtype)
