"""The benchmark suite: ``python -m benchmarks [--quick] [--only kernels,peers] [--write]``; progress goes to stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks import (
    cases,
    kernels,
    libraries,
    machine,
    peers,
    rounds,
    startup,
    sweeps,
    symbolic_parameters,
    tracker,
    trees,
    variants,
)
from eomsym.files import write_atomically

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True)
class Size:
    """How much a run measures; ``seconds`` are for the rounds of one case."""

    nets: tuple[str, ...]
    terms: tuple[int, ...]
    variants: tuple[int, ...]
    peers: tuple[peers.Plan, ...]
    libraries: tuple[tuple[str, ...], tuple[int, ...]]
    seconds: float
    trees: float
    starts: int
    compilations: int
    derivations: int
    jobs: int
    rounds: int
    training: bool


FULL = Size(
    nets=cases.NETS,
    terms=cases.TERMS,
    variants=(3, 6),
    peers=(
        peers.Plan("tiny", (2, 3, 4, 5, 6), 40.0),
        peers.Plan("digits", cases.TERMS, 120.0),
        peers.Plan("wide", (2, 3, 4, 5), 40.0),
    ),
    libraries=(libraries.NETS, libraries.TERMS),
    seconds=3.0,
    trees=300.0,
    starts=9,
    compilations=2,
    derivations=3,
    jobs=80,
    rounds=3,
    training=True,
)
QUICK = Size(
    nets=("tiny", "digits"),
    terms=(2, 3, 5),
    variants=(3,),
    peers=(peers.Plan("digits", (3,), 20.0),),
    libraries=(("digits",), (2, 3)),
    seconds=1.0,
    trees=30.0,
    starts=3,
    compilations=0,
    derivations=1,
    jobs=12,
    rounds=1,
    training=False,
)


@dataclass(frozen=True)
class Section:
    """A title, what is to be said of the figures, and how they are measured."""

    title: str
    notes: str
    report: Callable[[Size], str]


KERNEL_NOTES = """\
K terms are g, ξ_0, …, ξ_{K−2}, all in one call of `kernel.counterterms`, its checks included; the unit is one plain
NumPy gradient of the same net and data; float64, one thread, one core. Times are medians [quartiles]. Kernel and unit
take turns, and "in units" is the median of the quotients of one turn. "to reach" are prototypes' minima on another
machine, in units of its own gradient (0.058, 0.70, 11.7 ms).
"load" compiles the kernel the first time and takes it from numba's cache later.

All processes keep the memory that they have freed (`MALLOC_TRIM_THRESHOLD_`); left alone, glibc gives it back at every
call in some processes and not in others, and NumPy's gradient then takes more than twice as long.

**A flow alone needs none of this**: at a given η the look-ahead field has the same order for K plain gradients, which
is K units; its error constant is larger (28 to 800 times at K = 10 on tiny) and it gives no single ξ_k."""
VARIANT_NOTES = """\
The same kernels on two threads (`eomsym.load(…, threads=2)`): how many times as fast as on one, median [quartiles] of
the quotients of one turn."""
PEER_NOTES = """\
Each peer runs in a process bound to one core, with one thread, in turn with eomsym's kernel, and only after its values
agreed with the kernel's to 1e-8. Quotients above 1: eomsym is faster. Tracing and compiling are reported apart; a peer
that has not done it in the time allowed is stopped there and not tried further, nor is one that takes more than 50
times as long as the kernel. torch is not compiled: what stands for it is the first call. Where a quotient is below 1,
that peer is faster than eomsym, and no claim is made there."""
LIBRARY_NOTES = """\
`eomsym.jax` under `jax.jit` and `eomsym.torch` of a `traced` loss beside what a user would write instead, all ways of a
library in turn in one process, on one core, and only after their values agreed to 1e-8. "million" is
784-1024-192-10 with 1,002,642 parameters on 256 samples. A way that takes more than 4 times as long as ours, or 12 s to
compile, is not tried with more terms: its last quotient or seconds stand there. torch-jet (`jet-for-pytorch`) has no
rules for autograd's operations and gets the gradient by hand."""
TREE_NOTES = "Coefficients of gradient descent on rooted trees, in-process seconds."
START_NOTES = """\
Whole processes from start to end, on any core. A cold compilation starts with an empty cache, numba being imported."""
ROUND_NOTES = """\
Terms of an epoch of digits in 56 batches of 32 beside the same terms of descent on all 1792 samples, by the same
generated kernel and the same solver (`kernel_counterterms`), in turn. Short calls cost what a call costs."""
TRACKER_NOTES = """\
`eomsym.torch.track`, a look every 20 or 50 steps, beside as many steps of Adam in PyTorch: 784-1000-200-10 and
784-3000-2450-10 tanh, 987,210 and 9,731,960 parameters in single precision, one thread, the processor's own time. It
keeps 12 copies of the parameters."""
RUN_NOTES = """\
What `eomsym.torch.track` says of 29 runs in single precision; docs/tracker.md explains the columns. Truth: ηλ by power
iteration on P^½HP^½ over the threshold of the rule, for batches the share of noise of twenty at frozen weights."""
GRADIENT_NOTES = """\
The noise scale tr Σ/‖g‖² in samples that `track(…, noise=2)` tells of 200 steps in shuffled batches, beside that of 200
batches at frozen weights of the same steps, where the whole gradient is taken too; and for all twelve runs together
with the error of their quotient."""
SYMBOL_NOTES = """\
Exact coefficients of update rules whose parameters stay symbols, each repeat in a fresh process."""
SWEEP_NOTES = """\
`eomsym sweep run`, whole runs in fresh processes with the kernel in numba's cache, BLAS on one thread everywhere.
"besides" is what one job costs beyond its measurement once the workers are up: handing it out, its result on disk
(fsync); the smallest of the rounds. "faster" is serial over processes, round by round. Jobs that share a
machine with another slow one another down, so the time of one job is longer beside a second one."""


