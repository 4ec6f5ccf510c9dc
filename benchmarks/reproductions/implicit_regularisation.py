"""The modified loss along 500 steps of gradient descent, and how the literature's first terms are derived here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reproductions.pages import Numbers
from eomsym import Training, derive
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.derivation import modified_loss
from eomsym.drawing import line_style, panels
from eomsym.dynamics import integrate_equation_of_motion, optimizer_path
from eomsym.dynamics.spectrum import largest_eigenvalue
from eomsym.models import dataset, default_model
from eomsym.verification import implicit_regulariser

ETA, STEPS, EVERY, ORDER = 0.1, 500, 20, 3
#: What has a modified loss, with the parameters left as symbols.
OPTIMISERS = ("gradient-descent", "implicit-euler", "heavy-ball", "nesterov", "mini-batches", "random-reshuffling")
#: Of Adam and of the usual PyTorch training.
ADAM = (0.9, 0.999)


def measure(progress: Callable[[int, int], None]) -> Numbers:
    model, data = default_model("digits"), dataset("digits").arrays
    kernel = kernel_for(KernelSpec(model, ORDER))
    path = optimizer_path(kernel, model.initial(0), ETA, STEPS, data)
    rows = []
    for step in range(0, STEPS + 1, EVERY):
        found = implicit_regulariser(Training(kernel, data, eta=ETA, theta=path[step]), ORDER)
        rows.append(
            {
                "step": step,
                "values": found.values,
                "shares": found.shares,
                "rest_shares": found.rest_shares,
                "product": ETA * largest_eigenvalue(kernel, path[step], data),
            }
        )
        progress(step, STEPS)
    moved = float(np.linalg.norm(path[-1] - path[0]))
    flows = {}
    for order in range(ORDER + 1):
        end = integrate_equation_of_motion(kernel, path[0], ETA, ETA * STEPS, data, order=order, accuracy=1e-10)
        flows[str(order)] = float(np.linalg.norm(end.theta - path[-1])) / moved
    beta1, beta2 = ADAM
    return {
        "model": f"{'-'.join(map(str, model.layers))} {model.activation}, {model.loss}",
        "eta": ETA,
        "steps": STEPS,
        "rows": rows,
        "flows": flows,
        "derived": {name: modified_loss(name, 1).text() for name in OPTIMISERS},
        "next": modified_loss("gradient-descent", 3).text(),
        "adam": derive("adam(inside=yes, corrected=no)", 1).text(),
        "adam_factor": (beta1 - beta2) / ((1 - beta1) * (1 - beta2)),
    }


def draw(numbers: Numbers) -> Figure:
    figure, (values, shares) = panels(10, 4.2, 2)
    steps = [row["step"] for row in numbers["rows"]]
    names = ("L", "(η/4) ‖g‖²", "η² term", "η³ term")
    for power, name in enumerate(names):
        colour, marker = line_style(power)
        style = {"color": colour, "marker": marker, "ms": 4}
        values.semilogy(steps, [abs(row["values"][power]) for row in numbers["rows"]], **style, label=name)
        shares.semilogy(steps, [row["shares"][power] for row in numbers["rows"]], **style, label=f"gradient of {name}")
        if power > 1:
            rest = [row["rest_shares"][power] for row in numbers["rows"]]
            shares.semilogy(steps, rest, color=colour, ls=":", label=f"no gradient, {name}")
    values.set(xlabel="step", title="parts of the modified loss (absolute values)")
    shares.set(xlabel="step", title="share of the step", ylim=(None, 1e5))
    for axes in (values, shares):
        axes.legend(frameon=False, fontsize=8)
    return figure
