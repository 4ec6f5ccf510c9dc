"""``eomsym drift``: what a learning rate does to a quantity, order by order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from eomsym.checks import check_choice
from eomsym.cli import options, output, parsing
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
MOST_STEPS, MOST_ORDER = 100_000, 11
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
    eta: options.Rate = "0.01",
    steps: Annotated[str, typer.Option(metavar="N", help="Steps over which the change is measured.")] = "1",
    orders: Annotated[
        str, typer.Option(metavar="ORDERS", help="A range 0:3, its end included, or a list 0,1,3; 0 to 11.")
    ] = "0:3",
    state: Annotated[
        str, typer.Option(metavar="NAME", help="slow: on the slow manifold; whole: parameters and memory.")
    ] = "slow",
    start: Annotated[str, typer.Option(metavar="N", help="With --state whole: steps made before.")] = "0",
    network: options.Network,
    report: DrawnReport,
) -> int:
    """Say how an observable moves, by each order of the equation of motion.

    Row k is its rate of change that goes with the k-th power of the learning
    rate; a row that vanishes at random points is said to vanish identically:
    what gradient flow conserves has row 0 so. Beside it the change over --steps
    that each order predicts, and the one that the optimizer really makes.

    Layers are counted from 1: norm2:2 is the squared norm of the second one's
    matrix W2, balance:1 is norm2(W2) - norm2(W1), balance-matrix:1 is
    W1.T @ W1 - W2 @ W2.T. For test-loss one sample in 5 is left out of training.
    """
    from eomsym.models import dataset as samples_of

    rule.read()  # refuses what is wrong with it before anything else
    samples, model = network.read()
    rate = parsing.positive("--eta", eta)
    count = parsing.integer("--steps", steps, 1, MOST_STEPS)
    first = parsing.integer("--start", start, 0, MOST_STEPS)
    kept = parsing.orders("--orders", orders, MOST_ORDER)
    kind = check_choice("--state", state, ("slow", "whole"))

    from eomsym.verification import drift as measure_drift
    from eomsym.verification import kernel_for_drift
    from eomsym.verification.observables import check_observable, read_observable

    check_observable(observable, model)
    drawn = samples_of(samples, report.number)
    trained, test = _samples(drawn, observable)
    kernel = kernel_for_drift(model, max(kept), report.folder)
    with output.progress("drifting") as progress:
        study = measure_drift(
            kernel,
            read_observable(observable, kernel, trained, test),
            model.initial(report.number),
            rate,
            *trained,
            order=max(kept),
            orders=kept,
            optimizer=rule.optimizer,
            steps=count,
            start=first,
            state=kind,
            progress=progress,
            **rule.settings,
        )
    return report.tell(replace(study, dataset=drawn.name, seed=report.number), samples)


def _samples(samples: Dataset, observable: str) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None]:
    """What is trained on, and what the test loss is of."""
    if observable.strip() != "test-loss":
        return samples.arrays, None
    import numpy as np

    left_out = np.arange(len(samples.arrays[0])) % HELD_OUT == 0
    trained, tested = (tuple(array[rows] for array in samples.arrays) for rows in (~left_out, left_out))
    return trained, tested
