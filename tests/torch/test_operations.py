"""Single operations of PyTorch: right, with a warning where there are kinks, or refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.nn import functional  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch_reference import by_trees, flat  # noqa: E402

import eomsym.torch  # noqa: E402
from eomsym.errors import InputError, KinkWarning, PrecisionWarning, SeriesMismatchError  # noqa: E402

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return torch.from_numpy(RANDOM.standard_normal(shape))


def wavy(z):
    """A sum in which every number counts differently."""
    return (torch.sin(z) * (1 + 0.1 * torch.arange(z.numel(), dtype=z.dtype).reshape(z.shape))).sum()


CORNER = normal(4, 4) * torch.tensor([0, 1, 1, 0])[:, None]
W, LINES, IMAGES, VOLUMES = normal(4, 4) / 2, normal(2, 3, 8), normal(2, 2, 6, 6), normal(2, 2, 4, 4, 4)
K1, K2, K3, T1, T2 = (normal(*s) * 0.3 for s in ((4, 3, 3), (4, 2, 3, 3), (2, 2, 2, 2, 2), (3, 2, 3), (2, 2, 3, 3)))
ONES, EYE = torch.ones(4, 4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
SPECTRAL = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(4, 4).double())
NORMED = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 4, bias=False).double())
HEADS = torch.nn.MultiheadAttention(4, 2, bias=False, batch_first=True).double()
WORDS, PADDED = normal(2, 3, 4), torch.tensor([[False, False, True], [False, False, False]])
PLACES, CLASSES = torch.tensor([[0, 1], [1, 3]]), torch.tensor([0, 1, 2, 3])


def image(w):
    return functional.conv2d(IMAGES, w, padding=1)


def in_place(w):
    made = w * 2
    made[1:].mul_(w[1:]).add_(1)
    return wavy(made)


def of_a_derivative(w):
    """As losses of differential equations are."""
    x = W[0].clone().requires_grad_()
    value = torch.tanh(x @ w).sum()
    return wavy(torch.autograd.grad(value, x, create_graph=True)[0]) + value


def with_a_normal_weight(w):
    weights = {"parametrizations.weight.original0": ONES[:, :1], "parametrizations.weight.original1": w}
    return wavy(torch.func.functional_call(NORMED, weights, (W,)))


def of_each_instance(w):
    x = image(w)
    centred = x - x.mean((2, 3), keepdim=True)
    return wavy(centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt())


def of_a_hessian(w):
    """As losses of differential equations of second order are."""
    return wavy(torch.func.hessian(lambda x: torch.tanh(x @ w).sum())(W[0]))


def of_a_hessian_by_hand(w):
    t = torch.tanh(W[0] @ w)
    return wavy((w * (-2 * t * (1 - t**2))) @ w.T)


def with_padding(w):
    """The weights of the three projections are those of w, of the last the identity."""
    weights = {"in_proj_weight": torch.cat([w, w.T, w @ w]), "out_proj.weight": EYE}
    return wavy(torch.func.functional_call(HEADS, weights, (WORDS,) * 3, {"key_padding_mask": PADDED})[0])


def with_padding_by_hand(w):
    query, key, value = (WORDS @ part.T for part in (w, w.T, w @ w))
    heads = [slice(0, 2), slice(2, 4)]
    scores = [(query[..., h] @ key[..., h].transpose(1, 2) / 2**0.5).exp() * ~PADDED[:, None] for h in heads]
    return wavy(torch.cat([s / s.sum(2, keepdim=True) @ value[..., h] for s, h in zip(scores, heads, strict=True)], 2))


class Rounded(torch.autograd.Function):
    """Straight through: a derivative of its own, which is not that of its values."""

    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class OfNumpy(torch.autograd.Function):
    """Values that no trace sees."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.from_numpy(np.sin(x.detach().numpy())) ** 2

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * torch.from_numpy(np.sin(2 * x.numpy()))


