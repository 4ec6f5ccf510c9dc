"""Parameters without a value, as generators of a fraction field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from eomsym.exact_numbers import Coefficient
from eomsym.optimizers import Optimizer


def symbolic_parameters(entry: Optimizer, given: Mapping[str, Fraction]) -> dict[str, Coefficient]:
    """The optimiser's parameters that have no value, as generators of one fraction field over the rationals."""
    return symbols_of([parameter.name for parameter in entry.parameters if parameter.name not in given])


def symbols_of(names: Sequence[str]) -> dict[str, Coefficient]:
    """Generators of one fraction field over the rationals, by their names."""
    if not names:
        return {}
    import sympy

    return dict(zip(names, sympy.field(names, sympy.QQ)[1:], strict=True))
