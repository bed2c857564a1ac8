"""Whole networks: what our backends and the dense implementation take for a batch of samples."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from contenders import DENSE, Batches, DenseTorch, Ours, write_problem
from numpy.typing import NDArray
from report import Report
from turns import Patience, Rounds, take_turns

from lava_ep.models.fused.engine import available_cores
from lava_ep.parameters import NetworkParameters, initial_parameters
from lava_ep.spec import NetworkSpec
from lava_ep.training.session import Counters, NetworkSession

EQUAL_WEIGHTS = 0.9999
"""Least share of equal weights, as float rounding may move a state across a threshold."""
EQUAL_FLIPS = 0.95
"""Least share of flips that both made among those that either made."""


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
    sizes = spec.sizes
    forward = sum(a * b for a, b in itertools.pairwise(sizes))
    backward = forward - sizes[0] * sizes[1]
    steps = spec.phases.free_steps + (spec.phases.nudged_steps if learning else 0)
    return steps * (forward + backward)


def compare(
    start: NetworkParameters, ours: NetworkParameters, dense: list[NDArray[np.int8]]
) -> dict[str, float]:
    """Return how far both learned the same.

    Raises
    ------
    RuntimeError
        If the difference is more than rounding explains.
    """
    weights = [np.concatenate([layer.weights.ravel() for layer in p.layers]) for p in (start, ours)]
    other = np.concatenate([signs.ravel() for signs in dense])
    flipped = [side != weights[0] for side in (weights[1], other)]
    either = np.count_nonzero(flipped[0] | flipped[1])
    both = np.count_nonzero(flipped[0] & flipped[1])
    found = {
        "equal_weights": float(np.mean(weights[1] == other)),
        "equal_flips": float(both / either) if either else 1.0,
        "flipped_weights": int(np.count_nonzero(flipped[0])),
    }
    if found["equal_weights"] < EQUAL_WEIGHTS or found["equal_flips"] < EQUAL_FLIPS:
        raise RuntimeError(
            f"the two implementations did not learn the same: {found}, expected at least "
            f"{EQUAL_WEIGHTS} equal weights and {EQUAL_FLIPS} equal flips"
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


@dataclass(frozen=True)
class NetworkBenchmark:
    """One network, and who is shown the same batches in turns.

    Parameters
    ----------
    spec, seed
        The network.
    batches, rounds
        What is shown.
    backends
        Names of our backends.
    torch_python
        Interpreter with PyTorch; None to leave the dense implementation out.
    """

    spec: NetworkSpec
    seed: int
    batches: Batches
    rounds: Rounds
    backends: tuple[str, ...]
    torch_python: Path | None

    def measure(self, report: Report, patience: Patience) -> None:
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
            require_equal(trained)
            learned = next(iter(trained.values()))
            agreement: dict[str, Any] = {"exactly_equal": list(self.backends)}
            if dense is not None:
                agreement |= compare(start, learned, dense.signs(folder / "trained.npz"))
            _, predictions = self._run_task("infer", learned, dense, report, patience)
            if dense is not None:
                same = predictions == np.array(dense.predictions)
                agreement["equal_predictions"] = float(np.mean(same))
            report.add_agreement(str(self.spec), agreement)

    def _start_dense(self, start: NetworkParameters, problem: Path) -> DenseTorch:
        assert self.torch_python is not None
        schedule = self.spec.phases.schedule(self.seed)
        signs = [schedule.sign(number) for number in range(self.rounds.most_batches)]
        write_problem(problem, self.spec, start, self.batches, signs)
        return DenseTorch(self.torch_python, problem, available_cores())

    def _run_task(
        self,
        task: str,
        parameters: NetworkParameters,
        dense: DenseTorch | None,
        report: Report,
        patience: Patience,
    ) -> tuple[dict[str, NetworkParameters], NDArray[np.int64]]:
        """Return what each backend has learned, and the predictions that all made."""
        learning = task == "train"
        with ExitStack() as stack:
            ours = {
                name: Ours(
                    stack.enter_context(
                        NetworkSession(
                            self.spec,
                            batch=self.batches.size,
                            parameters=parameters,
                            seed=self.seed,
                            learning=learning,
                            backend=name,
                        )
                    ),
                    self.batches,
                )
                for name in self.backends
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
                label=f"{task} {self.spec}",
            )
            first = next(iter(ours.values()))
            samples = self.rounds.span(turns.measured)[1] * self.batches.size
            report.add_network(
                f"{task}_{self.spec}",
                turns,
                {
                    **activity(first.session.counters(), samples),
                    "dense_multiply_accumulates_per_sample": multiplications(
                        self.spec, learning=learning
                    ),
                },
            )
            learned = {n: one.session.parameters() for n, one in ours.items()} if learning else {}
            found = [np.concatenate(one.predictions) for one in ours.values()]
        if any(not np.array_equal(one, found[0]) for one in found):
            raise RuntimeError(f"the backends {self.backends} do not predict the same")
        return learned, found[0]
