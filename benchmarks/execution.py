"""Measure how Lava networks are executed: Lava's runtime, supervised processes, and inline.

Chains of stock Processes (LIF, Dense, LIF, …) take time steps on each, in turns (A B C A B C …) and
never at the same time. The fused backend trains networks inline, and its engine is timed within:
once a network with next to nothing to compute (64-16-10 neurons, 2 + 1 time steps), then published
ones. Last come whole commands: training with message passing in OS processes and inline, and a
prediction. `make bench` runs it, or::

    python benchmarks/execution.py [--quick] [--output FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
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
from summary import describe_machine
from turns import Patience, Turns, take_turns

from lava_ep.data import load_dataset
from lava_ep.estimator import EPClassifier
from lava_ep.models.fused.network import WholeBatchModel
from lava_ep.parameters import initial_parameters
from lava_ep.runtime import supervised
from lava_ep.runtime.inline import inline
from lava_ep.spec import NetworkSpec, load_preset
from lava_ep.training import open_session

PROCESSES = (3, 9, 20)
NEURONS = (10, 100, 1000)
BATCHES = (4, 64)
PUBLISHED = {"laydevant-fc": 64, "ep-1h": 20, "cep-1h": 20, "drn-xs": 4, "binary-digits": 16}
"""Presets that the fused backend trains, and their batches."""
LEAST_STEPS = 20
RESULTS = Path(__file__).resolve().parent / "results" / "execution.json"


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


def medians(found: Turns) -> dict[str, float]:
    """Return the median of what each contender measured."""
    return {name: statistics.median(values) for name, values in found.values.items()}


def both_executions(
    stack: contextlib.ExitStack, spec: NetworkSpec, batch: int, **options: Any
) -> dict[str, Any]:
    """Start a network that learns, in OS processes and inline."""
    return {
        execution: stack.enter_context(
            open_session(
                spec,
                batch=batch,
                parameters=initial_parameters(spec, seed=0),
                execution=execution,
                **options,
            )
        )
        for execution in ("processes", "inline")
    }


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
    return {
        "processes": processes,
        "neurons": neurons,
        "steps_per_second": medians(found),
        "foreign_cores": max(found.foreign_cores),
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


def small_network() -> NetworkSpec:
    """Return a network with next to nothing to compute."""
    settings = load_preset("binary-digits").model_dump()
    for layer, neurons in zip(settings["network"]["layers"], (16, 10), strict=True):
        layer["neurons"] = neurons
    settings["network"]["phases"].update(free_steps=2, nudged_steps=1)
    return type(load_preset("binary-digits")).model_validate(settings).ep_network


def samples_for(spec: NetworkSpec, samples: int) -> tuple[Any, Any]:
    """Return random images, one pixel in five lit, and labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, spec.input_levels + 1, (samples, spec.inputs))
    images *= rng.random(images.shape) < 0.2
    return images.astype(np.uint8), rng.integers(0, spec.classes, samples)


def measure_fused(
    name: str, spec: NetworkSpec, batch: int, seconds: float, rounds: int, patience: Patience
) -> dict[str, Any]:
    """Return the milliseconds of a training batch: in OS processes, inline, and in the engine."""
    with contextlib.ExitStack() as stack:
        sessions = both_executions(stack, spec, batch, backend="fused", threads=1)
        clock = stack.enter_context(TimedModel())

        def train(execution: str, batches: int) -> float:
            images, labels = samples_for(spec, batch * batches)
            clock.seconds = 0.0
            start = time.perf_counter()
            for _ in sessions[execution].stream(images, labels):
                pass
            return 1e3 * (time.perf_counter() - start) / batches

        batches = max(2, int(1e3 * seconds / train("inline", 2)))
        train("processes", 2)
        engine: list[float] = []

        def contender(execution: str) -> Callable[[int], float]:
            def measure(number: int) -> float:
                each = train(execution, batches)
                if execution == "inline":
                    engine.append(1e3 * clock.seconds / batches)
                return each

            return measure

        found = take_turns(
            {execution: contender(execution) for execution in sessions},
            rounds,
            pids=family(),
            patience=patience,
            label=f"fused {name}",
        )
    milliseconds = medians(found)
    milliseconds["engine"] = statistics.median(engine[-rounds:])
    return {
        "name": name,
        "network": str(spec),
        "batch": batch,
        "milliseconds": milliseconds,
        "fixed": {
            execution: milliseconds[execution] - milliseconds["engine"]
            for execution in ("processes", "inline")
        },
        "foreign_cores": max(found.foreign_cores),
    }


