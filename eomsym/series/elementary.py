"""Elementary functions as quadratic systems, the one table that lifts them to power series.

Let ``z`` be a power series in η.  Every function used here is part of a small system in which each member ``u`` obeys

    u' = ± v z'                    (``Integral``; v another member, ' the derivative in η),
    u  = q (c + Σ w + Σ ± v w)     (``Combination`` of members and products of members, q rational), or
    u  = 1/v                       (``Reciprocal``),

so its coefficients follow one by one: ``k u_k = ± Σ_{i=1}^k i z_i v_{k−i}``, Cauchy products, and
``u_k = −u_0 Σ_{i=1}^k v_i u_{k−i}``.  Only ``Integral`` and ``Reciprocal`` need a value at order 0 that is not
arithmetic, the *seed*; everything else works in any ring.
This is how Taylor integrators treat elementary functions (Griewank & Walther, *Evaluating Derivatives*, ch. 13).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

#: The name of the argument in every system.
ARGUMENT = "z"


@dataclass(frozen=True)
class Integral:
    """``target' = sign · factor · z'``, starting from the function ``seed`` of z_0."""

    target: str
    factor: str
    seed: str
    sign: int = 1


@dataclass(frozen=True)
class Product:
    """``sign · left · right``."""

    left: str
    right: str
    sign: int = 1


@dataclass(frozen=True)
class Combination:
    """``target = weight · (constant + Σ linear + Σ products)``; every name is listed before it is used."""

    target: str
    constant: int = 0
    linear: tuple[str, ...] = ()
    products: tuple[Product, ...] = ()
    weight: Fraction = Fraction(1)


@dataclass(frozen=True)
class Reciprocal:
    """``target = 1/of``."""

    target: str
    of: str


Relation = Integral | Combination | Reciprocal


@dataclass(frozen=True)
class ElementaryFunction:
    """A function and its derivative: ``value`` and ``derivative`` name members of ``relations``, which are in order."""

    name: str
    value: str
    derivative: str
    relations: tuple[Relation, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """All names but the argument, in the order in which they are computed."""
        return tuple(relation.target for relation in self.relations)


def power(exponent: Fraction, name: str = "power") -> ElementaryFunction:
    """``z^exponent`` for rational exponents, z_0 > 0: ``a' = d z'`` with ``d = exponent · a/z``; seed is ``name``."""
    relations = (
        Integral("a", "d", name),
        Reciprocal("r", "z"),
        Combination("d", products=(Product("r", "a"),), weight=exponent),
    )
    return ElementaryFunction(name, "a", "d", relations)


def _table() -> dict[str, ElementaryFunction]:
    def one_and(sign: int) -> Combination:
        return Combination("s", 1, products=(Product("a", "a", sign),))

    # p is the logistic function, s = p − p² its derivative.
    sigmoid = Integral("p", "s", "sigmoid")
    logistic = Combination("s", linear=("p",), products=(Product("p", "p", -1),))
    sine, cosine = Integral("a", "c", "sin"), Integral("c", "a", "cos", -1)
    sinh, cosh = Integral("a", "c", "sinh"), Integral("c", "a", "cosh")
    reciprocal = Reciprocal("r", "z")
    silu = (
        Combination("a", products=(Product("z", "p"),)),
        Combination("t", linear=("p",), products=(Product("z", "s"),)),
    )
    # z Φ(z) with the normal distribution Φ and its density φ; w = z φ, φ' = −w z'.
    gelu = (
        Integral("P", "d", "normal_distribution"),
        Integral("d", "w", "normal_density", -1),
        Combination("w", products=(Product("z", "d"),)),
        Combination("a", products=(Product("z", "P"),)),
        Combination("t", linear=("P", "w")),
    )
    atan = (Combination("u", 1, products=(Product("z", "z"),)), Reciprocal("r", "u"), Integral("a", "r", "atan"))
    # d = 2/√π e^{−z²} is the derivative, d' = −2 z d z'.
    erf = (
        Integral("a", "d", "erf"),
        Integral("d", "w", "erf_slope"),
        Combination("w", products=(Product("z", "d"),), weight=Fraction(-2)),
    )
    minus_sine = Combination("m", linear=("a",), weight=Fraction(-1))
    inverse_square = Combination("d", products=(Product("r", "r", -1),))
    functions = (
        ElementaryFunction("tanh", "a", "s", (Integral("a", "s", "tanh"), one_and(-1))),
        ElementaryFunction("sigmoid", "p", "s", (sigmoid, logistic)),
        ElementaryFunction("softplus", "a", "p", (Integral("a", "p", "softplus"), sigmoid, logistic)),
        ElementaryFunction("silu", "a", "t", (sigmoid, logistic, *silu)),
        ElementaryFunction("gelu", "a", "t", gelu),
        ElementaryFunction("sin", "a", "c", (sine, cosine)),
        ElementaryFunction("cos", "c", "m", (sine, cosine, minus_sine)),
        ElementaryFunction("tan", "a", "s", (Integral("a", "s", "tan"), one_and(1))),
        ElementaryFunction("sinh", "a", "c", (sinh, cosh)),
        ElementaryFunction("cosh", "c", "a", (sinh, cosh)),
        ElementaryFunction("log", "a", "r", (Integral("a", "r", "log"), reciprocal)),
        ElementaryFunction("reciprocal", "r", "d", (reciprocal, inverse_square)),
        ElementaryFunction("atan", "a", "r", atan),
        ElementaryFunction("erf", "a", "d", erf),
        power(Fraction(1, 2), "sqrt"),
        ElementaryFunction("identity", "a", "s", (Combination("a", linear=("z",)), Combination("s", 1))),
        ElementaryFunction("exp", "a", "a", (Integral("a", "a", "exp"),)),
    )
    return {function.name: function for function in functions}


#: Every elementary function by name.
ELEMENTARY: dict[str, ElementaryFunction] = _table()
