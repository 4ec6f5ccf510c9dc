"""``eomsym recommend``: which learning rate is small enough for an accuracy?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from eomsym.cli import options, output, parsing
from eomsym.cli.groups import examples
from eomsym.cli.measuring import Report, described
from eomsym.result import Table

if TYPE_CHECKING:
    from eomsym.verification import StepAdvice

EXAMPLES = examples(
    "eomsym recommend --dataset moons --accuracy 0.01 --relative",
    "eomsym recommend --data own.csv --time 3 --accuracy 1e-4 --orders 1,2",
)
HIGHEST_ORDER = 11


def recommend(
    *,
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
    network: options.Network,
    report: Report,
) -> None:
    """Recommend the largest learning rate of gradient-descent.

    For each order N: the largest eta with which the equation of motion of this
    order keeps within the accuracy of the iterates up to the time. It is
    predicted, and then tried: the errors are measured. Gradient flow is order 0.
    """
    bound, until = parsing.positive("--accuracy", accuracy), parsing.positive("--time", time)
    kept = parsing.orders("--orders", orders, HIGHEST_ORDER)
    samples, model = network.read()

    from eomsym.models import dataset as drawn
    from eomsym.verification import recommend_step
    from eomsym.verification.posing import kernel_of

    found: list[StepAdvice] = []
    with output.progress("trying learning rates") as progress:
        kernel = kernel_of(model, max(kept) + 1, report.folder)
        used, theta = drawn(samples, report.number), model.initial(report.number)
        for order in kept:
            found.append(recommend_step(kernel, theta, until, bound, order, used.arrays, relative=relative))
            if progress is not None:
                progress(len(found), len(kept))
    warnings = [f"order {advice.order}: {warning}" for advice in found for warning in advice.warnings]
    if report.json:
        own = {"data": used.about} if used.about else {}
        head = {"dataset": used.name, "layers": list(model.layers), "seed": report.number, "relative": relative, **own}
        output.write(json.dumps(head | {"advice": [advice.to_dict() for advice in found], "warnings": warnings}))
        return
    if used.about:
        output.write(described(used.about))
    output.write(
        f"gradient-descent on {used.name}: {'-'.join(map(str, model.layers))}, seed {report.number}, time {until:g}"
    )
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
