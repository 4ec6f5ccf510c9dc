"""Mean and covariance of any rule on random batches, one step after the other, to weak order 1 (theory §19).

The state z is θ with its memory; a step is ``z⁺ = Φ(z, g_b)``, ``g_b = g + ξ``, M its derivative by z in total, B that by
the gradient.  Where each sample is visited once an epoch, what one batch has the others lack, and it is kept by sample:
``V_i⁺ = M V_i + B ξ_i``, zero when an epoch begins, is what sample i would have done by now in every batch.  With
``q = 1/(n(n − 1))``, C the covariance of a sample's gradient and b the size of the batch,

    A = P − q Σ V_i V_iᵀ,    P⁺ = M P Mᵀ + B (C n/((n − 1) b) + Q) Bᵀ,    P = A when an epoch begins,
    μ⁺ = E_b Φ(μ, g_b) + ½ D²Φ : A − q Σ_i { B (H_i − H) V_i + D_z[B ξ_i] · V_i },

A the covariance, Q that of ``(H_i − H) δθ`` in a batch.  Independent batches have V = 0 and ``C·share`` in place of that.
Of a rule that is nonlinear in its gradient, as Adam is, means over drawn batches stand for Φ, M and B, and what a batch
does beside B ξ is in P.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from eomsym.dynamics.loader import Loader
from eomsym.dynamics.local_jet import local_rule
from eomsym.dynamics.vectors import is_finite
from eomsym.errors import IntegrationError
from eomsym.optimizers import Optimizer
from eomsym.result import Result

#: Batches drawn for the means of a rule that is nonlinear in its gradient, in all orders of d.
DRAWN = 1500
#: Directions of the covariance that each sample is asked for; the rest goes by random signs.
LEADING = 15
#: Random signs that stand for the diagonal part.
PROBES = 8
#: What grows beyond this is lost, and its squares would leave the floating-point numbers.
LARGEST = 1e60


class NoisyLoss(Protocol):
    """A mean over samples, as the equations see it; d parameters, n samples, m pieces of them that are looked at."""

    size: int
    samples: int
    #: The numbers of samples in each piece: single ones, or the batches of one partition.
    pieces: Sequence[np.ndarray]

    def along(self, theta: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """g (d,), and for each column c of (d, r) ``Hc`` and ``g''(c, c)``, both (d, r)."""

    def sample_gradients(self, theta: np.ndarray) -> np.ndarray:
        """The gradient of each sample's loss, (n, d)."""

    def piece_turned(self, theta: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """``H_j c`` for each piece j and its own columns (m, r, d), (m, r, d)."""

    def gradient(self, theta: np.ndarray, chosen: np.ndarray | None = None) -> np.ndarray:
        """g (d,) of the mean over the chosen samples, all by default."""

    def loss(self, theta: np.ndarray) -> float:
        """The mean over all samples."""


@dataclass(frozen=True, eq=False, repr=False)
class Spread(Result):
    """A covariance ``C Cᵀ + diag(D)``: ``columns`` C (d, r), ``diagonal`` D (d,)."""

    columns: np.ndarray
    diagonal: np.ndarray

    @property
    def trace(self) -> float:
        """Of the whole."""
        return float((self.columns**2).sum() + self.diagonal.sum())

    @property
    def matrix(self) -> np.ndarray:
        """(d, d)."""
        return self.columns @ self.columns.T + np.diag(self.diagonal)

    def directions(self, generator: np.random.Generator) -> np.ndarray:
        """Columns (d, m) whose products stand for it: after C, those of the diagonal part by random signs.

        That part is what C left over: it has no share in the directions of C, and its own trace.
        """
        if not self.diagonal.any():
            return self.columns
        probes = np.sqrt(self.diagonal / PROBES)[:, None] * generator.choice([-1.0, 1.0], (len(self.diagonal), PROBES))
        basis, _ = np.linalg.qr(self.columns)
        outside = probes - basis @ (basis.T @ probes)
        lengths = np.maximum(np.linalg.norm(outside, axis=0), np.finfo(float).tiny)
        return np.hstack([self.columns, outside * (np.linalg.norm(probes, axis=0) / lengths)])


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance between two steps: μ as ``state`` of the rule, P as ``spread`` of z, V as ``each`` (m, K, d).

    z has the K states with an entry for each parameter, θ first, (K·d,).
    """

    state: tuple[np.ndarray, ...]
    spread: Spread
    each: np.ndarray


@dataclass(frozen=True, eq=False)
class NoisyRun:
    """A rule on a loss in batches; ``settings`` are its learning rate and parameters by the number of a step.

    ``rank`` columns of the covariance are kept with the diagonal of the rest; None keeps all of it.
    """

    loss: NoisyLoss
    loader: Loader
    optimizer: Optimizer
    settings: Callable[[int], tuple[float, Mapping[str, float]]]
    rank: int | None = None
    nonlinear: bool = False

    @cached_property
    def spare(self) -> float:
        """What sums over pieces of what they do, times what they are, are multiplied by: q where they are samples.

        A batch of s of n samples has ``(n − s)/(s (n − 1))`` of a sample's covariance, so that a partition into equal
        ones has ``1/(m (m − 1))``.  Independent batches have no such sums.
        """
        if self.loader.order != "shuffled":
            return 0.0
        return 1 / ((self.loader.samples - 1) * self.shares) if self.shares else 0.0

    @cached_property
    def shares(self) -> float:
        """The sum over pieces of what the covariance of each is of a sample's."""
        loader = self.loader
        return sum((loader.samples - len(piece)) / max(1, loader.samples - 1) / len(piece) for piece in self.loss.pieces)

    def drawn(self, apart: np.ndarray, batch: int, generator: np.random.Generator) -> np.ndarray:
        """ξ of drawn batches (S, d), for a rule that is nonlinear in the gradient; else zero alone."""
        if not self.nonlinear:
            return np.zeros((1, apart.shape[1]))
        samples, anew = len(apart), self.loader.order == "replacement"
        if not anew and math.comb(samples, batch) <= DRAWN:
            chosen = np.array(list(itertools.combinations(range(samples), batch)))
        elif anew:
            chosen = generator.integers(samples, size=(DRAWN, batch))
        else:
            chosen = generator.random((DRAWN, samples)).argpartition(batch - 1, axis=1)[:, :batch]
        means = apart[chosen].mean(axis=1)
        return means - means.mean(axis=0)

    def moments(self, start: Sequence[np.ndarray]) -> Iterator[Moments]:
        """The moments before each step, from a state that all runs share."""
        size, generator = self.loss.size, np.random.default_rng(0)
        state = tuple(np.array(part, dtype=float) for part in start)
        count = sum(len(part) == size for part in state) if size > 1 else len(state)
        spread = Spread(np.zeros((count * size, 0)), np.zeros(count * size))
        each = np.zeros((len(self.loss.pieces), count, size))
        moments, length = Moments(state, spread, each), len(self.loader.sizes)
        for step in itertools.count():
            if step % length == 0:
                moments = replace(moments, spread=self._lessened(moments, generator), each=0 * moments.each)
            yield moments
            with np.errstate(over="ignore", invalid="ignore"):
                moments = self._step(step, moments, generator)
                total = np.linalg.norm(moments.spread.columns) + sum(np.linalg.norm(part) for part in moments.state)
            if not total < LARGEST:
                raise IntegrationError(f"noise: mean or covariance not finite after {step + 1} steps; take a smaller eta")

    def steps(self, start: Sequence[np.ndarray], generator: np.random.Generator | None) -> Iterator[np.ndarray]:
        """θ of a real run, on batches that are drawn, or on all samples.  Raises ``IntegrationError``."""
        state, numbers = tuple(start), itertools.count()
        whole = [(None, 1.0)] * len(self.loader.sizes)
        while True:
            for chosen, weight in whole if generator is None else self.loader.epoch(generator):
                yield state[0]
                (eta, values), batch = self.settings(step := next(numbers)), _of_batch(self.loss, chosen, weight)
                with np.errstate(over="ignore", invalid="ignore"):
                    state = self.optimizer.run(batch, state, eta, **values)
                if not is_finite(state[0]):
                    raise IntegrationError(f"run: not finite after {step + 1} steps; take a smaller eta")

    def covariance(self, moments: Moments, generator: np.random.Generator) -> Spread:
        """That of θ."""
        whole = self._lessened(moments, generator)
        return Spread(whole.columns[: self.loss.size], whole.diagonal[: self.loss.size])

    def _lessened(self, moments: Moments, generator: np.random.Generator) -> Spread:
        """``A = P − q Σ V_i V_iᵀ``; what is negative in it is of higher order, and left out."""
        spread, taken = moments.spread, np.sqrt(self.spare) * moments.each.reshape(len(moments.each), -1).T
        if not taken.any():
            return spread
        signs = np.append(np.ones(spread.columns.shape[1]), -np.ones(taken.shape[1]))
        return _compressed(np.hstack([spread.columns, taken]), signs, spread.diagonal, self.rank, generator)

    def _step(self, step: int, moments: Moments, generator: np.random.Generator) -> Moments:
        number = step % len(self.loader.sizes)
        here = _Step(self, moments, self.loader.sizes[number], self.loader.weights[number], *self.settings(step), generator)
        mean = iter(here.mean)
        state = [here.local.rest[index] if index in here.local.rest else next(mean) for index in range(len(moments.state))]
        moved = here.moved[:, :, : here.kept].reshape(moments.each.shape[1] * self.loss.size, here.kept)
        wide = moments.spread.columns.shape[1]
        columns, signs = here.fresh()
        inside = np.hstack([moved[:, :wide], columns])
        rest = (moved[:, wide:] ** 2).sum(axis=1)
        after = _compressed(inside, np.append(np.ones(wide), signs), rest, self.rank, generator)
        return Moments(tuple(state), after, here.each)


def _of_batch(loss: NoisyLoss, chosen: np.ndarray | None, weight: float) -> Callable[..., np.ndarray]:
    return lambda point, field=0: weight * loss.gradient(point, chosen)


class _Step:
    """One step of the moments: the rule near its place, and what the loss says there."""

    def __init__(
        self,
        run: NoisyRun,
        moments: Moments,
        batch: int,
        weight: float,
        eta: float,
        values: Mapping[str, float],
        generator: np.random.Generator,
    ) -> None:
        self._run, self._batch, self._weight, self._generator = run, batch, weight, generator
        each = moments.each
        _, count, size = each.shape
        columns = moments.spread.directions(generator)
        self.kept = columns.shape[1]
        self._columns = np.concatenate([columns.reshape(count, size, -1), np.moveaxis(each, 0, 2)], axis=2)
        self._signs = np.append(np.ones(self.kept), np.full(len(each), -run.spare))
        self.local = local_rule(run.optimizer, moments.state, eta, values, self._look)
        if len(self._drawn) > 1:
            self.local.first[:, -1] = _regressed(self.local.values, self._drawn, self.local.first[:, -1])
        self.moved = np.einsum("kad,adr->kdr", self.local.first, self._extended)

    def _look(self, place: np.ndarray, by_states: np.ndarray) -> np.ndarray:
        """What the loss says at the place of the gradient, of which ``by_states`` is the derivative."""
        loss, weight = self._run.loss, self._weight
        self._place, self._place_moved = place, np.einsum("kd,kdr->dr", by_states, self._columns)
        slope, turned, bent = curvature(loss, place, self._place_moved, self._signs)
        self._bent = weight * bent
        self._extended = np.concatenate([self._columns, weight * turned[None]])
        apart = loss.sample_gradients(place)
        self._apart = weight * (apart - apart.mean(axis=0))
        self._pieces = np.array([self._apart[piece].mean(axis=0) for piece in loss.pieces])
        self._drawn = self._run.drawn(self._apart, self._batch, self._generator)
        return weight * slope + self._drawn

    @property
    def mean(self) -> np.ndarray:
        """μ after the step, (K, d)."""
        local, run = self.local, self._run
        squares = np.einsum("adr,bdr,r->abd", self._extended, self._extended, self._signs)
        mean = local.values.mean(axis=1) + np.einsum("kabd,abd->kd", local.second, squares) / 2
        mean += local.first[:, -1] * self._bent / 2
        if run.spare:
            turned = np.einsum("mrd->d", self._apart_turned(self._place_moved.T[self.kept :, None]))
            bent = np.einsum("kad,jd,adj->kd", local.second[:, -1], self._pieces, self._extended[:, :, self.kept :])
            mean -= run.spare * (local.first[:, -1] * turned + bent)
        return mean

    @property
    def each(self) -> np.ndarray:
        """V after the step, (m, K, d)."""
        moved = np.moveaxis(self.moved[:, :, self.kept :], 2, 0)
        return moved + self.local.first[:, -1] * self._pieces[:, None] if self._run.spare else 0 * moved

    def _apart_turned(self, columns: np.ndarray) -> np.ndarray:
        """``(H_j − H) c`` for each piece and its columns (m, r, d)."""
        loss = self._run.loss
        _, common, _ = loss.along(self._place, columns.reshape(-1, loss.size).T)
        return self._weight * (loss.piece_turned(self._place, columns) - common.T.reshape(columns.shape))

    def fresh(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns of z that the batch adds to P, and their signs."""
        run, by_gradient = self._run, self.local.first[:, -1]
        loader = run.loader
        samples = len(self._apart)
        share = loader.share(self._batch)
        every = samples / (samples - 1) / self._batch if run.spare else share
        gradients = np.sqrt(every / samples) * self._apart.T
        columns, signs = [gradients], [np.ones(samples)]
        if share:
            turned = self._apart_turned(self._place_columns())
            columns.append(np.sqrt(share / run.shares) * turned.reshape(-1, turned.shape[-1]).T)
            signs.append(np.ones(columns[-1].shape[1]))
        whole = [by_gradient.reshape(-1, 1) * np.tile(part, (len(by_gradient), 1)) for part in columns]
        if len(self._drawn) > 1:
            states = self.local.values - self.local.values.mean(axis=1, keepdims=True)
            linear = by_gradient[:, None] * (self._drawn - self._drawn.mean(axis=0))
            for part, sign in ((states, 1.0), (linear, -1.0)):
                whole.append(np.moveaxis(part, 1, 2).reshape(-1, len(self._drawn)) / np.sqrt(len(self._drawn)))
                signs.append(np.full(len(self._drawn), sign))
        return np.hstack(whole), np.concatenate(signs)


    def _place_columns(self) -> np.ndarray:
        """Columns for each piece (m, r, d) that stand for the covariance of the place of the gradient.

        The leading ones are the same for all, the rest is one of random signs, others for each.
        """
        values, vectors = np.linalg.eigh((self._place_moved * self._signs) @ self._place_moved.T)
        columns = (vectors * np.sqrt(np.maximum(values, 0))).T[::-1]
        pieces = len(self._run.loss.pieces)
        head, rest = columns[:LEADING], columns[LEADING:]
        whole = np.broadcast_to(head, (pieces, *head.shape))
        if not len(rest):
            return whole
        mixed = self._generator.choice([-1.0, 1.0], (pieces, len(rest))) @ rest
        return np.concatenate([whole, mixed[:, None]], axis=1)


def _regressed(values: np.ndarray, drawn: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """How values (K, S, d) follow ξ (S, d), by least squares; ``slopes`` where ξ is none.

    A mean of derivatives would be that of a sign's where a memory is still empty: zero, or the height of its step.
    """
    squares = (drawn**2).sum(axis=0)
    with np.errstate(all="ignore"):
        found = np.einsum("ksd,sd->kd", values - values.mean(axis=1, keepdims=True), drawn) / squares
    return np.where(squares > 0, found, slopes)


def curvature(
    loss: NoisyLoss, place: np.ndarray, columns: np.ndarray, signs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """g (d,), ``H c`` of each column (d, r), and ``Σ sign g''(c, c)`` (d,), from no more than d columns of the loss's."""
    if columns.shape[1] <= loss.size:
        slope, turned, bent = loss.along(place, columns)
        return slope, turned, bent @ signs
    values, basis = np.linalg.eigh((columns * signs) @ columns.T)
    slope, turned, bent = loss.along(place, basis)
    return slope, turned @ (basis.T @ columns), bent @ values


def _compressed(
    columns: np.ndarray, signs: np.ndarray, diagonal: np.ndarray, rank: int | None, generator: np.random.Generator
) -> Spread:
    """The covariance ``Σ sign c cᵀ + diag`` as ``rank`` columns and a diagonal, in units of each entry's own size."""
    units = np.linalg.norm(columns, axis=1)
    units[units == 0] = 1.0
    scaled = columns / units[:, None]
    values, vectors = np.linalg.eigh((scaled * signs) @ scaled.T)
    positive = values > 0
    return Spread(units[:, None] * vectors[:, positive] * np.sqrt(values[positive]), diagonal)
