"""``eomsym terms``: which terms of the equation of motion matter along a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from eomsym.cli import options, output, parsing
from eomsym.cli.groups import examples
from eomsym.cli.measuring import Report, fixed, suited_model

if TYPE_CHECKING:
    from rich.table import Table

    from eomsym.verification import TermStudy
    from eomsym.verification.terms import TermPoint

EXAMPLES = examples(
    "eomsym terms",
    "eomsym terms --dataset digits-small --order 3 --steps 200 --plot terms.png",
    "eomsym terms --dataset digits-small --eta 0.8 --edge",
)
MOST_STEPS, MOST_POINTS, HIGHEST_ORDER = 20_000, 50, 7


def terms(
    optimizer: options.Optimizer = "gradient-descent",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter an exact value. May be repeated."),
    ] = None,
    dataset: options.Dataset = "digits",
    layers: options.Layers = None,
    activation: options.SuitedActivation = None,
    weight_decay: options.Decay = "0",
    normalization: options.Normalization = "none",
    no_bias: options.NoBias = False,
    order: Annotated[str, typer.Option(metavar="N", help="Highest power of the learning rate kept, 1 to 7.")] = "4",
    eta: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Learning rate; chosen to suit if not given.")
    ] = None,
    steps: Annotated[str, typer.Option(metavar="N", help="Steps of the optimizer.")] = "100",
    points: Annotated[str, typer.Option(metavar="N", help="Iterates that are looked at, both ends included.")] = "5",
    edge: Annotated[
        bool, typer.Option("--edge", help="Say which description holds at each iterate, and what a value costs.")
    ] = False,
    seed: options.Seed = "0",
    plot: options.Plot = None,
    output_: options.Output = None,
    quiet: options.Quiet = False,
    format_: options.Format = "table",
) -> int:
    """Show which terms of the equation of motion matter.

    Along a run of the optimizer, on its slow manifold: how large eta^(k+1) xi_k is beside the
    gradient g, and how far it points the same way (cosine); the same for every
    rooted tree in it; and eta times the sharpness, the largest eigenvalue of
    the Hessian, with a warning where the series stops being useful.

    With --edge also which description of gradient-descent holds: the series (eta
    sharpness below 0.5), resummed (below 1), the even-step equation (below 2, and
    through the edge), with the error of each over two steps and its cost.

    Every tree is evaluated by derivatives along straight lines. The exit status
    is 1 if their sum is not the counter term of the kernel.
    """
    from eomsym.optimizers import chosen
    from eomsym.verification import study_terms

    entry, exact = chosen(optimizer, parsing.settings("--set", set_ or []))
    parameters: dict[str, Any] = dict(exact)
    decay = parsing.decimal("--weight-decay", weight_decay)
    model = suited_model(dataset, layers, activation, decay, normalization, no_bias=no_bias)
    highest = parsing.integer("--order", order, 1, HIGHEST_ORDER)
    step = None if eta is None else parsing.positive("--eta", eta)
    count = parsing.integer("--steps", steps, 1, MOST_STEPS)
    looks = parsing.integer("--points", points, 2, MOST_POINTS)
    report = Report(format_, seed, plot, output_)
    with output.progress("measuring terms") as progress:
        study = study_terms(
            model,
            dataset,
            highest,
            eta=step,
            steps=count,
            points=looks,
            seed=report.seed,
            output=report.folder,
            progress=progress,
            edge=edge,
            optimizer=entry,
            **parameters,
        )
    return report.tell(study, _show)


def _show(study: TermStudy) -> None:
    values = ", ".join(f"{name} = {value}" for name, value in study.parameters)
    output.write(
        f"{study.optimizer}{f' ({values})' if values else ''} on {study.dataset}: {study.model}\n"
        f"seed {study.seed}, eta {study.eta:g}: eta^(k+1) |xi_k| / |g|, and under it the cosine of xi_k with g"
    )
    output.show(_run_table(study))
    first, last = study.points[0], study.points[-1]
    output.write(f"trees at step {first.step} and at step {last.step}: share of coefficient times tree, cosine with g")
    output.show(_tree_table(study, first, last))
    worst = max(term.defect for point in study.points for term in point.terms)
    output.write(f"sum over trees against the kernel: largest relative difference {worst:.1e}")
    if study.edge:
        output.write("which holds: error over two steps, and under it the gradients a value costs")
        output.show(_edge_table(study))
    for warning in study.warnings:
        output.warn(warning)


def _edge_table(study: TermStudy) -> Table:
    table = output.table(("step", "eta times\nsharpness", "series", "resummed", "even-step", "holds"))
    table.columns[-1].justify = "left"
    for point in study.edge:
        cells = [f"{point.errors[name]:.1e}\n{point.costs[name]:.1f}" for name in point.errors]
        table.add_row(str(point.step), f"{point.product:.3f}", *cells, point.holds)
    return table


def _run_table(study: TermStudy) -> Table:
    table = output.table(("step", "loss", "eta times\nsharpness", *(f"xi_{k}" for k in range(study.order))))
    for point in study.points:
        cells = [f"{study.share(point, term.index):.1e}\n{fixed(term.cosine, '+.2f')}" for term in point.terms]
        table.add_row(str(point.step), f"{point.loss:.4f}", f"{study.eta * point.sharpness:.3f}", *cells)
    return table


def _tree_table(study: TermStudy, first: TermPoint, last: TermPoint) -> Table:
    from eomsym.notation.text import tree_text

    table = output.table(("coefficient", "first", "cosine", "last", "cosine"), words=("", "tree"))
    for before, after in zip(first.terms, last.terms, strict=True):
        table.add_section()
        power = study.eta ** (before.index + 1)
        for number, (old, new) in enumerate(zip(before.trees, after.trees, strict=True)):
            table.add_row(
                "" if number else f"xi_{before.index}",
                tree_text(old.tree),
                old.coefficient,
                f"{power * old.size / first.gradient_norm:.1e}",
                fixed(old.cosine, "+.2f"),
                f"{power * new.size / last.gradient_norm:.1e}",
                fixed(new.cosine, "+.2f"),
            )
    return table
