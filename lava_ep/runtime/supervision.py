"""The host's watch over the workers: every wait ends when its condition holds or a worker fails."""

from __future__ import annotations

import multiprocessing
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any

from lava_ep.errors import LavaEPError
from lava_ep.runtime.bulk import TransferArea
from lava_ep.runtime.errors import ProcessFailure, RunStateError, WorkerDied
from lava_ep.runtime.worker import READY, work

_STACK_BYTES = 1 << 24  # for the models: with "ulimit -s unlimited" threads have 2 MiB only
_REPORT_PATIENCE = 5.0  # seconds for a report that has to follow
_CAUSE_GRACE = 1.0  # seconds that the report of a cause may arrive after its consequences
_TERMINATE_GRACE = 0.5  # seconds from SIGTERM to SIGKILL


@dataclass(eq=False)
class Worker:
    """One operating-system process of the network, seen from the host."""

    name: str
    model_name: str
    description: str
    is_service: bool
    process: ForkProcess
    reports: Connection
    ready: bool = False
    gone: bool = False

    @property
    def pid(self) -> int:
        """Identifier of the operating-system process."""
        assert self.process.pid is not None
        return self.process.pid

    def failure(self, *told: str) -> ProcessFailure:
        """Return the exception that carries the worker's traceback and what else it told."""
        return ProcessFailure(self.description, self.name, self.model_name, *told)

    def death(self) -> WorkerDied:
        """Return the exception for a worker whose report channel closed without a report."""
        self.process.join(1.0)
        code = self.process.exitcode
        if code is None:
            cause = "ended or closed its report channel"
        elif code < 0:
            names = {known.value: known.name for known in signal.Signals}
            cause = f"was killed by {names.get(-code, f'signal {-code}')}"
        else:
            cause = f"exited with code {code}"
        return WorkerDied(self.description, self.name, self.model_name, self.pid, code, cause)


@dataclass(frozen=True)
class _Plan:
    """A worker that is yet to be forked."""

    builder: Any
    name: str
    model_name: str
    description: str
    is_service: bool


_forking = threading.Lock()
"""Held while a worker is forked, so that runs in several threads do not inherit half of it."""


def _require_pipes(number: int) -> None:
    """Raise OSError if one pipe and ``number`` further ones cannot be opened."""
    pipes: list[tuple[int, int]] = []
    try:
        for _ in range(number + 1):
            pipes.append(os.pipe())
    finally:
        for end in [end for pipe in pipes for end in pipe]:
            os.close(end)


def _renew_lock() -> None:
    global _forking
    _forking = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_renew_lock)


