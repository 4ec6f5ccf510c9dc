"""What a map of blocks costs: counter terms of Muon on a network of a million parameters, in units of its own step.

``python -m benchmarks.maps``: PyTorch on one thread, float32, medians of rounds in which all take turns.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

WIDTH, SAMPLES, ROUNDS = 1000, 64, 7


def measure() -> dict[str, float]:
    """Seconds of a gradient, of a step of Muon, and of its counter terms to orders 1 and 2, checked and not."""
    import torch

    import eomsym
    from eomsym.blocks import Blocks
    from eomsym.optimizers import chosen

    torch.set_num_threads(1)
    torch.manual_seed(0)
    params = {
        "a": torch.randn(WIDTH // 2, WIDTH) / WIDTH**0.5,
        "b": torch.randn(WIDTH, WIDTH // 2) / WIDTH**0.5,
    }
    inputs, targets = torch.randn(SAMPLES, WIDTH), torch.randn(SAMPLES, WIDTH)

    def loss(params: dict[str, torch.Tensor]) -> torch.Tensor:
        return ((torch.tanh(inputs @ params["a"].T) @ params["b"].T - targets) ** 2).mean() / 2

    entry, values = chosen("muon")
    numbers = {name: float(value) for name, value in entry.complete(values).items()}
    layout = Blocks(tuple(tuple(value.shape) for value in params.values()))
    entry, theta = entry.on(layout), torch.cat([value.reshape(-1) for value in params.values()])
    memory = 0.01 * torch.randn_like(theta)

    def slope(point: torch.Tensor, field: int = 0) -> torch.Tensor:
        return torch.func.grad(lambda at: loss(dict(zip(params, layout.split(at), strict=True))))(point)

    followed = eomsym.torch.traced(loss)
    timed: dict[str, Callable[[], object]] = {
        "gradient": lambda: slope(theta),
        "step": lambda: entry.run(slope, (theta, memory), 0.01, **numbers),
    }
    for order in (1, 2):
        for check in (False, True):
            name = f"order {order}{', checked' if check else ''}"
            timed[name] = lambda order=order, check=check: eomsym.torch.counterterms(  # type: ignore[misc]
                followed, params, order, optimizer="muon", check=check
            )
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for round_ in range(ROUNDS + 1):
        for name, function in timed.items():
            begin = time.perf_counter()
            function()
            if round_:  # the first one follows and compiles
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Print them."""
    seconds = measure()
    for name, value in seconds.items():
        print(f"{name:20}{value:10.3f} s{value / seconds['step']:10.2f} steps")


if __name__ == "__main__":
    main()
