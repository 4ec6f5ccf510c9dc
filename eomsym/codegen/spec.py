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
from eomsym.optimizers import Field, UpdateRule

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
    #: Names and exact values; those not given are completed by their defaults.
    parameters: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.model, MLP):
            raise InputError(f"model {self.model!r}: kernels are generated for an eomsym.models.MLP")
        check_order(self.order, MAX_KERNEL_ORDER)
        entry = optimizers.get(self.optimizer)
        object.__setattr__(self, "optimizer", entry.name)
        object.__setattr__(self, "parameters", tuple(entry.complete(dict(self.parameters)).items()))
        if self.precision not in PRECISIONS:
            raise InputError(f"precision {self.precision!r}: unknown; choose from {', '.join(PRECISIONS)}")

    @property
    def rule(self) -> UpdateRule:
        """The optimiser's step as data, its parameters numbers."""
        return optimizers.get(self.optimizer).rule(**dict(self.parameters))

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the gradients of the rule are gradients of."""
        return optimizers.get(self.optimizer).fields(**dict(self.parameters))

    @property
    def steps(self) -> int:
        """Step sizes of time that one step of the rule takes."""
        return optimizers.get(self.optimizer).steps(**dict(self.parameters))

    @property
    def name(self) -> str:
        """The module name: an identifier that says what the kernel is of."""
        model = self.model
        decay = f"_decay_{model.weight_decay!r}" if model.weight_decay else ""
        widths = "_".join(map(str, model.layers))
        parameters = "".join(f"_{name}_{value}" for name, value in self.parameters)
        text = (
            f"mlp_{widths}_{model.activation}_{model.loss}{decay}"
            f"_{self.optimizer}{parameters}_order_{self.order}_{self.precision}"
        )
        return re.sub(r"\W", "_", text.replace("e-", "em"), flags=re.ASCII)

    def to_dict(self) -> dict[str, Any]:
        """The specification as plain JSON values."""
        return {
            "kind": "mlp",
            "layers": list(self.model.layers),
            "activation": self.model.activation,
            "loss": self.model.loss,
            "weight_decay": self.model.weight_decay,
            "optimizer": self.optimizer,
            "order": self.order,
            "precision": self.precision,
            "parameters": {name: str(value) for name, value in self.parameters},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KernelSpec:
        """The inverse of ``to_dict``.  Raises ``InputError`` for missing, surplus or wrong entries."""
        expected = set(cls(MLP([1, 1], loss="mse"), 0).to_dict())
        if not isinstance(data, Mapping) or set(data) != expected or data["kind"] != "mlp":
            raise InputError(f"kernel specification {data!r}: give exactly {', '.join(sorted(expected))}")
        if not isinstance(data["layers"], list):
            raise InputError(f"kernel specification: layers {data['layers']!r} is not a list of widths")
        model = MLP(data["layers"], data["activation"], data["loss"], data["weight_decay"])
        if not isinstance(data["parameters"], Mapping):
            raise InputError(f"kernel specification: parameters {data['parameters']!r} is not an object")
        return cls(model, data["order"], data["optimizer"], data["precision"], tuple(data["parameters"].items()))
