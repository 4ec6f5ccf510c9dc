"""Data in batches through both doors: the same rows as all at once, or a refusal; traced losses."""

import importlib
from contextlib import nullcontext

import numpy as np
import pytest

from eomsym.errors import InputError, SeriesMismatchError

RANDOM = np.random.default_rng(0)
X, LABELS, W, V = RANDOM.standard_normal((7, 4)), RANDOM.integers(0, 3, 7), *RANDOM.standard_normal((2, 4, 3)) / 2
DATA = {"x": X, "y": LABELS}


def jax_door():
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    jnp = jax.numpy

    def loss(params, data):
        scores = jnp.tanh(data["x"] @ params["w"]) @ params["v"][:3]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), data["y"][:, None], 1))

    return "jax", jnp.asarray, loss, jax.grad


def torch_door():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

    def loss(params, data):
        return torch.nn.functional.cross_entropy(torch.tanh(data["x"] @ params["w"]) @ params["v"][:3], data["y"])

    return "torch", torch.from_numpy, loss, torch.func.grad


@pytest.fixture(params=[jax_door, torch_door], ids=["jax", "torch"])
def door(request):
    """The module, its loss of params and data, params, data, and its gradient of a function."""
    name, array, loss, grad = request.param()
    with importlib.import_module("jax").enable_x64(True) if name == "jax" else nullcontext():
        params = {"w": array(W), "v": array(V)}
        yield (
            importlib.import_module(f"eomsym.{name}"),
            loss,
            params,
            {k: array(part) for k, part in DATA.items()},
            grad,
        )


def distance(rows, others):
    return max(
        float(abs(np.asarray(one[name]) - np.asarray(other[name])).max() / abs(np.asarray(other[name])).max())
        for one, other in zip(rows, others, strict=True)
        for name in other
    )


@pytest.mark.parametrize(("size", "order"), [(None, 1), (1, 1), (3, 2), (99, 1)])
def test_batches_of_any_size(door, size, order):
    module, loss, params, data, _ = door
    whole = module.counterterms(lambda p: loss(p, data), params, order)
    assert distance(module.counterterms(loss, params, order, data=data, batch_size=size), whole) < 1e-13


def test_unweighted_the_rest_would_count_too_much(door):
    """The negative control: the mean over batches of 3, 3 and 1 of 7 is not that over samples."""
    module, loss, params, data, _ = door
    pieces = [{name: part[start : start + 3] for name, part in data.items()} for start in (0, 3, 6)]
    mean = module.counterterms(lambda p: sum(loss(p, piece) for piece in pieces) / 3, params, 1)
    assert distance(mean, module.counterterms(loss, params, 1, data=data, batch_size=3)) > 1e-3


def test_memory_and_a_field(door):
    module, loss, params, data, grad = door
    options = {"optimizer": "heavy-ball", "beta": "1/2"}
    whole = module.counterterms(lambda p: loss(p, data), params, 1, **options)
    assert distance(module.counterterms(loss, params, 1, data=data, batch_size=4, **options), whole) < 1e-13
    found = module.counterterms(None, params, 1, field=grad(loss), data=data, batch_size=4, **options)
    assert distance(found, whole) < 1e-13


def test_what_is_no_mean_is_refused(door):
    module, loss, params, data, _ = door
    summed = lambda p, d: loss(p, d) * len(d["y"])  # noqa: E731
    normed = lambda p, d: loss(p, d | {"x": d["x"] - d["x"].mean(0)})  # noqa: E731
    for wrong in (summed, normed):
        module.counterterms(wrong, params, 1, data=data)  # of all at once it is what it is
        for size in (1, 4):
            with pytest.raises(InputError, match="not a mean over samples"):
                module.counterterms(wrong, params, 1, data=data, batch_size=size)
    for options, what in (
        ({"batch_size": 2}, "give data"),
        ({"data": data, "batch_size": 0}, "batch_size"),
        ({"data": {**data, "y": data["y"][:5]}}, "as many in each"),
        ({"data": {}}, "samples"),
    ):
        with pytest.raises(InputError, match=what):
            module.counterterms(loss, params, 1, **options)


def padded(of, lengths):
    """Sentences of so many words: the others are padding."""
    words = np.arange(W.shape[1])[None] < np.array(lengths)[:, None]
    return {"x": of(X), "words": of(words.astype(int))}


