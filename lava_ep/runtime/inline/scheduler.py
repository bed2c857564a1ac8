"""Which ProcessModel runs when: a greenlet for each that has to wait, and none for the others.

Work comes as tasks: a phase of one model. A worker, which is a greenlet, carries out one task after
another. Where a task has to wait for a message, its worker is parked with it, and another worker
resumes whoever can go on, or takes the next task. The greenlet of the host, the hub, gets control
back when nobody can, when a time step is over and the host asks for it, or when a task fails.
"""

from __future__ import annotations

import contextvars
import enum
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.inline.channels import HOST, Channel
from lava_ep.runtime.inline.errors import DeadlockError
from lava_ep.runtime.inline.threads import ThreadLimit

Task = Callable[[], None]
"""A bound method of an actor."""

_TURNS_BETWEEN_CHECKS = 1024
_PATIENCE_AT_THE_END = 100  # times that a model may go on after it was told to end


class Outcome(enum.Enum):
    """Why the hub has control again."""

    DONE = enum.auto()
    EXPIRED = enum.auto()
    ASKED = enum.auto()
    STUCK = enum.auto()
    FOREIGN = enum.auto()


class Worker(greenlet):
    """A greenlet that carries out tasks.

    Attributes
    ----------
    task : callable or None
        What it does at the moment.
    """

    task: Task | None = None


