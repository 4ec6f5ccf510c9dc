"""Double-double kernels against plain gradient descent in many digits, and what they take and give."""

from fractions import Fraction

import gmpy2
import high_precision
import mpmath
import numpy as np
import pytest
import shared_kernels

import eomsym
from eomsym.codegen import MAX_DOUBLE_DOUBLE_ORDER, KernelSpec, kernel_for
from eomsym.double_double import DoubleDouble
from eomsym.errors import InputError
from eomsym.models import ACTIVATIONS, LOSSES, MLP, VectorField

#: Relative error allowed in row k: about a digit an order is lost, from twice the bound of one operation on.
TOLERANCE = 2e-31
LOST = 10.0


def data(model, samples=67):
    random = np.random.default_rng(5)
    inputs = random.standard_normal((samples, model.layers[0]))
    if model.loss == "mse":
        return inputs, random.standard_normal((samples, model.layers[-1]))
    return inputs, random.integers(0, model.layers[-1], samples)


def exact(theta):
    """(d,) of either kind as gmpy2 numbers."""
    pair = DoubleDouble.from_value(theta)
    return high_precision.exact(pair.high) + high_precision.exact(pair.low)


def reference(model, theta, inputs, targets, terms):
    exact_targets = exact(targets) if model.loss == "mse" else targets
    rows = high_precision.modified_field(
        lambda y: -high_precision.gradient(model, y, exact(inputs), exact_targets), exact(theta), terms
    )
    return [-row for row in rows]


def relative_errors(rows, truth):
    def size(row):
        return gmpy2.sqrt(sum(value * value for value in row))

    return [float(size(exact(rows[k]) - row) / size(row)) for k, row in enumerate(truth)]


def check_every_counterterm(kernel, order=3):
    assert kernel.precision == "double-double"
    model, (inputs, targets) = kernel.model, data(kernel.model)
    random = np.random.default_rng(1)
    # A point that is no array of doubles: the low parts count.
    theta = DoubleDouble(model.initial(3), 1e-17 * random.standard_normal(model.size))
    rows = kernel.counterterms(theta, inputs, targets, order=order)
    with gmpy2.context(gmpy2.get_context(), precision=high_precision.BITS):
        errors = relative_errors(rows, reference(model, theta, inputs, targets, order + 1))
    assert all(error <= TOLERANCE * LOST**k for k, error in enumerate(errors)), errors
    # The same kernel asked for less gives the same rows.
    less = kernel.counterterms(theta, inputs, targets, order=2)
    assert less.shape == (3, model.size)
    assert (less - rows[:3]).norm() <= 1e-29 * rows[:3].norm()
    assert np.array_equal(kernel.gradient(theta, inputs, targets).high, rows.high[0])
    # Its series primitive is the derivative along a curve: Hessian times g is twice ξ_0 (theory §1).
    product = kernel.hessian_vector(theta, rows[0], inputs, targets)
    assert (product - 2 * rows[1]).norm() <= 1e-30 * product.norm()
    # The loss has the gradient as its slope, to the error of a central difference.
    step = DoubleDouble.from_value(1e-9 * np.eye(model.size)[1])
    slope = kernel.loss(theta + step, inputs, targets) - kernel.loss(theta - step, inputs, targets)
    assert float(slope / 2e-9 / rows[0][1]) == pytest.approx(1, abs=1e-12)


def spec_of(activation, loss):
    return KernelSpec(MLP([2, 4, 4, 3], activation, loss, 0.3), 3, precision="double-double")


def test_every_counterterm_with_one_hidden_layer():
    check_every_counterterm(shared_kernels.kernel("tiny, double-double"))


def test_every_counterterm_with_two_and_weight_decay():
    check_every_counterterm(kernel_for(spec_of("gelu", "cross-entropy")))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_counterterm_of_every_network(activation, loss):
    check_every_counterterm(kernel_for(spec_of(activation, loss)))


@pytest.fixture(scope="module")
def high_order():
    kernel = shared_kernels.kernel("tiny, double-double")
    assert kernel.order == 13
    return kernel


def test_digits_that_are_left_at_order_13(high_order, monkeypatch):
    model, (inputs, targets) = high_order.model, data(high_order.model, samples=3)
    monkeypatch.setattr(high_precision, "SPACING_EXPONENT", -30)
    theta = model.initial(3)
    rows = high_order.counterterms(theta, inputs, targets)
    with gmpy2.context(gmpy2.get_context(), precision=2 * high_precision.BITS):
        errors = relative_errors(rows, reference(model, theta, inputs, targets, 14))
    assert all(error <= TOLERANCE * LOST**k for k, error in enumerate(errors)), errors


def test_ball_arithmetic_agrees(high_order):
    pytest.importorskip("flint")
    from oracles.ball_arithmetic import modified_field, relative_error

    model, (inputs, targets) = high_order.model, data(high_order.model, samples=3)
    theta = model.initial(3)
    rows = high_order.counterterms(theta, inputs, targets)
    truth = modified_field(model.layers, theta, inputs, targets[:, 0], 14)
    errors = [relative_error(*pair) for pair in zip(rows.high, rows.low, truth, strict=True)]
    assert all(error <= TOLERANCE * LOST**k for k, error in enumerate(errors)), errors
    # The first counter terms have all digits of the arithmetic.
    assert max(errors[:4]) <= 1e-30


def test_the_kernel_of_doubles_is_the_same_but_for_its_round_off(high_order):
    inputs, targets = data(high_order.model)
    double = shared_kernels.kernel("tiny")
    theta = high_order.model.initial(0)
    truth = high_order.counterterms(theta, inputs, targets, order=5)
    rows = double.counterterms(theta, inputs, targets, order=5)
    errors = np.linalg.norm((truth - rows).high, axis=1) / np.linalg.norm(truth.high, axis=1)
    assert 0 < errors.max() < 1e-11


