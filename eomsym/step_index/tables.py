"""All weights that an update rule asks for, level by level in η: one table maker for every algebra and kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from eomsym.optimizers import Coefficient
from eomsym.step_index.weights import Functional, logarithm, resolvent, sum_to, value_at, weights

#: Exact weights, a row for each functional.
Matrix = tuple[tuple[Coefficient, ...], ...]


@dataclass(frozen=True)
class Tables:
    """Weights of polynomials of degree k that are held by their values at ``nodes``; row by row, exact.

    At level k the first ``known(k)`` nodes determine all others.  Quantities of an *anchored* rule do not depend on η
    at s = 0, so for k ≥ 1 their coefficients vanish there, and 0 is not among the nodes.
    """

    nodes: tuple[Fraction, ...]
    anchored: bool = False

    def known(self, level: int) -> int:
        """How many of the nodes determine a polynomial of this degree."""
        return max(level, 1) if self.anchored else level + 1

    def extension(self, level: int) -> Matrix:
        """The values at all nodes."""
        return self._matrix(level, value_at)

    def summation(self, level: int) -> Matrix:
        """``Q`` at all nodes, where ``Q(s+1) − Q(s)`` is the polynomial and ``Q(0) = 0``."""
        return self._matrix(level, sum_to)

    def resolvent(self, share: Coefficient, level: int) -> Matrix:
        """``z`` at all nodes, where ``z(s+1) − share · z(s)`` is the polynomial."""
        return self._matrix(level, _Resolvent(Fraction(share) if isinstance(share, float) else share))

    def logarithm(self, level: int) -> Matrix:
        """``dQ/ds`` at 0 of the sum, one row."""
        return (_logarithm(self._held(level), self._dropped(level)),)

    def of(self, level: int, functionals: Sequence[Functional]) -> Matrix:
        """Any functionals of it, a row each."""
        return tuple(_row(self._held(level), functional, self._dropped(level)) for functional in functionals)

    def _matrix(self, level: int, functional_at: Callable[[Fraction], Functional]) -> Matrix:
        return _matrix(self._held(level), self.nodes, functional_at, self._dropped(level))

    def _held(self, level: int) -> tuple[Fraction, ...]:
        if not self.anchored:
            return self.nodes[: level + 1]
        return (Fraction(0), *self.nodes[:level])

    def _dropped(self, level: int) -> bool:
        """Whether the value at 0 is known to vanish."""
        return self.anchored and level > 0


@dataclass(frozen=True)
class _Resolvent:
    share: Coefficient

    def __call__(self, step: Fraction) -> Functional:
        return resolvent(self.share, step)


@lru_cache(maxsize=4096)  # a share that depends on time has tables of its own at each time
def _matrix(
    held: tuple[Fraction, ...],
    nodes: tuple[Fraction, ...],
    functional_at: Callable[[Fraction], Functional],
    dropped: bool,
) -> Matrix:
    return tuple(_row(held, functional_at(node), dropped) for node in nodes)


@lru_cache(maxsize=1024)  # a rule is solved at many points
def _logarithm(held: tuple[Fraction, ...], dropped: bool) -> tuple[Coefficient, ...]:
    return _row(held, logarithm, dropped)


def _row(held: Sequence[Fraction], functional: Functional, dropped: bool) -> tuple[Coefficient, ...]:
    return tuple(weights(held, functional)[dropped:])
