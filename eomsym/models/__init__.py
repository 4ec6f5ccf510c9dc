"""What is trained: networks and data sets."""

from eomsym.models.data import DATASETS, Dataset, dataset, default_model
from eomsym.models.invariance import scale_invariant, translation_invariant
from eomsym.models.mlp import ACTIVATIONS, LOSSES, MLP, NORMALIZATIONS

__all__ = [
    "ACTIVATIONS",
    "DATASETS",
    "LOSSES",
    "MLP",
    "NORMALIZATIONS",
    "Dataset",
    "dataset",
    "default_model",
    "scale_invariant",
    "translation_invariant",
]
