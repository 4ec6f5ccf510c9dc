"""Observables along a run: rows against closed forms, predictions against exact iterates, what a step breaks."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import asking
import high_precision
import numpy as np
import pytest
import shared_kernels
from asking import conserved, drift
from forms import EVERY

import eomsym
from eomsym import optimizers
from eomsym.dynamics.spectrum import top_eigenpair
from eomsym.errors import InputError
from eomsym.models import ExpressionLoss
from eomsym.verification.conserving import conserved_quantities
from eomsym.verification.observables import NAMES, derivative, read_observable

LINEAR, CURVED = "identity mse, no bias", "silu cross-entropy"
#: No observable that the package names: of an array, whose distance does not cross zero.
PRIVATE = "tanh(W2) @ W3 + sum(W1 ** 2) / (2 + norm2(W3)) * W2 @ W3"


def problem(name, samples=20):
    kernel = shared_kernels.kernel(name)
    theta, *data = high_precision.problem(kernel.model, samples)
    return kernel, theta, data


def slopes(errors):
    """Local slopes of the last halving, by order."""
    return [math.log2(errors[-2][order] / errors[-1][order]) for order in errors[-1]]


@pytest.mark.parametrize(
    ("optimizer", "largest", "order"),
    [
        *(("gradient-descent", 0.02, 3), ("torch.SGD(momentum=0.9)", 4e-5, 2), ("torch.Adam()", 8e-7, 1)),
        pytest.param("torch.SGD(momentum=0.9)", 2e-4, 3, marks=pytest.mark.slow),
        pytest.param("torch.Adam()", 8e-7, 2, marks=pytest.mark.slow),
    ],
)
def test_slopes_at_the_values_that_people_use(optimizer, largest, order):
    """At a fixed time what is left falls like η^{N+1}, and no order does what the next one does."""
    kernel, theta, data = problem(CURVED)
    found = [
        drift(kernel, PRIVATE, theta, largest / 2**k, *data, order=order, optimizer=optimizer, steps=5 * 2**k)
        for k in range(3)
    ]
    assert not any(row["at_floor"] for row in found[-1].predictions)
    for kept, slope in enumerate(slopes([one.errors for one in found])):
        assert abs(slope - (kept + 1)) < 0.1
        assert not abs(slope - (kept + 2)) < 0.1
    assert all(not one.warnings for one in found)


def test_a_step_of_the_optimiser_itself():
    """The measured change, by steps that are written out here; Adam as PyTorch's documentation has it."""
    kernel, theta, data = problem(CURVED)
    found = drift(
        kernel, PRIVATE, theta, 1e-2, *data, order=1, optimizer="torch.Adam()", state="whole", after=3, steps=4
    )
    point, m, v, seen = theta, 0, 0, []
    for n in range(1, 8):
        seen.append(point)
        g = kernel.gradient(point, *data)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        point = point - 1e-2 * (m / (1 - 0.9**n)) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8)
    quantity = read_observable(PRIVATE, kernel, data)
    np.testing.assert_allclose(found.change, quantity.value(point) - quantity.value(seen[3]), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.step, quantity.value(seen[4]) - quantity.value(seen[3]), rtol=1e-10, atol=1e-12)


def test_real_adam_is_followed_order_by_order():
    kernel, theta, data = problem(CURVED)
    found = drift(kernel, PRIVATE, theta, 1e-3, *data, optimizer="torch.Adam()", state="whole", after=20, steps=40)
    errors = [error / np.linalg.norm(found.change) for error in found.errors.values()]
    assert all(after < 0.2 * before for before, after in pairwise(errors))
    assert errors[3] < 1e-5
    assert found.vanishing == ()


