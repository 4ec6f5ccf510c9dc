"""Which tests xdist gives to which process, and when: what takes long comes first, so that the end is even."""

from typing import Any

#: Nothing but what compiles or runs programs takes more than seconds; in this order.
FIRST = (
    "tests/codegen/test_shared_kernels.py",
    "tests/test_notebooks.py",
    "tests/test_docs.py",
    "tests/codegen/test_kernel_accuracy.py",
    "tests/codegen/",
    "tests/test_determinism.py",
    "tests/test_benchmarks.py",
    "tests/test_packaging.py",
    "tests/cli/",
    "tests/verification/",
    "tests/studies/",
)
#: Their tests share nothing in memory: each can go to another process.
SPLIT = FIRST[:4]


def rank(nodeid: str) -> int:
    """Where a test comes: the place of its file in ``FIRST``, or behind them all."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


def scheduler(config: Any, log: Any) -> Any:
    """``--dist loadfile``, but for the files in ``SPLIT`` test by test, in the order of collection."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(SPLIT) else super()._split_scope(nodeid)

    config.option.loadscopereorder = False
    return Scheduling(config, log)
