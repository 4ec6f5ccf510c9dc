"""mpmath: plain iterates of every optimiser in 300 digits, at a step size so small that each counter term stands alone.

After the transient, ``F(η) = (1/η) Σ_n (−1)^{n+1}/n Δⁿ θ`` of the iterates is the modified field at the first of them.
With η = 1e−30 the part that η^k f̃_k has in it is read off to 30 digits: ``(F − Σ_{j<k} η^j f̃_j) / η^k = f̃_k + O(η)``.
The update rules are written here a second time, from the papers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, permutations

import numpy as np
import sympy
from mpmath import MPContext

import eomsym
from eomsym import optimizers
from eomsym.notation import elementary_differentials
from oracles.agreement import Agreement

MP = MPContext()
MP.dps = 300
STEP = MP.mpf(10) ** -30
#: What is left of η times the quotient of neighbouring terms.
BOUND = 1e-26
#: Steps until the start is forgotten to 300 digits, memories being at most 1/2.
TRANSIENT = 1100
FIXED_POINT_ITERATIONS = 12
START = ("0.7", "-0.4")
X, Y = NAMES = sympy.symbols("x y")

Vector = np.ndarray  # (2,) of mpmath numbers
Gradient = Callable[..., Vector]
State = Sequence[Vector]


def loss(batch: int) -> sympy.Expr:
    """A loss that is not symmetric in anything, in SymPy, for the derivation; batch 1 is the loss of full steps."""
    return sympy.exp(X) * Y + batch * X**2 * Y**2 + sympy.sin(X + Y)


def gradient(point: Vector, batch: int = 1) -> Vector:
    """Its gradient, by hand, for the iterates."""
    x, y = point
    wave = MP.cos(x + y)
    return np.array([MP.exp(x) * y + 2 * batch * x * y**2 + wave, MP.exp(x) + 2 * batch * x**2 * y + wave])


def player(point: Vector, number: int) -> Vector:
    """Player 1 descends in x, player 2 ascends in y."""
    x, y = gradient(point)
    return np.array([x, 0 * y]) if number == 1 else np.array([0 * x, -y])


def _root(vector: Vector) -> Vector:
    return np.array([MP.sqrt(entry) for entry in vector])


def _fixed_point(function: Callable[[Vector], Vector], start: Vector) -> Vector:
    for _ in range(FIXED_POINT_ITERATIONS):
        start = function(start)
    return start


def _runge_kutta_4(t: Vector, h) -> Vector:
    k1 = gradient(t)
    k2 = gradient(t - h / 2 * k1)
    k3 = gradient(t - h / 2 * k2)
    k4 = gradient(t - h * k3)
    return t - h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _heavy_ball(s: State, h, beta) -> State:
    return s[0] + beta * (s[0] - s[1]) - h * gradient(s[0]), s[0]


def _nesterov(s: State, h, beta) -> State:
    ahead = s[0] + beta * (s[0] - s[1])
    return ahead - h * gradient(ahead), s[0]


def _nesterov_lookahead(s: State, h, beta) -> State:
    slope, before = gradient(s[0]), gradient(s[1])
    return (1 + beta) * s[0] - beta * s[1] - h * ((1 + beta) * slope - beta * before), s[0]


def _decoupled(s: State, h, beta, decay) -> State:
    velocity = beta * s[1] + gradient(s[0])
    return s[0] - h * velocity - h * decay * s[0], velocity


def _epoch(t: Vector, h, batches: Sequence[int]) -> Vector:
    for batch in batches:
        t = t - h * gradient(t, batch)
    return t


def _reshuffled(s: State, h, batches) -> State:
    ends = [_epoch(s[0], h, order) for order in permutations(range(1, int(batches) + 1))]
    return (sum(ends[1:], ends[0]) / len(ends),)


def _alternating(s: State, h) -> State:
    moved = s[0] - h * player(s[0], 1)
    return (moved - h * player(moved, 2),)


def _adam(inside: bool) -> Callable[..., State]:
    def step(s: State, h, beta1, beta2, epsilon, decay=0) -> State:
        g = gradient(s[0])
        mean, square = beta1 * s[1] + (1 - beta1) * g, beta2 * s[2] + (1 - beta2) * g * g
        below = _root(square + epsilon) if inside else _root(square) + epsilon
        return (1 - h * decay) * s[0] - h * (mean / below), mean, square

    return step


def _corrected(s: State, h, beta1, beta2, epsilon, decay=0) -> State:
    """The third memory is the number of the step."""
    g, n = gradient(s[0]), s[3][0] + 1
    mean, square = beta1 * s[1] + (1 - beta1) * g, beta2 * s[2] + (1 - beta2) * g * g
    move = mean / (1 - beta1**n) / (_root(square / (1 - beta2**n)) + epsilon)
    return s[0] - h * (move + decay * s[0]), mean, square, s[3] + 1, s[4]


def _rmsprop(inside: bool) -> Callable[..., State]:
    def step(s: State, h, beta2, epsilon) -> State:
        moved, _, square = _adam(inside)((s[0], 0 * s[0], s[1]), h, 0, beta2, epsilon)
        return moved, square

    return step


#: One step of each optimiser: state (θ first), step size, parameters by name → state.
STEPS: dict[str, Callable[..., State]] = {
    "gradient-descent": lambda s, h: (s[0] - h * gradient(s[0]),),
    "implicit-euler": lambda s, h: (_fixed_point(lambda t: s[0] - h * gradient(t), s[0]),),
    "heavy-ball": _heavy_ball,
    "nesterov": _nesterov,
    "nesterov(lookahead=yes)": _nesterov_lookahead,
    "optimistic": lambda s, h: (s[0] - 2 * h * gradient(s[0]) + h * s[1], gradient(s[0])),
    "extragradient": lambda s, h: (s[0] - h * gradient(s[0] - h * gradient(s[0])),),
    "explicit-midpoint": lambda s, h: (s[0] - h * gradient(s[0] - h / 2 * gradient(s[0])),),
    "implicit-midpoint": lambda s, h: (_fixed_point(lambda t: s[0] - h * gradient((s[0] + t) / 2), s[0]),),
    "runge-kutta-4": lambda s, h: (_runge_kutta_4(s[0], h),),
    "sgdw": _decoupled,
    "mini-batches": lambda s, h, batches: (_epoch(s[0], h, range(1, int(batches) + 1)),),
    "random-reshuffling": _reshuffled,
    "simultaneous-players": lambda s, h: (s[0] - h * (player(s[0], 1) + player(s[0], 2)),),
    "alternating-players": _alternating,
    "rmsprop": _rmsprop(inside=False),
    "rmsprop(inside=yes)": _rmsprop(inside=True),
    "adam": _corrected,
    "adam(corrected=no)": _adam(inside=False),
    "adam(inside=yes, corrected=no)": _adam(inside=True),
    "adamw": _corrected,
    "adamw(corrected=no)": _adam(inside=False),
}
#: Those whose memory is written here as the iterate before, which starts at θ; the memories of the others start at 0.
LAST_ITERATE = ("heavy-ball", "nesterov", "nesterov(lookahead=yes)")
#: The highest f̃_k looked at; fewer for componentwise functions, whose terms swell.
ORDER, ORDER_OF_COMPONENTWISE = 3, 2


def agreements(names: Sequence[str] = tuple(STEPS)) -> Iterator[Agreement]:
    """The largest relative error of f̃_0, f̃_1, … of each optimiser."""
    yield from (_optimizer(name) for name in names)


def _optimizer(name: str) -> Agreement:
    entry = optimizers.get(name)
    values = entry.complete({}, trial=True)
    order = ORDER if entry.rule(**values).linear else ORDER_OF_COMPONENTWISE
    point, field = _measured(name, values, order + 1)
    rows = _derived(name, values, order, point)
    apart, scale = [], 1
    for row in rows:
        size = _norm(row) or _norm(rows[0])  # terms that vanish are compared with the first
        apart.append(float(_norm(field / scale - row) / size))
        field, scale = field - scale * row, scale * STEP
    what = f"{name}: f̃_0 … f̃_{order}" + (f" ({', '.join(f'{k} = {v}' for k, v in values.items())})" if values else "")
    return Agreement(what, 2 * len(rows), "relative", max(apart), BOUND)


def _measured(name: str, values, terms: int) -> tuple[Vector, Vector]:
    """A point on the slow manifold, and the field F(η) there, for one step size of time."""
    entry = optimizers.get(name)
    numbers = {key: MP.mpf(value.numerator) / value.denominator for key, value in values.items()}
    theta = np.array([MP.mpf(text) for text in START])
    fill = theta if name in LAST_ITERATE else 0 * theta
    state: State = (theta, *(fill for _ in entry.memory))
    for _ in range(TRANSIENT if entry.memory else 0):
        state = STEPS[name](state, STEP, **numbers)
    iterates = [state[0]]
    for _ in range(terms + 1):
        state = STEPS[name](state, STEP, **numbers)
        iterates.append(state[0])
    point, total, row = iterates[0], 0 * theta, iterates
    for n in range(1, terms + 2):
        row = [after - before for before, after in pairwise(row)]
        total = total + row[0] * (MP.mpf((-1) ** (n + 1)) / n)
    return point, total / (STEP * entry.steps(**values))


def _derived(name: str, values, order: int, point: Vector) -> list[Vector]:
    """``[f̃_0, …, f̃_order]`` by the trees or the vector language, at the point."""
    found = eomsym.derive(name, order, **values)
    fields = _fields(name, values)
    if found.plain:
        # Tree by tree: ``at_fields`` has a shorter way for gradient descent, which is not what is judged.
        values = elementary_differentials(fields[0], NAMES, [tree for row in found.rows for tree in row])
        columns = [
            sum((sympy.Rational(c) * values[t] for t, c in row.items()), sympy.zeros(2, 1)) for row in found.rows
        ]
    else:
        columns = found.at_fields(fields, NAMES)
    evaluate = sympy.lambdify(NAMES, [list(column) for column in columns], modules=_functions(), cse=True)
    return [-np.array([MP.mpf(entry) for entry in row]) for row in evaluate(*point)]


def _fields(name: str, values) -> list[list[sympy.Expr]]:
    """What g_1, g_2, … are, in SymPy."""
    x, y = (loss(1).diff(variable) for variable in NAMES)
    if name == "simultaneous-players":
        return [[x, -y]]
    if name == "alternating-players":
        return [[x, sympy.Integer(0)], [sympy.Integer(0), -y]]
    count = int(values.get("batches", 1))
    return [[loss(batch).diff(variable) for variable in NAMES] for batch in range(1, count + 1)]


def _functions() -> list[dict]:
    names = {name: getattr(MP, name) for name in ("exp", "sin", "cos", "sqrt")}
    return [names | {"mpf": MP.mpf}, "mpmath"]


def _norm(vector: Vector):
    return MP.sqrt(sum(entry * entry for entry in vector))
