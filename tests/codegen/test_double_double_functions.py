"""Elementary functions of generated double-double kernels against mpmath, and at the ends of their range."""

import hashlib
import importlib.util
import sys
from dataclasses import replace

import kernel_cache
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

from eomsym.codegen.double_double_constants import constants, words
from eomsym.codegen.double_double_statements import system_program
from eomsym.codegen.templates import environment, is_function, loss_template, with_callees
from eomsym.errors import InputError
from eomsym.files import write_atomically
from eomsym.models import ACTIVATIONS
from eomsym.series import ELEMENTARY

TOLERANCE = 1e-30
#: Below this a low part may underflow.
SMALLEST = 1e-290

#: Each function by mpmath, and the arguments it is tried with.
EXACT = {
    "tanh": (mp.tanh, (-60, 60)),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), (-660, 660)),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), (-660, 660)),
    "sin": (mp.sin, (-1e9, 1e9)),
    "cos": (mp.cos, (-1e9, 1e9)),
    "normal_distribution": (lambda x: mp.erfc(-x / mp.sqrt(2)) / 2, (-36, 36)),
    "normal_density": (mp.npdf, (-36, 36)),
    "exp": (mp.exp, (-660, 709)),
    "expm1": (mp.expm1, (-60, 709)),
    "log1p": (mp.log1p, (-0.999999, 1e290)),
}
ARITHMETIC = {"plus": mp.fadd, "times": mp.fmul, "over": mp.fdiv}


@pytest.fixture(scope="module")
def compiled():
    """All functions as kernels hold them, compiled for arrays: name to function of (highs, lows)."""
    lines = ["import math", "", "import numba", "import numba.extending", "import numpy as np", ""]
    lines += ['jit = numba.njit(nogil=True, fastmath=False, error_model="numpy", cache=True)', ""]
    context = {"functions": with_callees(EXACT), "constants": constants()}
    for name in ("double_double/arithmetic.jinja", "double_double/functions.jinja"):
        lines.append(environment().get_template(name).render(context) + "\n\n")
    for name in EXACT:
        lines += ["@jit", f"def map_{name}(x, out):", "    for i in range(x.shape[1]):"]
        lines += [f"        out[0, i], out[1, i] = _{name}(x[0, i], x[1, i])", "", ""]
    for name in ARITHMETIC:
        lines += ["@jit", f"def map_{name}(x, out):"]
        lines += [f"    out[0, 0], out[1, 0] = _{name}(x[0, 0], x[1, 0], x[0, 1], x[1, 1])", "", ""]
    source = "\n".join(lines).encode()
    # Named by its content: numba keeps what it compiles beside it, for the next run.
    path = kernel_cache.folder() / f"double_double_functions_{hashlib.sha256(source).hexdigest()[:32]}.py"
    write_atomically(path, source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    yield lambda name, pairs: _call(getattr(module, f"map_{name}"), pairs)
    del sys.modules[path.stem]


def _call(function, pairs):
    arguments = np.array(pairs, dtype=np.float64).T.copy()
    out = np.empty_like(arguments)
    function(arguments, out)
    return list(zip(*out, strict=True))


def pair(high, fraction):
    """A double-double number with this high part; the fraction, up to 1/2 in size, is that of its last place."""
    return high, fraction * float(np.spacing(abs(high)))


def exact(parts):
    return mp.mpf(float(parts[0])) + mp.mpf(float(parts[1]))


def arguments(name):
    low, high = EXACT[name][1]
    if low > 0:
        return st.one_of(st.floats(-280, 300).map(lambda power: 10.0**power), st.floats(0.5, 2))
    magnitudes = st.floats(-200, 0).map(lambda power: 10.0**power)
    signed = st.one_of(magnitudes, magnitudes.map(lambda x: -x))
    return st.one_of(st.floats(low, high), st.floats(max(low, -3), 3), signed.filter(lambda x: x > low))


@pytest.mark.parametrize("name", EXACT)
def test_relative_error(name, compiled):
    function = EXACT[name][0]

    @settings(max_examples=300, deadline=None)
    @given(arguments(name), st.floats(-0.5, 0.5))
    def check(high, fraction):
        argument = pair(high, fraction)
        (found,) = compiled(name, [argument])
        with mpmath.workdps(400):  # the low part of 1 + x may be as small as 1e-320
            truth = function(exact(argument))
            if abs(truth) > SMALLEST:
                assert abs(exact(found) - truth) <= TOLERANCE * abs(truth)
        assert abs(found[1]) <= 0.5 * np.spacing(abs(found[0]))

    check()


CANCELLING = {
    "log1p": [pair(1e-20, 0.4), pair(-1e-20, 0.4), pair(-0.5, 0.1)],
    "expm1": [pair(1e-20, 0.4), pair(-0.34657, 0.1), pair(-0.3466, 0.3), pair(0.3466, 0.2)],
    "tanh": [pair(1e-100, 0.4), pair(-1e-30, -0.4)],
    "softplus": [pair(-600.0, 0.4), pair(-0.0, 0.0)],
    # Next to multiples of pi/2 that are doubles.
    "sin": [(float(n * np.pi), 0.0) for n in (1, 2, 3, 7, 1000, 10**6)],
    "cos": [(float((n + 0.5) * np.pi), 0.0) for n in (0, 1, 2, 7, 1000, 10**6)],
    # Where one formula takes over from the other.
    "normal_distribution": [(x, 0.0) for x in (-1.0, np.nextafter(-1.0, 0), 1.0, -12.0, -12.1, -36.3, 12.0, 30.0)],
}


@pytest.mark.parametrize("name", CANCELLING)
def test_where_digits_might_cancel(name, compiled):
    for argument, found in zip(CANCELLING[name], compiled(name, CANCELLING[name]), strict=True):
        with mpmath.workdps(400):
            truth = EXACT[name][0](exact(argument))
            assert abs(exact(found) - truth) <= TOLERANCE * abs(truth), argument


def test_a_zero_of_the_sine_that_no_double_is_near(compiled):
    """At the double-double number next to pi the sine is 1e-33, and its error 1e-47 only."""
    argument = words(mpmath.workdps(60)(lambda: +mp.pi)())
    (found,) = compiled("sin", [argument])
    with mpmath.workdps(400):
        assert abs(exact(found) - mp.sin(exact(argument))) < 1e-47


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name, compiled):
    numbers = st.floats(-1, 1).filter(lambda x: abs(x) > 1e-10)

    @settings(max_examples=300, deadline=None)
    @given(numbers, numbers, st.integers(-100, 100), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
    def check(a, b, power, first, second):
        given_pairs = [pair(a, first), pair(b * 2.0**power, second)]
        found = compiled(name, given_pairs)[0]
        with mpmath.workdps(400):
            truth = ARITHMETIC[name](*map(exact, given_pairs))
            # Of a sum as of its terms: bits of 16 u^2 at most.
            assert abs(exact(found) - truth) <= 2e-31 * abs(truth)

    check()


@pytest.mark.parametrize("name", EXACT)
def test_nan_stays_nan(name, compiled):
    (found,) = compiled(name, [(np.nan, 0.0)])
    assert np.isnan(found[0])


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("exp", 710.0, np.inf),
        ("exp", np.inf, np.inf),
        ("exp", -746.5, 0.0),
        ("exp", -np.inf, 0.0),
        ("expm1", 710.0, np.inf),
        ("expm1", -800.0, -1.0),
        ("log1p", -1.0, -np.inf),
        ("tanh", 1000.0, 1.0),
        ("tanh", -np.inf, -1.0),
        ("sigmoid", -1000.0, 0.0),
        ("sigmoid", 1000.0, 1.0),
        ("softplus", -1000.0, 0.0),
        ("softplus", 1e6, 1e6),
        ("normal_distribution", -41.0, 0.0),
        ("normal_distribution", 1000.0, 1.0),
        ("normal_density", 50.0, 0.0),
    ],
)
def test_the_ends_of_the_range(name, argument, value, compiled):
    assert compiled(name, [(argument, 0.0)]) == [(value, 0.0)]


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_arguments_whose_digits_do_not_reach_the_period(name, compiled):
    assert np.isnan(compiled(name, [(2.0**51, 0.0), (np.inf, 0.0)])).all()
    assert np.isfinite(compiled(name, [(2.0**50, 0.0)])).all()