def test_balance_in_closed_form():
    """ΔC = η²(‖g_2‖² − ‖g_1‖²) and ΔD = η²(g_1ᵀg_1 − g_2g_2ᵀ), exactly (theory §11)."""
    kernel, theta, data = problem(LINEAR)
    (g_1, _), (g_2, _), _ = kernel.model.split(kernel.gradient(theta, *data))
    number = (g_2**2).sum() - (g_1**2).sum()
    matrix = g_1.T @ g_1 - g_2 @ g_2.T
    for name, exact in (("balance:1", number), ("balance-matrix:1", matrix), ("W1.T @ W1 - W2 @ W2.T", matrix)):
        found = drift(kernel, name, theta, 0.01, *data, order=2)
        np.testing.assert_allclose(found.step, 1e-4 * exact, rtol=0, atol=1e-14)
        np.testing.assert_allclose(found.rows[1], exact, rtol=1e-11, atol=1e-13)
        assert found.rows.shape == (3, *np.shape(exact))
        assert (found.vanishing, found.broken_at) == ((True, False, False), 1)


def test_rows_of_a_quadratic(closed_form):
    """θ² of each component goes like (1 − ηλ)^{2t/η}: φ_k = −2 Σ λ^{k+1} θ²/(k + 1)."""
    kernel = closed_form.Quadratic([0.5, 2.0])
    theta = np.array([0.4, -1.1])
    found = drift(kernel, "norm2", theta, 0.1, order=5)
    exact = [-2 * np.sum(np.array([0.5, 2.0]) ** (k + 1) * theta**2) / (k + 1) for k in range(6)]
    np.testing.assert_allclose(found.rows, exact, rtol=1e-13)
    assert found.step == pytest.approx(np.sum(((1 - 0.1 * kernel.eigenvalues) ** 2 - 1) * theta**2), rel=1e-13)


def test_variables_of_a_written_loss(closed_form):
    """x² and y² decay with rates of their own, so the rows of their difference are the differences of the rows."""
    kernel = closed_form.Quadratic([0.5, 2.0])
    kernel.model = ExpressionLoss("x**2/4 + y**2", ["x", "y"])
    found = drift(kernel, "x**2 - y**2", np.array([0.4, -1.1]), 0.1, order=2)
    exact = [-2 * (0.5 ** (k + 1) * 0.16 - 2.0 ** (k + 1) * 1.21) / (k + 1) for k in range(3)]
    np.testing.assert_allclose(found.rows, exact, rtol=1e-13)
    with pytest.raises(InputError, match="is of a network's layers, and this kernel is of none"):
        drift(kernel, "norm2:1", np.ones(2), 0.1)


def test_momentum_divides_the_first_row():
    kernel, theta, data = problem(LINEAR)
    plain, heavy = (drift(kernel, "loss", theta, 1e-5, *data, order=0, optimizer=o) for o in ("gd", "heavy-ball"))
    assert heavy.rows[0] == pytest.approx(10 * plain.rows[0], rel=1e-12)
    assert plain.rows[0] == pytest.approx(-np.sum(kernel.gradient(theta, *data) ** 2), rel=1e-12)


@pytest.mark.parametrize("name", [*NAMES, PRIVATE])
def test_derivatives_are_those_of_the_values(name):
    """Polynomials through the values share nothing with the derivative's formula."""
    kernel, theta, data = problem(CURVED, 12)
    quantity = read_observable(name, kernel, data, test=data)
    direction = np.random.default_rng(4).standard_normal(kernel.size)
    exact = quantity.along(theta, direction)
    np.testing.assert_allclose(
        exact, derivative(quantity.value, theta, direction), rtol=0, atol=1e-8 * np.abs(exact).max()
    )


def test_margin_is_the_log_odds_of_the_label():
    kernel, theta, data = problem(CURVED, 8)
    losses = [kernel.loss(theta, *(array[i : i + 1] for array in data)) for i in range(8)]
    margin = read_observable("margin", kernel, data).value(theta)
    assert margin == pytest.approx(-np.mean(np.log(np.expm1(losses))), rel=1e-12)


def test_sharpness_is_the_largest_eigenvalue():
    kernel, theta, data = problem(CURVED, 8)
    hessian = np.array([kernel.hessian_vector(theta, unit, *data) for unit in np.eye(kernel.size)])
    values = np.linalg.eigvalsh(hessian)
    assert read_observable("sharpness", kernel, data).value(theta) == pytest.approx(values[-1], rel=1e-12)
    share = read_observable("sharpness-share", kernel, data).value(theta)
    assert share == pytest.approx(values[-1] / values.sum(), rel=1e-12)


