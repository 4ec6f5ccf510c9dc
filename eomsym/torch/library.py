"""PyTorch as ``eomsym.arrays`` sees it, and the functions that it makes for PyTorch.

The gradient is traced to a flat program of ATen operations (``torch.tracing``); each is then lifted to power series in
η by the rule of its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

from eomsym.arrays.frontend import Frontend
from eomsym.arrays.library import Library, Traced, gradient_of
from eomsym.errors import InputError
from eomsym.torch.moving import moving
from eomsym.torch.rules import BACKEND
from eomsym.torch.tracing import evaluated, flatten, gradient_function, kind


def checked_leaf(leaf: Any) -> Any:
    """Without its history.  Raises ``InputError`` unless it is a floating-point tensor."""
    if not isinstance(leaf, torch.Tensor) or not leaf.is_floating_point():
        kind = leaf.dtype if isinstance(leaf, torch.Tensor) else type(leaf).__name__
        raise InputError(f"params: a leaf is {kind}; give floating-point tensors only")
    return leaf.detach()


def ravel(tree: Any) -> tuple[torch.Tensor, Callable[[Any], Any]]:
    """One vector of all leaves, and what makes a tree of such a vector."""
    leaves, structure = pytree.tree_flatten(tree)
    sizes = [leaf.numel() for leaf in leaves]

    def shaped(vector: Any) -> Any:
        parts = zip(vector.split(sizes), leaves, strict=True)
        return pytree.tree_unflatten([part.reshape(leaf.shape) for part, leaf in parts], structure)

    return torch.cat([leaf.reshape(-1) for leaf in leaves]), shaped


def traced(loss_fn: Callable[..., Any] | None, *, field: Callable[..., Any] | None = None) -> Traced:
    """A loss, or field, for many calls of ``counterterms`` and ``equation_of_motion``: followed in the first only.

    Whatever it reads besides its arguments has to stay as it is: a mode (``train``, ``eval``), numbers, tensors that
    are replaced.  ``check`` compares with the loss as it is now.  Raises ``InputError`` unless one of both is given.
    """
    gradient_of(loss_fn, field, lambda loss: loss)
    return Traced(loss_fn, field)


LIBRARY = Library(
    backend=BACKEND,
    flatten=pytree.tree_flatten,
    unflatten=lambda structure, leaves: pytree.tree_unflatten(leaves, structure),
    map=pytree.tree_map,
    ravel=ravel,
    paths=lambda tree: [path for path, _ in pytree.tree_flatten_with_path(tree)[0]],
    leaf=checked_leaf,
    given=lambda part: torch.as_tensor(part).detach(),
    gradient=gradient_function,
    program=flatten,
    real=evaluated,
    kind=kind,
    numpy=lambda tensor: tensor.detach().to("cpu", torch.float64).numpy(),
    moving=moving,
    quiet=torch.no_grad,
)
FRONTEND = Frontend(LIBRARY)
counterterms, equation_of_motion = FRONTEND.counterterms, FRONTEND.equation_of_motion
whole_state_terms, lookahead_field = FRONTEND.whole_state_terms, FRONTEND.lookahead_field
integrate = FRONTEND.integrate
