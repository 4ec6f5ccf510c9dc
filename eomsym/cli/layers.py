"""``eomsym layers``: what the equation of motion says about layers with a symmetry, beside what is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from eomsym.checks import check_choice
from eomsym.cli import options, output
from eomsym.cli.groups import examples, new_group
from eomsym.cli.measuring import DrawnReport, Report

HIGHEST_ORDER = 11
#: Where none is given.
WEIGHT_DECAY = 0.01

Orders = Annotated[Any, options.orders(HIGHEST_ORDER)]


group = new_group(
    help="Layers with a symmetry: how their weights decay or grow, predicted and measured.",
    epilog=examples("eomsym layers translation", "eomsym layers scale --normalization layer"),
)


@group.command(epilog=examples("eomsym layers translation", "eomsym layers translation --eta 0.1 --plot rates.png"))
def translation(
    *,
    network: options.Network,
    eta: options.Rate = 0.01,
    steps: options.Steps = 2000,
    orders: Orders = "0:3",
    report: DrawnReport,
) -> int:
    """The layer before a softmax: its decay rate.

    The loss does not change when the weights of one input to all classes are
    moved together, so only weight decay acts on their sum. A network is trained
    by gradient descent, and the decay rate of these sums is measured beside
    the one of gradient flow (order 0) and of the equation of motion. Without
    --weight-decay it is 0.01.

    The exit status is 1 if the measured rate is not -log(1 - eta lambda)/eta.
    """
    from eomsym.verification import study_translation

    samples, model = network.read()
    decay = _decay(network)
    with output.progress("training"):
        study = study_translation(
            model, samples, orders, eta=eta, weight_decay=decay, steps=steps, seed=report.seed, output=report.output_
        )
    return report.tell(study, samples)


@group.command(epilog=examples("eomsym layers scale", "eomsym layers scale --normalization layer --plot norms.png"))
def scale(
    *,
    network: options.Network,
    eta: options.LargestEta = None,
    orders: Orders = "0:2",
    report: DrawnReport,
) -> int:
    """Weights before a normalisation: their norm.

    The loss does not change when these weights are multiplied. Gradient flow
    then says that their norm only decays; gradient descent also lets it grow.
    The norms on a training run are compared with each order's, with learning
    rates that are halved. What is not said is digits-small, --normalization
    weight and --weight-decay 0.01.

    The exit status is 1 if an error does not fall with slope order + 1.
    """
    from eomsym.models import NORMALIZATIONS
    from eomsym.verification import study_scale

    kinds = [name for name in NORMALIZATIONS if name != "none"]
    network = replace(network, normalization=check_choice("--normalization", network.normalization or "weight", kinds))
    samples, model = network.read(suited="digits-small")
    decay = _decay(network)
    with output.progress("measuring norms") as progress:
        study = study_scale(
            model,
            samples,
            orders,
            eta=eta,
            weight_decay=decay,
            seed=report.seed,
            output=report.output_,
            progress=progress,
        )
    return report.tell(study, samples)


@group.command(epilog=examples("eomsym layers conserved", "eomsym layers conserved --activation identity --no-bias"))
def conserved(
    *,
    rule: options.Rule,
    network: options.Network,
    eta: options.Rate = 0.01,
    steps: options.Steps = 10,
    orders: Orders = "0:3",
    report: Report,
) -> int:
    """What gradient flow conserves, and which order breaks it.

    Of every quantity that is known to be conserved: the first order at which a
    step of the optimizer changes it, the change that is measured over --steps,
    and what each order predicts of it. See eomsym drift for one quantity. The
    data are digits-small if not given.

    The exit status is 1 if gradient flow does not conserve one of them.
    """
    from eomsym.models import dataset as samples_of
    from eomsym.verification import kernel_for_drift, study_conservation
    from eomsym.verification.conservation import conserved_quantities

    rule.read()  # refuses what is wrong with it before anything else
    samples, model = network.read(suited="digits-small")
    conserved_quantities(model)  # refuses before a kernel is generated for nothing
    with output.progress("measuring") as progress:
        study = study_conservation(
            kernel_for_drift(model, max(orders), report.output_),
            model.initial(report.seed),
            eta,
            *samples_of(samples, report.seed).arrays,
            order=max(orders),
            orders=orders,
            optimizer=rule.optimizer,
            steps=steps,
            progress=progress,
            **rule.settings,
        )
    return report.tell(study, samples)


def _decay(network: options.Network) -> float:
    return WEIGHT_DECAY if network.weight_decay is None else network.weight_decay
