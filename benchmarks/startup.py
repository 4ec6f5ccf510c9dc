"""Start-up: the command line, the package, and every committed kernel, each in fresh processes.

``python -m benchmarks.startup KERNEL`` loads a kernel and calls it twice, in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import processes, tables
from benchmarks.timing import Spread, interleaved, once

#: Seconds that issue 5 allows: ``--help``, a warm import in a fresh process, a cold compilation.
HELP, WARM, COLD = 0.3, 0.7, 15.0


def report(repeats: int, compilations: int) -> str:
    """Whole processes from start to end; then for each kernel in ``generated/`` what a compilation costs."""
    kernels = sorted((processes.ROOT / "generated").glob("*.py"))
    parts = [_processes(kernels, repeats)]
    if compilations:
        parts.append(_compilations(kernels, compilations))
    return "\n\n".join(parts)


def _processes(kernels: list[Path], repeats: int) -> str:
    programs: dict[str, tuple[list[str], float | None]] = {
        "python -c pass": (["-c", "pass"], None),
        "import numba, scipy.linalg": (["-c", "import numba, scipy.linalg"], None),
        "import eomsym": (["-c", "import eomsym"], None),
        "eomsym --help": (["-m", "eomsym", "--help"], HELP),
    }
    for path in kernels:
        load = f"import eomsym; eomsym.load({str(path)!r})"
        programs[f"load {path.stem}"] = (["-c", load], WARM)
    processes.progress("start-up: fills the caches")
    for arguments, _ in programs.values():
        _run(arguments)
    processes.progress(f"start-up: {len(programs)} programs, {repeats} times each")
    runs = {name: lambda arguments=arguments: _run(arguments) for name, (arguments, _) in programs.items()}
    times = interleaved(runs, repeats)
    rows = [[name, *_judged(Spread.of(times[name]), limit)] for name, (_, limit) in programs.items()]
    header = ("whole process, caches warm", "s", "min", "allowed", "within")
    return tables.table(header, rows)


def _judged(seconds: Spread, limit: float | None) -> list[str]:
    cells = [tables.spread(seconds), tables.number(seconds.minimum)]
    if limit is None:
        return [*cells, tables.NONE, tables.NONE]
    return [*cells, tables.number(limit), "yes" if seconds.median < limit else "no"]


def _run(arguments: list[str]) -> None:
    environment = processes.environment()
    subprocess.run(
        [sys.executable, *arguments], cwd=processes.ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
    )


def _compilations(kernels: list[Path], compilations: int) -> str:
    rows = []
    for path in kernels:
        processes.progress(f"start-up: compiles {path.stem}")
        cold = [_cold(path) for _ in range(compilations)]
        warm = processes.measured("benchmarks.startup", (path,), limit=300)
        failed = next((outcome.reason for outcome in (*cold, warm) if outcome.answer is None), None)
        if failed:
            rows.append([path.stem, failed, *[tables.NONE] * 5])
            continue
        loads = Spread.of([outcome.answer["load"] for outcome in cold])
        rows.append(
            [
                path.stem,
                *_judged(loads, COLD),
                tables.number(min(outcome.answer["cpu"] for outcome in cold)),
                f"{1e3 * warm.answer['first']:.2f} / {1e3 * warm.answer['second']:.2f}",
            ]
        )
    header = ("cold compilation", "s", "min", "allowed", "within", "CPU s, min", "first / second call warm, ms")
    return tables.table(header, rows)


def _cold(path: Path) -> processes.Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return processes.measured("benchmarks.startup", (path,), limit=300, extra={"NUMBA_CACHE_DIR": folder})


def measure(path: Path) -> dict[str, float]:
    """Seconds to load a kernel, numba being imported already, and of its first and second call; CPU seconds in all."""
    import numba  # noqa: F401  (its own import is not the kernel's)

    import eomsym

    eomsym.load  # noqa: B018  (imports the rooms that loading needs)
    loaded = []
    load = once(lambda: loaded.append(eomsym.load(path)))
    cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    kernel = loaded[0]
    arguments = _arguments(kernel)
    first, second = (once(lambda: kernel.counterterms(*arguments)) for _ in range(2))
    return {"load": load, "first": first, "second": second, "cpu": cpu}


def _arguments(kernel) -> tuple[np.ndarray, ...]:
    """Some θ, and 256 samples where the kernel takes any."""
    random = np.random.default_rng(0)
    if kernel.spec.kind != "mlp":
        return (random.random(kernel.size),)
    inputs, outputs = kernel.model.layers[0], kernel.model.layers[-1]
    labelled = kernel.model.loss == "cross-entropy"
    targets = random.integers(0, outputs, 256) if labelled else random.random((256, outputs))
    return kernel.model.initial(0), random.random((256, inputs)), targets


if __name__ == "__main__":
    processes.stay_on_one_core()
    print(json.dumps(measure(Path(sys.argv[1]))))
