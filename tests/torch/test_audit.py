"""PyTorch's own derivatives that are wrong are found and blamed; twenty sound modules raise no alarm."""

import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils import _pytree as pytree  # noqa: E402

import eomsym  # noqa: E402
from eomsym.errors import InputError  # noqa: E402
from eomsym.torch.rules import RULES  # noqa: E402


def normal(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


ROWS, LABELS = normal(6, 5), torch.tensor([0, 2, 1, 3, 0, 1])
IMAGES, SIGNALS, WORDS, TOKENS = (
    normal(2, 2, 6, 6),
    normal(3, 2, 9),
    normal(2, 4, 4),
    torch.tensor([[0, 3, 3], [6, 1, 2]]),
)


class First(nn.Module):
    """A layer that returns several things, or takes its input as often as ``times``."""

    def __init__(self, layer, times=1):
        super().__init__()
        self.layer, self.times = layer, times

    def forward(self, x):
        return self.layer(*[x] * self.times)[0]


class Losses(nn.Module):
    """A classifier with its loss: one number."""

    def __init__(self, loss):
        super().__init__()
        self.layer, self.loss = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4)), loss

    def forward(self, x):
        return self.loss(self.layer(x), LABELS)


SOUND = {
    "Linear": (lambda: nn.Linear(5, 3), ROWS),
    "Tanh": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2)), ROWS),
    "SiLU": (lambda: nn.Sequential(nn.Linear(5, 4), nn.SiLU(), nn.Linear(4, 2)), ROWS),
    "GELU": (lambda: nn.Sequential(nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 2)), ROWS),
    "Softplus": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Softplus(), nn.Linear(4, 2)), ROWS),
    "Sigmoid": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 2)), ROWS),
    "Conv1d": (lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh(), nn.AvgPool1d(2)), SIGNALS),
    "Conv2d": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU(), nn.Conv2d(3, 2, 3)), IMAGES),
    "ConvTranspose2d": (lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 2), nn.Tanh()), IMAGES),
    "GroupNorm": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.Tanh()), IMAGES),
    "RMSNorm": (lambda: nn.Sequential(nn.Linear(5, 4), nn.RMSNorm(4), nn.Tanh()), ROWS),
    "BatchNorm1d in eval mode": (lambda: nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh()).eval(), ROWS),
    "MultiheadAttention": (lambda: First(nn.MultiheadAttention(4, 2, batch_first=True), 3), WORDS),
    "RNN": (lambda: First(nn.RNN(4, 3)), WORDS),
    "LSTM": (lambda: First(nn.LSTM(4, 3)), WORDS),
    "GRU": (lambda: First(nn.GRU(4, 3)), WORDS),
    "Embedding": (lambda: nn.Sequential(nn.Embedding(7, 3), nn.Tanh(), nn.Linear(3, 2)), TOKENS),
    "Softmax": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Softmax(-1)), ROWS),
    "CrossEntropyLoss": (lambda: Losses(nn.CrossEntropyLoss(label_smoothing=0.1)), ROWS),
    "NLLLoss": (lambda: Losses(nn.NLLLoss()), ROWS),
}


def made(make):
    torch.manual_seed(0)
    return make().double()


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_module_raises_no_alarm(name):
    make, x = SOUND[name]
    audit = eomsym.audit(made(make), None, (x,))
    assert audit.passed, str(audit)
    assert all(len(row.apart) == 3 and row.error < 1e-5 for row in audit.rows), str(audit)
    assert audit.warnings == ()


def test_twenty_of_them():
    assert len(SOUND) >= 20


NORMS = {
    "layer_norm": (lambda: nn.LayerNorm(4), lambda h: functional.layer_norm(h, (4,))),
    "batch_norm": (lambda: nn.BatchNorm1d(4), lambda h: functional.batch_norm(h, None, None, training=True)),
}


@pytest.mark.parametrize("operation", NORMS)
@pytest.mark.parametrize("as_module", [True, False])
def test_norms_of_pytorch_are_blamed(operation, as_module):
    layer, function = NORMS[operation]
    if as_module:
        audit = eomsym.audit(made(lambda: nn.Sequential(nn.Linear(5, 4), nn.Tanh(), layer(), nn.Tanh())), None, ROWS)
    else:
        audit = eomsym.audit(lambda w, x: torch.tanh(function(x @ w)).pow(2).sum(), normal(5, 4), ROWS)
    assert (audit.blame, audit.operation) == ("framework", operation)
    assert [row.verdict for row in audit.rows] == ["", "", "nested", "nested"]
    for row in audit.rows[2:]:
        assert min(row.apart["series", "nested"], row.apart["nested", "differences"]) > 1e-3
        assert row.apart["series", "differences"] < 1e-6