#: A point, a loss, and the same written otherwise where PyTorch cannot differentiate it often enough.
SMOOTH = {
    "conv1d": (K1, lambda w: wavy(functional.conv1d(LINES, w, stride=2, padding=1))),
    "conv1d, dilated": (
        K1,
        lambda w: wavy(
            functional.conv1d(functional.conv1d(LINES, w, padding=2, dilation=2)[:, :3].tanh(), w, stride=2)
        ),
    ),
    "conv2d": (
        K2,
        lambda w: wavy(
            functional.conv2d(
                functional.conv2d(IMAGES, w, padding="same")[:, :2].tanh(), w, bias=w[:, 0, 0, 0], stride=(2, 3)
            )
        ),
    ),
    "conv2d, groups": (
        K2[:, :1],
        lambda w: wavy(
            functional.conv2d(
                functional.conv2d(IMAGES, w, groups=2, padding=1)[:, :2].tanh(), w, stride=(2, 3), groups=2
            )
        ),
    ),
    "conv3d": (K3, lambda w: wavy(functional.conv3d(VOLUMES, w))),
    "transposed conv1d": (
        T1,
        lambda w: wavy(functional.conv_transpose1d(LINES, w, stride=2, padding=1, output_padding=1)),
    ),
    "transposed conv2d": (
        T2,
        lambda w: wavy(
            functional.conv_transpose2d(
                functional.conv_transpose2d(IMAGES, w, stride=2).tanh(), w, stride=2, dilation=2, groups=1
            )
        ),
    ),
    "average pooling": (K2, lambda w: wavy(functional.avg_pool2d(image(w).tanh(), 3, 2, 1))),
    "average pooling of lines": (
        K1,
        lambda w: wavy(functional.avg_pool1d(functional.conv1d(LINES, w, padding=1).tanh(), 2)),
    ),
    "adaptive average": (K2, lambda w: wavy(functional.adaptive_avg_pool2d(image(w).tanh(), 4))),
    "interpolated": (K2, lambda w: wavy(functional.interpolate(w.tanh(), scale_factor=2, mode="bilinear"))),
    "chunk": (W, lambda w: wavy(w.chunk(2, 1)[0] * w.chunk(2, 1)[1].tanh())),
    "split": (W, lambda w: wavy(w.split([1, 3], 0)[1] ** 2) * w.split(1)[0].sum()),
    "unbind": (W, lambda w: sum(wavy(part) ** 2 for part in w.unbind(1))),
    "slices of three axes": (K1, lambda w: wavy(w.tanh()[..., 2:] * w[..., :1]) + wavy(w[:, 1:, ...] * w[:, :-1])),
    "reflected": (W, lambda w: wavy(functional.pad(w[None], (1, 1), mode="reflect") ** 2)),
    "circular": (W, lambda w: wavy(functional.pad(w[None], (1, 1), mode="circular") ** 2)),
    "unfolded": (K2, lambda w: wavy(functional.unfold(w.tanh(), 2))),
    "diagonals": (W, lambda w: wavy(torch.diag(w) * torch.diag_embed(w[0]).sum(1))),
    "written in place": (W, in_place),
    "masked": (W, lambda w: wavy(w[W > 0] * w[W > 0])),
    "mish": (W, lambda w: wavy(functional.mish(w @ w))),
    "glu": (W, lambda w: wavy(functional.glu(w @ w)), lambda w: wavy((w @ w)[:, :2] * torch.sigmoid((w @ w)[:, 2:]))),
    "softplus": (W, lambda w: wavy(functional.softplus(w @ w, 2.0))),
    "approximate gelu": (W, lambda w: wavy(functional.gelu(w @ w, approximate="tanh"))),
    "product": (W, lambda w: torch.prod(1 + w) + wavy((w @ w).prod(1))),
    "product with a zero": (
        W * torch.tensor([0.0, 1, 1, 1]),
        lambda w: (w.prod(1) * (1 + w[:, 1])).sum(),
        lambda w: (w[:, 0] * w[:, 1] * w[:, 2] * w[:, 3] * (1 + w[:, 1])).sum(),
    ),
    "inverse": (W, lambda w: wavy(torch.inverse(torch.stack([w, w.T]) + 3 * EYE))),
    "matrix power": (W, lambda w: wavy(torch.linalg.matrix_power(w, 3))),
    "variance": (W, lambda w: wavy(w.var(1)) + w.std()),
    "embedding": (W, lambda w: wavy(functional.embedding(PLACES, w, padding_idx=1) @ w)),
    "checkpoint": (
        W,
        lambda w: checkpoint(lambda v: wavy(torch.tanh(v @ v)), w, use_reentrant=False),
        lambda w: wavy(torch.tanh(w @ w)),
    ),
    "attention": (
        W,
        lambda w: wavy(functional.scaled_dot_product_attention(w[None], (w @ w)[None], w.T[None], is_causal=True)),
        lambda w: wavy(torch.softmax((w @ (w @ w).T / 2).masked_fill(ONES.triu(1) > 0, -1e300), 1) @ w.T),
    ),
    "a power by a tensor, of zeros": (CORNER, lambda w: wavy(w ** torch.tensor(3.0)), lambda w: wavy(w * w * w)),
    "powers by a tensor, of zeros": (
        CORNER,
        lambda w: wavy(w ** torch.tensor([0, 1, 2, 5])),
        lambda w: wavy(torch.stack([0 * w[:, 0] + 1, w[:, 1], w[:, 2] * w[:, 2], w[:, 3] * w[:, 3] ** 4], 1)),
    ),
    "attention with padding": (W, with_padding, with_padding_by_hand),
    "a hessian": (W, of_a_hessian, of_a_hessian_by_hand),
    "a hessian of parameters": (
        W[0],
        lambda w: wavy(torch.func.hessian(lambda v: torch.sin(v).sum())(w)),
        lambda w: wavy(torch.diag(-torch.sin(w))),
    ),
    "compiled": (
        W,
        torch.compile(lambda w: wavy(torch.tanh(w @ w)), backend="eager"),
        lambda w: wavy(torch.tanh(w @ w)),
    ),
    "binary cross-entropy of scores": (W, lambda w: functional.binary_cross_entropy_with_logits(w @ w, 0.3 * ONES)),
    "cross-entropy": (
        W,
        lambda w: functional.cross_entropy(w @ w, CLASSES, label_smoothing=0.1, weight=1 + CLASSES.double()),
    ),
    "a loss of a derivative": (
        W,
        of_a_derivative,
        lambda w: wavy((1 - torch.tanh(W[0] @ w) ** 2) @ w.T) + torch.tanh(W[0] @ w).sum(),
    ),
    "samples by vmap": (W, lambda w: torch.vmap(lambda row: wavy(torch.tanh(w @ row)))(W).sum()),
    "weight norm": (W, with_a_normal_weight, lambda w: wavy(W @ (w / w.square().sum(1, keepdim=True).sqrt()).T)),
    "instance norm": (K2, lambda w: wavy(functional.instance_norm(image(w))), of_each_instance),
    "small integers": (W, lambda w: wavy(w + torch.tensor([1, 2, 3, 4], dtype=torch.uint8)) + wavy(w * (W > 0))),
    "Poisson": (W, lambda w: functional.poisson_nll_loss(w @ w, W.abs())),
    "divergence": (
        W,
        lambda w: functional.kl_div(functional.log_softmax(w @ w, 1), torch.softmax(W, 1), reduction="batchmean"),
    ),
}
#: The same, and what the warning names.
KINKED = {
    "max pooling": (K2, lambda w: wavy(functional.max_pool2d(image(w), 3, 2, 1)), "max_pool2d"),
    "max pooling of lines": (
        K1,
        lambda w: wavy(functional.max_pool1d(functional.conv1d(LINES, w, padding=1), 2)),
        "max_pool2d",
    ),
    "adaptive max": (K2, lambda w: wavy(functional.adaptive_max_pool2d(image(w), 2)), "adaptive_max_pool2d"),
    "relu": (W, lambda w: wavy(torch.relu(w @ w)), "relu"),
    "elu": (W, lambda w: wavy(functional.elu(w @ w, 0.7)), "elu"),
    "celu": (W, lambda w: wavy(functional.celu(w @ w, 0.5)), "celu"),
    "selu": (W, lambda w: wavy(functional.selu(w @ w)), "elu"),
    "leaky relu": (W, lambda w: wavy(functional.leaky_relu(w @ w)), "leaky_relu"),
    "prelu": (W, lambda w: wavy(functional.prelu(w @ w, w[0, :1])), "prelu"),
    "hard tanh": (W, lambda w: wavy(functional.hardtanh(w @ w)), "hardtanh"),
    "hard swish": (W, lambda w: wavy(functional.hardswish(w @ w)), "hardswish"),
    "soft shrink": (W, lambda w: wavy(functional.softshrink(w @ w, 0.1)), "softshrink"),
    "max of rows": (W, lambda w: wavy((w @ w).max(1).values), "max"),
    "max of all": (W, lambda w: (w @ w).max() ** 2, "max"),
    "sort": (W, lambda w: wavy((w @ w).sort(1, descending=True).values), "sort"),
    "topk": (W, lambda w: wavy((w @ w).topk(2).values), "topk"),
    "median": (W, lambda w: wavy((w @ w).median(1).values), "median"),
    "gathered by argsort": (W, lambda w: wavy((w @ w).gather(1, (w @ w).argsort(1))), "sort"),
    "cosine similarity": (W, lambda w: wavy(functional.cosine_similarity(w, w.T @ w, dim=1)), "clamp_min"),
    "cosine similarity with a constant": (W, lambda w: wavy(functional.cosine_similarity(w, ONES, dim=1)), "clamp_min"),
    "hinge": (W, lambda w: functional.hinge_embedding_loss(w @ w, torch.sign(W)), "clamp_min"),
    "Huber": (
        W,
        lambda w: functional.huber_loss(w @ w, 2 * W),
        "huber_loss",
        lambda w: functional.smooth_l1_loss(w @ w, 2 * W),
    ),
    "floor": (W, lambda w: wavy(torch.floor(w / 0.3) * w**2), "floor"),
    "sign": (W, lambda w: wavy(torch.sign(w) * w**3), "sign"),
    "by the largest": (W, lambda w: wavy((w.argmax(1)[:, None] == CLASSES) * w**2), "argmax"),
    "to integers": (W, lambda w: wavy((3 * w).to(torch.int64) * w), "to_copy"),
    "where": (W, lambda w: wavy(torch.where(w > 0, w, w**2)), "gt"),
    "a mask of numbers": (W, lambda w: wavy((w > 0).double() * w**2), "gt"),
    "an if": (W, lambda w: wavy(w @ w) if w.sum() > 0 else wavy(w**3), "if"),
}
REFUSED = {
    "a power between at 0": (lambda w: (CORNER * w).abs().pow(2.5).sum(), r"'pow' has no derivatives of order 2"),
    "a root at 0": (lambda w: (CORNER * w).square().sqrt().sum(), r"has no derivatives of order 1 at params"),
    "what is no number": (lambda w: (w * torch.nan).sum(), r"it has no derivatives of order 1 at params"),
    "complex numbers": (lambda w: torch.fft.rfft(w).abs().square().sum(), r"'fft_r2c' makes complex numbers"),
    "dropout": (lambda w: functional.dropout(w).sum(), r"draws random numbers \(bernoulli\)"),
    "noise": (lambda w: (w * torch.randn(4, 4)).square().sum(), r"draws random numbers \(randn\)"),
    "a permutation": (lambda w: wavy(w[torch.randperm(4)]), r"draws random numbers \(randperm\)"),
    "a number read": (lambda w: w.square().sum() * w.sum().item(), r"reads a number out of a tensor"),
    "reentrant": (lambda w: checkpoint(lambda v: v.sum(), w, use_reentrant=True), r"give use_reentrant=False"),
    "a running statistic": (
        lambda w: torch.func.functional_call(SPECTRAL, {"parametrizations.weight.original": w}, (W,)).square().sum(),
        r"writes in place into a tensor that is no parameter.*call eval\(\)",
    ),
    "determinant": (torch.det, r"'_linalg_det' has no rule.*lookahead_field"),
    "norm of order 1": (lambda w: torch.linalg.norm(w, ord=1), r"the norm of order 1"),
    "gamma function": (lambda w: torch.lgamma(3 + w).sum(), r"'digamma' has no rule"),
    "running product": (lambda w: wavy(torch.cumprod(1 + w, 1)), r"'prod' has no rule.*lookahead_field"),
    "running logsumexp": (lambda w: wavy(torch.logcumsumexp(w @ w, 1)), r"'logcumsumexp' has no rule"),
    "Gaussian": (lambda w: functional.gaussian_nll_loss(w @ w, w.T, torch.exp(w)), r"reads a number out of a tensor"),
    "no scalar": (lambda w: w, r"returned \(4, 4\); return one real number"),
}


