"""θ and the parameters of PyTorch and flax, both ways; kernels against the modules that the numbers came from."""

import warnings

import numpy as np
import pytest
import shared_kernels

from eomsym.errors import InputError, LossScaleWarning

#: Layers 2-4-4-3.
KERNEL = "silu cross-entropy"
SHAPES = ((2, 4), (4, 4), (4, 3))


def theta_of(kernel):
    return kernel.model.initial(3)


@pytest.fixture(scope="module")
def kernel():
    return shared_kernels.kernel(KERNEL)


@pytest.fixture(scope="module")
def flax_like(kernel):
    return kernel.unpack(theta_of(kernel), {f"Dense_{i}": {"kernel": 0, "bias": 0} for i in range(3)})


def test_names_and_shapes(kernel, flax_like):
    made = kernel.unpack(theta_of(kernel))
    assert list(made) == [f"{2 * i}.{kind}" for i in range(3) for kind in ("weight", "bias")]
    for i, (rows, columns) in enumerate(SHAPES):
        assert made[f"{2 * i}.weight"].shape == (columns, rows)
        assert flax_like[f"Dense_{i}"]["kernel"].shape == (rows, columns)
        np.testing.assert_array_equal(made[f"{2 * i}.weight"].T, flax_like[f"Dense_{i}"]["kernel"])
    np.testing.assert_array_equal(made["0.weight"][1], theta_of(kernel)[1:8:4])


@pytest.mark.parametrize("like", [None, "flax", "renamed"])
def test_there_and_back(like, kernel, flax_like):
    theta = theta_of(kernel)
    given = {None: None, "flax": flax_like, "renamed": {f"{n}.{k}": 0 for n in "cab" for k in ("weight", "bias")}}[like]
    made = kernel.unpack(theta, given)
    assert list(made) == list(given or made)
    np.testing.assert_array_equal(kernel.pack(made), theta)
    before = theta.copy()
    for value in made.values():
        (value["bias"] if isinstance(value, dict) else value)[...] = 0
    np.testing.assert_array_equal(theta, before)


def test_numbers_in_names_say_the_order(kernel, flax_like):
    """A tree of JAX sorts its keys: Dense_10 before Dense_9."""
    renamed = dict(zip(("Dense_8", "Dense_9", "Dense_10"), flax_like.values(), strict=True))
    np.testing.assert_array_equal(kernel.pack(dict(sorted(renamed.items()))), theta_of(kernel))


def changed(parameters, **entries):
    return parameters | {name.replace("_", ".", 1): value for name, value in entries.items()}


def test_without_biases():
    kernel = shared_kernels.kernel("identity mse, no bias")
    made = kernel.unpack(theta_of(kernel))
    assert [(name, value.shape) for name, value in made.items()] == [
        (f"{2 * i}.weight", (columns, rows)) for i, (rows, columns) in enumerate(SHAPES)
    ]
    np.testing.assert_array_equal(kernel.pack(made), theta_of(kernel))
    flax_tree = kernel.unpack(theta_of(kernel), {f"Dense_{i}": {"kernel": 0} for i in range(3)})
    np.testing.assert_array_equal(kernel.pack(flax_tree), theta_of(kernel))
    with pytest.raises(InputError, match=r"0 has weight, bias; give .*, no bias for a model without"):
        kernel.pack(made | {"0.bias": np.zeros(4)})


