"""Losses that are functions of JAX or PyTorch, PyTorch modules with a loss, and DataLoaders, for a training."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from eomsym.errors import InputError
from eomsym.optimizers import Optimizer

#: Sums in another sequence, by several threads, differ by this part of a loss at most.
SUMMED = 1e-12


@dataclass(frozen=True, eq=False)
class OwnLoss:
    """``loss_fn(params)`` with its ``params``, any pytree, and the same as a kernel of one float64 vector.

    ``of_samples(params, data)`` is the loss of some samples, where ``data`` were given.
    """

    loss_fn: Callable[[Any], Any]
    params: Any
    kernel: Any
    of_samples: Callable[[Any, Any], Any] | None = None
    data: Any = None

    def with_terms(self, entry: Optimizer, values: Mapping[str, Any]) -> OwnTerms:
        """Returns the kernel with the terms of a rule."""
        return OwnTerms(self.kernel, entry, values)

    @property
    def samples(self) -> int:
        """How many samples the data have, 0 without data.  Raises ``InputError`` for arrays of several counts."""
        if self.of_samples is None:
            return 0
        library = self.kernel.frontend.library
        arrays = library.flatten(self.data)[0]
        counts = {len(array) if getattr(array, "ndim", 0) else 0 for array in arrays}
        if len(counts) > 1:
            raise InputError(f"data: arrays of {', '.join(map(str, sorted(counts)))} samples; give as many in each")
        return min(counts, default=0)

    @property
    def is_jax(self) -> bool:
        """Whether the parameters are JAX's or NumPy's arrays."""
        return not type(self.kernel).__module__.startswith("eomsym.torch")


class OwnTerms:
    """A loss of JAX or PyTorch as a kernel with the terms of a rule, as a generated one has them (``FieldKernel``)."""

    def __init__(self, kernel: Any, entry: Optimizer, values: Mapping[str, Any]) -> None:
        self._kernel, self._entry, self._values = kernel, entry, values
        self.size, self.order = kernel.size, kernel.order
        self.loss, self.gradient, self.hessian_vector = kernel.loss, kernel.gradient, kernel.hessian_vector

    def counterterms(self, theta: np.ndarray, order: int | None = None) -> np.ndarray:
        """Row k is −f̃_k, (order + 1, d)."""
        highest = self.order if order is None else order
        return np.asarray(self._kernel.counterterms(theta, highest, self._entry, self._values))

    def field(self, theta: np.ndarray, eta: float, order: int | None = None) -> np.ndarray:
        """``Σ_k η^k f̃_k``, (d,)."""
        rows = self.counterterms(theta, order)
        return -(eta ** np.arange(float(len(rows)))) @ rows


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
    function: Callable[[Any], Any] = model if data is None else lambda at: model(at, data)
    kernel = flat_model(params)(function, params)
    loss = OwnLoss(function, params, kernel, None if data is None else model, data)
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


def _of_module(module: Any, criterion: Any, params: Any) -> tuple[Callable[..., Any], Any]:
    """``loss(params, (inputs, targets))`` of a copy of a module, in float64, and its parameters by name."""
    if not hasattr(module, "named_parameters"):
        raise InputError(f"model ({type(module).__name__}, …): give (module, criterion) with a torch.nn.Module")
    import torch

    own = copy.deepcopy(module).double()

    def loss(at: Any, data: Any) -> Any:
        inputs, targets = (_doubles(part) for part in data)
        return criterion(torch.func.functional_call(own, at, (inputs,)), targets)

    return loss, dict(module.named_parameters()) if params is None else params


def _doubles(part: Any) -> Any:
    """A tensor of the same numbers, those with a fraction in float64."""
    import torch

    tensor = torch.as_tensor(part)
    return tensor.double() if tensor.is_floating_point() else tensor


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
