"""Medians and spreads of repeated measurements, and what they were measured on."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from lava_ep.models.fused.threads import available_cores

PACKAGES = ("lava-ep", "lava-nc", "numpy", "numba")


def summarize(values: Sequence[float]) -> dict[str, float | int]:
    """Return median, smallest and largest value and their number.

    Raises
    ------
    ValueError
        If there is no value.
    """
    if not values:
        raise ValueError("no measurements to summarize: expected at least one")
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "runs": len(values),
    }


def summarize_ratio(slower: Sequence[float], faster: Sequence[float]) -> dict[str, float | int]:
    """Summarize how many times faster one thing is than another.

    Measurement i of one is divided by measurement i of the other, which was taken right after it,
    so that a change of the machine's speed in the course of a benchmark cancels.

    Raises
    ------
    ValueError
        If the numbers of measurements differ.
    """
    return summarize([a / b for a, b in zip(slower, faster, strict=True)])


def cpu_model() -> str:
    """Return the name of the processor, as far as the operating system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def describe_machine() -> dict[str, Any]:
    """Return what a reader has to know about the machine to understand a time."""
    return {
        "cpu": cpu_model(),
        "cores": available_cores(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


class ForeignLoad:
    """How busy other programs keep the machine from the making of this object on.

    Parameters
    ----------
    pids
        The processes under measurement.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._begin = self._foreign_seconds(), time.perf_counter()

    def cores(self) -> float:
        """Return the number of cores that all other programs together have kept busy."""
        seconds, now = self._foreign_seconds(), time.perf_counter()
        # Clock ticks of all cores and of single processes are rounded apart.
        return max(0.0, (seconds - self._begin[0]) / (now - self._begin[1]))

    def _foreign_seconds(self) -> float:
        total = psutil.cpu_times()
        busy = sum(total) - total.idle
        # Waiting keeps no core busy, and guests are part of "user" already.
        busy -= sum(getattr(total, name, 0.0) for name in ("iowait", "guest", "guest_nice"))
        own = (process.cpu_times() for process in self._processes)
        return float(busy - sum(times.user + times.system for times in own))
