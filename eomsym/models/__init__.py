"""What is trained: networks and data sets."""

from eomsym.models.mlp import ACTIVATIONS, LOSSES, MLP

__all__ = ["ACTIVATIONS", "LOSSES", "MLP"]
