"""Processor time that the package takes before it does anything.

    python benchmarks/startup.py              # seconds of each way to start, user and system
    python benchmarks/startup.py --slowest 15 # also the imports that take longest

Each is a child process; the median of several counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

STARTS = {
    "import lava_ep": ("-c", "import lava_ep"),
    "import lava_ep.spec": ("-c", "import lava_ep.spec"),
    "lava-ep --help": ("-m", "lava_ep", "--help"),
    "lava-ep --version": ("-m", "lava_ep", "--version"),
    "lava-ep presets": ("-m", "lava_ep", "presets"),
    "lava-ep info": ("-m", "lava_ep", "info"),
}
"""Arguments of the interpreter by what they do."""


def seconds(arguments: tuple[str, ...]) -> float:
    """Return the processor time of an interpreter with some arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def slowest(arguments: tuple[str, ...], number: int) -> list[tuple[float, str]]:
    """Return milliseconds and names of the modules whose own import takes longest."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = []
    for line in done.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdecimal():
            found.append((int(own) / 1000, name.strip()))
    return sorted(found, reverse=True)[:number]


def main() -> None:
    """Print a line for each way to start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="children of which the median counts")
    parser.add_argument("--slowest", type=int, default=0, help="list as many imports")
    options = parser.parse_args()
    for name, arguments in STARTS.items():
        seconds(arguments)
        times = [seconds(arguments) for _ in range(options.runs)]
        print(f"{name:20} {statistics.median(times):.2f} s")
        for own, module in slowest(arguments, options.slowest) if options.slowest else ():
            print(f"    {own:7.1f} ms  {module}")


if __name__ == "__main__":
    main()
