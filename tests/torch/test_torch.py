"""Counter terms and look-ahead field of PyTorch models."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.nn import functional  # noqa: E402
from torch.utils import _pytree as pytree  # noqa: E402

import eomsym  # noqa: E402
import eomsym.torch  # noqa: E402
from eomsym.codegen import KernelSpec, kernel_for  # noqa: E402
from eomsym.errors import InputError, IntegrationError  # noqa: E402
from eomsym.models import MLP, dataset  # noqa: E402

RANDOM = np.random.default_rng(0)
X, Y = (torch.from_numpy(RANDOM.standard_normal((5, 3))) for _ in range(2))
LABELS = torch.tensor([0, 2, 1, 1, 0])
W = {"w": torch.from_numpy(RANDOM.standard_normal((3, 3)) / 2), "b": torch.from_numpy(RANDOM.standard_normal(3) / 5)}


def flat(tree):
    return torch.cat([leaf.detach().reshape(-1) for leaf in pytree.tree_leaves(tree)]).numpy()


def along(function, direction):
    """The derivative of a function along a direction."""
    return lambda point: torch.func.jvp(function, (point,), (direction,))[1]


def by_trees(loss, params, order):
    """``[g, ξ_0, …]`` with every elementary differential by nested torch.func.jvp."""
    gradient = torch.func.grad(loss)

    def value(tree):
        function = gradient
        for argument in [value(child) for child in tree.children]:
            function = along(function, argument)
        return function(params)

    rows = eomsym.derive(order=order).rows[1:]
    return [flat(gradient(params))] + [
        sum(float(weight) * flat(value(tree)) for tree, weight in row.items()) for row in rows
    ]


def layer(p, x):
    return x @ p["w"] + p["b"]


LOSSES = {
    "cross-entropy": lambda p: functional.cross_entropy(layer(p, torch.tanh(layer(p, X))), LABELS),
    "activations": lambda p: (
        functional.gelu(layer(p, X)) * Y + functional.silu(layer(p, Y)) + functional.softplus(layer(p, X))
    ).sum(),
    "layer norm": lambda p: (functional.layer_norm(layer(p, X), (3,)) * Y).pow(3).mean(),
    "softmax": lambda p: (torch.softmax(layer(p, X), 1) @ layer(p, Y[:3]) - 1).square().sum(),
    "powers": lambda p: (
        (2 + p["w"]).pow(2.5).sum()
        + (2.0 ** p["b"]).sum()
        + ((2 + p["b"]) ** p["w"]).sum()
        + (3 + p["b"]).pow(-2).sum()
    ),
    "elementary": lambda p: (
        (torch.sin(p["w"]) * torch.cosh(p["b"]) + torch.atan(p["w"]) / (2 + p["b"]) + torch.erf(p["w"])).sum()
        + torch.log1p(p["b"] ** 2).sum()
        + torch.rsqrt(2 + p["b"]).sum()
        + torch.linalg.norm(p["w"])
    ),
    "choices": lambda p: (
        torch.where(p["w"] > 0, p["w"].sin(), p["w"] ** 2).sum()
        + torch.maximum(p["w"], p["b"]).square().sum()
        + p["w"].abs().pow(3).sum()
        + torch.cat([p["b"], p["b"]])[::2].pow(4).sum()
        + torch.relu(p["w"]).pow(3).sum()
    ),
}


def written_out(p):
    """The same loss as "layer norm": derivatives of PyTorch's own beyond the second are wrong (seen in 2.13)."""
    z = layer(p, X)
    centred = z - z.mean(1, keepdim=True)
    return (centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * Y).pow(3).mean()


# Forward mode of PyTorch, which only this reference uses, compiles its formulas by a function that is deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit", "ignore:There is a performance drop")
@pytest.mark.parametrize("name", LOSSES)
def test_against_elementary_differentials(name):
    found = eomsym.torch.counterterms(LOSSES[name], W, 2, smooth="ignore")
    reference = written_out if name == "layer norm" else LOSSES[name]
    for one, other in zip(found, by_trees(reference, W, 2), strict=True):
        np.testing.assert_allclose(flat(one), other, rtol=1e-10, atol=1e-12 * np.linalg.norm(other) + 1e-15)


