"""Where the loss of a network does not change when its parameters are moved or stretched.

Weight decay does change; what is invariant is the loss without it, f.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eomsym.errors import InputError
from eomsym.models.mlp import MLP

if TYPE_CHECKING:
    import numpy as np


def translation_invariant(model: MLP) -> np.ndarray:
    """Places in θ of the layer before a softmax, (n_in + 1, n_out): f does not change if one row is moved by c.

    Softmax does not notice a number added to all its arguments, so each input's weights to all classes may be moved
    together; the last row are the biases, if there are any.  Raises ``InputError`` if the model has no softmax.
    """
    import numpy as np

    if model.loss != "cross-entropy":
        raise InputError(f"loss {model.loss!r}: no softmax, so no layer is translation-invariant; take cross-entropy")
    rows, columns = model.layers[-2:]
    return np.arange(model.size)[-(rows + model.bias) * columns :].reshape(-1, columns)


def scale_invariant(model: MLP) -> tuple[np.ndarray, ...]:
    """Places in θ of each group before a normalisation: f does not change if one group is multiplied by c > 0.

    With weight or batch normalisation a group is the weights of one hidden unit; with layer normalisation the weights
    and biases of one hidden layer.  Raises ``InputError`` if the model has no normalisation.
    """
    import numpy as np

    if model.normalization == "none":
        raise InputError("normalization 'none': no layer is scale-invariant; take weight, batch or layer")
    groups: list[np.ndarray] = []
    for matrix, bias in model.split(np.arange(model.size))[:-1]:
        whole = [np.concatenate([matrix.ravel(), bias])]
        groups += whole if model.normalization == "layer" else list(matrix.T)
    return tuple(groups)
