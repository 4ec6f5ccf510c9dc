"""A kernel of plain NumPy, for what asks of one only its gradient along a curve: nothing is compiled."""

from __future__ import annotations

import numpy as np
from sample_quartic import times


class Quartic:
    """``x⁴/4 + x y²/3 + x² + 3y²/4 + 3x/5 + y``."""

    order, size = 8, 2

    def hessian_vector(self, theta, vector):
        return self.gradient_series(np.array([theta, vector]))[1]

    def gradient(self, theta):
        return self.gradient_series(theta[None])[0]

    def gradient_series(self, series):
        x, y = np.transpose(series).tolist()
        cube, square, xy = times(times(x, x), x), times(y, y), times(x, y)
        first = [p + q / 3 + 2 * r for p, q, r in zip(cube, square, x, strict=True)]
        found = np.array([first, [2 * p / 3 + 3 * q / 2 for p, q in zip(xy, y, strict=True)]]).T
        found[0] += [3 / 5, 1]
        return found
