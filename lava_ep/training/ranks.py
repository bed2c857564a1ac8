"""The processes that train one network together, of which there is one unless MPI started more."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError, LavaEPError
from lava_ep.spec import ExperimentSpec

Result = TypeVar("Result")

PATIENCE = 2e-4
"""Seconds that a rank looks for the others all the time, before it sleeps in between."""

PAUSE = 5e-5
"""Seconds that it then sleeps at a time."""

FAREWELL = 0.5
"""Seconds that a rank that has failed waits for mpirun to read why, before it ends all."""


class Ranks:
    """A single process, which has every batch to itself: sums over ranks are what it has.

    Attributes
    ----------
    rank
        Number of this process, from 0.
    size
        Number of all of them.
    """

    rank = 0
    size = 1

    def __enter__(self) -> Ranks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    @property
    def first(self) -> bool:
        """Whether this is the process that reads, writes and tells the user."""
        return self.rank == 0

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all ranks of integers, in their own type."""
        return values

    def from_first(self, make: Callable[[], Result]) -> Result:
        """Call a function on the first rank only, and return what it has returned on all."""
        return make()

    def share(self, samples: int) -> slice:
        """Return which of so many samples are this rank's: as many as the others', or one more."""
        bounds = [samples * rank // self.size for rank in (self.rank, self.rank + 1)]
        return slice(*bounds)

    def check_equal(self, digest: bytes) -> None:
        """Check that all ranks have the same parameters, by 32 bytes of checksum.

        Raises
        ------
        LavaEPError
            If they differ, so that nothing wrong is ever written to a checkpoint.
        """
        own = np.frombuffer(digest, np.uint32).astype(np.int64)
        if not np.array_equal(self.sum(own), self.size * own):
            raise LavaEPError(
                f"rank {self.rank}: has other parameters than the other ranks. They must run the "
                "same version of lava-ep on machines of the same kind"
            )


@dataclass
class Traffic:
    """What sums over ranks have cost this rank so far.

    Parameters
    ----------
    sums
        Number of them.
    bytes
        Bytes of the arrays that this rank contributed.
    seconds
        Time in them, waiting for slower ranks included.
    """

    sums: int = 0
    bytes: int = 0
    seconds: float = 0.0


class MPIRanks(Ranks):
    """The processes of an MPI communicator; leaving it by an exception ends all of them.

    MPI is called by the main thread of the host process only. The ProcessModels that Lava forks
    from it inherit MPI's memory and connections but must not use them: an MPI library keeps state
    about its peers that only the process which has initialized it may change.

    Parameters
    ----------
    communicator
        mpi4py's, of more than one rank.
    """

    def __init__(self, communicator: Any) -> None:
        self._communicator = communicator
        self.rank = communicator.Get_rank()
        self.size = communicator.Get_size()
        self.traffic = Traffic()
        self._all_failed = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all ranks if this one alone has failed: the others would wait for it for ever."""
        if error is None or self._all_failed:
            return
        if isinstance(error, LavaEPError | KeyboardInterrupt):
            print(f"lava-ep: rank {self.rank}: {str(error) or 'interrupted'}", file=sys.stderr)
        else:
            sys.excepthook(type(error), error, traceback)
        print("lava-ep: all ranks end; go on from the checkpoint with --resume", file=sys.stderr)
        sys.stderr.flush()
        # What mpirun has not read from its ranks by then, it does not show.
        time.sleep(FAREWELL)
        self._communicator.Abort(1)

    def sum(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over all ranks of integers, in their own type."""
        start = time.perf_counter()
        own = np.ascontiguousarray(values)
        total = np.empty_like(own)
        self._wait(self._communicator.Iallreduce(own, total))
        self.traffic.sums += 1
        self.traffic.bytes += own.nbytes
        self.traffic.seconds += time.perf_counter() - start
        return total

    def _wait(self, request: Any) -> None:
        """Wait without keeping a core busy, which the network of this or another rank may need."""
        start = time.perf_counter()
        while not request.Test():
            if time.perf_counter() - start < PATIENCE:
                os.sched_yield()
            else:
                time.sleep(PAUSE)

    def from_first(self, make: Callable[[], Result]) -> Result:
        """Call a function on the first rank only, and return what it has returned on all.

        Where it raises an error of ours, the first rank passes that on, and the others exit with
        the code that it stands for, in silence.
        """
        result: Any = None
        error: LavaEPError | None = None
        if self.first:
            try:
                result = make()
            except LavaEPError as failure:
                error = failure
        code = 0 if error is None else 2 if isinstance(error, InputError) else 1
        code, result = self._communicator.bcast((code, result))
        self._all_failed = code != 0
        if error is not None:
            raise error
        if code:
            raise SystemExit(code)
        found: Result = result
        return found


LAUNCHED = {
    "OMPI_COMM_WORLD_SIZE": "Open MPI",
    "PMI_SIZE": "MPICH, Intel MPI or Slurm",
}
"""Variables by which launchers tell the number of ranks, and who sets them."""


def launched_ranks(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of ranks that a launcher of MPI has started, or 1.

    Slurm's ``srun --mpi=pmix`` tells by PMIx only the number of each rank, and the number of tasks
    in its own way.
    """
    sizes = [environment[name] for name in LAUNCHED if name in environment]
    if "PMIX_RANK" in environment:
        sizes.append(environment.get("SLURM_STEP_NUM_TASKS", "1"))
    return max((int(size) for size in sizes if size.isdecimal()), default=1)


def _shared_files() -> set[Path]:
    """Return the files of shared memory that this process has mapped (Linux only)."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return set()
    found = {Path(line.split()[-1]) for line in maps.read_text().splitlines()}
    return {path for path in found if path.parent == Path("/dev/shm") and path.exists()}


def open_ranks() -> Ranks:
    """Return the ranks that this process is one of, to be entered by ``with``.

    MPI is only loaded and initialized where a launcher such as ``mpirun`` has started several
    ranks.

    Raises
    ------
    InputError
        If mpi4py is missing, or belongs to another MPI than the launcher, so that every rank would
        take itself for the only one.
    """
    launched = launched_ranks()
    if launched == 1:
        return Ranks()
    before = _shared_files()
    try:
        import mpi4py

        # One thread calls MPI, see `MPIRanks`.
        mpi4py.rc.thread_level = "funneled"
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"started as {launched} ranks, but MPI cannot be used ({error}); install lava-ep with "
            "the extra mpi: pip install 'lava-ep[mpi]'"
        ) from None
    if MPI.COMM_WORLD.Get_size() != launched:
        raise InputError(
            f"started as {launched} ranks, but {MPI.get_vendor()[0]}, which mpi4py uses, knows of "
            f"{MPI.COMM_WORLD.Get_size()}; start it with the mpirun of that MPI"
        )
    # Shared memory by which ranks of one machine talk needs no name once all have mapped it, and
    # without one, the kernel frees it however the ranks end.
    MPI.COMM_WORLD.Barrier()
    for path in _shared_files() - before:
        path.unlink(missing_ok=True)
    return MPIRanks(MPI.COMM_WORLD)


def check_ranks(spec: ExperimentSpec, backend: str, ranks: Ranks) -> None:
    """Check that an experiment can be shared among ranks, with the results of a single one.

    Raises
    ------
    InputError
        If there is more than one rank and the backend, the network or the batch is not for them.
    """
    if ranks.size == 1:
        return
    if backend != "fused":
        raise InputError(f"backend {backend!r} on {ranks.size} ranks: expected fused")
    from lava_ep.models import data_parallel  # compiles kernels

    data_parallel.check_covered(spec.ep_network)
    if spec.training.batch_size < ranks.size:
        raise InputError(
            f"training.batch_size={spec.training.batch_size} on {ranks.size} ranks: expected at "
            "least one sample for each; raise it or start fewer"
        )
