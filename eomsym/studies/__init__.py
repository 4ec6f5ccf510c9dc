"""Studies of many jobs: every optimiser × model × data × step size × seed of a study file, on one machine or many.

Not to be confused with ``eomsym.verification.ConvergenceStudy``, which is what one call of ``verify`` finds out about
one optimiser on one model.  Here each point of many such studies is a job of its own, kept as soon as it is measured.
"""

from eomsym.studies.cluster import Cluster
from eomsym.studies.executors import Executor, Processes, Serial, WorkerLost
from eomsym.studies.job import Job, JobResult, MeasuredError
from eomsym.studies.plan import ModelChoice, OptimizerChoice, StudyPlan
from eomsym.studies.results import Case, OrderSummary, StudyResults, read_results, study_folder
from eomsym.studies.run import StudyRun, run_study
from eomsym.studies.store import ResultStore
from eomsym.studies.study_file import plan_from_dict, read_plan

__all__ = [
    "Case",
    "Cluster",
    "Executor",
    "Job",
    "JobResult",
    "MeasuredError",
    "ModelChoice",
    "OptimizerChoice",
    "OrderSummary",
    "Processes",
    "ResultStore",
    "Serial",
    "StudyPlan",
    "StudyResults",
    "StudyRun",
    "WorkerLost",
    "plan_from_dict",
    "read_plan",
    "read_results",
    "run_study",
    "study_folder",
]
