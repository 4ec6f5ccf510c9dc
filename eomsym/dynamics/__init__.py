"""Paths: the optimiser's iterates, the equation of motion, and the discretization error between them."""

from eomsym.dynamics.differentials import SeriesKernel, elementary_differentials
from eomsym.dynamics.equation_of_motion import integrate_equation_of_motion
from eomsym.dynamics.error_prediction import ErrorPrediction, predict_discretization_error
from eomsym.dynamics.even_steps import EvenSteps, even_steps, follow_even_steps
from eomsym.dynamics.extrapolation import integrate_by_extrapolation
from eomsym.dynamics.integration import Path
from eomsym.dynamics.kernel import Data, FieldKernel, RoundedKernel, is_double_double
from eomsym.dynamics.kernel_series import kernel_counterterms, slow_memory, whole_state_terms
from eomsym.dynamics.loop_kernel import LoopKernel, loop_kernel
from eomsym.dynamics.noise_equations import Draw, Spread
from eomsym.dynamics.noise_prediction import noise
from eomsym.dynamics.noise_record import Ensemble, Noise
from eomsym.dynamics.optimizer_path import OptimizerEnd, field_gradient, optimizer_path, run_optimizer
from eomsym.dynamics.shadow_start import ShadowStart, shadow_start, start_at
from eomsym.dynamics.spectrum import largest_eigenvalue, spectral_radius, top_eigenpair
from eomsym.dynamics.state_map import StateMap, Tally, follow_slow, follow_states, kernel_state, run_states

__all__ = [
    "Data",
    "Draw",
    "Ensemble",
    "ErrorPrediction",
    "EvenSteps",
    "FieldKernel",
    "LoopKernel",
    "Noise",
    "OptimizerEnd",
    "Path",
    "RoundedKernel",
    "SeriesKernel",
    "ShadowStart",
    "Spread",
    "StateMap",
    "Tally",
    "elementary_differentials",
    "even_steps",
    "field_gradient",
    "follow_even_steps",
    "follow_slow",
    "follow_states",
    "integrate_by_extrapolation",
    "integrate_equation_of_motion",
    "is_double_double",
    "kernel_counterterms",
    "kernel_state",
    "largest_eigenvalue",
    "loop_kernel",
    "noise",
    "optimizer_path",
    "predict_discretization_error",
    "run_optimizer",
    "run_states",
    "shadow_start",
    "slow_memory",
    "spectral_radius",
    "start_at",
    "top_eigenpair",
    "whole_state_terms",
]
