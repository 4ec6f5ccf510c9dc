"""Networks that people train, by module, against the same written by hand and differentiated by nested jvp.

Normalisations are written out in the references: PyTorch's own derivatives through layer_norm and batch_norm are wrong
from the third on.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch_reference import by_trees, flat  # noqa: E402

import eomsym.torch  # noqa: E402

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return torch.from_numpy(RANDOM.standard_normal(shape))


IMAGES, LABELS = normal(3, 1, 8, 8), torch.tensor([0, 2, 1])
WORDS = normal(2, 3, 4)


def module(make):
    """A module in float64 whose parameters are the same in each run, and these parameters."""
    torch.manual_seed(1)
    network = make().double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, dtype=torch.float64))
    return network, {name: value.detach() for name, value in network.named_parameters()}


def normalised(x, axes, weight=None, bias=None, eps=1e-5):
    centred = x - x.mean(axes, keepdim=True)
    x = centred / (centred.square().mean(axes, keepdim=True) + eps).sqrt()
    return x if weight is None else x * weight + bias


def over_channels(vector):
    return vector[:, None, None]


def lenet(pool):
    layers = (nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), pool(2), nn.Conv2d(2, 3, 3), nn.GELU(), pool(2))
    return lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(3, 3))


def lenet_by_hand(pool):
    def scores(p, x):
        x = pool(torch.tanh(functional.conv2d(x, p["0.weight"], p["0.bias"], padding=1)), 2)
        x = pool(functional.gelu(functional.conv2d(x, p["3.weight"], p["3.bias"])), 2)
        return x.flatten(1) @ p["7.weight"].T + p["7.bias"]

    return scores


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.Conv2d(2, 2, 3, padding=1, bias=False)
        self.one, self.two = norm(), norm()
        self.last = nn.Linear(2, 3)

    def forward(self, x):
        x = torch.cat([x, x.flip(-1)], 1)
        inner = self.two(self.second(functional.silu(self.one(self.first(x)))))
        return self.last(functional.silu(x + inner).mean((2, 3)))


def block_by_hand(norm):
    def scores(p, x):
        x = torch.cat([x, x.flip(-1)], 1)

        def layer(conv, name, x):
            x = functional.conv2d(x, p[conv + ".weight"], padding=1)
            return norm(x, over_channels(p[name + ".weight"]), over_channels(p[name + ".bias"]))

        inner = layer("second", "two", functional.silu(layer("first", "one", x)))
        return functional.silu(x + inner).mean((2, 3)) @ p["last.weight"].T + p["last.bias"]

    return scores


MEAN, VARIANCE = normal(2) / 3, normal(2).square() + 0.5


def running(train):
    def make():
        norm = nn.BatchNorm2d(2, dtype=torch.float64)
        norm.running_mean.copy_(MEAN)
        norm.running_var.copy_(VARIANCE)
        return norm.train(train)

    return make


def attention(p, name, x):
    """Of two heads, on (sample, word, feature)."""
    queries, keys, values = (x @ p[f"{name}.in_proj_weight"].T + p[f"{name}.in_proj_bias"]).chunk(3, -1)
    heads = []
    for q, k, v in zip(queries.chunk(2, -1), keys.chunk(2, -1), values.chunk(2, -1), strict=True):
        heads.append(torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, -1) @ v)
    return torch.cat(heads, -1) @ p[f"{name}.out_proj.weight"].T + p[f"{name}.out_proj.bias"]


def encoder_layer(p, name, x):
    norm = lambda x, which: normalised(x, -1, p[f"{name}.{which}.weight"], p[f"{name}.{which}.bias"])  # noqa: E731
    x = norm(x + attention(p, f"{name}.self_attn", x), "norm1")
    inner = functional.gelu(x @ p[f"{name}.linear1.weight"].T + p[f"{name}.linear1.bias"])
    return norm(x + inner @ p[f"{name}.linear2.weight"].T + p[f"{name}.linear2.bias"], "norm2")


def encoder(layers):
    layer = nn.TransformerEncoderLayer(4, 2, 5, dropout=0.0, activation="gelu", batch_first=True)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch, self.token = nn.Conv2d(1, 4, 4, stride=4), nn.Parameter(torch.zeros(1, 1, 4))
        self.places, self.encoder, self.head = nn.Parameter(torch.zeros(1, 5, 4)), encoder(1), nn.Linear(4, 3)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        return self.head(self.encoder(x)[:, 0])


def patches_by_hand(p, x):
    pieces = x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(len(x), 4, 16)
    x = pieces @ p["patch.weight"].reshape(4, 16).T + p["patch.bias"]
    x = torch.cat([p["token"].expand(len(x), -1, -1), x], 1) + p["places"]
    x = encoder_layer(p, "encoder.layers.0", x)
    return x[:, 0] @ p["head.weight"].T + p["head.bias"]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.last = nn.LSTM(4, 3, num_layers=2, batch_first=True), nn.Linear(3, 3)

    def forward(self, x):
        return self.last(self.lstm(x)[0][:, -1])


def recurrent_by_hand(p, x):
    for layer in (0, 1):
        hidden = cell = x.new_zeros(len(x), 3)
        states = []
        for word in x.unbind(1):
            gates = word @ p[f"lstm.weight_ih_l{layer}"].T + p[f"lstm.bias_ih_l{layer}"]
            gates = gates + hidden @ p[f"lstm.weight_hh_l{layer}"].T + p[f"lstm.bias_hh_l{layer}"]
            i, f, c, o = gates.chunk(4, 1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(c)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            states.append(hidden)
        x = torch.stack(states, 1)
    return states[-1] @ p["last.weight"].T + p["last.bias"]


def two_layers(p, x):
    return encoder_layer(p, "layers.1", encoder_layer(p, "layers.0", x)).mean(1)


class Averaged(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = encoder(2).layers

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x.mean(1)


EACH = (0, 2, 3)
NETWORKS = {
    "CNN, average pooling": (lenet(nn.AvgPool2d), lenet_by_hand(functional.avg_pool2d), IMAGES),
    "CNN, max pooling": (lenet(nn.MaxPool2d), lenet_by_hand(functional.max_pool2d), IMAGES),
    "residual block, group norm": (
        lambda: Block(lambda: nn.GroupNorm(1, 2)),
        block_by_hand(lambda x, w, b: normalised(x, (1, 2, 3), w, b)),
        IMAGES,
    ),
    "residual block, batch norm": (
        lambda: Block(running(True)),
        block_by_hand(lambda x, w, b: normalised(x, EACH, w, b)),
        IMAGES,
    ),
    "residual block, batch norm in eval mode": (
        lambda: Block(running(False)),
        block_by_hand(lambda x, w, b: (x - over_channels(MEAN)) / (over_channels(VARIANCE) + 1e-5).sqrt() * w + b),
        IMAGES,
    ),
    "transformer encoder": (Averaged, two_layers, WORDS),
    "LSTM": (Recurrent, recurrent_by_hand, WORDS),
    "vision transformer": (Patches, patches_by_hand, IMAGES),
}


def loss_of(scores, x):
    return functional.cross_entropy(scores[:, :3], LABELS[: len(x)])


@pytest.mark.filterwarnings("ignore:loss_fn. not smooth, by max_pool2d:eomsym.errors.KinkWarning")
@pytest.mark.parametrize("name", NETWORKS)
def test_four_terms(name):
    make, by_hand, x = NETWORKS[name]
    network, params = module(make)
    before = {key: value.clone() for key, value in network.named_buffers()}
    rows = eomsym.torch.counterterms(lambda p: loss_of(torch.func.functional_call(network, p, (x,)), x), params, 4)
    assert all(torch.equal(value, before[key]) for key, value in network.named_buffers())
    for one, other in zip(rows, by_trees(lambda p: loss_of(by_hand(p, x), x), params, 4), strict=True):
        assert np.linalg.norm(flat(one) - other) <= 1e-9 * np.linalg.norm(other)
