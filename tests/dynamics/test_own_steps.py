"""Step functions of NumPy of one's own: what jumps is refused before a run, and a run may not cross a kink."""

import re
from fractions import Fraction

import numpy as np
import pytest

import eomsym
from eomsym.errors import InputError
from eomsym.optimizers import Optimizer

#: g is (x, 30 y), from (1, 0.3); at the rate 0.05 y changes its sign in each step.
LOSS, START = "(x**2 + 30*y**2)/2", np.array([1.0, 0.3])


def rule(change, name, memory=()):
    """``change(gradient, *memory)`` is what goes down, and the memory after it."""

    def step(gradient, state, eta):
        moved = change(gradient(state[0]), *state[1:])
        moved, *after = moved if isinstance(moved, tuple) else (moved,)
        return (state[0] - eta * moved, *after)

    return Optimizer(f"own-{name}", step, memory=memory)


def posed(change, name, rate=0.05, memory=()):
    return eomsym.Training(LOSS, (), rule(change, name, memory), rate, theta=START, variables=("x", "y"))


def lion(g, mean):
    return np.sign(0.9 * mean + 0.1 * g), 0.99 * mean + 0.01 * g


JUMPING = {
    "sign": (np.sign, "the sign"),
    "lion": (lion, "the sign"),
    "floor": (lambda g: np.floor(8 * g) / 8, "'floor'"),
    "ceil": (np.ceil, "'ceil'"),
    "round": (lambda g: np.round(g, 3), "'rint'"),
    "round-method": (lambda g: g.round(1), "'rint'"),
    "trunc": (np.trunc, "'trunc'"),
    "fix": (np.fix, "'trunc'"),
    "heaviside": (lambda g: np.heaviside(g, 0.5) - 0.5, "'heaviside'"),
    "copysign": (lambda g: np.copysign(np.ones(2), g), "'copysign'"),
    "remainder": (lambda g: g % 0.5, "'remainder'"),
    "floor-divide": (lambda g: g // 0.5, "'floor_divide'"),
    "half": (lambda g: np.sign(Fraction(1, 2) * g), "the sign"),
    "in-place": (lambda g: np.sign(g, out=g), "the sign"),
    "of-a-choice": (lambda g: np.sign(np.where([True, False], g, 2 * g)), "the sign"),
}
BENT = {
    "absolute": lambda g: g + 0.1 * np.abs(g),
    "absolute ": lambda g: g + 0.1 * abs(g),
    "maximum": lambda g: np.maximum(g, 0.9 * g),
    "minimum": lambda g: np.minimum(g, 0.9 * g),
    "clip": lambda g: np.clip(g, -0.1, 100),
    "clip ": lambda g: g.clip(-0.1, 100),
    "maximum ": lambda g: g * (1 + max(0.1, 0.01 * (-g).max()) ** 2),
    "comparison greater": lambda g: np.where(g > 0, g, 2 * g),
    "comparison less": lambda g: np.array([part if part < 0 else 2 * part for part in g]),
    "comparison argmax": lambda g: g * (1 + np.argmax(-g)),
    "sort": lambda g: g * (1 + 0.1 * np.sort(g)[0] ** 2),
    "norm": lambda g: g * (1 + 0.1 * np.linalg.norm(g, 1)),
    "comparison signbit": lambda g: np.where(np.signbit(g), g, 2 * g),
}
SMOOTH = {
    "plain": lambda g: g,
    "smoothed-sign": lambda g: g / np.sqrt(g**2 + 0.1),
    "scaled": lambda g: g / np.linalg.norm(g),
    "looked-at": lambda g: g if np.isfinite(g).all() else 0 * g,
}
QUESTIONS = {
    "follow": lambda training: eomsym.follow(training, 5),
    "verify": lambda training: eomsym.verify(training, range(2)),
    "whole": lambda training: eomsym.verify(training, range(2), state="whole"),
    "terms": lambda training: eomsym.terms(training, 5, 1, points=2),
    "recommend": lambda training: eomsym.recommend(training, 0.01, 0.1, range(2)),
    "edge": lambda training: eomsym.edge(training, order=1),
    "drift": lambda training: eomsym.drift(training, "loss", range(2), steps=5, state="whole"),
}


@pytest.mark.parametrize("name", JUMPING)
def test_what_jumps_is_refused_in_one_line(name):
    change, what = JUMPING[name]
    memory = ("mean",) if name == "lion" else ()
    with pytest.raises(InputError, match=re.escape(f"takes {what} of what moves, which jumps")) as caught:
        eomsym.follow(posed(change, name, memory=memory), 5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", ["sign", "lion", "round"])
def test_every_question_refuses_it(question, name):
    with pytest.raises(InputError) as caught:
        QUESTIONS[question](posed(JUMPING[name][0], name, memory=("mean",) if name == "lion" else ()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kink", BENT)
def test_a_run_that_crosses_a_kink_is_broken_there(kink):
    with pytest.raises(InputError, match=f"its {kink.strip()} goes to another side at step 2,"):
        eomsym.follow(posed(BENT[kink], "bent"), 5, orders=(0,))
    found = eomsym.follow(posed(BENT[kink], "bent", 0.001), 5, orders=(0, 1))  # nothing changes its sign
    assert found.errors[0] > 3 * found.errors[1]


@pytest.mark.parametrize("name", SMOOTH)
def test_what_is_smooth_is_followed_where_entries_change_their_sign_too(name):
    found = eomsym.follow(posed(SMOOTH[name], name), 5, orders=(0,))
    assert found.iterates[0, 1] * found.iterates[1, 1] < 0 or name != "plain"
    assert np.isfinite(found.errors[0])


def clipped(most, kind):
    def by_norm(g):
        size = {"norm": lambda: np.linalg.norm(g), "root": lambda: np.sqrt(np.sum(g**2))}[kind]()
        return g * (most / size) if size > most else g

    return by_norm


@pytest.mark.parametrize("kind", ["norm", "root"])
def test_a_clip_with_python_s_if_is_seen(kind):
    theta, sizes = START, []
    for _ in range(8):
        g = theta * np.array([1, 30])
        sizes.append(np.sqrt(g @ g))
        theta = theta - 0.01 * g * min(1, 6.0 / sizes[-1])
    crossing = next(n for n, size in enumerate(sizes) if size <= 6.0)  # so many steps are clipped
    assert 2 <= crossing < 8
    with pytest.raises(InputError, match=f"its comparison greater goes to another side at step {crossing + 1},"):
        eomsym.follow(posed(clipped(6.0, kind), "clip", 0.01), crossing + 1, orders=(0,))
    eomsym.follow(posed(clipped(6.0, kind), "clip", 0.01), crossing, orders=(0,))
    eomsym.follow(posed(clipped(6.0, kind), "clip", 0.01), 3, orders=(0,), after=crossing)


def test_looking_changes_no_run_and_takes_a_gradient_a_step_where_there_is_a_kink():
    bent, plain = (eomsym.follow(posed(change, "bent", 0.001), 6, orders=(0,)) for change in (abs, lambda g: g))
    assert (plain.run_gradients, bent.run_gradients) == (6, 12)
    np.testing.assert_array_equal(bent.iterates, plain.iterates)  # g > 0


def test_rounds_of_a_schedule_are_looked_at_too():
    asked = {"schedule": {"eta": "1/(1 + tau)"}}
    training = eomsym.Training(LOSS, (), rule(np.sign, "sign"), 0.05, theta=START, variables=("x", "y"), **asked)
    for state in ("whole", "slow"):
        with pytest.raises(InputError, match="takes the sign of what moves"):
            eomsym.follow(training, 5, state=state)


def test_a_clip_of_a_built_in_rule_is_seen_in_rounds_too():
    def training(most):
        asked = {"variables": ("x", "y"), "schedule": {"eta": "1/(1 + tau)"}, "clip_norm": most}
        return eomsym.Training(LOSS, (), "gradient-descent", 0.01, theta=START, **asked)

    with pytest.raises(InputError, match=r"its clip goes to another side at step \d,"):
        eomsym.follow(training(6), 8, orders=(0,))
    for most in (0.1, 10):  # never crossed
        eomsym.follow(training(most), 8, orders=(0,))
