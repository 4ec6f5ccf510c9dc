"""Kernels of losses and fields that are written down, against iterates in 500 digits that know nothing of series."""

import json
import re
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy

import eomsym
from eomsym.codegen import MAX_EXPRESSION_ORDER, KernelSpec
from eomsym.codegen.render import render
from eomsym.codegen.store import write_kernel
from eomsym.errors import InputError, OverflowInKernelError
from eomsym.models import MLP, ExpressionLoss, VectorField
from eomsym.models.functions import sigmoid, softplus

LOGISTIC = " + ".join(
    f"softplus({sign}(w0*({a}) + w1*({b}) + c))/4"
    for sign, a, b in (("", "0.3", "-1.2"), ("-", "1.1", "0.4"), ("", "-0.7", "0.9"), ("-", "0.2", "1.5"))
)
#: Loss, variables, point.
LOSSES = {
    "rosenbrock": ("(1-x)**2 + 100*(y-x**2)**2", ("x", "y"), (0.3, -0.7)),
    "deep linear": ("(1 - a*b)**2/2 + (0.5 - 2*a*b)**2/3", ("a", "b"), (0.9, 0.4)),
    "logistic": (f"{LOGISTIC} + 0.05*(w0**2 + w1**2)", ("w0", "w1", "c"), (0.2, -0.4, 0.1)),
    "rational": ("(x**2 + x*y)/(1 + x**2 + 2*y**2) + y/(3 + x)", ("x", "y"), (0.6, 0.5)),
    "every function": (
        "exp(x*y) + log(2+x) + sqrt(1+y**2) + sin(x)*cos(y) + tan(x/2) + tanh(y) + sinh(x)*cosh(y) + atan(x*y)"
        " + erf(x-y) + sigmoid(2*x) + softplus(x+y) + (1+x**2)**(2/3) + 2**y + (1+x)**y + (2+y)**-3",
        ("x", "y"),
        (0.4, 0.3),
    ),
}


def high_precision(field_g, variables, point, order):
    """``g, ξ_0, …`` from plain iterates: η f̃ = Σ (−1)^{n+1}/n Δ^n y for many tiny η, then interpolation in η."""
    count = order + 2
    own = (sigmoid, softplus)
    plain = [part.replace(lambda node: isinstance(node, own), lambda node: node.rewrite(sympy.exp)) for part in field_g]
    gradient = sympy.lambdify(variables, plain, "mpmath")
    with mpmath.workdps(40 * count):
        start = [mpmath.mpf(value) for value in point]
        etas = [mpmath.mpf(10) ** -30 * (i + 1) for i in range(count)]
        values = [_logarithm(gradient, start, eta, count) for eta in etas]
        columns = [_interpolated(etas, [value[i] for value in values])[: order + 1] for i in range(len(point))]
        return -np.array([[float(entry) for entry in column] for column in columns]).T


def _logarithm(gradient, start, eta, count):
    rows = [start]
    for _ in range(count):
        rows.append([y - eta * g for y, g in zip(rows[-1], gradient(*rows[-1]), strict=True)])
    total = [mpmath.mpf(0)] * len(start)
    for n in range(1, count + 1):
        rows = [[b - a for a, b in zip(*pair, strict=True)] for pair in pairwise(rows)]
        total = [
            value + mpmath.mpf((-1) ** (n + 1)) / n * entry / eta for value, entry in zip(total, rows[0], strict=True)
        ]
    return total


