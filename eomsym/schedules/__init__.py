"""Numbers of an optimiser that depend on time: learning rates that warm up and decay, momenta that change with them."""

from eomsym.schedules.schedule import (
    NAMED,
    Schedule,
    constant,
    cosine,
    exponential,
    joined,
    linear,
    one_cycle,
    one_cycle_momentum,
    polynomial,
    read_schedule,
    staircase,
    warmup,
)
from eomsym.schedules.torch_names import from_torch_scheduler

__all__ = [
    "NAMED",
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "from_torch_scheduler",
    "joined",
    "linear",
    "one_cycle",
    "one_cycle_momentum",
    "polynomial",
    "read_schedule",
    "staircase",
    "warmup",
]
