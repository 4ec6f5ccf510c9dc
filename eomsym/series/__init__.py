"""Truncated power series: the table of elementary functions, programs of scalars and what runs them in a ring."""

from eomsym.series.elementary import ELEMENTARY, ElementaryFunction, power

__all__ = ["ELEMENTARY", "ElementaryFunction", "power"]
