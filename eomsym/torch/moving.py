"""Which parameters of PyTorch move, and what their gradients pass on the way: ``requires_grad`` and hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch.utils import _pytree as pytree

from eomsym.arrays.library import AllMoving, Traced, check_like, gradient_of, listed_models
from eomsym.errors import InputError
from eomsym.torch.tracing import gradient_function, kind

Hooks = tuple[tuple[int, Callable[[Any], Any]], ...]


def moving_of(leaves: Sequence[Any]) -> list[bool]:
    """Of each leaf whether it moves: those that require a gradient, and all where none does, as if detached."""
    required = [bool(getattr(leaf, "requires_grad", True)) for leaf in leaves]
    return required if any(required) else [True] * len(required)


def hooks_of(leaf: Any) -> Hooks:
    """The functions of ``register_hook``, with their numbers.  Raises ``InputError`` for hooks that act later."""
    if getattr(leaf, "_post_accumulate_grad_hooks", None):
        raise InputError(
            f"params: a leaf of shape {tuple(leaf.shape)} has a hook of register_post_accumulate_grad_hook, which acts "
            "on the real parameters; remove it, or take register_hook where it is a function of the gradient"
        )
    return tuple((getattr(leaf, "_backward_hooks", None) or {}).items())


def passed(hooks: Hooks, gradient: Any) -> Any:
    """What the hooks make of a gradient, one after the other.  Raises ``InputError`` for what is no gradient."""
    for _, hook in hooks:
        made = hook(gradient)
        if made is not None:
            if not isinstance(made, torch.Tensor) or made.shape != gradient.shape or made.dtype != gradient.dtype:
                raise InputError(
                    f"params: a hook of register_hook makes another kind of its gradient; return a tensor of "
                    f"{gradient.dtype} and shape {tuple(gradient.shape)}, or None"
                )
            gradient = made
    return gradient


def twin(leaf: torch.Tensor, device: str | None = None) -> torch.Tensor:
    """A copy in float64 that is as frozen as the leaf, and has its hooks."""
    copied = leaf.detach().to(device=device, dtype=torch.float64, copy=True).requires_grad_(leaf.requires_grad)
    for _, hook in hooks_of(leaf) if leaf.requires_grad else ():
        copied.register_hook(hook)  # type: ignore[no-untyped-call, unused-ignore]
    return copied


#: Of a loss that is followed once: what is held beside it, and the same loss of what moves.
_KNOWN: WeakKeyDictionary[Traced, tuple[object, Traced]] = WeakKeyDictionary()


def moving(params: Any) -> AllMoving | Moving:
    """What moves of a tree of parameters: the tree itself where all do, and no gradient passes a hook."""
    found = Moving(params)
    return found if found.holds or any(found.hooks) else AllMoving(params)


class Moving:
    """A tree of parameters as the list of those leaves that move; the others are held where they are."""

    def __init__(self, params: Any) -> None:
        leaves, self._structure = pytree.tree_flatten(params)
        self._moves = moving_of(leaves)
        self._all = [leaf if moves else leaf.detach() for leaf, moves in zip(leaves, self._moves, strict=True)]
        self.leaves = self.of(self._all)
        self.hooks = [hooks_of(leaf) for leaf in self.leaves]

    @property
    def holds(self) -> bool:
        """Whether any leaf is held."""
        return not all(self._moves)

    def of(self, parts: Sequence[Any]) -> list[Any]:
        """Of as many parts as the tree has leaves those that belong to moving ones."""
        return [part for part, moves in zip(parts, self._moves, strict=True) if moves]

    def of_tree(self, tree: Any) -> Any:
        """The same of a tree like the parameters; another is as it was."""
        leaves, structure = pytree.tree_flatten(tree)
        return self.of(leaves) if structure == self._structure else tree

    def whole(self, moving: Sequence[Any]) -> Any:
        """The tree, with these in the place of what moves."""
        return self._tree(moving, lambda leaf: leaf)

    def row(self, moving: Any) -> Any:
        """The same of what is a difference: zero where nothing moves.  One number for all stays as it is."""
        return self._tree(moving, torch.zeros_like) if isinstance(moving, list) else moving

    def _tree(self, moving: Sequence[Any], held: Callable[[Any], Any]) -> Any:
        after: Iterator[Any] = iter(moving)
        leaves = [next(after) if moves else held(leaf) for leaf, moves in zip(self._all, self._moves, strict=True)]
        return pytree.tree_unflatten(leaves, self._structure)

    def models(self, loss_fn: Any, field: Any) -> tuple[list[Traced], None]:
        """Losses, or fields, as fields of the list of what moves; of those that are followed once it is kept."""
        return [self._model(*pair) for pair in listed_models(loss_fn, field)], None

    def _model(self, loss: Any, field: Any) -> Traced:
        if not isinstance(loss, Traced):
            return self._anew(loss, field)
        held = [leaf for leaf, moves in zip(self._all, self._moves, strict=True) if not moves]
        numbers = [[number for number, _ in hooks] for hooks in self.hooks]
        # what shares its memory has its values for good; what is known keeps the memory from being given away
        key = str((self._structure, self._moves, numbers, [(leaf.data_ptr(), kind(leaf)) for leaf in held]))
        known = _KNOWN.get(loss)
        if known is None or known[0] != key:
            known = _KNOWN[loss] = key, self._anew(*loss.functions)
        return known[1]

    def _anew(self, loss: Any, field: Any) -> Traced:
        function = gradient_of(loss, field, lambda one: one)
        return Traced(None, self.slope(function) if loss is None else self._slope_of(function))

    def slope(self, field: Callable[..., Any]) -> Callable[..., list[Any]]:
        """A field of the tree as one of the list of what moves."""

        def of_field(moving: Any, *data: Any) -> list[Any]:
            found, made = pytree.tree_flatten(field(self.whole(moving), *data))
            check_like(made, self._structure, found, self._all)
            return self.of(found)

        return of_field

    def _slope_of(self, loss: Callable[..., Any]) -> Callable[..., list[Any]]:
        def of_loss(moving: Any, *data: Any) -> list[Any]:
            given, structure = pytree.tree_flatten(data[0]) if data else ([], None)
            own = pytree.tree_structure(list(moving))
            gradient = gradient_function(lambda parts, *rest: loss(self.whole(parts), *rest), None, own, structure)
            slopes = gradient(*moving, *given)
            with torch.no_grad():
                return [passed(hooks, slope) for hooks, slope in zip(self.hooks, slopes, strict=True)]

        return of_loss
