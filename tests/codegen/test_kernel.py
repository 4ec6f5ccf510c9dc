"""Arguments of a loaded kernel are checked before anything runs."""

import numpy as np
import pytest
import shared_kernels

from eomsym.errors import InputError
from eomsym.models.samples import all_finite


@pytest.fixture(scope="module")
def kernels():
    """One for each loss, 2-4-4-3 without weight decay, order 6."""
    return {"mse": shared_kernels.kernel("sin mse"), "cross-entropy": shared_kernels.kernel("silu cross-entropy")}


def arguments(kernel, **changes):
    random = np.random.default_rng(0)
    targets = random.standard_normal((4, 3)) if kernel.model.loss == "mse" else np.array([0, 1, 2, 0])
    given = {"theta": kernel.model.initial(0), "inputs": random.standard_normal((4, 2)), "targets": targets}
    return given | changes


def with_entry(array, value):
    changed = array.copy()
    changed.flat[1] = value
    return changed


def test_the_loss_of_outputs_that_are_biases_alone(kernels):
    """With no weights but the last biases b: ½|b − y|², or log Σ exp(b) − b of the label, in the mean; large b too."""
    biases = np.array([1.0, -2.0, 300.0])
    theta = np.concatenate([np.zeros(kernels["mse"].size - 3), biases])
    for loss, kernel in kernels.items():
        given = arguments(kernel, theta=theta)
        targets = given["targets"]
        expected = 0.5 * ((biases - targets) ** 2).sum(axis=1) if loss == "mse" else 300.0 - biases[targets]
        assert kernel.loss(*given.values()) == pytest.approx(expected.mean(), rel=1e-15)


def _mapped(array, tmp_path):
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def _read_only(array, tmp_path):
    array.flags.writeable = False
    return array


def _of_jax(array, tmp_path):
    jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")
    with jax.enable_x64(True):
        return jax.numpy.asarray(array)


def _of_torch(array, tmp_path):
    return pytest.importorskip("torch", reason="the extra 'torch' is not installed").tensor(array)


@pytest.mark.parametrize("made", [_mapped, _read_only, _of_jax, _of_torch, lambda array, _: np.asfortranarray(array)])
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_arrays_of_every_kind_give_the_same_bits(kernels, tmp_path, loss, made):
    plain = arguments(kernels[loss])
    expected = kernels[loss].counterterms(*plain.values(), order=1)
    given = {name: made(array.copy(), tmp_path) for name, array in plain.items()}
    np.testing.assert_array_equal(kernels[loss].counterterms(*given.values(), order=1), expected)


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.int16, np.uint64])
def test_labels_of_any_integer_type(kernels, kind):
    plain = arguments(kernels["cross-entropy"])
    expected = kernels["cross-entropy"].gradient(*plain.values())
    narrow = kernels["cross-entropy"].gradient(*{**plain, "targets": plain["targets"].astype(kind)}.values())
    np.testing.assert_array_equal(narrow, expected)


def test_one_output_takes_targets_in_a_row():
    kernel, random = shared_kernels.kernel("tiny"), np.random.default_rng(0)
    theta, inputs, targets = kernel.model.initial(0), random.standard_normal((4, 2)), random.standard_normal(4)
    np.testing.assert_array_equal(
        kernel.gradient(theta, inputs, targets), kernel.gradient(theta, inputs, targets[:, None])
    )
    with pytest.raises(InputError, match=r"targets: float64 of shape \(3,\); give .* of shape \(4, outputs\)"):
        kernel.gradient(theta, inputs, targets[:3])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("entries", [(1e30, -1e30), (np.nan,), (np.inf, -np.inf), (1e30, np.inf), (-np.inf, np.nan)])
def test_finite_numbers_may_be_large(entries, dtype):
    """Their squares overflow: 1e60 in single precision, 1e600 in double."""
    values = np.array(entries, dtype) * np.array(1e270 if dtype is np.float64 else 1, dtype)
    found = [all_finite(array) for array in (values, values[::-1], np.tile(values, (3, 5)).T)]
    assert found == [bool(np.isfinite(values).all())] * 3
    assert [all_finite(float(value)) for value in values] == np.isfinite(values).tolist()