def test_an_mlp_on_digits_agrees_with_the_numba_kernel():
    model = MLP([64, 32, 10], "tanh", "cross-entropy")
    inputs, targets = dataset("digits").arrays
    theta = model.initial(0)
    rows = kernel_for(KernelSpec(model, 5)).counterterms(theta, inputs, targets)
    network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.Tanh(), torch.nn.Linear(32, 10)).double()
    w, b, v, c = np.split(theta, np.cumsum([64 * 32, 32, 32 * 10]))
    params = {
        name: torch.from_numpy(np.ascontiguousarray(part))
        for name, part in (
            ("0.weight", w.reshape(64, 32).T),
            ("0.bias", b),
            ("2.weight", v.reshape(32, 10).T),
            ("2.bias", c),
        )
    }
    x, y = torch.from_numpy(inputs), torch.from_numpy(targets)

    def loss(p):
        return functional.cross_entropy(torch.func.functional_call(network, p, (x,)), y)

    for one, other in zip(eomsym.torch.counterterms(loss, params, 5), rows, strict=True):
        ours = np.concatenate(
            [one["0.weight"].T.reshape(-1), one["0.bias"], one["2.weight"].T.reshape(-1), one["2.bias"]]
        )
        assert np.linalg.norm(ours - other) <= 1e-10 * np.linalg.norm(other)


def test_single_precision_and_the_field():
    single = {name: leaf.float() for name, leaf in W.items()}
    loss = lambda p: (torch.tanh(X.to(p["w"].dtype) @ p["w"] + p["b"]) ** 2).sum()  # noqa: E731
    exact = eomsym.torch.counterterms(loss, W, 3)
    for one, other in zip(eomsym.torch.counterterms(loss, single, 3), exact, strict=True):
        assert one["w"].dtype == torch.float32
        assert np.linalg.norm(flat(one) - flat(other)) <= 1e-5 * np.linalg.norm(flat(other))
    field = flat(eomsym.torch.equation_of_motion(loss, W, 0.1, 3))
    np.testing.assert_allclose(field, -sum(0.1**k * flat(row) for k, row in enumerate(exact)), rtol=1e-13)


def descended(gradient, params, eta, steps):
    for _ in range(steps):
        params = pytree.tree_map(lambda y, g: y - eta * g, params, gradient(params))
    return params


def slope(order):
    gradient = torch.func.grad(lambda p: (torch.tanh(layer(p, X)) - 0.5 * torch.tanh(Y)).square().mean())
    errors = []
    for eta in (0.025, 0.0125):
        field = lambda p, eta=eta: eomsym.torch.lookahead_field(gradient, p, eta, order)  # noqa: E731
        end = eomsym.torch.integrate(field, W, 2.0, tolerance=1e-13)
        errors.append(np.linalg.norm(flat(end) - flat(descended(gradient, W, eta, round(2.0 / eta)))))
    return np.log2(errors[0] / errors[1])


@pytest.mark.parametrize("order", range(5))
def test_slope_of_the_lookahead_field_is_one_more_than_its_order(order):
    assert slope(order) == pytest.approx(order + 1, abs=0.1)


def test_a_field_one_order_short_fails_the_same_test():
    assert slope(1) != pytest.approx(3, abs=0.1)


def test_what_cannot_be_done_is_said_in_one_line():
    for call, what in (
        (lambda: eomsym.torch.counterterms(lambda p: torch.special.gammaln(p).sum(), torch.ones(3), 1), "digamma"),
        (lambda: eomsym.torch.counterterms(torch.sum, torch.arange(3), 1), "int64"),
        (lambda: eomsym.torch.counterterms(torch.sum, [1.0], 1), "float"),
        (lambda: eomsym.torch.counterterms(torch.sum, torch.ones(3), 17), "0 to 16"),
        (lambda: eomsym.torch.lookahead_field(torch.sin, torch.ones(3), 0.1, 21), "0 to 20"),
        (lambda: eomsym.torch.integrate(torch.sin, torch.ones(3), -1.0), "above 0"),
    ):
        with pytest.raises(InputError, match=what) as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(IntegrationError):
        eomsym.torch.integrate(lambda y: y**2, torch.ones(1), 2.0)
