"""Channels in memory, whose ends switch to another ProcessModel where Lava's would block.

An end is a subclass of Lava's, as its builders and some ProcessModels look at the class, but shares
no code with it: messages are arrays in a deque.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from lava_ep._lava_private import CspRecvPort, CspSendPort, find, is_awaited
from lava_ep.runtime.errors import RunStateError

if TYPE_CHECKING:
    from lava_ep.runtime.inline.scheduler import Scheduler

Message = npt.NDArray[Any]
HOST = "the host"


class Channel:
    """Messages on their way from one port to another.

    Parameters
    ----------
    scheduler : Scheduler
        Runs the models at both ends.
    source, target : str
        The ports, as "process.port"; `HOST` for an end that the host holds.
    names : tuple of (str, str)
        Names that Lava's builders give the two ends.
    shape, dtype, size
        Shape and element type of a message, and number of messages that fit.

    Attributes
    ----------
    sender, receiver : object or None
        The Actor at each end, None for the host.
    waiting_sender, waiting_receiver : greenlet or None
        Who waits for room, or for a message.
    listener : callable or None
        Called when a message has arrived that nobody waits for.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        source: str,
        target: str,
        names: tuple[str, str],
        shape: tuple[int, ...],
        dtype: Any,
        size: int,
    ) -> None:
        self.scheduler = scheduler
        self.source = source
        self.target = target
        self.shape = tuple(shape)
        self.dtype = np.dtype(np.int32 if isinstance(dtype, int) else dtype)  # an enum of Lava's
        self.size = int(size)
        self.messages: deque[Message] = deque()
        self.sender: Any = None
        self.receiver: Any = None
        self.waiting_sender: Any = None
        self.waiting_receiver: Any = None
        self.listener: Callable[[], None] | None = None
        self.src_port = SendEnd(self, names[0])
        self.dst_port = (FedEnd if source == HOST else RecvEnd)(self, names[1])
        if target == HOST:
            self.listener = scheduler.notice

    @property
    def has_host(self) -> bool:
        """Whether the host holds one of the ends."""
        return HOST in (self.source, self.target)

    def put(self, data: Any, *, copy: bool = True) -> None:
        """Append a message, for which there is room, and wake who waits for it.

        Parameters
        ----------
        data : array
            The message.
        copy : bool
            Whether the sender may still change it.
        """
        if data.shape != self.shape:
            raise AssertionError(f"{data.shape=} self._shape={self.shape} Mismatch")
        if not isinstance(data, np.ndarray) and isinstance(data, csr_matrix):
            data = find(data, explicit_zeros=True)[2]
        message = np.array(data, self.dtype, order="C") if copy else data
        self.messages.append(message)
        if self.waiting_receiver is not None:
            self.scheduler.ready.append(self.waiting_receiver)
            self.waiting_receiver = None
        elif self.listener is not None:
            self.listener()

    def take(self) -> Message:
        """Take out the next message, which is there, and wake who waits for room."""
        message = self.messages.popleft()
        if self.waiting_sender is not None:
            self.scheduler.ready.append(self.waiting_sender)
            self.waiting_sender = None
        return message


class Selector:
    """Waits for the first of several ends with a message, as Lava's CspSelector does."""

    def select(self, *channel_actions: tuple[Any, Callable[[], Any]]) -> Any:
        """Return what the action of the first end with a message, or with room, returns."""
        while True:
            for end, action in channel_actions:
                if end.probe():
                    return action()


class _End:
    """What both ends share: Lava's attributes, and nothing to start or to join."""

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel = channel
        self._messages = channel.messages
        self._name = name
        self._shape = channel.shape
        self._dtype = channel.dtype
        self._size = channel.size
        self.thread = None

    @property
    def observer(self) -> None:
        """What Lava's CspSelector has called when a message arrives: nothing."""
        return None

    @observer.setter
    def observer(self, value: object) -> None:
        if value is not None:
            raise RunStateError(
                f"{self.channel.target}: Lava's CspSelector would block the only thread there is. "
                "Use the model's own selector (self._selector), or probe() the ports in turn."
            )

    def start(self) -> None:
        """Nothing needs starting."""

    def join(self) -> None:
        """Nothing needs joining."""

    def qsize(self) -> int:
        """Return the number of waiting messages, where Lava's own Processes look for it."""
        return len(self._messages)


class SendEnd(_End, CspSendPort):
    """The end that a model sends to."""

    def probe(self) -> bool:
        """Tell whether ``send`` would not wait; if it would, others have their turn first."""
        if len(self._messages) < self._size:
            return True
        self.channel.scheduler.give_way(self.channel)
        return len(self._messages) < self._size

    def send(self, data: Any) -> None:
        """Send a copy of an array, letting others run while the channel is full."""
        channel = self.channel
        while len(self._messages) >= self._size:
            channel.scheduler.await_room(channel)
        channel.put(data)


class RecvEnd(_End, CspRecvPort):
    """The end that a model receives from."""

    def __init__(self, channel: Channel, name: str) -> None:
        super().__init__(channel, name)
        self._queue = self

    def probe(self) -> bool:
        """Tell whether ``recv`` would not wait; if it would, others have their turn first."""
        if self._messages:
            return True
        self.channel.scheduler.give_way(self.channel)
        return bool(self._messages)

    def peek(self) -> Message:
        """Return a copy of the next message, letting others run until there is one."""
        while not self._messages:
            self.channel.scheduler.await_message(self.channel)
        return self._messages[0].copy()

    def recv(self) -> Message:
        """Take the next message, letting others run until there is one."""
        messages = self._messages
        channel = self.channel
        while not messages:
            channel.scheduler.await_message(channel)
        message = messages.popleft()
        if channel.waiting_sender is not None:
            channel.scheduler.ready.append(channel.waiting_sender)
            channel.waiting_sender = None
        return message


