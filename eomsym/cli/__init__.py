"""The command line: each command reads its arguments, makes one call of the public API and prints the result.

Nothing here imports numpy, sympy, scipy, numba or matplotlib before the command that needs them runs, so that
``eomsym --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from eomsym.errors import EomsymError

#: Exit statuses besides 0: what was asked cannot be done as asked, and the user interrupted (128 + SIGINT).
BAD_INPUT, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on ``arguments`` (default: the process's own) and return the exit status.

    0 done, 1 a check failed, 2 bad input, told in one line on stderr.
    """
    from eomsym.cli import output

    if sys.stderr is None:  # closed: what is told there is lost, as with /dev/null, and what is asked for is not
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  for the whole process
    if sys.stdout is None:
        return _refuse("standard output is closed; give it a file or /dev/null")
    if hasattr(sys.stdout, "reconfigure"):  # an ASCII terminal shows an escape
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from eomsym.cli.app import run

        return run(arguments)
    except output.UsageError as error:
        return _refuse(output.usage(error))
    except EomsymError as error:
        return _refuse(output.spelled(str(error)))
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return _refuse("not enough memory for what was asked; give smaller layers or a lower order")
    except OSError as error:
        return _refuse(output.operating_system(error))
    finally:
        output.options = ()


def _refuse(message: str) -> int:
    from eomsym.cli.output import one_line

    print(f"eomsym: {one_line(message)}", file=sys.stderr)
    return BAD_INPUT
