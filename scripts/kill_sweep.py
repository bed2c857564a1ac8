"""Kill the driver of a sweep twice, resume it, and check that no finished trial is repeated.

::

    python scripts/kill_sweep.py [--engine local] [--trials 50] [--out FILE]

The sweep trains small networks on handwritten digits for one epoch. Its driver, ``lava-ep sweep``,
gets SIGKILL when about a third and about two thirds of the trials are finished; then all that it
has started has to end, and ``--resume`` has to finish the rest. Every trial's ``metrics.jsonl``
holds times, so a trial that was trained again would show.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from lava_ep.sweep import SweepFolder

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "lava_ep", "sweep", "--json"]
OPTIONS = [
    *("--preset", "binary-digits", "--epochs", "1", "--set", "network.layers.0.neurons=48"),
    *("--set", "data.limit_train=160", "--set", "data.limit_test=100"),
    *("--loguniform", "network.layers.0.theta=0.02:0.5", "--uniform", "training.decay=0.5:1"),
    *("--grid", "network.phases.nudging=symmetric,random-sign"),
]


LONGEST_END = 180.0
"""Seconds that the processes of a sweep may take to notice that their driver is dead, at most."""


def start(out: Path, options: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start the driver."""
    with log.open("ab") as file:
        return subprocess.Popen([*COMMAND, *options, "--out", str(out)], stdout=file, stderr=file)


def finished(folder: SweepFolder, trials: int) -> dict[int, tuple[bytes, int]]:
    """Return the metrics of finished trials, and when they were written, by number."""
    found = {}
    for number in range(trials):
        path = folder.trial(number).path
        if list(path.glob("checkpoint-*.safetensors")):
            metrics = path / "metrics.jsonl"
            found[number] = metrics.read_bytes(), metrics.stat().st_mtime_ns
    return found


def family(driver: int) -> list[psutil.Process]:
    """Return all processes that a driver has started."""
    return psutil.Process(driver).children(recursive=True)


def main() -> None:
    """Sweep, kill, resume, compare, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    name = "sweep-kills.json" if options.engine == "ray" else "sweep-kills-local.json"
    result = options.out or ROOT / "reproductions" / name
    engine = ["--engine", options.engine]
    place = Path(tempfile.mkdtemp(prefix="lava-ep-sweep-"))
    out, log = place / "sweep", place / "log"
    folder = SweepFolder(out)
    known: dict[int, tuple[bytes, int]] = {}
    kills: list[dict[str, Any]] = []
    began = time.monotonic()
    driver = start(out, [*engine, *OPTIONS, "--samples", str(options.trials // 2)], log)
    for share in (1 / 3, 2 / 3):
        while len(finished(folder, options.trials)) < share * options.trials:
            if driver.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.05)
        others = family(driver.pid)
        driver.kill()
        driver.wait()
        killed = time.monotonic()
        _, left = psutil.wait_procs(others, timeout=LONGEST_END)
        now = finished(folder, options.trials)
        repeated = [number for number, state in known.items() if now[number] != state]
        known = now
        kills.append(
            {
                "finished": len(known),
                "processes": len(others),
                "seconds_until_all_have_ended": round(time.monotonic() - killed, 1),
                "processes_left": [process.name() for process in left if process.is_running()],
                "repeated": repeated,
            }
        )
        print(kills[-1], flush=True)
        driver = start(out, [*engine, "--resume"], log)
    code = driver.wait()
    now = finished(folder, options.trials)
    content = {
        "engine": options.engine,
        "trials": options.trials,
        "finished": len(now),
        "exit_code": code,
        "repeated": [number for number, state in known.items() if now[number] != state],
        "each": kills,
        "seconds": round(time.monotonic() - began, 1),
        "result": json.loads(log.read_text().splitlines()[-1]) if code == 0 else log.read_text(),
    }
    content["result"].pop("out", None)
    result.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(content)
    if len(now) < options.trials or any(part["repeated"] for part in (content, *kills)):
        raise SystemExit("trials are missing or were repeated")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
