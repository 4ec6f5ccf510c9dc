"""``generate``: from a model to a kernel's file; and the kernels that are committed."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eomsym.codegen.kernel import Kernel
from eomsym.codegen.loader import load
from eomsym.codegen.locate import data_folder, user_cache
from eomsym.codegen.mlp_context import BLOCK
from eomsym.codegen.render import render
from eomsym.codegen.spec import KernelSpec, Model
from eomsym.errors import InputError, KernelError
from eomsym.files import write_atomically
from eomsym.models import MLP, ExpressionLoss

if TYPE_CHECKING:
    import sympy

#: Beyond this a kernel is generated, but not run.
MAX_BYTES = 16 * 10**9

#: What ``generated/`` holds: the kernel of the main job, and one small example of each kind.
COMMITTED = (
    KernelSpec(MLP([64, 32, 10], "tanh", "cross-entropy"), 5),
    KernelSpec(MLP([2, 16, 16, 1], "tanh", "mse"), 5),
    KernelSpec(MLP([2, 8, 2], "softplus", "cross-entropy", weight_decay=0.01), 3),
)


def generate(
    model: Model | str | sympy.Expr,
    order: int,
    *,
    variables: Sequence[str] | None = None,
    parameters: Sequence[str] = (),
    optimizer: str = "gradient-descent",
    precision: str = "double",
    output: str | os.PathLike[str] | None = None,
    **settings: object,
) -> Path:
    """Write the kernel of a model, g and ξ_0 … ξ_{order−1}; return the path of its file.

    ``model`` is an ``MLP``, ``ExpressionLoss`` or ``VectorField`` of ``eomsym.models``, or the loss itself: a text in
    ``variables``, or a SymPy expression.  ``parameters`` of such a loss are given when the kernel is called.
    Further keywords are the optimiser's settings, exact numbers; those not given take their default values.
    ``output`` is a folder, ``generated`` in the working directory if not given; it is made where missing.  A file that
    already holds these bytes is left alone.  Raises ``InputError`` for what cannot be generated, ``EomsymError`` if the
    folder cannot be written.
    """
    if not isinstance(model, Model):
        model = ExpressionLoss(model, variables, parameters)
    elif variables is not None or parameters:
        raise InputError("variables, parameters: these belong to a loss that is an expression; leave them out")
    spec = KernelSpec(model, order, optimizer, precision, tuple(settings.items()))
    return write_kernel(spec, Path("generated") if output is None else Path(output))


def write_kernel(spec: KernelSpec, folder: Path) -> Path:
    """Write one kernel into a folder, whole or not at all; return its path."""
    path = folder / f"{spec.name}.py"
    write_atomically(path, render(spec).encode())
    return path


def kernel_for(spec: KernelSpec, folder: str | os.PathLike[str] | None = None) -> Kernel:
    """A loaded kernel of this specification: from ``folder``, or the committed one, or one kept in the user's cache.

    Raises ``InputError`` if running it would take more memory than is allowed.
    """
    _check_memory(spec)
    if folder is not None:
        return load(write_kernel(spec, Path(folder)))
    if spec in COMMITTED:
        path = data_folder("generated") / f"{spec.name}.py"
        if path.is_file() and path.read_bytes() == render(spec).encode():
            return load(path)
    return load(write_kernel(spec, user_cache()))


def _check_memory(spec: KernelSpec) -> None:
    """Rows of results and what adds up to them, the stages of an integrator, and the series of a block of samples."""
    if not isinstance(spec.model, MLP):
        return
    terms, units = spec.order + 1, sum(spec.model.layers[1:-1])
    demand = 8 * (spec.model.size * (4 * terms + 20) + BLOCK * units * (terms + 1) ** 2)
    if demand > MAX_BYTES:
        widths = ",".join(map(str, spec.model.layers))
        raise InputError(
            f"layers {widths}: order {spec.order} of {spec.model.size} parameters would take "
            f"about {demand / 1e9:.2g} GB, and {MAX_BYTES / 1e9:g} are allowed; give smaller layers or a lower order"
        )


def write_committed(folder: Path | None = None) -> list[Path]:
    """Writes every committed kernel again; returns their paths."""
    return [write_kernel(spec, folder or data_folder("generated")) for spec in COMMITTED]


def check_committed(folder: Path | None = None) -> list[str]:
    """Unified diffs between the committed kernels and what the generator writes; empty if none differ.

    A file that is missing differs from one that is there; so does one that the generator does not write.
    """
    place = folder or data_folder("generated")
    expected = {f"{spec.name}.py": render(spec) for spec in COMMITTED}
    present = {path.name: _read(path) for path in place.glob("*.py")}
    diffs = []
    for name in sorted(expected.keys() | present.keys()):
        old, new = (texts.get(name, "").splitlines(keepends=True) for texts in (present, expected))
        made = f"generated/{name} (committed)", f"generated/{name} (generator)"
        diffs.append("".join(difflib.unified_diff(old, new, *made)))
    return [diff for diff in diffs if diff]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise KernelError(f"kernel {path}: cannot be read as text ({error})") from error
