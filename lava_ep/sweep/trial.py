"""What a worker of Ray does for one trial.

Ray sends this module to its workers by value (see `lava_ep.sweep.tuner`), so it imports nothing
but Python's own library: loading `lava_ep` takes seconds, which would be lost in every trial.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOK = 0.1
"""Seconds between two looks for a new epoch."""


def entries(folder: Path) -> list[dict[str, Any]]:
    """Return the metrics of the epochs that a checkpoint covers.

    The checkpoint comes after the metrics: a trial that is stopped by them shall have both.
    """
    path = folder / "metrics.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    lines = (line for line in text.splitlines(keepends=True) if line.endswith("\n"))
    names = (path.stem for path in folder.glob("checkpoint-*.safetensors"))
    covered = max((int(name.removeprefix("checkpoint-")) for name in names), default=0)
    return [entry for entry in map(json.loads, lines) if entry["epoch"] <= covered]


_server: subprocess.Popen[str] | None = None
"""Has loaded lava_ep; it serves this worker for as long as that lives."""


def ready_server() -> subprocess.Popen[str]:
    """Return the server of this worker, started if need be."""
    global _server
    if _server is None or _server.poll() is not None:
        command = [sys.executable, "-m", "lava_ep.cli.server"]
        _server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    return _server


def run(arguments: list[str], meanwhile: Callable[[], None]) -> int:
    """Have the server run a command line and return its exit code.

    Whatever ``meanwhile`` raises ends the command, with all its processes.
    """
    server = ready_server()
    assert server.stdin is not None and server.stdout is not None
    try:
        server.stdin.write(json.dumps(arguments) + "\n")
        server.stdin.flush()
        while not select.select([server.stdout], [], [], LOOK)[0]:
            meanwhile()
        answer = server.stdout.readline()
        return int(answer) if answer else server.wait()
    except BaseException:
        server.stdin.close()
        server.wait()
        raise


def train_trial(config: dict[str, Any], *, runs: list[str], ended: list[int], threads: int) -> None:
    """Train the run in a folder up to its last epoch, and report every epoch to Ray Tune.

    The run is trained by the command line, in a process apart. A worker of Ray has threads (of gRPC
    and its own), whose locks Lava's forked ProcessModels would inherit in any state; and a trial
    that Ray stops, or whose worker dies, has its whole network ended with that process, see
    `lava_ep.cli.server`. What was trained before a crash is reported, and not trained again.

    Parameters
    ----------
    config
        Number of the ``trial``.
    runs
        Run folders of all trials.
    ended
        Trials of which there is nothing left but to report.
    threads
        See ``lava-ep train``.
    """
    from ray import tune

    folder = Path(runs[config["trial"]])
    reported = 0

    def report() -> None:
        nonlocal reported
        for entry in entries(folder)[reported:]:
            names = ("epoch", "test_accuracy", "train_accuracy", "seconds")
            tune.report({name: entry[name] for name in names})
            reported += 1

    report()
    if config["trial"] in ended:
        return
    log = folder.parent / f"{folder.name}.log"
    options = ["--resume", "--no-report", "--threads", str(threads)]
    code = run([str(log), "train", *options, "--out", str(folder)], meanwhile=report)
    report()
    if code and not (folder / "diverged.json").exists():
        words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{folder}: lava-ep train ended with {code}: {words}")
    log.unlink()
