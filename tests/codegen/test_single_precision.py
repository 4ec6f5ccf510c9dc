"""Kernels in single precision: equal to those in double within single's round-off, and float32 in and out."""

import re
from dataclasses import replace

import numpy as np
import pytest
import shared_kernels

from eomsym.codegen import KernelSpec, kernel_for
from eomsym.codegen.render import render
from eomsym.dynamics import integrate_equation_of_motion
from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.verification import certify

EPSILON = np.finfo(np.float32).eps
CASES = {
    "cross-entropy": shared_kernels.SPECS["softplus cross-entropy"],
    "mse": shared_kernels.SPECS["adam(inside=yes, corrected=no)"],
    "batch": shared_kernels.SPECS["batch"],
}


@pytest.fixture(scope="module", params=[*list(CASES)[:2], pytest.param("batch", marks=pytest.mark.slow)])
def pair(request):
    """A kernel in single and in double precision, and arguments that are exact in both."""
    spec = CASES[request.param]
    kernels = [kernel_for(replace(spec, precision=precision)) for precision in ("single", "double")]
    model, random = spec.model, np.random.default_rng(1)
    inputs = random.standard_normal((70, model.layers[0]), dtype=np.float32)
    targets = random.standard_normal((70, model.layers[-1]), dtype=np.float32)
    if model.loss == "cross-entropy":
        targets = random.integers(0, model.layers[-1], 70)
    return *kernels, (model.initial(2).astype(np.float32), inputs, targets)


def widened(arguments):
    return [array.astype(np.float64) if array.dtype == np.float32 else array for array in arguments]


def test_terms_agree_with_double(pair):
    """A few units of round-off in the gradient, and up to one digit less each order."""
    single, double, arguments = pair
    found, expected = single.counterterms(*arguments), double.counterterms(*widened(arguments))
    assert found.dtype == np.float32
    errors = np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)
    assert errors[0] < 8 * EPSILON
    assert (errors < 8 * EPSILON * 6.0 ** np.arange(len(errors))).all()
    assert errors.max() > EPSILON / 8  # else these would not be single's numbers


def test_series_and_loss_agree_with_double(pair):
    single, double, (theta, inputs, targets) = pair
    data, wide_data = (inputs, targets), widened((inputs, targets))
    series = np.stack([theta, theta[::-1]])
    found, expected = single.gradient_series(series, *data), double.gradient_series(series.astype(float), *wide_data)
    np.testing.assert_allclose(found, expected, atol=30 * EPSILON * np.abs(expected).max())
    loss, field = double.loss(theta.astype(float), *wide_data), double.field(theta.astype(float), 1e-4, *wide_data)
    np.testing.assert_allclose(single.loss(theta, *data), loss, rtol=8 * EPSILON)
    np.testing.assert_allclose(single.field(theta, 1e-4, *data), field, atol=8 * EPSILON * np.abs(field).max())
    assert single.field(theta, 1e-4, *data).dtype == np.float32


@pytest.mark.parametrize("pair", ["cross-entropy", "mse"], indirect=True)
def test_a_certificate_says_how_single_it_is(pair):
    """Balls know nothing of the double kernel, and find the same errors."""
    single, double, (theta, inputs, targets) = pair
    some = inputs[:3], targets[:3]
    certified = np.array(certify(single, theta, *some).relative_errors)
    rows, expected = single.counterterms(theta, *some), double.counterterms(*widened((theta, *some)))
    errors = np.linalg.norm(rows - expected, axis=1) / np.linalg.norm(expected, axis=1)
    np.testing.assert_allclose(certified, errors, rtol=1e-3)


def test_doubles_are_not_rounded_silently(pair):
    single, _, arguments = pair
    with pytest.raises(InputError, match="theta: float64 is not a float32 array"):
        single.gradient(arguments[0].astype(float), *arguments[1:])
    with pytest.raises(InputError, match="inputs: float64 is not a float32 array"):
        single.gradient(arguments[0], arguments[1].astype(float), arguments[2])


def test_a_path_needs_more_digits(pair):
    single, _, arguments = pair
    with pytest.raises(InputError, match="round-off hides the errors of a path"):
        integrate_equation_of_motion(single, arguments[0], 0.1, 0.2, arguments[1:], order=1)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "gelu", "silu", "sin"])
def test_loops_over_coefficients_hold_no_double(activation):
    """One double literal would make numba compute the whole loop in doubles; order 0, done once, is meant to be."""
    source = render(KernelSpec(MLP([3, 4, 2], activation, "cross-entropy"), 4, precision="single"))
    loops = re.findall(r"\ndef (?:_activate|_through|_loss_series)\(.*?(?=\n\n\n)", source, re.DOTALL)
    assert len(loops) == 3
    order_0, _, loops[0] = loops[0].partition("        return\n")
    assert "if start == 0:" in order_0
    lines = [line for loop in loops for line in loop.splitlines() if re.search(r"(?<![\w(])\d+\.\d", line)]
    assert not [line for line in lines if not re.search(r"REAL\(-?\d", line)]
    assert "float64[" not in source
