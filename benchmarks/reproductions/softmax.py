"""Miyagawa 2022, the seed of this project: the decay of what the softmax does not see, measured to the last digit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
from matplotlib.figure import Figure

from benchmarks.reproductions.pages import Numbers
from eomsym.derivation import decay_law
from eomsym.drawing import line_style, order_name, panels
from eomsym.models import default_model
from eomsym.verification import Training, translation

ETA = WEIGHT_DECAY = 0.01
STEPS, ORDERS = 2000, range(4)
#: For the picture: η at this weight decay.
ETAS = np.geomspace(1e-3, 0.5, 28)


def measure(progress: Callable[[int, int], None]) -> Numbers:
    model = replace(default_model("digits"), weight_decay=WEIGHT_DECAY)
    found = translation(Training(model, "digits", eta=ETA), ORDERS, steps=STEPS)
    laws = [decay_law(float(eta), 1.0, ORDERS) for eta in ETAS]
    return {
        **found.to_dict(),
        # −ln(1 − ηλ)/η summed here as a series, a second route to the exact rate.
        "series": float(sum(Decimal(ETA * WEIGHT_DECAY) ** n / n for n in range(1, 9)) / Decimal(ETA)),
        "etas": ETAS.tolist(),
        "errors": [[float(law.errors[order]) for law in laws] for order in ORDERS],
    }


def draw(numbers: Numbers) -> Figure:
    figure, (rates, orders) = panels(10, 4.2, 2)
    shown = numbers["predictions"]
    for row in shown:
        colour, marker = line_style(row["order"])
        rates.plot(row["order"], row["error_from_measured"], marker=marker, color=colour, ms=9)
    rates.axhline(numbers["uncertainty"], color="black", lw=0.8, ls="--")
    rates.annotate(
        "round-off of the measurement", (0, numbers["uncertainty"]), xytext=(4, 4), textcoords="offset points"
    )
    rates.set(yscale="log", xlabel="order", xticks=[row["order"] for row in shown])
    rates.set_title(f"digits, η = λ = {numbers['eta']:g}: |predicted − measured rate|")
    for order, errors in enumerate(numbers["errors"]):
        colour, marker = line_style(order)
        orders.loglog(numbers["etas"], errors, color=colour, marker=marker, ms=4, label=order_name(order))
    orders.set(xlabel="ηλ", title="|rate − exact rate| at λ = 1")
    orders.legend(frameon=False, fontsize=8)
    return figure