@dataclass
class Supervisor:
    """Starts the workers of one network, watches them and ends them.

    A thread waits for reports and for the end of workers without polling; it and the threads of
    Lava's ports wake those who wait in `wait`.

    Parameters
    ----------
    area : TransferArea
        Block of memory for Var transfers, handed to each worker.
    threads : int or None
        Threads of numerical libraries per worker.
    """

    area: TransferArea
    threads: int | None
    workers: list[Worker] = field(default_factory=list)
    _failure: LavaEPError | None = None
    _stopping: bool = False
    _ended: bool = False

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._planned: list[_Plan] = []
        self._thread: threading.Thread | None = None
        self._forked = threading.Event()
        self._watched = threading.Event()
        self._reaped = threading.Event()
        self._obstacle: BaseException | None = None
        self._wake_receiver, self._wake_sender = os.pipe()

    def add(
        self, builder: Any, name: str, model_name: str, description: str, is_service: bool
    ) -> None:
        """Plan a worker that builds and runs what ``builder`` describes."""
        self._planned.append(_Plan(builder, name, model_name, description, is_service))

    def start(self) -> None:
        """Fork the planned workers and begin to watch them.

        The thread that watches also forks: to the kernel it is the workers' parent, and they must
        not outlive it, whereas the thread that calls this may end long before the run does.
        """
        thread = threading.Thread(target=self._fork_and_watch, name="lava-supervisor", daemon=True)
        self._thread = thread
        with _forking:  # the size is a setting of the whole interpreter
            before = threading.stack_size(_STACK_BYTES)
            try:
                thread.start()
            except RuntimeError:  # there is no such thread; after Ctrl-C there is
                self._thread = None
                raise
            finally:
                threading.stack_size(before)
        self._forked.wait()
        if self._obstacle is not None:
            raise self._obstacle

    def _fork_and_watch(self) -> None:
        # Ctrl-C is the host's, and workers inherit this until they have their own settings.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with selectors.DefaultSelector() as selector:
                for plan in self._planned:
                    if self._ended:
                        break
                    self.workers.append(self._fork(plan))
                self._forked.set()
                self._watch(selector)
        except BaseException as error:
            self._obstacle = error
            self._fail(LavaEPError(f"The thread that watches the workers failed: {error!r}"))
            self.notify()
        finally:
            self._forked.set()
            self._watched.set()
            self._reaped.wait()

    def _fork(self, plan: _Plan) -> Worker:
        # Workers of other runs must not inherit the sender: its end is how deaths are noticed.
        with _forking:
            _require_pipes(2)  # multiprocessing leaves one open if it cannot have the other
            receiver, sender = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.get_context("fork").Process(
                target=work,
                args=(plan.builder, sender, self.area, os.getpid(), self.threads),
                name=plan.description,
            )
            try:
                process.start()
            except BaseException:
                receiver.close()
                raise
            finally:
                sender.close()
        return Worker(
            plan.name, plan.model_name, plan.description, plan.is_service, process, receiver
        )

    def notify(self) -> None:
        """Have those who wait look at their conditions again."""
        with self._changed:
            self._changed.notify_all()

    def check(self) -> None:
        """Raise the failure of the network, if there is one."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise RunStateError("The run has ended: its 'with' block was left.")

    def wait(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block until ``condition()`` holds.

        Parameters
        ----------
        condition : callable
            Becomes true by a message on one of the host's ports or a report of a worker.
        timeout : float, optional
            Seconds after which to give up.

        Returns
        -------
        bool
            Whether the condition holds.

        Raises
        ------
        ProcessFailure, WorkerDied
            If the network has failed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while True:
                self.check()
                if condition():
                    return True
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    return False
                self._changed.wait(remaining)

    def wait_until_ready(self) -> None:
        """Block until each worker has built its model."""
        self.wait(lambda: all(worker.ready for worker in self.workers))

    def confirm_health(self) -> None:
        """Raise the failure of the network, also one that the watching thread is yet to read."""
        connections = [worker.reports for worker in self.workers if not worker.gone]
        if len(connections) < len(self.workers) or connection.wait(connections, 0):
            self.wait_for_failure()

    def wait_for_failure(self) -> None:
        """Raise the failure that is known to be on its way; return if it does not come."""
        self.wait(lambda: False, _REPORT_PATIENCE)

    @property
    def failure(self) -> LavaEPError | None:
        """The first failure of the network, None while it is healthy."""
        return self._failure

    def begin_stop(self) -> None:
        """Take it for granted from now on that workers end, but not that they fail."""
        with self._changed:
            self._stopping = True

    def wait_gone(self, timeout: float) -> None:
        """Wait until all workers have ended by themselves, or for ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: all(worker.gone for worker in self.workers), timeout)

    def end(self) -> None:
        """End and reap what is left of the workers and stop watching."""
        with self._changed:
            self._stopping = self._ended = True
            self._changed.notify_all()
        os.write(self._wake_sender, b"\0")  # closing it would not do: workers inherit it
        if self._thread is not None:
            self._watched.wait()
        for stop, patience in ((signal.SIGTERM, _TERMINATE_GRACE), (signal.SIGKILL, None)):
            alive = [worker for worker in self.workers if worker.process.is_alive()]
            for worker in alive:
                os.kill(worker.pid, stop)
            deadline = None if patience is None else time.monotonic() + patience
            for worker in alive:
                remaining = None if deadline is None else max(0.0, deadline - time.monotonic())
                worker.process.join(remaining)
        for worker in self.workers:
            worker.process.join()
            worker.process.close()
            worker.reports.close()
        self._reaped.set()
        if self._thread is not None:
            self._thread.join()
        os.close(self._wake_sender)
        os.close(self._wake_receiver)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._wake_receiver, selectors.EVENT_READ)
        for worker in self.workers:
            selector.register(worker.reports, selectors.EVENT_READ, worker)
        late: list[tuple[float, LavaEPError]] = []
        while True:
            timeout = max(0.0, late[0][0] - time.monotonic()) if late else None
            events = selector.select(timeout)
            for key, _ in events:
                if key.data is None:
                    if late:  # the end came before a better explanation
                        self._fail(late[0][1])
                    return
                failure = self._read_report(key.data)
                if key.data.gone:
                    selector.unregister(key.fileobj)
                if failure is None:
                    continue
                # Lava tells the other workers to stop when a model fails, so an orderly end may
                # overtake the report of its cause.
                orderly = isinstance(failure, WorkerDied) and failure.exit_code == 0
                if key.data.is_service or orderly:
                    late.append((time.monotonic() + _CAUSE_GRACE, failure))
                else:
                    self._fail(failure)
            if late and time.monotonic() >= late[0][0]:
                self._fail(late.pop(0)[1])
            self.notify()

    def _fail(self, failure: LavaEPError) -> None:
        with self._changed:
            if self._failure is None:
                self._failure = failure

    def _read_report(self, worker: Worker) -> LavaEPError | None:
        try:
            kind, *told = worker.reports.recv()
        except (EOFError, OSError):
            worker.gone = True
            if self._ended or self._failure is not None:
                return None
            death = worker.death()
            return None if self._stopping and death.exit_code == 0 else death
        if kind == READY:
            worker.ready = True
            return None
        return worker.failure(*told)
