"""Sweeps: every optimiser × model × data × step size × seed of a file is a job, kept as soon as it is measured."""

from eomsym.sweeps.executors import Cluster, Processes, Serial
from eomsym.sweeps.plan import plan_from_dict, read_plan
from eomsym.sweeps.results import SweepResults, read_results
from eomsym.sweeps.run import run_sweep

__all__ = [
    "Cluster",
    "Processes",
    "Serial",
    "SweepResults",
    "plan_from_dict",
    "read_plan",
    "read_results",
    "run_sweep",
]
