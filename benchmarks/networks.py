"""Whole networks: what our backends and the dense implementation take for a batch of samples."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from contenders import DENSE, FUSED, Batches, DenseTorch, Ours, write_problem
from numpy.typing import NDArray
from report import Measurements
from turns import Patience, Rounds, take_turns

from lava_ep.dynamics import Convolution
from lava_ep.models.fused.engines.populations import PopulationEngine
from lava_ep.models.fused.threads import available_cores
from lava_ep.parameters import LayerParameters, NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec
from lava_ep.training.session import Counters, NetworkSession

Array = NDArray[Any]

EQUAL_WEIGHTS = 0.9999
"""Least share of equal signs, as float rounding may move a state across a threshold."""
EQUAL_FLIPS = 0.95
"""Least share of flips that both made among those that either made."""
DIFFERENT_CHANGES = 1e-3
"""Largest norm of the difference between two changes of real weights, in units of their norm."""
DIFFERENT_SPIKES = 0.05
"""The same of spiking networks, where rounding may move a spike to the next time step."""
DIFFERENT_IN_DOUBLE = 1e-9
"""The same, in double precision."""


def activity(counters: Counters, samples: int) -> dict[str, dict[str, float]]:
    """Return events and synaptic operations of one sample."""
    return {
        f"{name}_per_sample": dict(
            zip(("free", "nudged"), (values / samples).tolist(), strict=True)
        )
        for name, values in (
            ("events", counters.events),
            ("synaptic_operations", counters.synaptic_operations),
        )
    }


def multiplications(spec: NetworkSpec, *, learning: bool) -> int:
    """Multiply-accumulates that the dense network's time steps take for one sample."""
    every = [
        math.prod(
            connection.sum_shape if isinstance(connection, Convolution) else (connection.n_post,)
        )
        * connection.fan_in
        for connection in spec.connections
    ]
    steps = spec.phases.free_steps + (spec.phases.nudged_steps if learning else 0)
    # Nobody listens to what would go back to the image.
    return steps * (2 * sum(every) - every[0])


def _difference(start: Array, ours: Array, other: Array) -> float:
    """Return the norm of the difference between two changes, in units of the other's norm."""
    changes = [side.astype(np.float64) - start for side in (ours, other)]
    difference = float(np.linalg.norm(changes[0] - changes[1]))
    return difference / float(np.linalg.norm(changes[1])) if difference else 0.0


def differences(
    start: NetworkParameters, ours: NetworkParameters, other: NetworkParameters
) -> dict[str, Any]:
    """Return how far two learned the same: shares of binary weights, norms of real ones."""
    layers = list(zip(start.layers, ours.layers, other.layers, strict=True))
    found: dict[str, Any] = {}
    if layers[0][0].momentum is None:
        found["different_weight_changes"] = [
            _difference(*(one.weights for one in layer)) for layer in layers
        ]
    else:
        weights = [
            np.concatenate([p.weights.ravel() for p in side]) for side in zip(*layers, strict=True)
        ]
        flipped = [side != weights[0] for side in weights[1:]]
        either = np.count_nonzero(flipped[0] | flipped[1])
        both = np.count_nonzero(flipped[0] & flipped[1])
        found |= {
            "equal_weights": float(np.mean(weights[1] == weights[2])),
            "equal_flips": float(both / either) if either else 1.0,
            "flipped_weights": int(np.count_nonzero(flipped[0])),
        }
    found["different_bias_changes"] = [
        _difference(*(one.bias for one in layer)) for layer in layers
    ]
    return found


