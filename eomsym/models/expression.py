"""A loss or a vector field of the user's own, as a frozen description."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from eomsym.errors import InputError
from eomsym.models.parser import check_names, parse_expression

if TYPE_CHECKING:
    import sympy

    from eomsym.series.program import Program


class _Written:
    """What is written in variables and parameters."""

    variables: tuple[str, ...]
    parameters: tuple[str, ...]

    def _read(
        self, expressions: Sequence[Any], variables: Sequence[str] | None, parameters: Sequence[str]
    ) -> list[str]:
        """Keeps the names, which are checked, and returns the expressions as texts."""
        names, constants = _names(expressions, variables, parameters)
        object.__setattr__(self, "variables", names)
        object.__setattr__(self, "parameters", constants)
        return [_text(part, (*names, *constants)) for part in expressions]

    @property
    def size(self) -> int:
        """Number of variables d."""
        return len(self.variables)

    @cached_property
    def symbols(self) -> dict[str, sympy.Symbol]:
        """SymPy symbols of variables and parameters, by name."""
        import sympy

        return {name: sympy.Symbol(name) for name in (*self.variables, *self.parameters)}

    @property
    def _inputs(self) -> tuple[list[sympy.Symbol], list[sympy.Symbol]]:
        return [self.symbols[name] for name in self.variables], [self.symbols[name] for name in self.parameters]


@dataclass(frozen=True, init=False)
class ExpressionLoss(_Written):
    """A loss that is written down: an expression in ``variables``, with ``parameters`` that are given at run time.

    ``expression`` is a text, parsed safely, or a SymPy expression in symbols of these names; numbers are exact.
    Without ``variables`` a SymPy expression's own symbols, sorted, are taken.
    Raises ``InputError`` for names that cannot be used and for anything that is not a smooth elementary expression.
    """

    expression: str
    variables: tuple[str, ...]
    parameters: tuple[str, ...]

    def __init__(
        self, expression: str | sympy.Expr, variables: Sequence[str] | None = None, parameters: Sequence[str] = ()
    ) -> None:
        object.__setattr__(self, "expression", self._read([expression], variables, parameters)[0])
        self.program  # noqa: B018 - refuses here what cannot be generated later

    @cached_property
    def as_sympy(self) -> sympy.Expr:
        """The loss as a SymPy expression."""
        return parse_expression(self.expression, self.symbols)

    @cached_property
    def program(self) -> Program:
        """Loss and gradient as a straight-line program on power series."""
        from eomsym.series.lifting import loss_program

        return loss_program(self.as_sympy, *self._inputs)


@dataclass(frozen=True, init=False)
class VectorField(_Written):
    """A differential equation ``y' = f(y)``: one expression for each of ``variables``, as ``ExpressionLoss`` else.

    The method under study is explicit Euler, ``y ↦ y + η f(y)``; in the words of a loss, ``f = −g``.
    """

    expressions: tuple[str, ...]
    variables: tuple[str, ...]
    parameters: tuple[str, ...]

    def __init__(
        self,
        expressions: Sequence[str | sympy.Expr] | str,
        variables: Sequence[str] | None = None,
        parameters: Sequence[str] = (),
    ) -> None:
        parts = expressions.split(";") if isinstance(expressions, str) else list(expressions)
        object.__setattr__(self, "expressions", tuple(self._read(parts, variables, parameters)))
        if len(parts) != self.size:
            raise InputError(f"field: {len(parts)} expressions for {self.size} variables; give one for each")
        self.program  # noqa: B018

    @cached_property
    def as_sympy(self) -> tuple[sympy.Expr, ...]:
        """The components of f as SymPy expressions."""
        return tuple(parse_expression(text, self.symbols) for text in self.expressions)

    @cached_property
    def program(self) -> Program:
        """``g = −f`` as a straight-line program on power series."""
        from eomsym.series.lifting import field_program

        return field_program([-part for part in self.as_sympy], *self._inputs)


def _names(
    expressions: Sequence[Any], variables: Sequence[str] | None, parameters: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    constants = [getattr(name, "name", name) for name in parameters] if not isinstance(parameters, str) else parameters
    if variables is None:
        if any(isinstance(expression, str) for expression in expressions):
            raise InputError("variables: none given; name them in order, such as ['x', 'y']")
        free = set().union(*(getattr(expression, "free_symbols", ()) for expression in expressions))
        variables = sorted({symbol.name for symbol in free} - set(constants))
    elif not isinstance(variables, str):
        variables = [getattr(name, "name", name) for name in variables]
    names = check_names("variable", variables)
    if not names:
        raise InputError("variables: none given; name them in order, such as ['x', 'y']")
    return names, check_names("parameter", constants, taken=names)


def _text(expression: Any, names: Sequence[str]) -> str:
    """The text of an expression: what the user wrote, or what reads back as the user's SymPy expression."""
    if isinstance(expression, str):
        return expression.strip()
    import sympy

    if not isinstance(expression, sympy.Expr):
        kind = type(expression).__name__
        raise InputError(f"expression: {kind} given; give a text or a SymPy expression in the variables")
    unknown = sorted({symbol.name for symbol in expression.free_symbols} - set(names))
    if unknown:
        raise InputError(f"expression: symbol {unknown[0]!r} is neither a variable nor a parameter; list it among them")
    plain = {number: sympy.Rational(number) for number in expression.atoms(sympy.Float) if number.is_finite}
    plain |= {sympy.pi: 4 * sympy.atan(sympy.Symbol("ONE")), sympy.E: sympy.exp(sympy.Symbol("ONE"))}
    return sympy.sstr(expression.xreplace(plain), order="none").replace("ONE", "1")
