"""The questions of a training, a command each: pose the training, ask ``eomsym.verification``, tell the answer.

Beside them stands what a run that was tracked has said of itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.checks import check_integer
from eomsym.cli import options, output
from eomsym.cli.groups import app, examples
from eomsym.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from eomsym.verification.training import Training

#: The highest orders: of kernels in doubles, of those in double-double, and of the look-ahead field.
MOST_ORDER, MOST_DOUBLED, MOST_AHEAD = 11, 19, 20
#: How often --eta is halved.
HALVINGS = 5
#: One sample in so many is kept for the test loss.
HELD_OUT = 5

Orders = Annotated[Any, options.orders(MOST_ORDER)]


@app.command(
    epilog=examples(
        "eomsym verify --dataset moons --orders 0:3 --plot slopes.png",
        "eomsym verify --optimizer nesterov --dataset teacher-small --orders 0:3",
        "eomsym verify --precision double-double --orders 0:10",
        "eomsym verify --data own.csv --target y --layers 3,8,1 --plot own.png",
        'eomsym verify --dataset moons --batch-size 64 --schedule "(1+cos(pi*tau))/2"',
    )
)
def verify(
    *,
    training: options.Training,
    state: Annotated[
        str | None,
        options.choice(
            "state",
            ("slow", "whole", "shadow"),
            "slow: the memory is eliminated; shadow: the same from the rule's own start. whole: theta and the "
            "memory together, from the real start.",
            show_default="whole with a memory",
        ),
    ] = None,
    after: Annotated[
        int | None,
        options.option(
            "K",
            "With --state whole: take K real steps first.",
            min=0,
            max=options.MOST_STEPS,
            show_default="0, 5 or 10",
        ),
    ] = None,
    resum: Annotated[
        bool, typer.Option("--resum", help="Accelerate the sum of the terms, which helps up to eta lambda = 1.")
    ] = False,
    orders: Annotated[Any, options.orders(MOST_DOUBLED)] = "0:4",
    halvings: Annotated[
        int | None, options.option("N", "How often --eta is halved.", min=2, max=16, show_default=str(HALVINGS))
    ] = None,
    report: options.DrawnReport,
) -> int:
    """Measure whether the equation of motion follows the optimiser.

    A network is trained on a data set with learning rates that are halved,
    and its path is compared with the equation of motion of each order N. The
    distance must fall with slope N+1, and must be the one that theory
    predicts: their ratio, extrapolated to learning rate 0, must be 1. With
    --resum the slope alone is judged, and a ratio below 1 is what it gains.

    The exit status is 1 unless every order passes; one whose errors are lost in
    round-off is undecided. Where no network is described, one that suits the
    data set is taken, and a parameter that is not given has the value that
    people use. Double precision shows orders to about 9; double-double
    arithmetic, for gradient-descent on tiny networks such as that of
    teacher-small, which is then the data set by default, 19.

    With --schedule and --batch-size paths are compared at the ends of rounds: a
    round visits every batch once, and is one step for the whole data.

    Of an optimizer with a memory nothing is eliminated: its whole state is
    followed, and 1 - beta shrinks with the small parameter, eta (Adam) or
    h = sqrt(eta) (momentum), as at the values given. With --state slow, or a
    schedule or batches, the memory is on the slow manifold.
    """
    from eomsym.codegen.spec import max_kernel_order
    from eomsym.verification.verifying import suited_data

    entry, parameters = training.read_rule()
    precision = training.precision or "double"
    # A kernel one order higher is needed: it predicts the error of the order that is measured.
    check_integer("orders", max(orders), 0, max_kernel_order(precision) - 1)
    posed = training.pose(suited_data(entry, parameters, precision))
    etas = _etas(posed, halvings, state, resum)
    result = output.asked("verifying", "verify", posed, orders, state=state, etas=etas, after=after, resum=resum)
    status = report.tell(result, posed)
    if report.format_ != "json" and result.state == "slow":
        output.note_conditions(entry.name, entry.limits)
    return status


def _etas(training: Training, halvings: int | None, state: str | None, resum: bool) -> list[float] | None:
    """The learning rates asked for; None leaves it to ``verify``, which halves until the slopes settle."""
    if training.eta is None:
        if halvings is not None:
            raise InputError(f"--halvings {halvings}: of what? give the largest learning rate with --eta too")
        return None
    from eomsym.verification.verifying import followed_state

    power = 1
    if followed_state(training, state, resum) == "whole":  # the small parameter is halved
        from eomsym.optimizers.whole_state import whole_state

        power = whole_state(training.entry).power
    return [training.eta / 2 ** (k * power) for k in range((halvings or HALVINGS) + 1)]


@app.command(
    epilog=examples(
        'eomsym follow --optimizer "torch.Adam()" --eta 0.001 --steps 500 --after 5',
        'eomsym follow --optimizer "torch.SGD(momentum=0.9)" --plot f.png',
        'eomsym follow --batch-size 599 --schedule "cosine(2)" --state slow --steps 50',
    )
)
def follow(
    *,
    training: options.Training,
    steps: options.Steps = 200,
    after: options.After = 0,
    orders: Annotated[Any, options.orders(MOST_AHEAD)] = "0:2",
    state: Annotated[
        str,
        options.choice("state", ("whole", "slow"), "whole: parameters and memory, or slow: the slow manifold alone."),
    ] = "whole",
    report: options.DrawnReport,
) -> int:
    """Follow a run of an optimiser by its equation of motion.

    The network is trained with the learning rate that is given. From the state
    that it has after --after steps, parameters and memory, the equation of
    motion of each order goes beside the next --steps, by N+1 gradients an
    evaluation. The error is its distance to the run at the last step, over the
    distance that the run has moved; beside it that of the equation on the slow
    manifold, which has no memory.

    With --batch-size a step is a round of all batches: look at --state slow,
    from where the memory has forgotten its start.

    Adam and its kin divide by a root that is not smooth at zero, where their
    memory begins: give --after 1 or more.
    """
    posed = training.pose(eta=options.USUAL_ETA)
    return report.tell(output.asked("following", "follow", posed, steps, orders, after=after, state=state), posed)


@app.command(
    epilog=examples(
        "eomsym drift norm2:1 --eta 0.1",
        "eomsym drift balance:1 --activation identity --no-bias --steps 100",
        'eomsym drift "norm2(W2) - norm2(W1)" --optimizer heavy-ball --plot d.png',
        'eomsym drift loss --optimizer "torch.Adam()" --state whole --after 5',
    )
)
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
    orders: Orders = "0:3",
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

    from eomsym.models.data import Dataset

    left_out = np.arange(len(training.data[0])) % HELD_OUT == 0
    rest, tested = (tuple(array[rows] for array in training.data) for rows in (~left_out, left_out))
    return training.with_(data=Dataset(training.dataset, rest[0], rest[1], training.about)), tested


@app.command(
    epilog=examples(
        "eomsym terms",
        "eomsym terms --dataset digits-small --order 3 --steps 200 --plot terms.png",
        "eomsym terms --dataset digits-small --eta 0.8 --edge",
        "eomsym terms --data own.csv --target y --scale standard",
    )
)
def terms(
    *,
    training: options.Training,
    order: Annotated[int, options.option("N", "Highest power of the learning rate kept.", min=1, max=7)] = 4,
    steps: options.Steps = 100,
    points: Annotated[int, options.option("N", "Iterates that are looked at, both ends included.", min=2, max=50)] = 5,
    edge: Annotated[
        bool, typer.Option("--edge", help="Say which description holds at each iterate, and what a value costs.")
    ] = False,
    report: options.DrawnReport,
) -> int:
    """Show which terms of the equation of motion matter.

    Along a run of the optimizer, on its slow manifold: how large eta^(k+1) xi_k
    is beside the gradient g, and how far it points the same way (cosine); the
    same for every rooted tree in it; and eta times the sharpness, the largest
    eigenvalue of the Hessian, with a warning where the series stops being
    useful.

    With --edge also which description of gradient-descent holds: the series (eta
    sharpness below 0.5), resummed (below 1), the even-step equation (below 2, and
    through the edge), with the error of each over two steps and its cost.

    Every tree is evaluated by derivatives along straight lines, where the series
    is one over plain trees. The exit status is 1 if their sum is not the counter
    term of the kernel.
    """
    posed = training.pose()
    result = output.asked("measuring terms", "terms", posed, steps, order, points=points, edge=edge)
    return report.tell(result, posed)


@app.command(
    epilog=examples(
        "eomsym recommend --dataset moons --accuracy 0.001",
        'eomsym recommend --optimizer "torch.SGD(momentum=0.9)" --orders 0:2',
        "eomsym recommend --data own.csv --accuracy 1e-4 --absolute --orders 1,2",
    )
)
def recommend(
    *,
    accuracy: Annotated[float, options.number("Largest error over the distance moved.")] = 0.01,
    time: Annotated[float, options.number("Time, eta times the number of steps, for which it has to hold.")] = 1.0,
    absolute: Annotated[bool, typer.Option("--absolute", help="The accuracy is the error itself, 2-norm.")] = False,
    orders: Orders = "0:3",
    training: options.Training,
    report: options.Report,
) -> int:
    """Recommend the largest learning rate for an accuracy.

    For each order N: the largest eta with which the equation of motion of this
    order keeps within the accuracy of the iterates up to the time, each time
    measured. Of gradient-descent it is predicted first, and the distance is
    that of gradient flow, which is order 0; of other rules the whole state is
    followed from its real start.
    """
    posed = training.pose()
    result = output.asked("trying learning rates", "recommend", posed, accuracy, time, orders, relative=not absolute)
    return report.tell(result, posed)


@app.command(
    epilog=examples(
        "eomsym edge --dataset digits-small --eta 0.8 --after 100",
        'eomsym edge --optimizer "torch.Adam()" --eta 0.001 --after 20',
    )
)
def edge(
    *,
    training: options.Training,
    order: Annotated[int, options.option("N", "Order of the series that is tried.", min=0, max=MOST_ORDER)] = 2,
    after: options.After = 0,
    report: options.Report,
) -> int:
    """Say which description of a training holds, and what it costs.

    Over the two steps after --after: the series of gradient-descent (eta
    sharpness below 0.5), resummed (below 1), and the even-step equation (below
    2, and through the edge of stability); of other rules the look-ahead field
    of the whole state and the even-step equation. Beside the error of each the
    gradients that a value takes.
    """
    posed = training.pose(eta=options.USUAL_ETA)
    return report.tell(output.asked("looking", "edge", posed, order=order, after=after), posed)


@app.command(epilog=examples("eomsym track run.jsonl", "eomsym track run.jsonl --plot run.png"))
def track(
    file: Annotated[
        Path, options.argument("FILE", "Lines of JSON, as eomsym.tracking.json_lines writes them.", show_default=False)
    ],
    *,
    report: options.DrawnReport,
) -> int:
    """Show what a tracked run said of itself.

    The share of each order in its steps, multipliers, how near the edge, and
    what that means, of the last 20 looks; a figure and JSON have all.
    """
    from eomsym.tracking.lines import read_json_lines

    return report.tell(read_json_lines(file))
