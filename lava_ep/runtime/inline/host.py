"""The calls of the host: they run the network until what was asked for has happened.

Models run in the thread of the host's call, and only during it. Several threads of the host may
call, one at a time: whoever runs the network hands over after a time step when another one asks.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.inline.channels import Channel, Message
from lava_ep.runtime.inline.errors import DeadlockError
from lava_ep.runtime.inline.scheduler import Outcome, Scheduler

_WARN_AFTER = 5.0  # seconds in which no other thread has done what the network waits for
_GIVE_UP_AFTER = 60.0


class Baton:
    """A lock that goes to those who wait for it in turn."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner: int | None = None
        self._queue: deque[tuple[int, Any]] = deque()

    @property
    def asked(self) -> bool:
        """Whether a thread waits for it."""
        return bool(self._queue)

    def take(self, ask: Callable[[], None]) -> None:
        """Wait for it; ``ask`` is called if another thread has it.

        Raises
        ------
        RunStateError
            If this thread has it already, as then a model makes the call.
        """
        me = threading.get_ident()
        with self._mutex:
            if self._owner is None:
                self._owner = me
                return
            if self._owner == me:
                raise RunStateError(
                    "This call would run the network while the network is running: it was made "
                    "within a ProcessModel, a debugger or a signal handler. Ask the model itself."
                )
            turn = (me, threading.Lock())
            turn[1].acquire()
            self._queue.append(turn)
        ask()
        try:
            turn[1].acquire()
        except BaseException:  # Ctrl-C
            with self._mutex:
                given = turn not in self._queue
                if not given:
                    self._queue.remove(turn)
            if given:
                self.give()
            raise

    def give(self) -> None:
        """Hand it to the next thread that waits, if any."""
        with self._mutex:
            if self._queue:
                self._owner, turn = self._queue.popleft()
                turn.release()
            else:
                self._owner = None


class Host:
    """Runs a network on behalf of the threads that call.

    Parameters
    ----------
    scheduler : Scheduler
        Runs the models.
    is_done : callable
        Tells whether all time steps asked for are taken.
    check : callable
        Raises if the network has failed or ended.
    """

    def __init__(
        self, scheduler: Scheduler, is_done: Callable[[], bool], check: Callable[[], None]
    ) -> None:
        self._scheduler = scheduler
        self._is_done = is_done
        self._check = check
        self._baton = Baton()
        self._changed = threading.Condition()
        self._sleepers = 0
        self._callers: set[int] = set()  # threads that have called
        self._calling: dict[int, int] = {}  # threads that are calling now
        scheduler.host = self

    def is_asked(self) -> bool:
        """Tell whether another thread wants to call."""
        return self._baton.asked

    def _ask(self) -> None:
        self._scheduler.attention = True

    def until(
        self,
        condition: Callable[[], bool],
        timeout: float | None = None,
        must: bool = True,
    ) -> bool:
        """Run the network until a condition holds.

        Parameters
        ----------
        condition : callable
            Looked at whenever the host has control.
        timeout : float, optional
            Seconds after which to give up. The network takes one time step at least.
        must : bool
            Whether it is an error if only the host could make the condition true; otherwise the
            call returns.

        Returns
        -------
        bool
            Whether the condition holds.

        Raises
        ------
        DeadlockError
            If nobody can go on.
        ProcessFailure
            If a model raises.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        me = threading.get_ident()
        self._baton.take(self._ask)
        self._callers.add(me)
        self._calling[me] = self._calling.get(me, 0) + 1
        try:
            return self._until(condition, deadline, must)
        finally:
            if self._calling[me] == 1:
                del self._calling[me]
            else:
                self._calling[me] -= 1
            self._baton.give()
            if self._sleepers:
                with self._changed:
                    self._changed.notify_all()

    def _until(self, condition: Callable[[], bool], deadline: float | None, must: bool) -> bool:
        scheduler = self._scheduler
        slept_since = 0.0
        while True:
            outcome = scheduler.drive(condition, deadline)
            self._check()
            if outcome is Outcome.DONE:
                return True
            if outcome is Outcome.EXPIRED:
                return False
            if outcome is Outcome.ASKED:
                self._hand_over()
                slept_since = 0.0
                continue
            if outcome is Outcome.STUCK:
                if self._is_done():
                    if condition():
                        return True
                    error = None
                else:
                    error = scheduler.deadlock()
                    if error is not None and not error.on_host:
                        raise error
                if not must and deadline is None:
                    return False
            else:
                error = None
                if scheduler.thread not in self._calling:
                    raise RunStateError(
                        "A ProcessModel waits in the middle of a time step that another thread of "
                        "the host has begun, and only that thread can run it on. Call from one "
                        "thread, or take all messages before another thread calls."
                    )
            if not self._others():
                if must and error is not None:
                    raise error
                return False
            now = time.monotonic()
            slept_since = slept_since or now
            if now - slept_since > _GIVE_UP_AFTER and error is not None and must:
                raise error
            self._sleep(deadline, error, now - slept_since)

    def _others(self) -> bool:
        """Tell whether another thread may put or get a message."""
        me = threading.get_ident()
        return any(
            thread.ident != me and (not thread.daemon or thread.ident in self._callers)
            for thread in threading.enumerate()
        )

    def _hand_over(self) -> None:
        self._baton.give()
        self._baton.take(self._ask)

    def _sleep(self, deadline: float | None, error: DeadlockError | None, slept: float) -> None:
        """Wait until another thread has called, or for a while."""
        seconds = _WARN_AFTER if deadline is None else max(0.0, deadline - time.monotonic())
        with self._changed:
            self._sleepers += 1
        self._baton.give()
        try:
            with self._changed:
                if not self._baton.asked:
                    called = self._changed.wait(min(seconds, _WARN_AFTER))
                else:
                    called = True
        finally:
            self._sleepers -= 1
            self._baton.take(self._ask)
        if not called and deadline is None and error is not None and slept < _WARN_AFTER:
            warnings.warn(
                f"The network waits for another thread of the host. {error}",
                RuntimeWarning,
                stacklevel=2,
            )

    def turn(self) -> None:
        """Let the network take a time step, or as much of it as it can."""
        if not self._is_done():
            self.until(lambda: False, 0.0, must=False)

    def send(self, channel: Channel, data: Any) -> None:
        """Send a message, running the network while the channel is full."""
        message = np.asarray(data)
        self.until(lambda: self._put(channel, message) or self._is_done())
        if not self._sent:
            raise RunStateError(
                f"{channel.target}: all {channel.size} places of the channel are taken and the "
                "network is paused. Run it first, or make the buffer larger."
            )

    def _put(self, channel: Channel, message: Message) -> bool:
        self._sent = len(channel.messages) < channel.size
        if self._sent:
            channel.put(message)
        return self._sent

    def receive(self, channel: Channel, keep: bool) -> Message:
        """Return the next message, running the network until there is one."""
        if not channel.messages:
            self.until(lambda: bool(channel.messages) or self._is_done())
        if not channel.messages:
            raise RunStateError(
                f"{channel.source}: there is no message and the network is paused; run it first."
            )
        return channel.messages[0].copy() if keep else channel.take()
