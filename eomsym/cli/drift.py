"""``eomsym drift``: what a learning rate does to a quantity, order by order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.cli import options, output
from eomsym.cli.groups import examples
from eomsym.cli.measuring import DrawnReport

if TYPE_CHECKING:
    import numpy as np

    from eomsym.models import Dataset

EXAMPLES = examples(
    "eomsym drift norm2:1 --eta 0.1",
    "eomsym drift balance:1 --activation identity --no-bias --steps 100",
    'eomsym drift "norm2(W2) - norm2(W1)" --optimizer heavy-ball --plot d.png',
    'eomsym drift loss --optimizer "torch.Adam()" --state whole --start 5',
)
MOST_ORDER = 11
#: One sample in so many is kept for the test loss.
HELD_OUT = 5


def drift(
    *,
    observable: Annotated[
        str,
        typer.Argument(
            metavar="OBSERVABLE",
            help="loss, test-loss, norm2, norm2:L, balance:L, balance-matrix:L, gradient-norm2, margin, sharpness, "
            "sharpness-share, or an expression in W1, b1, ...",
            show_default=False,
        ),
    ],
    rule: options.Rule,
    eta: options.Rate = 0.01,
    steps: options.Steps = 1,
    orders: Annotated[Any, options.orders(MOST_ORDER)] = "0:3",
    state: Annotated[
        str, options.state("slow", "whole", help="slow: on the slow manifold; whole: parameters and memory.")
    ] = "slow",
    start: options.Before = 0,
    network: options.Network,
    report: DrawnReport,
) -> int:
    """Say how an observable moves, by each order of the equation of motion.

    Row k is its rate of change that goes with the k-th power of the learning
    rate; a row that vanishes at random points is said to vanish identically:
    what gradient flow conserves has row 0 so. Beside it the change over --steps
    that each order predicts, and the one that the optimizer really makes. With
    --state whole that is after --start steps.

    Layers are counted from 1: norm2:2 is the squared norm of the second one's
    matrix W2, balance:1 is norm2(W2) - norm2(W1), balance-matrix:1 is
    W1.T @ W1 - W2 @ W2.T. For test-loss one sample in 5 is left out of training.
    """
    from eomsym.models import dataset as samples_of

    rule.read()  # refuses what is wrong with it before anything else
    samples, model = network.read()

    from eomsym.verification import drift as measure_drift
    from eomsym.verification import kernel_for_drift
    from eomsym.verification.observables import check_observable, read_observable

    check_observable(observable, model)
    drawn = samples_of(samples, report.seed)
    trained, test = _samples(drawn, observable)
    kernel = kernel_for_drift(model, max(orders), report.output_)
    with output.progress("drifting") as progress:
        study = measure_drift(
            kernel,
            read_observable(observable, kernel, trained, test),
            model.initial(report.seed),
            eta,
            *trained,
            order=max(orders),
            orders=orders,
            optimizer=rule.optimizer,
            steps=steps,
            start=start,
            state=state,
            progress=progress,
            **rule.settings,
        )
    return report.tell(replace(study, dataset=drawn.name, seed=report.seed), samples)


def _samples(samples: Dataset, observable: str) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None]:
    """What is trained on, and what the test loss is of."""
    if observable.strip() != "test-loss":
        return samples.arrays, None
    import numpy as np

    left_out = np.arange(len(samples.arrays[0])) % HELD_OUT == 0
    trained, tested = (tuple(array[rows] for array in samples.arrays) for rows in (~left_out, left_out))
    return trained, tested
