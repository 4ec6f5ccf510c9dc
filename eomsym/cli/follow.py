"""``eomsym follow``: how far is the equation of motion of each order from this run?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from eomsym.checks import check_choice
from eomsym.cli import options, output, parsing
from eomsym.cli.groups import examples
from eomsym.cli.measuring import Report, data_of, suited_model

EXAMPLES = examples(
    'eomsym follow --optimizer "torch.Adam()" --eta 0.001 --steps 500 --start 5',
    'eomsym follow --optimizer "torch.SGD(momentum=0.9)" --eta 0.01 --plot f.png',
    'eomsym follow --batches 3 --schedule "cosine(2)" --state slow --steps 50',
)
MOST_STEPS, MOST_ORDER = 100_000, 20


def follow(
    optimizer: options.Optimizer = "gradient-descent",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Give a parameter a value. May be repeated."),
    ] = None,
    eta: Annotated[str, typer.Option(metavar="NUMBER", help="Learning rate.")] = "0.001",
    steps: Annotated[str, typer.Option(metavar="N", help="Steps that are followed.")] = "200",
    start: Annotated[str, typer.Option(metavar="N", help="Steps that are made before.")] = "0",
    orders: Annotated[
        str, typer.Option(metavar="ORDERS", help="A range 0:4, its end included, or a list 0,2,4; 0 to 20.")
    ] = "0,1,2,4",
    state: Annotated[
        str, typer.Option(metavar="NAME", help="whole: parameters and memory, or slow: the slow manifold alone.")
    ] = "whole",
    schedule: options.Schedule = None,
    batches: options.Batches = None,
    batch_size: options.BatchSize = None,
    last_batch: options.LastBatch = None,
    batch_order: options.BatchOrder = "forward",
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
    plot: options.Plot = None,
    output_: options.Output = None,
    quiet: options.Quiet = False,
    format_: options.Format = "table",
) -> int:
    """Follow a run of an optimiser by its equation of motion.

    The network is trained with the learning rate that is given. From the state
    that it has after --start steps, parameters and memory, the equation of
    motion of each order goes beside the next --steps, by N+1 gradients an
    evaluation. The error is its distance to the run at the last step, over the
    distance that the run has moved; beside it that of the equation on the slow
    manifold, which has no memory.

    With --batches or --batch-size a step is a round of all batches: look at
    --state slow, from where the memory has forgotten its start.

    Adam and its kin divide by a root that is not smooth at zero, where their
    memory begins: give --start 1 or more.
    """
    from eomsym.models import dataset as samples_of
    from eomsym.optimizers import chosen

    settings: dict[str, Any] = dict(parsing.settings("--set", set_ or []))
    chosen(optimizer, settings)
    decay = parsing.decimal("--weight-decay", weight_decay)
    samples = data_of(dataset, data, target, inputs, header, scale, layers, loss) or "digits"
    model = suited_model(samples, layers, activation, decay, normalization, loss, no_bias)
    rate = parsing.positive("--eta", eta)
    count = parsing.integer("--steps", steps, 1, MOST_STEPS)
    first = parsing.integer("--start", start, 0, MOST_STEPS)
    kept = parsing.orders("--orders", orders, MOST_ORDER)
    kind = check_choice("--state", state, ("whole", "slow"))
    report = Report(format_, seed, plot, output_)

    from eomsym.verification import follow as follow_run
    from eomsym.verification import kernel_to_follow

    drawn = samples_of(samples, report.seed)
    with output.progress("following") as progress:
        study = follow_run(
            kernel_to_follow(model, kept, report.folder),
            model.initial(report.seed),
            rate,
            count,
            *drawn.arrays,
            optimizer=optimizer,
            orders=kept,
            start=first,
            state=kind,
            schedule=parsing.schedules("--schedule", schedule or []),
            batching=parsing.batching(batches, batch_size, last_batch, batch_order),
            progress=progress,
            **settings,
        )
    return report.tell(replace(study, dataset=drawn.name, seed=report.seed), samples)
