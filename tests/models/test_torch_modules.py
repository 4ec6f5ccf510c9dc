"""A Sequential of PyTorch as an MLP: what it becomes, and what is refused by its name."""

import sys
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch import nn  # noqa: E402

from eomsym.errors import InputError, LossScaleWarning  # noqa: E402
from eomsym.models import MLP  # noqa: E402


def network(*between, layers=(4, 3, 2)):
    """Linear with these after each but the last."""
    modules = [nn.Linear(layers[0], layers[1])]
    for rows, columns in pairwise(layers[1:]):
        modules += [*between, nn.Linear(rows, columns)]
    return nn.Sequential(*modules)


@pytest.mark.parametrize(
    ("between", "activation"),
    [
        ([nn.Tanh()], "tanh"),
        ([nn.Sigmoid()], "sigmoid"),
        ([nn.Softplus()], "softplus"),
        ([nn.GELU()], "gelu"),
        ([nn.SiLU()], "silu"),
        ([nn.Identity()], "identity"),
        ([], "identity"),
    ],
)
def test_what_it_becomes(between, activation):
    made = MLP.from_torch(network(*between, layers=(5, 4, 3, 2)), "mse", weight_decay=0.1)
    assert made == MLP([5, 4, 3, 2], activation, "mse", 0.1)


@pytest.mark.parametrize(("outputs", "times"), [(1, "twice"), (3, "2/3 times")])
def test_where_mse_is_another_multiple_than_pytorchs_it_is_said(outputs, times):
    """One step at the learning rate that the warning names is the step of the loop in PyTorch."""
    module = network(nn.Tanh(), layers=(4, 3, outputs))
    with pytest.warns(LossScaleWarning, match=f"{times} as much: give {times} PyTorch's learning rate here"):
        MLP.from_torch(module, "mse")
    out, right = torch.randn(7, outputs), torch.randn(7, outputs)
    own = (out - right).square().sum(1).mean() / 2
    torch.testing.assert_close(nn.MSELoss()(out, right) / own, torch.tensor(2 / outputs))


def test_one_inside_another():
    inner = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    assert MLP.from_torch(nn.Sequential(inner, nn.Linear(3, 2))) == MLP([4, 3, 2], "tanh")
    assert MLP.from_torch(nn.Sequential(nn.Linear(4, 2))) == MLP([4, 2], "identity")


def test_without_biases():
    made = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Tanh(), nn.Linear(3, 2, bias=False))
    assert MLP.from_torch(made) == MLP([4, 3, 2], "tanh", bias=False)


class Own(nn.Linear):
    """What it does is its own affair."""


SHARED = nn.Linear(2, 2)
REFUSED = {
    "relu": (network(nn.ReLU()), r"module 1 \(ReLU\): it has no second derivative; take Softplus or GELU"),
    "another gelu": (
        network(nn.GELU("tanh")),
        r"module 1 \(GELU\): approximate = 'tanh' is another .* give approx.*'none'",
    ),
    "another softplus": (network(nn.Softplus(2)), r"module 1 \(Softplus\): beta = 2 is another function; give beta=1"),
    "softplus, cut": (network(nn.Softplus(threshold=2)), r"threshold = 2 makes it another function; give 20 or more"),
    "convolution": (network(nn.Conv1d(1, 1, 1)), r"module 1 \(Conv1d\): an MLP is made of Linear, Tanh, Sigmoid"),
    "dropout": (network(nn.Tanh(), nn.Dropout()), r"module 2 \(Dropout\)"),
    "two kinds": (
        nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.SiLU(), nn.Linear(2, 2)),
        "module 3 is silu, others tanh; an MLP has one for all",
    ),
    "one left out": (nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Linear(2, 2)), "identity"),
    "one bias missing": (
        nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False)),
        r"module 1 \(Linear\): without a bias, the first with; an MLP has one in each layer or in none",
    ),
    "one bias left": (
        nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2)),
        r"module 1 \(Linear\): with a bias, the first without; an MLP has one",
    ),
    "widths": (
        nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(3, 2)),
        r"module 2 \(Linear\): takes 3 .* there are 2",
    ),
    "begins with one": (nn.Sequential(nn.Tanh(), nn.Linear(2, 2)), r"module 0 \(Tanh\): an activation stands between"),
    "two in one place": (network(nn.Tanh(), nn.Tanh()), r"module 2 \(Tanh\): an activation stands between"),
    "ends with one": (nn.Sequential(nn.Linear(2, 2), nn.Tanh()), "the last module is not Linear"),
    "nothing": (nn.Sequential(), "the last module is not Linear"),
    "a module of one's own": (nn.Sequential(Own(2, 2)), r"module 0 \(Own\): an MLP is made of"),
    "shared weights": (nn.Sequential(SHARED, nn.Tanh(), SHARED), r"module 2 \(Linear\): stands there twice"),
    "no sequential": (nn.Linear(2, 2), r"sequential: Linear; give a torch\.nn\.Sequential"),
    "no module": (3, r"sequential: int; give a torch\.nn\.Sequential"),
    "one output for classes": (nn.Sequential(nn.Linear(2, 1)), "cross-entropy needs at least 2 outputs"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    sequential, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        MLP.from_torch(sequential)
    assert "\n" not in str(caught.value)


def test_the_room_does_not_import_pytorch():
    assert "torch" not in vars(sys.modules["eomsym.models.torch_modules"])
