"""Elementary functions that SymPy lacks, as SymPy functions with exact derivatives.

They are printed under the names of their classes, like SymPy's own exp and tanh.
"""

from __future__ import annotations

from typing import Any

import sympy


class _ByExponentials(sympy.Function):  # type: ignore[misc]
    """A function whose value SymPy finds from its form in exponentials."""

    def _eval_evalf(self, precision: int) -> sympy.Expr:
        return self.rewrite(sympy.exp)._eval_evalf(precision)


class sigmoid(_ByExponentials):
    """``1/(1 + e^{−x})``; its derivative is ``sigmoid (1 − sigmoid)``."""

    @classmethod
    def eval(cls, argument: sympy.Expr) -> sympy.Expr | None:
        return sympy.S.Half if argument.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return self * (1 - self)

    def _eval_rewrite_as_exp(self, argument: sympy.Expr, **options: Any) -> sympy.Expr:
        return 1 / (1 + sympy.exp(-argument))


class softplus(_ByExponentials):
    """``log(1 + e^x)``; its derivative is ``sigmoid``."""

    @classmethod
    def eval(cls, argument: sympy.Expr) -> sympy.Expr | None:
        return sympy.log(2) if argument.is_zero else None

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sigmoid(self.args[0])

    def _eval_rewrite_as_exp(self, argument: sympy.Expr, **options: Any) -> sympy.Expr:
        return sympy.log(1 + sympy.exp(argument))
