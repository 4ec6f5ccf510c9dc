"""A kernel of plain NumPy with data: a mean over samples of quartics with coefficients of their own."""

from __future__ import annotations

import numpy as np


class SampleQuartic:
    """Mean over samples (a, b, c, d) of ``x⁴/4 + a x y²/3 + (1 + b²) x² + 3y²/4 + c x + d y``."""

    order, size = 8, 2

    def hessian_vector(self, theta, vector, samples):
        return self.gradient_series(np.array([theta, vector]), samples)[1]

    def gradient(self, theta, samples):
        return self.gradient_series(theta[None], samples)[0]

    def gradient_series(self, series, samples):
        x, y = series.T
        a, b, c, d = samples.T

        def times(p, q):
            return np.convolve(p, q)[: len(p)]

        first = times(times(x, x), x) + a.mean() * times(y, y) / 3 + 2 * (1 + (b**2).mean()) * x
        found = np.array([first, 2 * a.mean() * times(x, y) / 3 + 3 * y / 2]).T
        found[0] += [c.mean(), d.mean()]
        return found


THETA = np.array([0.3, -0.4])


def samples(count, seed=0):
    """So many samples, (count, 4)."""
    return np.random.default_rng(seed).normal(size=(count, 4)) * 0.6 + [1, 0, 0.6, 1]
