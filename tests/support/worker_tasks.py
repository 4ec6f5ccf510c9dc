"""Tasks for worker processes, which find them by name: what a worker can do well and badly."""

import os
import signal
from pathlib import Path


def answer(item):
    """The item and the process that answers."""
    return item, os.getpid()


def die(item):
    """As a process does that runs out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_over_two(item):
    """Only one item is deadly."""
    return die(item) if item == 2 else answer(item)


def die_at_first(path):
    """Deadly until a file is there."""
    if not Path(path).exists():
        Path(path).touch()
        die(path)
    return answer(path)


def fail(item):
    """A fault of the program."""
    raise TypeError(f"no {item}")


def sigint_is_blocked(item):
    """Whether Ctrl-C reaches this process."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
