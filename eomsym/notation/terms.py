"""Basis elements of equations in four notations: unicode text, LaTeX, lines that SymPy reads, and JSON.

An element is a tree, a monomial of componentwise factors, or a product of cumulants (``notation.operators``).  For
SymPy ``g`` is the gradient, ``g1(u)`` its derivative along u, ``g2(u, v)`` the second along u and v, and so on:
``xi_1 = g1(g1(g))/3 + g2(g, g)/12``.  LaTeX has H = ∇g and ``\\nabla^{2}g[u, v]``; text of a single gradient is as in
numerical analysis, ``g'g''(g,g)``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from eomsym.exact_numbers import Coefficient, divide
from eomsym.notation.coefficients import coefficient_text
from eomsym.notation.operators import LATEX_SIGNS, TEXT_SIGNS, Product, Signs, product_entry, written_product
from eomsym.notation.sums import LATEX, SYMPY, TEXT, SumStyle, signed_sum
from eomsym.trees import Tree

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, order=True)
class Monomial:
    """``Π z_i^states[i] · g^gradient · Π functions[i]^powers[i] · Π g^{(m)}(arguments)``, all of it componentwise.

    Arguments and derivatives are sorted; ``powers`` pairs a function's number with its exponent, none zero, and
    ``states`` that of a slow state, z_0 = θ.
    """

    derivatives: tuple[tuple[Monomial, ...], ...] = ()
    gradient: int = 0
    powers: tuple[tuple[int, int], ...] = ()
    states: tuple[tuple[int, int], ...] = ()

    def __mul__(self, other: Monomial) -> Monomial:
        return Monomial(
            tuple(sorted(self.derivatives + other.derivatives)),
            self.gradient + other.gradient,
            _merged(self.powers, other.powers),
            _merged(self.states, other.states),
        )

    def __pow__(self, exponent: int) -> Monomial:
        """Derivatives and g itself have no negative powers."""
        return Monomial(
            tuple(sorted(self.derivatives * exponent)),
            self.gradient * exponent,
            tuple((index, power * exponent) for index, power in self.powers),
            tuple((index, power * exponent) for index, power in self.states),
        )


def _merged(left: Iterable[tuple[int, int]], right: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    powers = Counter(dict(left))
    powers.update(dict(right))
    return tuple(sorted((index, power) for index, power in powers.items() if power))


@dataclass(frozen=True)
class ComponentwiseFunction:
    """A function of g: the square root of ``argument`` (``root``), else ``argument`` itself, a sum to divide by."""

    name: str
    root: bool
    argument: tuple[tuple[Monomial, Coefficient], ...]


def root_inside(
    function: ComponentwiseFunction, functions: Sequence[ComponentwiseFunction]
) -> tuple[int, Coefficient, Coefficient] | None:
    """The number of r, c and e of ``c r + e``, r a root; of a root itself c is 1 and e is 0."""
    if function.root:
        return functions.index(function), 1, 0
    argument = dict(function.argument)
    constant = argument.pop(Monomial(), 0)
    match list(argument.items()):
        case [(Monomial((), 0, ((root, 1),), ()), slope)] if functions[root].root:
            return root, slope, constant
    return None


def antiderivative(
    monomial: Monomial, functions: Sequence[ComponentwiseFunction]
) -> list[tuple[Coefficient, int, bool]]:
    """Of ``g/q``, ``q = c r + e``, ``r² = a g² + b``: ``r/(ac) − e/(ac²) ln q``, and of ``g/r`` the first of these.

    Each part has its coefficient, the number of its function, and whether of that the logarithm is taken; there are
    none of other monomials.
    """
    match monomial:
        case Monomial((), 1, ((index, -1),), ()):
            known = root_inside(functions[index], functions)
        case _:
            return []
    square = Monomial(gradient=2)
    if known is None or not set(inside := dict(functions[known[0]].argument)) <= {square, Monomial()}:
        return []
    root, slope, constant = known
    scale = inside[square] * slope
    parts = [(divide(1, scale), root, False)]
    return parts if constant == 0 else [*parts, (divide(-constant, scale * slope), index, True)]


Basis: TypeAlias = Tree | Monomial | Product
Row: TypeAlias = Mapping[Any, Coefficient]


@dataclass(frozen=True)
class Style:
    """How one notation writes the pieces that terms are made of."""

    theta: str
    start: Callable[[str], str]  # what a memory starts as, from its name
    derivative: Callable[[int, int, list[str]], str]  # of g: colour (0: only one field), how often, arguments
    contraction: Callable[[int, int, list[str]], str]  # the same of L
    potential: str  # the antiderivative of a componentwise function
    log: str
    power: Callable[[str, int], str]
    root: Callable[[str], str]
    name: Callable[[str], str]
    sum: SumStyle
    indexed: Callable[[str, int], str]  # a letter with its number
    eta: Callable[[int], str]  # a power of η as a factor
    signs: Signs


def primes_text(count: int) -> str:
    """Primes of a derivative, from the fifth on a number: ``''``, ``⁽⁵⁾``."""
    return "'" * count if count < 5 else f"⁽{count}⁾".translate(_SUPERSCRIPTS)


def power_text(symbol: str, exponent: int) -> str:
    """``η``, ``η²``."""
    return symbol + (str(exponent).translate(_SUPERSCRIPTS) if exponent != 1 else "")


def power_latex(name: str, exponent: int) -> str:
    """A power as a factor before what follows."""
    if exponent == 0:
        return ""
    return rf"{name}\," if exponent == 1 else rf"{name}^{{{exponent}}}\,"


def subscript(number: int) -> str:
    """The number as an index: ``₁₂``."""
    return str(number).translate(_SUBSCRIPTS)


def _text_derivative(letter: str, colour: int, count: int, arguments: list[str]) -> str:
    name = letter + (subscript(colour) if colour else "")
    return name + primes_text(count) + (f"({', '.join(arguments)})" if arguments else "")


def _tight_derivative(colour: int, count: int, arguments: list[str]) -> str:
    return f"g{primes_text(count)}" + (f"({','.join(arguments)})" if count > 1 else "".join(arguments))


def _latex_derivative(colour: int, count: int, arguments: Sequence[str]) -> str:
    """A derivative of the gradient of a field (0 if there is only one) along its arguments; chains as powers of H."""
    index = f"_{{{colour}}}" if colour else ""
    if count == 0:
        return f"g{index}"
    if count > 1:
        return rf"\nabla^{{{count}}}g{index}[{', '.join(arguments)}]"
    (argument,) = arguments
    if not re.fullmatch(r"H.*|\\nabla.*|\\?[a-zA-Z]+(_\{\w+\})?", argument) or r" \, " in _without_brackets(argument):
        return f"H{index}[{argument}]"
    chain = re.match(rf"H{re.escape(index)}(?!_)(?:\^\{{(\d+)\}})?", argument)
    if chain is None:
        return f"H{index}{argument}"
    return f"H{index}^{{{int(chain[1] or 1) + 1}}}{argument[chain.end() :]}"


def _latex_contraction(colour: int, count: int, arguments: Sequence[str]) -> str:
    index = f"_{{{colour}}}" if colour else ""
    if count == 1:
        (argument,), gradient = arguments, f"g{index}"
        return rf"\lVert {gradient} \rVert^{{2}}" if argument == gradient else rf"{gradient} \cdot {argument}"
    return rf"\nabla^{{{count}}}L{index}[{', '.join(arguments)}]" if count else f"L{index}"


def _without_brackets(text: str) -> str:
    while (shorter := re.sub(r"\[[^\[\]]*\]", "", text)) != text:
        text = shorter
    return text


def _latex_name(name: str) -> str:
    """A letter, its number as index; words upright."""
    if name[1:].isdigit():
        return f"{name[0]}_{{{name[1:]}}}"
    return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', '-')}}}"


def _sympy_derivative(colour: int, count: int, arguments: list[str]) -> str:
    name = f"g_{colour}" if colour else "g"
    if not arguments:
        return name
    return f"{name}{'_' if colour else ''}{count}({', '.join(arguments)})"


TEXT_STYLE = Style(
    theta="θ",
    start=lambda name: f"{name}₀",
    derivative=partial(_text_derivative, "g"),
    contraction=partial(_text_derivative, "L"),
    potential="φ",
    log="ln ",
    power=power_text,
    root=lambda inside: f"√({inside})",
    name=str,
    sum=TEXT,
    indexed=lambda letter, k: f"{letter}_{k}",
    eta=lambda k: f"{power_text('η', k)} " if k else "",
    signs=TEXT_SIGNS,
)
#: For trees of one gradient alone.
TIGHT_STYLE = replace(TEXT_STYLE, derivative=_tight_derivative)
LATEX_STYLE = Style(
    theta=r"\theta",
    start=lambda name: _latex_name(name) + "_{0}",
    derivative=_latex_derivative,
    contraction=_latex_contraction,
    potential=r"\varphi",
    log=r"\ln ",
    power=lambda base, power: base + (f"^{{{power}}}" if power != 1 else ""),
    root=lambda inside: rf"\sqrt{{{inside}}}",
    name=_latex_name,
    sum=LATEX,
    indexed=lambda letter, k: f"{letter}_{{{k}}}",
    eta=lambda k: power_latex(r"\eta", k),
    signs=LATEX_SIGNS,
)
SYMPY_STYLE = replace(
    TEXT_STYLE,
    theta="theta",
    start=lambda name: f"{name}_0",
    derivative=_sympy_derivative,
    power=lambda base, power: base + (f"**({power})" if power < 0 else f"**{power}" if power != 1 else ""),
    root=lambda inside: f"sqrt({inside})",
    sum=SYMPY,
)


class Writer:
    """Writes terms in one notation; colours are shown where there are several fields.

    ``states`` are the names of the slow states beside θ, by which their leaves are called.
    """

    def __init__(
        self,
        style: Style,
        coloured: bool = False,
        functions: Sequence[ComponentwiseFunction] = (),
        states: Iterable[str] = (),
    ) -> None:
        self.style, self.coloured, self.functions = style, coloured, functions
        self.states = [style.theta, *states]

    def sum(self, terms: Row) -> str:
        return signed_sum(((coefficient, self.basis(basis)) for basis, coefficient in terms.items()), self.style.sum)

    def basis(self, basis: Basis) -> str:
        match basis:
            case Tree():
                return self.tree(basis)
            case Monomial():
                return self._monomial(basis)
        return written_product(basis, self.style.signs)

    def tree(self, tree: Tree) -> str:
        if tree.colour <= 0:
            return self.states[-tree.colour]
        return self._at_root(self.style.derivative, tree)

    def losses(self, terms: Row) -> str:
        """A sum of contractions ``S_π`` of derivatives of L, by a rooting of each, ``1/4 L'(g)``; of a monomial Σ φ."""
        total = ("Σ " if self.style.sum is TEXT else r"\sum ") + self.style.potential
        return signed_sum(
            (
                (value, self._at_root(self.style.contraction, basis) if isinstance(basis, Tree) else total)
                for basis, value in terms.items()
            ),
            self.style.sum,
        )

    def potential(self, monomial: Monomial) -> tuple[str, str]:
        """Name and definition of the function of g whose derivative is the monomial."""
        names = [self.style.name(function.name) for function in self.functions]
        parts = antiderivative(monomial, self.functions)
        written = signed_sum(((c, self.style.log * logarithm + names[i]) for c, i, logarithm in parts), self.style.sum)
        return self.style.potential, written

    def _at_root(self, written: Callable[[int, int, list[str]], str], tree: Tree) -> str:
        arguments = [self.tree(child) for child in reversed(tree.children)]
        return written(tree.colour if self.coloured else 0, len(arguments), arguments)

    def _monomial(self, monomial: Monomial) -> str:
        style = self.style
        parts = [style.power(self.states[index], power) for index, power in monomial.states]
        if monomial.gradient:
            parts.append(style.power(style.derivative(0, 0, []), monomial.gradient))
        parts += [style.power(style.name(self.functions[index].name), power) for index, power in monomial.powers]
        for arguments in monomial.derivatives:
            written = [self.basis(argument) for argument in reversed(arguments)]
            parts.append(style.derivative(0, len(arguments), written))
        return style.sum.times.join(parts)

    def definitions(self) -> list[tuple[str, str]]:
        """Name and definition of each componentwise function of g."""
        found = []
        for function in self.functions:
            inside = self.sum(dict(reversed(function.argument)))
            found.append((self.style.name(function.name), self.style.root(inside) if function.root else inside))
        return found

    def series(self, letter: str, powers: Iterable[int]) -> str:
        """``ξ_0 + η ξ_1 + …``."""
        return " + ".join(self.style.eta(k) + self.style.indexed(letter, k) for k in powers)


