"""The frozen description of a kernel: everything that decides the bytes of the generated file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eomsym import optimizers
from eomsym.derivation import check_order
from eomsym.errors import InputError
from eomsym.models import MLP

PRECISIONS = ("double",)
#: In double precision the sequential algorithm loses one digit an order: five are left at 12.
MAX_KERNEL_ORDER = 12


@dataclass(frozen=True)
class KernelSpec:
    """A kernel of one model, optimiser, order and precision.  Raises ``InputError`` for what cannot be generated."""

    model: MLP
    order: int
    optimizer: str = "gradient-descent"
    precision: str = "double"

    def __post_init__(self) -> None:
        if not isinstance(self.model, MLP):
            raise InputError(f"model {self.model!r}: kernels are generated for an eomsym.models.MLP")
        check_order(self.order, MAX_KERNEL_ORDER)
        object.__setattr__(self, "optimizer", optimizers.get(self.optimizer).name)
        if self.precision not in PRECISIONS:
            raise InputError(f"precision {self.precision!r}: unknown; choose from {', '.join(PRECISIONS)}")

    @property
    def name(self) -> str:
        """The module name: an identifier that says what the kernel is of."""
        model = self.model
        decay = f"_decay_{model.weight_decay!r}" if model.weight_decay else ""
        if model.normalization != "none":
            decay = f"_{model.normalization}_normalization{decay}"
        widths = "_".join(map(str, model.layers))
        text = (
            f"mlp_{widths}_{model.activation}_{model.loss}{decay}_{self.optimizer}_order_{self.order}_{self.precision}"
        )
        return re.sub(r"\W", "_", text.replace("e-", "em"), flags=re.ASCII)

    def to_dict(self) -> dict[str, Any]:
        """The specification as plain JSON values."""
        # Left out where there is none: manifests of networks without one read as ever.
        normalization = {"normalization": self.model.normalization} if self.model.normalization != "none" else {}
        return {
            "kind": "mlp",
            "layers": list(self.model.layers),
            "activation": self.model.activation,
            "loss": self.model.loss,
            "weight_decay": self.model.weight_decay,
            **normalization,
            "optimizer": self.optimizer,
            "order": self.order,
            "precision": self.precision,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KernelSpec:
        """The inverse of ``to_dict``.  Raises ``InputError`` for missing, surplus or wrong entries."""
        expected = set(cls(MLP([1, 1], loss="mse"), 0).to_dict())
        if not isinstance(data, Mapping) or set(data) - {"normalization"} != expected or data["kind"] != "mlp":
            raise InputError(f"kernel specification {data!r}: give exactly {', '.join(sorted(expected))}")
        if not isinstance(data["layers"], list):
            raise InputError(f"kernel specification: layers {data['layers']!r} is not a list of widths")
        model = MLP(
            data["layers"], data["activation"], data["loss"], data["weight_decay"], data.get("normalization", "none")
        )
        return cls(model, data["order"], data["optimizer"], data["precision"])
