"""A loss that is followed once: the second call refuses, warns and checks as the first does."""

import gc
import warnings
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

from torch.nn import functional  # noqa: E402

import eomsym.torch  # noqa: E402
from eomsym.errors import InputError, KinkWarning, PrecisionWarning, SeriesMismatchError  # noqa: E402
from eomsym.torch.library import LIBRARY  # noqa: E402
from eomsym.torch.rules import RULES  # noqa: E402
from eomsym.torch.tracing import flatten, gradient_function  # noqa: E402

W = torch.tensor([[0.3, -0.7, 0.2], [0.5, 0.1, -0.4]], dtype=torch.float64)
X = torch.tensor([[1.0, 2.0], [-0.5, 0.3], [0.7, -1.1]], dtype=torch.float64)


def perceptron(w):
    return functional.mse_loss(torch.tanh(X @ w) @ w.t(), X)


def told(loss, params):
    """The rows, and what is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = eomsym.torch.counterterms(loss, params, 2)
    return rows, [(warning.category, str(warning.message)) for warning in caught]


#: A loss, places one after the other, and what is told of.
TOLD = {
    "smooth": (perceptron, (W, 2 * W), None),
    "relu, all on": (lambda w: torch.relu(w).square().sum(), (abs(W), W, -abs(W)), KinkWarning),
    "relu, all off": (lambda w: torch.relu(w).square().sum(), (-abs(W), W, abs(W)), KinkWarning),
    "a hinge, named by the loss": (lambda w: (1 - w).clamp(min=0).sum(), (W, 5 + W), KinkWarning),
    "a step added": (lambda w: perceptron(w) + torch.floor(w).sum(), (W, 3 * W), KinkWarning),
    "coarse numbers": (lambda w: torch.sin(w.float()).double().square().sum(), (W, 3 * W), PrecisionWarning),
}


@pytest.mark.parametrize("name", TOLD)
def test_every_call_tells_the_same_and_is_that_of_a_new_loss(name):
    loss, places, category = TOLD[name]
    followed = eomsym.torch.traced(loss)
    for place in places:
        rows, said = told(followed, place)
        expected, first = told(loss, place)
        assert said == first
        assert {kind for kind, _ in said} == ({category} if category else set())
        for row, other in zip(rows, expected, strict=True):
            np.testing.assert_array_equal(row, other)


def test_every_call_refuses():
    followed = eomsym.torch.traced(lambda w: torch.relu(w).sum())
    for _ in range(2):
        with pytest.raises(InputError, match="not smooth, by relu"):
            eomsym.torch.counterterms(followed, W, 1, smooth="error")
    followed = eomsym.torch.traced(lambda w: torch.special.i0(w).sum())
    for _ in range(2):
        with pytest.raises(InputError, match="has no rule for power series"):
            eomsym.torch.counterterms(followed, W, 1)


def test_every_call_is_checked(monkeypatch):
    followed = eomsym.torch.traced(perceptron)
    eomsym.torch.counterterms(followed, W, 2)
    right = RULES["tanh"]

    def wrong(*given):
        rule = right(*given)
        return lambda level: [[1.05 * row for row in rows] for rows in rule(level)]

    monkeypatch.setitem(RULES, "tanh", wrong)
    for _ in range(2):
        with pytest.raises(SeriesMismatchError, match="part at the operation 'tanh'"):
            eomsym.torch.counterterms(followed, W, 2)


def test_parameters_of_other_kinds():
    """Another precision, other shapes: the right rows and warnings for each, in any order."""
    followed = eomsym.torch.traced(lambda w: torch.sin(w).square().sum())
    for _ in range(2):
        for place in (W, W.float(), W[0], W.half(), W.t(), W[0, 0]):
            rows, said = told(followed, place)
            assert [kind for kind, _ in said] == ([PrecisionWarning] if place.dtype == torch.float16 else [])
            for row, other in zip(rows, told(lambda w: torch.sin(w).square().sum(), place)[0], strict=True):
                np.testing.assert_array_equal(row, other)
                assert row.dtype == place.dtype
                assert row.shape == place.shape


def test_no_call_leaves_its_values_behind():
    followed = eomsym.torch.traced(lambda w, data: functional.mse_loss(torch.tanh(data @ w), data))
    params, data = W[:, :2].clone(), X.clone()
    eomsym.torch.counterterms(followed, params, 2, data=data)
    kept = weakref.ref(params), weakref.ref(data)
    before = _tensors()
    eomsym.torch.counterterms(followed, params, 3, data=data)
    assert _tensors() == before
    del params, data
    gc.collect()
    assert [one() for one in kept] == [None, None]


@pytest.mark.parametrize("check", [True, False])
def test_what_a_call_made_is_freed_as_it_ends(check):
    """Not when the garbage collector comes, which counts objects and not how large they are."""
    followed = eomsym.torch.traced(perceptron)
    eomsym.torch.counterterms(followed, W, 2, check=check)
    before = _tensors()
    gc.disable()
    try:
        eomsym.torch.counterterms(followed, W, 2, check=check)
        after = _tensors(collect=False)
    finally:
        gc.enable()
    assert after == before


def _tensors(collect=True):
    if collect:
        gc.collect()
    return sum(isinstance(one, torch.Tensor) for one in gc.get_objects())


def test_tensors_that_change_in_place_are_seen():
    """Only what is made of numbers alone is made once."""
    weights = torch.ones(3, dtype=torch.float64)
    loss = lambda w: (2 * weights * torch.ones_like(weights) * torch.sin(w)).square().mean()  # noqa: E731
    followed = eomsym.torch.traced(loss)
    for _ in range(2):
        for row, other in zip(told(followed, W)[0], told(loss, W)[0], strict=True):
            np.testing.assert_array_equal(row, other)
        weights.mul_(1.5)


def test_the_loss_itself_and_what_changes_nothing_is_not_run():
    gradient = gradient_function(perceptron, None, LIBRARY.flatten(W)[1])
    program = flatten(gradient, [W])
    names = [instruction.name for instruction in program.wanted]
    assert not {"detach", "ones_like", "expand", "div"} & set(names)
    np.testing.assert_allclose(program.run([W])[0], gradient(W)[0], rtol=1e-14)


@pytest.mark.parametrize("order", [0, 2])
def test_rows_are_the_caller_s_own(order):
    """Of b the loss is independent, so that its rows are zeros that the followed program keeps; of c it is linear."""
    weights = torch.tensor([0.5, 0.25], dtype=torch.float64)
    loss = eomsym.torch.traced(lambda p: (p["a"] ** 2).sum() + (weights * p["c"]).sum())
    params = {name: torch.tensor([1.0, 2.0], dtype=torch.float64) for name in "abc"}
    first = eomsym.torch.counterterms(loss, params, order)
    kept = [{name: part.clone() for name, part in row.items()} for row in first]
    for row in first:
        for part in row.values():
            part.add_(7.0)
    again = eomsym.torch.counterterms(loss, params, order)
    assert all(torch.equal(row[name], old[name]) for row, old in zip(again, kept, strict=True) for name in row)
    assert weights.tolist() == [0.5, 0.25]
    assert params["c"].tolist() == [1.0, 2.0]
