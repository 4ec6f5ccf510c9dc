"""Every question of every kind of training by every rule: answered, or refused in one line; and what the page says."""

from pathlib import Path

import pytest
import questions_table
from questions_table import KINDS, QUESTIONS, REFUSED, RULES, YES, ask

PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
#: What needs a library that may not be there.
LIBRARY = {"JAX loss": "jax", "optax object": "optax", "PyTorch module": "torch", "torch.optim object": "torch"}
REQUIRED = {
    **dict.fromkeys(("network", "written loss"), (("verify", "follow", "drift", "terms", "recommend", "edge"), RULES)),
    **dict.fromkeys(
        ("JAX loss", "PyTorch module"),
        (("verify", "follow", "drift", "recommend", "edge"), ("SGD", "momentum", "Adam", "AdamW")),
    ),
}
#: What compiles nothing and takes a second at most; each rule and question of what the page lists.
FAST = [
    ("follow", "network", "SGD"),
    ("drift", "network", "Adam"),
    ("terms", "network", "RMSprop"),
    ("edge", "network", "AdamW"),
    ("noise", "network", "Nesterov"),
    ("implicit_regulariser", "network", "momentum"),
    ("drift", "written loss", "momentum"),
    ("terms", "written loss", "AdamW"),
    ("edge", "written loss", "Nesterov"),
    ("conserved", "written loss", "SGD"),
    ("noise", "written loss", "RMSprop"),
    ("implicit_regulariser", "written loss", "Adam"),
]


def answered(question, kind, rule):
    if kind in LIBRARY:
        pytest.importorskip(LIBRARY[kind])
    if LIBRARY.get(kind) in {"jax", "optax"}:
        jax = pytest.importorskip("jax")
        with jax.enable_x64(True):
            return ask(question, kind, rule)
    return ask(question, kind, rule)


def told():
    """Rules by question and kind, as the page has them."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = next(k for k, line in enumerate(lines) if line.startswith("| question |"))
    kinds = [part.strip() for part in lines[begin].split("|")[2:-1]]
    table = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        question, *cells = (part.strip() for part in line.split("|")[1:-1])
        for kind, cell in zip(kinds, cells, strict=True):
            table[question.strip("`"), kind] = {"all": list(RULES), "none": []}.get(cell, cell.split(", "))
    return table


def check(question, kind, rule):
    cell = answered(question, kind, rule)
    assert cell.answer in (YES, REFUSED), cell
    questions, rules = REQUIRED.get(kind, ((), ()))
    if question in questions and rule in rules:
        assert cell.answer == YES, cell
    table = told()
    if (question, kind) in table:
        assert (cell.answer == YES) == (rule in table[question, kind]), cell


@pytest.mark.parametrize(("question", "kind", "rule"), FAST)
def test_a_diagonal_of_the_table(question, kind, rule):
    check(question, kind, rule)


@pytest.mark.slow
@pytest.mark.parametrize(("question", "kind", "rule"), list(questions_table.whole()))
def test_the_whole_table(question, kind, rule):
    check(question, kind, rule)


def test_the_page_lists_every_question():
    assert {question for question, _ in told()} == set(QUESTIONS)
    assert {kind for _, kind in told()} <= set(KINDS)
