"""``eomsym noise``: what do random batches do to a run?"""

from __future__ import annotations

from typing import Annotated

from eomsym.cli import options, output
from eomsym.cli.groups import examples

EXAMPLES = examples(
    "eomsym noise --dataset moons --batch-size 8 --batches independent --eta 0.1",
    "eomsym noise --batch-size 8 --batches replacement --ensemble 50 --plot n.png",
)
MOST_RUNS = 100_000


def noise(
    *,
    training: options.Training,
    steps: options.Steps = 100,
    ensemble: Annotated[
        int, options.option("N", "Real runs beside the prediction, 10 or more.", min=0, max=MOST_RUNS)
    ] = 0,
    report: options.DrawnReport,
) -> int:
    """Predict what random batches do to gradient descent.

    Mean and covariance of the weights along the run, and the mean loss, beside
    the run on all samples; with --ensemble also that of real runs. The batches
    are drawn: --batches independent, or replacement.
    """
    posed = training.pose(eta=options.USUAL_ETA)
    result = output.asked("predicting noise", "noise", posed, steps, ensemble=ensemble, seed=training.seed)
    return report.tell(result, posed)
