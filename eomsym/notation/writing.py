"""Equations in three notations, each a writer: unicode text, LaTeX, and lines that SymPy reads.

A basis element is a tree, a monomial of componentwise factors, a joint cumulant, or a product of cumulants
(``notation.operators``).  For SymPy ``g`` is the gradient, ``g1(u)`` its derivative along u, ``g2(u, v)`` the second
along u and v, and so on: ``xi_1 = g1(g1(g))/3 + g2(g, g)/12``.  LaTeX has H = ∇g and ``\\nabla^{2}g[u, v]``; text of a
single gradient is as in numerical analysis, ``g'g''(g,g)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from eomsym.exact_numbers import Coefficient
from eomsym.notation.coefficients import coefficient_latex, coefficient_text, is_sum, split_sign
from eomsym.notation.operators import Product, product_entry
from eomsym.notation.terms import (
    Basis,
    ComponentwiseFunction,
    Cumulant,
    Monomial,
    Row,
    Vertex,
    antiderivative,
    state_symbols,
)
from eomsym.trees import Tree

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def subscript(number: int) -> str:
    """The number as an index: ``₁₂``."""
    return str(number).translate(_SUBSCRIPTS)


def power_text(symbol: str, exponent: int) -> str:
    """``η``, ``η²``."""
    return symbol + (str(exponent).translate(_SUPERSCRIPTS) if exponent != 1 else "")


def power_latex(name: str, exponent: int) -> str:
    """A power as a factor before what follows."""
    if exponent == 0:
        return ""
    return rf"{name}\," if exponent == 1 else rf"{name}^{{{exponent}}}\,"


class Writer:
    """Unicode text, and what all notations have in common.

    Colours are shown where there are several ``fields``; those after them are ``vertices``.  ``memory`` names the slow
    states beside θ; of a ``start`` their leaves are what they start as.
    """

    theta, velocity, xi, potential, total, log = "θ", "θ̇", "ξ", "φ", "Σ φ", "ln "
    minus, times = "−", " "
    #: Whether terms that are zero are shown.
    zeros = True

    def __init__(
        self,
        fields: int = 1,
        functions: Sequence[ComponentwiseFunction] = (),
        memory: Sequence[str] = (),
        start: bool = False,
        vertices: Sequence[Vertex] = (),
    ) -> None:
        self.fields, self.functions, self.vertices = fields, functions, vertices
        self.states = [self.theta, *map(self.start if start else self.name, state_symbols(memory))]

    def name(self, name: str) -> str:
        return name

    def start(self, name: str) -> str:
        return f"{name}₀"

    def indexed(self, letter: str, k: int) -> str:
        return f"{letter}_{k}"

    def power(self, base: str, power: int) -> str:
        return power_text(base, power)

    def root(self, inside: str) -> str:
        return f"√({inside})"

    def eta(self, k: int) -> str:
        """A power of η as a factor."""
        return f"{power_text('η', k)} " if k else ""

    def coefficient(self, value: Coefficient) -> str:
        """A coefficient as a factor."""
        return f"({coefficient_text(value)})" if is_sum(value) else coefficient_text(value)

    def primes(self, count: int) -> str:
        """Those of a derivative, from the fifth on a number: ``''``, ``⁽⁵⁾``."""
        return "'" * count if count < 5 else f"⁽{count}⁾".translate(_SUPERSCRIPTS)

    def derivative(self, colour: int, count: int, arguments: Sequence[str], letter: str = "g") -> str:
        """A derivative of the gradient of a field (0 if there is only one) along its arguments."""
        name = letter + (subscript(colour) if colour else "")
        return name + self.primes(count) + (f"({', '.join(arguments)})" if arguments else "")

    def vertex(self, name: str, arguments: Sequence[str]) -> str:
        """A derivative of a map along its arguments."""
        return self.derivative(0, len(arguments), arguments, name)

    def call(self, function: str, argument: str) -> str:
        """A map at its argument."""
        return f"{function}({argument})"

    def contraction(self, colour: int, count: int, arguments: Sequence[str]) -> str:
        """The same of the loss."""
        return self.derivative(colour, count, arguments, "L")

    def cumulant(self, n: int) -> str:
        return {1: "g", 2: "Σ"}.get(n, f"κ{subscript(n)}")

    def joint(self, n: int) -> str:
        """Cumulant n of the gradient of a batch, without indices."""
        return self.cumulant(n)

    def slope(self, name: str, arguments: Sequence[str]) -> str:
        """A derivative of what has a name."""
        return f"{name}{self.primes(len(arguments))}({', '.join(arguments)})"

    def covariance(self, vectors: Sequence[str]) -> str:
        return f"Cov({', '.join(vectors)})"

    def along(self, index: str) -> str:
        """A derivative by a component."""
        return f"∂_{index}"

    def upper(self, indices: str) -> str:
        return f"^{indices}"

    def product(self, magnitude: Coefficient, name: str) -> str:
        """``magnitude · name``; an empty name is 1."""
        if magnitude == 1:
            return name or "1"
        return self.times.join(filter(None, (self.coefficient(magnitude), name)))

    def signed_sum(self, parts: Iterable[tuple[Coefficient, str]]) -> str:
        """``1/3 a − b``; of no parts, 0."""
        text = ""
        for coefficient, name in parts:
            if coefficient == 0 and not self.zeros:
                continue
            negative, magnitude = split_sign(coefficient)
            sign = (f" {self.minus} " if text else self.minus) if negative else (" + " if text else "")
            text += sign + self.product(magnitude, name)
        return text or "0"

    def sum(self, terms: Row) -> str:
        return self.signed_sum((coefficient, self.basis(basis)) for basis, coefficient in terms.items())

    def basis(self, basis: Basis) -> str:
        match basis:
            case Tree():
                return self.tree(basis)
            case Monomial():
                return self._monomial(basis)
            case Cumulant():
                return self._joint(basis)
        return self._cumulants(basis)

    def tree(self, tree: Tree) -> str:
        if tree.colour <= 0:
            return self.states[-tree.colour]
        return self._at_root(self.derivative, tree)

    def losses(self, terms: Row) -> str:
        """A sum of contractions ``S_π`` of derivatives of L, by a rooting of each, ``1/4 L'(g)``; of a monomial Σ φ."""
        return self.signed_sum(
            (value, self._at_root(self.contraction, basis) if isinstance(basis, Tree) else self.total)
            for basis, value in terms.items()
        )

    def antiderivative(self, monomial: Monomial) -> tuple[str, str]:
        """Name and definition of the function of g whose derivative is the monomial."""
        names = [self.name(function.name) for function in self.functions]
        parts = antiderivative(monomial, self.functions)
        return self.potential, self.signed_sum((c, self.log * logarithm + names[i]) for c, i, logarithm in parts)

    def _at_root(self, written: Callable[[int, int, list[str]], str], tree: Tree) -> str:
        arguments = [self.tree(child) for child in reversed(tree.children)]
        if self.vertices and tree.colour > self.fields:
            return self.vertex(self.name(self.vertices[tree.colour - self.fields - 1].name), arguments)
        return written(tree.colour if self.fields > 1 else 0, len(arguments), arguments)

    def _monomial(self, monomial: Monomial) -> str:
        parts = [self.power(self.states[index], power) for index, power in monomial.states]
        if monomial.gradient:
            parts.append(self.power(self.derivative(0, 0, []), monomial.gradient))
        parts += [self.power(self.name(self.functions[index].name), power) for index, power in monomial.powers]
        for field, arguments in (*monomial.means, *((0, arguments) for arguments in monomial.derivatives)):
            written = [self.basis(argument) for argument in reversed(arguments)]
            parts.append(self.derivative(field, len(arguments), written))
        return self.times.join(parts)

    def _joint(self, cumulant: Cumulant) -> str:
        """Σ and κ₃ by their letters, of other vectors ``Cov(g, g²)``."""
        vectors = [self.basis(vector) for vector in cumulant.vectors]
        if set(vectors) != {self.derivative(0, 0, [])}:
            return self.covariance(vectors)
        name = self.joint(len(vectors))
        return self.slope(name, [self.states[index] for index in cumulant.along]) if cumulant.along else name

    def _cumulants(self, product: Product) -> str:
        """In index notation, repeated indices summed."""
        entry = product_entry(product)
        parts = []
        for factor in entry["factors"]:
            own = self.cumulant(factor["cumulant"]) + self.upper(factor["indices"])
            slopes = "".join(map(self.along, factor["derivatives"]))
            parts.append(f"({slopes} {own})" if slopes else own)
        return " ".join([*parts, "".join(map(self.along, entry["derivatives"]))])

    def definitions(self) -> list[tuple[str, str]]:
        """Name and definition of each componentwise function of g, and of each vertex."""
        insides = [(function, self.sum(dict(reversed(function.argument)))) for function in self.functions]
        defined = [(self.name(made.name), self.root(inside) if made.root else inside) for made, inside in insides]
        return defined + [
            (self.name(one.name), self.call(one.function, self.sum(dict(one.argument)))) for one in self.vertices
        ]

    def series(self, letter: str, powers: Iterable[int]) -> str:
        """``ξ_0 + η ξ_1 + …``."""
        return " + ".join(self.eta(k) + self.indexed(letter, k) for k in powers)

    def motion(self, flow: str, terms: int) -> list[tuple[str, str]]:
        """``θ̇ = flow − η ξ`` and the series of ξ in so many terms, as sides of equations."""
        if not terms:
            return [(self.velocity, flow)]
        moved = f"{flow} {self.minus} {self.eta(1)}{self.xi}"
        return [(self.velocity, moved), (self.xi, self.series(self.xi, range(terms)))]


