"""Truncated power series: the table of elementary functions and the reference arithmetic over any ring."""

from eomsym.series.elementary import ELEMENTARY, ElementaryFunction, power
from eomsym.series.truncated import TruncatedSeries, elementary, modified_field

__all__ = ["ELEMENTARY", "ElementaryFunction", "TruncatedSeries", "elementary", "modified_field", "power"]