def test_equal_eigenvalues_are_refused(closed_form):
    with pytest.raises(InputError, match="the two largest eigenvalues of the Hessian, 2 and 2, are one"):
        top_eigenpair(closed_form.Quadratic([2.0, 2.0]), np.ones(2))


#: At which power of η a step first breaks the balance of linear layers, which gradient flow conserves: a quadratic
#: invariant, so the implicit midpoint rule keeps it for good (Hairer, Lubich & Wanner 2006, theorem IV.2.1), and a
#: method of order p breaks it at p or later.  What divides by roots or decays by itself is no gradient flow at order 0.
BROKEN_AT = {
    **dict.fromkeys(("gradient-descent", "implicit-euler", "heavy-ball", "nesterov", "nesterov(lookahead=yes)"), 1),
    **dict.fromkeys(("optimistic", "extragradient", "mini-batches", "random-reshuffling"), 1),
    **{"explicit-midpoint": 2, "implicit-midpoint": None, "runge-kutta-4": None},
}


@pytest.mark.parametrize("name", EVERY)
def test_where_each_optimiser_breaks_the_balance(name):
    kernel, theta, data = problem(LINEAR)
    if optimizers.get(name).numeric_only:
        pytest.skip("has no rows")
    found = drift(kernel, "balance:1", theta, 1e-8, *data, orders=(0,), optimizer=name)
    assert found.broken_at == BROKEN_AT.get(name, 0)


@pytest.mark.parametrize(
    ("kernel", "observable", "broken_at"),
    [
        ("heavy-ball", "norm2(W1) + norm2(b1)", {"gradient-descent": 1, "heavy-ball": 1, "implicit-midpoint": None}),
        (CURVED, "rows(W3)", {"gradient-descent": None, "heavy-ball": None, "explicit-midpoint": None, "adam": 0}),
        (CURVED, "norm2(W3)", {"gradient-descent": 0, "implicit-midpoint": 0}),
    ],
    ids=["scale", "translation", "nothing"],
)
def test_where_a_step_breaks_the_other_symmetries(kernel, observable, broken_at):
    """The norm before a normalisation is quadratic in θ, the sum before a softmax linear."""
    kernel, theta, data = problem(kernel)
    order = min(kernel.order, 3)
    for name, expected in broken_at.items():
        found = drift(kernel, observable, theta, 1e-8, *data, order=order, orders=(0,), optimizer=name)
        assert found.broken_at == expected, name


def test_what_is_conserved_and_predicted():
    """Predicted over measured drift within 2 % for N = 1 … 4; the negative control is no conserved quantity."""
    kernel, theta, data = problem(LINEAR)
    study = conserved(kernel, theta, 1e-3, *data, order=4, steps=50)
    assert study.passed
    assert {found.observable for found in study.drifts} == set(conserved_quantities(kernel.model))
    for found in study.drifts:
        assert found.broken_at == 1
        assert found.ratios[0] == pytest.approx(0, abs=1e-6)
        assert all(abs(found.ratios[order] - 1) < 0.02 for order in range(1, 5))
    control = drift(kernel, "norm2:1", theta, 1e-3, *data, order=4, steps=50)
    assert control.broken_at == 0
    assert control.ratios[0] > 0.5
    assert "balance-matrix:2" in str(study)
    assert json.loads(study.to_json())["laws"][0]["broken_at"] == 1


@pytest.mark.parametrize("name", ["layer", "weight", "batch", "tiny classes"])
def test_conserved_with_normalisation_biases_and_softmax(name):
    """Without its weight decay; by the gradient alone, which needs no kernel but that of gradients."""
    model = replace(
        shared_kernels.SPECS["tanh cross-entropy" if name == "tiny classes" else name].model, weight_decay=0.0
    )
    kernel = shared_kernels.kernel("tanh cross-entropy" if name == "tiny classes" else name)
    theta, *data = high_precision.problem(kernel.model, 12)
    slope = kernel.gradient(theta, *data) - kernel.model.weight_decay * theta
    for law in conserved_quantities(model):
        quantity = read_observable(law, kernel, data)
        along = np.linalg.norm(quantity.along(theta, slope))
        assert along <= 1e-13 * quantity.sensitivity(theta) * np.linalg.norm(slope), law
    control = read_observable("norm2:3", kernel, data)
    assert abs(control.along(theta, slope)) > 1e-5 * control.sensitivity(theta) * np.linalg.norm(slope)