def motion(writer: Writer, flow: str, terms: int) -> list[tuple[str, str]]:
    """``θ̇ = flow − η ξ`` and the series of ξ in so many terms, as sides of equations."""
    style = writer.style
    theta, xi = (r"\dot{\theta}", r"\xi") if style is LATEX_STYLE else ("θ̇", "ξ")
    if not terms:
        return [(theta, flow)]
    return [(theta, f"{flow} {style.sum.minus} {style.eta(1)}{xi}"), (xi, writer.series(xi, range(terms)))]


def tree_text(tree: Tree) -> str:
    """The elementary differential of a tree, smallest arguments first: ``g'g``, ``g''(g,g'g)``, ``g⁽⁵⁾(g,g,g,g,g)``."""
    return Writer(TIGHT_STYLE).tree(tree)


def tree_latex(tree: Tree) -> str:
    r"""The elementary differential of a tree: ``Hg``, ``H^{2}g``, ``\nabla^{2}g[g, Hg]``, smallest arguments first."""
    return Writer(LATEX_STYLE).tree(tree)


def term_entries(row: Row, writer: Writer, colours: bool) -> list[dict[str, Any]]:
    """Each term for JSON: trees as bracket lists, monomials as ``writer`` has them; coefficients exact, as text."""
    entries = []
    for basis, value in row.items():
        coefficient = coefficient_text(value)
        match basis:
            case Tree():
                tree = basis.brackets(colours)
                entries.append({"tree": tree, "symmetry": basis.symmetry, "coefficient": coefficient})
            case Monomial():
                entries.append({"term": writer.basis(basis), "coefficient": coefficient})
            case _:
                entries.append({"coefficient": coefficient, **product_entry(basis)})
    return entries


#: Letters of memories, by the names that optimisers give them; ``square`` is v where no velocity is.
_LETTERS = {"velocity": "v", "mean": "m"}
#: A bias correction's β^n, the share that the start still has: c1, c2, … in their order.
_CORRECTION = "share of the start"


def state_symbols(memory: Sequence[str]) -> list[str]:
    """Short names of the slow states beside θ, one a memory: letters, or what the memory is called."""
    letters = _LETTERS | {"square": "s" if "velocity" in memory else "v"}
    corrections = [name for name in memory if name.startswith(_CORRECTION)]
    letters |= {name: f"c{number}" for number, name in enumerate(corrections, start=1)}
    full = [name.replace(" ", "_") for name in memory]
    short = [letters.get(name, word) for name, word in zip(memory, full, strict=True)]
    return short if len(set(short)) == len(short) else full