BAD = [
    ("mse", {"theta": np.zeros(3)}, r"theta: shape \(3,\)"),
    ("mse", {"theta": np.zeros(47, dtype=np.float32)}, "theta: float32"),
    ("mse", {"theta": [0.0] * 47}, "theta: list"),
    ("mse", {"theta": with_entry(np.zeros(47), np.nan)}, r"theta: entry \(1,\) is nan"),
    ("mse", {"theta": with_entry(np.zeros(47), np.inf)}, r"theta: entry \(1,\) is inf"),
    ("mse", {"inputs": np.zeros((4, 3))}, r"inputs: shape \(4, 3\)"),
    ("mse", {"inputs": np.zeros(2)}, r"inputs: shape \(2,\)"),
    ("mse", {"inputs": np.zeros((0, 2)), "targets": np.zeros((0, 3))}, "one or more of each"),
    ("mse", {"inputs": with_entry(np.zeros((4, 2)), -np.inf)}, r"inputs: entry \(0, 1\) is -inf"),
    ("mse", {"targets": np.zeros((5, 3))}, r"targets: float64 of shape \(5, 3\)"),
    ("mse", {"targets": np.array([0, 1, 2, 0])}, "targets: int64"),
    ("cross-entropy", {"targets": np.array([0, 1, 3, 0])}, "label 3 is out of range"),
    ("cross-entropy", {"targets": np.array([0, -1, 2, 0])}, "label -1 is out of range"),
    ("cross-entropy", {"targets": np.zeros((4, 3))}, "targets: float64"),
    ("cross-entropy", {"targets": np.zeros(4, dtype=bool)}, "targets: bool"),
    ("mse", {"theta": np.ma.zeros(47)}, "theta: a masked array; leave the masked entries out"),
    ("mse", {"targets": np.ma.zeros((4, 3))}, "targets: a masked array"),
    ("cross-entropy", {"targets": np.ma.zeros(4, dtype=np.int64)}, "targets: a masked array"),
    ("cross-entropy", {"targets": np.zeros(3, dtype=np.int64)}, r"\(3,\)"),
]


@pytest.mark.parametrize(("loss", "change", "message"), BAD)
def test_bad_arguments(loss, change, message, kernels):
    kernel = kernels[loss]
    for call in (kernel.loss, kernel.gradient, kernel.counterterms):
        with pytest.raises(InputError, match=message):
            call(*arguments(kernel, **change).values())


@pytest.mark.parametrize("order", [-1, 7, 1.0, True, "1"])
def test_bad_order(order, kernels):
    with pytest.raises(InputError, match="this kernel has orders 0 to 6"):
        kernels["mse"].counterterms(*arguments(kernels["mse"]).values(), order=order)


@pytest.mark.parametrize("eta", [np.nan, np.inf, "0.1", None, True])
def test_bad_eta(eta, kernels):
    theta, *data = arguments(kernels["mse"]).values()
    with pytest.raises(InputError, match="eta"):
        kernels["mse"].field(theta, eta, *data)


def test_field_is_the_sum_of_the_terms(kernels):
    for kernel in kernels.values():
        given = arguments(kernel)
        theta, *data = given.values()
        rows = kernel.counterterms(theta, *data)
        assert rows.shape == (7, kernel.size)
        assert kernel.field(theta, 0.3, *data, order=1) == pytest.approx(-rows[0] - 0.3 * rows[1], rel=1e-14)
        total = -sum(0.3**k * row for k, row in enumerate(rows))
        assert kernel.field(theta, 0.3, *data) == pytest.approx(total, rel=1e-12, abs=1e-14)
        assert np.array_equal(kernel.gradient(*given.values()), rows[0])
        assert np.array_equal(kernel.field(theta, 0.3, *data, order=0), -rows[0])


def test_views_and_integers_of_the_right_type_are_fine(kernels):
    kernel = kernels["mse"]
    given = arguments(kernel)
    wide = np.zeros((4, 4))
    wide[:, ::2] = given["inputs"]
    theta, *data = given.values()
    expected = kernel.gradient(theta, *data)
    assert np.array_equal(kernel.gradient(theta, wide[:, ::2], data[1]), expected)
    assert kernel.field(theta, 0, *data, order=np.int64(1)) == pytest.approx(-expected)


def test_series_primitive(kernels):
    kernel = kernels["cross-entropy"]
    given = arguments(kernel)
    theta, *data = given.values()
    with pytest.raises(InputError, match="series"):
        kernel.gradient_series(np.zeros((8, kernel.size)), *data)
    with pytest.raises(InputError, match=r"series\[1\]"):
        kernel.gradient_series(np.stack([theta, np.full(kernel.size, np.nan)]), *data)
    direction = np.cos(np.arange(kernel.size))
    step = 1e-5
    difference = kernel.gradient(theta + step * direction, *data) - kernel.gradient(theta - step * direction, *data)
    assert kernel.hessian_vector(theta, direction, *data) == pytest.approx(difference / (2 * step), abs=1e-9)


def test_calls_from_several_threads_do_not_disturb_each_other(kernels):
    from concurrent.futures import ThreadPoolExecutor

    kernel = kernels["mse"]
    points = [kernel.model.initial(seed) for seed in range(40)]
    given = arguments(kernel)
    expected = [kernel.counterterms(*(given | {"theta": point}).values()) for point in points]
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda point: kernel.counterterms(*(given | {"theta": point}).values()), points))
    assert all(np.array_equal(a, b) for a, b in zip(rows, expected, strict=True))