def compare(
    start: NetworkParameters,
    ours: NetworkParameters,
    dense: NetworkParameters,
    limit: float = DIFFERENT_CHANGES,
) -> dict[str, Any]:
    """Return how far both learned the same.

    Raises
    ------
    RuntimeError
        If the difference is more than rounding explains; ``limit`` is that of real weights.
    """
    found = differences(start, ours, dense)
    if not (
        found.get("equal_weights", 1.0) >= EQUAL_WEIGHTS
        and found.get("equal_flips", 1.0) >= EQUAL_FLIPS
        and max(found.get("different_weight_changes", [0.0])) <= limit
    ):
        raise RuntimeError(
            f"the two implementations did not learn the same: {found}, expected at least "
            f"{EQUAL_WEIGHTS} equal weights and {EQUAL_FLIPS} equal flips, or changes of real "
            f"weights that differ by at most {limit}"
        )
    return found


def require_equal(learned: Mapping[str, NetworkParameters]) -> None:
    """Make sure that all backends learned exactly the same.

    Raises
    ------
    RuntimeError
        If a single number differs.
    """
    (first, expected), *others = ((name, p.to_arrays()) for name, p in learned.items())
    for name, arrays in others:
        for key, array in arrays.items():
            if not np.array_equal(array, expected[key]):
                raise RuntimeError(f"backends {first} and {name} learned different {key}")


def learn(
    spec: NetworkSpec, seed: int, start: NetworkParameters, batches: Batches, first: int, dtype: str
) -> NetworkParameters:
    """Return what our engine learns from the first batches, computed with this type."""
    schedule = spec.phases.schedule(seed)
    engine = PopulationEngine(
        spec, batch=batches.size, schedule=schedule, learning=True, dtype=dtype
    )
    for index, layer in enumerate(start.layers):
        for name, array in layer.arrays.items():
            engine.set(index, name, array)
    free = schedule.free_end + 1
    for number in range(first):
        shown = batches.samples(number, number + 1)
        engine.set_labels(batches.labels[shown].astype(np.int32))
        engine.advance(0, free, batches.images[shown].astype(np.int32))
        engine.advance(free, schedule.period(learning=True))
        engine.learn()
    return NetworkParameters(
        tuple(
            LayerParameters(**{name: engine.get(index, name) for name in layer.arrays})
            for index, layer in enumerate(start.layers)
        )
    )


