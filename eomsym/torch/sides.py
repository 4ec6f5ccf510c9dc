"""On which side of its kinks a step of one's own optimiser is: its operations are watched while it is made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from eomsym.arrays.common import names
from eomsym.dynamics.sides import refuse_jump, refuse_kept
from eomsym.torch.rules import BACKEND, KINKS

#: Their values jump from one piece to the next, and their derivative does not show where.
JUMPS = frozenset(names("sign sgn floor ceil round trunc fmod remainder copysign heaviside"))
#: Linear between kinks; what a traced loss has decomposed into others included.
PIECEWISE = (KINKS | set(names("hardtanh threshold leaky_relu fmax fmin"))) - JUMPS
NORMS, WITH_KINKS = ("linalg_vector_norm", "norm"), (1, math.inf, -math.inf)


@dataclass(frozen=True)
class _Kink:
    """An operation with its inputs as they were, and the names of the ``sources`` that they depend on."""

    name: str
    apply: Any
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    moving: tuple[bool, ...]
    sources: frozenset[str]

    def side(self) -> np.ndarray:
        """The derivative along a fixed direction, which is constant between kinks."""
        places = [place for place, moves in enumerate(self.moving) if moves]
        values = [self.arguments[place] for place in places]

        def of(*moved: torch.Tensor) -> list[torch.Tensor]:
            filled = list(self.arguments)
            for place, value in zip(places, moved, strict=True):
                filled[place] = value
            made = self.apply(*filled, **self.options)
            made = made if isinstance(made, (tuple, list)) else [made]
            return [part for part in made if part.is_floating_point()]

        found = BACKEND.push(of, values, [_direction(value, place) for place, value in enumerate(values)])
        return np.concatenate([part.detach().reshape(-1).numpy() for part in found])


class Watch(TorchDispatchMode):
    """Sees the operations of a step, and what of them depends on ``sources``: tensors by their names."""

    def __init__(self, sources: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._alive: list[Any] = list(sources.values())  # so that no other tensor takes a place in storage
        #: Place in storage → names of sources and kinks that its numbers depend on.
        self._known: dict[int, set[str]] = {}
        for name, tensor in sources.items():
            self._known.setdefault(_place(tensor), set()).add(name)
        self._escaped: set[str] = set()
        self._seen: list[tuple[str, np.ndarray | _Kink]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        inputs = list(_tensors((args, kwargs)))
        sources = set[str]().union(*(self._known.get(_place(tensor), ()) for tensor in inputs))
        moves = any(tensor.is_floating_point() and _place(tensor) in self._known for tensor in inputs)
        name = function.overloadpacket.__name__
        base = name.removeprefix("_foreach_").removesuffix("_")
        kinks = set[str]()
        if moves and _has_kink(base, args):
            options = {key: value for key, value in (kwargs or {}).items() if key != "out"}
            for each in _each(args) if name.startswith("_foreach_") else [args]:
                kinks.add(_marker(len(self._seen)))
                self._seen.append((base, self._kink(base, each, options, sources)))
        made = function(*args, **(kwargs or {}))
        results = list(_tensors(made))
        if made is None and name.startswith("_foreach_"):  # they write over their first arguments
            results = list(_tensors(args[0]))
        if moves and results and not any(result.is_floating_point() for result in results):
            values = [result.detach().reshape(-1).numpy().copy() for result in results]
            self._seen.append((f"comparison {base}", np.concatenate(values)))
        if moves and not results:  # a number of Python's
            self._escaped |= sources
        if sources:
            self._alive += results
            for result in results:
                # What depends on a comparison alone is on the same side wherever that is.
                real = sources | kinks if result.is_floating_point() else sources - self._markers
                self._known.setdefault(_place(result), set()).update(real)
        return made

    @property
    def _markers(self) -> set[str]:
        return {_marker(number) for number, (_, kink) in enumerate(self._seen) if isinstance(kink, _Kink)}

    def _kink(self, base: str, args: Sequence[Any], options: Mapping[str, Any], sources: set[str]) -> _Kink:
        """A copy, as the step may write over what it has read."""
        arguments = tuple(part.detach().clone() if isinstance(part, torch.Tensor) else part for part in args)
        moving = tuple(
            isinstance(part, torch.Tensor) and part.is_floating_point() and _place(part) in self._known for part in args
        )
        bounds = {"maximum": "clamp_min", "minimum": "clamp_max"}  # of a list and a number
        exact = base if all(isinstance(part, torch.Tensor) for part in args) else bounds.get(base, base)
        return _Kink(base, getattr(torch.ops.aten, exact), arguments, options, moving, frozenset(sources))

    def sides(self, results: Mapping[str, torch.Tensor]) -> list[tuple[str, np.ndarray]]:
        """Returns name and side of each kink that ``results`` depend on, in order: the sources after the step.

        Raises ``InputError`` for what jumps, and where a memory is the maximum of itself and something new.
        """
        reached = {name: self._known.get(_place(tensor), set()) for name, tensor in results.items()}
        everything = self._escaped.union(*reached.values())
        sides = []
        for number, (name, seen) in enumerate(self._seen):
            if isinstance(seen, np.ndarray):
                sides.append((name, seen))
            elif _marker(number) in everything:
                if name in JUMPS:
                    refuse_jump(name)
                if sum(seen.moving) > 1 and any(_marker(number) in reached.get(one, ()) for one in seen.sources):
                    refuse_kept(name)
                sides.append((name, seen.side()))
        return sides


def _marker(number: int) -> str:
    return f"kink {number}"


def _has_kink(name: str, args: Sequence[Any]) -> bool:
    """Whether a result or its derivative jumps; of norms those of order 1 and infinity."""
    return name in PIECEWISE | JUMPS or (name in NORMS and len(args) > 1 and args[1] in WITH_KINKS)


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        yield from chain.from_iterable(map(_tensors, value))
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(_tensors, value.values()))


def _each(args: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """The arguments of an operation on lists, one entry of the lists after the other."""
    for place in range(len(args[0])):
        yield tuple(part[place] if isinstance(part, (tuple, list)) else part for part in args)


def _direction(value: torch.Tensor, place: int) -> torch.Tensor:
    """Numbers of which no two are equal, here and at other places, so that another entry's are seen."""
    drawn = np.random.default_rng(place).uniform(1, 2, tuple(value.shape))
    return torch.as_tensor(drawn, dtype=value.dtype)
