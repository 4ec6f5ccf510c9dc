"""The multilayer perceptron that kernels are generated for, as a frozen description."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from eomsym.blocks import Blocks
from eomsym.checks import check_choice, check_integer, meant
from eomsym.errors import InputError, LossScaleWarning
from eomsym.models.losses import LOSS_TABLE, Loss
from eomsym.models.torch_modules import read_sequential

if TYPE_CHECKING:
    import numpy as np

#: What an ``MLP`` takes.
ACTIVATIONS = ("tanh", "sigmoid", "softplus", "gelu", "silu", "sin", "identity")
#: The names in ``LOSS_TABLE``.
LOSSES = tuple(LOSS_TABLE)
MAX_LAYERS, MAX_WIDTH = 100, 100_000
#: Of each hidden layer, before its activation.
NORMALIZATIONS = ("none", "weight", "batch", "layer")


@dataclass(frozen=True, init=False)
class MLP:
    """A multilayer perceptron: hidden layers activated, the last one linear, then the loss (mean over samples).

    ``layers`` are the widths from input to output.  ``loss`` is ``mse`` (½‖out − y‖²) or
    ``cross-entropy`` (−log softmax).
    ``weight_decay`` λ adds ``λ/2 ‖θ‖²``, biases included.  The parameter vector θ holds, for each layer in order, the
    matrix W (n_in × n_out, row-major) and the bias (n_out), with ``z = a W + b``; with ``bias=False`` there are none.
    ``normalization`` stands before the activation of each hidden layer, without affine part and without an ε that would
    break the invariance: ``weight`` divides each unit's weights by their norm, ``z = a w/‖w‖ + b`` (Salimans & Kingma
    2016, its gain left out); ``batch`` takes mean and deviation over all samples (Ioffe & Szegedy 2015); ``layer``
    takes mean and deviation over the units of each sample (Ba, Kiros & Hinton 2016).
    Raises ``InputError`` for widths that are no positive integers and for names that are unknown; ``relu`` has no
    second derivative and is refused.
    """

    layers: tuple[int, ...]
    activation: str
    loss: str
    weight_decay: float
    normalization: str
    bias: bool

    def __init__(
        self,
        layers: Sequence[int],
        activation: str = "tanh",
        loss: str = "cross-entropy",
        weight_decay: float = 0.0,
        normalization: str = "none",
        bias: bool = True,
    ) -> None:
        loss = check_choice("loss", loss, LOSSES)
        object.__setattr__(self, "layers", _check_layers(layers, LOSS_TABLE[loss]))
        object.__setattr__(self, "activation", _check_activation(activation))
        object.__setattr__(self, "loss", loss)
        object.__setattr__(self, "weight_decay", _check_weight_decay(weight_decay))
        object.__setattr__(self, "normalization", _check_normalization(normalization, self.layers))
        if not isinstance(bias, bool):
            raise InputError(f"bias {bias!r}: give True or False")
        object.__setattr__(self, "bias", bias)

    @classmethod
    def from_torch(
        cls, sequential: object, loss: str = "cross-entropy", weight_decay: float = 0.0, normalization: str = "none"
    ) -> MLP:
        """The network of a ``torch.nn.Sequential`` of Linear, all with bias or all without, and one kind of activation.

        Activations: Tanh, Sigmoid, SiLU, GELU without approximation, Identity (or none), and Softplus with beta 1 and a
        threshold of 20 or more (above its threshold PyTorch's is the identity, off by 2e−9).  ``kernel.pack`` takes its
        parameters.  Warns (``LossScaleWarning``) where ``mse`` is another multiple than PyTorch's ``MSELoss``.  Raises
        ``InputError`` that names the module there is nothing for, and why.
        """
        layers, activation, bias = read_sequential(sequential)
        if check_choice("loss", loss, LOSSES) == "mse" and layers[-1] != 2:
            times = "twice" if layers[-1] == 1 else f"2/{layers[-1]} times"
            warnings.warn(
                "loss 'mse' is the mean over samples of half the squared distance, and torch.nn.MSELoss() that over "
                f"outputs too of all of it, {times} as much: give {times} PyTorch's learning rate here",
                LossScaleWarning,
                stacklevel=2,
            )
        return cls(layers, activation, loss, weight_decay, normalization, bias)

    @property
    def size(self) -> int:
        """Number of parameters d."""
        return sum((rows + self.bias) * columns for rows, columns in pairwise(self.layers))

    @property
    def blocks(self) -> Blocks:
        """W (n_out, n_in) and b (n_out,) of each layer, as a Sequential of PyTorch's has and calls them."""
        shapes, names = [], []
        for number, (rows, columns) in enumerate(pairwise(self.layers)):
            shapes += [(columns, rows), *([(columns,)] if self.bias else [])]
            names += [f"{2 * number}.weight", *([f"{2 * number}.bias"] if self.bias else [])]
        return Blocks(tuple(shapes), tuple(names), columns_first=True)

    def split(self, vectors: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Each layer's W (…, n_in, n_out) and b (…, n_out), or (…, 0) without biases, of vectors (…, d), as views."""
        parts, start, shape = [], 0, vectors.shape[:-1]
        for rows, columns in pairwise(self.layers):
            middle, end = start + rows * columns, start + (rows + self.bias) * columns
            parts.append((vectors[..., start:middle].reshape(*shape, rows, columns), vectors[..., middle:end]))
            start = end
        return parts

    def initial(self, seed: int = 0) -> np.ndarray:
        """A random parameter vector (d,): weights normal with variance 1/n_in, biases normal with deviation 0.1."""
        import numpy as np

        random = np.random.default_rng(seed)
        parts = []
        for rows, columns in pairwise(self.layers):
            parts.append(random.standard_normal(rows * columns) / math.sqrt(rows))
            parts.append(0.1 * random.standard_normal(columns * self.bias))
        return np.concatenate(parts)


def _check_layers(layers: Sequence[int], loss: Loss) -> tuple[int, ...]:
    widths = tuple(layers)
    if len(widths) < 2:
        raise InputError(f"layers {list(widths)}: give at least an input and an output width, such as 64,32,10")
    if len(widths) > MAX_LAYERS:
        raise InputError(f"layers: {len(widths)} widths given; give at most {MAX_LAYERS}")
    widths = tuple(check_integer(f"layers {list(widths)}: width", width, 1, MAX_WIDTH) for width in widths)
    if widths[-1] < loss.least_outputs:
        raise InputError(
            f"layers {list(widths)}: {loss.name} needs at least {loss.least_outputs} outputs, the last width is "
            f"{widths[-1]}"
        )
    return widths


def _check_activation(activation: str) -> str:
    if meant(activation, ("relu",)):
        raise InputError("activation 'relu': it has no second derivative, hence no counter term; take softplus or gelu")
    return check_choice("activation", activation, ACTIVATIONS)


def _check_weight_decay(weight_decay: float) -> float:
    try:
        value = float(weight_decay)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"weight_decay {weight_decay!r}: give a finite number that is not negative")
    return value


def _check_normalization(normalization: str, layers: tuple[int, ...]) -> str:
    normalization = check_choice("normalization", normalization, NORMALIZATIONS)
    if normalization != "none" and len(layers) < 3:
        raise InputError(
            f"normalization {normalization!r}: layers {list(layers)} have no hidden layer; give one or more"
        )
    if normalization == "layer" and min(layers[1:-1]) < 3:
        raise InputError(
            f"normalization 'layer': a hidden layer of {min(layers[1:-1])} leaves one or two values; give 3 or more"
        )
    return normalization
