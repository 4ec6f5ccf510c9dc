"""Trees, plain and coloured, and monomials of the vector language as text, LaTeX and lines that SymPy reads.

For SymPy ``g`` is the gradient, ``g1(u)`` its derivative along u, ``g2(u, v)`` the second along u and v, and so on:
``xi_1 = g1(g1(g))/3 + g2(g, g)/12``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from eomsym.exact_numbers import Coefficient
from eomsym.notation.latex import derivative_latex, tree_latex
from eomsym.notation.sums import LATEX, SYMPY, TEXT, SumStyle, signed_sum
from eomsym.notation.text import power_text, primes_text, subscript, tree_text
from eomsym.trees import ColouredTree, Tree

if TYPE_CHECKING:
    from eomsym.derivation.vector_language import ComponentwiseFunction, Monomial

    Basis: TypeAlias = "Tree | ColouredTree | Monomial"
    GeneralSum: TypeAlias = Iterable[tuple[Coefficient, Basis]]


@dataclass(frozen=True)
class Style:
    """How one notation writes plain trees, and the pieces that the other kinds of terms are made of."""

    tree: Callable[[Tree], str]
    theta: str
    start: Callable[[str], str]  # what a memory starts as, from its name
    derivative: Callable[[int, int, list[str]], str]  # colour (0: only one field), how often, arguments
    power: Callable[[str, int], str]
    root: Callable[[str], str]
    name: Callable[[str], str]
    sum: SumStyle


def _text_derivative(colour: int, count: int, arguments: list[str]) -> str:
    name = "g" + (subscript(colour) if colour else "")
    return name + primes_text(count) + (f"({', '.join(arguments)})" if arguments else "")


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


def _sympy_tree(tree: Tree) -> str:
    return _sympy_derivative(0, len(tree.children), [_sympy_tree(child) for child in reversed(tree.children)])


TEXT_STYLE = Style(
    tree_text,
    "θ",
    lambda name: f"{name}₀",
    _text_derivative,
    power_text,
    lambda inside: f"√({inside})",
    str,
    TEXT,
)
LATEX_STYLE = Style(
    tree_latex,
    r"\theta",
    lambda name: _latex_name(name) + "_{0}",
    derivative_latex,
    lambda base, power: base + (f"^{{{power}}}" if power != 1 else ""),
    lambda inside: rf"\sqrt{{{inside}}}",
    _latex_name,
    LATEX,
)
SYMPY_STYLE = Style(
    _sympy_tree,
    "theta",
    lambda name: f"{name}_0",
    _sympy_derivative,
    lambda base, power: base + (f"**({power})" if power < 0 else f"**{power}" if power != 1 else ""),
    lambda inside: f"sqrt({inside})",
    str,
    SYMPY,
)


class Writer:
    """Writes terms in one notation; colours are shown where there are several fields."""

    def __init__(
        self,
        style: Style,
        coloured: bool,
        functions: Sequence[ComponentwiseFunction] = (),
        memory: Sequence[str] = (),
    ) -> None:
        self.style, self.coloured, self.functions = style, coloured, functions
        self.states = [style.theta, *map(style.name, state_symbols(memory))]

    def sum(self, terms: GeneralSum) -> str:
        return signed_sum(((coefficient, self.basis(basis)) for coefficient, basis in terms), self.style.sum)

    def basis(self, basis: Basis) -> str:
        style = self.style
        if isinstance(basis, Tree):
            return style.tree(basis)
        if isinstance(basis, ColouredTree):
            return self.tree(basis)
        parts = [style.power(self.states[index], power) for index, power in basis.states]
        if basis.gradient:
            parts.append(style.power(style.derivative(0, 0, []), basis.gradient))
        parts += [style.power(style.name(self.functions[index].name), power) for index, power in basis.powers]
        for arguments in basis.derivatives:
            written = [self.basis(argument) for argument in reversed(arguments)]
            parts.append(style.derivative(0, len(arguments), written))
        return style.sum.times.join(parts)

    def tree(self, tree: ColouredTree) -> str:
        if tree.colour <= 0:
            return self.states[-tree.colour]
        return self.style.derivative(tree.colour if self.coloured else 0, len(tree.children), self.arguments(tree))

    def arguments(self, tree: ColouredTree) -> list[str]:
        return [self.tree(child) for child in reversed(tree.children)]

    def definitions(self) -> list[tuple[str, str]]:
        """Name and definition of each componentwise function of g."""
        found = []
        for function in self.functions:
            inside = self.sum((coefficient, monomial) for monomial, coefficient in reversed(function.argument))
            found.append((self.style.name(function.name), self.style.root(inside) if function.root else inside))
        return found


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
