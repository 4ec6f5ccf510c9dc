"""Losses that are functions of JAX or PyTorch, PyTorch modules with a loss, and DataLoaders, for a training."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Any

from eomsym.errors import InputError

#: Sums in another sequence, by several threads, differ by this part of a loss at most.
SUMMED = 1e-12


@dataclass(frozen=True, eq=False)
class OwnLoss:
    """``loss_fn(params)`` with its ``params``, any pytree, and the same as a kernel of one float64 vector."""

    loss_fn: Callable[[Any], Any]
    params: Any
    kernel: Any

    @property
    def is_jax(self) -> bool:
        """Whether the parameters are JAX's or NumPy's arrays."""
        return not type(self.kernel).__module__.startswith("eomsym.torch")


def own_loss(model: Any, params: Any, data: Any) -> OwnLoss:
    """``model`` is a loss function, of params and of data where they are given, or a pair (module, criterion).

    Raises ``InputError`` where params are missing or no tensors.
    """
    if isinstance(model, tuple):
        module, criterion = model
        model, params = _of_module(module, criterion, params)
    elif hasattr(params, "named_parameters"):
        raise InputError(
            "theta: a module; give (module, criterion) in place of the loss, or dict(module.named_parameters()) and a "
            "loss by functional_call"
        )
    if params is None:
        raise InputError("theta: of a loss function give its params, any pytree of arrays")
    if data is not None:
        _check_takes_data(model)
    kernel = flat_model(params)(model, params, data)
    loss = OwnLoss(kernel.on_all, params, kernel)
    if not loss.is_jax:  # whose functions are pure
        _check_repeatable(kernel)
    return loss


def _check_repeatable(kernel: Any) -> None:
    once, again = kernel.loss(kernel.theta), kernel.loss(kernel.theta)
    if abs(once - again) > SUMMED * abs(once):
        raise InputError(
            "loss_fn: two values at one point differ, so the loss is random, by dropout or by the samples drawn; call "
            "eval() on the model, and give all samples or the same ones"
        )


def _check_takes_data(loss_fn: Any) -> None:
    try:
        signature(loss_fn).bind(None, None)
    except TypeError as error:
        call = "with them the loss is called as loss_fn(params, data), which it does not take"
        raise InputError(f"data: {call}; give it that argument, or leave them out") from error
    except ValueError:  # a built-in function does not tell what it takes
        return


def flat_model(params: Any) -> Any:
    """The class that makes a kernel of a loss of these parameters, PyTorch's or JAX's."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and any(isinstance(leaf, torch.Tensor) for leaf in torch.utils._pytree.tree_leaves(params)):
        from eomsym.torch.flat_model import FlatModel as of_torch

        return of_torch
    from eomsym.jax.flat_model import FlatModel as of_jax

    return of_jax


def moving_leaves(params: Any) -> list[Any]:
    """The arrays of params that move, as they are, in the order of θ."""
    library = flat_model(params).frontend.library
    leaves: list[Any] = library.flatten(library.moving(params).leaves)[0]
    return leaves


def _of_module(module: Any, criterion: Any, params: Any) -> tuple[Callable[..., Any], Any]:
    """``loss(params, (inputs, targets))`` of a copy of a module, in float64, and its parameters by name."""
    if not hasattr(module, "named_parameters"):
        raise InputError(f"model ({type(module).__name__}, …): give (module, criterion) with a torch.nn.Module")
    import torch

    own = copy.deepcopy(module).double()

    def loss(at: Any, data: Any) -> Any:
        inputs, targets = map(torch.as_tensor, data)
        return criterion(torch.func.functional_call(own, at, (inputs,)), targets)

    return loss, dict(module.named_parameters()) if params is None else params


def read_loader(loader: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """All samples of a DataLoader as arrays, and how it makes batches of them, as ``Batches`` takes it.

    Raises ``InputError`` for a sampler or a collation of one's own, of which it is not known what they draw.
    """
    import torch
    from torch.utils.data import RandomSampler, SequentialSampler, default_collate

    if loader.collate_fn is not default_collate or loader.batch_size is None:
        raise InputError("data: a DataLoader with a collation or batches of its own; give arrays and eomsym.Batches")
    sampler = loader.sampler
    if isinstance(sampler, SequentialSampler):
        order = "fixed"
    elif isinstance(sampler, RandomSampler) and sampler.num_samples == len(loader.dataset):
        order = "replacement" if sampler.replacement else "shuffled"
    else:
        raise InputError(f"data: a DataLoader with {type(sampler).__name__} of its own; give arrays and eomsym.Batches")
    state = torch.get_rng_state()  # a data set that draws would move the user's generator
    samples = default_collate([loader.dataset[index] for index in range(len(loader.dataset))])
    torch.set_rng_state(state)
    arrays = tuple(samples) if isinstance(samples, (tuple, list)) else (samples,)
    return arrays, {"size": loader.batch_size, "order": order, "last": "drop" if loader.drop_last else "keep"}
