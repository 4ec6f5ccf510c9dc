"""The frozen description of a kernel: everything that decides the bytes of the generated file."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from eomsym import optimizers
from eomsym.checks import check_choice, shown
from eomsym.derivation.posing import check_order
from eomsym.errors import InputError
from eomsym.files import strict_json
from eomsym.models import MLP, ExpressionLoss, VectorField
from eomsym.optimizers.optimizer import Field
from eomsym.optimizers.registry import check_one_gradient
from eomsym.optimizers.rule import UpdateRule

#: Of the numbers that a kernel computes with.
PRECISIONS = ("double", "double-double")
#: What is left of the digits to these orders stands in docs/high_order.md: 1e-12 of a network, 1e-27 in double-double,
#: 1e-8 of an expression in the worst case tried, an implicit method.
MAX_KERNEL_ORDER = 12
#: Of a kernel in double-double arithmetic.
MAX_DOUBLE_DOUBLE_ORDER = 20
#: Of the kernel of a loss that is an expression.
MAX_EXPRESSION_ORDER = 16
#: A file system takes names of 255 bytes, the suffix and numba's own additions to them included.
LONGEST_NAME = 180

Model = MLP | ExpressionLoss | VectorField


@dataclass(frozen=True)
class KernelSpec:
    """A kernel of one model, optimiser, order and precision.  Raises ``InputError`` for what cannot be generated."""

    model: Model
    order: int
    optimizer: str = "gradient-descent"
    precision: str = "double"
    #: Names and exact values; those not given are completed by their defaults.
    settings: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.model, Model):
            raise InputError(
                f"model {self.model!r}: kernels are generated for eomsym.models.MLP, ExpressionLoss or VectorField"
            )
        object.__setattr__(self, "precision", check_choice("precision", self.precision, PRECISIONS))
        written = not isinstance(self.model, MLP)
        highest = MAX_EXPRESSION_ORDER if written else max_kernel_order(self.precision)
        object.__setattr__(self, "order", check_order(self.order, highest))
        entry, given = optimizers.chosen(self.optimizer, dict(self.settings))
        object.__setattr__(self, "optimizer", entry.name)
        object.__setattr__(self, "settings", tuple(entry.complete(given).items()))
        if written:
            check_one_gradient(entry, dict(self.settings))
            self.rule  # noqa: B018 - refuses here what has no rule
        _check_precision(self.precision, self.model, self.optimizer)

    @property
    def kind(self) -> str:
        """``mlp``, ``loss`` or ``field``."""
        return _KINDS[type(self.model)]

    @cached_property
    def rule(self) -> UpdateRule:
        """The optimiser's step as data, its parameters numbers."""
        return optimizers.get(self.optimizer).rule(**dict(self.settings))

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """What the gradients of the rule are gradients of."""
        return optimizers.get(self.optimizer).fields(**dict(self.settings))

    @cached_property
    def steps(self) -> int:
        """Step sizes of time that one step of the rule takes."""
        return optimizers.get(self.optimizer).steps(**dict(self.settings))

    @property
    def name(self) -> str:
        """The module name: an identifier that says what the kernel is of."""
        settings = "".join(f"_{name}_{value}" for name, value in self.settings)
        rule = re.sub(r"\W+", "_", self.optimizer.rstrip(")"))
        text = f"{_model_name(self.model)}_{rule}{settings}_order_{self.order}".replace("e-", "em")
        name = re.sub(r"\W", "_", f"{text}_{self.precision}", flags=re.ASCII)
        if len(name) <= LONGEST_NAME:
            return name
        return f"{name[: LONGEST_NAME - 13]}_{hashlib.sha256(name.encode()).hexdigest()[:12]}"

    def to_dict(self) -> dict[str, Any]:
        """The specification as plain JSON values."""
        settings = {name: str(value) for name, value in self.settings}
        how = {"settings": settings, "order": self.order, "precision": self.precision}
        return {"kind": self.kind, **_model_dict(self.model), "optimizer": self.optimizer, **how}

    def to_json(self) -> str:
        """The specification on one line, as it stands in the kernel's file."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> KernelSpec:
        """The inverse of ``to_json``.  Raises ``InputError`` for anything else."""
        try:
            entries = strict_json(text)
            kind = entries.pop("kind")
            how = {name: entries.pop(name) for name in ("order", "optimizer", "precision")}
            settings = tuple(dict(entries.pop("settings")).items())
            model_type = next(model for model, name in _KINDS.items() if name == kind)
            return cls(model_type(**entries), **how, settings=settings)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, StopIteration, OverflowError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"kernel specification {shown(text)}: {reason}; give what to_json wrote") from error


_KINDS: Mapping[type, str] = {MLP: "mlp", ExpressionLoss: "loss", VectorField: "field"}


def max_kernel_order(precision: str) -> int:
    """The highest order of the kernel of a network."""
    return MAX_DOUBLE_DOUBLE_ORDER if precision == "double-double" else MAX_KERNEL_ORDER


def _check_precision(precision: str, model: Model, optimizer: str) -> None:
    """Raises ``InputError`` for what has no kernel of this precision."""
    if precision == "double":
        return
    if not isinstance(model, MLP):
        raise InputError(f"precision {precision!r}: for networks only; kernels of expressions are double, take that")
    if optimizer != "gradient-descent":
        raise InputError(
            f"optimizer {optimizer!r}: double-double kernels are for gradient-descent only; take precision double"
        )
    if model.normalization != "none":
        raise InputError(
            f"normalization {model.normalization!r}: double-double kernels know none; take precision double"
        )


def _model_dict(model: Model) -> dict[str, Any]:
    values = ((entry.name, getattr(model, entry.name)) for entry in fields(model))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def _model_name(model: Model) -> str:
    if isinstance(model, MLP):
        normalization = f"_{model.normalization}_normalization" if model.normalization != "none" else ""
        decay = f"_decay_{model.weight_decay!r}" if model.weight_decay else ""
        widths = "_".join(map(str, model.layers))
        bias = "" if model.bias else "_no_bias"
        return f"mlp_{widths}_{model.activation}_{model.loss}{bias}{normalization}{decay}"
    # Expressions are no file names: a digest tells them apart, the variables help people.
    description = repr(sorted(_model_dict(model).items()))
    digest = hashlib.sha256(description.encode()).hexdigest()[:12]
    return "_".join((_KINDS[type(model)], *model.variables[:4], digest))