class TightWriter(Writer):
    """Text of trees of one gradient alone."""

    def derivative(self, colour: int, count: int, arguments: Sequence[str], letter: str = "g") -> str:
        return f"g{self.primes(count)}" + (f"({','.join(arguments)})" if count > 1 else "".join(arguments))


class LatexWriter(Writer):
    """LaTeX; chains are powers of H."""

    theta, velocity, xi, log = r"\theta", r"\dot{\theta}", r"\xi", r"\ln "
    potential, total = r"\varphi", r"\sum \varphi"
    minus, times, zeros = "-", r" \, ", False

    def name(self, name: str) -> str:
        """A letter, its number as index; words upright."""
        if name[1:].isdigit():
            return self.indexed(name[0], int(name[1:]))
        return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', '-')}}}"

    def start(self, name: str) -> str:
        return self.indexed(self.name(name), 0)

    def indexed(self, letter: str, k: int) -> str:
        return f"{letter}_{{{k}}}"

    def power(self, base: str, power: int) -> str:
        return base + (f"^{{{power}}}" if power != 1 else "")

    def root(self, inside: str) -> str:
        return rf"\sqrt{{{inside}}}"

    def eta(self, k: int) -> str:
        return power_latex(r"\eta", k)

    def coefficient(self, value: Coefficient) -> str:
        return rf"\left({coefficient_latex(value)}\right)" if is_sum(value) else coefficient_latex(value)

    def derivative(self, colour: int, count: int, arguments: Sequence[str], letter: str = "g") -> str:
        index = f"_{{{colour}}}" if colour else ""
        if count == 0:
            return f"{letter}{index}"
        if count > 1:
            return rf"\nabla^{{{count}}}{letter}{index}[{', '.join(arguments)}]"
        (argument,) = arguments
        if not re.fullmatch(r"H.*|\\nabla.*|\\?[a-zA-Z]+(_\{\w+\})?", argument) or self.times in _outside(argument):
            return f"H{index}[{argument}]"
        chain = re.match(rf"H{re.escape(index)}(?!_)(?:\^\{{(\d+)\}})?", argument)
        if chain is None:
            return f"H{index}{argument}"
        return f"H{index}^{{{int(chain[1] or 1) + 1}}}{argument[chain.end() :]}"

    def vertex(self, name: str, arguments: Sequence[str]) -> str:
        count = len(arguments)
        primes = "'" * count if count < 4 else f"^{{({count})}}"
        return f"{name}{primes}[{', '.join(arguments)}]" if arguments else name

    def call(self, function: str, argument: str) -> str:
        name = function if len(function) == 1 else rf"\operatorname{{{function}}}"
        return rf"{name}\left({argument}\right)"

    def contraction(self, colour: int, count: int, arguments: Sequence[str]) -> str:
        if count != 1:
            return self.derivative(colour, count, arguments, "L")
        (argument,), gradient = arguments, self.derivative(colour, 0, ())
        return rf"\lVert {gradient} \rVert^{{2}}" if argument == gradient else rf"{gradient} \cdot {argument}"

    def cumulant(self, n: int) -> str:
        return {1: "g", 2: r"\Sigma"}.get(n, rf"\kappa_{{{n}}}")

    def slope(self, name: str, arguments: Sequence[str]) -> str:
        return rf"\nabla{name}[{', '.join(arguments)}]"

    def covariance(self, vectors: Sequence[str]) -> str:
        return rf"\operatorname{{Cov}}({', '.join(vectors)})"

    def along(self, index: str) -> str:
        return rf"\partial_{{{index}}}"

    def upper(self, indices: str) -> str:
        return f"^{{{indices}}}"


