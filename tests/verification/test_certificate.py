"""Certificates against balls of another program and exact rationals, for every kind of kernel; what they refuse."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import shared_kernels
from asking import certify
from forms import EVERY
from interpreted import interpreted

import eomsym
from eomsym import optimizers
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.errors import InputError, MissingExtraError
from eomsym.models import ExpressionLoss
from eomsym.optimizers.registry import is_built_in
from eomsym.series import number_rings
from eomsym.step_index import tables
from eomsym.step_index.numbers import program_counterterms
from eomsym.verification import measure_accuracy
from eomsym.verification.accuracy import evaluation_noise
from eomsym.verification.certifying import polynomial_counterterms

pytest.importorskip("flint")
from oracles.ball_arithmetic import BITS, modified_field

MODEL = shared_kernels.SPECS["tiny"].model
RANDOM = np.random.default_rng(8)
DATA = RANDOM.standard_normal((4, 2)), RANDOM.standard_normal((4, 1))
THETA = MODEL.initial(3)
ORDER = shared_kernels.SPECS["tiny"].order


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture
def kernel():
    return shared_kernels.kernel("tiny")


@pytest.fixture
def double_double():
    return shared_kernels.kernel("tiny, double-double")


def distances(rows, truth):
    """From floats to the middle of balls, for each row."""
    return [
        sum((float(a) - b.mid()) ** 2 for a, b in zip(*pair, strict=True)) for pair in zip(rows, truth, strict=True)
    ]


def test_bounds_hold_and_are_tight(kernel):
    """The truth by balls of 800 bits and gradients written out by hand, which share nothing with the certificate."""
    from flint import ctx

    certificate = certify(kernel, THETA, *DATA)
    truth = modified_field(MODEL.layers, THETA, DATA[0], DATA[1][:, 0], ORDER + 1)
    with ctx.workprec(BITS):
        errors = [float(square.sqrt()) for square in distances(kernel.counterterms(THETA, *DATA), truth)]
        sizes = [float(sum(ball**2 for ball in row).sqrt()) for row in truth]
    for k in range(ORDER + 1):
        assert errors[k] <= certificate.errors[k] <= 1.03 * errors[k]
        assert sizes[k] * (1 - 1e-12) <= certificate.sizes[k] <= sizes[k]
        assert 0 < certificate.radii[k] <= 0.01 * certificate.errors[k]
        assert certificate.relative_errors[k] == certificate.errors[k] / certificate.sizes[k]
    assert max(certificate.relative_errors) < 1e-13


def test_precision_is_raised_until_the_balls_are_small(kernel, monkeypatch):
    """53 bits are as wide as what they should measure: the next precision is taken, and says the same as ever."""
    usual = certify(kernel, THETA, *DATA)
    monkeypatch.setattr("eomsym.verification.certifying.FIRST_PRECISION", 1)
    raised = certify(kernel, THETA, *DATA)
    assert raised == usual
    assert raised.bits == 2 * 53


def test_a_wrong_digit_is_found(kernel, monkeypatch):
    """A counter term that is off by one part in 1e12 is certified to be off by that."""
    honest = kernel.counterterms(THETA, *DATA)
    planted = honest * (1 + 1e-12 * (np.arange(ORDER + 1) == 3))[:, np.newaxis]
    monkeypatch.setattr(kernel, "counterterms", lambda *arguments, order=None: planted)
    certificate = certify(kernel, THETA, *DATA)
    assert certificate.relative_errors[3] == pytest.approx(1e-12, rel=0.05)
    assert certificate.relative_errors[2] < 1e-14
    assert not certificate.passed
    assert certificate.summary.endswith("relative errors at most 1.0e-12, not certified: more than round-off in rows 3")


def bernoulli_off(function):
    return lambda power: function(power) * (1 + Fraction(power == 2, 10**6))


def middle_off(function):
    def faulty(*arguments):
        row = function(*arguments)
        row[len(row) // 2] *= 1 + Fraction(1, 10**9)
        return row

    return faulty


def memory_off(function):
    return lambda share, step: lambda power: function(share, step)(power) * (1 + Fraction(power == 2, 10**9))


#: What makes the weights of kernels, by its name in ``step_index.tables``, and a slip in it.
SLIPS = {"logarithm": bernoulli_off, "weights": middle_off, "resolvent": memory_off}


@pytest.mark.parametrize(
    ("function", "name", "settings"),
    [
        ("logarithm", "gradient-descent", {}),
        ("logarithm", "heavy-ball", {"beta": "1/2"}),
        ("weights", "gradient-descent", {}),
        ("weights", "runge-kutta-4", {}),
        ("weights", "adam", {}),
        ("resolvent", "heavy-ball", {"beta": "9/10"}),
        ("resolvent", "nesterov", {"beta": "1/2"}),
    ],
)
def test_a_slip_in_the_weights_of_a_kernel_is_not_shared(function, name, settings, monkeypatch):
    model, point = ExpressionLoss("log(1+exp(2*x*y)) + (x-y)**2", ["x", "y"]), np.array([0.7, -0.4])
    spec = KernelSpec(model, 4, name, settings=tuple(settings.items()))
    assert certify(interpreted(spec), point).passed
    with monkeypatch.context() as patch:
        forget()
        patch.setattr(tables, function, SLIPS[function](getattr(tables, function)))
        certificate = certify(interpreted(spec), point)
    forget()
    assert max(certificate.errors) > 1e-12 * max(certificate.sizes)
    assert not certificate.passed


@pytest.mark.parametrize("name", [name for name, entry in EVERY.items() if is_built_in(entry)])
def test_polynomials_and_nodes_lead_to_the_same_balls(name):
    """Every rule, on a loss of its own for each field: polynomials in the step index, and their values at nodes."""
    from flint import arb, ctx

    entry = optimizers.get(name)
    values = entry.complete({}, trial=True)
    fields, rule, steps = entry.fields(**values), entry.rule(**values), entry.steps(**values)
    texts = (f"log(1+exp({2 + k}*x*y)) + (x-y)**2/(1+y**2)" for k in range(len(fields)))
    programs = [ExpressionLoss(text, ["x", "y"]).program for text in texts]
    ring = number_rings.ball_ring()
    with ctx.workprec(300):
        asked = rule, programs, [arb(7) / 10, arb(-2) / 5], [], 5, ring, fields, steps
        for row, other in zip(polynomial_counterterms(*asked), program_counterterms(*asked), strict=True):
            for ball, second in zip(row, other, strict=True):
                assert ball.overlaps(second)
                assert ball.rad() + second.rad() < 1e-50 * (1 + abs(ball))


def forget():
    """Tables that were made before."""
    for made in (tables._rows, tables._doubly_vanishing):
        made.cache_clear()


def test_double_double_has_twice_the_digits(double_double):
    certificate = certify(double_double, THETA, *DATA, order=3)
    assert len(certificate.errors) == 4
    assert max(certificate.relative_errors) < 1e-29
    assert certificate.bits >= 210


def test_an_expression_with_parameters_in_exact_numbers(folder):
    """``L = a x³/3``: ξ_0 = a² x³, and the rows are rational numbers."""
    cubic = eomsym.load(eomsym.generate("a*x**3/3", variables=["x"], parameters=["a"], order=1, output=folder))
    theta, given = np.array([0.7]), np.array([1.3])
    certificate = certify(cubic, theta, given)
    x, a = Fraction(0.7), Fraction(1.3)
    for row, truth, bound in zip(
        cubic.counterterms(theta, given), (a * x**2, a**2 * x**3), certificate.errors, strict=True
    ):
        error = abs(Fraction(row[0]) - truth)
        assert error <= Fraction(bound)
        assert bound <= 1.01 * error + 1e-30


@pytest.mark.parametrize(
    "name",
    [
        "adam(inside=yes, corrected=no)",
        "alternating-players",
        "random-reshuffling",
        pytest.param("simultaneous-players", marks=pytest.mark.slow),
    ],
)
def test_other_optimizers(name):
    if name in shared_kernels.RULES:
        other = shared_kernels.kernel(name)
    else:
        settings = tuple(optimizers.get(name).complete({}, trial=True).items())
        other = kernel_for(KernelSpec(MODEL, 2, name, settings=settings))
    assert max(certify(other, THETA, *DATA).relative_errors) < 1e-13


def test_rows_that_vanish_have_absolute_bounds():
    """ξ_0 of a symmetric method is 0: there is no relative error, and JSON says null."""
    midpoint = kernel_for(KernelSpec(ExpressionLoss("exp(x) + x**2", ["x"]), 2, "implicit-midpoint"))
    certificate = certify(midpoint, np.array([0.5]))
    assert certificate.relative_errors[1] == np.inf
    assert 0 < certificate.errors[1] < 1e-14
    assert certificate.to_dict()["relative_errors"][1] is None
    assert certificate.to_dict()["errors"] == list(certificate.errors)


def test_what_cannot_be_certified(kernel, folder, monkeypatch):
    with pytest.raises(InputError, match="only generated code is certified"):
        certify(SimpleNamespace(order=1, size=len(THETA), gradient=kernel.gradient), THETA, *DATA)
    with pytest.raises(InputError, match="theta: shape"):
        certify(kernel, THETA[:3], *DATA)
    with pytest.raises(InputError, match="order 9"):
        certify(kernel, THETA, *DATA, order=9)
    root = eomsym.load(eomsym.generate("sqrt(x)", variables=["x"], order=1, output=folder))
    with pytest.raises(InputError, match="not defined here"):
        certify(root, np.array([0.0]))
    monkeypatch.setattr(number_rings, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'eomsym\[certify\]'"):
        certify(kernel, THETA, *DATA)


def test_a_second_evaluation_measures_what_is_certified(kernel, double_double, folder):
    measured = measure_accuracy(kernel, THETA, *DATA)
    assert measured.shape == (ORDER + 1,)
    assert measured == pytest.approx(certify(kernel, THETA, *DATA).relative_errors, rel=0.05)
    assert measure_accuracy(kernel, THETA, *DATA, order=1, output=folder) == pytest.approx(measured[:2], rel=0.05)
    with pytest.raises(InputError, match=r"kernel Kernel.*double_double\): .* eomsym\.certify"):
        measure_accuracy(double_double, THETA, *DATA)
    with pytest.raises(InputError, match=r"kernel <object.*give a network's kernel"):
        measure_accuracy(object(), THETA, *DATA)


@pytest.mark.parametrize("precision", ["double", "double-double"])
def test_noise_is_the_size_of_the_certified_errors(kernel, double_double, precision):
    """One draw against an estimate from seven: within a factor of ten, over errors that differ by a thousand."""
    of = {"double": kernel, "double-double": double_double}[precision]
    start = THETA if precision == "double" else eomsym.DoubleDouble.from_value(THETA)
    errors = np.array(certify(of, THETA, *DATA, order=ORDER).errors)
    noise = np.array(
        [evaluation_noise(lambda at, k=k: of.counterterms(at, *DATA, order=ORDER)[k], start) for k in range(ORDER + 1)]
    )
    assert np.all(noise < 10 * errors)
    assert np.all(errors < 10 * noise)


def test_a_smooth_function_has_no_noise_but_the_one_put_in():
    point = np.array([0.75, -0.5])
    assert evaluation_noise(lambda x: np.zeros(2), point) == 0
    assert evaluation_noise(lambda x: 3.0 * x, np.zeros(2)) < 1e-20
    random = np.random.default_rng(1)
    found = [evaluation_noise(lambda x: np.sin(x) + 1e-9 * random.standard_normal(2), point) for _ in range(200)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(1e-9 * np.sqrt(2), rel=0.15)
