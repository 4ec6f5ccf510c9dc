"""What any linear step does to ``½ h θ²``, exactly: the multiplier of θ on the slow manifold, and its logarithm.

The step function is run on multiples of (θ, memory), with polynomials in η and in the time τ as numbers; so its
matrix M is known.  On the slow manifold the memory is ``u(τ) θ``, which a step leaves so: ``M (1, u(τ)) =
r(τ) (1, u(τ + η))``.  Then ``θ̇ = −ρ θ`` with ``∫ ρ = −log r`` over a step.  Nothing of the package is used.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import comb


class Polynomial:
    """``Σ c η^i τ^j`` with i + j ≤ most; ``terms`` has c at (i, j)."""

    def __init__(self, terms, most):
        self.terms = {key: value for key, value in terms.items() if value != 0 and sum(key) <= most}
        self.most = most

    def _of(self, other):
        return other if isinstance(other, Polynomial) else Polynomial({(0, 0): Fraction(other)}, self.most)

    def __eq__(self, other):
        return self.terms == self._of(other).terms

    __hash__ = None

    def __add__(self, other):
        if isinstance(other, Along):
            return NotImplemented
        total = dict(self.terms)
        for key, value in self._of(other).terms.items():
            total[key] = total.get(key, 0) + value
        return Polynomial(total, self.most)

    def __mul__(self, other):
        if isinstance(other, Along):
            return NotImplemented
        total = {}
        for (i, j), left in self.terms.items():
            for (k, m), right in self._of(other).terms.items():
                total[i + k, j + m] = total.get((i + k, j + m), 0) + left * right
        return Polynomial(total, self.most)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -1 * other

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, number):
        return self * (1 / Fraction(number))

    def __pow__(self, power):
        return reduce(lambda product, _: product * self, range(power), self._of(1))

    def later(self):
        """At τ + η."""
        total = {}
        for (i, j), value in self.terms.items():
            for k in range(j + 1):
                total[i + k, j - k] = total.get((i + k, j - k), 0) + comb(j, k) * value
        return Polynomial(total, self.most)

    def slope(self):
        """η d/dτ of it."""
        return Polynomial({(i + 1, j - 1): j * value for (i, j), value in self.terms.items() if j}, self.most)

    def rows(self):
        """Coefficients of η^0, η^1, … at τ = 0."""
        return [self.terms.get((i, 0), Fraction(0)) for i in range(self.most + 1)]


def eta(most):
    """η."""
    return Polynomial({(1, 0): Fraction(1)}, most)


def in_time(taylor, most):
    """``Σ_m taylor[m] τ^m``."""
    return Polynomial({(0, m): Fraction(value) for m, value in enumerate(taylor)}, most)


class Along:
    """Multiples of θ and of each memory, what a linear step is made of."""

    def __init__(self, parts):
        self.parts = list(parts)

    def __add__(self, other):
        return Along([a + b for a, b in zip(self.parts, other.parts, strict=True)])

    def __mul__(self, number):
        return Along([number * part for part in self.parts])

    __rmul__ = __mul__

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -other

    def __truediv__(self, number):
        return self * (1 / Fraction(number))


def matrix_of(step, memories, h, step_size, **parameters):
    """Row i is state i after a step, in multiples of the states before."""
    zero = 0 * step_size
    states = [Along([zero + int(i == j) for j in range(memories + 1)]) for i in range(memories + 1)]
    after = step(lambda point, field=0: h * point, tuple(states), step_size, **parameters)
    return [state.parts for state in after]


def settled(matrix):
    """The multiplier r of θ on the slow manifold, and u: what each memory is there over θ."""
    memory, before = [Polynomial({}, matrix[0][0].most) for _ in matrix[1:]], None
    while memory != before:
        before, multiplier = memory, _applied(matrix[0], memory)
        driven = [_applied(row, memory) - multiplier * u.later() for row, u in zip(matrix[1:], memory, strict=True)]
        memory = _corrected(matrix, memory, driven)
    return _applied(matrix[0], memory), memory


def _corrected(matrix, memory, defects):
    """With ``(1 − A)⁻¹ defects`` added, where A is what of the memory's part of M has no η and no τ."""
    size = len(memory)
    rows = [[int(i == j) - _constant(matrix[i + 1][j + 1]) for j in range(size)] for i in range(size)]
    return [u + more for u, more in zip(memory, _solved(rows, defects), strict=True)]


