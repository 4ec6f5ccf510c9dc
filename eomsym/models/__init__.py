"""What is trained: networks, losses and vector fields of the user's own, data sets."""

from eomsym.models.data import DATASETS, DEFAULT_DATASETS, Dataset, dataset, default_model
from eomsym.models.data_files import DataFile
from eomsym.models.expression import ExpressionLoss, VectorField
from eomsym.models.losses import LOSS_TABLE, Loss
from eomsym.models.mlp import ACTIVATIONS, LOSSES, MLP, NORMALIZATIONS

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "MLP",
    "DataFile",
    "ExpressionLoss",
    "Loss",
    "VectorField",
    "dataset",
    "default_model",
]
