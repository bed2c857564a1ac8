"""Measure what training on several ranks costs, and check the scaling model of ``docs/mpi.md``.

::

    mpirun -n 2 python benchmarks/mpi_scaling.py [--out reproductions/mpi-scaling.json]

Everything is measured in one run of two ranks, in turns: the first rank trains alone while the
second sleeps, then both train together; so whatever else the machine does disturbs all of them.
The parts of the model are measured on one rank: settling, from `BitEngine`; learning from contrasts
that are given away and taken back, from a `ShareSession` whose sums are the identity; and sums over
the two ranks of arrays of several sizes. From these the time of a batch on two ranks is predicted,
and compared with the measured one.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from lava_ep.data import load_dataset
from lava_ep.models.data_parallel.engine import smallest_type
from lava_ep.models.fused.engines.bits import BitEngine
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import load_preset
from lava_ep.training import MPIRanks, NetworkSession, Ranks, open_ranks
from lava_ep.training.ranks import Traffic
from lava_ep.training.sessions import open_learner
from lava_ep.training.share_session import ShareSession

ROOT = Path(__file__).resolve().parent.parent
SHARES = (32, 64, 128)
"""Samples of a rank."""
SIZES = (10, 12, 14, 16, 18, 20, 22)
"""Logarithms of the bytes of sums."""
BATCHES = 6
"""In a measurement."""
ROUNDS = 5
SUMS = 3
"""Sums a batch of a network with two layers of neurons, see `RankEngine`."""
RANKS = (1, 2, 8, 32, 125, 250, 500, 1000)
STRONG_BATCH = 16_000
"""Samples of the batch that more and more ranks share."""
LATENCY, BANDWIDTH = 5e-6, 12.5e9
"""Seconds a message, and bytes a second, of a network of 100 Gbit/s: assumed, not measured here."""


class Counted(Ranks):
    """One rank that counts what it would send."""

    def __init__(self) -> None:
        self.traffic = Traffic()

    def sum(self, values: Any) -> Any:
        """Return the values."""
        self.traffic.sums += 1
        self.traffic.bytes += values.nbytes
        return values


class Setting:
    """The network, its samples, and how sessions with it are made."""

    def __init__(self, warm_up: int) -> None:
        self.network = load_preset("binary-mnist").network
        data = load_dataset("mnist")
        self.images, self.labels = data.x_train, data.y_train
        self.warm_up = warm_up

    def learned(self, ranks: Ranks) -> NetworkParameters:
        """Return parameters that are no longer the initial ones, on which most neurons change."""
        start = initial_parameters(self.network, seed=0)
        with self.session(start, Ranks(), 64) as session:
            show(session, self, 64, self.warm_up)
            return session.parameters()

    def session(
        self, parameters: NetworkParameters, ranks: Ranks, batch: int, *, shared: bool = False
    ) -> AbstractContextManager[NetworkSession]:
        """Return a session with batches of so many samples on all ranks together."""
        options: dict[str, Any] = {"parameters": parameters, "backend": "fused", "threads": 1}
        if shared:
            return ShareSession(
                self.network, ranks=ranks, whole_batch=batch, batch=batch, **options
            )
        return open_learner(self.network, ranks=ranks, batch=batch, **options)

    def engine(self, parameters: NetworkParameters, batch: int) -> BitEngine:
        """Return an engine without Lava around it."""
        schedule = self.network.phases.schedule(0)
        engine = BitEngine(self.network, batch=batch, schedule=schedule, learning=True, threads=1)
        for index, layer in enumerate(parameters.layers):
            for field, value in layer.arrays.items():
                engine.set(index, field, value.copy())
        return engine


def show(session: NetworkSession, setting: Setting, samples: int, batches: int) -> float:
    """Train on batches; return the seconds of each."""
    count = samples * batches
    start = time.perf_counter()
    for _ in session.stream(setting.images[:count], setting.labels[:count]):
        pass
    return (time.perf_counter() - start) / batches


def settle(engine: BitEngine, setting: Setting) -> float:
    """Take a batch through its phases without learning; return the seconds."""
    period = engine.schedule.period(learning=True)
    images = setting.images[: engine.batch].astype(np.int32)
    engine.set_labels(setting.labels[: engine.batch].astype(np.int32))
    start = time.perf_counter()
    engine.advance(0, period, images)
    return time.perf_counter() - start


def fit(columns: list[list[float]], values: list[float]) -> list[float]:
    """Return non-negative coefficients by least squares of relative errors."""
    from scipy.optimize import nnls

    weights = 1 / np.array(values)
    found, _ = nnls(np.array(columns).T * weights[:, None], np.ones(len(values)))
    return [float(value) for value in found]


def measure(ranks: MPIRanks, warm_up: int) -> dict[str, Any]:
    """Measure everything, in turns."""
    setting = Setting(warm_up)
    learned = ranks.from_first(lambda: setting.learned(ranks))
    alone: dict[int, list[float]] = {}
    given: dict[int, list[float]] = {}
    settled: dict[int, list[float]] = {}
    together: dict[int, list[float]] = {}
    sums: dict[int, list[float]] = {}
    counted, sent = {}, {}
    largest = [*SHARES, 2 * SHARES[-1]]
    with ExitStack() as stack:
        pairs = {
            share: stack.enter_context(setting.session(learned, ranks, 2 * share))
            for share in SHARES
        }
        single: dict[int, NetworkSession] = {}
        echoes: dict[int, NetworkSession] = {}
        engines: dict[int, BitEngine] = {}
        echo_ranks = {share: Counted() for share in largest}
        if ranks.first:
            for share in largest:
                single[share] = stack.enter_context(setting.session(learned, Ranks(), share))
                echo = setting.session(learned, echo_ranks[share], share, shared=True)
                echoes[share] = stack.enter_context(echo)
                engines[share] = setting.engine(learned, share)
        for _ in range(ROUNDS + 1):  # the first round warms up
            for share in largest:
                if ranks.first:
                    alone.setdefault(share, []).append(show(single[share], setting, share, BATCHES))
                    echo_ranks[share].traffic = Traffic()
                    given.setdefault(share, []).append(show(echoes[share], setting, share, BATCHES))
                    counted[share] = echo_ranks[share].traffic.bytes / BATCHES
                    settled.setdefault(share, []).append(settle(engines[share], setting))
                ranks.sum(np.zeros(1, np.int64))
                if share not in pairs:
                    continue
                ranks.traffic = Traffic()
                seconds = show(pairs[share], setting, share, BATCHES)
                together.setdefault(share, []).append(seconds)
                sent[share] = ranks.traffic.bytes / BATCHES
            for size in SIZES:
                values = np.ones(2**size, np.int8)
                ranks.sum(np.zeros(1, np.int64))
                start = time.perf_counter()
                ranks.sum(values)
                sums.setdefault(2**size, []).append(time.perf_counter() - start)
    if not ranks.first:
        return {}
    part = {
        name: {key: median(values[1:]) for key, values in found.items()}
        for name, found in {
            "alone": alone,
            "given": given,
            "settled": settled,
            "together": together,
            "sums": sums,
        }.items()
    }
    return part | {"bytes_given": counted, "bytes_sent": sent}


def model(found: dict[str, Any]) -> dict[str, Any]:
    """Fit the parts of the model and predict the time of a batch on two ranks."""
    shares = list(found["given"])
    settle_fixed, settle_sample = fit(
        [[1.0] * len(shares), [float(b) for b in shares]], [found["settled"][b] for b in shares]
    )
    rest = [max(found["given"][b] - found["settled"][b], 1e-6) for b in shares]
    learn_fixed, learn_byte = fit(
        [[1.0] * len(shares), [found["bytes_given"][b] for b in shares]], rest
    )
    sizes = list(found["sums"])
    latency, sum_byte = fit(
        [[1.0] * len(sizes), [float(size) for size in sizes]], [found["sums"][n] for n in sizes]
    )
    compared = {}
    for share, measured in found["together"].items():
        size = found["bytes_sent"][share]
        predicted = (
            settle_fixed
            + settle_sample * share
            + learn_fixed
            + learn_byte * size
            + SUMS * latency
            + sum_byte * size
        )
        compared[share] = {
            "measured_seconds": measured,
            "predicted_seconds": predicted,
            "measured_over_predicted": measured / predicted,
            "strong_speedup_measured": found["alone"][2 * share] / measured,
            "strong_speedup_predicted": found["alone"][2 * share] / predicted,
            "weak_efficiency_measured": found["alone"][share] / measured,
            "weak_efficiency_predicted": found["alone"][share] / predicted,
        }
    return {
        "settle_seconds": {"batch": settle_fixed, "sample": settle_sample},
        "learn_seconds": {"batch": learn_fixed, "byte": learn_byte},
        "sum_seconds": {"sum": latency, "byte": sum_byte},
        "two_ranks": compared,
    }


def plan(parts: dict[str, Any], sizes: tuple[int, ...], levels: int) -> dict[str, Any]:
    """Predict the time of a batch on up to 1000 ranks, with a network between machines.

    Everything is taken to be touched, which is the most that can be sent.
    """
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    found: dict[str, Any] = {"latency": LATENCY, "bandwidth": BANDWIDTH, "ranks": {}}
    for ranks in RANKS:
        line = {}
        for kind, share in (("weak", 64.0), ("strong", STRONG_BATCH / ranks)):
            batch = round(share * ranks)
            size = sum(
                n * m * smallest_type(batch * top).itemsize
                for (n, m), top in zip(shapes, (levels, *[1] * len(shapes)), strict=False)
            )
            settling = parts["settle_seconds"]["batch"] + parts["settle_seconds"]["sample"] * share
            learning = parts["learn_seconds"]["batch"] + parts["learn_seconds"]["byte"] * size
            messages = SUMS * 2 * math.ceil(math.log2(ranks)) * LATENCY
            sending = messages + 2 * (ranks - 1) / ranks * size / BANDWIDTH
            line[kind] = {
                "batch": batch,
                "bytes": size,
                "settle_seconds": settling,
                "learn_seconds": learning,
                "sum_seconds": sending,
                "seconds": settling + learning + sending,
                "samples_a_second": batch / (settling + learning + sending),
            }
        found["ranks"][ranks] = line
    return found


def touched(warm_up: int) -> dict[str, dict[int, float]]:
    """Return the bytes that a batch makes a rank send, as a share of the dense matrices."""
    setting = Setting(warm_up)
    learned = setting.learned(Ranks())
    sizes = setting.network.sizes
    found: dict[str, dict[int, float]] = {"bytes": {}, "share_of_dense_int32": {}}
    dense = 4 * sum(n * m for n, m in zip(sizes[1:], sizes[:-1], strict=True))
    for batch in (16, 64, 256, 1024, 4096):
        ranks = Counted()
        with setting.session(learned, ranks, batch, shared=True) as session:
            show(session, setting, batch, 4)
        found["bytes"][batch] = ranks.traffic.bytes / 4
        found["share_of_dense_int32"][batch] = ranks.traffic.bytes / 4 / dense
    return found


def main() -> None:
    """Measure, compare, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warm-up", type=int, default=60, help="batches learned from before")
    parser.add_argument("--out", type=Path, default=ROOT / "reproductions" / "mpi-scaling.json")
    options = parser.parse_args()
    with open_ranks() as ranks:
        if not isinstance(ranks, MPIRanks) or ranks.size != 2:
            raise SystemExit("start this with: mpirun -n 2 python benchmarks/mpi_scaling.py")
        found = measure(ranks, options.warm_up)
        content = {}
        if ranks.first:
            network = load_preset("binary-mnist").network
            parts = model(found)
            content = {
                "network": str(network),
                "dense_bytes_int32": 4 * math.prod(network.sizes[:2])
                + 4 * math.prod(network.sizes[1:]),
                "measured": found,
                "model": parts,
                "plan": plan(parts, network.sizes, network.input_levels),
                "touched": touched(options.warm_up),
            }
            options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        ranks.sum(np.zeros(1, np.int64))
    for share, line in content.get("model", {}).get("two_ranks", {}).items():
        print(f"{share} samples a rank: " + ", ".join(f"{k} {v:.4g}" for k, v in line.items()))


if __name__ == "__main__":
    main()
