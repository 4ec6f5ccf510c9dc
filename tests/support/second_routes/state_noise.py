"""Expectations of the whole state under noise: by all sequences of three unequal batches, and by what is derived.

Steps are written by hand and averaged over every sequence.  A third cumulant that vanished would test nothing, so the
batches are not equally far from their mean.
"""

import json
from itertools import combinations_with_replacement, permutations, product
from math import comb

import mpmath
import numpy as np
import sympy
from scipy.integrate import solve_ivp
from sympy.parsing.sympy_parser import parse_expr

from eomsym.derivation import derive
from eomsym.optimizers import Optimizer
from eomsym.optimizers.descent import MOMENTUM

#: Exact in binary, so that any precision has them.
GAMMA, GAMMA1, GAMMA2, EPSILON, DECAY = 0.75, 1.25, 0.625, 0.25, 0.375
RATES = {"gamma": GAMMA, "gamma1": GAMMA1, "gamma2": GAMMA2, "epsilon": EPSILON}
SYMBOLS = {name: sympy.Symbol(name) for name in RATES}
X = sympy.symbols("x y")


def plane(point):
    """Gradients of three batches in two dimensions; no loss need have them."""
    x, y = point
    return (
        np.array([x * x / 2 + y, x * y - 1]),
        np.array([2 * x + 0.75, y * y / 4 + x]),
        np.array([x * y / 2 - y, y + x * x]),
    )


def root(values):
    return np.array([mpmath.sqrt(value) for value in values]) if values.dtype == object else np.sqrt(values)


def mixed(old, rate, h, new):
    return old + rate * h * (new - old)


def heavy_ball(gradient, h, theta, v):
    v = (1 - GAMMA * h) * v + h * gradient(theta)
    return theta - h * v, v


def nesterov(gradient, h, theta, v):
    share = 1 - GAMMA * h
    v = share * v + h * gradient(theta - h * share * v)
    return theta - h * v, v


def lookahead(gradient, h, theta, v):
    share, slope = 1 - GAMMA * h, gradient(theta)
    v = share * v + h * slope
    return theta - h**2 * slope - h * share * v, v


def dampened(gradient, h, theta, v):
    v = (1 - GAMMA * h) * v + h * gradient(theta) / 4
    return theta - h * v, v


def decayed(gradient, h, theta, v):
    v = (1 - GAMMA * h) * v + h * gradient(theta)
    return theta - h**2 * DECAY * theta - h * v, v


def adam(gradient, h, theta, m, v, c1, c2):
    g = gradient(theta)
    m, v = mixed(m, GAMMA1, h, g), mixed(v, GAMMA2, h, g**2)
    c1, c2 = mixed(c1, GAMMA1, h, 0), mixed(c2, GAMMA2, h, 0)
    return theta - h * m / (1 - c1) / (root(v / (1 - c2)) + EPSILON), m, v, c1, c2


def adamw(gradient, h, theta, *memory):
    moved, *memory = adam(gradient, h, theta, *memory)
    return moved - h * DECAY * theta, *memory


def rmsprop(gradient, h, theta, v):
    g = gradient(theta)
    v = mixed(v, GAMMA2, h, g**2)
    return theta - h * g / (root(v) + EPSILON), v


def centered(gradient, h, theta, v, m):
    g = gradient(theta)
    v, m = mixed(v, GAMMA2, h, g**2), mixed(m, GAMMA2, h, g)
    return theta - h * g / (root(v - m**2) + EPSILON), v, m


def half_average(gradient, h, theta, m):
    g = gradient(theta)
    m = mixed(m, GAMMA, h, g)
    return theta - h * (g + m) / 2, m


def half_average_step(gradient, state, eta, beta):
    theta, mean = state
    slope = gradient(theta)
    mean = beta * mean + (1 - beta) * slope
    return theta - eta * (slope + mean) / 2, mean


