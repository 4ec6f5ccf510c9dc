"""What does not vary counts at order 0 only: integers, numbers that an operation writes, what is rounded."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.nn import functional  # noqa: E402

import eomsym.torch  # noqa: E402

W = torch.tensor([[0.3, -0.7, 0.2], [0.5, 0.1, -0.4]], dtype=torch.float64)
WHOLE = torch.tensor([[1, 2, 3], [0, 1, 0]])
SECOND = torch.tensor([[False, True, False]])
ONE = torch.ones(2, 1, dtype=torch.float64)


def wavy(z):
    return (torch.sin(z) ** 2).sum()


#: A loss, and the same without the integers or numbers.
PAIRS = {
    "integers subtracted": (lambda w: ((w - WHOLE) ** 4).sum(), lambda w: ((w - WHOLE.double()) ** 4).sum()),
    "bools added": (lambda w: ((w + (WHOLE > 1)) ** 4).sum(), lambda w: ((w + (WHOLE > 1).double()) ** 4).sum()),
    "padding": (
        lambda w: wavy(functional.pad(w, (1, 1), value=1.0) * w.sum()),
        lambda w: wavy(torch.cat([ONE, w, ONE], 1) * w.sum()),
    ),
    "a number scattered": (
        lambda w: wavy(w.scatter(1, torch.tensor([[1], [1]]), 5.0) * w.sum()),
        lambda w: wavy(torch.where(SECOND, 5.0 * ONE, w) * w.sum()),
    ),
    "logsigmoid": (
        lambda w: functional.logsigmoid(w - 0.3).sum(),  # 0 is one of the arguments
        lambda w: -functional.softplus(0.3 - w).sum(),
    ),
    "rounded quotient": (
        lambda w: (torch.div(w, 0.3, rounding_mode="floor") * w**3).sum(),
        lambda w: (torch.floor(w / 0.3) * w**3).sum(),
    ),
    "quotient without its fraction": (
        lambda w: (torch.div(w, 0.3, rounding_mode="trunc") * w**3).sum(),
        lambda w: (torch.sign(w) * torch.floor(w.abs() / 0.3) * w**3).sum(),
    ),
    "clamp by a tensor": (
        lambda w: wavy(torch.clamp(w, min=-0.2 * ONE) * w.sum()),
        lambda w: wavy(torch.where(w > -0.2, w, -0.2) * w.sum()),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_in_other_words(name):
    loss, other = PAIRS[name]
    rows, expected = (eomsym.torch.counterterms(function, W, 2, smooth="ignore") for function in (loss, other))
    for one, same in zip(rows, expected, strict=True):
        np.testing.assert_allclose(one, same, rtol=1e-13, atol=1e-15)


def test_logsigmoid_by_hand():
    """ξ_0 = ½ H g with g = σ(−w), H = −σ(w) σ(−w)."""
    w = torch.tensor([0.3, -0.7, 0.0], dtype=torch.float64)
    row = eomsym.torch.counterterms(lambda v: functional.logsigmoid(v).sum(), w, 1)[1]
    np.testing.assert_allclose(row, -torch.sigmoid(w) * torch.sigmoid(-w) ** 2 / 2, rtol=1e-14)
