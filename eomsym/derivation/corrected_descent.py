"""A step that leaves out a share of the counter term: the modifying integrator of ``θ̇ = −g − (1 − strength) η ξ``.

ξ is the counter term of gradient descent.  The map of that field over a time η is a series over trees, by its Lie
series; a Runge–Kutta method with these weights up to the order asked for is that map, by gradients alone.  Strength 1
is gradient flow, 0 plain descent, −1 doubles the counter term.  Modifying integrators: Chartier, Hairer & Vilmart,
Numerical integrators based on modified differential equations, Math. Comp. 76, 2007.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations

from eomsym.checks import check_integer
from eomsym.derivation.deriving import derive
from eomsym.errors import InputError
from eomsym.exact_numbers import collected, read_rational
from eomsym.optimizers import Optimizer, runge_kutta
from eomsym.result import Result
from eomsym.trees import LEAF, Tree, rooted_trees

#: From order 4 on a method would have to meet 17 conditions and more.
HIGHEST_ORDER = 3
MOST_SUBSTEPS = 1000
#: Where the stages are, in steps of descent, tried in turn: the first fail at strength 7/6 of order 3 alone, where the
#: second do not, so that every strength has a method (the tests prove it).
PLACES = (
    (Fraction(1, 2), Fraction(1), Fraction(1, 4), Fraction(3, 4)),
    (Fraction(1, 4), Fraction(1, 2), Fraction(1, 3), Fraction(2, 3)),
)

_Field = Mapping[Tree, Fraction]


@dataclass(frozen=True, repr=False)
class CorrectedStep(Result):
    """``y_i = θ − h Σ_j matrix[i][j] g(y_j)``, ``θ⁺ = θ − h Σ_i weights[i] g(y_i)``, exact; y_0 is θ.

    A step is ``substeps`` of these, h = η/substeps.  ``embedded`` are weights of one order less: what they move θ by
    differs from the step by as much as the order is worth, and no gradient is taken for it.
    """

    order: int
    strength: Fraction
    matrix: tuple[tuple[Fraction, ...], ...]
    weights: tuple[Fraction, ...]
    embedded: tuple[Fraction, ...] = ()
    substeps: int = 1

    @property
    def gradients(self) -> int:
        """What a step takes."""
        return len(self.weights) * self.substeps

    @property
    def optimizer(self) -> Optimizer:
        """The method as an optimiser for kernels, ``verify`` and all else."""
        part = [weight / self.substeps for weight in self.weights]
        rows = [[*part * i, *(x / self.substeps for x in row)] for i in range(self.substeps) for row in self.matrix]
        square = [[*row, *(0,) * (self.gradients - len(row))] for row in rows]
        share = ("minus-" if self.strength < 0 else "") + str(abs(self.strength)).replace("/", "-over-")
        name = f"corrected-descent-{self.order}-strength-{share}"
        name += f"-substeps-{self.substeps}" if self.substeps > 1 else ""
        return runge_kutta(
            name, square, part * self.substeps, source="modifying integrator, Chartier, Hairer & Vilmart, 2007"
        )


def corrected_step(order: int, strength: object = 1, substeps: int = 1) -> CorrectedStep:
    """The step whose equation of motion is ``θ̇ = −g − (1 − strength) η ξ`` to η^order, ξ that of gradient descent.

    ``strength`` is exact: an int, ``Fraction`` or text, or a float read by its shortest decimal.  It takes 2, 3, 5
    gradients at orders 1, 2, 3, and one at order 0 or strength 0, where it is gradient descent; ``substeps`` times as
    many where η is large.
    Raises ``InputError`` for an order outside 0 … 3, fewer substeps than 1, and a strength that is no number, or at
    which no method is found.
    """
    parts = check_integer("substeps", substeps, 1, MOST_SUBSTEPS)
    return _made(check_integer("order", order, 0, HIGHEST_ORDER), read_rational("strength", strength), parts)


@cache
def _made(order: int, share: Fraction, substeps: int) -> CorrectedStep:
    if order == 0 or share == 0:
        if substeps > 1:
            raise InputError(f"substeps {substeps}: at order 0 or strength 0 a step is one of descent; give 1")
        return CorrectedStep(order, share, ((),), (Fraction(1),))
    wanted = map_weights(order, share, substeps)
    for places in PLACES:
        try:
            matrix, weights = (_two, _three, _five)[order - 1](wanted, places)
            return CorrectedStep(order, share, matrix, weights, _embedded(order, wanted, matrix), substeps)
        except ZeroDivisionError:
            continue
    raise InputError(f"strength {share}: no method of order {order} is found at it; take one near by")


def map_weights(order: int, strength: Fraction, substeps: int = 1) -> dict[Tree, Fraction]:
    """Φ(τ) of all trees of up to order + 1 nodes: a substep is ``θ + Σ_τ (−h)^|τ| Φ(τ)/σ(τ) F_g(τ)``."""
    field = {LEAF: Fraction(-1)}
    for k, row in enumerate(derive("gradient-descent", order).rows[1:], start=1):
        field |= {tree: (strength - 1) * substeps**k * value for tree, value in row.items()}
    moved, derivative, factor = dict.fromkeys(field, Fraction(0)), field, Fraction(1)
    for power in range(1, order + 2):
        factor /= power
        for tree, share in derivative.items():
            moved[tree] += factor * share
        derivative = _along(field, derivative, order + 1)
    return {
        tree: (-1) ** tree.order * tree.symmetry * moved[tree] for n in range(order + 1) for tree in rooted_trees(n + 1)
    }


def _along(field: _Field, function: _Field, nodes: int) -> dict[Tree, Fraction]:
    """The derivative of a function along a field: what the field has is grafted onto every node."""
    return collected(
        (grown, share * speed)
        for tree, share in function.items()
        for shoot, speed in field.items()
        if tree.order + shoot.order <= nodes
        for grown in _grafted(tree, shoot)
    )


def _grafted(tree: Tree, shoot: Tree) -> Iterator[Tree]:
    yield Tree((*tree.children, shoot))
    for index, child in enumerate(tree.children):
        for grown in _grafted(child, shoot):
            yield Tree((*tree.children[:index], grown, *tree.children[index + 1 :]))


_PAIR = Tree((LEAF,))
_CHAIN, _FORK = Tree((_PAIR,)), Tree((LEAF, LEAF))
_Tableau = tuple[tuple[tuple[Fraction, ...], ...], tuple[Fraction, ...]]


def _two(wanted: _Field, places: Sequence[Fraction]) -> _Tableau:
    """Stages at θ and a whole step: the weight of the second is Φ([τ])."""
    second = wanted[_PAIR]
    return ((), (Fraction(1),)), (1 - second, second)


def _three(wanted: _Field, places: Sequence[Fraction]) -> _Tableau:
    """Weights by the moments of the places; the chain by what the third stage has of the second."""
    c = (places[0], places[1])
    b = _solved([c, [x**2 for x in c]], [wanted[_PAIR], wanted[_FORK]])
    inner = wanted[_CHAIN] / (b[1] * c[0])
    return ((), (c[0],), (c[1] - inner, inner)), (1 - b[0] - b[1], *b)


def _five(wanted: _Field, places: Sequence[Fraction]) -> _Tableau:
    """Five stages, of which two would be free; then every condition is linear in what is left.

    ``u_i = Σ_j a_ij c_j`` and ``v_i = Σ_j a_ij c_j²`` are inner moments.  The third stage has u = c²/2, as if it were
    on the flow; the fourth takes nothing of the second.
    """
    c2, c3, c4, c5 = places
    fork3, mixed = Tree((LEAF, LEAF, LEAF)), Tree((LEAF, _PAIR))
    broom, chain = Tree((_FORK,)), Tree((_CHAIN,))
    # One weight is free: that of the second stage is none.
    b3, b4, b5 = _solved(
        [(c3, c4, c5), (c3**2, c4**2, c5**2), (c3**3, c4**3, c5**3)], [wanted[_PAIR], wanted[_FORK], wanted[fork3]]
    )
    u3 = c3**2 / 2
    u4, u5 = _solved([(b4, b5), (b4 * c4, b5 * c5)], [wanted[_CHAIN] - b3 * u3, wanted[mixed] - b3 * c3 * u3])
    a32, a43 = u3 / c2, u4 / c3
    v3, v4 = a32 * c2**2, a43 * c3**2
    v5 = (wanted[broom] - b3 * v3 - b4 * v4) / b5
    left = (wanted[chain] - b4 * a43 * u3) / b5
    a5 = _solved([(c2, c3, c4), (c2**2, c3**2, c4**2), (0, u3, u4)], [u5, v5, left])
    zero = Fraction(0)
    rows = ((), (c2,), (c3 - a32, a32), (c4 - a43, zero, a43), (c5 - sum(a5, zero), *a5))
    return rows, (1 - b3 - b4 - b5, zero, b3, b4, b5)


def _embedded(order: int, wanted: _Field, matrix: Sequence[Sequence[Fraction]]) -> tuple[Fraction, ...]:
    """Weights of one order less on the same stages, of the first stages that have some."""
    places = [sum(row, Fraction(0)) for row in matrix]
    inner = [sum((a * c for a, c in zip(row, places, strict=False)), Fraction(0)) for row in matrix]
    moments = [[Fraction(1)] * len(places), places, [c**2 for c in places], inner][: (1, 2, 4)[order - 1]]
    right = [wanted[tree] for tree in (LEAF, _PAIR, _FORK, _CHAIN)[: len(moments)]]
    for stages in combinations(range(len(places)), len(moments)):
        try:
            weights = _solved([[moment[i] for i in stages] for moment in moments], right)
        except ZeroDivisionError:
            continue
        return tuple(dict(zip(stages, weights, strict=True)).get(i, Fraction(0)) for i in range(len(places)))
    raise ZeroDivisionError


def _solved(matrix: Sequence[Sequence[Fraction | int]], right: Sequence[Fraction]) -> list[Fraction]:
    """The solution of linear equations.  Raises ``ZeroDivisionError`` if the matrix is singular."""
    import sympy

    reduced, pivots = sympy.Matrix([[*row, value] for row, value in zip(matrix, right, strict=True)]).rref()
    if pivots != tuple(range(len(right))):
        raise ZeroDivisionError
    return [Fraction(int(value.p), int(value.q)) for value in reduced[:, -1]]
