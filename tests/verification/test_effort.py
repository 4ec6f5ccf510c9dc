"""What a study will take: counted right, and estimated only where someone listens."""

import logging

import numpy as np
import pytest

from eomsym.verification import effort

START = np.array([1.0, -1.0])


@pytest.fixture
def told(caplog, monkeypatch):
    """``told(level, …)``: what is logged, of studies of any length."""
    monkeypatch.setattr(effort, "WORTH_TELLING", 0.0)

    def call(level, *arguments):
        caplog.clear()
        with caplog.at_level(level, "eomsym"):
            seconds = effort.tell_effort(*arguments)
        return seconds, [record.getMessage() for record in caplog.records]

    return call


def test_steps_are_counted_and_seconds_grow_with_them(told, closed_form):
    kernel = closed_form.Quadratic([2.0, 0.5])
    few, messages = told(logging.INFO, kernel, START, (), [0, 1], [0.1, 0.05], 0.8, 2.0)
    (message,) = messages
    assert message.startswith("48 steps of the optimiser, ")  # each path twice: 2 (8 + 16)
    assert "over a time of 0.8 at a curvature of 2:" in message
    many, _ = told(logging.INFO, kernel, START, (), [0, 1], [1e-5, 5e-6], 80.0, 2.0)
    assert many > 1000 * few > 0


def test_nothing_is_evaluated_where_nobody_listens(told, closed_form):
    kernel = closed_form.Quadratic([2.0, 0.5])
    assert told(logging.WARNING, kernel, START, (), [0, 1], [0.1, 0.05], 0.8, 2.0) == (0.0, [])
    assert kernel.calls == 0
