"""All that the templates of a multilayer perceptron are given, in floats and in double-double arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from math import factorial
from typing import Any

from eomsym.codegen import sample_loops
from eomsym.codegen.double_double_constants import constants
from eomsym.codegen.double_double_statements import system_program
from eomsym.codegen.rule_program import rule_program
from eomsym.codegen.spec import KernelSpec
from eomsym.codegen.table_text import filled, pairs, table
from eomsym.codegen.templates import calls, loss_template, with_callees
from eomsym.models import MLP
from eomsym.models.losses import LOSS_TABLE
from eomsym.series.elementary import ELEMENTARY
from eomsym.step_index.tables import evaluation_plan

#: Samples that travel together: wide enough for vector units and BLAS, small enough for the cache.
BLOCK = 64

#: OpenBLAS multiplies fastest (on AVX-512 by a half) where a product has at most so many multiplications, and where
#: both factors have the inner index along their rows, also at most so many entries.
SMALL, FEW = 1_000_000, 1200

#: First-layer products are kept and extrapolated from so many inputs on: reading a few numbers beats multiplying many.
REUSE_FROM = 128

#: The call that makes a level of a gradient where other optimisers are written out.
MLP_GRADIENT = "_gradient({field}, {point}, k, inputs, targets, **sharing)"


def mlp_context(spec: KernelSpec) -> dict[str, Any]:
    """All that the template of a multilayer perceptron is given."""
    model, terms = spec.model, spec.order + 1
    assert isinstance(model, MLP)
    sizes = matrix_sizes(model)
    activation = ELEMENTARY[model.activation]
    slot = sample_loops.slots(activation)
    slope = slot[activation.derivative]
    rule = rule_program(spec.rule, terms, MLP_GRADIENT) if spec.optimizer != "gradient-descent" else None
    reuse = rule is None and model.layers[0] >= REUSE_FROM
    start = sample_loops.start_lines(activation, terms)
    return {
        **_network(spec, "mlp"),
        "layout": layout(model, len(slot), terms),
        "small": SMALL,
        "few": FEW,
        "in_pieces": max(size * (terms if layer else 1) for layer, size in enumerate(sizes)) * BLOCK > SMALL,
        "outer_in_pieces": any(
            size > FEW >= 16 * columns for size, columns in zip(sizes, model.layers[1:], strict=True)
        ),
        "widths": sorted(set(model.layers[1:-1])),
        "slots": slot,
        "activation": activation,
        "start": start,
        "series": sample_loops.series_groups(activation, terms),
        "chain": sample_loops.product_groups(
            lambda k: f"rows[{slope * terms + k}, i]", lambda k: f"back[{k}, i]", terms
        ),
        "reuse": reuse,
        "functions": vectorised(start) | set(calls(loss_template("mlp", model.loss))),
        "exp_polynomial": filled(repr(1 / factorial(n)) for n in range(14, 0, -1)),
        "every": reuse or model.normalization == "weight",
        "table": table,
        "rule": rule,
    }


def double_double_context(spec: KernelSpec) -> dict[str, Any]:
    """All that the template of a multilayer perceptron in double-double arithmetic is given."""
    assert isinstance(spec.model, MLP)
    activation = system_program(ELEMENTARY[spec.model.activation])
    return {
        **_network(spec, "double_double"),
        "start": (0, *accumulate(matrix_sizes(spec.model)))[:-1],
        "hidden": (0, *accumulate(spec.model.layers[1:-1])),
        "activation": activation,
        "functions": with_callees((*activation.functions, *calls(loss_template("double_double", spec.model.loss)))),
        "constants": constants(),
        "every": False,
        "table": pairs,
        "rule": None,
    }


def _network(spec: KernelSpec, backend: str) -> dict[str, Any]:
    """What the templates of both arithmetics are given."""
    model = spec.model
    assert isinstance(model, MLP)
    return {
        "spec": spec,
        "description": description(model, spec.precision),
        "block": BLOCK,
        "targets_type": "int64[::1]" if LOSS_TABLE[model.loss].labels else "float64[:, ::1]",
        "loss_template": loss_template(backend, model.loss),
        "descent": evaluation_plan(spec.order + 1),
    }


def description(model: MLP, precision: str) -> list[str]:
    """Lines of the opening comment that say what is differentiated."""
    decay = f", weight decay {model.weight_decay!r}" if model.weight_decay else ""
    widths = "-".join(map(str, model.layers))
    normalised = f", {model.normalization} normalization" if model.normalization != "none" else ""
    after = " and then its bias" if model.bias else ", no biases"
    return [
        f"Model: {widths}, {model.activation}{normalised}, {model.loss}{decay}; {precision} precision.",
        f"Input: theta, each layer's weight matrix (n_in x n_out, row-major){after}; inputs; targets.",
    ]


def matrix_sizes(model: MLP) -> list[int]:
    """Entries of each layer's weights and biases."""
    return [(rows + model.bias) * columns for rows, columns in pairwise(model.layers)]


def layout(model: MLP, slots: int, terms: int) -> dict[str, tuple[int, ...]]:
    """Offsets that the kernel needs, as literals; the last entry of each is the size of the whole."""
    layers, bias, sizes = model.layers, model.bias, matrix_sizes(model)
    hidden = layers[1:-1]

    def ends(parts: Iterable[int]) -> tuple[int, ...]:
        return (0, *accumulate(parts))

    rows = ends((slots * (units + bias) + units) * terms * BLOCK for units in hidden)
    return {
        "start": ends(sizes),
        "rows": rows,
        "back": (*(end - terms * units * BLOCK for end, units in zip(rows[1:], hidden, strict=True)), rows[-1]),
        "cache": ends(slots * units * BLOCK for units in hidden),
        "pile": (0, *ends(terms * size for size in sizes[1:])),
        "slab": (0, *ends(terms * rows * columns for rows, columns in pairwise(layers[1:]))),
    }


def vectorised(lines: Sequence[str]) -> set[str]:
    """The elementary functions of our own that statements call."""
    return {name for name in ("exp", "tanh") if any(f"_{name}(" in line for line in lines)}