#: θ takes the gradient in first order too.
HALF_AVERAGE = Optimizer("half-average", half_average_step, (MOMENTUM,), ("mean",))
#: Each rule: its step by hand, its memory, what it is called, and the highest order.
RULES = {
    "heavy-ball": (heavy_ball, "v", "heavy-ball", {}, 2),
    "nesterov": (nesterov, "v", "nesterov", {}, 2),
    "torch's nesterov": (lookahead, "v", "nesterov", {"lookahead": True}, 2),
    "dampened": (dampened, "v", "heavy-ball", {"dampened": True, "dampening": "3/4"}, 2),
    "decayed": (decayed, "v", "sgdw", {"decay": "3/8"}, 2),
    "half-average": (half_average, "m", HALF_AVERAGE, {}, 1),
    "adam": (adam, "m v c1 c2", "adam", {}, 1),
    "adamw": (adamw, "m v c1 c2", "adamw", {"decay": "3/8"}, 1),
    "rmsprop": (rmsprop, "v", "rmsprop", {}, 1),
    "centered": (centered, "v m", "rmsprop", {"centered": True}, 1),
}
#: Memories at which squares are larger than those of means.
MEMORY = {"v": (1.5, 2.25), "m": (0.375, -0.5), "c1": (0.5, 0.5), "c2": (0.75, 0.75)}
START = (0.375, -0.625)


def derived(name, order):
    _, _, rule, options, _ = RULES[name]
    return derive(rule, order, noise=True, **options)


def components(name):
    """The states' components as symbols, and where they are."""
    names = RULES[name][1].split()
    symbols = [list(X), *([sympy.Symbol(f"{name}_{i}") for i in range(2)] for name in names)]
    return symbols, [START, *(MEMORY[name] for name in names)]


def observable(symbols):
    """A polynomial of degree 3 in which every pair and triple of components is."""
    flat = [one for state in symbols for one in state]
    parts = [part for n in (1, 2, 3) for part in combinations_with_replacement(flat, n)]
    return sum(sympy.Rational(3 + 7 * k % 11, 8) * sympy.prod(part) for k, part in enumerate(parts))


def by_sequences(name, order):
    """L_0 φ, …: coefficients of ``log P = Σ (−1)^{m+1} (P − 1)^m/m`` in h, Pᵏφ the mean over all sequences of k."""
    step = RULES[name][0]
    symbols, places = components(name)
    phi = sympy.lambdify([one for state in symbols for one in state], observable(symbols), "mpmath")

    def after(k, h):
        every = []
        for batches in product(range(3), repeat=k):
            state = [np.array([mpmath.mpf(value) for value in place]) for place in places]
            for batch in batches:
                state = step(lambda at, b=batch: plane(at)[b], h, *state)
            every.append(phi(*np.concatenate(state)))
        return sum(every) / len(every)

    with mpmath.workdps(40):
        powers = [mpmath.taylor(lambda h, k=k: after(k, h), 0, order + 1) for k in range(order + 2)]
        total = [mpmath.mpf(0)] * (order + 2)
        for m in range(1, order + 2):
            for k in range(m + 1):
                weight = mpmath.mpf((-1) ** (k + 1) * comb(m, k)) / m
                total = [one + weight * other for one, other in zip(total, powers[k], strict=True)]
        return total[1:]


def joint(vectors, indices):
    """The joint cumulant over ``plane`` of components of expressions in g_0 and g_1: second, or third."""
    rows = []
    for vector, i in zip(vectors, indices, strict=True):
        values = [vector[i].subs({f"g_{j}": g[j] for j in range(2)}) for g in plane(X)]
        rows.append([value - sum(values) / 3 for value in values])
    return sum(sympy.prod(row[b] for row in rows) for b in range(3)) / 3