def test_the_field_is_the_sum_of_the_terms(high_order):
    inputs, targets = data(high_order.model)
    theta, eta = high_order.model.initial(0), Fraction(1, 3)
    rows = high_order.counterterms(theta, inputs, targets, order=4).to_fractions()
    total = -sum(row * eta**k for k, row in enumerate(rows))
    found = high_order.field(theta, eta, inputs, targets, order=4).to_fractions()
    assert max(abs(found - total)) <= 1e-31 * max(abs(total))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"theta": np.zeros(3)}, r"theta: shape \(3,\)"),
        ({"theta": DoubleDouble.zeros(3)}, r"theta: shape \(3,\)"),
        ({"theta": np.full(13, np.nan)}, "every entry has to be finite"),
        ({"theta": [0.0] * 13}, "theta: list"),
        ({"inputs": np.zeros((4, 3))}, r"inputs: shape \(4, 3\)"),
        ({"targets": np.zeros((5, 1))}, r"targets: float64 of shape \(5, 1\)"),
        ({"theta": np.full(13, 1e200)}, "floating-point numbers here, or a sine's argument is beyond"),
    ],
)
def test_bad_arguments(changes, fault, high_order):
    given = {"theta": np.ones(13), "inputs": np.ones((4, 2)), "targets": np.zeros((4, 1))} | changes
    for call in (high_order.loss, high_order.gradient, high_order.counterterms):
        with pytest.raises(InputError, match=fault):
            call(*given.values())


@pytest.mark.parametrize("eta", [np.nan, np.inf, None, True, "much", DoubleDouble.zeros(2)])
def test_bad_eta(eta, high_order):
    with pytest.raises(InputError, match="eta"):
        high_order.field(np.ones(13), eta, np.ones((4, 2)), np.zeros((4, 1)))


def test_bad_series(high_order):
    data = np.ones((4, 2)), np.zeros((4, 1))
    for series in (np.ones(13), np.ones((15, 13)), [1.0]):
        with pytest.raises(InputError, match=r"series: give an array of shape \(1 to 14, 13\)"):
            high_order.gradient_series(series, *data)
    with pytest.raises(InputError, match=r"series\[1\]"):
        high_order.gradient_series(np.array([[1.0] * 13, [np.inf] * 13]), *data)
    rows = high_order.gradient_series(np.ones((3, 13)), *data)
    assert rows.shape == (3, 13)


def test_a_kernel_of_order_0_has_gradients_only():
    kernel = kernel_for(KernelSpec(MLP([1, 2], "identity", "cross-entropy"), 0, precision="double-double"))
    theta, data = np.zeros(4), (np.array([[1.0], [2.0]]), np.array([0, 1]))
    assert kernel.gradient(theta, *data).high == pytest.approx([0.25, -0.25, 0.0, 0.0])
    assert float(kernel.loss(theta, *data)) == pytest.approx(np.log(2))
    # A nearly certain label: what is left of 1 - softmax keeps all digits.
    theta, data = np.array([0.0, 0.0, 50.0, -50.0]), (data[0], np.array([0, 0]))
    with mpmath.workdps(60):
        left = 1 / (1 + mpmath.exp(100))
        for found, exact in (
            (kernel.loss(theta, *data), mpmath.log1p(mpmath.exp(-100))),
            (kernel.gradient(theta, *data)[2], -left),
            (kernel.gradient(theta, *data)[3], left),
        ):
            assert abs((mpmath.mpf(float(found.high)) + mpmath.mpf(float(found.low))) / exact - 1) < 1e-30
    with pytest.raises(InputError, match="a kernel of order 0 has only gradients"):
        kernel.hessian_vector(theta, theta, *data)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ((MLP([2, 3, 3, 1], "tanh", "mse", normalization="layer"), 1), "normalization 'layer': double-double"),
        ((MLP([2, 1], loss="mse"), 1, "heavy-ball"), "optimizer 'heavy-ball': double-double kernels are for gradient"),
        ((VectorField("x", ["x"]), 1), "precision 'double-double': for networks only"),
        ((MLP([2, 1], loss="mse"), MAX_DOUBLE_DOUBLE_ORDER + 1), "out of range"),
    ],
)
def test_what_has_no_double_double_kernel_is_refused(arguments, fault):
    with pytest.raises(InputError, match=fault):
        KernelSpec(*arguments, precision="double-double")


def test_the_file_imports_nothing_else_and_its_size_hardly_depends_on_the_order(tmp_path):
    model = MLP([2, 3, 1], "tanh", "mse")
    texts = [eomsym.generate(model, n, precision="double-double", output=tmp_path).read_text() for n in (4, 12)]
    for text in texts:
        imports = {line for line in text.splitlines() if line.startswith(("import", "from"))}
        assert imports == {"import math", "import numba", "import numba.extending", "import numpy as np"}
        assert "; double-double precision." in text
    functions = [text[text.index("jit = ") :] for text in texts]
    assert functions[0] == functions[1]
    assert KernelSpec(model, 2, precision="double-double").name.endswith(
        "_tanh_mse_gradient_descent_order_2_double_double"
    )
    assert KernelSpec.from_json(KernelSpec(model, 3, precision="double-double").to_json()).precision == "double-double"


def test_without_biases():
    check_every_counterterm(
        kernel_for(KernelSpec(MLP([2, 3, 1], "tanh", "mse", bias=False), 3, "gradient-descent", "double-double"))
    )