def _outside(text: str) -> str:
    """What stands in no square brackets."""
    while (shorter := re.sub(r"\[[^\[\]]*\]", "", text)) != text:
        text = shorter
    return text


class SympyWriter(Writer):
    """Lines that SymPy reads, and entries of JSON."""

    theta, xi, minus, times, zeros = "theta", "xi", "-", "*", False

    def start(self, name: str) -> str:
        return self.indexed(name, 0)

    def power(self, base: str, power: int) -> str:
        return base + (f"**({power})" if power < 0 else f"**{power}" if power != 1 else "")

    def root(self, inside: str) -> str:
        return f"sqrt({inside})"

    def coefficient(self, value: Coefficient) -> str:
        return f"({coefficient_text(value)})"

    def product(self, magnitude: Coefficient, name: str) -> str:
        """A bare 1/12 would be a float for Python, ``g2(g, g)/12`` is exact for everybody."""
        if not name or not isinstance(magnitude, (int, Fraction)):
            return super().product(magnitude, name)
        factor = "" if magnitude.numerator == 1 else f"{magnitude.numerator}{self.times}"
        return factor + name + ("" if magnitude.denominator == 1 else f"/{magnitude.denominator}")

    def derivative(self, colour: int, count: int, arguments: Sequence[str], letter: str = "g") -> str:
        name = f"{letter}_{colour}" if colour else letter
        return f"{name}{'_' if colour else ''}{count}({', '.join(arguments)})" if arguments else name

    def joint(self, n: int) -> str:
        return "Sigma" if n == 2 else f"kappa_{n}"

    def slope(self, name: str, arguments: Sequence[str]) -> str:
        return f"{name}{len(arguments)}({', '.join(arguments)})"

    def entries(self, row: Row, colours: bool) -> list[dict[str, Any]]:
        """Each term for JSON: trees as bracket lists, monomials as here; coefficients exact, as text."""
        entries: list[dict[str, Any]] = []
        for basis, value in row.items():
            coefficient = coefficient_text(value)
            match basis:
                case Tree():
                    tree = basis.brackets(colours)
                    entries.append({"tree": tree, "symmetry": basis.symmetry, "coefficient": coefficient})
                case Monomial():
                    entries.append({"term": self.basis(basis), "coefficient": coefficient})
                case Cumulant(vectors, along):
                    told = {"vectors": list(map(self.basis, vectors)), "along": [self.states[i] for i in along]}
                    entries.append({**told, "coefficient": coefficient})
                case _:
                    entries.append({"coefficient": coefficient, **product_entry(basis)})
        return entries


def tree_text(tree: Tree) -> str:
    """The elementary differential of a tree, smallest arguments first: ``g'g``, ``g''(g,g'g)``, ``g⁽⁵⁾(g,g,g,g,g)``."""
    return TightWriter().tree(tree)