def test_linear_layers_with_biases_are_balanced_with_them():
    kernel, theta, data = problem("identity mse")
    slope = kernel.gradient(theta, *data) - kernel.model.weight_decay * theta
    laws = conserved_quantities(replace(kernel.model, weight_decay=0.0))
    assert len(laws) == 4
    for law in laws:
        quantity = read_observable(law, kernel, data)
        assert np.linalg.norm(quantity.along(theta, slope)) <= 1e-14 * quantity.sensitivity(theta) * np.linalg.norm(
            slope
        )
    without = read_observable("balance:1", kernel, data)
    assert abs(without.along(theta, slope)) > 1e-3 * without.sensitivity(theta) * np.linalg.norm(slope)


def test_functions_pairs_and_expressions_agree():
    kernel, theta, data = problem(CURVED)
    weights = kernel.model.split(theta)[1][0].size
    first = slice(12, 12 + weights)  # W2 after W1 (2, 4) and its bias

    def own(at):
        return at[first] @ at[first]

    pair = own, lambda at, v: 2 * at[first] @ v[first]
    by_name, by_values, by_pair = (drift(kernel, o, theta, 0.1, *data, order=2) for o in ("norm2:2", own, pair))
    np.testing.assert_allclose(by_pair.rows, by_name.rows, rtol=1e-13)
    np.testing.assert_allclose(by_values.rows, by_name.rows, rtol=1e-8)
    assert (by_name.exact_derivative, by_pair.exact_derivative, by_values.exact_derivative) == (True, True, False)
    assert by_values.observable == "own"


REFUSED = {
    "balance:3": "there is no layer 3; this model has layers 1 to 2",
    "norm2:0": "there is no layer 0; this model has layers 1 to 3",
    "balance:1 + balance:2": "unknown; choose from loss, test-loss",
    "norm-2": "unknown; choose from loss",
    "norm3": "name 'norm3' is unknown",
    "test-loss": "no samples to test with",
    "W3 @ W1": r"shapes \(4, 3\) and \(2, 4\) do not fit",
    "log(W1)": "not finite here",
    "a number": (7, "give a name .*, an expression, or a function of theta"),
    "no number": (lambda at: "text", "it has to give a number or an array"),
    "not finite": (lambda at: at * np.nan, "not finite here"),
    "a kink": (lambda at: abs(at[0] - high_precision.problem(shared_kernels.SPECS[CURVED].model)[0][0]), "not smooth"),
    "a jump": (lambda at: np.floor(1e6 * at).sum(), "not smooth enough at theta"),
    "jumps alone": (lambda at: (at > 0).mean(), "changes in jumps, with a derivative of zero"),
    "jumps in a pair": ((lambda at: np.round(at).sum(), lambda at, v: 0.0), "changes in jumps"),
    **{
        f"constant {c}": (lambda at, c=c: c, "is the same at theta and around it") for c in (13.0, -7.7, 0.1, 1e10, 0.0)
    },
    "constant pair": ((lambda at: 13.0, lambda at, v: 0.0), "is the same at theta and around it"),
    "13 + 0 * norm2(theta)": "is the same at theta and around it",
    "one step": (lambda at: 1.0 + (at[0] > 50), "is the same at theta and around it"),
    "exp(-1000 - norm2(theta))": "is the same at theta and around it",
    "tanh(100 + norm2(theta))": "is the same at theta and around it",
    "norm2(theta) * 1e-200": "its values around theta are below 1e-150, where squares of numbers underflow",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    kernel, theta, data = problem(CURVED)
    observable, message = (name, REFUSED[name]) if isinstance(REFUSED[name], str) else REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        drift(kernel, observable, theta, 0.1, *data, order=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "observable", ["norm2(theta) * 1e-140", "1000 + norm2(theta) / 1e6", "tanh(norm2(theta) / 100)"]
)
def test_what_is_small_or_moves_little_is_no_constant(observable):
    """The control."""
    kernel, theta, data = problem(CURVED)
    found, plain = (drift(kernel, o, theta, 0.1, *data, order=1) for o in (observable, "norm2"))
    ratio = found.rows / plain.rows
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)
    assert found.broken_at == 0


