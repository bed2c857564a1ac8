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

from lava_ep.errors import LavaEPError
from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.inline.channels import Channel, Message
from lava_ep.runtime.inline.errors import DeadlockError
from lava_ep.runtime.inline.scheduler import Outcome, Scheduler

_WARN_AFTER = 5.0  # seconds in which no other thread has done what the network waits for
_PATIENCE = 60.0  # seconds after which it is not expected any more
_PATIENCE_WITH_STRANGERS = 2.0  # where there are only threads of Jupyter's kind
_PATIENCE_WITH_READERS = 0.5  # seconds in which other threads have not run the network
_PATIENCE_WITH_TAKERS = 0.1  # seconds in which they have taken no message


class Baton:
    """A lock that goes to those who wait for it in turn, with a place to sleep beside it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner: int | None = None
        self._queue: deque[tuple[int, Any]] = deque()
        self._asleep: list[tuple[int, Any]] = []

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
            turn = self._new_turn()
            self._queue.append(turn)
        ask()
        self._await(turn)

    def give(self) -> None:
        """Hand it to the next thread that waits, if any."""
        with self._mutex:
            self._hand_on()

    def sleep(self, seconds: float, ask: Callable[[], None]) -> bool:
        """Give it away and take it again once woken, or after some time; tell whether woken."""
        with self._mutex:
            turn = self._new_turn()
            self._asleep.append(turn)
            self._hand_on()
        woken = False
        try:
            woken = turn[1].acquire(timeout=seconds)
        finally:
            if not woken:
                with self._mutex:
                    is_asleep = turn in self._asleep
                    if is_asleep:
                        self._asleep.remove(turn)
                if is_asleep:
                    self.take(ask)
                else:
                    woken = True
                    self._await(turn)
        return woken

    def wake(self) -> None:
        """Let all who sleep wait for it."""
        if self._asleep:  # nobody falls asleep while another thread has the baton
            with self._mutex:
                self._queue.extend(self._asleep)
                self._asleep.clear()

    def _new_turn(self) -> tuple[int, Any]:
        turn = (threading.get_ident(), threading.Lock())
        turn[1].acquire()
        return turn

    def _hand_on(self) -> None:
        if self._queue:
            self._owner, turn = self._queue.popleft()
            turn.release()
        else:
            self._owner = None

    def _await(self, turn: tuple[int, Any]) -> None:
        try:
            turn[1].acquire()
        except BaseException:  # Ctrl-C
            with self._mutex:
                if turn in self._queue:
                    self._queue.remove(turn)
                else:
                    self._hand_on()
            raise


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
        self._callers: set[int] = set()  # threads that have called
        self._calling: set[int] = set()  # threads that are calling now
        scheduler.host = self

    def has_others(self) -> bool:
        """Tell whether another thread is calling as well."""
        return len(self._calling) > 1

    def is_asked(self) -> bool:
        """Tell whether another thread wants the network, after waking those who sleep."""
        if len(self._calling) > 1:
            self._baton.wake()
        return self._baton.asked

    def _ask(self) -> None:
        self._scheduler.attention = True

    def until(
        self,
        condition: Callable[[], bool],
        timeout: float | None = None,
        must: bool = True,
        paused: str | None = None,
        patient: bool = False,
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
        paused : str, optional
            What is wrong if the network is paused and no other thread runs it.
        patient : bool
            Whether to let another thread run the network, if there is one that does: models that
            wait for a message can only be resumed by the thread in which they run, and one that
            only feeds the network may end before that.

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
        self._calling.add(me)
        try:
            if not self._scheduler.has_failed and condition():
                return True  # without a look at the models
            if patient and self._await_readers(condition, deadline):
                return True
            return self._until(condition, deadline, must, paused)
        finally:
            self._calling.discard(me)
            self._baton.wake()
            self._baton.give()

    def _until(
        self,
        condition: Callable[[], bool],
        deadline: float | None,
        must: bool,
        paused: str | None,
    ) -> bool:
        scheduler = self._scheduler
        waiting_since = 0.0
        while True:
            outcome = scheduler.drive(condition, deadline)
            self._check()
            if outcome is Outcome.DONE:
                return True
            if outcome is Outcome.EXPIRED:
                return False
            if outcome is Outcome.ASKED:
                self._hand_over()
                waiting_since = 0.0
                continue
            error = self._obstacle(outcome, paused)
            if isinstance(error, DeadlockError) and not error.on_host:
                raise error
            if not must and deadline is None:
                return False
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                return False
            waiting_since = waiting_since or now
            if now - waiting_since >= self._patience():
                if must and error is not None:
                    raise error
                return False
            if self._sleep(deadline, error, now - waiting_since):
                waiting_since = 0.0

    def _await_readers(self, condition: Callable[[], bool], deadline: float | None) -> bool:
        """Wait a while for another thread to run the network; tell whether that did it."""
        end = time.monotonic() + _PATIENCE_WITH_READERS
        while not condition():
            self._check()
            is_mine = self._scheduler.thread is threading.current_thread()
            left = min(end, deadline or end) - time.monotonic()
            if is_mine or left <= 0 or self._is_done() or self._patience() != _PATIENCE:
                return False
            if self._baton.sleep(left, self._ask):
                end = time.monotonic() + _PATIENCE_WITH_READERS
        return True

    def _obstacle(self, outcome: Outcome, paused: str | None) -> LavaEPError | None:
        """Return the error of a network that cannot go on before another thread calls."""
        if outcome is Outcome.FOREIGN:
            owner = self._scheduler.thread
            error = RunStateError(
                "A ProcessModel waits in the middle of a time step that another thread of the host "
                "has begun, and only that thread can run it on. Call from one thread, or take all "
                "messages before another thread calls."
            )
            if owner is None or not owner.is_alive():
                raise error
            return None if owner.ident in self._calling else error
        if self._is_done():
            return None if paused is None else RunStateError(paused)
        return self._scheduler.deadlock()

    def _patience(self) -> float:
        """Return the seconds in which another thread may still put or get a message."""
        me = threading.get_ident()
        others = [thread for thread in threading.enumerate() if thread.ident != me]
        if any(not thread.daemon or thread.ident in self._callers for thread in others):
            return _PATIENCE
        return _PATIENCE_WITH_STRANGERS if others else 0.0

    def _hand_over(self) -> None:
        self._baton.give()
        self._baton.take(self._ask)

    def _sleep(self, deadline: float | None, error: LavaEPError | None, slept: float) -> bool:
        """Wait until another thread has called, or for a while; tell whether one has."""
        seconds = min(_WARN_AFTER, self._patience())
        if deadline is not None:
            seconds = min(seconds, max(0.0, deadline - time.monotonic()))
        if self._scheduler.has_moved:
            self._scheduler.has_moved = False
            self._baton.wake()
        called = self._baton.sleep(seconds, self._ask)
        if not called and deadline is None and error is not None and slept < _WARN_AFTER:
            warnings.warn(
                f"The network waits for another thread of the host. {error}",
                RuntimeWarning,
                stacklevel=2,
            )
        return called

    def alone(self, function: Callable[[], None]) -> None:
        """Call a function while no other thread runs the network, and wake those who wait."""
        self._baton.take(self._ask)
        try:
            function()
        finally:
            self._baton.wake()
            self._baton.give()

    def let_others_take(self, channels: list[Channel]) -> None:
        """Wait while other threads are taking messages out of channels."""
        me = threading.get_ident()
        if not any(t.ident in self._callers and t.ident != me for t in threading.enumerate()):
            return
        left, since = 0, time.monotonic()
        while time.monotonic() - since < _PATIENCE_WITH_TAKERS:
            before, left = left, sum(len(channel.messages) for channel in channels)
            if not left:
                return
            if left != before:
                since = time.monotonic()
            time.sleep(0.001)

    def turn(self) -> None:
        """Let the network take a time step, or as much of it as it can."""
        if not self._is_done():
            self.until(lambda: False, 0.0, must=False)

    def send(self, channel: Channel, data: Any) -> None:
        """Send a message, running the network while the channel is full."""

        def act() -> bool:
            if len(channel.messages) >= channel.size:
                return False
            if not sent:
                channel.put(data)
                sent.append(True)
            return True

        sent: list[bool] = []
        self.until(
            act,
            paused=f"{channel.target}: all {channel.size} places of the channel are taken and the "
            "network is paused. Run it first, or make the buffer larger.",
            patient=True,
        )

    def receive(self, channel: Channel, keep: bool) -> Message:
        """Return the next message, running the network until there is one."""
        found: list[Message] = []

        def act() -> bool:
            if channel.messages and not found:
                found.append(channel.messages[0].copy() if keep else channel.take())
            return bool(found)

        self.until(
            act,
            paused=f"{channel.source}: there is no message and the network is paused; run it "
            "first.",
        )
        return found[0]
