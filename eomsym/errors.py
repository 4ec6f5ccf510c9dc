"""The package's own errors.

Every message names the value, says what is wrong with it and what would be right, so that the command line can print it
as it is.
"""

import sys
import sysconfig
import warnings
from pathlib import Path

__all__ = [
    "EomsymError",
    "InputError",
    "IntegrationError",
    "KernelError",
    "KinkWarning",
    "LossScaleWarning",
    "MissingExtraError",
    "PrecisionWarning",
    "ResummationWarning",
    "SeriesMismatchError",
    "UnsolvableError",
]

#: Where the package is, and where others are that call it back: integrators, array libraries.
_INSIDE = tuple({str(Path(__file__).parent), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


class EomsymError(ValueError):
    """Base of all errors that eomsym raises on purpose."""


class InputError(EomsymError):
    """A value given by the user (argument, option, parameter, array) is not usable."""


class OverflowInKernelError(InputError):
    """A kernel was asked for values at a point where they leave the range of floating-point numbers."""


class KernelError(EomsymError):
    """A generated kernel is missing, is none, or does not fit what is asked of it."""


class IntegrationError(EomsymError):
    """A path left the range of floating-point numbers or an integrator gave up."""


class MissingExtraError(EomsymError, ImportError):
    """A part of the package needs another package that is not installed."""


class SeriesMismatchError(EomsymError):
    """The power series of a model are not those of its own gradient; the terms would be wrong."""


class UnsolvableError(EomsymError):
    """Conditions on a family of optimisers that none of its members meets."""


class KinkWarning(UserWarning):
    """A loss has kinks: its terms hold on one side of them."""


class LossScaleWarning(UserWarning):
    """A loss is another multiple of what goes by its name elsewhere, and a learning rate with it."""


class PrecisionWarning(UserWarning):
    """Few digits are left of the highest terms."""


class ResummationWarning(UserWarning):
    """A series has left its radius: its sum is the plain one, or far off."""


def warn_outside(message: str, category: type[Warning]) -> None:
    """Warns where the user's own code called the package, through whatever packages came between."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