def test_weight_norm_is_wrong_from_the_second_derivative_on():
    """By a half: its backward formula takes the norms for constants.  Here against central differences alone."""
    direction, scale, w = normal(3, 5).flip(0), torch.tensor([[0.5], [1.0], [2.0]], dtype=torch.float64), normal(3, 5)
    loss = lambda v: torch.tanh(ROWS @ torch._weight_norm(v, scale, 0).T).sum()  # noqa: E731
    gradient = torch.func.grad(loss)
    right = (gradient(w + 1e-5 * direction) - gradient(w - 1e-5 * direction)) / 2e-5
    own = torch.func.vjp(gradient, w)[1](direction)[0]
    assert (own - right).norm() > 0.1 * right.norm()
    audit = eomsym.audit(loss, w)
    assert (audit.blame, audit.operation) == ("framework", "weight_norm")
    assert [row.verdict for row in audit.rows] == ["", "nested", "nested", "nested"]


def test_running_statistics_stay_what_they_are():
    norm = nn.BatchNorm1d(5).double()
    before = {name: value.clone() for name, value in norm.named_buffers()}
    eomsym.audit(norm, None, ROWS, order=1)
    assert all(torch.equal(value, before[name]) for name, value in norm.named_buffers())


@pytest.mark.parametrize(("order", "factor"), [(1, 1.001), (2, 1.001), (3, 0.99)])
def test_a_wrong_rule_is_blamed_on_eomsym(order, factor, monkeypatch):
    maker = RULES["tanh"]

    def planted(instruction, series, backend):
        rule = maker(instruction, series, backend)
        return lambda level: pytree.tree_map(lambda row: row * (factor if level == order else 1), rule(level))

    monkeypatch.setitem(RULES, "tanh", planted)
    audit = eomsym.audit(lambda w: torch.tanh(ROWS @ w).square().sum(), normal(5, 4))
    assert (audit.blame, audit.operation) == ("eomsym", "tanh")
    assert [row.verdict for row in audit.rows][order] == "series"
    assert not any(row.verdict for row in audit.rows[:order])
    assert "please report it" in audit.sentence


def test_single_precision_raises_no_alarm_and_finds_the_norm():
    network = lambda *norm: nn.Sequential(nn.Linear(5, 4), *norm, nn.Tanh()).float()  # noqa: E731
    torch.manual_seed(0)
    assert eomsym.audit(network(), None, ROWS.float()).passed
    audit = eomsym.audit(network(nn.LayerNorm(4)), None, ROWS.float())
    assert (audit.blame, audit.operation) == ("framework", "layer_norm")


def test_kinks_are_told_of():
    audit = eomsym.audit(lambda w: torch.relu(ROWS @ w).square().sum(), normal(5, 4))
    assert audit.passed
    assert any("not smooth, by relu" in said for said in audit.warnings)


def test_what_has_no_series_goes_by_two_routes():
    audit = eomsym.audit(lambda w: torch.linalg.det(w) ** 2, normal(3, 3))
    assert audit.passed
    assert all(set(row.apart) == {("nested", "differences")} for row in audit.rows)
    assert audit.warnings[0].startswith("no series: ")


LOSSES = {
    "two numbers": (lambda w: w[0], normal(3, 2), r"returned \(2,\); return one real number"),
    "flat": (lambda w: (w - w).square().sum(), normal(3), "g is 0 there"),
    "nowhere": (lambda w: (w - w).sqrt().sum(), normal(3), "g is not finite there"),
    "random": (lambda w: (w * torch.rand(3, dtype=w.dtype)).exp().sum(), normal(3), "another gradient each time"),
    "integers": (lambda w: w.sum(), torch.arange(3), r"a leaf is torch\.int64"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_refused(name):
    loss, params, message = LOSSES[name]
    with pytest.raises(InputError, match=message):
        eomsym.audit(loss, params)


def test_a_module_without_parameters_is_refused():
    with pytest.raises(InputError, match="params: no arrays are in there"):
        eomsym.audit(nn.Tanh(), None, ROWS)
