"""A ``torch.nn.Sequential`` as a multilayer perceptron, by the names of its modules: PyTorch is not imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from eomsym.errors import InputError

#: The activations that are the same function in both; what their options have to be.
SAME: dict[str, tuple[str, dict[str, Any]]] = {
    "Tanh": ("tanh", {}),
    "Sigmoid": ("sigmoid", {}),
    "Softplus": ("softplus", {"beta": 1}),
    "GELU": ("gelu", {"approximate": "none"}),
    "SiLU": ("silu", {}),
    "Identity": ("identity", {}),
}
#: PyTorch's softplus is the identity above; below this it would show, at 20 it is off by 2e−9 at most.
LEAST_THRESHOLD = 20
#: Where a module keeps what is called beside it.
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
OTHERWISE = "counter terms of any module are made by eomsym.torch.counterterms"


def read_sequential(sequential: Any) -> tuple[list[int], str, bool]:
    """Widths, activation, and whether there are biases.

    Raises ``InputError`` that names the module that an ``MLP`` has nothing for, and why.
    """
    widths: list[int] = []
    activations: dict[str, str] = {}
    layers: list[Any] = []
    between = False
    for place, module in _modules(sequential, ""):
        kind = _kind(module)
        if kind == "Linear":
            if widths and not between:
                activations.setdefault("identity", place)
            widths += [module.in_features] if not widths else []
            _check_linear(place, module, widths[-1], layers)
            layers.append(module)
            widths.append(module.out_features)
            between = False
        else:
            name = _activation(place, module, kind)
            if not widths or between:
                _refuse(place, kind, "an activation stands between two Linear, one in each place")
            activations.setdefault(name, place)
            between = True
    if not widths or between:
        raise InputError("sequential: the last module is not Linear; give Linear, activation, …, Linear without a loss")
    if len(activations) > 1:
        one, other = list(activations)[:2]
        raise InputError(f"sequential: module {activations[other]} is {other}, others {one}; an MLP has one for all")
    _check_moving(layers)
    return widths, next(iter(activations), "identity"), layers[0].bias is not None


def _check_moving(layers: Sequence[Any]) -> None:
    """Raises ``InputError`` where a step moves some of the weights only."""
    moves = [parameter.requires_grad for layer in layers for parameter in layer.parameters()]
    if any(moves) and not all(moves):
        raise InputError(
            "sequential: some of its parameters are frozen (requires_grad=False), an MLP's move all; "
            "eomsym.torch.counterterms holds them"
        )


def _modules(sequential: Any, within: str) -> Iterator[tuple[str, Any]]:
    """All modules with their names, those of a Sequential inside too."""
    if _kind(sequential) != "Sequential":
        raise InputError(f"sequential: {type(sequential).__name__}; give a torch.nn.Sequential, or {OTHERWISE}")
    _check_hooks(within or "(all)", sequential)
    for name, module in sequential._modules.items():  # named_children leaves out what stands there twice
        if _kind(module) == "Sequential":
            yield from _modules(module, f"{within}{name}.")
        else:
            _check_hooks(f"{within}{name}", module)
            yield f"{within}{name}", module


def _check_hooks(place: str, module: Any) -> None:
    parameters = [part for part in module._parameters.values() if part is not None]
    if any(getattr(module, hooks) for hooks in HOOKS) or any(part._backward_hooks for part in parameters):
        _refuse(place, type(module).__name__, "has a hook, which no kernel calls")


def _kind(module: Any) -> str:
    """The name of a class of PyTorch's own; '' for what somebody derived from it."""
    return type(module).__name__ if type(module).__module__.startswith("torch.nn.modules.") else ""


def _check_linear(place: str, module: Any, width: int, before: Sequence[Any]) -> None:
    if any(module is layer for layer in before):
        _refuse(place, "Linear", "stands there twice, with the same weights; an MLP has other ones in each layer")
    if before and (module.bias is None) != (before[0].bias is None):
        one, others = ("out", "") if module.bias is None else ("", "out")
        _refuse(place, "Linear", f"with{one} a bias, the first with{others}; an MLP has one in each layer or in none")
    if module.in_features != width:
        _refuse(place, "Linear", f"takes {module.in_features} features where there are {width}")


def _activation(place: str, module: Any, kind: str) -> str:
    if kind not in SAME:
        kinds = ", ".join(["Linear", *SAME])
        kinked = kind.endswith("ReLU") or kind in ("ReLU6", "Hardtanh", "Hardswish", "Hardsigmoid", "Threshold")
        why = "it has no second derivative; take Softplus or GELU" if kinked else f"an MLP is made of {kinds}"
        _refuse(place, kind or type(module).__name__, why)
    name, options = SAME[kind]
    for option, value in options.items():
        if getattr(module, option) != value:
            _refuse(place, kind, f"{option} = {getattr(module, option)!r} is another function; give {option}={value!r}")
    if kind == "Softplus" and module.threshold < LEAST_THRESHOLD:
        _refuse(
            place, kind, f"threshold = {module.threshold} makes it another function; give {LEAST_THRESHOLD} or more"
        )
    return name


def _refuse(place: str, kind: str, why: str) -> None:
    raise InputError(f"sequential: module {place} ({kind}): {why}; {OTHERWISE}")
