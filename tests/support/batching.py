"""Batches in a fixed order, posed in a few words: how many, or of which samples."""

from collections.abc import Mapping

from eomsym.optimizers.batches import cut, of_index_sets


def batched(given, samples):
    """Batches of so many samples: their number, a mapping with ``count``, ``size`` and ``last``, or ``sets``."""
    options = dict(given) if isinstance(given, Mapping) else {"count": given}
    order = options.get("order", "forward")
    if "sets" in options:
        return of_index_sets(options["sets"], samples, order)
    size = options["size"] if "size" in options else samples // options["count"]
    return cut(samples, size, options.get("last", "keep"), order)
