"""Parameters in shards: each process has products of its own part, and all add them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed

from eomsym.checks import shown
from eomsym.errors import InputError
from eomsym.tracking.differences import Differences


class Shards:
    """The parts of the parameters that the processes of a group hold, those of FSDP; one process without a group.

    Each entry of a parameter lies in one process.  Raises ``InputError`` for what is no process group.
    """

    def __init__(self, processes: Any) -> None:
        if processes is not None and not hasattr(processes, "rank"):
            raise InputError(f"processes {shown(processes)}: give a process group, such as that of the whole world")
        self._processes = processes

    def check(self, parameters: Sequence[torch.Tensor]) -> None:
        """Raises ``InputError`` for shards without a group, with whole parameters beside them, or in several copies."""
        processes = self._processes
        sharded: list[Any] = [parameter for parameter in parameters if hasattr(parameter, "placements")]
        if processes is None and sharded:
            raise InputError("the parameters are in shards: give processes=torch.distributed.group.WORLD, in each")
        if 0 < len(sharded) < len(parameters):
            raise InputError("processes: some parameters are in shards and some whole; shard all, or track those alone")
        for parameter in sharded:
            copies = [place for place in parameter.placements if not place.is_shard()]
            if copies or parameter.device_mesh.size() != processes.size():
                raise InputError("processes: some hold the same entries of a parameter; give the group of its shards")

    def own(self, parameter: Any) -> torch.Tensor:
        """The part that this process holds."""
        part: torch.Tensor = parameter.to_local() if hasattr(parameter, "placements") else parameter
        return part

    def together(self, differences: Differences) -> Differences:
        """Of all parts; every process of the group calls this at the same look."""
        return differences if self._processes is None else differences.summed(self._add)

    def _add(self, squares: np.ndarray) -> np.ndarray:
        cuda = torch.distributed.get_backend(self._processes) == "nccl"
        own = torch.as_tensor(squares, device="cuda" if cuda else "cpu")
        parts = [torch.empty_like(own) for _ in range(self._processes.size())]
        torch.distributed.all_gather(parts, own, group=self._processes)
        if len(parts) > 1 and parts[0].any() and all(torch.equal(part, parts[0]) for part in parts):
            raise InputError("processes: all hold the same parameters, not parts; track in one, with enabled=rank == 0")
        return torch.stack(parts).sum(dim=0).cpu().numpy()