def measure_training(epochs: int, rounds: int, patience: Patience) -> dict[str, Any]:
    """Return the seconds of an epoch of `binary-digits` by message passing, started before."""
    experiment = load_preset("binary-digits")
    spec, batch = experiment.ep_network, experiment.training.batch_size
    data = load_dataset("digits")
    samples = len(data.x_train) // batch * batch
    with contextlib.ExitStack() as stack:
        sessions = both_executions(stack, spec, batch, backend="message-passing")

        def contender(execution: str) -> Callable[[int], float]:
            def measure(number: int) -> float:
                start = time.perf_counter()
                for _ in range(epochs):
                    for _ in sessions[execution].stream(
                        data.x_train[:samples], data.y_train[:samples]
                    ):
                        pass
                return (time.perf_counter() - start) / epochs

            return measure

        found = take_turns(
            {execution: contender(execution) for execution in sessions},
            rounds,
            pids=family(),
            patience=patience,
            label="training of binary-digits",
        )
    return {
        "seconds_per_epoch": medians(found),
        "foreign_cores": max(found.foreign_cores),
    }


def measure_predict(rounds: int) -> dict[str, Any]:
    """Return the milliseconds of `EPClassifier.predict` on ten digits, and of its engine."""
    data = load_dataset("digits")
    classifier = EPClassifier(max_iter=1, backend="fused")
    classifier.fit(data.x_train, data.y_train)
    total, engine = [], []
    with TimedModel() as clock:
        for number in range(rounds + 1):
            clock.seconds = 0.0
            start = time.perf_counter()
            classifier.predict(data.x_test[:10])
            if number:
                total.append(1e3 * (time.perf_counter() - start))
                engine.append(1e3 * clock.seconds)
    return {"milliseconds": statistics.median(total), "engine": statistics.median(engine)}


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
    lines += [
        "",
        "| fused | batch | processes | inline | engine | fixed, inline | inline / engine |",
    ]
    lines += ["|:--|--:|--:|--:|--:|--:|--:|"]
    for row in results["fused"]:
        ms = row["milliseconds"]
        cells = [f"{ms[key]:.2f} ms" for key in ("processes", "inline", "engine")]
        cells += [f"{row['fixed']['inline']:.2f} ms", f"{ms['inline'] / ms['engine']:.2f}"]
        lines.append(f"| {row['name']} | {row['batch']} | " + " | ".join(cells) + " |")
    seconds, predict = results["training"]["seconds_per_epoch"], results["predict"]
    lines += [
        "",
        f"binary-digits, message passing: {seconds['processes']:.2f} s per epoch in processes, "
        f"{seconds['inline']:.2f} s inline: {seconds['processes'] / seconds['inline']:.1f} times",
        f"EPClassifier.predict, ten digits, fused: {predict['milliseconds']:.1f} ms, of which the "
        f"engine takes {predict['engine']:.1f} ms",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print the tables and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, without waiting")
    parser.add_argument(
        "--output", type=Path, help=f"results (JSON; default: {RESULTS.name}, none with --quick)"
    )
    options = parser.parse_args()
    seconds, rounds = (0.1, 3) if options.quick else (0.5, 7)
    patience = Patience(0.0 if options.quick else 120.0)
    results: dict[str, Any] = describe_machine() | {"steps": [], "fused": []}
    networks = [("64-16-10", small_network(), batch) for batch in BATCHES]
    networks += [(name, load_preset(name).ep_network, batch) for name, batch in PUBLISHED.items()]
    for name, spec, batch in networks:
        results["fused"].append(measure_fused(name, spec, batch, seconds, rounds, patience))
    results["training"] = measure_training(1, rounds, patience)
    results["predict"] = measure_predict(rounds)
    for processes in PROCESSES:
        for neurons in NEURONS:
            found = measure_steps(processes, neurons, seconds, rounds, patience)
            results["steps"].append(found)
    print(table(results))
    output = options.output or (None if options.quick else RESULTS)
    if output is not None:
        output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
