"""``eomsym layers``: what the equation of motion says about layers with a symmetry, beside what is measured."""

from __future__ import annotations

from typing import Annotated

import typer

from eomsym.checks import check_choice
from eomsym.cli import options, output, parsing
from eomsym.cli.groups import examples, new_group
from eomsym.cli.measuring import DrawnReport, Report

MOST_STEPS, HIGHEST_ORDER = 20_000, 11

Orders = Annotated[str, typer.Option(metavar="ORDERS", help="A range 0:3, its end included, or a list 0,1,3.")]


group = new_group(
    help="Layers with a symmetry: how their weights decay or grow, predicted and measured.",
    epilog=examples("eomsym layers translation", "eomsym layers scale --normalization layer"),
)


@group.command(epilog=examples("eomsym layers translation", "eomsym layers translation --eta 0.1 --plot rates.png"))
def translation(
    *,
    dataset: options.Dataset_ = "digits",
    layers: options.Layers = None,
    activation: options.Activation = None,
    no_bias: options.NoBias = False,
    eta: options.Rate = "0.01",
    weight_decay: options.Decay = "0.01",
    steps: Annotated[str, typer.Option(metavar="N", help="Steps of gradient descent.")] = "2000",
    orders: Orders = "0:3",
    report: DrawnReport,
) -> int:
    """The layer before a softmax: its decay rate.

    The loss does not change when the weights of one input to all classes are
    moved together, so only weight decay acts on their sum. A network is trained
    by gradient descent, and the decay rate of these sums is measured beside
    the one of gradient flow (order 0) and of the equation of motion.

    The exit status is 1 if the measured rate is not -log(1 - eta lambda)/eta.
    """
    from eomsym.verification import study_translation

    decay = parsing.positive("--weight-decay", weight_decay)
    network = options.OwnNetwork(layers=layers, activation=activation, weight_decay=weight_decay, no_bias=no_bias)
    model = network.model(dataset)
    kept = parsing.orders("--orders", orders, HIGHEST_ORDER)
    step, count = parsing.positive("--eta", eta), parsing.integer("--steps", steps, 1, MOST_STEPS)
    with output.progress("training"):
        study = study_translation(
            model, dataset, kept, eta=step, weight_decay=decay, steps=count, seed=report.number, output=report.folder
        )
    return report.tell(study)


@group.command(epilog=examples("eomsym layers scale", "eomsym layers scale --normalization layer --plot norms.png"))
def scale(
    *,
    dataset: options.Dataset_ = "digits-small",
    layers: options.Layers = None,
    activation: options.Activation = None,
    normalization: Annotated[
        str, typer.Option(metavar="NAME", help="weight, batch or layer.", autocompletion=options.complete_normalization)
    ] = "weight",
    no_bias: options.NoBias = False,
    eta: options.LargestEta = None,
    weight_decay: options.Decay = "0.01",
    orders: Orders = "0:2",
    report: DrawnReport,
) -> int:
    """Weights before a normalisation: their norm.

    The loss does not change when these weights are multiplied. Gradient flow
    then says that their norm only decays; gradient descent also lets it grow.
    The norms on a training run are compared with each order's, with learning
    rates that are halved.

    The exit status is 1 if an error does not fall with slope order + 1.
    """
    from eomsym.errors import InputError
    from eomsym.models import NORMALIZATIONS
    from eomsym.verification import study_scale

    kind = check_choice("--normalization", normalization, [name for name in NORMALIZATIONS if name != "none"])
    decay = parsing.positive("--weight-decay", weight_decay)
    network = options.OwnNetwork(
        layers=layers, activation=activation, weight_decay=weight_decay, normalization=kind, no_bias=no_bias
    )
    model = network.model(dataset)
    kept = parsing.orders("--orders", orders, HIGHEST_ORDER)
    step = None if eta is None else parsing.positive("--eta", eta)
    if step is not None and step * decay >= 1:
        raise InputError(f"--eta {eta!r}: times --weight-decay it is {step * decay:.3g}; give less than 1")
    with output.progress("measuring norms") as progress:
        study = study_scale(
            model,
            dataset,
            kept,
            eta=step,
            weight_decay=decay,
            seed=report.number,
            output=report.folder,
            progress=progress,
        )
    return report.tell(study)


@group.command(epilog=examples("eomsym layers conserved", "eomsym layers conserved --activation identity --no-bias"))
def conserved(
    *,
    optimizer: options.Optimizer = "gradient-descent",
    dataset: options.Dataset_ = "digits-small",
    layers: options.Layers = None,
    activation: options.Activation = None,
    normalization: options.Normalization = "none",
    no_bias: options.NoBias = False,
    eta: options.Rate = "0.01",
    steps: Annotated[str, typer.Option(metavar="N", help="Steps over which a change is measured.")] = "10",
    orders: Orders = "0:3",
    report: Report,
) -> int:
    """What gradient flow conserves, and which order breaks it.

    Of every quantity that is known to be conserved: the first order at which a
    step of the optimizer changes it, the change that is measured over --steps,
    and what each order predicts of it. See eomsym drift for one quantity.

    The exit status is 1 if gradient flow does not conserve one of them.
    """
    from eomsym.models import dataset as samples_of
    from eomsym.verification import kernel_for_drift, study_conservation
    from eomsym.verification.conservation import conserved_quantities

    network = options.OwnNetwork(layers=layers, activation=activation, normalization=normalization, no_bias=no_bias)
    model = network.model(dataset)
    conserved_quantities(model)  # refuses before a kernel is generated for nothing
    kept = parsing.orders("--orders", orders, HIGHEST_ORDER)
    step, count = parsing.positive("--eta", eta), parsing.integer("--steps", steps, 1, MOST_STEPS)
    with output.progress("measuring") as progress:
        study = study_conservation(
            kernel_for_drift(model, max(kept), report.folder),
            model.initial(report.number),
            step,
            *samples_of(dataset, report.number).arrays,
            order=max(kept),
            orders=kept,
            optimizer=optimizer,
            steps=count,
            progress=progress,
        )
    return report.tell(study)
