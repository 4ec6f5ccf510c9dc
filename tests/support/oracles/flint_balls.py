"""python-flint: kernels and their certificates against balls of a program of its own, ``ball_arithmetic``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import asking
import numpy as np
from flint import ctx

import eomsym
from eomsym.double_double import DoubleDouble
from eomsym.models import MLP
from oracles.agreement import Agreement
from oracles.ball_arithmetic import BITS, modified_field, relative_error

MODEL = MLP([2, 3, 1], "tanh", "mse")
SAMPLES = 3
#: Order, and the relative error allowed in a row, by precision: about a digit an order is lost from double-double; the
#: terms of these few random samples cancel, which costs doubles a factor of 30 as in the tests of the kernels.
KERNELS = {"double": (10, 3e-10), "double-double": (14, 1e-17)}
#: The balls of a certificate widen its bound by at most this part; see ``certificate.TIGHTNESS``.
WIDENING = 0.03
#: Of the errors themselves, as doubles.
ROUND_OFF = 1e-12


def agreements() -> Iterator[Agreement]:
    """Errors of the rows by balls of 800 bits, and how far the certificate's bounds are above them."""
    random = np.random.default_rng(5)
    inputs, targets = random.standard_normal((SAMPLES, 2)), random.standard_normal((SAMPLES, 1))
    theta = MODEL.initial(3)
    with tempfile.TemporaryDirectory() as folder, ctx.workprec(BITS):
        for precision, (order, bound) in KERNELS.items():
            kernel = eomsym.load(eomsym.generate(MODEL, order, precision=precision, output=folder))
            rows = DoubleDouble.from_value(kernel.counterterms(theta, inputs, targets))
            truth = modified_field(MODEL.layers, theta, inputs, targets[:, 0], order + 1)
            errors = [relative_error(*pair) for pair in zip(rows.high, rows.low, truth, strict=True)]
            what = f"kernel of order {order}, {precision}"
            yield Agreement(what, rows.high.size, "relative", max(errors), bound)
            certificate = asking.certify(kernel, theta, inputs, targets)
            above = [c / e - 1 for c, e in zip(certificate.relative_errors, errors, strict=True)]
            worst = max(above) if min(above) > -ROUND_OFF else np.inf  # a bound below the error is none
            yield Agreement("  its certified bounds above these errors", len(errors), "relative", worst, WIDENING)