def of_training(module: str, size: Size) -> str:
    """The report of a module that trains networks of PyTorch, or why there is none."""
    if find_spec("torch") is None:
        return "torch is not installed."
    return str(import_module(f"benchmarks.{module}").report()) if size.training else "Left out of a quick run."


SECTIONS = {
    "kernels": Section("Kernels", KERNEL_NOTES, lambda size: kernels.report(size.nets, size.terms, size.seconds)),
    "variants": Section(
        "Two threads",
        VARIANT_NOTES,
        lambda size: variants.report(size.nets, size.variants, size.seconds),
    ),
    "peers": Section("Peers", PEER_NOTES, lambda size: peers.report(size.peers, size.seconds)),
    "libraries": Section(
        "JAX and PyTorch against what else there is",
        LIBRARY_NOTES,
        lambda size: libraries.report(*size.libraries, size.seconds),
    ),
    "trees": Section("Trees", TREE_NOTES, lambda size: trees.report(size.trees)),
    "start-up": Section("Start-up", START_NOTES, lambda size: startup.report(size.starts, size.compilations)),
    "symbols": Section(
        "Symbols for parameters", SYMBOL_NOTES, lambda size: symbolic_parameters.report(size.derivations)
    ),
    "rounds": Section("Rounds of batches", ROUND_NOTES, lambda size: rounds.report(3 * size.starts)),
    "tracker": Section("Tracker", TRACKER_NOTES, lambda size: tracker.report(30 * size.seconds)),
    "runs": Section("Tracked runs", RUN_NOTES, lambda size: of_training("tracked_runs", size)),
    "noise": Section("Noise of gradients", GRADIENT_NOTES, lambda size: of_training("gradient_noise", size)),
    "sweeps": Section("Sweeps", SWEEP_NOTES, lambda size: sweeps.report(size.jobs, size.rounds)),
}


def main(arguments: list[str] | None = None) -> None:
    """Prints every section as soon as it is measured; writes RESULTS.md if that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer nets and terms: under three minutes")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, out of {', '.join(SECTIONS)}")
    parser.add_argument("--write", action="store_true", help="write the results into benchmarks/RESULTS.md")
    options = parser.parse_args(arguments)
    chosen = options.only.split(",")
    unknown = [name for name in chosen if name not in SECTIONS]
    if unknown:
        parser.error(f"--only: {unknown[0]!r} is no section; choose from {', '.join(SECTIONS)}")
    if options.write and (options.quick or set(chosen) != set(SECTIONS)):
        parser.error("--write: results are of a whole run; leave out --quick and --only")
    size = QUICK if options.quick else FULL
    parts = [_head()]
    print(parts[0], flush=True)
    for name in chosen:
        parts.append(_section(SECTIONS[name], size))
        print(f"\n{parts[-1]}", flush=True)
    if options.write:
        write_atomically(RESULTS, ("\n\n".join(parts) + "\n").encode())
        print(f"written: {RESULTS}", file=sys.stderr)


def _head() -> str:
    peer_versions = peers.versions() or "no peers installed"
    return f"# Benchmarks, {machine.today()}\n\n```\n{machine.description()}\npeers: {peer_versions}\n```"


def _section(section: Section, size: Size) -> str:
    return f"## {section.title}\n\n{section.notes}\n\n```\n{section.report(size)}\n```"


if __name__ == "__main__":
    main()
