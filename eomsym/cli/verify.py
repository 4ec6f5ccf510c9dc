"""``eomsym verify``: does the equation of motion follow the optimiser to the order promised?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.checks import check_integer
from eomsym.cli import options, output
from eomsym.cli.groups import examples
from eomsym.errors import InputError

if TYPE_CHECKING:
    from eomsym.verification import Training

#: Of kernels in double-double; those of doubles end at 11.
MOST_ORDER = 19
#: How often --eta is halved.
HALVINGS = 5

EXAMPLES = examples(
    "eomsym verify --dataset moons --orders 0:3 --plot slopes.png",
    "eomsym verify --optimizer nesterov --dataset teacher-small --orders 0:3",
    "eomsym verify --precision double-double --orders 0:10",
    "eomsym verify --data own.csv --target y --layers 3,8,1 --plot own.png",
    'eomsym verify --dataset moons --batch-size 64 --schedule "(1+cos(pi*tau))/2"',
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
    orders: Annotated[Any, options.orders(MOST_ORDER)] = "0:4",
    halvings: Annotated[
        int | None, options.option("N", "How often --eta is halved.", min=2, max=16, show_default="5")
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
