"""``eomsym audit``: are the higher derivatives of the model in this file right?"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Annotated, Any

from eomsym.cli import options
from eomsym.cli.groups import app, examples
from eomsym.errors import EomsymError, InputError

#: What the file knows itself as.
RUN_AS = "eomsym_audited"
CONTRACT = "let it define loss, a function of params or of (params, data), and params"


@app.command(epilog=examples("eomsym audit model.py", "eomsym audit model.py --order 4 --format json"))
def audit(
    file: Annotated[str, options.argument("FILE.py", "Python file; it is run.", show_default=False)],
    order: Annotated[int, options.option("N", "Highest derivative of the gradient.", min=1, max=6)] = 3,
    *,
    report: options.Report,
) -> int:
    """Audit the higher derivatives of a model by three routes.

    The file defines `loss`, a function of `params`, or of `(params, data)` if
    it defines `data` too, or a torch.nn.Module; and `params`, the parameters:
    a tree of arrays of JAX or of tensors of PyTorch. Give them in float64.

    Taylor coefficients of the gradient along the direction of descent are
    taken by the rules of eomsym, by differences of first gradients, and by the
    framework's derivatives of derivatives. What differs from the two others is
    to blame; then the exit status is 1.

    The file is run as a program of yours; what it prints goes to stderr.
    """
    path = _python_file(file)
    with redirect_stdout(sys.stderr):
        names = _told(path, lambda: _names_of(path))
        if not callable(names.get("loss")):
            raise InputError(f"file {file!r}: defines no loss; {CONTRACT}")
        if "params" not in names and not hasattr(names["loss"], "named_parameters"):
            raise InputError(f"file {file!r}: defines no params; {CONTRACT}")

        from eomsym.verification.auditing import audit as audited

        found = _told(path, lambda: audited(names["loss"], names.get("params"), names.get("data"), order=order))
    return report.tell(found)


def _python_file(text: str) -> Path:
    path = Path(text)
    if path.suffix != ".py":
        raise InputError(f"file {text!r}: not the name of a Python file; give one that ends in .py")
    try:
        path.open("rb").close()
    except ValueError as error:  # a null byte
        raise InputError(f"file {text!r}: {error}; give one that ends in .py") from None
    return path


def _names_of(path: Path) -> dict[str, Any]:
    """What the file defines, run as an import beside its neighbours."""
    spec = spec_from_file_location(RUN_AS, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[RUN_AS] = module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return vars(module)


def _told(path: Path, work: Callable[[], Any]) -> Any:
    """``work()``; what goes wrong with the file, or with what it defines, as one line with the place in the file."""
    try:
        return work()
    except EomsymError:
        raise
    except (Exception, SystemExit) as error:
        there = str(path.resolve())
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == there]
        said: Any = error
        if isinstance(error, SyntaxError) and error.filename == there:
            lines, said = [error.lineno], error.msg
        place = f"file {str(path)!r}, line {lines[-1]}" if lines else f"file {str(path)!r}"
        raise InputError(f"{place}: {type(error).__name__}: {said}; {CONTRACT}") from error