@dataclass(frozen=True)
class NetworkBenchmark:
    """One network, and who is shown the same batches in turns.

    Parameters
    ----------
    spec, seed
        The network.
    batches, rounds
        What is shown.
    torch_python
        Interpreter with PyTorch; None to leave the dense implementation out.
    system
        Which dense implementation, see `DenseTorch`.
    backends
        Names of our backends.
    thresholds
        Contenders that the fused backend runs as well, by name: the same network with other
        thresholds of events. They need not learn the same.
    name
        Of the network in the results; by default its sizes.
    in_double
        Where rounding comes to decide what is learned: the number of batches, from the first on,
        that both must learn the same from in double precision. How far they do in single precision
        is then reported only. 0 elsewhere.
    rounded
        Whether our backends agree up to rounding only, as spiking ones with real weights do.
    """

    spec: NetworkSpec
    seed: int
    batches: Batches
    rounds: Rounds
    torch_python: Path | None
    system: str | None = None
    backends: tuple[str, ...] = (FUSED,)
    thresholds: Mapping[str, NetworkSpec] = field(default_factory=dict)
    name: str = ""
    in_double: int = 0
    rounded: bool = False

    def measure(self, report: Measurements, patience: Patience) -> None:
        """Measure training, and then inference with what was learned.

        Raises
        ------
        RuntimeError
            If the contenders did not learn the same.
        """
        start = initial_parameters(self.spec, seed=self.seed)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            dense = None
            if self.torch_python is not None:
                dense = stack.enter_context(self._start_dense(start, folder / "problem.npz"))
                report.add_torch(dense.version)
            trained, _ = self._run_task("train", start, dense, report, patience)
            learned = trained[self.backends[0]]
            agreement: dict[str, Any] = {}
            if self.rounded:
                for name in self.backends[1:]:
                    agreement[name] = compare(start, learned, trained[name], DIFFERENT_SPIKES)
            else:
                require_equal({name: trained[name] for name in self.backends})
                agreement["exactly_equal"] = list(self.backends)
            if dense is not None:
                found = dense.learned(self.spec, folder / "trained.npz")
                check = differences if self.in_double else compare
                agreement |= check(start, learned, found)
                if self.in_double:
                    agreement["double_precision"] = self._compare_in_double(start, folder)
            for name in self.thresholds:
                agreement[name] = differences(start, trained[name], learned)
            _, predictions = self._run_task("infer", learned, dense, report, patience)
            if dense is not None:
                same = predictions == np.array(dense.predictions)
                agreement["equal_predictions"] = float(np.mean(same))
            report.add_agreement(self._name, agreement)

    @property
    def _name(self) -> str:
        return self.name or str(self.spec)

    def _start_dense(
        self, start: NetworkParameters, problem: Path, dtype: str = "float32"
    ) -> DenseTorch:
        assert self.torch_python is not None
        schedule = self.spec.phases.schedule(self.seed)
        signs = [schedule.sign(number) for number in range(self.rounds.most_batches)]
        write_problem(problem, self.spec, start, self.batches, signs)
        return DenseTorch(self.torch_python, self.system, problem, available_cores(), dtype)

    def _compare_in_double(self, start: NetworkParameters, folder: Path) -> dict[str, Any]:
        with self._start_dense(start, folder / "problem.npz", "float64") as dense:
            dense.train(0, self.in_double)
            found = dense.learned(self.spec, folder / "trained.npz")
        ours = learn(self.spec, self.seed, start, self.batches, self.in_double, "float64")
        agreement = compare(start, ours, found, DIFFERENT_IN_DOUBLE)
        return {"batches": self.in_double, **agreement}

    def _run_task(
        self,
        task: str,
        parameters: NetworkParameters,
        dense: DenseTorch | None,
        report: Measurements,
        patience: Patience,
    ) -> tuple[dict[str, NetworkParameters], NDArray[np.int64]]:
        """Return what each of ours has learned, and the predictions that all backends made."""
        learning = task == "train"
        runs = {name: (self.spec, name) for name in self.backends}
        runs |= {name: (spec, FUSED) for name, spec in self.thresholds.items()}
        with ExitStack() as stack:
            ours = {
                name: Ours(
                    stack.enter_context(
                        NetworkSession(
                            spec,
                            batch=self.batches.size,
                            parameters=parameters,
                            seed=self.seed,
                            learning=learning,
                            backend=backend,
                        )
                    ),
                    self.batches,
                )
                for name, (spec, backend) in runs.items()
            }
            pids = [os.getpid(), *(pid for one in ours.values() for pid in one.pids)]
            contenders = {name: self.rounds.contender(one.run) for name, one in ours.items()}
            if dense is not None:
                pids.append(dense.pid)
                contenders[DENSE] = self.rounds.contender(dense.train if learning else dense.infer)
            turns = take_turns(
                contenders,
                self.rounds.repeats,
                pids=pids,
                patience=patience,
                label=f"{task} {self._name}",
            )
            samples = self.rounds.span(turns.measured)[1] * self.batches.size
            counted = {
                name: activity(one.session.counters(), samples) for name, one in ours.items()
            }
            report.add_network(
                f"{task}_{self._name}",
                turns,
                {
                    **counted[self.backends[0]],
                    **{name: counted[name] for name in self.thresholds},
                    "dense_multiply_accumulates_per_sample": multiplications(
                        self.spec, learning=learning
                    ),
                },
            )
            learned = {n: one.session.parameters() for n, one in ours.items()} if learning else {}
            found = [np.concatenate(ours[name].predictions) for name in self.backends]
        if any(not np.array_equal(one, found[0]) for one in found):
            raise RuntimeError(f"the backends {self.backends} do not predict the same")
        return learned, found[0]
