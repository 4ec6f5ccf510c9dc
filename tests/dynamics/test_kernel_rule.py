"""A kernel of one rule is never taken for another's: its own rule is run, or the kernel is refused."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import asking
import numpy as np
import pytest
import shared_kernels
from asking import edge_point, implicit_regulariser, recommend_order, recommend_step

from eomsym.codegen import KernelSpec
from eomsym.dynamics import even_steps, loop_kernel, optimizer_path
from eomsym.dynamics.error_prediction import predict_discretization_error
from eomsym.dynamics.kernel_rule import asked_rule, check_rule, has_rule, kernel_rule
from eomsym.dynamics.runs import run_optimizer
from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.optimizers import get
from eomsym.optimizers.loop import loop_of
from eomsym.verification.scale_law import Weights

RANDOM = np.random.default_rng(0)
DATA = RANDOM.standard_normal((9, 3)), RANDOM.standard_normal((9, 2))
HALF = {"optimizer": "heavy-ball", "beta": "1/2"}


@pytest.fixture(scope="module")
def heavy_ball():
    return shared_kernels.kernel("heavy-ball")


THETA = shared_kernels.HEAVY_BALL.model.initial(0)

#: What is about gradient descent, and what takes no rule: they refuse.
ABOUT_DESCENT = {
    "recommend_order": lambda kernel: recommend_order(kernel, THETA, 0.1, DATA),
    "scale_law_defect": lambda kernel: Weights(kernel, THETA, [np.arange(12)], 0.0, DATA).law_defect(THETA, 0.1, 1),
    "verify": lambda kernel: asking.verify("gradient-descent", None, DATA, [0], theta=THETA, kernel=kernel),
}
#: What runs the rule that is asked for, and the kernel's own where none is.
RUNS = {
    "follow": lambda kernel, **rule: asking.follow(kernel, THETA, 0.1, 6, *DATA, orders=(1,), **rule).iterates,
    "follow in batches": lambda kernel, **rule: (
        asking.follow(
            kernel, THETA, 0.1, 4, *DATA, orders=(1,), state="slow", batching={"size": 3}, after=1, **rule
        ).iterates
    ),
    "drift": lambda kernel, **rule: asking.drift(kernel, "norm2", THETA, 0.1, *DATA, order=1, **rule).rows,
    "optimizer_path": lambda kernel, **rule: optimizer_path(kernel, THETA, 0.1, 4, DATA, **rule),
    "run_optimizer": lambda kernel, **rule: run_optimizer(kernel, THETA, 0.1, 4, DATA, **rule).theta,
    "even_steps": lambda kernel, **rule: even_steps(
        kernel, THETA, 0.1, 2, DATA, state=[np.zeros(THETA.size)], **rule
    ).state(2),
    "recommend_step": lambda kernel, **rule: recommend_step(kernel, THETA, 0.4, 0.01, 1, DATA, **rule).distance,
    "edge_point": lambda kernel, **rule: list(edge_point(kernel, THETA, 0.1, DATA, 2, **rule).errors.values()),
    "implicit_regulariser": lambda kernel, **rule: implicit_regulariser(kernel, THETA, 0.1, *DATA, **rule).gradients,
}


@pytest.mark.parametrize("name", ABOUT_DESCENT)
def test_what_is_about_descent_refuses_the_kernel_of_another_rule(name, heavy_ball):
    with pytest.raises(InputError, match="heavy-ball"):
        ABOUT_DESCENT[name](heavy_ball)


@pytest.mark.parametrize("name", RUNS)
def test_what_runs_a_rule_runs_the_kernels_own_by_default(name, heavy_ball):
    run = partial(RUNS[name], heavy_ball)
    np.testing.assert_array_equal(run(), run(**HALF))


@pytest.mark.parametrize("name", sorted(RUNS.keys() - {"follow in batches", "even_steps"}))  # which are given a memory
def test_another_rule_that_is_asked_for_is_the_one_that_is_run(name, heavy_ball):
    run = partial(RUNS[name], heavy_ball)
    assert not np.array_equal(run(), run(optimizer="gradient-descent"))
    assert not np.array_equal(run(), run(beta="1/3")), "its own rule with other parameters"


def test_a_predicted_error_differentiates_the_first_term_of_the_kernels_own_rule(heavy_ball):
    own = predict_discretization_error(heavy_ball, THETA, 0.4, [0], DATA)
    wanted = predict_discretization_error(heavy_ball, THETA, 0.4, [0], DATA, gradient_flow=False)
    np.testing.assert_array_equal(own.coefficients, wanted.coefficients)
    wrong = predict_discretization_error(heavy_ball, THETA, 0.4, [0], DATA, gradient_flow=True)
    assert np.linalg.norm(own.coefficients - wrong.coefficients) > 1e-2 * np.linalg.norm(own.coefficients)


def test_the_terms_of_a_loop_are_no_kernel_of_a_loss(heavy_ball):
    loop = loop_kernel(heavy_ball, loop_of("gradient-descent", "cosine(5)"))
    theta = np.append(THETA, 0.0)
    for asked in (
        lambda: recommend_order(loop, theta, 0.1, DATA),
        lambda: run_optimizer(loop, theta, 0.1, 3, DATA),
        lambda: asking.drift(loop, lambda at: at.sum(), theta, 0.1, *DATA),
    ):
        with pytest.raises(InputError, match="terms of a loop or of a whole state; give the kernel of the loss"):
            asked()


def test_one_place_says_whose_rule_a_kernel_has():
    spec = KernelSpec(MLP([2, 3, 1], loss="mse"), 2, "heavy-ball")
    kernel, own = SimpleNamespace(spec=spec), dict(spec.settings)
    entry = get("heavy-ball")
    assert kernel_rule(kernel) == (entry, own)
    assert asked_rule(kernel, None, {}) == (entry, own)
    assert has_rule(kernel, entry, own)
    twin = replace(entry, step=get("nesterov").step)
    for other, values in ((entry, {"beta": own["beta"] / 2}), (get("nesterov"), own), (twin, own)):
        assert not has_rule(kernel, other, values)
        with pytest.raises(InputError, match=r"generated for heavy-ball \(beta = 9/10\), and .* is to be tried"):
            check_rule(kernel, other, values, "tried")
    by_hand = SimpleNamespace()
    assert kernel_rule(by_hand) is None
    assert asked_rule(by_hand, None, {})[0].name == "gradient-descent"
    check_rule(by_hand, entry, own, "tried")