class FedEnd(RecvEnd):
    """The end of a model that receives from the host."""

    def recv(self) -> Message:
        """Take the next message, letting others run until there is one."""
        message = super().recv()
        self.channel.scheduler.notice()
        return message


class WireEnd(SendEnd):
    """The model's end of Lava's VarWire, which makes a channel of its own before there is a run.

    Parameters
    ----------
    channel : Channel
        Replaces it.
    name : str
        Lava's name of the end.
    sender, receiver : CspSendPort, CspRecvPort
        The ends of VarWire's own channel. A thread that waits there already gets the next message.
    """

    def __init__(
        self, channel: Channel, name: str, sender: CspSendPort, receiver: CspRecvPort
    ) -> None:
        super().__init__(channel, name)
        self._sender = sender
        self._receiver = receiver

    def send(self, data: Any) -> None:
        """Send a copy of an array, letting others run while the channel is full."""
        if is_awaited(self._receiver) and not self._receiver.probe():
            if self._sender.thread is None:
                self._sender.start()
            self._sender.send(data)
        else:
            super().send(data)


class HostSendEnd(SendEnd):
    """The end that the host sends to, also for Lava's Injector; drives the network while full."""

    def probe(self) -> bool:
        """Tell whether ``send`` would not wait; if it would, the network runs a little."""
        if len(self._messages) >= self._size:
            self.channel.scheduler.host.turn()
        return len(self._messages) < self._size

    def send(self, data: Any) -> None:
        """Send a copy of an array, running the network while the channel is full."""
        self.channel.scheduler.host.send(self.channel, data)


class HostRecvEnd(RecvEnd):
    """The end that the host receives from, also for Lava's Extractor; drives the network."""

    def qsize(self) -> int:
        """Return the number of waiting messages; if there is none, the network runs a little."""
        if not self._messages:
            self.channel.scheduler.host.turn()
        return len(self._messages)

    def probe(self) -> bool:
        """Tell whether ``recv`` would not wait; if it would, the network runs a little."""
        return self.qsize() > 0

    def peek(self) -> Message:
        """Return a copy of the next message, running the network until there is one."""
        message: Message = self.channel.scheduler.host.receive(self.channel, keep=True)
        return message

    def recv(self) -> Message:
        """Take the next message, running the network until there is one."""
        message: Message = self.channel.scheduler.host.receive(self.channel, keep=False)
        return message


class Commands(_End, CspRecvPort):
    """Where a model looks for commands of the runtime service; the runtime puts them there."""

    def __init__(self, scheduler: Scheduler, owner: str) -> None:
        channel = Channel(
            scheduler,
            "the runtime service",
            f"{owner}.service_to_process",
            ("", ""),
            (1,),
            float,
            1,
        )
        super().__init__(channel, "service_to_process")
        self._queue = self

    def put(self, command: Message) -> None:
        """Give the model a command."""
        self.channel.put(command)

    def clear(self) -> None:
        """Forget commands that were not taken."""
        self._messages.clear()

    def probe(self) -> bool:
        """Tell whether there is a command; if not, others have their turn first."""
        if not self._messages:
            self.channel.scheduler.give_way(self.channel)
        return bool(self._messages)

    def peek(self) -> Message:
        """Return the next command."""
        while not self._messages:
            self.channel.scheduler.await_message(self.channel)
        return self._messages[0].copy()

    def recv(self) -> Message:
        """Take the next command."""
        while not self._messages:
            self.channel.scheduler.await_message(self.channel)
        return self.channel.take()


class Responses(_End, CspSendPort):
    """Where a model answers the runtime service; the last answer is kept."""

    def __init__(self, scheduler: Scheduler, owner: str) -> None:
        channel = Channel(
            scheduler,
            f"{owner}.process_to_service",
            "the runtime service",
            ("", ""),
            (1,),
            float,
            1,
        )
        super().__init__(channel, "process_to_service")
        self.last = 0.0

    def probe(self) -> bool:
        """Tell that there always is room."""
        return True

    def send(self, data: Message) -> None:
        """Keep an answer."""
        self.last = float(data[0])


class Pipe:
    """The channel between the host and a port on which ``flag_external_pipe`` was called.

    Parameters
    ----------
    port : InPort, OutPort or VarWire
        The port of the leaf Process, or Lava's Process that has a channel instead.
    channel : Channel
        The channel.
    attribute : str
        Where Lava's own Injector, Extractor and VarWire look for the host's end.
    """

    def __init__(self, port: Any, channel: Channel, attribute: str) -> None:
        self.port = port
        self.channel = channel
        self._attribute = attribute
        self._before = vars(port).get(attribute)
        end_class = HostSendEnd if channel.source == HOST else HostRecvEnd
        setattr(port, attribute, end_class(channel, "host"))

    def detach(self) -> None:
        """Take the host's end away from Lava's Processes."""
        if self._before is not None:
            setattr(self.port, self._attribute, self._before)
        else:
            vars(self.port).pop(self._attribute, None)
