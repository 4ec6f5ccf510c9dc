"""Softmax and logsumexp by their own equation in PyTorch, and how many digits are kept."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.nn import functional  # noqa: E402

import eomsym.torch  # noqa: E402

Z, X = (torch.from_numpy(np.random.default_rng(seed).standard_normal((5, 3))) for seed in (0, 1))
LABELS = torch.tensor([0, 2, 1, 1, 0])
ALLOWED = torch.tensor([[1, 0, 1], [1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]]).bool()


def written_out(z, dim):
    """log Σ exp without exponentials of series that are summed."""
    first, *others = z.unbind(dim)
    for other in others:
        first = torch.logaddexp(first, other)
    return first.unsqueeze(dim)


def log_shares(z, dim=1):
    return z - written_out(z, dim)


PAIRS = {
    "cross-entropy": (
        lambda z: functional.cross_entropy(z, LABELS),
        lambda z: -log_shares(z).gather(1, LABELS[:, None]).mean(),
    ),
    "softmax of the first axis": (
        lambda z: (torch.softmax(z, 0) ** 2 * X).sum(),
        lambda z: (log_shares(z, 0).exp() ** 2 * X).sum(),
    ),
    "logsumexp": (lambda z: (torch.logsumexp(z, 1) ** 2).sum(), lambda z: (written_out(z, 1) ** 2).sum()),
    "without a shift": (
        lambda z: ((z.exp() / z.exp().sum(1, keepdim=True)) ** 2 * X).sum(),
        lambda z: (log_shares(z).exp() ** 2 * X).sum(),
    ),
    "not invariant": (
        lambda z: ((z - z.amax(1, keepdim=True)).exp().sum(1) ** 2).sum(),
        lambda z: ((2 * written_out(z - z.amax(1, keepdim=True), 1)).exp()).sum(),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_against_pairwise_sums(name):
    loss, other_loss = PAIRS[name]
    for one, other in zip(
        eomsym.torch.counterterms(loss, Z, 4, smooth="ignore"),
        eomsym.torch.counterterms(other_loss, Z, 4, smooth="ignore"),
        strict=True,
    ):
        assert (one - other).abs().max() <= 1e-11 * other.abs().max()


def test_what_is_masked_does_not_move():
    def loss(z):
        return (torch.softmax(z.masked_fill(~ALLOWED, -torch.inf), 1) ** 2 * X).sum()

    for row in eomsym.torch.counterterms(loss, Z, 3):
        assert row.isfinite().all()
        assert (row[~ALLOWED] == 0).all()


def test_what_all_scores_have_in_common_costs_no_digits():
    """A shift of all scores that moves with the parameters changes nothing; 1e−6 were left of row 10 by plain rules."""
    random = np.random.default_rng(5)
    theta, inputs = (
        torch.from_numpy(part) for part in (4 * random.standard_normal(32), 2 * random.standard_normal((6, 3)))
    )
    labels, shift = torch.from_numpy(random.integers(0, 8, 6)), torch.from_numpy(random.standard_normal(32))

    def loss(t, size):
        z = inputs @ t[:24].reshape(3, 8) + t[24:] + size * (shift @ t)
        return (z.exp().sum(1).log() - z[torch.arange(6), labels]).mean()

    still, moved = (eomsym.torch.counterterms(lambda t, size=size: loss(t, size), theta, 10) for size in (0.0, 10.0))
    for one, other in zip(moved, still, strict=True):
        assert (one - other).norm() <= 1e-9 * other.norm()
