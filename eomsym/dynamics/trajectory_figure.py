"""Paths in a plane: of two coordinates, or of the two directions in which they move most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from eomsym.drawing import line_style, panels
from eomsym.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["trajectory_figure"]


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), two largest principal components (2, d), and their shares of the variance (2,), of points (m, d).

    The sign of a component makes its largest entry positive.
    """
    mean = points.mean(axis=0)
    _, sizes, axes = np.linalg.svd(points - mean, full_matrices=False)
    plane = axes[:2] * np.sign(axes[:2][np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return mean, plane, (sizes[:2] / np.linalg.norm(sizes)) ** 2


def trajectory_figure(
    paths: Mapping[str, np.ndarray],
    coordinates: tuple[int, int] | None = None,
    names: Sequence[str] = (),
) -> Figure:
    """Paths (m, d), by their names, in the plane of two coordinates or of their principal components if none are given.

    The first one is drawn with markers, as the iterates of a run are, the others as lines; a ring is where each begins.
    The principal plane is that of the first.  ``names`` has those of all coordinates.  Raises ``InputError`` for paths
    of different widths, fewer than two numbers a point, or coordinates that are not there.
    """
    arrays = {name: np.asarray(path, dtype=np.float64) for name, path in paths.items()}
    shapes = {path.shape[1:] for path in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1 or next(iter(shapes))[0] < 2:
        raise InputError("paths: give arrays (points, numbers) with the same two numbers or more a point")
    first, (size,) = next(iter(arrays.values())), next(iter(shapes))
    if coordinates is None:
        if len(first) < 3:
            raise InputError(f"paths: {len(first)} points have no principal plane; give three or coordinates")
        mean, plane, shares = principal_plane(first)
        labels = [f"principal component {k + 1} ({share:.1%})" for k, share in enumerate(shares)]
    else:
        chosen = list(coordinates)
        if len(set(chosen)) != 2 or not all(isinstance(k, int) and 0 <= k < size for k in chosen):
            raise InputError(f"coordinates {coordinates!r}: give two different ones of 0 to {size - 1}")
        mean, plane = np.zeros(size), np.eye(size)[chosen]
        labels = [names[k] if names else rf"$\theta_{{{k}}}$" for k in chosen]
    figure, (axes,) = panels(4.8, 4.2)
    for index, (name, path) in enumerate(arrays.items()):
        colour, marker = line_style(index)
        x, y = plane @ (path - mean).T
        style = {"marker": marker, "markersize": 3.5, "linestyle": "none"} if index == 0 else {"linewidth": 1.3}
        axes.plot(x, y, color=colour, label=name, **style)
        axes.plot(x[:1], y[:1], "o", color=colour, markersize=9, fillstyle="none")
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.legend(frameon=False)
    return figure
