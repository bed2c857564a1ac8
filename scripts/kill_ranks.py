"""Kill a random process of an MPI job at a random moment, again and again, and count the losses.

::

    python scripts/kill_ranks.py [--kills 20] [--out reproductions/mpi-kills.json]

A run on two or three ranks is started, or resumed, and one of its operating-system processes gets
SIGKILL: a rank, or a ProcessModel that a rank has forked. After each kill the job has to end by
itself with an error, leave no process and no shared memory behind, and leave all checkpoints that
there were, readable. At the end one process finishes the run, whose checkpoint and metrics have to
be those of a run that nobody has disturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from lava_ep.training import RunFolder

ROOT = Path(__file__).resolve().parent.parent
EPOCHS = 80
OPTIONS = [
    *("--preset", "binary-digits", "--backend", "fused", "--threads", "1", "--no-report"),
    *("--set", "network.layers.0.neurons=256", "--set", "training.batch_size=32"),
]
COMMAND = [sys.executable, "-m", "lava_ep", "train"]
MOST_EPOCHS = 2
"""Epochs that a job may add to the run before it is killed, at most."""
LONGEST_DELAY = 6.0
"""Seconds after the start, or after those epochs, until it is killed, at most."""


def start(out: Path, ranks: int, errors: Path) -> subprocess.Popen[bytes]:
    """Start a run, or go on with it."""
    going_on = RunFolder(out).exists()
    options = ["--resume", "--backend", "fused", "--threads", "1", "--no-report"]
    if not going_on:
        options = [*OPTIONS, "--epochs", str(EPOCHS)]
    mpirun = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    with errors.open("wb") as file:
        return subprocess.Popen(
            [*mpirun, *COMMAND, *options, "--out", str(out)], stdout=file, stderr=file
        )


def members(out: Path) -> dict[str, list[psutil.Process]]:
    """Return the processes of a job: its ranks, and what they have forked."""
    found: dict[str, list[psutil.Process]] = {"rank": [], "ProcessModel": []}
    ours: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
            if str(out) in line and "lava_ep" in line and "mpirun" not in Path(line[0]).name:
                ours[process.pid] = process
        except psutil.Error:
            continue
    for process in ours.values():
        try:
            found["ProcessModel" if process.ppid() in ours else "rank"].append(process)
        except psutil.Error:
            continue
    return found


def shared_memory() -> set[str]:
    """Return the names of shared memory on this machine."""
    folder = Path("/dev/shm")
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def digests(run: RunFolder) -> dict[int, str]:
    """Return the checksums of all checkpoints, by epoch."""
    found = {}
    for epoch, path in run.checkpoints().items():
        found[epoch] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def without_times(run: RunFolder) -> list[dict[str, Any]]:
    """Return the metrics of a run that do not depend on the machine."""
    return [
        {key: value for key, value in entry.items() if not key.endswith("seconds")}
        for entry in run.metrics()
    ]


def kill_once(out: Path, chance: random.Random, logs: Path) -> dict[str, Any]:
    """Run a job, kill one of its processes, and return what was left of it."""
    ranks = chance.choice((2, 3))
    memory = shared_memory()
    began = time.monotonic()
    run = RunFolder(out)
    wanted = max(run.checkpoints(), default=0) + chance.randint(0, MOST_EPOCHS)
    job = start(out, ranks, logs)
    while max(run.checkpoints(), default=0) < wanted and job.poll() is None:
        time.sleep(0.01)
    # Before that there is nothing to kill.
    while not any(members(out).values()) and job.poll() is None:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, LONGEST_DELAY))
    delay = time.monotonic() - began
    before = digests(RunFolder(out))
    there = {kind: found for kind, found in members(out).items() if found}
    if job.poll() is not None or not there:
        job.wait()
        raise SystemExit(f"the job ended before it was killed: {logs.read_text()[-2000:]}")
    kind = chance.choice(sorted(there))
    chance.choice(there[kind]).kill()
    killed = time.monotonic()
    code = job.wait(timeout=120)
    ended = time.monotonic() - killed
    gone, patience = False, time.monotonic() + 10
    while not gone and time.monotonic() < patience:
        gone = not any(members(out).values())
    after = digests(RunFolder(out))
    newest = max(before, default=0)
    if run.exists():
        run.latest(run.spec().network)  # raises if it is damaged
    return {
        "ranks": ranks,
        "killed": kind,
        "seconds_after_start": round(delay, 2),
        "epochs_before": newest,
        "epochs_after": max(after, default=0),
        "exit_code": code,
        "seconds_to_end": round(ended, 2),
        "processes_left": sum(map(len, members(out).values())),
        "shared_memory_left": len(shared_memory() - memory),
        "checkpoint_lost": newest > 0 and newest not in after and max(after, default=0) < newest,
        "message": "the run is gone" if not run.exists() and newest else last_words(logs),
    }


def last_words(logs: Path) -> str:
    """Return the line that tells why a job ended."""
    lines = logs.read_text(errors="replace").splitlines()
    told = [line for line in lines if "lava-ep: rank" in line or "EXIT CODE" in line]
    return told[0].strip("= ") if told else ""


def main() -> None:
    """Kill, finish, compare, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "reproductions" / "mpi-kills.json")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lava-ep-kills-"))
    chance = random.Random(options.seed)
    kills = []
    for number in range(options.kills):
        kills.append(kill_once(folder / "run", chance, folder / "log"))
        print(number + 1, kills[-1], flush=True)
    for name in ("run", "undisturbed"):
        job = start(folder / name, 1, folder / "log")
        if job.wait() != 0:
            raise SystemExit((folder / "log").read_text())
    run, undisturbed = RunFolder(folder / "run"), RunFolder(folder / "undisturbed")
    content = {
        "epochs": EPOCHS,
        "kills": len(kills),
        "jobs_that_ended_without_error": sum(kill["exit_code"] == 0 for kill in kills),
        "longest_seconds_to_end": max(kill["seconds_to_end"] for kill in kills),
        "processes_left": sum(kill["processes_left"] for kill in kills),
        "shared_memory_left": sum(kill["shared_memory_left"] for kill in kills),
        "checkpoints_lost": sum(kill["checkpoint_lost"] for kill in kills),
        "same_checkpoints_as_undisturbed": digests(run) == digests(undisturbed),
        "same_metrics_as_undisturbed": without_times(run) == without_times(undisturbed),
        "sha256": digests(run)[EPOCHS],
        "each": kills,
    }
    options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder)
    print({key: value for key, value in content.items() if key != "each"})
    if not content["same_checkpoints_as_undisturbed"] or content["checkpoints_lost"]:
        raise SystemExit("something was lost")


if __name__ == "__main__":
    main()
