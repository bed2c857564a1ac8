"""How near the fused engine comes to what the machine can do.

Two limits are measured in the same rounds as the engine, all on all cores:

- counting: the bit-sliced counters take 7.5 vector instructions for a row of 256 signs (a full
  adder of five, loading and complementing), but neither how many of them a cycle takes nor the
  clock is known on a rented machine. So the limit is what the same kernel reaches where nothing
  else costs anything: all of 512 sources have an event in each sample, the events are listed
  already, and the signs of their synapses to 256 targets stay in the fastest cache. With the
  listing, and signs that fit the second cache, it is measured, too, for comparison;
- memory: NumPy multiplies an array much larger than the caches in place, which reads and writes
  each byte once.

The free phase is held against the first, from the step after the one in which the image arrives:
before that, sums of all signs replace the single synaptic operations. Learning is held against
the time to read and write all momenta once. It may take less, as synapses whose neurons are all
silent are left alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from contenders import Batches
from report import Report, scaled
from scaling import SAMPLES, Step, random_events, random_signs
from summary import summarize_ratio
from turns import Contender, Patience, Turns, seconds_per_call, take_turns

from lava_ep.dynamics._integrate import integrate_lists, make_room
from lava_ep.dynamics.events import SIGN_BITS, event_lists, list_signs
from lava_ep.models.fused.engines.bits import BitEngine
from lava_ep.models.fused.threads import available_cores
from lava_ep.parameters import LayerParameters, initial_parameters
from lava_ep.spec import NetworkSpec

MEMORY, FASTEST_CACHE, SECOND_CACHE = "memory", "counting_fastest_cache", "counting_second_cache"
MEMORY_ELEMENTS = 1 << 26
"""Float32 numbers that are multiplied: 256 MiB."""
LIMIT_SOURCES, LIMIT_TARGETS = 512, 256
"""16 KiB of signs, which every fastest cache holds."""
CALLS = 200
"""Calls a measurement of the counting limit, on each core."""


def _on_all_cores(pool: ThreadPoolExecutor, functions: Sequence[Callable[[], object]]) -> float:
    """Call each function on a core of its own; return seconds until all have ended."""
    begin = time.perf_counter()
    for future in [pool.submit(function) for function in functions]:
        future.result()
    return time.perf_counter() - begin


def memory_speed(pool: ThreadPoolExecutor) -> Contender:
    """Return a contender that measures seconds a byte read or written."""
    parts = np.array_split(np.ones(MEMORY_ELEMENTS, np.float32), available_cores())
    multiply = [lambda part=part: np.multiply(part, np.float32(1), out=part) for part in parts]
    moved = 2 * sum(part.nbytes for part in parts)
    return lambda number: _on_all_cores(pool, multiply) / moved


def counting_limit(pool: ThreadPoolExecutor) -> Contender:
    """Return a contender that measures seconds a synaptic operation where only counting is left."""
    rng = np.random.default_rng(0)
    events = random_events(SAMPLES, LIMIT_SOURCES, LIMIT_SOURCES, rng)
    sources, counts = event_lists(SAMPLES, LIMIT_SOURCES, SIGN_BITS)
    for row in range(SAMPLES):
        list_signs(events[row], sources[row], counts[row])
    words = random_signs(LIMIT_TARGETS, LIMIT_SOURCES, rng).forward.reshape(-1)

    def count() -> None:
        total, room = np.zeros((SAMPLES, LIMIT_TARGETS), np.int32), make_room(SAMPLES)
        for _ in range(CALLS):
            integrate_lists(words, 0, sources, counts, SAMPLES, total, 0, 0, LIMIT_TARGETS, room)

    cores = available_cores()
    operations = cores * CALLS * SAMPLES * LIMIT_SOURCES * LIMIT_TARGETS
    return lambda number: _on_all_cores(pool, [count] * cores) / operations


def counting_second_cache(pool: ThreadPoolExecutor) -> Contender:
    """Return a contender that measures the same as a time step does it, with 256 KiB of signs."""
    rng = np.random.default_rng(0)
    cores, sources, targets = available_cores(), 1024, 2048
    steps = [Step(random_signs(targets, sources, rng), sources, rng) for _ in range(cores)]
    operations = sum(step.synaptic_operations for step in steps)
    work = [step.run for step in steps]
    return lambda number: seconds_per_call(lambda: _on_all_cores(pool, work)) / operations


class EngineInParts:
    """The fused engine without Lava, timed part by part; each round shows one batch.

    Parameters
    ----------
    spec, seed
        The network.
    batches
        What it is shown.
    """

    def __init__(self, spec: NetworkSpec, seed: int, batches: Batches) -> None:
        schedule = spec.phases.schedule(seed)
        self._batches = batches
        self._free_end = schedule.free_end
        self._period = schedule.period(learning=True)
        self._engine = BitEngine(spec, batch=batches.size, schedule=schedule, learning=True)
        for index, layer in enumerate(initial_parameters(spec, seed=seed).layers):
            for field in LayerParameters.FIELDS:
                self._engine.set(index, field, getattr(layer, field))

    @property
    def momentum_bytes(self) -> int:
        """Bytes to read and write when all momenta change."""
        return 2 * sum(weights.momentum.nbytes for weights in self._engine.weights)

    def settle(self, number: int) -> float:
        """Measure the free phase of a batch; return seconds a synaptic operation."""
        engine, chosen = self._engine, self._batches.samples(number, number + 1)
        engine.set_labels(self._batches.labels[chosen].astype(np.int32))
        engine.advance(0, 1, self._batches.images[chosen].astype(np.int32))
        before = int(engine.synaptic_operations[:, 0].sum())
        begin = time.perf_counter()
        engine.advance(1, self._free_end + 1)
        seconds = time.perf_counter() - begin
        return seconds / (int(engine.synaptic_operations[:, 0].sum()) - before)

    def learn(self, number: int) -> float:
        """Finish the batch that has settled; return seconds for learning from it."""
        self._engine.advance(self._free_end + 1, self._period)
        begin = time.perf_counter()
        self._engine.learn()
        return time.perf_counter() - begin


def evaluate(turns: Turns, momentum_bytes: dict[str, int]) -> dict[str, Any]:
    """Return the limits and what share of them the networks reached.

    Parameters
    ----------
    turns
        Seconds a byte (``memory``), a synaptic operation (counting, ``settle_…``) and an update
        (``learn_…``).
    momentum_bytes
        See `EngineInParts`, for each network.
    """
    seconds = turns.values

    def per_second(name: str) -> dict[str, Any]:
        return scaled([1 / value for value in seconds[name]], 1)

    free_phase = {
        network: {
            "synaptic_operations_per_second": per_second(f"settle_{network}"),
            "share_of_counting_limit": summarize_ratio(
                seconds[FASTEST_CACHE], seconds[f"settle_{network}"]
            ),
        }
        for network in momentum_bytes
    }
    learning = {}
    for network, size in momentum_bytes.items():
        limits = [size * byte for byte in seconds[MEMORY]]
        learning[network] = {
            "milliseconds": scaled(seconds[f"learn_{network}"], 1e3),
            "momentum_bytes_read_and_written": size,
            "milliseconds_at_memory_bandwidth": scaled(limits, 1e3),
            "share_of_memory_bandwidth": summarize_ratio(limits, seconds[f"learn_{network}"]),
        }
    remarks = [
        f"{network} settles at {part['synaptic_operations_per_second']['median'] / 1e9:.1f} G "
        f"synaptic operations a second, {part['share_of_counting_limit']['median']:.0%} of what "
        "counting reaches in the fastest cache, and learns in "
        f"{learning[network]['milliseconds']['median']:.1f} ms, where moving all momenta once "
        f"takes {learning[network]['milliseconds_at_memory_bandwidth']['median']:.1f} ms"
        for network, part in free_phase.items()
    ]
    return {
        "memory_bytes_per_second": per_second(MEMORY),
        "counting_limit_synaptic_operations_per_second": per_second(FASTEST_CACHE),
        "second_cache_synaptic_operations_per_second": per_second(SECOND_CACHE),
        "free_phase": free_phase,
        "learning": learning,
        "remark": "; ".join(remarks) + ".",
    }


def measure_roofline(
    networks: Sequence[tuple[NetworkSpec, int]],
    batches: Batches,
    repeats: int,
    report: Report,
    patience: Patience,
) -> None:
    """Measure the limits, and the engine in networks with these seeds, in turns."""
    engines = {str(spec): EngineInParts(spec, seed, batches) for spec, seed in networks}
    with ThreadPoolExecutor(available_cores()) as pool:
        contenders: dict[str, Contender] = {
            MEMORY: memory_speed(pool),
            FASTEST_CACHE: counting_limit(pool),
            SECOND_CACHE: counting_second_cache(pool),
        }
        for network, engine in engines.items():
            contenders[f"settle_{network}"] = engine.settle
            contenders[f"learn_{network}"] = engine.learn
        turns = take_turns(
            contenders, repeats, pids=[os.getpid()], patience=patience, label="roofline"
        )
    momentum_bytes = {network: engine.momentum_bytes for network, engine in engines.items()}
    report.add_roofline(evaluate(turns, momentum_bytes), turns)
