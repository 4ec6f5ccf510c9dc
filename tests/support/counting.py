"""What takes too long is counted, not timed: as many calls on a machine that has much else to do as on an idle one."""

import sys
from contextlib import contextmanager
from itertools import count

#: Seconds of an idle machine, and ten times what the longest texts need; hangs of minutes were seen.
A_HANG = 10_000_000


@contextmanager
def at_most(calls=A_HANG):
    """Stops where more functions, Python's own and others, are entered and left than that."""
    events = count(1)

    def watch(*event):
        if next(events) > calls:
            sys.setprofile(before)
            raise AssertionError(f"more than {calls} calls: a hang, or near one")

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