def mean_over_words(params, data):
    """In either library; 0/0 where all is padding."""
    scores = data["x"] @ (params["w"] * params["v"] + params["w"])
    return ((scores**2 - scores) * data["words"]).sum() / data["words"].sum()


@pytest.mark.parametrize(
    ("lengths", "size"),
    [((3, 3, 3, 3, 3, 1, 2), 2), ((3, 3, 3, 3, 2, 2, 2), 2), ((3, 3, 3, 3, 2, 2, 2), 1), ((3, 3, 3, 3, 3, 3, 0), 3)],
    ids=["in a later batch", "sorted by length", "sorted, one by one", "all of a sample"],
)
def test_padding_is_refused_wherever_it_is(door, lengths, size):
    """Gradients were up to 28 % off here and ξ_0 up to 60 %: only the first batch was looked at, and only in halves."""
    module, _, params, data, _ = door
    array = type(data["x"]).__module__.startswith("torch") and importlib.import_module("torch").from_numpy
    data = padded(array or importlib.import_module("jax.numpy").asarray, lengths)
    module.counterterms(mean_over_words, params, 1, data=data)
    with pytest.raises(InputError, match="not a mean over samples"):
        module.counterterms(mean_over_words, params, 1, data=data, batch_size=size)


@pytest.mark.parametrize("traced", [(), ("params",), ("data",), ("params", "data")])
def test_what_is_no_mean_is_refused_where_values_cannot_be_looked_at(traced):
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    module, (_, array, loss, _) = importlib.import_module("eomsym.jax"), jax_door()
    with jax.enable_x64(True):
        known = {"params": {"w": array(W), "v": array(V)}, "data": {k: array(part) for k, part in DATA.items()}}

        def rows(of, size):
            def call(given):
                both = known | given
                return module.counterterms(of, both["params"], 1, data=both["data"], batch_size=size)

            return jax.jit(call)({name: known[name] for name in traced})

        whole = module.counterterms(loss, known["params"], 1, data=known["data"])
        assert distance(rows(loss, 3), whole) < 1e-13
        summed = lambda p, d: loss(p, d) * len(d["y"])  # noqa: E731
        normed = lambda p, d: loss(p, d | {"x": d["x"] - d["x"].mean(0)})  # noqa: E731
        for wrong, size in ((summed, 1), (summed, 3), (normed, 3)):
            with pytest.raises(InputError, match="not a mean over samples"):
                rows(wrong, size)
        known["data"] = padded(array, (3, 3, 3, 3, 2, 2, 2))
        if "data" in traced:  # where they are known there is no one to tell
            assert np.isnan(rows(mean_over_words, 2)[1]["w"]).all()
            return
        with pytest.raises(InputError, match="not a mean over samples"):
            rows(mean_over_words, 2)


def test_a_traced_loss_is_followed_once():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    module = importlib.import_module("eomsym.torch")
    calls, scale = [], [1.0]

    def loss(w):
        calls.append(w)
        return scale[0] * torch.tanh(torch.from_numpy(X) @ w).square().sum()

    traced, w = module.traced(loss), torch.from_numpy(W)
    fresh = module.counterterms(loss, w, 2)
    module.counterterms(traced, w, 2, check=False)
    before = len(calls)
    again = module.counterterms(traced, w + 0, 2, check=False)
    assert len(calls) == before
    assert all(torch.equal(one, other) for one, other in zip(again, fresh, strict=True))
    module.equation_of_motion(traced, w[:, :2], 0.1, 1)  # of another shape it is followed anew
    scale[0] = 2.0
    with pytest.raises(SeriesMismatchError, match="differs from its series"):
        module.counterterms(traced, w, 2)


def test_what_values_decide_is_not_kept():
    torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")
    module = importlib.import_module("eomsym.torch")
    traced = module.traced(lambda w: w.pow(3).sum() if w.sum() > 0 else w.square().sum())
    for sign in (1, -1):
        rows = module.counterterms(traced, sign * torch.ones(2, dtype=torch.float64), 1, smooth="ignore")
        assert rows[1].tolist() == ([9.0, 9.0] if sign > 0 else [-2.0, -2.0])