def same(point, loss, reference, **options):
    rows = eomsym.torch.counterterms(loss, point, 3, **options)
    for one, other in zip(rows, by_trees(reference, point, 3), strict=True):
        assert np.linalg.norm(flat(one) - other) <= 1e-9 * np.linalg.norm(other) + 1e-15


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_operations_are_right(name):
    point, loss, *written_out = SMOOTH[name]
    same(point, loss, written_out[0] if written_out else loss, smooth="error")


@pytest.mark.parametrize("name", KINKED)
def test_operations_with_kinks_are_as_pytorch_has_them_and_told_of_once(name):
    point, loss, told, *written_out = KINKED[name]
    with pytest.warns(KinkWarning, match=rf"not smooth, by ([\w, ]*, )?{told}\w*[,:]") as caught:
        same(point, loss, written_out[0] if written_out else loss)
    assert len(caught) == 1
    with pytest.raises(InputError, match=r"not smooth, by .*take smooth operations"):
        eomsym.torch.counterterms(loss, point, 1, smooth="error")


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    loss, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        eomsym.torch.counterterms(loss, W, 2, smooth="ignore")
    assert "\n" not in str(caught.value)


def test_random_numbers_of_others_are_caught_by_the_check():
    with pytest.raises(SeriesMismatchError, match="the loss is another each time"):
        eomsym.torch.counterterms(lambda w: ((w * torch.from_numpy(RANDOM.random((4, 4)))) ** 3).sum(), W, 1)


