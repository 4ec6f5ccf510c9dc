"""``eomsym noise``: what do random batches do to a run?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from eomsym.cli import options, output, parsing
from eomsym.cli.groups import app, examples
from eomsym.errors import InputError

MOST_RUNS = 100_000


@app.command(
    epilog=examples(
        "eomsym noise --dataset moons --batch-size 8 --eta 0.1 --ensemble 100",
        "eomsym noise --dataset moons --batch-size 32 --what-if eta=2x",
    )
)
def noise(
    *,
    training: options.Training,
    steps: options.Steps = 100,
    ensemble: Annotated[
        int, options.option("N", "Real runs beside the prediction, 10 or more.", min=0, max=MOST_RUNS)
    ] = 0,
    gaussian: Annotated[
        float, options.option("SIGMA", "Standard deviation of noise added to each entry of a gradient.", min=0.0)
    ] = 0.0,
    what_if: Annotated[
        str | None, options.option("CHANGE", "Another training beside it: eta=2x, eta=0.1 or batch-size=0.5x.")
    ] = None,
    report: options.DrawnReport,
) -> int:
    """Predict what random batches do to a run, of any rule with one gradient.

    Mean and covariance of the weights along the run, and the mean loss, beside
    the run on all samples; with --ensemble also that of real runs. With
    --what-if the difference that another rate or size of batches makes.
    """
    posed = training.pose(eta=options.USUAL_ETA)
    asked = {"gaussian": gaussian, "ensemble": ensemble, "seed": training.seed}
    if what_if is None:
        return report.tell(output.asked("predicting noise", "noise", posed, steps, **asked), posed)
    other = _changed(training, what_if).pose(eta=options.USUAL_ETA)
    return report.tell(output.asked("predicting noise", "compare_trainings", posed, other, steps, **asked), posed)


def _changed(training: options.Training, change: str) -> options.Training:
    """The same training with one number changed, to another or by a factor.  Raises ``InputError``."""
    name, _, value = change.partition("=")
    known = {"eta": training.eta or options.USUAL_ETA, "batch-size": training.batch_size}
    wanted = "it changes eta or batch-size to a number, or by a factor with an x behind it"
    base = known.get(name)
    if name == "batch-size" and base is None:
        raise InputError("--what-if batch-size: of what? give --batch-size too")
    try:
        number = parsing.positive(value.removesuffix("x")) * (base if base and value.endswith("x") else 1)
    except ValueError as error:
        raise InputError(f"--what-if {change!r}: {error}; {wanted}") from None
    if base is None:
        raise InputError(f"--what-if {change!r}: {wanted}")
    if name == "eta":
        return replace(training, eta=number)
    if number != round(number):
        raise InputError(f"--what-if {change!r}: makes batches of {number:g}; give a factor that makes a whole number")
    return replace(training, batch_size=round(number))
