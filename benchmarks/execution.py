"""Measure how Lava networks are executed: Lava's runtime, supervised processes, and inline.

Chains of stock Processes (LIF, Dense, LIF, …) take time steps on each, in turns (A B C A B C …) and
never at the same time. Then, what a batch of the fused backend costs beyond its engine, which has
next to nothing to compute there (64-16-10 neurons, 2 + 1 time steps). Run it with::

    python benchmarks/execution.py [--quick] [--output FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF
from turns import Patience, take_turns

from lava_ep.models.fused.network import WholeBatchModel
from lava_ep.parameters import initial_parameters
from lava_ep.runtime import supervised
from lava_ep.runtime.inline import inline
from lava_ep.spec import load_preset
from lava_ep.training import NetworkSession

PROCESSES = (3, 9, 20)
NEURONS = (10, 100, 1000)
BATCHES = (4, 64)
LEAST_STEPS = 20


def chain(processes: int, neurons: int) -> AbstractProcess:
    """Build LIF, Dense, LIF, … and return the first."""
    rng = np.random.default_rng(0)
    first = last = LIF(shape=(neurons,), bias_mant=rng.random(neurons), vth=1.5)
    for position in range(1, processes):
        if position % 2:
            weights = rng.normal(size=(neurons, neurons)) / np.sqrt(neurons)
            following = Dense(weights=weights)
            last.s_out.connect(following.s_in)
        else:
            following = LIF(shape=(neurons,), vth=0.7, du=0.3, dv=0.1)
            last.a_out.connect(following.a_in)
        last = following
    return first


@contextlib.contextmanager
def on_lava(process: AbstractProcess) -> Iterator[Callable[[int], None]]:
    """Run a network on Lava's own runtime."""
    process.create_runtime(run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
    try:
        yield lambda steps: process.run(RunSteps(steps))
    finally:
        process.stop()


@contextlib.contextmanager
def on_ours(execution: Any, process: AbstractProcess) -> Iterator[Callable[[int], None]]:
    """Run a network with one of our executions."""
    with execution(process) as run:
        yield run.run


def family() -> list[int]:
    """Return this process and all that it has started."""
    me = psutil.Process()
    return [me.pid, *(child.pid for child in me.children(recursive=True))]


def measure_steps(
    processes: int, neurons: int, seconds: float, rounds: int, patience: Patience
) -> dict[str, Any]:
    """Return the time steps per second of each execution."""
    with contextlib.ExitStack() as stack:
        runs = {
            "lava": stack.enter_context(on_lava(chain(processes, neurons))),
            "processes": stack.enter_context(on_ours(supervised, chain(processes, neurons))),
            "inline": stack.enter_context(on_ours(inline, chain(processes, neurons))),
        }
        steps = {}
        for name, run in runs.items():
            run(LEAST_STEPS)
            start = time.perf_counter()
            run(LEAST_STEPS)
            each = (time.perf_counter() - start) / LEAST_STEPS
            steps[name] = max(LEAST_STEPS, int(seconds / each))

        def contender(name: str) -> Callable[[int], float]:
            def measure(number: int) -> float:
                start = time.perf_counter()
                runs[name](steps[name])
                return steps[name] / (time.perf_counter() - start)

            return measure

        found = take_turns(
            {name: contender(name) for name in runs},
            rounds,
            pids=family(),
            patience=patience,
            label=f"{processes} Processes of {neurons} neurons",
        )
    result = {name: statistics.median(values) for name, values in found.values.items()}
    return {"processes": processes, "neurons": neurons, "steps_per_second": result} | {
        "foreign_cores": max(found.foreign_cores)
    }


class TimedModel:
    """Sums up the seconds in which engines of this process compute."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._original = WholeBatchModel.run_spk

    def __enter__(self) -> TimedModel:
        clock, original = self, self._original

        def run_spk(model: Any) -> None:
            for name in ("set_labels", "advance", "outputs", "learn"):
                if name not in vars(model.engine):
                    setattr(model.engine, name, clock.timed(getattr(model.engine, name)))
            original(model)

        WholeBatchModel.run_spk = run_spk  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        WholeBatchModel.run_spk = self._original  # type: ignore[method-assign]

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that also takes its time."""

        def call(*args: Any) -> Any:
            start = time.perf_counter()
            result = function(*args)
            self.seconds += time.perf_counter() - start
            return result

        return call


def measure_batch(batch: int, batches: int, rounds: int) -> dict[str, Any]:
    """Return the milliseconds of a batch with next to nothing to compute."""
    settings = load_preset("binary-digits").model_dump()
    for layer, neurons in zip(settings["network"]["layers"], (16, 10), strict=True):
        layer["neurons"] = neurons
    settings["network"]["phases"].update(free_steps=2, nudged_steps=1)
    spec = type(load_preset("binary-digits")).model_validate(settings).ep_network
    rng = np.random.default_rng(0)
    images = rng.integers(0, spec.input_levels + 1, (batch * batches, spec.inputs)).astype(np.uint8)
    labels = rng.integers(0, spec.classes, batch * batches)
    found: dict[str, list[float]] = {"processes": [], "inline": [], "engine": []}
    with contextlib.ExitStack() as stack:
        sessions = {
            execution: stack.enter_context(
                NetworkSession(
                    spec,
                    batch=batch,
                    parameters=initial_parameters(spec, seed=0),
                    backend="fused",
                    threads=1,
                    execution=execution,
                )
            )
            for execution in ("processes", "inline")
        }
        clock = stack.enter_context(TimedModel())
        for number in range(rounds + 1):
            for execution, session in sessions.items():
                clock.seconds = 0.0
                start = time.perf_counter()
                for _ in session.stream(images, labels):
                    pass
                if number:
                    each = 1e3 * (time.perf_counter() - start) / batches
                    found[execution].append(each)
                    if execution == "inline":
                        found["engine"].append(1e3 * clock.seconds / batches)
    result = {name: statistics.median(values) for name, values in found.items()}
    result["fixed_processes"] = result["processes"] - result["engine"]
    result["fixed_inline"] = result["inline"] - result["engine"]
    return {"batch": batch, "milliseconds": result}


def table(results: dict[str, Any]) -> str:
    """Return the results as tables in Markdown."""
    lines = ["| Processes | neurons | Lava | supervised | inline | inline / Lava |"]
    lines += ["|--:|--:|--:|--:|--:|--:|"]
    for row in results["steps"]:
        speed = row["steps_per_second"]
        lines.append(
            f"| {row['processes']} | {row['neurons']:,} | {speed['lava']:,.0f} | "
            f"{speed['processes']:,.0f} | {speed['inline']:,.0f} | "
            f"{speed['inline'] / speed['lava']:.1f} |"
        )
    lines += ["", "| batch | processes | inline | engine | fixed, processes | fixed, inline |"]
    lines += ["|--:|--:|--:|--:|--:|--:|"]
    for row in results["fused"]:
        ms = row["milliseconds"]
        names = ("processes", "inline", "engine", "fixed_processes", "fixed_inline")
        lines.append(f"| {row['batch']} | " + " | ".join(f"{ms[n]:.2f} ms" for n in names) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, without waiting")
    parser.add_argument("--output", type=Path, help="where to write the results (JSON)")
    options = parser.parse_args()
    seconds, rounds = (0.1, 3) if options.quick else (0.5, 7)
    patience = Patience(0.0 if options.quick else 120.0)
    results: dict[str, Any] = {"cores": os.cpu_count(), "steps": [], "fused": []}
    for processes in PROCESSES:
        for neurons in NEURONS:
            found = measure_steps(processes, neurons, seconds, rounds, patience)
            results["steps"].append(found)
    for batch in BATCHES:
        results["fused"].append(measure_batch(batch, 50 if options.quick else 300, rounds))
    print(table(results))
    if options.output is not None:
        options.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