class Scheduler:
    """Runs the tasks of one network in the thread that calls `drive`.

    Parameters
    ----------
    threads : int or None
        Threads of numerical libraries while models run, None for no limit.

    Attributes
    ----------
    todo : deque of callable
        Tasks that nobody has begun.
    ready : deque of greenlet
        Workers that can go on.
    parked : dict
        For each worker that waits, the channel, and whether for room in it.
    attention : bool
        Set when the host wants control at the end of the time step.
    leave : bool
        Set at the end of a time step: workers return to the hub.
    deadline : float or None
        When the host wants control, in the seconds of ``time.monotonic``.
    failure : tuple of (task, exception) or None
        The first task that raised.
    thread : threading.Thread or None
        In which models run.
    has_moved : bool
        Set when models have run.
    host : Host
        The calls of the host, see `lava_ep.runtime.inline.host`.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.limit = ThreadLimit(threads)
        self.todo: deque[Task] = deque()
        self.ready: deque[Any] = deque()
        self.parked: dict[Any, tuple[Channel, bool]] = {}
        self.attention = False
        self.leave = False
        self.deadline: float | None = None
        self.failure: tuple[Task | None, BaseException] | None = None
        self.has_moved = False
        self.host: Any = None
        self._idle: list[Worker] = []
        self._hub: Any = None
        self._root: Any = None
        self._thread = 0
        self.thread: threading.Thread | None = None
        self._turns = 0
        self._ending = False

    @property
    def has_failed(self) -> bool:
        """Whether a task has raised, or the network has ended."""
        return self.failure is not None or self._ending

    # What models do, in their workers

    def await_message(self, channel: Channel) -> None:
        """Let others run until somebody has sent to a channel."""
        worker = self._own_worker(channel.target)
        channel.waiting_receiver = worker
        self._park(worker, channel, False)

    def await_room(self, channel: Channel) -> None:
        """Let others run until somebody has received from a channel."""
        worker = self._own_worker(channel.source)
        channel.waiting_sender = worker
        self._park(worker, channel, True)

    def give_way(self, channel: Channel) -> None:
        """Let all others have a turn, as the present model has looked at a channel in vain."""
        worker = getcurrent()
        if not isinstance(worker, Worker):
            return  # the host looks at a channel itself
        if self._ending:
            raise GreenletExit
        self._turns += 1
        if self._turns % _TURNS_BETWEEN_CHECKS == 0:
            circle = self._closed_circle()
            if circle is not None:
                self.failure = self.failure or (None, circle)
                self._hub.switch()
                raise GreenletExit
        if self.attention or self._expired():
            self.ready.append(worker)
            self._hub.switch()
        elif self.todo:
            self.ready.append(worker)
            self._free_worker().switch()
        elif self.ready:
            self.ready.append(worker)
            self.ready.popleft().switch()

    def _own_worker(self, port: str) -> Any:
        worker = getcurrent()
        if worker is self._hub or threading.get_ident() != self._thread:
            raise RunStateError(
                f"{port} would have to wait, in a thread or a function that is none of the model's "
                "phases. Use ports within the phases of a model, in the thread that calls them."
            )
        if self._ending:
            raise GreenletExit
        return worker

    def _park(self, worker: Any, channel: Channel, for_room: bool) -> None:
        self.parked[worker] = (channel, for_room)
        try:
            if self.ready:
                self.ready.popleft().switch()
            elif self.todo:
                self._free_worker().switch()
            else:
                self._hub.switch()
        finally:
            del self.parked[worker]

    def _free_worker(self) -> Worker:
        if self._idle:
            return self._idle.pop()
        worker = Worker(self._work, self._hub)
        worker.gr_context = contextvars.copy_context()
        return worker

    def _work(self) -> None:
        me: Any = getcurrent()
        todo, ready, idle = self.todo, self.ready, self._idle
        while not self._ending:
            if self.leave:
                idle.append(me)
                self._hub.switch()
            elif todo:
                me.task = task = todo.popleft()
                try:
                    task()
                except BaseException as error:
                    if self.failure is None:
                        self.failure = (task, error)
                    return  # to the hub
            else:
                idle.append(me)
                if ready:
                    ready.popleft().switch()
                else:
                    self._hub.switch()

    # What the host does

    def drive(self, done: Callable[[], bool], deadline: float | None = None) -> Outcome:
        """Run until a condition holds, or nothing can run.

        Parameters
        ----------
        done : callable
            The condition; looked at when the host has control.
        deadline : float, optional
            When to return at the latest, after the present time step, in the seconds of
            ``time.monotonic``.

        Returns
        -------
        Outcome
            Why the drive has ended.
        """
        self._enter()
        foreign = self._is_foreign()
        self.deadline = deadline
        moved = False
        try:
            while True:
                if self.has_failed or done():
                    return Outcome.DONE
                if moved and self._expired():
                    return Outcome.EXPIRED
                if foreign:
                    return Outcome.FOREIGN
                if not (self.ready or self.todo):
                    return Outcome.STUCK
                if moved and self.host.is_asked():
                    return Outcome.ASKED
                if not moved:
                    self.limit.set()
                    moved = self.has_moved = True
                self.attention = self.host.has_others()
                self.leave = False
                if self.ready:
                    self.ready.popleft().switch()
                else:
                    self._free_worker().switch()
        finally:
            if moved:
                self.limit.lift()

    def _enter(self) -> None:
        """Make the present greenlet the hub, and its thread the one that runs models."""
        current = getcurrent()
        if current is self._hub:
            return
        root = current
        while root.parent is not None:
            root = root.parent
        if root is not self._root:  # the identifier of a thread may be that of an earlier one
            if self.ready or self.parked:
                return
            self._idle.clear()  # a greenlet cannot change threads, but needs nothing either
            self._root, self.thread = root, threading.current_thread()
            self._thread = threading.get_ident()
        self._hub = current
        for worker in (*self._idle, *self.ready, *self.parked):
            worker.parent = current

    def _is_foreign(self) -> bool:
        """Tell whether models wait in another thread."""
        return getcurrent() is not self._hub

    def _expired(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def notice(self) -> None:
        """Take note of a message from or to the host, which may wait for it."""
        self.attention = True

    def end_of_step(self) -> None:
        """Give the host control if it asks for it; called when a time step is over."""
        if self.attention or (self.deadline is not None and time.monotonic() >= self.deadline):
            self.leave = True

    def end(self) -> None:
        """End all models that wait, wherever they are, as if they had been interrupted there."""
        self._ending = True
        self.todo.clear()
        if threading.current_thread() is not self.thread:
            return  # left to that thread, if it calls again
        waiting = [*self.ready, *self.parked]
        self.ready.clear()
        self._hub = getcurrent()
        for worker in waiting:
            worker.parent = self._hub
            for _ in range(_PATIENCE_AT_THE_END):
                if worker.dead:
                    break
                worker.throw(GreenletExit)
        while self._idle:
            worker = self._idle.pop()
            worker.parent = self._hub
            worker.switch()

    # Who waits for whom

    def _peer(self, worker: Any) -> Any:
        """Return the actor that the one in a parked worker waits for, None for the host."""
        channel, for_room = self.parked[worker]
        return channel.receiver if for_room else channel.sender

    def _worker_of(self, actor: Any) -> Any:
        """Return the worker in which an actor waits, or one that its next step waits for."""
        rest = None
        for worker in self.parked:
            waiting = _actor_of(worker)
            if waiting is actor:
                return worker
            if rest is None and waiting.domain is actor.domain:
                rest = worker
        return rest

    def _follow(self, worker: Any) -> tuple[list[Any], str]:
        """Follow the waits from a worker on, to a circle, the host or somebody who is done."""
        chain: list[Any] = []
        while worker not in chain:
            chain.append(worker)
            peer = self._peer(worker)
            if peer is None:
                return chain, "host"
            following = self._worker_of(peer)
            same_domain = peer.domain is _actor_of(worker).domain
            if following is None or (_actor_of(following) is not peer and same_domain):
                return chain, peer.state_of_work()
            worker = following
        return chain[chain.index(worker) :], "circle"

    def _closed_circle(self) -> DeadlockError | None:
        """Return the error of models that wait for each other while others are busy."""
        for worker in self.parked:
            chain, end = self._follow(worker)
            if end == "circle":
                return self._error(chain, end)
        return None

    def deadlock(self) -> DeadlockError | None:
        """Return the error for a network in which nobody can go on; None if nobody waits."""
        found = [self._follow(worker) for worker in self.parked]
        kinds = [end for _, end in found]
        for wanted in ("circle", None, "host"):  # None: one who is done
            for (chain, end), kind in zip(found, kinds, strict=True):
                if wanted == kind or (wanted is None and kind not in ("circle", "host")):
                    return self._error(chain, end)
        return None

    def _error(self, chain: list[Any], end: str) -> DeadlockError:
        waits, words, places = [], "", []
        for position, worker in enumerate(chain):
            channel, for_room = self.parked[worker]
            waiter, awaited = channel.target, channel.source
            if for_room:
                waiter, awaited = awaited, waiter
            waits.append((waiter, awaited))
            room = f" to take one of its {channel.size} messages" if for_room else ""
            if position == 0:
                words = f"{waiter} waits for {awaited}{room}"
            else:
                words += f", which waits at {waiter} for {awaited}{room}"
            places.append(f"  {waiter}: {_place(worker)}")
        if end == "circle":
            words += ", which closes the circle"
        elif end == "host":
            words += " to put a message" if chain and not self.parked[chain[-1]][1] else ""
            words += (
                ". Feed the Inbox and drain the Outbox while the network runs (start(), then put() "
                "and get()), or flag the port with a larger buffer_size"
            )
        else:
            words += f", which {end}"
        listed = "\n".join(places)
        return DeadlockError(
            f"No ProcessModel can go on: {words}.\nThey wait in:\n{listed}", waits, end == "host"
        )


def _actor_of(worker: Any) -> Any:
    """Return the actor whose task a worker carries out."""
    return worker.task.__self__.actor


def _place(worker: Any) -> str:
    """Return the line of a ProcessModel, not of Lava's or our ports, where a worker waits."""
    frame = worker.gr_frame
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(("lava_ep.runtime.inline.", "lava.magma.core.model.py.ports")):
            code = frame.f_code
            return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"
        frame = frame.f_back
    return "?"


__all__ = ["HOST", "Outcome", "Scheduler", "Worker"]
