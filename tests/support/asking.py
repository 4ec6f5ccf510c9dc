"""Poses a training and asks one question of it, for tests that vary every argument of both."""

from dataclasses import dataclass
from typing import Any

from batching import batched

import eomsym
from eomsym.errors import InputError
from eomsym.models import MLP
from eomsym.optimizers import chosen
from eomsym.verification import recommending


@dataclass(frozen=True)
class Cut(eomsym.Batches):
    """Batches as ``batched`` takes them: their number too, where users have sizes and orders."""

    given: Any = None

    def of(self, samples):
        if samples == 0:
            raise InputError("batches: this loss has no data; leave them out")
        return batched(self.given, samples)


def training(kernel, theta=None, eta=None, data=(), optimizer=None, *, schedule=None, batching=None, **options):
    batches = None if batching is None else Cut(1, "fixed", given=batching)
    if "batches" in options:  # of rules that have so many; an argument of its own
        optimizer, options = chosen(optimizer, options), {}
    data = data if isinstance(data, (str, eomsym.Dataset)) or len(data) else None
    return eomsym.Training(kernel, data, optimizer, eta, theta=theta, schedule=schedule, batches=batches, **options)


def verify(
    optimizer=None,
    model=None,
    data="suited",
    orders=range(5),
    etas=None,
    *,
    kernel=None,
    theta=None,
    state=None,
    after=None,
    resum=False,
    progress=None,
    **options,
):
    if isinstance(data, str) and data == "suited":
        data = _suited(kernel, options)
    data = () if data is None else data
    posed = training(model if kernel is None else kernel, theta, None, data, optimizer, **options)
    return eomsym.verify(posed, orders, state=state, etas=etas, after=after, resum=resum, progress=progress)


def _suited(kernel, options):
    if kernel is not None and not isinstance(getattr(kernel, "model", None), MLP):
        return None
    precision = options.get("precision") or getattr(kernel, "precision", "double")
    return "teacher-small" if precision == "double-double" else "digits"


def follow(kernel, theta, eta, steps, *data, orders=(0, 1, 2, 4), after=0, state="whole", progress=None, **options):
    posed = training(kernel, theta, eta, data, **options)
    return eomsym.follow(posed, steps, orders, after=after, state=state, progress=progress)


def drift(
    kernel,
    observable,
    theta,
    eta,
    *data,
    order=3,
    orders=None,
    steps=1,
    after=0,
    state="slow",
    test=None,
    progress=None,
    **options,
):
    posed = training(kernel, theta, eta, data, **options)
    orders = range(order + 1) if orders is None else sorted({*orders, order})  # rows go to the highest order asked
    return eomsym.drift(posed, observable, orders, steps=steps, after=after, state=state, test=test, progress=progress)


def conserved(kernel, theta, eta, *data, order=3, steps=1, progress=None, **options):
    return eomsym.conserved(
        training(kernel, theta, eta, data, **options), range(order + 1), steps=steps, progress=progress
    )


def implicit_regulariser(kernel, theta, eta, *data, order=1, **options):
    return eomsym.implicit_regulariser(training(kernel, theta, eta, data, **options), order)


def recommend_step(kernel, theta, time, accuracy, order=0, data=(), *, relative=False, **options):
    posed = training(kernel, theta, None, data, **options)
    return recommending.recommend(posed, accuracy, time, [order], relative=relative).advice[0]


def recommend_order(kernel, theta, eta, data=(), **options):
    return recommending.recommend_order(training(kernel, theta, eta, data, **options))


def edge_point(kernel, theta, eta, data=(), order=None, **options):
    order = kernel.order if order is None else order
    return eomsym.edge(training(kernel, theta, eta, data, **options), order=order)


def certify(kernel, theta, *data, order=None, **options):
    return eomsym.certify(training(kernel, theta, None, data, **options), order)


def noise(kernel, theta, eta, steps, *data, batch_size=1, replacement=True, seed=0, **options):
    batches = eomsym.Batches(batch_size, "replacement" if replacement else "independent")
    posed = eomsym.Training(kernel, data or None, None, eta, theta=theta, batches=batches)
    return eomsym.noise(posed, steps, seed=seed, **options)
