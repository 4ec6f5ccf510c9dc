"""``eomsym recommend``: which learning rate is small enough for an accuracy?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from eomsym.checks import check_choice
from eomsym.cli import options, output, parsing
from eomsym.cli.groups import examples
from eomsym.cli.measuring import data_of, described, suited_model
from eomsym.result import Table

if TYPE_CHECKING:
    from eomsym.verification import StepAdvice

EXAMPLES = examples(
    "eomsym recommend --dataset moons --accuracy 0.01 --relative",
    "eomsym recommend --data own.csv --time 3 --accuracy 1e-4 --orders 1,2",
)
HIGHEST_ORDER = 11


def recommend(
    accuracy: Annotated[str, typer.Option(metavar="NUMBER", help="Largest error allowed at the time, 2-norm.")],
    time: Annotated[
        str, typer.Option(metavar="NUMBER", help="Time, eta times the number of steps, for which it has to hold.")
    ] = "1",
    relative: Annotated[
        bool, typer.Option("--relative", help="The error over the distance that gradient flow moves.")
    ] = False,
    orders: Annotated[
        str, typer.Option(metavar="ORDERS", help="A range 0:3, its end included, or a list 0,2; 0 to 11.")
    ] = "0:3",
    dataset: options.NamedDataset = None,
    data: options.Data = None,
    target: options.Target = None,
    inputs: options.Inputs = None,
    header: options.Header = None,
    scale: options.Scale = None,
    layers: options.Layers = None,
    activation: options.SuitedActivation = None,
    loss: options.SuitedLoss = None,
    weight_decay: options.Decay = "0",
    normalization: options.Normalization = "none",
    no_bias: options.NoBias = False,
    seed: options.Seed = "0",
    output_: options.Output = None,
    quiet: options.Quiet = False,
    format_: options.Format = "table",
) -> None:
    """Recommend the largest learning rate of gradient-descent.

    For each order N: the largest eta with which the equation of motion of this
    order keeps within the accuracy of the iterates up to the time. It is
    predicted, and then tried: the errors are measured. Gradient flow is order 0.
    """
    as_json = check_choice("--format", format_, ("table", "json")) == "json"
    bound, until = parsing.positive("--accuracy", accuracy), parsing.positive("--time", time)
    kept = parsing.orders("--orders", orders, HIGHEST_ORDER)
    number = parsing.integer("--seed", seed, 0, options.LARGEST_SEED)
    folder = None if output_ is None else parsing.folder("--output", output_)
    samples = data_of(dataset, data, target, inputs, header, scale, layers, loss) or "digits"
    decay = parsing.decimal("--weight-decay", weight_decay)
    model = suited_model(samples, layers, activation, decay, normalization, loss, no_bias)

    from eomsym.codegen import KernelSpec, kernel_for
    from eomsym.models import dataset as drawn
    from eomsym.verification import recommend_step

    found: list[StepAdvice] = []
    with output.progress("trying learning rates") as progress:
        kernel = kernel_for(KernelSpec(model, max(kept) + 1), folder)
        used, theta = drawn(samples, number), model.initial(number)
        for order in kept:
            found.append(recommend_step(kernel, theta, until, bound, order, used.arrays, relative=relative))
            if progress is not None:
                progress(len(found), len(kept))
    warnings = [f"order {advice.order}: {warning}" for advice in found for warning in advice.warnings]
    if as_json:
        own = {"data": used.about} if used.about else {}
        head = {"dataset": used.name, "layers": list(model.layers), "seed": number, "relative": relative, **own}
        output.write(json.dumps(head | {"advice": [advice.to_dict() for advice in found], "warnings": warnings}))
        return
    if used.about:
        output.write(described(used.about))
    output.write(f"gradient-descent on {used.name}: {'-'.join(map(str, model.layers))}, seed {number}, time {until:g}")
    _show(found)
    for warning in warnings:
        output.warn(warning)


def _show(found: Sequence[StepAdvice]) -> None:
    output.write(f"gradient flow moves {found[0].distance:.4g}; error allowed {found[0].accuracy:.3g}")
    head = ["order", "largest\neta", "steps", "eta times\ncurvature", "measured\nerror", "predicted"]
    rows = []
    for advice in found:
        errors = (f"{error:.2e}" for error in (advice.measured_error, advice.predicted_error))
        share = f"{advice.eta * advice.curvature:.3f}"
        rows.append([str(advice.order), f"{advice.eta:.6g}", str(advice.steps), share, *errors])
    output.show(Table(head, rows, boxed=True))