def by_rows(name, order):
    """The same by what is derived: its columns, and the blocks of its JSON."""
    equation = derived(name, order)
    symbols, places = components(name)
    phi, data = observable(symbols), json.loads(equation.to_json())
    at = dict(zip(np.ravel(symbols), map(mpmath.mpf, np.ravel(places)), strict=True))
    at |= {SYMBOLS[rate]: value for rate, value in RATES.items()}
    fields = [[sum(g[i] ** n for g in plane(X)) / 3 for i in range(2)] for n in range(1, len(equation.fields) + 1)]
    columns = equation.at_fields(fields, X, symbols[1:])
    words, names = data["state"], ["theta", *RULES[name][1].split()]

    def vector(text):
        """By components: functions are of states alone."""
        return [_read(text, data["functions"], names, symbols, i) for i in range(2)]

    def value(expression):
        return mpmath.mpf(sympy.sympify(expression).subs(at).evalf(40))

    found = []
    for k in range(order + 1):
        total = sum(columns[k][a][i] * phi.diff(symbols[a][i]) for a in range(len(symbols)) for i in range(2))
        for block in data["noise"]:
            states = [words.index(word) for word in block["states"]]
            orders = len(set(permutations(states)))
            for term in block["rows"][k]:
                vectors = list(map(vector, term["vectors"]))
                for indices in product(range(2), repeat=len(states)):
                    part = joint(vectors, indices)
                    for state in term["along"]:
                        along = symbols[names.index(state)]
                        part = sum(along[i] * part.diff(X[i]) for i in range(2))
                    part *= parse_expr(term["coefficient"], SYMBOLS) * orders / sympy.factorial(len(states))
                    total += part * phi.diff(*(symbols[a][i] for a, i in zip(states, indices, strict=True)))
        found.append(value(total))
    return found


def _read(text, functions, names, symbols, i):
    local = {"g": sympy.Symbol(f"g_{i}"), "sqrt": sympy.sqrt, **SYMBOLS}
    local |= {name: state[i] for name, state in zip(names, symbols, strict=True)}
    for name, definition in functions.items():
        local[name] = parse_expr(definition, local)
    return parse_expr(text, local)


#: Of losses on the line, by the coefficients of their gradients.
LINE = ([0.25, 1.0, 0.5], [0.5, 0.5, -0.25], [-2.5, 2.0])
T, V, M = sympy.symbols("theta v m")


def of_all_sequences(name, phis, h, steps):
    """Means of functions of the state over all 3ᴷ sequences, on the line."""
    step, memory, *_ = RULES[name]
    state = [np.array([START[0]]), *(np.array([MEMORY[word][0]]) for word in memory.split())]
    for _ in range(steps):
        after = [step(lambda at, c=c: np.polynomial.Polynomial(c)(at), h, *state) for c in LINE]
        state = [np.concatenate([part + 0 * state[0] for part in parts]) for parts in zip(*after, strict=True)]
    return np.array([np.mean(phi(*state)) for phi in phis])


def on_the_line(equation):
    """By its lines for SymPy: each name's expression, with all that depends on batches put in."""
    gradients = [sum(sympy.Rational(c) * T**n for n, c in enumerate(row)) for row in LINE]
    g, average = sympy.Symbol("g"), sum(gradients) / len(gradients)

    def mean(expression):
        return sympy.expand(sum(expression.subs(g, one) for one in gradients)) / len(gradients)

    def covariance(one, other):
        return mean(one * other) - mean(one) * mean(other)

    def along(expression):
        return lambda *vectors: expression.diff(T, len(vectors)) * sympy.prod(vectors)

    known = {f"g{n}": along(average) for n in (1, 2, 3)} | {"g": g if equation.functions else average}
    known |= {f"g_{n}": mean(g**n) for n in (1, 2, 3)} | {f"g_{n}_1": along(mean(g**n)) for n in (1, 2, 3)}
    known |= {"Sigma": covariance(g, g), "Sigma1": along(covariance(g, g)), "kappa_3": mean((g - average) ** 3)}
    known |= {"Cov": covariance, "sqrt": sympy.sqrt} | {word: sympy.Symbol(word) for word in MEMORY}
    known |= {rate: sympy.Rational(value) for rate, value in RATES.items()} | {"theta": T}
    functions = {function.name for function in equation.functions}
    found = {}
    for name, text in (line.split(" = ") for line in equation.sympy_lines().splitlines()):
        found[name] = parse_expr(text, known)
        if name in functions:
            known[name] = found[name]
    return found