def _interpolated(nodes, values):
    """Coefficients of the polynomial through these values, by Newton's divided differences."""
    table = list(values)
    for level in range(1, len(nodes)):
        for i in range(len(nodes) - 1, level - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (nodes[i] - nodes[i - level])
    coefficients = [table[-1]]
    for node, value in zip(nodes[-2::-1], table[-2::-1], strict=True):
        shifted = [mpmath.mpf(0), *coefficients]
        coefficients = [a - node * b for a, b in zip(shifted, [*coefficients, mpmath.mpf(0)], strict=True)]
        coefficients[0] += value
    return coefficients


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module")
def kernel(folder):
    """``kernel(name)``: order 10, each compiled once."""
    known = {}

    def get(name):
        if name not in known:
            expression, variables, _ = LOSSES[name]
            known[name] = eomsym.load(eomsym.generate(expression, 10, variables=variables, output=folder))
        return known[name]

    return get


@pytest.mark.parametrize("name", LOSSES)
def test_order_10_against_iterates_in_high_precision(kernel, name):
    expression, variables, point = LOSSES[name]
    model = ExpressionLoss(expression, variables)
    symbols = [model.symbols[variable] for variable in variables]
    exact = high_precision([model.as_sympy.diff(symbol) for symbol in symbols], symbols, point, 10)
    found = kernel(name).counterterms(np.array(point))
    assert found.shape == exact.shape == (11, len(variables))
    errors = np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert errors.max() <= 1e-10, errors
    assert errors[:4].max() <= 1e-13, errors


@pytest.mark.parametrize("name", LOSSES)
def test_loss_gradient_and_hessian(kernel, name):
    expression, variables, point = LOSSES[name]
    model = ExpressionLoss(expression, variables)
    symbols = [model.symbols[variable] for variable in variables]
    at = dict(zip(symbols, point, strict=True))
    theta, direction = np.array(point), np.arange(1.0, len(point) + 1)
    exact = float(model.as_sympy.evalf(30, subs=at))
    hessian = np.array(sympy.hessian(model.as_sympy, symbols).subs(at).evalf(30), dtype=float)
    assert kernel(name).loss(theta) == pytest.approx(exact, rel=1e-14)
    gradient = [float(model.as_sympy.diff(symbol).evalf(30, subs=at)) for symbol in symbols]
    np.testing.assert_allclose(kernel(name).gradient(theta), gradient, rtol=1e-13)
    np.testing.assert_allclose(kernel(name).hessian_vector(theta, direction), hessian @ direction, rtol=1e-12)


def test_the_field_adds_up_and_orders_are_prefixes(kernel):
    rosenbrock, theta = kernel("rosenbrock"), np.array([0.3, -0.7])
    rows = rosenbrock.counterterms(theta)
    np.testing.assert_allclose(
        rosenbrock.field(theta, 1e-3, order=4), -sum(1e-3**k * row for k, row in enumerate(rows[:5])), rtol=1e-14
    )
    for order in range(10):
        np.testing.assert_allclose(rosenbrock.counterterms(theta, order=order), rows[: order + 1], rtol=1e-11)


def test_gradient_series_is_a_taylor_series(kernel):
    """Along a straight line coefficient k is the k-th derivative over k!."""
    expression, variables, point = LOSSES["rational"]
    model, s = ExpressionLoss(expression, variables), sympy.Symbol("s")
    x, y = (model.symbols[name] for name in variables)
    along = model.as_sympy.diff(x).subs({x: sympy.Rational(3, 5) + s, y: sympy.Rational(1, 2) - 2 * s})
    exact = [float(along.diff(s, k).subs(s, 0)) / sympy.factorial(k) for k in range(5)]
    series = np.zeros((5, 2))
    series[:2] = point, (1.0, -2.0)
    np.testing.assert_allclose(kernel("rational").gradient_series(series)[:, 0], np.array(exact, float), rtol=1e-12)


def test_the_size_of_the_code_does_not_depend_on_the_order():
    sizes = {}
    for order in (0, 1, 5, 10, 16):
        text = render(KernelSpec(ExpressionLoss(*LOSSES["every function"][:2]), order))
        code = text[text.index("jit = ") :]  # after the tables
        sizes[order] = len(code.splitlines())
    assert len(set(sizes.values())) == 1, sizes


def test_the_size_of_the_code_is_linear_in_the_expression():
    """A chain of n functions: its gradient as a formula has n factors in each of which n functions are nested."""

    def statements(depth):
        expression = "x*y"
        for _ in range(depth):
            expression = f"sin({expression} + x)"
        return len(
            re.findall(r"^ +(v\[|\[[A-Z]+,)", render(KernelSpec(ExpressionLoss(expression, ["x", "y"]), 4)), re.M)
        )

    few, more, most = statements(10), statements(20), statements(40)
    assert most - more == 2 * (more - few)


def test_parameters_are_given_at_run_time(folder):
    x, y, a, b = sympy.symbols("x y a b")
    loss = a * (1 - x) ** 2 + b * (y - x**2) ** 2
    kernel = eomsym.load(eomsym.generate(loss, 4, variables=[x, y], parameters=[a, b], output=folder))
    theta = np.array([0.3, -0.7])
    for values in ((1.0, 100.0), (2.5, 7.0)):
        _, *columns = eomsym.derive(order=4).to_sympy(loss.subs({a: sympy.Rational(values[0]), b: values[1]}), [x, y])
        exact = np.array([[float(part.subs({x: 0.3, y: -0.7})) for part in column] for column in columns])
        np.testing.assert_allclose(kernel.counterterms(theta, np.array(values))[1:], exact, rtol=1e-9)
    assert kernel.loss(theta, np.array([1.0, 0.0])) == pytest.approx(0.49)
    for wrong in ((), (np.zeros(3),), (np.array([1.0, np.nan]),), ([1.0, 2.0],)):
        with pytest.raises(InputError, match="parameters"):
            kernel.counterterms(theta, *wrong)


def test_a_vector_field_is_its_modified_equation(folder):
    """``y' = y²`` (Hairer, Lubich & Wanner, ch. IX.1, example 1.1) to the highest order, beside a field of rotation."""
    field = VectorField("u**2; v", ["u", "v"])
    kernel = eomsym.load(eomsym.generate(field, MAX_EXPRESSION_ORDER, output=folder))
    u = sympy.Symbol("u")
    riccati = eomsym.modified_equation([u**2], [u], MAX_EXPRESSION_ORDER)
    found = -kernel.counterterms(np.array([0.7, 2.0]))
    np.testing.assert_allclose(found[:, 0], [float(column[0].subs(u, 0.7)) for column in riccati], rtol=1e-7)
    np.testing.assert_allclose(found[:, 1], [2 * (-1) ** k / (k + 1) for k in range(17)], rtol=1e-8)
    np.testing.assert_allclose(kernel.field(np.array([0.7, 2.0]), 0.0), [0.49, 2.0])
    with pytest.raises(InputError, match="a vector field has none"):
        kernel.loss(np.array([0.7, 2.0]))


@pytest.mark.parametrize(
    ("theta", "what"),
    [
        ([0.1, 0.2], "list is not a float64"),
        (np.ones(3), "shape"),
        (np.array([0.1, np.nan]), "finite"),
        (np.ones(2, int), "int64"),
    ],
)
def test_what_is_no_point_is_refused(kernel, theta, what):
    for call in (kernel("rosenbrock").loss, kernel("rosenbrock").gradient, kernel("rosenbrock").counterterms):
        with pytest.raises(InputError, match=what) as caught:
            call(theta)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="parameters"):
        kernel("rosenbrock").counterterms(np.ones(2), np.ones(1))
    with pytest.raises(InputError, match="0 to 10"):
        kernel("rosenbrock").counterterms(np.ones(2), order=11)


