"""Parameters whose gradient is round-off wherever one looks: the bias of keys, which softmax does not see."""

import math

import pytest

torch = pytest.importorskip("torch")

import eomsym.torch  # noqa: E402
from eomsym.errors import InputError, PrecisionWarning  # noqa: E402

WIDTH, HEADS, WORDS, LENGTH = 8, 2, 11, 6
BETA1, BETA2, EPSILON, DECAY = 0.9, 0.999, 1e-8, 0.01


class Block(torch.nn.Module):
    """One block of a GPT, with biases in queries, keys and values, as nanoGPT has them by default."""

    def __init__(self):
        super().__init__()
        self.words, self.places = torch.nn.Embedding(WORDS, WIDTH), torch.nn.Embedding(LENGTH, WIDTH)
        self.first, self.second = torch.nn.LayerNorm(WIDTH), torch.nn.LayerNorm(WIDTH)
        self.attention, self.mixed = torch.nn.Linear(WIDTH, 3 * WIDTH), torch.nn.Linear(WIDTH, WIDTH)
        self.wide, self.narrow = torch.nn.Linear(WIDTH, 4 * WIDTH), torch.nn.Linear(4 * WIDTH, WIDTH)
        self.scores = torch.nn.Linear(WIDTH, WORDS)

    def forward(self, words):
        state = self.words(words) + self.places.weight
        parts = self.attention(self.first(state)).split(WIDTH, -1)
        heads = [part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in parts]
        seen = torch.nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
        state = state + self.mixed(seen.transpose(1, 2).flatten(-2))
        state = state + self.narrow(torch.nn.functional.gelu(self.wide(self.second(state))))
        return self.scores(state)


@pytest.fixture(scope="module")
def block():
    """The loss of a block on a few words, and its parameters in doubles."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Block().double()
        words, following = torch.randint(0, WORDS, (2, 5, LENGTH))

    def loss(params):
        scores = torch.func.functional_call(model, params, (words,))
        return torch.nn.functional.cross_entropy(scores.flatten(0, 1), following.flatten())

    return loss, {name: part.detach().clone() for name, part in model.named_parameters()}


def first_term(loss, params):
    """ξ_0 of AdamW by hand (theory §3, ε outside), H g by differences of first gradients; round-off of g is 0.

    ``U = g/(|g|+ε) + λθ``; the means lag by β/(1−β) steps, and the logarithm of the step adds ½ U'U.
    """
    names = list(params)
    cuts = [part.numel() for part in params.values()]

    def gradient(flat):
        parts = [part.view_as(params[name]) for name, part in zip(names, flat.split(cuts), strict=True)]
        slopes = torch.func.grad(loss)(dict(zip(names, parts, strict=True)))
        slopes["attention.bias"] = slopes["attention.bias"].clone()
        slopes["attention.bias"][WIDTH : 2 * WIDTH] = 0
        return torch.cat([slopes[name].flatten() for name in names])

    theta = torch.cat([part.flatten() for part in params.values()])
    slope = gradient(theta)
    size = slope.abs() + EPSILON
    along = slope / size + DECAY * theta
    # Central differences of two widths, extrapolated
    one, two = ((gradient(theta + h * along) - gradient(theta - h * along)) / (2 * h) for h in (2e-4, 1e-4))
    curved = (4 * two - one) / 3
    lags = BETA1 / (1 - BETA1) * curved / size - BETA2 / (1 - BETA2) * slope.abs() * curved / size**2
    return slope / size + DECAY * theta, lags + (EPSILON * curved / size**2 + DECAY * along) / 2


def test_a_block_with_a_bias_of_keys_under_adamw(block):
    """Its keys are held but for the decay, and all rows are those of differences of first gradients."""
    loss, params = block
    with pytest.warns(PrecisionWarning, match=f"round-off at {WIDTH} of them"):
        rows = eomsym.torch.counterterms(loss, params, 1, optimizer="adamw")
    for row, expected in zip(rows, first_term(loss, params), strict=True):
        made = torch.cat([part.flatten() for part in row.values()])
        assert torch.linalg.norm(made - expected) <= 1e-9 * torch.linalg.norm(expected)
    keys = slice(WIDTH, 2 * WIDTH)
    theta = params["attention.bias"][keys]
    torch.testing.assert_close(rows[0]["attention.bias"][keys], DECAY * theta)
    torch.testing.assert_close(rows[1]["attention.bias"][keys], DECAY**2 / 2 * theta)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.filterwarnings("ignore::eomsym.errors.PrecisionWarning")
def test_a_shift_that_softmax_does_not_see_is_held(dtype):
    """In both precisions; what is small but no round-off is not: a saturated unit moves under Adam as all others."""
    scores = torch.tensor([0.3, -0.2, 0.5], dtype=dtype)

    def loss(params):
        shift, weight, saturated = params
        return -torch.log_softmax(scores * weight + shift, 0)[0] + 1e-7 * torch.sin(saturated)

    params = torch.tensor([0.7, 1.1, 0.4], dtype=dtype)
    rows = eomsym.torch.counterterms(loss, params, 2, optimizer="adam")
    assert [float(row[0]) for row in rows] == [0, 0, 0]
    slope = 1e-7 * math.cos(0.4)
    assert float(rows[0][2]) == pytest.approx(slope / (slope + EPSILON), rel=1e-5)


def test_a_component_that_passes_zero_is_still_refused():
    """Negative control: g is 0 there and moves around."""

    def loss(params):
        return (params**4).sum() + params[0] * (params[1] - 1)

    with pytest.raises(InputError, match="is 0 there, and not around"):
        eomsym.torch.counterterms(loss, torch.tensor([0.0, 1.0], dtype=torch.float64), 1, optimizer="adam")
