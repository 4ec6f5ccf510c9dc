"""Kernels that most tests share: compiled once, by the first process that asks, and kept (``kernel_cache``)."""

from fractions import Fraction
from functools import cache
from typing import Any

import kernel_cache
import pytest
from filelock import FileLock

from eomsym import optimizers
from eomsym.codegen import COMMITTED, KernelSpec, kernel_for
from eomsym.models import MLP


def _accuracy(activation: str, loss: str, weight_decay: float = 0.0) -> KernelSpec:
    """Two hidden layers, as wide, whose code is compiled once; and an order that takes steps back."""
    return KernelSpec(MLP([2, 4, 4, 3], activation, loss, weight_decay), 6)


def _rule(name: str) -> KernelSpec:
    settings = optimizers.get(name).complete({}, trial=True)
    return KernelSpec(MLP([2, 3, 1], "tanh", "mse", weight_decay=0.01), 3, name, settings=tuple(settings.items()))


def _normalized(layers: tuple[int, ...], kind: str) -> KernelSpec:
    """Two hidden layers, so that what comes back passes one normalisation on its way to the other."""
    return KernelSpec(MLP(layers, "tanh", "cross-entropy", 0.3, normalization=kind), 6)


#: Every activation, each with one loss, and one with both; weight decay in some.
ACCURACY = {
    "tanh mse": _accuracy("tanh", "mse"),
    "tanh cross-entropy": _accuracy("tanh", "cross-entropy", 0.3),
    "sigmoid cross-entropy": _accuracy("sigmoid", "cross-entropy"),
    "softplus cross-entropy": _accuracy("softplus", "cross-entropy", 0.01),
    "gelu mse": _accuracy("gelu", "mse"),
    "silu cross-entropy": _accuracy("silu", "cross-entropy"),
    "sin mse": _accuracy("sin", "mse"),
    "identity mse": _accuracy("identity", "mse", 0.3),
    #: Its balance is conserved by gradient flow.
    "identity mse, no bias": KernelSpec(MLP([2, 4, 4, 3], "identity", "mse", bias=False), 6),
}
#: What stands for all rules: everything componentwise, fields of batches, fields of players.
RULES = {name: _rule(name) for name in ("adam(inside=yes, corrected=no)", "random-reshuffling", "alternating-players")}
NORMALIZED = {
    kind: _normalized(layers, kind)
    for kind, layers in (("weight", (2, 4, 4, 3)), ("layer", (2, 4, 4, 3)), ("batch", (2, 3, 3, 2)))
}
#: A rule and a normalisation in one kernel.
HEAVY_BALL = KernelSpec(
    MLP([3, 4, 2], "tanh", "mse", normalization="layer"), 2, "heavy-ball", settings=(("beta", Fraction(1, 2)),)
)
_TINY = MLP([2, 3, 1], "tanh", "mse")
#: Asked for less, it has what a kernel of a lower order has.
HIGH_ORDER = KernelSpec(MLP([2, 3, 3], "tanh", "cross-entropy"), 11)
SPECS = {
    **dict(zip(("digits", "teacher", "moons"), COMMITTED, strict=True)),
    "iris": KernelSpec(MLP([4, 9, 3], "gelu", "cross-entropy"), 1),
    "tiny": KernelSpec(_TINY, 8),
    #: Matrices alone.
    "no bias": KernelSpec(MLP([2, 3, 2], "tanh", "mse", bias=False), 4),
    #: What a study of order 12 needs.
    "tiny, double-double": KernelSpec(_TINY, 13, precision="double-double"),
    **ACCURACY,
    **RULES,
    **NORMALIZED,
    "heavy-ball": HEAVY_BALL,
    "high order": HIGH_ORDER,
}


@cache
def kernel(name: str) -> Any:
    """The kernel of the table by its name.  While another process compiles it, this one waits."""
    kernel_cache.folder().mkdir(parents=True, exist_ok=True)
    with FileLock(kernel_cache.folder() / f"{name}.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setenv("EOMSYM_CACHE", str(kernel_cache.folder()))
        return kernel_for(SPECS[name])