@pytest.mark.parametrize("ask", ["loss", "gradient", "counterterms"])
def test_outside_of_the_domain_there_is_no_value(kernel, ask):
    with pytest.raises(OverflowInKernelError, match=r"theta: the loss is not defined at \(-3, 0\.1\); give another"):
        getattr(kernel("every function"), ask)(np.array([-3.0, 0.1]))


def test_specifications_survive_json_and_the_bytes_are_the_same(folder):
    for model in (ExpressionLoss("a*x**2", ["x"], ["a"]), VectorField("x*y; -x", ["x", "y"]), MLP([2, 2])):
        spec = KernelSpec(model, 2)
        assert KernelSpec.from_json(spec.to_json()) == spec
        assert spec.name.isidentifier()
        assert render(spec) == render(KernelSpec.from_json(spec.to_json()))
    spec = KernelSpec(ExpressionLoss("a*x**2", ["x"], ["a"]), 2)
    path = write_kernel(spec, folder)
    assert write_kernel(spec, folder) == path
    assert path.read_text() == render(spec)


def test_a_text_and_its_sympy_expression_give_the_same_numbers(kernel, folder):
    expression, variables, point = LOSSES["rational"]
    symbolic = ExpressionLoss(expression, variables).as_sympy
    other = eomsym.load(eomsym.generate(symbolic, 10, variables=variables, output=folder))
    np.testing.assert_allclose(
        other.counterterms(np.array(point)), kernel("rational").counterterms(np.array(point)), rtol=1e-10
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"kind": "cnn"}, "StopIteration"),
        ({"expression": "__import__('os')"}, "not allowed"),
        ({"variables": ["lambda"]}, "lambda"),
        ({"surplus": 1}, "surplus"),
        ({"order": 99}, "0 to 16"),
    ],
)
def test_a_specification_that_asks_for_something_else_is_refused(change, what):
    data = KernelSpec(ExpressionLoss("x**2", ["x"]), 2).to_dict() | change
    with pytest.raises(InputError, match=what):
        KernelSpec.from_json(json.dumps(data))


def test_what_cannot_be_generated(folder):
    before = list(folder.iterdir())
    for call, what in (
        (lambda: eomsym.generate("x**2", 2, output=folder), "variables: none given"),
        (lambda: eomsym.generate("x**2", 17, variables=["x"], output=folder), "0 to 16"),
        (lambda: eomsym.generate(3, 2, variables=["x"], output=folder), "int given"),
        (lambda: eomsym.generate(sympy.Symbol("z") ** 2, 2, variables=["x"], output=folder), "'z'"),
        (lambda: eomsym.generate(sympy.gamma(sympy.Symbol("x")), 2, output=folder), "gamma"),
        (lambda: eomsym.generate(MLP([2, 2]), 2, variables=["x"], output=folder), "leave them out"),
        (lambda: VectorField("x", ["x", "y"]), "1 expressions for 2 variables"),
    ):
        with pytest.raises(InputError, match=what):
            call()
    assert list(folder.iterdir()) == before
