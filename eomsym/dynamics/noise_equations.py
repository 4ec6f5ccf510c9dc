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

#: Batches drawn for the means of a rule that is nonlinear in its gradient; fewer where their gradients are more
#: numbers than ``DRAWN_NUMBERS``, at least ``FEWEST_DRAWN``.
DRAWN, DRAWN_NUMBERS, FEWEST_DRAWN = 1500, 750_000, 64
#: Directions of the covariance that each sample is asked for; the rest goes by random signs.
LEADING, LEADING_OF_MANY = 15, 3
#: Columns that stand for all those that are left out, their sums with random signs.
MIXED = 16
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
    """A covariance ``C Cᵀ + T Tᵀ``: ``columns`` C (d, r), and ``mixed`` T (d, s) for what these leave out.

    T are sums of the other columns with random signs, which stand for them without bias.
    """

    columns: np.ndarray
    mixed: np.ndarray

    @property
    def outside(self) -> float:
        """The share of the trace that is in T, 0 of none."""
        return float((self.mixed**2).sum() / self.trace) if self.trace > 0 else 0.0

    @property
    def trace(self) -> float:
        """Of the whole."""
        return float((self.columns**2).sum() + (self.mixed**2).sum())

    @property
    def all_columns(self) -> np.ndarray:
        """C and T, (d, r + s)."""
        return np.hstack([self.columns, self.mixed])

    @property
    def matrix(self) -> np.ndarray:
        """(d, d)."""
        return np.asarray(self.all_columns @ self.all_columns.T)

    def of_first(self, size: int) -> Spread:
        """That of the first entries alone."""
        return Spread(self.columns[:size], self.mixed[:size])


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance between two steps: μ as ``state`` of the rule, P as ``spread`` of z, V as ``each`` (m, K, d).

    z has the K states with an entry for each parameter, θ first, (K·d,).  ``groups`` (m, c) are the sums of pieces
    whose V have the covariance of all in this epoch, None before its first step.  ``reach`` is the largest share so far
    that the second order has in how the gradient changes over the scatter, ``½|g''(A)|`` over ``√tr HAH``: far below 1
    where weak order 1 means something.
    """

    state: tuple[np.ndarray, ...]
    spread: Spread
    each: np.ndarray
    groups: np.ndarray | None = None
    reach: float = 0.0


@dataclass(frozen=True, eq=False)
class NoisyRun:
    """A rule on a loss in batches; ``settings`` are its learning rate and parameters by the number of a step.

    ``rank`` columns of the covariance are kept with ``MIXED`` that stand for the rest; None keeps all of it.
    ``gaussian`` is the standard deviation of what is added to each entry of the gradient at each step.
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
        count = DRAWN if self.rank is None else min(DRAWN, max(FEWEST_DRAWN, DRAWN_NUMBERS // apart.shape[1]))
        if not anew and math.comb(samples, batch) <= count:
            chosen = np.array(list(itertools.combinations(range(samples), batch)))
        elif anew:
            chosen = generator.integers(samples, size=(count, batch))
        else:
            chosen = generator.random((count, samples)).argpartition(batch - 1, axis=1)[:, :batch]
        means = np.array([apart[numbers].mean(axis=0) for numbers in chosen])
        if self.gaussian:
            means = np.tile(means, (-(-count // len(means)), 1))
            means = means + self.gaussian * generator.normal(size=means.shape)
        return means - means.mean(axis=0)

    def moments(self, start: Sequence[np.ndarray]) -> Iterator[Moments]:
        """The moments before each step, from a state that all runs share."""
        size, generator = self.loss.size, np.random.default_rng(0)
        state = tuple(np.array(part, dtype=float) for part in start)
        count = sum(len(part) == size for part in state)
        spread = Spread(np.zeros((count * size, 0)), np.zeros((count * size, 0)))
        each = np.zeros((len(self.loss.pieces) if self.spare else 0, count, size))
        moments, length = Moments(state, spread, each), len(self.loader.sizes)
        for step in itertools.count():
            if step % length == 0:
                spread = self._lessened(moments, generator)
                moments = replace(moments, spread=spread, each=0 * moments.each, groups=None)
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
        return self._lessened(moments, generator).of_first(self.loss.size)

    def _lessened(self, moments: Moments, generator: np.random.Generator) -> Spread:
        """``A = P − q Σ V_i V_iᵀ``; what is negative in it is of higher order, and left out."""
        columns, each = moments.spread.all_columns, moments.each
        if not each.any():
            return moments.spread
        taken = np.sqrt(self.spare) * each.reshape(len(each), -1).T @ moments.groups
        signs = np.append(np.ones(columns.shape[1]), -np.ones(taken.shape[1]))
        return _compressed(np.hstack([columns, taken]), signs, each.shape[1], self.rank, generator)

    def _step(self, step: int, moments: Moments, generator: np.random.Generator) -> Moments:
        here = MomentStep(self, moments, step, generator)
        mean, rest = iter(here.mean), here.local.rest
        state = [rest[index] if index in rest else next(mean) for index in range(len(moments.state))]
        count, size = moments.each.shape[1:]
        moved = here.moved[:, :, : here.kept].reshape(count * size, here.kept)
        columns, signs = here.fresh()
        signs = np.append(np.ones(here.kept), signs)
        after = _compressed(np.hstack([moved, columns]), signs, count, self.rank, generator)
        return Moments(tuple(state), after, here.each, here.groups, max(moments.reach, here.reach))


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
        columns = moments.spread.all_columns
        self.kept = columns.shape[1]
        self._memory = slice(self.kept, self.kept + len(each))
        grouped, taken = np.zeros((0, count, size)), run.spare
        if moments.groups is not None and moments.groups.shape[1] < len(each):  # what P was made of
            grouped, taken = np.einsum("mkd,mc->ckd", each, moments.groups), 0.0
        past = np.concatenate([each, grouped])
        self._columns = np.concatenate([columns.reshape(count, size, -1), np.moveaxis(past, 0, 2)], axis=2)
        self._signs = np.repeat([1.0, -taken, -run.spare], [self.kept, len(each), len(grouped)])
        self.local = local_rule(run.optimizer, moments.state, eta, values, self._look)
        if len(self._drawn) > 1:
            self.local.first[:, -1] = _regressed(self.local.values, self._drawn, self.local.first[:, -1])
        self.moved = np.einsum("kad,adr->kdr", self.local.first, self._extended)
        self.groups = self._grouped() if moments.groups is None else moments.groups

    def _look(self, place: np.ndarray, by_states: np.ndarray) -> np.ndarray:
        """What the loss says at the place of the gradient, of which ``by_states`` is the derivative."""
        loss, weight = self._run.loss, self._weight
        self._place, self._place_moved = place, np.einsum("kd,kdr->dr", by_states, self._columns)
        slope, turned, bent = curvature(loss, place, self._place_moved, self._signs)
        self._turned, self._bent = turned, weight * bent
        self._extended = np.concatenate([self._columns, weight * turned[None]])
        apart = loss.sample_gradients(place)
        self._apart = weight * (apart - apart.mean(axis=0))
        self._pieces = self._of_pieces()
        self._drawn = self._run.drawn(self._apart, self._batch, self._generator)
        return weight * slope + self._drawn

    def _of_pieces(self) -> np.ndarray:
        """The gradient of each piece (m, d), with the samples' own variance of each entry."""
        pieces = np.array([self._apart[piece].mean(axis=0) for piece in self._run.loss.pieces])
        return _with_variances(pieces, self._run.shares * (self._apart**2).mean(axis=0))

    @property
    def mean(self) -> np.ndarray:
        """μ after the step, (K, d)."""
        local, run = self.local, self._run
        squares = np.einsum("adr,bdr,r->abd", self._extended, self._extended, self._signs)
        mean = local.values.mean(axis=1) + np.einsum("kabd,abd->kd", local.second, squares) / 2
        mean += local.first[:, -1] * self._bent / 2
        if run.spare:
            own = self._place_moved.T[self._memory, None], self._turned.T[self._memory, None]
            turned = np.einsum("mrd->d", self._apart_turned(*own))
            bent = np.einsum("kad,jd,adj->kd", local.second[:, -1], self._pieces, self._extended[:, :, self._memory])
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
        moved = np.moveaxis(self.moved[:, :, self._memory], 2, 0)
        return moved + self.local.first[:, -1] * self._pieces[:, None] if self._run.spare else moved

    def _grouped(self) -> np.ndarray:
        """Sums of pieces (m, c) whose covariance is that of all: the leading ones, and those left over mixed.

        There are so many that the columns can hold what they do to every state, in this epoch and the one before.
        """
        rank, (count, pieces, _) = self._run.rank, (len(self.local.first), *self._pieces.shape)
        if rank is None or pieces <= rank // (2 * count):
            return np.eye(pieces)
        moved = self.local.first[:, -1, None] * self._pieces
        sizes = np.linalg.norm(moved, axis=(1, 2))
        moved /= np.where(sizes == 0, 1.0, sizes)[:, None, None]
        _, vectors = np.linalg.eigh(np.einsum("kmd,kld->ml", moved, moved))
        leading = max(rank // (2 * count) - MIXED, 0)
        vectors = vectors[:, ::-1]
        return np.hstack([vectors[:, :leading], _mixed(vectors[:, leading:], self._generator)])

    def _apart_turned(self, columns: np.ndarray, turned: np.ndarray) -> np.ndarray:
        """``(H_j − H) c`` for each piece and its columns (m, r, d), (m, r, d); ``turned`` are their ``H c``."""
        if not columns.any():
            return columns
        return self._weight * (self._run.loss.piece_turned(self._place, columns) - turned)

    def fresh(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns of z that the batch adds to P, and their signs."""
        run, by_gradient, samples = self._run, self.local.first[:, -1], len(self._apart)
        share = run.loader.share(self._batch)
        if run.spare:  # of the same groups as what is taken back, so that nothing is negative at an epoch's end
            gradients = [np.sqrt(samples / (samples - 1) / self._batch / run.shares) * self.groups.T @ self._pieces]
        else:
            gradients = [np.sqrt(share / run.shares) * self._pieces]
        if share:
            turned = self._apart_turned(*self._place_columns())
            turned = np.sqrt(share / run.shares) * turned.reshape(-1, run.loss.size)
            gradients.append(turned if run.rank is None else _mixed(turned.T, self._generator).T)
        if run.gaussian:
            gradients.append(run.gaussian * self._independent())
        columns = np.concatenate([by_gradient[:, :, None] * part.T for part in gradients], axis=2)
        signs = np.ones(columns.shape[2])
        if len(self._drawn) > 1:
            beside, beside_signs = self._beside()
            columns, signs = np.concatenate([columns, beside], axis=2), np.append(signs, beside_signs)
        return columns.reshape(-1, len(signs)), signs

    def _independent(self) -> np.ndarray:
        """Rows (m, d) whose covariance is one in each entry: of many entries few rows, of random signs."""
        size = self._run.loss.size
        if self._run.rank is None or size <= MIXED:
            return np.eye(size)
        return self._generator.choice([-1.0, 1.0], (MIXED, size)) / np.sqrt(MIXED)

    def _beside(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns (K, d, c) of what drawn batches make of the step less that of B ξ, and their signs.

        Of few columns it is what is left over of the step by itself: with B ξ of other parameters it has no covariance
        where ξ is Gaussian, as it has none with that of its own.
        """
        whole = self.local.values - self.local.values.mean(axis=1, keepdims=True)
        linear = self.local.first[:, -1, None] * (self._drawn - self._drawn.mean(axis=0))
        whole, linear = (part.swapaxes(1, 2) / np.sqrt(len(self._drawn)) for part in (whole, linear))
        if self._run.rank is None:
            return np.concatenate([whole, linear], axis=2), np.repeat([1.0, -1.0], len(self._drawn))
        left = (whole - linear).reshape(-1, len(self._drawn))
        mixed = _with_variances(_mixed(left, self._generator).T, (left**2).sum(axis=1)).T
        return mixed.reshape(*whole.shape[:2], -1), np.ones(mixed.shape[1])

    def _place_columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Columns for each piece (m, r, d) that stand for the covariance of the gradient's place, and their ``H c``.

        The leading ones are the same for all, the rest is one of random signs, others for each.
        """
        pieces = len(self._run.loss.pieces)
        count = LEADING if self._run.rank is None else LEADING_OF_MANY
        columns, turned = _leading(self._place_moved, self._turned, self._signs)
        signs = self._generator.choice([-1.0, 1.0], (pieces, max(columns.shape[1] - count, 0)))

        def mixed(columns: np.ndarray) -> np.ndarray:
            head, rest = columns.T[:count], columns.T[count:]
            whole = np.broadcast_to(head, (pieces, *head.shape))
            return np.concatenate([whole, (signs @ rest)[:, None]], axis=1) if len(rest) else whole

        return mixed(columns), mixed(turned)


def _leading(columns: np.ndarray, turned: np.ndarray, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthogonal columns of the positive part of ``Σ sign c cᵀ``, the largest first, of one sign each; ``H c``."""
    basis, inside = (np.eye(len(columns)), columns) if len(columns) <= columns.shape[1] else np.linalg.qr(columns)
    values, vectors = np.linalg.eigh((inside * signs) @ inside.T)
    positive = values > ROUND_OFF * max(values.max(initial=0.0), 0.0)
    vectors, roots = vectors[:, ::-1], np.sqrt(np.where(positive, values, 0.0))[::-1]
    found = basis @ vectors * roots
    largest = np.abs(found).argmax(axis=0)
    up = np.where(found[largest, np.arange(found.shape[1])] < 0, -1.0, 1.0)
    # H of a sum of columns is that sum of what H makes of them
    return found * up, (turned * signs) @ (inside.T @ (vectors / np.where(roots > 0, roots, np.inf) * up))


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
    columns: np.ndarray, signs: np.ndarray, states: int, rank: int | None, generator: np.random.Generator
) -> Spread:
    """``Σ sign c cᵀ`` as its leading columns, ``rank`` of them, and some of the rest mixed; no negative part.

    Entries are taken in units of their own size, or of their state's where columns are left out: a mean of squares
    may be smaller than θ by ten orders of magnitude.
    """
    units = np.linalg.norm(columns, axis=1)
    if rank is not None:
        units = np.repeat(np.linalg.norm(units.reshape(states, -1), axis=1), len(units) // states)
    scaled = columns / np.where(units == 0, 1.0, units)[:, None]
    basis, inside = (np.eye(len(columns)), scaled) if rank is None else _reduced(scaled)
    values, vectors = np.linalg.eigh((inside * signs) @ inside.T)
    # what is at rest has unit 0 and stays there: rounding alone would be large where a step divides by epsilon
    values = values if rank is None else _of_same_sum(values)
    positive = values > ROUND_OFF * max(values.max(initial=0.0), 0.0)
    vectors = (vectors[:, positive] * np.sqrt(values[positive]))[:, ::-1]
    head, tail = vectors[:, :rank], _mixed(vectors[:, rank or len(vectors) :], generator)
    return Spread(units[:, None] * (basis @ head), units[:, None] * (basis @ tail))


def _mixed(columns: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Few columns whose ``Σ c cᵀ`` is that of the columns in the mean over their random signs."""
    if columns.shape[1] <= MIXED:
        return columns
    return columns @ generator.choice([-1.0, 1.0], (columns.shape[1], MIXED)) / np.sqrt(MIXED)


def _with_variances(rows: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Rows (m, d) with other sums of squares (d,)."""
    own = (rows**2).sum(axis=0)
    return np.asarray(rows * np.sqrt(sums / np.where(own == 0, 1.0, own)))


def _of_same_sum(values: np.ndarray) -> np.ndarray:
    """The nearest eigenvalues with no negative one among them, ascending as given, whose sum is the same."""
    sums = np.cumsum(values[::-1])[::-1]
    if sums[0] <= 0:
        return np.zeros_like(values)
    shifts = (sums - sums[0]) / np.arange(len(values), 0, -1)
    first = int(np.argmax(values > shifts))
    return np.maximum(values - shifts[first], 0.0) * (np.arange(len(values)) >= first)


def _reduced(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An orthonormal basis of columns, and the columns in it."""
    if columns.shape[1] >= len(columns):
        return np.eye(len(columns)), columns
    basis, inside = np.linalg.qr(columns)
    return basis, inside
