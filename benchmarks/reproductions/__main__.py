"""``python -m benchmarks.reproductions [NAME ...] [--output FOLDER]``: run, and write numbers, pictures and pages."""

from __future__ import annotations

import argparse
import json
import time
from importlib import import_module
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks.reproductions.pages import DOCS, PLACES, file, page
from eomsym.cli.output import progress, save
from eomsym.files import write_atomically


def run(name: str, folder: Path) -> None:
    """One reproduction, from its measurement to its page."""
    module = import_module(f"benchmarks.reproductions.{name}")
    with progress(name) as bar:
        # Through JSON, so that the picture and the page have what is read again.
        text = json.dumps(module.measure(bar or (lambda done, total: None)), indent=1, allow_nan=False) + "\n"
    numbers = json.loads(text)
    save(module.draw(numbers), file(name, ".png", folder))
    write_atomically(file(name, ".json", folder), text.encode())
    write_atomically(file(name, ".md", folder), page(name, numbers).encode())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproductions", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PLACES)}; without, all")
    parser.add_argument("--output", type=Path, default=DOCS, metavar="FOLDER")
    options = parser.parse_args()
    unknown = set(options.names) - set(PLACES)
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: no such reproduction; choose from {', '.join(PLACES)}")
    for name in options.names or PLACES:
        begin = time.perf_counter()
        with threadpool_limits(limits=1, user_api="blas"):
            run(name, options.output)
        print(f"{file(name, '.md', options.output)}  {time.perf_counter() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
