"""What gradient flow conserves in a network, and at which order a step of an optimiser breaks it.

A symmetry of the loss has its conserved quantity (Kunin et al., Neural mechanics, ICLR 2021); the balance of linear
layers is that of Du, Hu & Lee, Algorithmic regularization in learning deep homogeneous models, NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eomsym.checks import check_orders
from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.models.losses import LOSS_TABLE
from eomsym.result import Table
from eomsym.verification.drifting import LEAST_ORDER, Drift, drift, shown, six
from eomsym.verification.observables import read_observable
from eomsym.verification.posing import Progress, counted
from eomsym.verification.training import Training, network_of


def conserved_quantities(model: MLP) -> dict[str, str]:
    """Observables that gradient flow conserves, each with the symmetry that it belongs to; not all that there may be.

    *Rescaling*: neighbouring linear layers, ``W_l → W_l A`` and ``W_{l+1} → A⁻¹ W_{l+1}``, a bias counting as a row
    of W_l.  *Scale*: weights before a normalisation.  *Translation*: the layer before a softmax.
    Raises ``InputError`` for weight decay, with which they decay, and for a network without any.
    """
    if model.weight_decay:
        raise InputError(
            f"weight_decay {model.weight_decay!r}: what gradient flow would conserve decays with it; give none, or see "
            "eomsym layers translation and scale"
        )
    hidden, last = range(1, len(model.layers) - 1), len(model.layers) - 1
    found: dict[str, str] = {}
    for layer in hidden if model.activation == "identity" and model.normalization == "none" else ():
        if model.bias:
            found[f"norm2(W{layer + 1}) - norm2(W{layer}) - norm2(b{layer})"] = "rescaling"
            found[f"W{layer}.T @ W{layer} + outer(b{layer}) - W{layer + 1} @ W{layer + 1}.T"] = "rescaling"
        else:
            found |= {f"balance:{layer}": "rescaling", f"balance-matrix:{layer}": "rescaling"}
    for layer in hidden if model.normalization != "none" else ():
        whole = f"norm2(W{layer}) + norm2(b{layer})" if model.bias else f"norm2:{layer}"
        found[whole if model.normalization == "layer" else f"columns(W{layer}**2)"] = "scale"
    if LOSS_TABLE[model.loss].labels:
        found |= {f"rows(W{last})": "translation", **({f"sum(b{last})": "translation"} if model.bias else {})}
    if not found:
        raise InputError(
            f"model: {model.activation} layers before {model.loss} conserve nothing that is known here; take "
            "identity, a normalization or cross-entropy"
        )
    return found


@dataclass(frozen=True, eq=False, repr=False)
class Conserved(OfTraining):
    """For each conserved quantity its ``Drift`` and, by its name, the symmetry.

    ``flow`` is how far gradient flow is from conserving it at the start, ``|φ̇|`` over that along a random direction.
    """

    training: Setting
    drifts: tuple[Drift, ...]
    symmetries: Mapping[str, str]
    flow: Mapping[str, float]

    #: Round-off of a sum that cancels.
    TOLERANCE = 1e-12

    @property
    def passed(self) -> bool:
        """Whether gradient flow conserves all, and every order's path stayed in the numbers."""
        return all(found.passed for found in self.drifts) and max(self.flow.values()) <= self.TOLERANCE

    told = ("optimizer", "model", "dataset", "seed", "eta", "steps", "parameters", "laws", "passed")

    @property
    def steps(self) -> int:
        """How many are made."""
        return self.drifts[0].steps

    @property
    def laws(self) -> list[dict[str, Any]]:
        """What JSON says of each."""
        return [
            {
                "observable": found.observable,
                "symmetry": self.symmetries[found.observable],
                "flow": self.flow[found.observable],
                **found.entries("broken_at", "change", "round_off"),
                "predictions": [{name: row[name] for name in ("order", "error", "ratio")} for row in found.predictions],
            }
            for found in self.drifts
        ]

    def records(self) -> list[dict[str, Any]]:
        """One row a law."""
        return [{name: value for name, value in law.items() if name != "predictions"} for law in self.laws]

    @property
    def summary(self) -> str:
        """The optimiser, the network, and how far."""
        return f"{self.training}, eta {self.eta:g}, {self.steps} steps"

    def report(self) -> list[str | Table]:
        """What is conserved, where it is broken, and how well each order says by how much."""
        orders, lines = list(self.drifts[0].predicted), []
        for found in self.drifts:
            kept = np.linalg.norm(found.change) <= 5 * found.round_off
            change = "round-off" if kept else shown(found.change)
            ratios = ["" if kept else six(found.ratios[order]) for order in orders]
            order = "never" if found.broken_at is None else str(found.broken_at)
            lines.append([found.observable, order, change, *ratios])
        head = ["conserved by gradient flow", "broken at", "measured change", *(f"order {order}" for order in orders)]
        return [self.summary, "", Table(head, lines, words=(0,)), "under the orders: predicted over measured change"]


def conserved(
    training: Training,
    orders: Iterable[int] = range(4),
    *,
    steps: int = 10,
    after: int = 0,
    state: str = "slow",
    progress: Progress | None = None,
) -> Conserved:
    """Ask ``drift`` of all ``conserved_quantities`` of the training's network.

    Raises ``InputError`` for a loss of no network, and as ``drift`` and ``conserved_quantities`` do.
    """
    laws = conserved_quantities(network_of(training, "what is conserved"))
    listed = check_orders(orders)
    drifts, flow = [], {}
    for name in counted(list(laws), progress):
        drifts.append(drift(training, name, listed, steps=steps, after=after, state=state))
        flow[name] = _flow(training.kernel(training.within(LEAST_ORDER)), name, training.theta, training.data)
    return Conserved(training.setting, tuple(drifts), laws, flow)


def _flow(kernel: Any, name: str, theta: np.ndarray, data: tuple[np.ndarray, ...]) -> float:
    """``|φ'·g|`` over that along a random direction as long as g."""
    quantity, g = read_observable(name, kernel, data), kernel.gradient(theta, *data)
    along = float(np.linalg.norm(quantity.along(theta, g)))
    return along / (quantity.sensitivity(theta) * float(np.linalg.norm(g)))
