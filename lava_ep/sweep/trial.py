"""What a worker of Ray does for one trial.

Ray sends this module to its workers by value (see `lava_ep.sweep.tuner`), so it imports nothing
but Python's own library: loading `lava_ep` takes seconds, which would be lost in every trial.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOOK = 0.1
"""Seconds between two looks for a new epoch."""


def entries(run: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of ``metrics.jsonl``."""
    path = run / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            yield json.loads(line)


def complete(run: Path) -> bool:
    """Whether a run has been trained to its last epoch; one that lost patience trains on briefly.

    ``lava-ep train --resume`` finds at once that there is nothing more to do in the latter.
    """
    epochs = json.loads((run / "spec.json").read_text(encoding="utf-8"))["training"]["epochs"]
    covered = (run / f"checkpoint-{epochs:05d}.safetensors").exists()
    return covered and len(list(entries(run))) >= epochs


def train_trial(config: dict[str, Any]) -> None:
    """Train the run in a folder up to its last epoch, and report every epoch to Ray Tune.

    The run is trained by the command line, in a process of its own. A worker of Ray has threads
    (of gRPC and its own), whose locks Lava's forked ProcessModels would inherit in any state; and a
    trial that Ray stops has its whole network ended with that process, see
    `lava_ep.sweep.child`. What was trained before a crash is reported, and not trained again.
    """
    from ray import tune

    run = Path(config["trial"]["run_dir"])
    reported = 0

    def report() -> None:
        nonlocal reported
        for entry in list(entries(run))[reported:]:
            names = ("epoch", "test_accuracy", "train_accuracy", "seconds")
            tune.report({name: entry[name] for name in names})
            reported += 1

    report()
    if complete(run):
        return
    options = [
        "--resume",
        "--no-report",
        "--out",
        str(run),
        "--threads",
        str(config["trial"]["threads"]),
    ]
    command = [sys.executable, "-m", "lava_ep.sweep.child", str(os.getpid()), "train", *options]
    log = run.parent / f"{run.name}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while child.poll() is None:
            report()
            time.sleep(LOOK)
    finally:
        child.kill()
        child.wait()
    report()
    if child.returncode:
        words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{run}: lava-ep train ended with {child.returncode}: {words}")
    log.unlink()
