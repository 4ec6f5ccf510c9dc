"""Coloured trees and monomials of the vector language as text, LaTeX, SymPy and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from eomsym.derivation.general_terms import GeneralCounterterms, GeneralTerm
from eomsym.derivation.vector_language import ComponentwiseFunction, Monomial
from eomsym.notation.coefficients import coefficient_expression, coefficient_latex, coefficient_text, is_sum, split_sign
from eomsym.trees import ColouredTree

if TYPE_CHECKING:
    import sympy

    from eomsym.derivation.modified_loss import ModifiedLoss

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class _Style:
    """How one notation writes the pieces that both kinds of terms are made of."""

    theta: str
    derivative: Callable[[int, int, list[str]], str]  # colour (0: only one field), how often, arguments
    power: Callable[[str, int], str]
    root: Callable[[str], str]
    times: str
    minus: str
    coefficient: Callable[[Any], str]
    brackets: tuple[str, str] = ("(", ")")


def _text_derivative(colour: int, count: int, arguments: list[str]) -> str:
    name = "g" + (str(colour).translate(_SUBSCRIPTS) if colour else "")
    primes = "'" * count if count < 5 else f"⁽{str(count).translate(_SUPERSCRIPTS)}⁾"
    return name + primes + (f"({', '.join(arguments)})" if arguments else "")


def _latex_derivative(colour: int, count: int, arguments: list[str]) -> str:
    name = f"g_{{{colour}}}" if colour else "g"
    primes = "'" * count if count < 4 else f"^{{({count})}}"
    return name + primes + (rf"\left[{', '.join(arguments)}\right]" if arguments else "")


def _sympy_derivative(colour: int, count: int, arguments: list[str]) -> str:
    name = f"g_{colour}" if colour else "g"
    if not arguments:
        return name
    return f"{name}{'_' if colour else ''}{count}({', '.join(arguments)})"


_TEXT = _Style(
    "θ",
    _text_derivative,
    lambda base, power: base + (str(power).translate(_SUPERSCRIPTS) if power != 1 else ""),
    lambda inside: f"√({inside})",
    " ",
    "−",
    coefficient_text,
)
_LATEX = _Style(
    r"\theta",
    _latex_derivative,
    lambda base, power: base + (f"^{{{power}}}" if power != 1 else ""),
    lambda inside: rf"\sqrt{{{inside}}}",
    r" \, ",
    "-",
    coefficient_latex,
    (r"\left(", r"\right)"),
)
_SYMPY = _Style(
    "theta",
    _sympy_derivative,
    lambda base, power: base + (f"**({power})" if power < 0 else f"**{power}" if power != 1 else ""),
    lambda inside: f"sqrt({inside})",
    "*",
    "-",
    lambda coefficient: f"({coefficient_text(coefficient)})",
)


def general_text(terms: GeneralCounterterms) -> str:
    """The equation of motion, what its letters mean, and one line per counter term."""
    series = " + ".join(_TEXT.power("η", k) * (k > 0) + " " * (k > 0) + f"ξ_{k}" for k in range(terms.order))
    flow = _sum(terms, [GeneralTerm(t.basis, -t.coefficient) for t in terms.leading], _TEXT)
    lines = [f"θ̇ = {flow}" + (f" − η ξ,  ξ = {series}" if terms.order else "")]
    if len(terms.fields) > 1:
        lines += [f"g{str(i).translate(_SUBSCRIPTS)}: {meaning}" for i, meaning in enumerate(terms.fields, start=1)]
    lines += [f"{f.name} = {_definition(terms, f, _TEXT)}" for f in terms.functions]
    return "\n".join(lines + [f"ξ_{k} = {_sum(terms, row, _TEXT)}" for k, row in enumerate(terms.terms)])


def general_latex(terms: GeneralCounterterms) -> str:
    r"""An ``aligned`` block; products and functions of vectors are componentwise."""
    flow = _sum(terms, [GeneralTerm(t.basis, -t.coefficient) for t in terms.leading], _LATEX)
    series = " + ".join(
        (r"\eta" * (k > 0)) + (f"^{{{k}}}" if k > 1 else "") + rf"\xi_{{{k}}}" for k in range(terms.order)
    )
    rows = [rf"\dot{{\theta}} &= {flow}" + (rf" - \eta\,\xi, \quad \xi = {series}" if terms.order else "")]
    rows += [f"{_name(f, _LATEX)} &= {_definition(terms, f, _LATEX)}" for f in terms.functions]
    rows += [rf"\xi_{{{k}}} &= {_sum(terms, row, _LATEX)}" for k, row in enumerate(terms.terms)]
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def general_sympy_lines(terms: GeneralCounterterms) -> str:
    """``leading``, the functions of g, and ``xi_0``, … as SymPy reads them; products are componentwise."""
    lines = [f"{f.name} = {_definition(terms, f, _SYMPY)}" for f in terms.functions]
    lines.append(f"leading = {_sum(terms, terms.leading, _SYMPY)}")
    return "\n".join(lines + [f"xi_{k} = {_sum(terms, row, _SYMPY)}" for k, row in enumerate(terms.terms)])


def general_json(terms: GeneralCounterterms) -> str:
    """One JSON object: trees as bracket lists with colours, monomials as SymPy reads them."""

    def row(entries: Sequence[GeneralTerm]) -> list[dict[str, Any]]:
        return [_entry(terms, entry) for entry in entries]

    data = {
        "optimizer": terms.optimizer,
        "parameters": {name: str(value) for name, value in terms.parameters.items()},
        "order": terms.order,
        "fields": list(terms.fields),
        "functions": {f.name: _definition(terms, f, _SYMPY) for f in terms.functions},
        "leading": row(terms.leading),
        "counterterms": [{"index": k, "terms": row(entries)} for k, entries in enumerate(terms.terms)],
    }
    return json.dumps(data)


def _entry(terms: GeneralCounterterms, term: GeneralTerm) -> dict[str, Any]:
    coefficient = coefficient_text(term.coefficient)
    if isinstance(term.basis, ColouredTree):
        return {"tree": str(term.basis), "symmetry": term.basis.symmetry, "coefficient": coefficient}
    return {"term": _basis(terms, term.basis, _SYMPY), "coefficient": coefficient}


def _sum(terms: GeneralCounterterms, row: Sequence[GeneralTerm], style: _Style) -> str:
    text = ""
    for term in row:
        negative, magnitude = split_sign(term.coefficient)
        basis = _basis(terms, term.basis, style)
        if magnitude != 1:
            number = style.coefficient(magnitude)
            if is_sum(magnitude):
                number = number.join(style.brackets)
            basis = number + style.times + basis if basis else number
        sign = (f" {style.minus} " if text else style.minus) if negative else (" + " if text else "")
        text += sign + (basis or "1")
    return text or "0"


def _basis(terms: GeneralCounterterms, basis: ColouredTree | Monomial, style: _Style) -> str:
    if isinstance(basis, ColouredTree):
        return _tree(basis, style, len(terms.fields) > 1)
    parts = [style.power(style.theta, basis.position)] if basis.position else []
    if basis.gradient:
        parts.append(style.power(style.derivative(0, 0, []), basis.gradient))
    parts += [style.power(_name(terms.functions[index], style), power) for index, power in basis.powers]
    for arguments in basis.derivatives:
        written = [_basis(terms, argument, style) for argument in reversed(arguments)]
        parts.append(style.derivative(0, len(arguments), written))
    return style.times.join(parts)


def _tree(tree: ColouredTree, style: _Style, coloured: bool) -> str:
    if tree.colour == 0:
        return style.theta
    arguments = [_tree(child, style, coloured) for child in reversed(tree.children)]
    return style.derivative(tree.colour if coloured else 0, len(arguments), arguments)


def _name(function: ComponentwiseFunction, style: _Style) -> str:
    letter, number = function.name[0], function.name[1:]
    return f"{letter}_{{{number}}}" if number and style is _LATEX else function.name


def _definition(terms: GeneralCounterterms, function: ComponentwiseFunction, style: _Style) -> str:
    inside = _sum(terms, [GeneralTerm(m, c) for m, c in reversed(function.argument)], style)
    return style.root(inside) if function.root else inside


def general_sympy(
    terms: GeneralCounterterms, losses: Sequence[sympy.Expr], variables: Sequence[sympy.Symbol]
) -> list[sympy.Matrix]:
    """``[leading, ξ_0, …]`` of concrete losses (one for each field) as columns."""
    return general_of_fields(terms, [[loss.diff(name) for name in variables] for loss in losses], variables)


def general_of_fields(
    terms: GeneralCounterterms, gradients: Sequence[Sequence[sympy.Expr]], variables: Sequence[sympy.Symbol]
) -> list[sympy.Matrix]:
    """``[leading, ξ_0, …]`` as columns for vector fields in place of the gradients ``g_1``, ``g_2``, …, as in games."""
    import sympy

    size = len(variables)
    functions: list[list[sympy.Expr]] = []

    def directional(field: Sequence[sympy.Expr], arguments: list[list[sympy.Expr]]) -> list[sympy.Expr]:
        total = [sympy.Integer(0)] * size
        for indices in product(range(size), repeat=len(arguments)):
            weight = sympy.Mul(*(argument[i] for argument, i in zip(arguments, indices, strict=True)))
            names = [variables[i] for i in indices]
            total = [old + weight * component.diff(*names) for old, component in zip(total, field, strict=True)]
        return total

    def value(basis: ColouredTree | Monomial) -> list[sympy.Expr]:
        if isinstance(basis, ColouredTree):
            if basis.colour == 0:
                return list(variables)
            field = list(gradients[basis.colour - 1])
            return directional(field, [value(child) for child in basis.children]) if basis.children else field
        total = [name**basis.position * g**basis.gradient for name, g in zip(variables, gradients[0], strict=True)]
        factors = [[entry**power for entry in functions[index]] for index, power in basis.powers]
        factors += [directional(gradients[0], [value(a) for a in arguments]) for arguments in basis.derivatives]
        return [sympy.Mul(old, *(factor[i] for factor in factors)) for i, old in enumerate(total)]

    def combination(row: Sequence[GeneralTerm]) -> list[sympy.Expr]:
        weighted = [(coefficient_expression(term.coefficient), value(term.basis)) for term in row]
        return [sympy.Add(*(weight * vector[i] for weight, vector in weighted)) for i in range(size)]

    for function in terms.functions:
        inside = combination([GeneralTerm(m, c) for m, c in function.argument])
        functions.append([sympy.sqrt(entry) for entry in inside] if function.root else inside)
    return [sympy.Matrix(combination(row)) for row in (terms.leading, *terms.terms)]


def modified_loss_text(loss: ModifiedLoss) -> str:
    """``L̃ = L + η (1/4 L'(g)) + …`` line by line, with the rest that is no gradient."""
    lines = []
    for k, (level, rest) in enumerate(zip(loss.levels, loss.rest, strict=True)):
        parts = [(term.coefficient, _contraction(term.tree, loss.fields > 1)) for term in level]
        lines.append(f"{_TEXT.power('η', k) if k else 'L̃_0'}: {_weighted(parts)}")
        if rest:
            differentials = [(value, _tree(tree, _TEXT, loss.fields > 1)) for tree, value in rest.items()]
            lines.append(f"   not a gradient for every loss; beside it stays {_weighted(differentials)}")
    return "\n".join(lines)


def _contraction(tree: ColouredTree, coloured: bool) -> str:
    name = "L" + (str(tree.colour).translate(_SUBSCRIPTS) if coloured else "")
    count = len(tree.children)
    arguments = ", ".join(_tree(child, _TEXT, coloured) for child in reversed(tree.children))
    return name + "'" * count + (f"({arguments})" if count else "")


def _weighted(parts: Sequence[tuple[Any, str]]) -> str:
    text = ""
    for coefficient, basis in parts:
        negative, magnitude = split_sign(coefficient)
        number = "" if magnitude == 1 else coefficient_text(magnitude) + " "
        if number and is_sum(magnitude):
            number = f"({number.strip()}) "
        text += ((" − " if text else "−") if negative else (" + " if text else "")) + number + basis
    return text or "0"