def test_below_1e_290_digits_are_lost_one_after_the_other(compiled):
    for argument, digits in ((-680.0, 26), (-700.0, 18), (-740.0, 0)):
        (found,) = compiled("exp", [(argument, 0.0)])
        with mpmath.workdps(60):
            truth = mp.exp(argument)
            assert abs(exact(found) - truth) <= mp.mpf(10) ** -digits * truth


def test_words_are_what_is_left_of_a_number():
    with mpmath.workdps(90):
        parts = words(mp.pi, 4)
        assert parts[0] == float(mp.pi)
        assert abs(sum(map(mp.mpf, parts)) - mp.pi) < mp.mpf(2) ** -200
        assert exact(words(-mp.pi)) == -exact(words(mp.pi))


def test_every_activation_has_a_program_with_functions_that_exist():
    for activation in ACTIVATIONS:
        program = system_program(ELEMENTARY[activation])
        assert all(map(is_function, program.functions))
        assert program.members[program.value] == ELEMENTARY[activation].value
        assert program.members[program.derivative] == ELEMENTARY[activation].derivative


@pytest.mark.parametrize("name", ["sqrt", "log", "erf"])
def test_a_system_that_no_activation_has_is_refused(name):
    with pytest.raises(InputError, match="unweighted combinations"):
        system_program(ELEMENTARY[name])


def test_a_function_without_a_formula_is_refused():
    with pytest.raises(
        InputError, match="function 'erf': double-double arithmetic knows no erf; take precision double"
    ):
        system_program(replace(ELEMENTARY["erf"], relations=ELEMENTARY["erf"].relations[:1]))


@pytest.mark.parametrize("backend", ["mlp", "double_double"])
def test_a_loss_without_a_template_is_refused(backend):
    assert loss_template(backend, "cross-entropy") == f"{backend}/losses/cross_entropy.jinja"
    with pytest.raises(InputError, match=f"loss 'log-cosh': .* templates/{backend}/losses/log_cosh.jinja"):
        loss_template(backend, "log-cosh")
