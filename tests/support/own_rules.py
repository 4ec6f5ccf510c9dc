"""Rules of a user's own, such as no rule of the package is: tests that go through the registry take them along."""

from fractions import Fraction

from eomsym.optimizers import Optimizer, Parameter, sqrt

BETA = Parameter(
    "beta", "β", "share of the memory", Fraction(0), Fraction(1), Fraction(1, 2), Fraction(1, 4), kind="share"
)


def decay_after(gradient, state, eta):
    moved = state[0] - eta * gradient(state[0])
    return (moved * (1 - eta / 10),)


def decay_twice(gradient, state, eta):
    return (state[0] * (1 - eta / 10) ** 2 - eta * gradient(state[0]),)


def rate_and_square(gradient, state, eta):
    return (state[0] - eta * (1 + eta) * gradient(state[0]),)


def square(gradient, state, eta):
    return (state[0] - eta**2 * gradient(state[0]),)


def sum_by_eta(gradient, state, eta):
    theta, memory = state
    memory = Fraction(1, 2) * memory + eta * gradient(theta)
    return theta - eta * (memory + gradient(theta) / 2), memory


def momentum_decay_after(gradient, state, eta, beta):
    theta, memory = state
    memory = beta * memory + gradient(theta - eta**2 * memory)
    return (theta - eta * memory) * (1 - eta / 10), memory


def normalised(gradient, state, eta):
    slope = gradient(state[0])
    return (state[0] - eta * (1 + eta) * slope / sqrt(slope**2 + Fraction(1, 2)),)


def _rule(step, memory=(), parameters=()):
    name = step.__name__.replace("_", "-")
    return Optimizer(f"own-{name}", step, parameters, summary=name, source="these tests", memory=memory)


#: θ moves by more than one power of η, or the memory is of another degree in g than in η.
POWERS = [
    *map(_rule, (decay_after, decay_twice, rate_and_square, square, normalised)),
    _rule(sum_by_eta, ("memory",)),
    _rule(momentum_decay_after, ("memory",), (BETA,)),
]
