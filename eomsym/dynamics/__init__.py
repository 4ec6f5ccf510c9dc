"""Paths: the optimiser's iterates, the equation of motion, and the discretization error between them."""

from eomsym.dynamics.equation_of_motion import integrate_equation_of_motion
from eomsym.dynamics.even_steps import EvenSteps, even_steps
from eomsym.dynamics.extrapolation import integrate_by_extrapolation
from eomsym.dynamics.integration import Path
from eomsym.dynamics.kernel_series import kernel_counterterms, whole_state_terms
from eomsym.dynamics.loop_kernel import LoopKernel, loop_kernel
from eomsym.dynamics.noise_record import Noise
from eomsym.dynamics.runs import optimizer_path
from eomsym.dynamics.shadow_start import ShadowStart, shadow_start, start_at

__all__ = [
    "EvenSteps",
    "LoopKernel",
    "Path",
    "ShadowStart",
    "even_steps",
    "integrate_by_extrapolation",
    "integrate_equation_of_motion",
    "kernel_counterterms",
    "loop_kernel",
    "optimizer_path",
    "shadow_start",
    "whole_state_terms",
]
