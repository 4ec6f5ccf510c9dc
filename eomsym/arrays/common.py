"""What array libraries have in common: operations of one name and meaning, and their functions at order 0."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from eomsym.arrays import elementary_rules, rules
from eomsym.arrays.machine import RuleMaker


def names(text: str) -> list[str]:
    """Names of operations, with blanks between them."""
    return text.split()


LINEAR = ("neg", "add", "sub", "reshape", "transpose", "squeeze", "slice", "stack", "cumsum")
#: Numbers that are piecewise constant.
CHOICES = ("sign", "floor", "ceil", "round")
#: Piecewise constant.
FLAT = (*CHOICES, "eq", "ne", "lt", "le", "gt", "ge", "argmax", "argmin")
FUNCTIONS = ("exp", "log", "sin", "cos", "tan", "tanh", "sinh", "cosh", "atan", "erf", "sqrt")

RULES: Mapping[str, RuleMaker] = {
    **dict.fromkeys(LINEAR, rules.linear),
    **{name: elementary_rules.function(name) for name in FUNCTIONS},
    "mul": rules.bilinear_with(rules.entrywise),
    "div": rules.divide,
    "abs": rules.piecewise,
    "log1p": elementary_rules.of_affine("log", shift=1.0),
    "expm1": elementary_rules.function("exp", same=False),  # which differs at order 0 alone
    "exp2": elementary_rules.of_affine("exp", factor=0.6931471805599453),
    "erfc": elementary_rules.erfc,
    "rsqrt": elementary_rules.root(Fraction(-1, 2)),
    "logaddexp": elementary_rules.logaddexp,
}


def seeds(library: Any, erf: Callable[..., Any], sigmoid: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """The seeds of ``series.elementary`` from a library with NumPy's names."""
    same = ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh")
    return {
        **{name: getattr(library, name) for name in same},
        "atan": library.arctan,
        "erf": erf,
        "erf_slope": lambda z: 1.1283791670955126 * library.exp(-z * z),
        "sigmoid": sigmoid,
        "softplus": lambda z: library.logaddexp(z, library.zeros_like(z)),
    }
