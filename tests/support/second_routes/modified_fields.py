"""Modified fields of any rule by plain numbers at integer nodes, which no kernel has."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from eomsym.optimizers.rule import UpdateRule
from eomsym.step_index import solve
from eomsym.step_index.numbers import GradientSeries, NumberAlgebra
from eomsym.step_index.tables import integer_nodes


def modified_field_terms(
    rule: UpdateRule,
    gradient_series: GradientSeries,
    theta: np.ndarray,
    terms: int,
    number: Callable[[Fraction], Any] = float,
    root: Callable[[Any], Any] = np.sqrt,
) -> list[np.ndarray]:
    """``[f̃_0, …, f̃_{terms−1}]`` at a point, each (d,), at nodes that no kernel has."""
    algebra = NumberAlgebra(integer_nodes(rule, terms), gradient_series, [theta], number, root)
    return [values[0] for values in solve(rule, algebra, terms)]
