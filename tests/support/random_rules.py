"""Rules drawn by lot, linear in gradient and state, with powers of η up to 3, with and without memory."""

from fractions import Fraction
from random import Random

from eomsym.optimizers import Optimizer, Parameter

MOST_POWER = 3
#: Of itself in a step.
SHARES = [Fraction(0), Fraction(1, 2), Fraction(-1, 2), Fraction(1, 3), Fraction(-2, 3), Fraction(3, 4)]


def random_rule(seed, memories=None, averages=False):
    """A rule with that number of memories, drawn too if none; with ``averages`` their shares are parameters β1, ….

    Then what a memory gets besides has the weight 1 − β or a power of η, as the equation of a whole state wants it.
    """
    random = Random(seed)
    memories = random.choice([0, 0, 1, 1, 2]) if memories is None else memories
    points = [
        _parts(random, range(1, MOST_POWER + 1), memories + place, 2) for place in range(random.choice([1, 1, 2]))
    ]
    kept = [(random.choice(SHARES), _parts(random, range(MOST_POWER + 1), 9, 3)) for _ in range(memories)]
    moved = _parts(random, (1, *range(1, MOST_POWER + 1)), 9, 4, least=2)

    def step(gradient, state, eta, **shares):
        theta, *memory = state
        slopes = []
        for parts in points:
            slopes.append(gradient(_sum(theta, parts, [*memory, *slopes], eta)))
        known, after = [theta, *slopes], []
        for number, (share, parts) in enumerate(kept):
            fresh, slow = [part for part in parts if part[1] == 0], [part for part in parts if part[1] > 0]
            beta = shares.get(f"beta{number + 1}", share)
            weight = 1 - beta if averages else 1
            own = beta * memory[number] + weight * _sum(0 * theta, fresh, [*known, *after], eta)
            after.append(_sum(own, slow, [*known, *after, *memory], eta))
        return _sum(theta, moved, [*slopes, *after, *memory, theta], eta), *after

    names = tuple(f"memory {number + 1}" for number in range(memories))
    betas = [
        Parameter(f"beta{n + 1}", f"β{n + 1}", "share", Fraction(0), Fraction(1), Fraction(1, 2), kind="share")
        for n in range(memories * averages)
    ]
    return Optimizer(
        f"drawn-{seed}-{memories}", step, tuple(betas), summary="drawn by lot", source="these tests", memory=names
    )


def _parts(random, powers, places, most, least=0):
    """Coefficients, powers of η and places in a list, which is gone through again from its end."""
    number = random.randint(least, most) if places else 0
    return [
        (Fraction(random.randint(-4, 4) or 1, random.randint(1, 4)), random.choice(powers), random.randrange(places))
        for _ in range(number)
    ]


def _sum(first, parts, known, eta):
    for weight, power, place in parts:
        first = first + weight * eta**power * known[place % len(known)]
    return first
