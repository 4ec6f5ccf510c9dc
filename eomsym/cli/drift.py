"""``eomsym drift``: what a learning rate does to a quantity, order by order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from eomsym.cli import options, output
from eomsym.cli.groups import examples

if TYPE_CHECKING:
    import numpy as np

    from eomsym.verification import Training

EXAMPLES = examples(
    "eomsym drift norm2:1 --eta 0.1",
    "eomsym drift balance:1 --activation identity --no-bias --steps 100",
    'eomsym drift "norm2(W2) - norm2(W1)" --optimizer heavy-ball --plot d.png',
    'eomsym drift loss --optimizer "torch.Adam()" --state whole --after 5',
)
MOST_ORDER = 11
#: One sample in so many is kept for the test loss.
HELD_OUT = 5


def drift(
    *,
    observable: Annotated[
        str,
        options.argument(
            "OBSERVABLE",
            "loss, test-loss, norm2, norm2:L, balance:L, balance-matrix:L, gradient-norm2, margin, sharpness, "
            "sharpness-share, or an expression in W1, b1, ...",
            show_default=False,
        ),
    ],
    training: options.Training,
    steps: options.Steps = 1,
    after: options.After = 0,
    orders: Annotated[Any, options.orders(MOST_ORDER)] = "0:3",
    state: Annotated[
        str, options.choice("state", ("slow", "whole"), "slow: on the slow manifold; whole: parameters and memory.")
    ] = "slow",
    report: options.DrawnReport,
) -> int:
    """Say how an observable moves, by each order of the equation of motion.

    Row k is its rate of change that goes with the k-th power of the learning
    rate; a row that vanishes at random points is said to vanish identically:
    what gradient flow conserves has row 0 so. Beside it the change over --steps
    that each order predicts, and the one that the optimizer really makes. With
    --state whole that is after --after steps.

    Layers are counted from 1: norm2:2 is the squared norm of the second one's
    matrix W2, balance:1 is norm2(W2) - norm2(W1), balance-matrix:1 is
    W1.T @ W1 - W2 @ W2.T. For test-loss one sample in 5 is left out of training.
    """
    posed = training.pose(eta=options.USUAL_ETA)

    from eomsym.verification.observables import check_observable
    from eomsym.verification.training import network_of

    check_observable(observable, network_of(posed, "an observable"))
    posed, test = _held_out(posed, observable)
    result = output.asked(
        "drifting", "drift", posed, observable, orders, steps=steps, after=after, state=state, test=test
    )
    return report.tell(result, posed)


def _held_out(training: Training, observable: str) -> tuple[Training, tuple[np.ndarray, ...] | None]:
    """The training on the rest of the samples, and what the test loss is of."""
    if observable.strip() != "test-loss":
        return training, None
    import numpy as np

    from eomsym.models import Dataset

    left_out = np.arange(len(training.data[0])) % HELD_OUT == 0
    rest, tested = (tuple(array[rows] for array in training.data) for rows in (~left_out, left_out))
    return training.with_(data=Dataset(training.dataset, rest[0], rest[1], training.about)), tested