def test_what_is_conserved_is_no_constant(closed_form):
    """Sharpness of a quadratic does not change anywhere, and that is said: its derivative is no difference."""
    kernel = closed_form.Quadratic([0.5, 2.0])
    kernel.order, kernel.gradient_series = 2, lambda series: series * kernel.eigenvalues
    found = drift(kernel, "sharpness", np.array([0.4, -1.1]), 0.1, order=2, orders=(0,))
    assert (found.vanishing, found.value) == ((True,) * 3, pytest.approx(2.0))


def scaled(at):
    at *= 1.5
    return at @ at


def centred(at):
    at -= at.mean()
    return np.sum(at**4)


def pushed(at, v):
    at *= 4.5
    v @= np.diag(at)
    return v.sum()


IN_PLACE = {
    "scaled": (scaled, lambda at: 2.25 * at @ at),
    "centred": (centred, lambda at: np.sum((at - at.mean()) ** 4)),
    "pair": ((scaled, pushed), (lambda at: 2.25 * at @ at, lambda at, v: 4.5 * at @ v)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_function_may_change_what_it_is_given(name):
    """Rows and the run are those of the same function without."""
    kernel, theta, data = problem(CURVED)
    before = theta.copy()
    found, plain = (drift(kernel, observable, theta, 0.01, *data, order=1) for observable in IN_PLACE[name])
    np.testing.assert_allclose(found.rows, plain.rows, rtol=1e-8)
    np.testing.assert_allclose(found.step, plain.step, rtol=1e-10)
    assert found.errors[1] < 1e-1 * found.errors[0]
    assert np.array_equal(theta, before)


def test_a_function_of_tensors_may_change_them():
    torch = pytest.importorskip("torch")
    params = {"w": torch.tensor([0.5, -2.0])}

    def doubled(p):
        p["w"].mul_(2.0)
        return (p["w"] ** 2).sum()

    found, plain = (
        drift(lambda p: (p["w"] ** 4).sum(), observable, params, 0.01, order=0)
        for observable in (doubled, lambda p: (4 * p["w"] ** 2).sum())
    )
    np.testing.assert_allclose(found.rows, plain.rows, rtol=1e-13)
    assert params["w"].tolist() == [0.5, -2.0]


def test_a_minimum_is_no_jump():
    kernel, theta, data = problem(CURVED)
    pair = (lambda at: ((at - theta) ** 2).sum(), lambda at, v: 2 * (at - theta) @ v)
    found = drift(kernel, pair, theta, 0.1, *data, order=1)
    np.testing.assert_allclose(found.rows, 0, atol=1e-12)
    assert found.step > 0


def test_what_else_is_refused():
    kernel, theta, data = problem(CURVED)
    for keywords, message in (
        ({"order": 7}, "order 7, needed for the rows of an observable: the kernel has order 6"),
        ({"after": 2}, "only a whole state begins after steps"),
        ({"optimizer": "adam"}, "no memory on its slow manifold here"),
        ({"state": "fast"}, "state 'fast': unknown"),
        ({"steps": 0}, "steps 0"),
    ):
        with pytest.raises(InputError, match=message):
            drift(kernel, "loss", theta, 0.1, *data, **keywords)
    with pytest.raises(InputError, match="shape"):
        drift(kernel, "loss", theta[1:], 0.1, *data)
    mse = shared_kernels.kernel(LINEAR)
    with pytest.raises(InputError, match="'margin': is of class labels"):
        read_observable("margin", mse, data)
    with pytest.raises(InputError, match=r"weight_decay 0\.3: what gradient flow would conserve decays"):
        conserved(shared_kernels.kernel("identity mse"), theta, 0.1, *data)
    with pytest.raises(InputError, match="tanh layers before mse conserve nothing"):
        conserved_quantities(shared_kernels.SPECS["tiny"].model)


def test_a_growing_series_warns():
    kernel, theta, data = problem(LINEAR)
    assert (
        "the terms of the series grow by"
        in drift(kernel, "loss", theta, 0.01, *data, order=1, orders=(0,), optimizer="heavy-ball").warnings[0]
    )


def test_record(tmp_path):
    kernel, theta, data = problem(LINEAR)
    for name, steps in (("balance:1", 150), ("balance-matrix:1", 3)):
        found = asking.drift(kernel, name, theta, 0.01, *data, order=2, steps=steps)
        assert isinstance(found, eomsym.Drift)
        assert len(found.marks) <= 102
        np.testing.assert_array_equal(found.marks[[0, 1, -1]], [0, 1, steps])
        entry = json.loads(found.to_json())
        assert entry["shape"] == list(found.value.shape)
        assert [one["order"] for one in entry["predictions"]] == [0, 1, 2]
        assert "0 (identically)" in str(found)
        figure = found.plot()
        assert [len(axes.lines) for axes in figure.axes] == [4, 3]
        figure.savefig(tmp_path / "drift.png")


def test_a_series_that_has_left_all_measure_is_given_up(closed_form):
    """At ηλ = 20 the field of order 3 is stiff, as heavy ball's is at β = 0.9 and η = 0.02, which took minutes."""
    kernel = closed_form.Quadratic([200.0, 1.0])
    found = drift(kernel, "norm2", np.ones(2), 0.1, orders=(0, 3))
    assert list(found.errors) == [0]
    assert "steps by time" in found.reasons[3]
    assert not found.passed


class Logarithm:
    """x²/2 − log x + 2y², for x > 0 and y no farther from 2 than ``reach``."""

    order, size, reach = 0, 2, np.inf

    def gradient(self, theta):
        if theta[0] <= 0 or abs(theta[1] - 2) > self.reach:
            raise InputError("theta: the loss is not defined here")
        return np.array([theta[0] - 1 / theta[0], 4 * theta[1]])

    def counterterms(self, theta, *, order):
        return self.gradient(theta)[None]


def test_near_the_edge_of_a_domain():
    """The random points are where the loss is; where there are none, nothing is said to vanish."""
    kernel, theta = Logarithm(), np.array([0.05, 2.0])
    found = drift(kernel, "norm2", theta, 1e-5, order=0)
    assert found.rows[0] == pytest.approx(-2 * (0.05**2 - 1 + 16), rel=1e-12)
    assert found.vanishing == (False,)
    kernel.reach = 1e-4
    assert drift(kernel, "norm2", theta, 1e-5, order=0).vanishing == ()


def test_no_number_is_no_zero():
    """A library gives NaN where the loss is not defined, here at all points that are drawn at first."""
    jnp = pytest.importorskip("jax.numpy")
    params = jnp.array([1.01, 1.01])
    found = drift(lambda p: p[0] ** 2 + ((p - 1) ** 1.5).sum(), "norm2", params, 1e-5, order=1)
    assert found.vanishing == (False, False)


LIBRARIES = ("jax", "torch")


@pytest.mark.parametrize("library", LIBRARIES)
def test_models_of_other_libraries(library):
    """The same linear network without biases, its loss and observable written by hand."""
    module = pytest.importorskip(library)
    kernel, theta, (inputs, targets) = problem(LINEAR)
    array = module.numpy.asarray if library == "jax" else module.tensor
    params = {f"layer {i}": matrix for i, (matrix, _) in enumerate(kernel.model.split(theta))}
    params = params if library == "jax" else {name: array(value) for name, value in params.items()}

    def loss(p):
        out = array(inputs) if library == "torch" else inputs
        for matrix in p.values():
            out = out @ matrix
        return ((out - (array(targets) if library == "torch" else targets)) ** 2).sum() / 2 / len(inputs)

    def balance(p):
        return (p["layer 1"] ** 2).sum() - (p["layer 0"] ** 2).sum()

    found = drift(loss, balance, params, 0.01, order=1)
    own = drift(kernel, "balance:1", theta, 0.01, inputs, targets, order=1)
    np.testing.assert_allclose(found.rows, own.rows, rtol=1e-10, atol=1e-13)
    assert found.vanishing == own.vanishing
    assert found.step == pytest.approx(own.step, rel=1e-9)
    whole = {"order": 1, "optimizer": "torch.Adam()", "state": "whole", "after": 5, "steps": 5}
    found, own = (
        drift(loss, balance, params, 1e-3, **whole),
        drift(kernel, "balance:1", theta, 1e-3, inputs, targets, **whole),
    )
    assert found.change == pytest.approx(own.change, rel=1e-9)
    assert found.errors[1] == pytest.approx(own.errors[1], rel=1e-6)
    slow = {"order": 1, "optimizer": "heavy-ball"}
    for observable, name in ((balance, "balance:1"), ("sharpness", "sharpness")):
        found = drift(loss, observable, params, 1e-3, **slow)
        own = drift(kernel, name, theta, 1e-3, inputs, targets, **slow)
        assert found.change == pytest.approx(own.change, rel=1e-7)


#: Observables whose derivative gets lost on its way, or that are no float64.
LOST = {
    "torch": {
        "detached": (lambda p: (p["w"] ** 2).sum().detach(), "derivative along a random direction, 0, is not that of"),
        "item": (lambda p: (p["w"] ** 2).sum().item(), "gave float; params are float64"),
        "rounded": (lambda p: p["w"].round().sum(), "changes in jumps"),
        "single": (lambda p: (p["w"] ** 2).sum().float(), "gave torch.float32; params are float64"),
        "pytree": (lambda p: p, "gave dict"),
        "pair": ((lambda p: 1.0, lambda p, v: 0.0), "give a function of params, or a name"),
    },
    "jax": {
        "stopped": (lambda p: stopped(p["w"] ** 2).sum(), "derivative along a random direction, 0, is not that of"),
        "single": (lambda p: (p["w"] ** 2).sum().astype("float32"), "gave float32; params are float64"),
        "counted": (lambda p: (p["w"] > 0).sum(), "gave int"),
        "rounded": (lambda p: p["w"].round().sum(), "changes in jumps"),
    },
}


def stopped(array):
    import jax

    return jax.lax.stop_gradient(array)


@pytest.mark.parametrize(("library", "name"), [(library, name) for library in LOST for name in LOST[library]])
def test_derivatives_that_a_library_loses_are_refused(library, name):
    module = pytest.importorskip(library)
    observable, message = LOST[library][name]
    params = {"w": (module.numpy.array if library == "jax" else module.tensor)([0.5, -2.0])}
    with pytest.raises(InputError, match=message):
        drift(lambda p: (p["w"] ** 4).sum(), observable, params, 0.01, order=1)


def test_what_is_no_loss_function_of_params():
    torch = pytest.importorskip("torch")
    module, inputs = torch.nn.Linear(2, 1), torch.ones(3, 2)
    params = dict(module.named_parameters())

    def loss(p):
        return (torch.func.functional_call(module, p, (inputs,)) ** 2).mean()

    for given, message in (
        ((loss, "loss", params, 0.1), "params are float64 here, make its data float64 too"),
        ((loss, "loss", module, 0.1), r"theta: a module; give \(module, criterion\)"),
    ):
        with pytest.raises(InputError, match=message):
            drift(*given, order=1)


def test_a_pair_with_the_wrong_derivative_is_refused():
    kernel, theta, data = problem(CURVED)
    for slope, message in (
        (lambda at, v: at @ v, "is not that of its values"),
        (lambda at, v: 2 * at * v, "its derivative has shape"),
    ):
        with pytest.raises(InputError, match=message):
            drift(kernel, (lambda at: at @ at, slope), theta, 0.1, *data, order=1)


def test_the_test_loss_is_without_weight_decay():
    kernel, theta, data = problem("identity mse")
    assert kernel.model.weight_decay > 0
    out = data[0]
    for matrix, bias in kernel.model.split(theta):
        out = out @ matrix + bias
    quantity = read_observable("test-loss", kernel, data, test=data)
    assert quantity.value(theta) == pytest.approx(((out - data[1]) ** 2).sum() / 2 / len(out), rel=1e-12)
    assert quantity.along(theta, theta) == pytest.approx(derivative(quantity.value, theta, theta), rel=1e-7)
