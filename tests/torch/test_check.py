"""The check that runs by default: rules that are wrong are caught and named, right ones raise no alarm."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.nn import functional  # noqa: E402

import eomsym.torch  # noqa: E402
from eomsym.errors import InputError, SeriesMismatchError  # noqa: E402
from eomsym.torch import decompositions  # noqa: E402
from eomsym.torch.rules import RULES  # noqa: E402

RANDOM = np.random.default_rng(0)
W = torch.from_numpy(RANDOM.standard_normal((4, 4)) / 2)
X, IMAGES = (torch.from_numpy(RANDOM.standard_normal(shape)) for shape in ((5, 4), (2, 1, 6, 6)))
KERNEL = torch.from_numpy(RANDOM.standard_normal((2, 1, 3, 3)) / 3)
LABELS = torch.tensor([0, 2, 1, 3, 0])


def scaled(factor, only):
    """The rule with a level that is off by a factor."""

    def plant(maker):
        def planted(instruction, series, backend):
            rule = maker(instruction, series, backend)
            return lambda level: [[row * factor if level == only else row for row in rows] for rows in rule(level)]

        return planted

    return plant


def without_cross_terms(_):
    """A product whose terms between the first and the last are dropped."""

    def planted(instruction, series, backend):
        left, right = series
        times = lambda a, b: instruction.apply(a, b)[0]  # noqa: E731
        return lambda level: [
            [times(left[0], b) + times(a, right[0]) for a, b in zip(left[level], right[level], strict=True)]
        ]

    return planted


def transposed(maker):
    """A product of square matrices whose second is transposed above order 0."""

    def planted(instruction, series, backend):
        right = series[1]
        true = maker(instruction, series, backend)
        if series[0][0].shape != right[0].shape or right[0].shape[0] != right[0].shape[1]:
            return true
        difference = lambda row: instruction.apply(series[0][0], row.transpose(-1, -2) - row)[0]  # noqa: E731
        return lambda level: [
            [value + difference(row) for value, row in zip(true(level)[0], right[level], strict=True)]
        ]

    return planted


def counted_at_every_order(maker):
    """What an operation writes counts above order 0 too."""

    def planted(instruction, series, backend):
        rule = maker(instruction, series, backend)
        return lambda level: [[row + 0.5 for row in rows] for rows in rule(level)]

    return planted


def other_branch(_):
    def planted(instruction, series, backend):
        which, first, second = series
        flipped = lambda a, b: instruction.apply(~which[0], a, b)[0]  # noqa: E731
        return lambda level: [[flipped(a, b) for a, b in zip(first[level], second[level], strict=True)]]

    return planted


#: The operation whose rule is wrong, how, and a loss that it is in.
FAULTS = {
    "tanh, second level": ("tanh", scaled(1.02, 2), lambda w: torch.tanh(X @ w).square().sum()),
    "exp, third level": ("exp", scaled(0.9, 3), lambda w: torch.exp(torch.sin(X @ w)).sum()),
    "log, sign": ("log", scaled(-1, 2), lambda w: torch.log(1 + (X @ w) ** 2).square().sum()),
    "sin": ("sin", scaled(1.05, 3), lambda w: torch.sin(w @ w).square().sum()),
    "sigmoid": ("sigmoid", scaled(1.01, 1), lambda w: functional.silu(X @ w).sum()),
    "erf": ("erf", scaled(1.05, 2), lambda w: functional.gelu(X @ w).sum()),
    "a product without cross terms": ("mul", without_cross_terms, lambda w: (torch.sin(w) * torch.cos(w) * w).sum()),
    "a transposed product": ("mm", transposed, lambda w: torch.tanh(w @ w).sum()),
    "a product without cross terms, of matrices": ("mm", without_cross_terms, lambda w: torch.tanh(w @ w @ w).sum()),
    "batched": ("bmm", scaled(1.03, 2), lambda w: torch.bmm(w[None], w[None].cos()).square().sum()),
    "a quotient": ("div", scaled(1.05, 2), lambda w: (torch.sin(w) / (3 + w)).square().sum()),
    "a power": ("pow", scaled(1.02, 2), lambda w: (w**5).sum()),
    "a sum": ("sum", scaled(1.001, 1), lambda w: torch.exp(w.sum(1)).sum()),
    "a selection": ("gather", scaled(0, 2), lambda w: functional.cross_entropy(X @ torch.tanh(w), LABELS).exp()),
    "slices": ("slice", scaled(1.1, 3), lambda w: torch.tanh(w[:, 1:] * w[:, :-1]).sum()),
    "the other branch": ("where", other_branch, lambda w: torch.where(X[:4] > 0, w.sin(), w**3).square().sum()),
    "padding": (
        "constant_pad_nd",
        counted_at_every_order,
        lambda w: (functional.pad(w, (1, 1), value=1.0) ** 3 * w.sum()).sum(),
    ),
    "convolution": (
        "convolution",
        scaled(1.05, 2),
        lambda w: torch.tanh(functional.conv2d(IMAGES, KERNEL * w[0, 0]) * w[1, 1]).sum(),
    ),
    "convolution, backward": (
        "convolution_backward",
        scaled(1.05, 2),
        lambda w: torch.tanh(functional.conv2d(IMAGES * w[1, 1], torch.sin(w[None, None, :3, :3]))).sum(),
    ),
    "relu": ("relu", scaled(2, 1), lambda w: torch.relu(X @ w).square().sum()),
    "a maximum": ("max", scaled(0, 2), lambda w: (torch.sin(w) @ w).max(1).values.square().sum()),
    "pooling": (
        "max_pool2d_with_indices",
        scaled(0.5, 1),
        lambda w: functional.max_pool2d(functional.conv2d(IMAGES, torch.tanh(w[None, None])), 2).exp().sum(),
    ),
    "sorted": ("sort", scaled(-1, 1), lambda w: (torch.sin(w).sort(1).values @ w).square().sum()),
    "an inverse": ("linalg_inv_ex", scaled(1.02, 2), lambda w: torch.inverse(w + 3 * torch.eye(4)).square().sum()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rule_is_named(name, monkeypatch):
    operation, plant, loss = FAULTS[name]
    eomsym.torch.counterterms(loss, W, 3, smooth="ignore")
    monkeypatch.setitem(RULES, operation, plant(RULES[operation]))
    with pytest.raises(SeriesMismatchError, match=f"part at the operation {operation!r}") as caught:
        eomsym.torch.counterterms(loss, W, 3, smooth="ignore")
    assert "\n" not in str(caught.value)
    eomsym.torch.counterterms(loss, W, 3, smooth="ignore", check=False)


@pytest.mark.parametrize("operation", ["log_sigmoid_backward", "linalg_vector_norm"])
def test_a_wrong_decomposition_is_caught(operation, monkeypatch):
    packet = getattr(torch.ops.aten, operation).default
    right = decompositions.OWN[packet]

    def wrong(*values, **options):
        found = right(*values, **options)
        found = found if isinstance(found, tuple) else (found,)
        made = tuple(part if part is None else part * 1.01 for part in found)
        return made if len(made) > 1 else made[0]

    monkeypatch.setitem(decompositions.OWN, packet, wrong)
    with pytest.raises(SeriesMismatchError, match="no operation is to blame"):
        eomsym.torch.counterterms(lambda w: torch.linalg.vector_norm(functional.logsigmoid(torch.tanh(X @ w))), W, 2)


@pytest.mark.parametrize("optimizer", ["heavy-ball", "adam", "nesterov", "extragradient"])
def test_along_other_curves(optimizer, monkeypatch):
    loss = FAULTS["tanh, second level"][2]
    eomsym.torch.counterterms(loss, W, 3, optimizer=optimizer)
    monkeypatch.setitem(RULES, "tanh", scaled(1.05, 2)(RULES["tanh"]))
    with pytest.raises(SeriesMismatchError, match="'tanh'"):
        eomsym.torch.counterterms(loss, W, 3, optimizer=optimizer)


@pytest.mark.parametrize("order", [0, 1, 2, 5, 8, 12])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64], ids=str)
@pytest.mark.filterwarnings("ignore::eomsym.errors.PrecisionWarning")
def test_no_alarm_at_any_order(order, precision):
    w, x = W.to(precision), X.to(precision)
    for size in (1e-3, 1.0) if too_large(order, precision) else (1e-3, 1.0, 1e3):
        eomsym.torch.counterterms(lambda v, s=size: s * torch.tanh(x @ v).square().sum(), w, order)


def too_large(order, precision):
    """Whether rows of a loss of size 1e3 leave the numbers: row 10 is 7e39, and float32 ends at 3e38."""
    return order > 9 and precision == torch.float32


@pytest.mark.filterwarnings("ignore::eomsym.errors.PrecisionWarning")
def test_rows_that_leave_the_numbers_are_refused():
    x = X.float()
    with pytest.raises(InputError, match="row 9 is not finite"):
        eomsym.torch.counterterms(lambda v: 1e3 * torch.tanh(x @ v).square().sum(), W.float(), 12)


@pytest.mark.parametrize(("order", "factor"), [(1, 1.02), (2, 1.02), (5, 1.5), (8, 3), (12, 10)])
def test_the_last_level_is_tested_too(order, factor, monkeypatch):
    monkeypatch.setitem(RULES, "tanh", scaled(factor, order)(RULES["tanh"]))
    with pytest.raises(SeriesMismatchError, match="'tanh'"):
        eomsym.torch.counterterms(lambda w: torch.tanh(X @ w).square().sum(), W, order)


def test_a_relu_network_on_its_kinks_passes():
    """Biases of zero and blank inputs: many values lie on the kink, and steps cross it elsewhere."""
    inputs = torch.cat([torch.zeros(2, 4), torch.from_numpy(RANDOM.standard_normal((200, 4)))])
    params = {"w": W, "b": torch.zeros(4, dtype=torch.float64), "v": W.T.contiguous()}
    with pytest.warns(eomsym.errors.KinkWarning, match="not smooth, by relu:"):
        eomsym.torch.counterterms(lambda p: (torch.relu(inputs @ p["w"] + p["b"]) @ p["v"]).square().mean(), params, 3)