def by_series(lines, order, phi, h, steps, terms=14):
    """``exp(nh𝓛)φ`` of (θ, v) to the order of 𝓛, by Taylor's series in time: ``u_k' = Σ L_{k−j} u_j``."""
    ring, *names = sympy.ring("theta v", sympy.QQ)
    tensors = {"{0}": 1, "{1}": 1, "D_{0}_{0}": 1 / 2, "D_{0}_{1}": 1, "D_{1}_{1}": 1 / 2, "K_{1}_{1}_{1}": 1 / 6}
    along = [tensor.count("{0}") * [names[0]] + tensor.count("{1}") * [names[1]] for tensor in tensors]
    weights = [sympy.Rational(weight).limit_denominator(6) for weight in tensors.values()]
    levels = [
        [
            ring.from_expr(sympy.expand(weight * lines.get(f"{tensor.format('theta', 'v')}_{k}", 0)))
            for tensor, weight in zip(tensors, weights, strict=True)
        ]
        for k in range(order + 1)
    ]

    def applied(level, u):
        total = ring.zero
        for variables, factor in zip(along, level, strict=True):
            part = u
            for variable in variables if factor else ():
                part = part.diff(variable)
            total += factor * part
        return total

    place = list(zip(names, map(sympy.QQ.convert, map(sympy.Rational, (START[0], MEMORY["v"][0]))), strict=True))
    row, factor, found = [ring.from_expr(phi)] + [ring.zero] * order, 1.0, np.zeros(order + 1)
    for n in range(terms):
        found += [factor * float(u.evaluate(place)) for u in row]
        row = [sum((applied(levels[k - j], row[j]) for j in range(k + 1)), ring.zero) for k in range(order + 1)]
        factor *= h * steps / (n + 1)
    return found @ h ** np.arange(order + 1)


def weak_errors(name, prediction, phis, symbols, time):
    """Of means of what is observed, after 5 and after 10 steps; ``prediction(phi, h, steps)`` for a mean."""
    functions, errors = [sympy.lambdify(symbols, phi) for phi in phis], []
    for steps in (5, 10):
        h = time / steps
        errors.append([prediction(phi, h, steps) for phi in phis] - of_all_sequences(name, functions, h, steps))
    return np.array(errors)


def local_slopes(errors):
    """Between 5 and 10 steps."""
    return np.log2(np.abs(np.divide(*errors)))


def slopes_of_momentum(name, order, phis, without=None):
    lines = on_the_line(derived(name, order))
    if without:
        del lines[without]
    return local_slopes(weak_errors(name, lambda *of: by_series(lines, order, *of), phis, (T, V), 0.25))


def by_moments(lines, words, order):
    """Means to weak order 1: ``φ(μ) + h/2 φ'':S``, ``μ' = F_0 + hF_1 + h/2 F_0'':S``, ``S' = JS + SJᵀ + D_1``."""
    states, size = sympy.symbols(words), len(words)
    flow, later = (sympy.Matrix([lines.get(f"{word}_{k}", 0) for word in words]) for k in (0, 1))
    noise = [[lines.get(f"D_{words[min(i, j)]}_{words[max(i, j)]}_1", 0) for j in range(size)] for i in range(size)]
    curved = [sympy.hessian(component, states).tolist() for component in flow]
    at = [sympy.lambdify(states, part) for part in (list(flow), list(later), noise, curved, flow.jacobian(states))]

    def moved(h, both):
        f, f1, d, second, jacobian = (np.array(part(*both[:size]), float) for part in at)
        turned = jacobian @ both[size:].reshape(size, size)
        curving = np.einsum("aij,ij->a", second, both[size:].reshape(size, size))
        return np.concatenate([f + order * h * (f1 + curving / 2), (turned + turned.T + d).ravel()])

    def prediction(phi, h, steps):
        start = np.concatenate([[START[0], *(MEMORY[word][0] for word in words[1:])], np.zeros(size**2)])
        end = solve_ivp(lambda _, both: moved(h, both), (0, h * steps), start, rtol=1e-11, atol=1e-13).y[:, -1]
        value, second = sympy.lambdify(states, (phi, sympy.hessian(phi, states)))(*end[:size])
        return value + order * h / 2 * np.sum(second * end[size:].reshape(size, size))

    return prediction


def errors_of_squares(name, order, phis, changed=()):
    words = ["theta", *RULES[name][1].split()]
    lines = on_the_line(derived(name, order)) | dict(changed)
    return weak_errors(name, by_moments(lines, words, order), phis, sympy.symbols(words), 0.5)


def slopes_of_squares(name, order, phis, changed=()):
    return local_slopes(errors_of_squares(name, order, phis, changed))