def decay_rows(matrix):
    """``[ρ_0, ρ_1, …]`` at τ = 0 where ``θ̇ = −Σ_k η^k ρ_k θ``: one fewer than the powers that the matrix has."""
    multiplier, _ = settled(matrix)
    term, total = multiplier - 1, 0 * multiplier
    for n in range(1, multiplier.most + 1):
        total = total - Fraction((-1) ** (n + 1), n) * term  # − log r
        term = term * (multiplier - 1)
    rate, slope, factorial = 0 * total, total, 1
    for k, bernoulli in enumerate(_bernoulli(multiplier.most)):
        rate = rate + (bernoulli / factorial) * slope  # D/(e^D − 1) of it, D = η d/dτ
        slope, factorial = slope.slope(), factorial * (k + 1)
    nothing, *rows = rate.rows()
    assert nothing == 0
    return rows


def start_rows(matrix, theta, memory):
    """``θ̂_0`` as coefficients of η^0, η^1, …: the part of (θ, memory) along the slow manifold."""
    multiplier, right = settled(matrix)
    transposed = [list(column) for column in zip(*matrix, strict=True)]
    left, before = [0 * multiplier for _ in right], None
    while left != before:  # l (r − M_mm) = M_0m
        before = left
        driven = [_applied(row, left) - multiplier * part for row, part in zip(transposed[1:], left, strict=True)]
        left = _corrected(transposed, left, driven)
    below = _applied([1 + 0 * multiplier, *left], right)
    above, inverse, term = _applied([theta + 0 * multiplier, *left], memory), 0 * below, 0 * below + 1
    for _ in range(multiplier.most + 1):
        inverse, term = inverse + term, term * (1 - below)
    return (above * inverse).rows()


def logarithm_rows(matrix):
    """``[F_0, F_1, …]``, matrices, of ``ż = Σ_k η^k F_k z`` where M is the identity at η = 0."""
    size, most = len(matrix), matrix[0][0].most
    less = [[value - int(i == j) for j, value in enumerate(row)] for i, row in enumerate(matrix)]
    power, total = less, [[0 * value for value in row] for row in less]
    for n in range(1, most + 1):
        total = [
            [a + Fraction((-1) ** (n + 1), n) * b for a, b in zip(*rows, strict=True)]
            for rows in zip(total, power, strict=True)
        ]
        power = [
            [sum((power[i][k] * less[k][j] for k in range(size)), 0 * less[0][0]) for j in range(size)]
            for i in range(size)
        ]
    return [[[value.rows()[k] for value in row] for row in total] for k in range(1, most + 1)]


def _applied(row, memory):
    """``row · (1, memory)``."""
    return sum((value * part for value, part in zip(row[1:], memory, strict=True)), row[0])


def _constant(value):
    return value.terms.get((0, 0), Fraction(0))


def _solved(rows, right):
    """``rows · x = right``, by elimination."""
    for i in range(len(right)):
        scale = 1 / Fraction(rows[i][i])
        rows[i], right[i] = [scale * value for value in rows[i]], scale * right[i]
        for other in {*range(len(right))} - {i}:
            factor = rows[other][i]
            rows[other] = [a - factor * b for a, b in zip(rows[other], rows[i], strict=True)]
            right[other] = right[other] - factor * right[i]
    return right


def _bernoulli(most):
    """B_0 … B_most, B_1 = −1/2."""
    found = []
    for n in range(most + 1):
        found.append(int(n == 0) - sum((Fraction(comb(n, k), n - k + 1) * found[k] for k in range(n)), Fraction(0)))
    return found
