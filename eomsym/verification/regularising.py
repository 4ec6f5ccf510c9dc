"""Implicit regularisation in numbers: the modified loss at a point, and how much of a step is its gradient.

A free tree π falls into two rooted ones where an edge is cut, and ``S_π = F(τ_1)·F(τ_2)``: the index on the edge is
what is summed.  So smaller elementary differentials give every value, and no derivative of the loss is taken that the
equation of motion does not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from eomsym.derivation import modified_loss
from eomsym.dynamics import kernel_counterterms
from eomsym.dynamics.differentials import elementary_differentials
from eomsym.dynamics.loader import Loader
from eomsym.dynamics.noise_prediction import check_mean
from eomsym.dynamics.setting import OfTraining, Setting
from eomsym.dynamics.spectrum import spectral_radius
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer
from eomsym.result import Table
from eomsym.trees import Tree
from eomsym.verification.posing import step_warnings
from eomsym.verification.random_batches import loader_of, sampled_loss
from eomsym.verification.training import Training


@dataclass(frozen=True, eq=False, repr=False)
class ImplicitRegulariser(OfTraining):
    """The modified loss ``L̃ = Σ_k values[k]`` at a point; values[0] is the loss that gradient flow descends.

    The equation of motion is ``θ̇ = −Σ_k (gradients[k] + rests[k])``: gradients[k] is the gradient of values[k],
    rests[k] the part that no loss gives; (order + 1, d) each.  The powers of η are inside.  Of shuffled batches ``L̃``
    has beside them ``scatter``, η/4 times the trace of a batch's covariance, with the gradient ``scatter_gradient``.
    """

    training: Setting
    values: tuple[float, ...]
    gradients: np.ndarray
    rests: np.ndarray
    scatter: float
    scatter_gradient: np.ndarray
    #: Sentences where the series in η diverges.
    warnings: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """L̃."""
        return sum(self.values) + self.scatter

    @property
    def shares(self) -> tuple[float, ...]:
        """‖gradients[k]‖ over the length of the whole field: what a step owes to each part of the modified loss."""
        return self._over_field(self.gradients)

    @property
    def rest_shares(self) -> tuple[float, ...]:
        """The same of ``rests``."""
        return self._over_field(self.rests)

    @property
    def scatter_share(self) -> float:
        """The same of ``scatter_gradient``."""
        return self._over_field(self.scatter_gradient[None])[0]

    def _over_field(self, rows: np.ndarray) -> tuple[float, ...]:
        whole = np.linalg.norm(np.sum(self.gradients + self.rests, axis=0) + self.scatter_gradient)
        return tuple(float(np.linalg.norm(row) / whole) for row in rows) if whole > 0 else (0.0,) * len(rows)

    told = (
        *("optimizer", "eta", "values", "shares", "rest_shares", "scatter", "scatter_share"),
        *("parameters", "warnings"),
    )

    def records(self) -> list[dict[str, Any]]:
        """One row a power of η."""
        rows = zip(self.values, self.shares, self.rest_shares, strict=True)
        return [{"power": k, "value": v, "share": s, "rest_share": r} for k, (v, s, r) in enumerate(rows)]

    @property
    def summary(self) -> str:
        """The optimiser and its step."""
        return f"{self.training}, eta {self.eta:g}"

    def report(self) -> list[str | Table]:
        """For each power of η its part of the modified loss, and what of a step it is."""
        columns = {"power of η": "power", "value in L̃": "value:.4e", "of the step": "share:.2e"}
        table = Table.of(self.records(), columns | {"no gradient": "rest_share:.2e"})
        batches = []
        if self.training.batches:
            share = f"{self.scatter_share:.2e} of the step"
            batches = [f"shuffled batches: {self.scatter:.4e} in L̃, eta/4 of the trace of their covariance, {share}"]
        return [table, *batches, *(f"warning: {warning}" for warning in self.warnings)]


def implicit_regulariser(training: Training, order: int = 1) -> ImplicitRegulariser:
    """Evaluate the modified loss of an optimiser at the start, up to ``η^order``; of descent ``L + (η/4)‖g‖² + …``.

    Of descent on shuffled batches it is the one that the mean over all orders of an epoch descends, to order 1:
    ``L + (η/4)(‖g‖² + tr Σ)``, Σ the covariance of a batch's gradient (Smith, Dherin, Barrett & De, *On the origin of
    implicit regularization in stochastic gradient descent*, ICLR 2021, for equal batches).

    Raises ``InputError`` for optimisers without a modified loss (games, componentwise ones such as Adam), for other
    batches, for a loss on batches that is no mean over its samples (a sum, batch normalisation), for a loss without a
    gradient along a curve, for an order above the kernel's and for a bad value.
    """
    entry, values = training.rule
    step, theta, data = training.rate("the modified loss"), training.theta, training.data
    loader = None
    if training.batches is None:
        training.check_plain("the modified loss")
    else:
        loader = _epoch(training, entry, order)
    kernel = training.series_kernel(training.within(max(order, 1)), "the modified loss")
    if not hasattr(kernel, "loss"):
        raise InputError("kernel: gives no loss, whose modification is asked for; take a generated one")
    found = modified_loss(entry, order, **values)
    if found.factor:
        raise InputError(
            f"optimizer {entry.name!r}: divides componentwise; its modified loss is a formula without values"
        )
    if len(found.fields) > 1:
        raise InputError(
            f"optimizer {entry.name!r}: takes {len(found.fields)} losses, a kernel has one; take a name with one"
        )
    rows = kernel_counterterms(kernel, entry.rule(**values), theta, order, data)
    trees = {half for row in found.rows for tree in row for half in _halves(tree)}.union(*found.rest)
    differentials = elementary_differentials(kernel, theta, trees, data)
    loss = float(kernel.loss(theta, *data))

    def contraction(tree: Tree) -> float:
        halves = [differentials[half] for half in _halves(tree)]
        return float(halves[0] @ halves[1]) if halves else loss

    levels = [sum(float(value) * contraction(tree) for tree, value in row.items()) for row in found.rows]
    rests = np.zeros_like(rows)
    for power, rest in enumerate(found.rest):
        for tree, coefficient in rest.items():
            rests[power] += float(coefficient) * differentials[tree]
    powers = step ** np.arange(order + 1.0)
    scatter, scatter_gradient = 0.0, np.zeros_like(theta)
    if loader is not None:
        square, between = loader.epoch_shares
        levels[1:], rows[1:] = [square * level for level in levels[1:]], square * rows[1:]
        trace, turned = _scatter(training, loader)
        scatter, scatter_gradient = step * between * trace / 4, step * between * turned / 2
    return ImplicitRegulariser(
        training=training.setting,
        values=tuple(float(power * level) for power, level in zip(powers, levels, strict=True)),
        gradients=powers[:, None] * (rows - rests),
        rests=powers[:, None] * rests,
        scatter=scatter,
        scatter_gradient=scatter_gradient,
        warnings=step_warnings(entry, values, [step], spectral_radius(kernel, theta, data)),
    )


def _epoch(training: Training, entry: Optimizer, order: int) -> Loader:
    """The batches of an epoch.  Raises ``InputError`` where the mean over all orders descends no known loss."""
    assert training.batches is not None
    if entry.name != "gradient-descent" or training.batches.order != "shuffled" or order > 1:
        raise InputError(
            "batches: the modified loss is known of gradient descent on shuffled ones, to order 1; leave them out"
        )
    training.with_(batches=None).check_plain("the modified loss")
    return loader_of(training)


def _scatter(training: Training, loader: Loader) -> tuple[float, np.ndarray]:
    """The trace of a sample's covariance, and half of its gradient: ``Σ ‖ξ_i‖²/n`` and ``Σ (H_i − H) ξ_i/n``."""
    loss, _ = sampled_loss(training, [np.array([number]) for number in range(loader.samples)])
    check_mean(loss, training.theta, "the modified loss of batches")
    gradients = loss.sample_gradients(training.theta)
    apart = gradients - gradients.mean(axis=0)
    turned = loss.piece_turned(training.theta, apart[:, None])[:, 0].mean(axis=0)  # Σ H ξ_i is 0
    return float((apart**2).sum(axis=1).mean()), turned


def _halves(tree: Tree) -> Iterator[Tree]:
    """The two rooted trees that are left when the root's first edge is cut; none for a single node."""
    if tree.children:
        yield tree.children[0]
        yield Tree(tree.children[1:])
