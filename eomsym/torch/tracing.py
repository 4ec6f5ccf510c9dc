"""A gradient in PyTorch as a flat program of ATen operations.

Two turns: autograd is traced as it runs, then what that gave is traced again without views and operations in place,
composite operations in the terms of fewer ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch.fx import traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree

from eomsym.arrays.library import check_like, gradient_of
from eomsym.arrays.program import FlatProgram, Instruction
from eomsym.errors import InputError
from eomsym.torch.decompositions import EVALUATED, TRACED, InPlaceOf, operation_name, table
from eomsym.torch.rules import BACKEND, SCALAR_OPERATIONS

#: What operations are called where users write them.
USUAL = {
    "threshold": "relu",
    "max_pool2d_with_indices": "max_pool2d",
    "max_pool3d_with_indices": "max_pool3d",
    "sgn": "abs",
}

#: They change nothing but what is known of a tensor (``kind``), if that.
IDENTITIES = frozenset(["detach", "alias", "view_of", "clone", "_to_copy", "view", "_unsafe_view", "expand", "slice"])
#: They take no more of a tensor than its shape, and fill it with a number.
FILLED = {"zeros_like": 0, "new_zeros": 0, "ones_like": 1, "new_ones": 1}
#: What stands for the inputs of an operation: what came before, and numbers that became tensors.
GIVEN = (torch.fx.Node, torch.Tensor)
#: What is made of numbers only, and of no tensor of the user's, is kept if it has no more elements.
SMALL = 4096

#: What PyTorch says where a loss cannot be followed, and what to do.
UNTRACEABLE = {
    "value out of a tracing tensor": "reads a number out of a tensor (item, float, tolist), which would stay what it "
    "is; write it with tensors",
    "use_reentrant": "checkpoint with use_reentrant=True cannot be followed; give use_reentrant=False",
}

Gradient = Callable[..., list[Any]]


def kind(tensor: Any) -> object:
    """All that a program knows of a tensor."""
    return tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.device


def gradient_function(
    loss_fn: Callable[..., Any] | None, field: Callable[..., Any] | None, structure: Any, given: Any = None
) -> Gradient:
    """g as a function of the leaves, then those of data of the structure ``given``: of a loss by autograd, or a field.

    Raises ``InputError``.
    """
    function = gradient_of(loss_fn, field, lambda loss: loss)
    count = structure.num_leaves

    def called(params: Sequence[Any], arguments: Sequence[Any]) -> Any:
        data = () if given is None else (pytree.tree_unflatten(list(arguments[count:]), given),)
        return function(pytree.tree_unflatten(list(params), structure), *data)

    def of_loss(*values: Any) -> list[Any]:
        with torch.enable_grad():
            moving = [value.detach().requires_grad_() for value in values[:count]]
            loss = called(moving, values)
            if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or not loss.is_floating_point():
                what = tuple(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
                raise InputError(f"loss_fn: returned {what}; return one real number")
            if not loss.requires_grad:
                return [torch.zeros_like(value) for value in moving]
            found = torch.autograd.grad(loss.reshape(()), moving, allow_unused=True, materialize_grads=True)
        return [part.detach() for part in found]

    def of_field(*values: Any) -> list[Any]:
        with torch.enable_grad():
            found, made = pytree.tree_flatten(called(values[:count], values))
        check_like(made, structure, found, values[:count])
        return [part.detach() for part in found]

    return of_field if loss_fn is None else of_loss


def evaluated(gradient: Gradient, values: Sequence[Any]) -> list[Any]:
    """g by PyTorch itself; running statistics stay what they are."""
    with _uncompiled(), InPlaceOf(EVALUATED):
        return gradient(*values)


def flatten(gradient: Gradient, arguments: Sequence[Any]) -> FlatProgram:
    """The flat program of a gradient.  Raises ``InputError`` for what cannot be followed, random numbers among it."""
    kept = frozenset(BACKEND.rules) | BACKEND.flat | {"complex", "polar"}
    with _plain(), _explained(), InPlaceOf(TRACED) as asked:
        first = make_fx(gradient)(*arguments)
    constants = _lifted(first)
    with _plain(), _explained():
        second = make_fx(torch.func.functionalize(first), decomposition_table=table(kept))(*constants, *arguments)
    return replace(_Reader(second, constants).program, decisions=("if",) * asked.decided)


def flatten_loss(loss: Callable[[list[Any]], Any], arguments: Sequence[Any]) -> FlatProgram:
    """The flat program of a loss of a list of tensors, of operations as PyTorch differentiates them."""
    with plainly(), _explained():
        graph = make_fx(lambda *values: [loss(list(values))])(*arguments)
    return _Reader(graph).program


def _lifted(graph: Any) -> list[Any]:
    """Makes arguments of the tensors that a graph holds, and returns them: what is made of them may be written to."""
    nodes, given = graph.graph, dict[str, Any]()
    held = [n for n in nodes.nodes if n.op == "get_attr" and isinstance(getattr(graph, n.target), torch.Tensor)]
    with nodes.inserting_before(next(iter(nodes.nodes))):
        for name in dict.fromkeys(node.target for node in held):
            given[name] = nodes.placeholder(name)
    for node in held:
        node.replace_all_uses_with(given[node.target])
        nodes.erase_node(node)
    graph.recompile()
    return [getattr(graph, name) for name in given]


@contextmanager
def plainly() -> Iterator[None]:
    """Where the loss itself is evaluated: attention as plain operations, running statistics as they are."""
    with _plain(), InPlaceOf({function: TRACED[function] for function in EVALUATED}):
        yield


@contextmanager
def _explained() -> Iterator[None]:
    """Says what to do where PyTorch cannot follow a loss."""
    try:
        yield
    except RuntimeError as error:
        reason = next((told for sign, told in UNTRACEABLE.items() if sign in str(error)), None)
        if reason is None:
            raise
        raise InputError(f"loss_fn: {reason}, or use lookahead_field") from error


@contextmanager
def _plain() -> Iterator[None]:
    """Attention and recurrent layers as plain operations; the names of what is decomposed are kept."""
    with warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH), traceback.preserve_node_meta(), _uncompiled():
        warnings.simplefilter("ignore")  # of settings of devices that are not there
        with torch.backends.mkldnn.flags(enabled=False):
            yield


@contextmanager
def _uncompiled() -> Iterator[None]:
    """What ``torch.compile`` made as it was before: that can be followed, and has more derivatives than one."""
    from torch._dynamo import config

    eagerly = getattr(torch.compiler, "set_stance", lambda stance: nullcontext())  # PyTorch 2.6 and later
    with config.patch(error_on_nested_fx_trace=False), eagerly("force_eager"):
        yield


class _Reader:
    """Reads a traced graph; every tensor and every number that an operation adds or multiplies gets a number."""

    def __init__(self, graph: torch.fx.GraphModule, given: Sequence[Any] = ()) -> None:
        """``given`` are its first arguments, which are constants here."""
        self._numbers: dict[torch.fx.Node, list[int]] = {}
        self._constants: dict[int, Any] = {}
        self._count = 0
        self._random: dict[int, str] = {}
        #: What is made of numbers only, constants and results.
        self._own: dict[int, Any] = {}
        self._known: dict[int, Any] = {}
        instructions: list[Instruction] = []
        arguments: list[int] = []
        results: tuple[int, ...] = ()
        node: Any
        constants = iter(given)
        for node in graph.graph.nodes:
            if node.op == "placeholder" and len(self._constants) < len(given):
                self._constants[self._number(node)] = next(constants)
            elif node.op == "placeholder":
                arguments.append(self._number(node))
            elif node.op == "get_attr":
                self._constants[self._number(node)] = getattr(graph, node.target)
            elif node.op == "output":
                results = tuple(self._numbers[part][0] for part in node.args[0])
            elif operation_name(node.target) == "getitem":
                self._numbers[node] = [self._numbers[node.args[0]][node.args[1]]]
            elif _is_identity(node):
                self._numbers[node] = self._numbers[node.args[0]]
            else:
                instructions.append(self._instruction(node))
                self._note_known(node, instructions[-1])
        self.program = FlatProgram(tuple(instructions), self._constants, tuple(arguments), results, known=self._known)
        for number in self.program.needed() & set(self._random):
            raise InputError(
                f"loss_fn: draws random numbers ({self._random[number]}), so that no two gradients are of one loss; "
                "call eval() on the model where it is dropout, or draw before and hand over what was drawn"
            )

    def _note_known(self, node: Any, instruction: Instruction) -> None:
        """Small results are kept that are the same for all arguments of these kinds."""
        made, like = [], node.meta.get("val")
        if instruction.name in FILLED:
            made = [torch.full(like.shape, FILLED[instruction.name], dtype=like.dtype, device=like.device)]
        elif self._own.keys() >= set(instruction.inputs) and not self._random.keys() & set(instruction.outputs):
            made = instruction.apply(*(self._own[number] for number in instruction.inputs))
        if made and all(value.numel() <= SMALL for value in made):
            self._known |= zip(instruction.outputs, made, strict=True)
            self._own |= zip(instruction.outputs, made, strict=True)

    def _number(self, node: Any = None) -> int:
        self._count += 1
        if node is not None:
            self._numbers[node] = [self._count - 1]
        return self._count - 1

    def _instruction(self, node: Any) -> Instruction:
        name = operation_name(node.target)
        if getattr(getattr(node.target, "_schema", None), "is_mutable", False):
            made = node.meta.get("val")
            if isinstance(made, torch.Tensor) and made.is_complex():
                raise InputError(
                    f"loss_fn: {_origin(node)!r} makes complex numbers, which have no rules; write real ones"
                )
            if node.args[0].op == "placeholder":
                raise InputError(
                    "loss_fn: writes in place into a tensor that is no parameter, such as a running statistic; call "
                    "eval() on the model, or use lookahead_field"
                )
            raise InputError(f"loss_fn: {_origin(node)!r} writes in place ({name}); write it out of place")
        if name == "div" and node.kwargs.get("rounding_mode") is not None:
            name = "rounded quotient"
        inputs, apply = self._operation(node, operation_name(node.target))
        made = node.meta.get("val")
        self._numbers[node] = [self._number() for _ in (made if isinstance(made, (tuple, list)) else [made])]
        origin = _origin(node)
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            self._random |= dict.fromkeys(self._numbers[node], origin)
        static: dict[str, Any] = {"args": node.args[1:], "kwargs": node.kwargs}
        return Instruction(name, apply, inputs, tuple(self._numbers[node]), static, origin)

    def _operation(self, node: Any, name: str) -> tuple[tuple[int, ...], Callable[..., list[Any]]]:
        """The numbers of its inputs, and it as a function of them."""
        operation = SCALAR_OPERATIONS.get(name, node.target)
        if node.target is torch.ops.aten.view.default or name == "_unsafe_view":
            operation = torch.reshape  # series may lie otherwise in memory
        if name == "pow" and not isinstance(node.args[0], torch.fx.Node):
            operation = torch.pow  # a number to the power of a tensor
        leaves, structure = pytree.tree_flatten((node.args, dict(node.kwargs)))
        if operation is not node.target and operation is not torch.reshape:
            leaves = [self._lifted(leaf, node) for leaf in node.args]
            structure = pytree.tree_structure((tuple(leaves), dict(node.kwargs)))
            leaves += list(node.kwargs.values())
        places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, GIVEN)]
        args, kwargs = pytree.tree_unflatten(leaves, structure)
        first, rest = args[: len(places)], args[len(places) :]
        leading = len(first) == len(places) and all(isinstance(part, GIVEN) for part in first)

        def apply(*values: Any) -> list[Any]:
            if leading:  # most are like this, and filling takes longer
                made = operation(*values, *rest, **kwargs)
            else:
                parts = list(leaves)
                for place, value in zip(places, values, strict=True):
                    parts[place] = value
                filled, named = pytree.tree_unflatten(parts, structure)
                made = operation(*filled, **named)
            return list(made) if isinstance(made, (tuple, list)) else [made]

        return tuple(self._input(leaves[place]) for place in places), apply

    def _lifted(self, leaf: Any, node: Any) -> Any:
        """A number that is added or multiplied as a tensor, so that it is known to have no series."""
        if isinstance(leaf, (int, float)) and not isinstance(leaf, bool):
            like = node.meta["val"]
            return torch.tensor(leaf, dtype=like.dtype, device=like.device)
        return leaf

    def _input(self, leaf: Any) -> int:
        if isinstance(leaf, torch.fx.Node):
            return self._numbers[leaf][0]
        number = self._number()
        self._constants[number] = self._own[number] = leaf
        return number


def _is_identity(node: Any) -> bool:
    """Whether its result is its input, for a program that is run with tensors of the kinds it was traced with."""
    if operation_name(node.target) not in IDENTITIES:
        return False
    made, given = node.meta.get("val"), node.args[0].meta.get("val")
    strided = all(isinstance(one, torch.Tensor) and one.layout == torch.strided for one in (made, given))
    return strided and kind(made) == kind(given)


def _origin(node: Any) -> str:
    """What the user knows the operation as: a derivative goes by the name of what it is the derivative of."""
    name = operation_name(node.meta.get("original_aten") or node.target)
    for part in ("_data", "_backward", "_forward", "_interface"):
        name = name.removesuffix(part)
    name = name.strip("_").removeprefix("native_")
    return USUAL.get(name, name)
