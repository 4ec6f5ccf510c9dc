"""What equations are made of beside trees: monomials of componentwise factors, and functions of g."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from eomsym.exact_numbers import Coefficient, divide
from eomsym.notation.operators import Product
from eomsym.trees import Tree


@dataclass(frozen=True, order=True)
class Monomial:
    """``Π z_i^states[i] · g^gradient · Π functions[i]^powers[i] · Π g^{(m)}(arguments)``, all of it componentwise.

    Arguments and derivatives are sorted; ``powers`` pairs a function's number with its exponent, none zero, and
    ``states`` that of a slow state, z_0 = θ.  Under noise g is that of a batch, and ``means`` pairs a power of it,
    whose mean over batches is a factor, with the arguments of that mean's derivative.
    """

    derivatives: tuple[tuple[Monomial, ...], ...] = ()
    gradient: int = 0
    powers: tuple[tuple[int, int], ...] = ()
    states: tuple[tuple[int, int], ...] = ()
    means: tuple[tuple[int, tuple[Monomial, ...]], ...] = ()

    def __mul__(self, other: Monomial) -> Monomial:
        return Monomial(
            tuple(sorted(self.derivatives + other.derivatives)),
            self.gradient + other.gradient,
            _merged(self.powers, other.powers),
            _merged(self.states, other.states),
            tuple(sorted(self.means + other.means)),
        )

    def __pow__(self, exponent: int) -> Monomial:
        """Derivatives, means and g itself have no negative powers."""
        return Monomial(
            tuple(sorted(self.derivatives * exponent)),
            self.gradient * exponent,
            tuple((index, power * exponent) for index, power in self.powers),
            tuple((index, power * exponent) for index, power in self.states),
            tuple(sorted(self.means * exponent)),
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


@dataclass(frozen=True)
class Vertex:
    """A function whose derivatives are vertices of trees, beside g at θ: a map of blocks, or g at another point.

    All are taken at ``argument``, the value for η = 0 of what ``function`` is called with.
    """

    name: str
    function: str
    argument: tuple[tuple[Tree, Coefficient], ...]


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
    inside = {} if known is None else dict(functions[known[0]].argument)
    if known is None or square not in inside or set(inside) - {square, Monomial()}:
        return []
    root, slope, constant = known
    scale = inside[square] * slope
    parts = [(divide(1, scale), root, False)]
    return parts if constant == 0 else [*parts, (divide(-constant, scale * slope), index, True)]


@dataclass(frozen=True, order=True)
class Cumulant:
    """The joint cumulant of vectors over batches, an index for each; differentiated along the slow states ``along``."""

    vectors: tuple[Monomial, ...]
    along: tuple[int, ...] = ()


Basis: TypeAlias = Tree | Monomial | Cumulant | Product
Row: TypeAlias = Mapping[Any, Coefficient]


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
