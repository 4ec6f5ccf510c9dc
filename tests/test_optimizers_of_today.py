"""The table of docs/optimizers_of_today.md: each rule asked each question on a network of matrices."""

from pathlib import Path

import high_precision
import numpy as np
import pytest
import shared_kernels

import eomsym
from eomsym.errors import InputError

PAGE = Path(__file__).parents[1] / "docs/optimizers_of_today.md"
MODEL = shared_kernels.SPECS["no bias"].model
_, *DATA = high_precision.problem(MODEL, 4)
#: What people write, beside values of which one is far from theirs.
RULES = {
    "`torch.Muon()`": ("torch.Muon()", {}),
    "`optax.contrib.muon()`": ("optax.contrib.muon()", {}),
    "`optax.lamb()`": ("optax.lamb()", {}),
    "`optax.lars()`": ("optax.lars()", {}),
    "`sam`": ("sam", {}),
    "`shampoo`": ("shampoo", {}),
    "`adafactor(beta2=9/10)`": ("adafactor(beta2=9/10)", {}),
    "`sgd(clipped=yes)`": ("gradient-descent(clipped=yes)", {"clip_norm": 10}),
    "`adamw(clipped=yes)`": ("adamw(clipped=yes)", {"clip_norm": 10}),
}
STEPS, AFTER, RATE = 4, 5, 0.005
QUESTIONS = {
    "derive": lambda name, values, posed: eomsym.derive(name, 1, **values),
    "verify": lambda name, values, posed: eomsym.verify(posed, range(2)),
    "follow": lambda name, values, posed: eomsym.follow(posed, STEPS, after=AFTER),
    "edge": lambda name, values, posed: eomsym.edge(posed, after=AFTER),
    "recommend": lambda name, values, posed: eomsym.recommend(posed, 0.05, 0.05, orders=range(2)),
    "noise": lambda name, values, posed: eomsym.noise(posed.with_(batches=eomsym.Batches(2)), 2),
    "threshold": lambda name, values, posed: eomsym.edge_threshold(name),
}


def start(kernel):
    """Where no component of g is near 0, at which roots have a kink."""
    starts = [0.7 * np.random.default_rng(seed).normal(size=kernel.size) for seed in range(200)]
    return max(starts, key=lambda theta: np.abs(kernel.gradient(theta, *DATA)).min())


def cell(rule, question):
    """``yes``, or a dash where it is refused; anything else is an error."""
    kernel, (name, values) = shared_kernels.kernel("no bias"), RULES[rule]
    posed = eomsym.Training(kernel, tuple(DATA), name, RATE, theta=start(kernel), **values)
    try:
        QUESTIONS[question](name, values, posed)
    except InputError:
        return "–"
    return "yes"


def written():
    """The cells of the page's table."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    return {(row[0], question): answer for row in rows for question, answer in zip(QUESTIONS, row[1:], strict=True)}


@pytest.mark.parametrize("rule", RULES)
def test_the_table_of_the_page_is_what_is_answered(rule):
    told = written()
    assert {name for name, _ in told} == set(RULES)
    assert {question: cell(rule, question) for question in QUESTIONS} == {
        question: told[rule, question] for question in QUESTIONS
    }
