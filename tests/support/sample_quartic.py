"""A kernel of plain NumPy with data: a mean over samples of quartics with coefficients of their own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


class SampleQuartic:
    """Mean over samples (a, b, c, d) of ``x⁴/4 + a x y²/3 + (1 + b²) x² + 3y²/4 + c x + d y``."""

    order, size = 8, 2

    def hessian_vector(self, theta, vector, samples):
        return self.gradient_series(np.array([theta, vector]), samples)[1]

    def gradient(self, theta, samples):
        return self.gradient_series(theta[None], samples)[0]

    def gradient_series(self, series, samples):
        a, square, c, d = means(samples.tobytes())
        x, y = np.transpose(series).tolist()
        square_of_x, square_of_y, xy = times(x, x), times(y, y), times(x, y)
        cube = times(square_of_x, x)
        first = [p + a * q / 3 + 2 * (1 + square) * r for p, q, r in zip(cube, square_of_y, x, strict=True)]
        second = [2 * a * p / 3 + 3 * q / 2 for p, q in zip(xy, y, strict=True)]
        found = np.array([first, second]).T
        found[0] += [c, d]
        return found


@lru_cache
def means(samples):
    """Those of a, b², c and d: the samples' bytes are known again far sooner than averaged."""
    a, b, c, d = np.frombuffer(samples).reshape(-1, 4).T
    return tuple(float(part.mean()) for part in (a, b**2, c, d))


def times(p, q):
    """A product of short series, as lists: at so few terms an array costs more than the numbers in it."""
    found = [0.0] * len(p)
    for i, a in enumerate(p):
        for j in range(len(p) - i):
            found[i + j] += a * q[j]
    return found


THETA = np.array([0.3, -0.4])


def samples(count, seed=0):
    """So many samples, (count, 4)."""
    return np.random.default_rng(seed).normal(size=(count, 4)) * 0.6 + [1, 0, 0.6, 1]
