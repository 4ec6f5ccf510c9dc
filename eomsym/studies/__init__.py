"""Studies of many jobs: every optimiser × model × data × step size × seed of a study file, on one machine or many.

Not to be confused with ``eomsym.verification.ConvergenceStudy``, which is what one call of ``verify`` finds out about
one optimiser on one model.  Here each point of many such studies is a job of its own, kept as soon as it is measured.
"""

from eomsym.studies.cluster import Cluster
from eomsym.studies.executors import Processes, Serial
from eomsym.studies.plan import StudyPlan
from eomsym.studies.results import StudyResults, read_results
from eomsym.studies.run import StudyRun, run_study
from eomsym.studies.study_file import plan_from_dict, read_plan

__all__ = [
    "Cluster",
    "Processes",
    "Serial",
    "StudyPlan",
    "StudyResults",
    "StudyRun",
    "plan_from_dict",
    "read_plan",
    "read_results",
    "run_study",
]
