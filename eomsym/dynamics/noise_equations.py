"""Mean and covariance of any rule on random batches, one step after the other, to weak order 1 (theory §19).

The state z is θ with its memory; a step is ``z⁺ = Φ(z, g_b)``, ``g_b = g + ξ``, M its derivative by z in total, B that
by the gradient.  Where each sample is visited once an epoch, what one batch has the others lack, and is kept by sample:
``V_i⁺ = M V_i + B ξ_i``, zero when an epoch begins, is what sample i would have done by now in every batch.  With
``q = 1/(n(n − 1))``, C the covariance of a sample's gradient and b the size of the batch,

    A = P − q Σ V_i V_iᵀ,    P⁺ = M P Mᵀ + B (C n/((n − 1) b) + Q) Bᵀ,    P = A when an epoch begins,
    μ⁺ = E_b Φ(μ, g_b) + ½ D²Φ : A − q Σ_i { B (H_i − H) V_i + D_z[B ξ_i] · V_i },

A the covariance, Q that of ``(H_i − H) δθ`` in a batch.  Independent batches have V = 0, and the covariance of their
gradient in place of ``C n/((n − 1) b)``.  Of a rule that is nonlinear in its gradient, as Adam is, means over drawn
batches stand for Φ, M and B, and what a batch does beside B ξ is in P.
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

#: Batches drawn for the means of a rule that is nonlinear in its gradient.
DRAWN = 1500
#: Directions of the covariance that each sample is asked for; the rest goes by random signs.
LEADING, LEADING_OF_MANY = 15, 3
#: Random signs that stand for the diagonal part.
PROBES = 8
#: Part of the largest eigenvalue, in units of each entry, that is rounding.
ROUND_OFF = 1e-14
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

    def turned(self, theta: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """``Hc`` alone, (d, r)."""

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
        basis, _ = np.linalg.qr(self.columns[:, self.columns.any(axis=0)])
        outside = probes - basis @ (basis.T @ probes)
        lengths = np.maximum(np.linalg.norm(outside, axis=0), np.finfo(float).tiny)
        return np.hstack([self.columns, outside * (np.linalg.norm(probes, axis=0) / lengths)])


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance between two steps: μ as ``state`` of the rule, P as ``spread`` of z, V as ``each`` (m, K, d).

    z has the K states with an entry for each parameter, θ first, (K·d,).  ``reach`` is the largest share so far that
    the second order has in how the gradient changes over the scatter, ``½|g''(A)|`` over ``√tr HAH``: far below 1 where
    weak order 1 means something.
    """

    state: tuple[np.ndarray, ...]
    spread: Spread
    each: np.ndarray
    reach: float = 0.0