REFUSED = {
    "a list": (lambda p: list(p.values()), "parameters: list; give a state_dict"),
    "a layer less": (lambda p: dict(list(p.items())[:4]), r"2 layers; this model has 3, of widths \(2, 4, 4, 3\)"),
    "no bias": (lambda p: {"0.weight": p["0.weight"]}, "0 has weight; give a state_dict"),
    "something else": (lambda p: p | {"num": 1}, "they has num; give a state_dict"),
    "transposed": (lambda p: changed(p, **{"0_weight": p["0.weight"].T}), r"0\.weight: shape \(2, 4\); give \(4, 2\)"),
    "integers": (lambda p: changed(p, **{"2_bias": np.arange(4)}), r"2\.bias: int64; a kernel takes float64"),
    "too many digits": (
        lambda p: changed(p, **{"2_bias": np.arange(4, dtype=np.longdouble)}),
        "takes float64, convert",
    ),
    "ragged": (lambda p: changed(p, **{"2_bias": [[1.0], 2.0]}), r"2\.bias: .*; give float64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, kernel):
    change, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        kernel.pack(change(kernel.unpack(theta_of(kernel))))


def test_what_cannot_be_unpacked(kernel):
    with pytest.raises(InputError, match="like: 1 layers; this model has 3"):
        kernel.unpack(theta_of(kernel), {"0.weight": 0, "0.bias": 0})
    with pytest.raises(InputError, match="theta: shape"):
        kernel.unpack(theta_of(kernel)[1:])


ACTIVATIONS = ("tanh mse", "tanh cross-entropy", "sigmoid cross-entropy", "softplus cross-entropy", "gelu mse", KERNEL)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "identity mse"])
def test_a_kernel_is_the_module(name):
    """Loss and gradient to 1e−12, counter terms to order 3 to 1e−10, with weight decay where the kernel has it."""
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    import eomsym.torch
    from eomsym.models import MLP

    kinds = {"tanh": "Tanh", "sigmoid": "Sigmoid", "softplus": "Softplus", "gelu": "GELU", "silu": "SiLU"}
    nn, kernel = torch.nn, shared_kernels.kernel(name)
    model, act = kernel.model, kinds.get(kernel.model.activation, "Identity")
    torch.manual_seed(0)
    module = nn.Sequential(*[part for r, c in SHAPES for part in (nn.Linear(r, c), getattr(nn, act)())][:-1]).double()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossScaleWarning)
        assert MLP.from_torch(module, model.loss, model.weight_decay) == model
    random = np.random.default_rng(0)
    inputs = random.standard_normal((5, 2))
    targets = random.standard_normal((5, 3)) if model.loss == "mse" else random.integers(0, 3, 5)

    def loss(p):
        out, right = torch.func.functional_call(module, p, torch.from_numpy(inputs)), torch.from_numpy(targets)
        fit = (
            (out - right).square().sum(1).mean() / 2 if model.loss == "mse" else nn.functional.cross_entropy(out, right)
        )
        return fit + model.weight_decay / 2 * sum(value.square().sum() for value in p.values())

    params = dict(module.named_parameters())
    theta = kernel.pack(module.state_dict())
    back = kernel.unpack(theta, params)
    assert all(torch.equal(back[key], value) for key, value in params.items())
    module.load_state_dict(back)
    assert kernel.loss(theta, inputs, targets) == pytest.approx(loss(params).item(), rel=1e-12)
    rows = eomsym.torch.counterterms(loss, params, 3)
    np.testing.assert_allclose(kernel.pack(rows[0]), kernel.gradient(theta, inputs, targets), rtol=0, atol=1e-12)
    for row, own in zip(rows, kernel.counterterms(theta, inputs, targets, order=3), strict=True):
        assert np.linalg.norm(kernel.pack(row) - own) <= 1e-10 * np.linalg.norm(own)


def test_numbers_that_pytorch_alone_has_are_refused(kernel):
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    given = {key: torch.from_numpy(value) for key, value in kernel.unpack(theta_of(kernel)).items()}
    with pytest.raises(InputError, match=r"bias: .*BFloat16; give float64"):
        kernel.pack(given | {"2.bias": given["2.bias"].bfloat16()})


def test_flax(kernel, flax_like):
    nnx = pytest.importorskip("flax.nnx", reason="flax is not installed")
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        layers = [nnx.Linear(rows, columns, rngs=nnx.Rngs(0), param_dtype="float64") for rows, columns in SHAPES]
        params = {str(i): {"kernel": layer.kernel[...], "bias": layer.bias[...]} for i, layer in enumerate(layers)}
        theta = kernel.pack(params)
        x = jax.numpy.asarray(np.random.default_rng(0).standard_normal((5, 2)))
        out = layers[2](jax.nn.silu(layers[1](jax.nn.silu(layers[0](x)))))
        labels = np.array([0, 2, 1, 0, 1])
        right = -jax.nn.log_softmax(out)[np.arange(5), labels].mean()
    assert not np.asarray(x).flags.writeable
    assert kernel.loss(theta, np.asarray(x), labels) == pytest.approx(float(right), rel=1e-12)
