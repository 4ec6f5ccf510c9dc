"""``python -m eomsym`` is the same as ``eomsym``."""

import sys
from collections import namedtuple

from eomsym.cli import main

if __name__ == "__main__":
    status = main()
    # ``python -m`` remembers an interrupt that met it while it evaluated a text, as imports do, even where that was
    # caught, and would end by a signal instead of with this status.  Evaluating another text makes it forget.
    namedtuple("_", ())
    sys.exit(status)