@dataclass(frozen=True, eq=False)
class NoisyRun:
    """A rule on a loss in batches; ``settings`` are its learning rate and parameters by the number of a step.

    ``rank`` columns of the covariance are kept with the diagonal of the rest; None keeps all of it.  ``gaussian`` is
    the standard deviation of what is added to each entry of the gradient at each step.
    """

    loss: NoisyLoss
    loader: Loader
    optimizer: Optimizer
    settings: Callable[[int], tuple[float, Mapping[str, float]]]
    rank: int | None = None
    nonlinear: bool = False
    gaussian: float = 0.0

    @cached_property
    def spare(self) -> float:
        """What sums over pieces of what they do, times what they are, are multiplied by: q where they are samples.

        A batch of s of n samples has ``(n − s)/(s (n − 1))`` of a sample's covariance, so that a partition into equal
        ones has ``1/(m (m − 1))``.  Independent batches have no such sums, nor has a batch of all samples.
        """
        if self.loader.order != "shuffled" or self.loader.sizes == [self.loader.samples]:
            return 0.0
        return 1 / ((self.loader.samples - 1) * self.shares)

    @cached_property
    def shares(self) -> float:
        """The sum over pieces of what the covariance of each is of a sample's."""
        loader = self.loader
        return sum(
            (loader.samples - len(piece)) / max(1, loader.samples - 1) / len(piece) for piece in self.loss.pieces
        )

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
        if self.gaussian:
            means = np.tile(means, (-(-DRAWN // len(means)), 1))
            means = means + self.gaussian * generator.normal(size=means.shape)
        return means - means.mean(axis=0)

    def moments(self, start: Sequence[np.ndarray]) -> Iterator[Moments]:
        """The moments before each step, from a state that all runs share."""
        size, generator = self.loss.size, np.random.default_rng(0)
        state = tuple(np.array(part, dtype=float) for part in start)
        count = sum(len(part) == size for part in state)
        spread = Spread(np.zeros((count * size, 0)), np.zeros(count * size))
        each = np.zeros((len(self.loss.pieces) if self.spare else 0, count, size))
        moments, length = Moments(state, spread, each), len(self.loader.sizes)
        for step in itertools.count():
            if step % length == 0:
                moments = replace(moments, spread=self._lessened(moments, generator), each=0 * moments.each)
            yield moments
            with np.errstate(over="ignore", invalid="ignore"):
                moments = self._step(step, moments, generator)
                total = np.linalg.norm(moments.spread.columns) + sum(np.linalg.norm(part) for part in moments.state)
            if not total < LARGEST:
                raise IntegrationError(
                    f"noise: mean or covariance not finite after {step + 1} steps; take a smaller eta"
                )

    def steps(self, start: Sequence[np.ndarray], generator: np.random.Generator | None) -> Iterator[np.ndarray]:
        """θ of a real run, on batches that are drawn, or on all samples.  Raises ``IntegrationError``."""
        state, numbers = tuple(start), itertools.count()
        whole = [(None, 1.0)] * len(self.loader.sizes)
        while True:
            for chosen, weight in whole if generator is None else self.loader.epoch(generator):
                yield state[0]
                (eta, values), added = self.settings(step := next(numbers)), np.zeros(self.loss.size)
                if self.gaussian and generator is not None:
                    added = self.gaussian * generator.normal(size=self.loss.size)
                batch = _of_batch(self.loss, chosen, weight, added)
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
        spread, each = moments.spread, moments.each
        if not each.any():
            return spread
        taken = np.sqrt(self.spare) * each.reshape(len(each), -1).T
        signs = np.append(np.ones(spread.columns.shape[1]), -np.ones(taken.shape[1]))
        return _compressed(
            np.hstack([spread.columns, taken]), signs, spread.diagonal, self.rank, moments.each.shape[1], generator
        )

    def _step(self, step: int, moments: Moments, generator: np.random.Generator) -> Moments:
        here = MomentStep(self, moments, step, generator)
        mean, rest = iter(here.mean), here.local.rest
        state = [rest[index] if index in rest else next(mean) for index in range(len(moments.state))]
        moved = here.moved[:, :, : here.kept].reshape(moments.each.shape[1] * self.loss.size, here.kept)
        wide = moments.spread.columns.shape[1]
        columns, signs = here.fresh()
        inside, signs = np.hstack([moved[:, :wide], columns]), np.append(np.ones(wide), signs)
        diagonal = (moved[:, wide:] ** 2).sum(axis=1) + here.added
        after = _compressed(inside, signs, diagonal, self.rank, moments.each.shape[1], generator)
        return Moments(tuple(state), after, here.each, max(moments.reach, here.reach))


def _of_batch(
    loss: NoisyLoss, chosen: np.ndarray | None, weight: float, added: np.ndarray
) -> Callable[..., np.ndarray]:
    return lambda point, field=0: weight * loss.gradient(point, chosen) + added


class MomentStep:
    """One step of the moments: the rule near its place, and what the loss says there."""

    def __init__(self, run: NoisyRun, moments: Moments, step: int, generator: np.random.Generator) -> None:
        self._run, self._generator, number = run, generator, step % len(run.loader.sizes)
        self._batch, self._weight = run.loader.sizes[number], run.loader.weights[number]
        eta, values = run.settings(step)
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
    def reach(self) -> float:
        """The share of the second order in how the gradient changes over the scatter, 0 without any."""
        linear = max(float((self._extended[-1] ** 2 @ self._signs).sum()), 0.0) ** 0.5
        return float(np.linalg.norm(self._bent)) / 2 / linear if linear else 0.0

    @property
    def each(self) -> np.ndarray:
        """V after the step, (m, K, d)."""
        moved = np.moveaxis(self.moved[:, :, self.kept :], 2, 0)
        return moved + self.local.first[:, -1] * self._pieces[:, None] if self._run.spare else moved

    def _apart_turned(self, columns: np.ndarray) -> np.ndarray:
        """``(H_j − H) c`` for each piece and its columns (m, r, d)."""
        loss = self._run.loss
        if not columns.any():
            return columns
        flat = columns.reshape(-1, loss.size).T
        few = flat.shape[1] <= loss.size
        common = loss.turned(self._place, flat) if few else loss.turned(self._place, np.eye(loss.size)) @ flat
        return self._weight * (loss.piece_turned(self._place, columns) - common.T.reshape(columns.shape))

    def fresh(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns of z that the batch adds to P, and their signs."""
        run, by_gradient, samples = self._run, self.local.first[:, -1], len(self._apart)
        share = run.loader.share(self._batch)
        if run.spare:  # of the same pieces as what is taken back, so that nothing is negative at an epoch's end
            gradients = [np.sqrt(samples / (samples - 1) / self._batch / run.shares) * self._pieces]
        else:
            gradients = [np.sqrt(share / samples) * self._apart]
        if share:
            turned = self._apart_turned(self._place_columns())
            gradients.append(np.sqrt(share / run.shares) * turned.reshape(-1, run.loss.size))
        if run.gaussian and run.rank is None:
            gradients.append(run.gaussian * np.eye(run.loss.size))
        columns = np.concatenate([by_gradient[:, :, None] * part.T for part in gradients], axis=2)
        signs = np.ones(columns.shape[2])
        if len(self._drawn) > 1:
            columns = np.concatenate([columns, *self._beside()], axis=2)
            signs = np.append(signs, np.repeat([1.0, -1.0], len(self._drawn)))
        return columns.reshape(-1, len(signs)), signs

    @property
    def added(self) -> np.ndarray | float:
        """What Gaussian noise adds to the diagonal of P where that is kept beside columns, (K·d,)."""
        run = self._run
        return 0.0 if run.rank is None else (run.gaussian * self.local.first[:, -1].reshape(-1)) ** 2

    def _beside(self) -> tuple[np.ndarray, np.ndarray]:
        """What drawn batches make of the step, and B ξ, (K, d, S) each: the one's covariance less the other's."""
        whole = self.local.values - self.local.values.mean(axis=1, keepdims=True)
        linear = self.local.first[:, -1, None] * (self._drawn - self._drawn.mean(axis=0))
        scale = np.sqrt(len(self._drawn))
        return whole.swapaxes(1, 2) / scale, linear.swapaxes(1, 2) / scale

    def _place_columns(self) -> np.ndarray:
        """Columns for each piece (m, r, d) that stand for the covariance of the place of the gradient.

        The leading ones are the same for all, the rest is one of random signs, others for each.
        """
        columns = _leading(self._place_moved, self._signs).T
        pieces = len(self._run.loss.pieces)
        count = LEADING if self._run.rank is None else LEADING_OF_MANY
        head, rest = columns[:count], columns[count:]
        whole = np.broadcast_to(head, (pieces, *head.shape))
        if not len(rest):
            return whole
        mixed = self._generator.choice([-1.0, 1.0], (pieces, len(rest))) @ rest
        return np.concatenate([whole, mixed[:, None]], axis=1)


def _leading(columns: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """Orthogonal columns of the positive part of ``Σ sign c cᵀ``, the largest first, of one sign each."""
    basis, inside = (np.eye(len(columns)), columns) if len(columns) <= columns.shape[1] else np.linalg.qr(columns)
    values, vectors = np.linalg.eigh((inside * signs) @ inside.T)
    found = (basis @ vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1]
    largest = np.abs(found).argmax(axis=0)
    return np.asarray(found * np.where(found[largest, np.arange(found.shape[1])] < 0, -1.0, 1.0))


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
    """g (d,), ``H c`` of each column (d, r), and ``Σ sign g''(c, c)`` (d,), from no more than d columns."""
    if columns.shape[1] <= loss.size:
        slope, turned, bent = loss.along(place, columns)
        return slope, turned, bent @ signs
    values, basis = np.linalg.eigh((columns * signs) @ columns.T)
    slope, turned, bent = loss.along(place, basis)
    return slope, turned @ (basis.T @ columns), bent @ values


def _compressed(
    columns: np.ndarray,
    signs: np.ndarray,
    diagonal: np.ndarray,
    rank: int | None,
    states: int,
    generator: np.random.Generator,
) -> Spread:
    """``Σ sign c cᵀ + diag`` as its leading columns, ``rank`` of them, and a diagonal; what is negative is left out.

    Entries are taken in units of their own size, or of their state's where columns alone are kept: a mean of squares
    may be smaller than θ by ten orders of magnitude.  Leading columns are those of one subspace iteration from the
    first that are there.
    """
    units = np.linalg.norm(columns, axis=1)
    if rank is not None:
        units = np.repeat(np.linalg.norm(units.reshape(states, -1), axis=1), len(units) // states)
    scaled = columns / np.where(units == 0, 1.0, units)[:, None]
    if rank is None:
        basis, inside = np.eye(len(columns)), scaled
    else:
        start = scaled[:, :rank]
        if not start.any():
            start = scaled @ generator.normal(size=(columns.shape[1], rank))
        basis, _ = np.linalg.qr((scaled * signs) @ (scaled.T @ start))
        inside = basis.T @ scaled
        outside = (((scaled - basis @ inside) ** 2) * signs).sum(axis=1)
        diagonal = diagonal + np.maximum(outside, 0) * units**2
    values, vectors = np.linalg.eigh((inside * signs) @ inside.T)
    # what is at rest has unit 0 and stays there: rounding alone would be large where a step divides by epsilon
    positive = values > ROUND_OFF * max(values.max(initial=0.0), 0.0)
    return Spread(units[:, None] * (basis @ vectors[:, positive]) * np.sqrt(values[positive]), diagonal)
