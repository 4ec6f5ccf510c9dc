"""What is trained: networks and data sets."""

from eomsym.models.data import DATASETS, Dataset, dataset, default_model
from eomsym.models.mlp import ACTIVATIONS, LOSSES, MLP

__all__ = ["ACTIVATIONS", "DATASETS", "LOSSES", "MLP", "Dataset", "dataset", "default_model"]
