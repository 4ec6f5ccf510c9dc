"""Equations of motion of PyTorch models: counter terms on any pytree, and the look-ahead field."""

from __future__ import annotations

from importlib.util import find_spec

from eomsym.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("eomsym.torch: the package torch is not installed; pip install 'eomsym[torch]'")

from eomsym.torch.callbacks import lightning_callback, trainer_callback
from eomsym.torch.corrected import Corrected
from eomsym.torch.library import counterterms, equation_of_motion, integrate, lookahead_field, traced, whole_state_terms
from eomsym.torch.optimizer_state import torch_state
from eomsym.torch.track import track

__all__ = [
    "Corrected",
    "counterterms",
    "equation_of_motion",
    "integrate",
    "lightning_callback",
    "lookahead_field",
    "traced",
    "track",
    "trainer_callback",
    "whole_state_terms",
]