def test_straight_through_moves_as_its_own_gradient_does():
    """g = 3 w² + 2 w r where r = round(3 w) is what it is near by: ξ_0 = ½ (6 w + 2 r) g."""
    with pytest.warns(KinkWarning, match="not smooth, by round:"):
        rows = eomsym.torch.counterterms(lambda w: (Rounded.apply(3 * w) * w**2).sum(), W, 1)
    whole = torch.round(3 * W)
    gradient = 3 * W**2 + 2 * W * whole
    np.testing.assert_allclose(rows[0], gradient, rtol=1e-13)
    np.testing.assert_allclose(rows[1], (3 * W + whole) * gradient, rtol=1e-13)


def test_values_that_no_trace_sees_are_caught_by_the_check():
    with pytest.raises(SeriesMismatchError, match="no operation is to blame"):
        eomsym.torch.counterterms(lambda w: OfNumpy.apply(w @ W).sum(), W, 2)


def test_few_digits_are_told_of():
    loss = lambda w: torch.tanh(w @ w).square().sum()  # noqa: E731
    with pytest.warns(PrecisionWarning, match=r"params in numbers of precision 1e-07: of row 7 up to about 3e-03"):
        eomsym.torch.counterterms(loss, W.float(), 7)
    with pytest.warns(PrecisionWarning, match=r"params .*of row 3 up to about 2e-03"):
        eomsym.torch.counterterms(loss, W.float(), 3, optimizer="adam")
    with pytest.warns(PrecisionWarning, match=r"the operation to_copy in numbers of precision 1e-07: of row 2"):
        eomsym.torch.counterterms(lambda w: loss(w.float()).double(), W, 2)
    with pytest.raises(InputError, match="smooth 'often': unknown; choose from warn, error, ignore"):
        eomsym.torch.counterterms(loss, W, 1, smooth="often")


@pytest.mark.parametrize("optimizer", ["gradient-descent", "heavy-ball"])
def test_what_is_not_told_of_has_its_digits(optimizer):
    """Weights so large that most units saturate, where single precision is worst."""
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(50, 20, generator=random, dtype=torch.float64)
    params = [2 * torch.randn(20, 20, generator=random, dtype=torch.float64) / 20**0.5 for _ in range(4)]

    def loss(p):
        x = inputs.to(p[0].dtype)
        for weight in p:
            x = torch.tanh(x @ weight)
        return x.sum(1).square().mean()

    exact, single = (
        eomsym.torch.counterterms(loss, leaves, 6, optimizer=optimizer)
        for leaves in (params, [leaf.float() for leaf in params])
    )
    for order, (one, other) in enumerate(zip(single, exact, strict=True)):
        assert np.linalg.norm(flat(one) - flat(other)) <= 1.2e-7 * 10 * 3**order * np.linalg.norm(flat(other))
