"""``eomsym layers``: layers with a symmetry, a command for each law of their weights."""

from __future__ import annotations

from eomsym.cli import options, output
from eomsym.cli.groups import app, examples, new_group
from eomsym.cli.questions import Orders

#: Of a network whose layers decay, where none is given.
WEIGHT_DECAY = 0.01

layers = new_group(
    help="Layers with a symmetry: how their weights decay or grow, predicted and measured.",
    epilog=examples("eomsym layers translation", "eomsym layers scale --normalization layer"),
)
app.add_typer(layers, name="layers")


@layers.command(epilog=examples("eomsym layers translation", "eomsym layers translation --eta 0.1 --plot rates.png"))
def translation(
    *,
    training: options.Training,
    steps: options.Steps = 2000,
    orders: Orders = "0:3",
    report: options.DrawnReport,
) -> int:
    """The layer before a softmax: its decay rate.

    The loss does not change when the weights of one input to all classes are
    moved together, so only weight decay acts on their sum. A network is trained
    by gradient descent, and the decay rate of these sums is measured beside
    the one of gradient flow (order 0) and of the equation of motion. Without
    --weight-decay it is 0.01.

    The exit status is 1 if the measured rate is not -log(1 - eta lambda)/eta.
    """
    posed = training.pose(eta=options.USUAL_ETA, weight_decay=WEIGHT_DECAY)
    return report.tell(output.asked("training", "translation", posed, orders, steps=steps), posed)


@layers.command(epilog=examples("eomsym layers scale", "eomsym layers scale --normalization layer --plot norms.png"))
def scale(
    *,
    training: options.Training,
    orders: Orders = "0:2",
    report: options.DrawnReport,
) -> int:
    """Weights before a normalisation: their norm.

    The loss does not change when these weights are multiplied. Gradient flow
    then says that their norm only decays; gradient descent also lets it grow.
    The norms on a training run are compared with each order's, with learning
    rates that are halved. What is not said is digits-small, --normalization
    weight and --weight-decay 0.01.

    The exit status is 1 if an error does not fall with slope order + 1.
    """
    posed = training.pose("digits-small", weight_decay=WEIGHT_DECAY, normalization="weight")
    return report.tell(output.asked("measuring norms", "scale", posed, orders), posed)


@layers.command(epilog=examples("eomsym layers conserved", "eomsym layers conserved --activation identity --no-bias"))
def conserved(
    *,
    training: options.Training,
    steps: options.Steps = 10,
    orders: Orders = "0:3",
    report: options.Report,
) -> int:
    """What gradient flow conserves, and which order breaks it.

    Of every quantity that is known to be conserved: the first order at which a
    step of the optimizer changes it, the change that is measured over --steps,
    and what each order predicts of it. See eomsym drift for one quantity. The
    data are digits-small and the activation is identity if not given.

    The exit status is 1 if gradient flow does not conserve one of them.
    """
    posed = training.pose("digits-small", eta=options.USUAL_ETA, activation="identity")
    return report.tell(output.asked("measuring", "conserved", posed, orders, steps=steps), posed)
