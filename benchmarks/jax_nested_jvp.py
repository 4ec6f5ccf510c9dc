"""Counter terms of one JAX network: this package beside nested ``jax.jvp`` written by hand, compile and run time.

    python benchmarks/jax_nested_jvp.py [--orders 2,4,6] [--repeats 7] [--limit 600]

Both are jitted, in float64, in one process each a case; a case that is not compiled within the limit is stopped.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

WAYS = ("eomsym", "eomsym look-ahead", "nested jvp")


def network():
    """A 2-16-16-1 network on 256 points: gradient's loss function and parameters."""
    import jax.numpy as jnp
    import numpy as np

    random = np.random.default_rng(0)
    inputs = random.standard_normal((256, 2))
    targets = np.sin(inputs[:, :1] * inputs[:, 1:])
    sizes = ((2, 16), (16, 16), (16, 1))
    params = [(jnp.asarray(random.standard_normal(size) / size[0] ** 0.5), jnp.zeros(size[1])) for size in sizes]

    def loss(params):
        value = inputs
        for weights, bias in params[:-1]:
            value = jnp.tanh(value @ weights + bias)
        weights, bias = params[-1]
        return 0.5 * jnp.mean((value @ weights + bias - targets) ** 2)

    return loss, params


def nested(loss, order):
    """``[g, ξ_0, …]`` by the Lie-derivative recursion of the paper, each directional derivative a ``jax.jvp``.

    ``ξ_m = Σ_i 1/i! Σ D_{k_1} … D_{k_{i−1}} F_{k_i}``; sums of the same length and total are shared.
    """
    from functools import cache
    from math import factorial

    import jax

    gradient = jax.grad(loss)

    def add(trees):
        return jax.tree.map(lambda *leaves: sum(leaves), *trees)

    @cache
    def field(n):
        if n == 1:
            return lambda p: jax.tree.map(lambda leaf: -leaf, gradient(p))
        parts = [(i, chain(i, n)) for i in range(2, n + 1)]
        return lambda p: add([jax.tree.map(lambda leaf, i=i: -leaf / factorial(i), part(p)) for i, part in parts])

    @cache
    def chain(length, total):
        """``Σ D_{k_1} … D_{k_{length−1}} F_{k_length}`` over k_1 + … = total."""
        if length == 1:
            return field(total)
        parts = [(field(k), chain(length - 1, total - k)) for k in range(1, total - length + 2)]
        return lambda p: add([jax.jvp(inner, (p,), (direction(p),))[1] for direction, inner in parts])

    return lambda p: [jax.tree.map(lambda leaf: -leaf, field(n)(p)) for n in range(1, order + 2)]


def case(way: str, order: int, repeats: int) -> dict[str, object]:
    """Compile time and run times of one case, and the norm of the last counter term (of the field for look-ahead)."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    import eomsym.jax

    loss, params = network()
    functions = {
        "eomsym": lambda p: eomsym.jax.counterterms(loss, p, order),
        "eomsym look-ahead": lambda p: [eomsym.jax.lookahead_field(jax.grad(loss), p, 0.01, order)],
        "nested jvp": nested(loss, order),
    }
    start = time.perf_counter()
    compiled = jax.jit(functions[way]).lower(params).compile()
    seconds = time.perf_counter() - start
    runs = []
    for _ in range(repeats):
        start = time.perf_counter()
        rows = jax.block_until_ready(compiled(params))
        runs.append(time.perf_counter() - start)
    norm = float(jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(rows[-1]))))
    return {"compile": seconds, "runs": runs, "norm": norm}


def measured(way: str, order: int, repeats: int, limit: float) -> dict[str, object] | None:
    """A case in a process of its own; None if it is not done in time."""
    command = [sys.executable, __file__, "--case", way, str(order), "--repeats", str(repeats)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout)


def line(way: str, order: int, result: dict[str, object] | None, limit: float) -> str:
    if result is None:
        return f"| {order} | {way} | more than {limit:.0f} | – | – | – |"
    runs = sorted(result["runs"])
    spread = f"{1e3 * runs[0]:.2f} … {1e3 * runs[-1]:.2f}"
    median = f"{1e3 * statistics.median(runs):.2f}"
    return f"| {order} | {way} | {result['compile']:.2f} | {median} | {spread} | {result['norm']:.12e} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", default="2,4,6")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("--case", nargs=2, metavar=("WAY", "ORDER"))
    options = parser.parse_args()
    if options.case:
        print(json.dumps(case(options.case[0], int(options.case[1]), options.repeats)))
        return
    from importlib.metadata import version

    versions = ", ".join(f"{name} {version(name)}" for name in ("jax", "jaxlib", "numpy"))
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}, {versions}")
    print("\n| order | way | compile, s | run, ms (median) | run, ms (range) | norm of the last row |")
    print("|---|---|---|---|---|---|")
    for order in map(int, options.orders.split(",")):
        for way in WAYS:
            print(line(way, order, measured(way, order, options.repeats, options.limit), options.limit), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
