"""How many trees a derivation takes, and about how much memory: told before it begins."""

from __future__ import annotations

import logging

from eomsym.errors import InputError
from eomsym.trees import count_coloured_trees

#: Beyond this a derivation is refused.
MAX_BYTES = 4 * 10**9
#: Resident memory over number of trees, measured with ``eomsym derive`` and rounded up: 1 kB with integers (order 15 of
#: gradient descent), 2 kB with fractions, and 60 to 90 kB for each parameter that is a symbol (orders 8 and 9).
BYTES_OF_NUMBER, BYTES_OF_SYMBOL = 3_000, 100_000
#: Seconds for so many trees with a symbol, measured with heavy ball at orders 5 to 9.
SECONDS_OF_SYMBOL, GROWTH = 0.01, 1.35
WORTH_TELLING = 5.0
#: Trees of more nodes are too many to be worth counting.
_COUNTED = 100


def tree_demand(order: int) -> str:
    """In words, what plain rooted trees of a derivation to this order take."""
    nodes = min(order + 1, _COUNTED)
    more = "over " if nodes < order + 1 else ""
    return _demand(sum(count_coloured_trees(nodes, 1, 1)), 0, more)


def check_memory(order: int, trees: int, symbols: int) -> None:
    """Raises ``InputError`` if so many trees, with so many parameters that are symbols, take more than is allowed.

    What takes long is told through ``logging``.
    """
    if trees * _bytes_of_tree(symbols) <= MAX_BYTES:
        seconds = symbols * SECONDS_OF_SYMBOL * trees**GROWTH
        if seconds > WORTH_TELLING:
            logging.getLogger("eomsym").info("order %d: %s, and %.0f s", order, _demand(trees, symbols), seconds)
        return
    right = "give a lower order" + (", or values to the parameters" if symbols else "")
    raise InputError(f"order {order}: {_demand(trees, symbols)}, and {MAX_BYTES / 1e9:g} are allowed; {right}")


def _demand(trees: int, symbols: int, more: str = "") -> str:
    size = f"{trees:.1e}" if trees >= 10**6 else str(trees)
    return f"{more}{size} rooted trees would take {more}about {trees * _bytes_of_tree(symbols) / 1e9:.2g} GB"


def _bytes_of_tree(symbols: int) -> int:
    return BYTES_OF_SYMBOL * symbols or BYTES_OF_NUMBER
