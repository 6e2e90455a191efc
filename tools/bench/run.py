"""Measures the figures and writes docs/benchmarks.json and the table of docs/benchmarks.md.

    python tools/bench/run.py [GROUP ...] [--dry]

The groups are startup, objects, writes, lists, reads, watches and workloads; all, unless some are
named. Figures of groups that are not named keep what was measured before. `--dry` only prints.
"""

import argparse
import importlib
import sys
import tempfile
import time
from pathlib import Path

import machine
import report

GROUPS = ("startup", "objects", "writes", "lists", "reads", "watches", "workloads")


def main(arguments: list[str]) -> int:
    """Measure, print, write; return 0 also when a figure is not reached: the table says it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--dry", action="store_true", help="only print")
    options = parser.parse_args(arguments)
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    found = {"machine": machine.description(), "figures": {}}
    machine.load_here()
    machine.raise_open_files()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="arubeki-bench-") as folder:
        for name in options.groups or GROUPS:
            print(f"== {name}", flush=True)
            figures = importlib.import_module(name).measure(Path(folder))
            for figure in figures:
                print(report.line(figure.as_json()), flush=True)
            found["figures"][name] = [figure.as_json() for figure in figures]
    print(f"== {time.monotonic() - began:.0f} s in all")
    if not options.dry:
        report.write(found, GROUPS)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
