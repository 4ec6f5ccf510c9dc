"""Kernels of methods with memory keep their digits: certificates and a closed form, to the highest order offered."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from asking import certify
from forms import EVERY
from interpreted import interpreted

from eomsym.codegen import MAX_EXPRESSION_ORDER, MAX_KERNEL_ORDER, KernelSpec
from eomsym.errors import OverflowInKernelError
from eomsym.models import ExpressionLoss
from eomsym.optimizers.loop import loop_of
from eomsym.optimizers.registry import is_built_in
from eomsym.optimizers.rule import State
from eomsym.step_index.tables import small_nodes

MODEL = ExpressionLoss("log(1+exp(2*x*y)) + (x-y)**2/(1+y**2)", ["x", "y"])
POINT = np.array([0.7, -0.4])
MEMORIES = ("1/2", "9/10", "99/100", "999/1000")
#: Optimisers with the memories that people give them.
SWEEP = [(name, {"beta": beta}) for name in ("heavy-ball", "nesterov", "sgdw") for beta in MEMORIES] + [
    (name, {"beta2": beta, "epsilon": "1e-8"})
    for name in ("rmsprop", "rmsprop(inside=yes)", "adam", "adam(inside=yes, corrected=no)", "adamw")
    for beta in MEMORIES[2:]
]


def kernel(model, order, name, settings):
    return interpreted(KernelSpec(model, order, name, settings=tuple(settings.items())))


def certified(name, settings, order):
    return np.array(certify(kernel(MODEL, order, name, settings), POINT).relative_errors)


def remembers(entry):
    return entry.memory and {field.kind for field in entry.fields(**entry.complete({}))} == {"loss"}


@pytest.mark.parametrize("name", [name for name, entry in EVERY.items() if is_built_in(entry) and remembers(entry)])
def test_certificates_at_the_defaults(name):
    assert certified(name, {}, 6).max() <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings"), SWEEP, ids=str)
def test_certificates_at_the_highest_order(name, settings):
    errors = certified(name, settings, MAX_EXPRESSION_ORDER)
    assert errors.max() <= 1e-10
    assert errors[:11].max() <= 1e-12


def test_a_memory_so_long_that_the_first_balls_are_infinite():
    assert certified("heavy-ball", {"beta": "999999/1000000"}, MAX_EXPRESSION_ORDER).max() <= 1e-12


@pytest.mark.parametrize("beta", ["0", "1/10", *MEMORIES, "9999/10000"])
def test_heavy_ball_on_a_quadratic(beta):
    """The larger root of r² − (1+β−x) r + β has ``log r = −Σ_n (xⁿ/n) Σ_k C(n−1,k)² β^k / (1−β)^{2n−1}``."""
    square = kernel(ExpressionLoss("x**2/2", ["x"]), MAX_EXPRESSION_ORDER, "heavy-ball", {"beta": beta})
    share = Fraction(beta)
    for n, (value,) in enumerate(square.counterterms(np.array([1.0])), 1):
        exact = sum(comb(n - 1, k) ** 2 * share**k for k in range(n)) / (n * (1 - share) ** (2 * n - 1))
        assert abs(Fraction(value) / exact - 1) <= (1e-12 if n <= 11 else 1e-10)


@pytest.mark.parametrize("name", ["heavy-ball", "nesterov", "adam"])
def test_tables_stay_in_the_range_of_single_precision(name):
    """Rows of long memories grow like (1−β)^(1−2k), their weights do not."""
    rule = loop_of(name, **{"beta2" if name == "adam" else "beta": "9999/10000"}).rule({})
    tables = small_nodes(rule, MAX_KERNEL_ORDER + 1)
    shares = {rule.self_coefficient(atom.index) for atom in rule.atoms if isinstance(atom, State)} - {1}
    for level in range(MAX_KERNEL_ORDER + 1):
        matrices = [tables.summation(level), tables.logarithm(level), *(tables.resolvent(a, level) for a in shares)]
        weights = np.array([float(weight) for matrix in matrices for row in matrix for weight in row])
        assert np.abs(weights).max() <= 1e9
        assert np.abs(weights[weights != 0]).min() >= 1e-10


def test_terms_that_overflow_are_named_without_a_warning(recwarn):
    made = kernel(MODEL, MAX_EXPRESSION_ORDER, "heavy-ball", {"beta": "999999999999/1000000000000"})
    assert np.isfinite(made.counterterms(POINT, order=10)).all()
    with pytest.raises(OverflowInKernelError, match=r"what belongs to order 1[1-6]"):
        made.counterterms(POINT)
    assert not recwarn.list
