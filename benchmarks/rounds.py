"""Terms of a round of many batches beside those of one step on all samples, in turn, on the network for digits."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import processes, tables
from benchmarks.timing import Spread, interleaved, ratios
from eomsym.codegen import KernelSpec, kernel_for
from eomsym.dynamics import kernel_counterterms
from eomsym.dynamics.loop_kernel import LoopKernel
from eomsym.models import dataset, default_model
from eomsym.optimizers.batches import cut
from eomsym.optimizers.loop import loop_of

ORDERS, SIZE, SAMPLES = (1, 2, 3), 32, 1792
CASES = {
    "gradient descent": ("sgd", None),
    "gradient descent, cosine": ("sgd", "cosine(9)"),
    "SGD, momentum 0.9, cosine": ("torch.SGD(momentum=0.9)", "cosine(9)"),
}


def report(rounds: int) -> str:
    """One line a case and order."""
    data, model = tuple(array[:SAMPLES] for array in dataset("digits").arrays), default_model("digits")
    kernel, state = kernel_for(KernelSpec(model, max(ORDERS))), np.append(model.initial(0), 0.3)
    plain = loop_of("sgd").rule({})
    rows = []
    with threadpool_limits(limits=1, user_api="blas"):
        for name, (optimizer, schedule) in CASES.items():
            loop = LoopKernel(kernel, loop_of(optimizer, schedule, cut(SAMPLES, SIZE)))
            for order in ORDERS:
                processes.progress(f"rounds: {name}, order {order}")
                times = interleaved(
                    {
                        "round": lambda loop=loop, order=order: loop.counterterms(state, *data, order=order),
                        "all": lambda order=order: kernel_counterterms(kernel, plain, state[:-1], order, data),
                    },
                    rounds,
                )
                shown = (Spread.of(times[what]).scaled(1e3) for what in ("round", "all"))
                quotient = Spread.of(ratios(times["round"], times["all"]))
                rows.append([name, str(order), *map(tables.spread, shown), tables.spread(quotient)])
    return tables.table(("run", "order", "56 batches, ms", "all samples, ms", "quotient"), rows)
