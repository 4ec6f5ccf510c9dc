"""heyoka: Taylor integration of truncated modified fields in 200-bit reals, against iterates and eomsym's own paths."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import heyoka
import numpy as np
import sympy

import eomsym
from eomsym.derivation.polynomial_ring import lifted, program_columns
from eomsym.dynamics import integrate_equation_of_motion
from eomsym.models import MLP, VectorField
from oracles.agreement import Agreement

BITS = 200
ORDERS = range(9)
#: The local slope differs from N + 1 by a multiple of η, 2⁻¹¹ here.
SLOPE_BOUND = 0.01
STEPS = (1024, 2048)
X, Y, ETA = sympy.symbols("x y eta")
LOTKA_VOLTERRA = [X * (1 - Y), Y * (X - 2)]
START = (Fraction(3, 2), Fraction(5, 4))


def agreements() -> Iterator[Agreement]:
    """Slopes of the truncated fields, then paths of a kernel in doubles and of one in double-double."""
    yield _slopes()
    with tempfile.TemporaryDirectory() as folder:
        yield from _double_paths(folder)
        yield _double_double_path(folder)


def _slopes() -> Agreement:
    """Explicit Euler on Lotka–Volterra at time 1 with steps of 2⁻¹⁰ and 2⁻¹¹; errors down to 1e−28."""
    columns = eomsym.modified_equation(LOTKA_VOLTERRA, [X, Y], max(ORDERS))
    ends = {steps: _iterated(steps) for steps in STEPS}
    apart = []
    for order in ORDERS:
        field = [sum((ETA**k * column[i] for k, column in enumerate(columns[: order + 1])), X * 0) for i in range(2)]
        move = _Integrator(field, [X, Y])
        errors = [_norm(move(START, Fraction(1, steps), 1) - ends[steps]) for steps in STEPS]
        slopes = [math.log2(large / small) for large, small in pairwise(errors)]
        apart += [abs(slope - order - 1) for slope in slopes]
    what = f"slope N + 1 on Lotka–Volterra, orders {ORDERS[0]} to {ORDERS[-1]}, {BITS} bits"
    return Agreement(what, len(apart), "of slope", max(apart), SLOPE_BOUND)


def _iterated(steps: int) -> np.ndarray:
    """Explicit Euler up to time 1, written out."""
    x, y = (_real(value) for value in START)
    eta = _real(Fraction(1, steps))
    for _ in range(steps):
        x, y = x + eta * (x * (1 - y)), y + eta * (y * (x - 2))
    return np.array([x, y])


def _double_paths(folder: str) -> Iterator[Agreement]:
    """A kernel of doubles on Lotka–Volterra: the distance of its path against the estimate that comes with it."""
    field = VectorField([str(part) for part in LOTKA_VOLTERRA], ["x", "y"])
    kernel = eomsym.load(eomsym.generate(field, order=6, output=folder))
    columns = eomsym.modified_equation(LOTKA_VOLTERRA, [X, Y], 6)
    start, eta = np.array([float(value) for value in START]), Fraction(1, 16)
    for order in (2, 6):
        move = _Integrator([sum(ETA**k * c[i] for k, c in enumerate(columns[: order + 1])) for i in range(2)], [X, Y])
        truth = move(START, eta, 2)
        end = integrate_equation_of_motion(kernel, start, float(eta), 2.0, order=order)
        distance = _norm(_reals(end.theta) - truth)
        yield Agreement(f"path of order {order}, doubles", 2, "distance", distance, 1e-14)
        yield Agreement("  that distance over its own estimate", 1, "ratio", distance / end.error_estimate, 1)


def _double_double_path(folder: str) -> Agreement:
    """A 1-1-1 network of tanh on two samples in double-double, order 2, against its modified field in closed form."""
    model = MLP([1, 1, 1], "tanh", "mse")
    inputs, targets = np.array([[0.5], [-1.0]]), np.array([[0.25], [0.75]])
    kernel = eomsym.load(eomsym.generate(model, 2, precision="double-double", output=folder))
    names = sympy.symbols("w b v c")
    w, b, v, c = names
    gaps = [
        v * sympy.tanh(w * sympy.Rational(z) + b) + c - sympy.Rational(t)
        for z, t in zip(inputs[:, 0], targets[:, 0], strict=True)
    ]
    columns = program_columns(*lifted(sum(gap**2 for gap in gaps) / 4, names), 2)
    field = [-sum(ETA**k * column[i] for k, column in enumerate(columns)) for i in range(4)]
    start, eta, time = model.initial(0), Fraction(1, 8), 2
    truth = _Integrator(field, names)([Fraction(value) for value in start], eta, time)
    end = integrate_equation_of_motion(kernel, start, float(eta), float(time), (inputs, targets))
    distance = _norm(_reals(end.theta.high) + _reals(end.theta.low) - truth)
    return Agreement("path of a 1-1-1 network, order 2, double-double", 4, "distance", distance, 1e-29)


class _Integrator:
    """heyoka's Taylor method for a field of SymPy expressions in ``names`` and η."""

    def __init__(self, field: Sequence[sympy.Expr], names: Sequence[sympy.Symbol]) -> None:
        variables = heyoka.make_vars(*(name.name for name in names))
        right = [heyoka.subs(_converted(part), {"eta": heyoka.par[0]}) for part in field]
        self._has_eta = any(ETA in part.free_symbols for part in field)
        self._method = heyoka.taylor_adaptive(
            list(zip(variables, right, strict=True)),
            [_real(Fraction(0))] * len(names),
            pars=[_real(Fraction(0))] * self._has_eta,
            fp_type=heyoka.real,
            prec=BITS,
            compact_mode=True,
        )

    def __call__(self, start: Sequence[Fraction], eta: Fraction, time: int) -> np.ndarray:
        """The state after this time, an array of reals."""
        self._method.time = _real(Fraction(0))
        self._method.state[:] = [_real(value) for value in start]
        if self._has_eta:
            self._method.pars[:] = [_real(eta)]
        outcome = self._method.propagate_until(_real(Fraction(time)))[0]
        if outcome != heyoka.taylor_outcome.time_limit:
            raise ArithmeticError(f"heyoka stopped: {outcome}")
        return self._method.state.copy()


def _converted(expression: sympy.Expr) -> Any:
    """heyoka's own translation refuses rationals that are no binary fractions: they enter as 200-bit quotients."""
    expression = sympy.expand(expression)
    rationals = [number for number in expression.atoms(sympy.Rational) if not number.is_Integer]
    names = {number: sympy.Symbol(f"q{index}") for index, number in enumerate(rationals)}
    meanings = {name: heyoka.expression(_real(Fraction(int(r.p), int(r.q)))) for r, name in names.items()}
    return heyoka.from_sympy(expression.xreplace(names), meanings)


def _real(value: Fraction) -> Any:
    return heyoka.real(value.numerator, BITS) / heyoka.real(value.denominator, BITS)


def _reals(vector: np.ndarray) -> np.ndarray:
    return np.array([_real(Fraction(float(value))) for value in vector])


def _norm(vector: np.ndarray) -> float:
    return math.sqrt(sum(float(value) ** 2 for value in vector))
