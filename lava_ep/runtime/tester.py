"""One ProcessModel alone: built in this process, its ports fed and read by hand."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.model.py.ports import PyInPortVectorSparse, PyOutPortVectorSparse
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from lava_ep._lava_private import (
    PortInitializer,
    PyProcessBuilder,
    VarInitializer,
    copied_parameters,
)
from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime.casting import as_array, checked_array
from lava_ep.runtime.finding import choose_model
from lava_ep.runtime.inline.building import act_for, build_model, members_of
from lava_ep.runtime.inline.channels import HOST, Channel, RecvEnd, SendEnd
from lava_ep.runtime.inline.domains import AsyncDomain, LoihiActor, LoihiDomain
from lava_ep.runtime.inline.errors import DeadlockError
from lava_ep.runtime.inline.scheduler import Scheduler

Message = Any
"""An array; for a sparse port, a pair (data, indices)."""


_LOOKS = 100_000  # in vain within a step, after which a model is taken to wait


class _Alone(Scheduler):
    """Runs one model in the stack of the caller; as nobody else runs, it waits in vain."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self._owner = owner
        self._looks = 0

    def run(self) -> None:
        """Carry out all tasks."""
        self._looks = 0
        while self.todo:
            self.todo.popleft()()

    def await_message(self, channel: Channel) -> None:
        """Raise the error of a model that waits for a message."""
        raise self._in_vain(channel, f"waits for {channel.source}")

    def give_way(self, channel: Channel) -> None:
        """Raise the error of a model that looks for a message again and again."""
        self._looks += 1
        if self._looks >= _LOOKS:
            raise self._in_vain(channel, f"has found no message at {self._looks:,} looks in a step")

    def _in_vain(self, channel: Channel, trouble: str) -> DeadlockError:
        return DeadlockError(
            f"{self._owner} cannot go on: {channel.target} {trouble}, but it runs alone, and "
            "nobody sends anything before the step ends. Feed InPorts before the step, or test the "
            "model in a network.",
            [(channel.target, channel.source)],
        )


class _InputEnd(RecvEnd):
    """Where the model receives: what was fed, then zeros."""

    def peek(self) -> npt.NDArray[Any]:
        """Return a copy of the oldest message, zeros when there is none."""
        return super().peek() if self._messages else np.zeros(self._shape, self._dtype)

    def recv(self) -> npt.NDArray[Any]:
        """Take the oldest message, zeros when there is none."""
        return super().recv() if self._messages else np.zeros(self._shape, self._dtype)


class _OutputEnd(SendEnd):
    """Where the model sends."""

    def send(self, data: npt.NDArray[Any]) -> None:
        """Keep a copy, in the port's element type."""
        if np.shape(data) != self._shape:
            raise LavaEPError(
                f"Port '{self._name}': the model sent an array of shape {np.shape(data)}, but the "
                f"port has shape {self._shape}."
            )
        super().send(np.asarray(data))


class ProcessTester:
    """Runs one ProcessModel without Lava's runtime, for unit tests.

    The model is built as by `lava_ep.runtime.inline`, whose channels and phases it uses: its Vars
    start as the Process gives them, and its ports are of the classes that it asks for. Connections
    of the Process are ignored, so that its RefPorts read zeros.

    Parameters
    ----------
    process : AbstractProcess
        The Process; it stays usable for a real run.
    model : type of AbstractPyProcessModel, optional
        The ProcessModel to run.
    run_cfg : RunConfig, optional
        Selects the model where ``model`` is not given; by default
        ``Loihi2SimCfg(select_tag="floating_pt")``.
    inputs, outputs : sequence of str, optional
        Names of the ports that count as connected, by default all. The others have no channel, as
        an unconnected port in a network.

    Attributes
    ----------
    model : AbstractPyProcessModel
        The model. Its Vars are attributes, to read and to change.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.lif.process import LIF
    >>> from lava_ep.runtime import ProcessTester
    >>> tester = ProcessTester(LIF(shape=(2,), vth=2))
    >>> tester.step({"a_in": np.array([1.0, 3.0])})
    {'s_out': array([0., 1.])}
    """

    def __init__(
        self,
        process: AbstractProcess,
        model: type[AbstractPyProcessModel] | None = None,
        run_cfg: RunConfig | None = None,
        inputs: Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> None:
        model = model or select_model(process, run_cfg)
        if not (isinstance(model, type) and issubclass(model, AbstractPyProcessModel)):
            raise InputError(
                f"ProcessTester runs ProcessModels written in Python, got {model!r} for Process "
                f"'{process.name}'."
            )
        self._name = f"Process '{process.name}' ({type(process).__name__}, model {model.__name__})"
        in_names = _chosen(inputs, process.in_ports.member_names, "InPort", self._name)
        out_names = _chosen(outputs, process.out_ports.member_names, "OutPort", self._name)
        self._scheduler = _Alone(self._name)
        self._fed = {name: self._channel(process, model, name, HOST) for name in in_names}
        self._collected = {name: self._channel(process, model, name) for name in out_names}
        self._sparse = {
            name
            for name in [*in_names, *out_names]
            if issubclass(getattr(model, name).cls, (PyInPortVectorSparse, PyOutPortVectorSparse))
        }
        self.model: Any = self._build(process, model)
        actor: Any = act_for(self.model, process.name, self._name, self._scheduler)
        if isinstance(actor, LoihiActor):
            actor.is_guarded = True  # as a test may replace the guards of the model
        kind: Any = LoihiDomain if isinstance(actor, LoihiActor) else AsyncDomain
        self._domain = kind([actor], self._scheduler, lambda stop: None)

    def _channel(
        self, process: AbstractProcess, model: Any, name: str, source: str | None = None
    ) -> Channel:
        own, d_type = f"{process.name}.{name}", getattr(model, name).d_type
        ends, shape = (source or own, own if source else HOST), getattr(process, name).shape
        return Channel(self._scheduler, *ends, (name, name), shape, d_type, sys.maxsize)

    def _build(self, process: AbstractProcess, model: Any) -> AbstractPyProcessModel:
        builder = PyProcessBuilder(model, process.id, process.proc_params)
        builder.set_variables([VarInitializer(v.name, v.shape, v.init, v.id) for v in process.vars])
        builder.set_py_ports(
            [_initializer(port, model) for port in [*process.in_ports, *process.out_ports]]
        )
        builder.set_ref_ports([_initializer(port, model) for port in process.ref_ports])
        builder.check_all_vars_and_ports_set()
        builder.check_lava_py_types()
        builder.set_csp_ports([_InputEnd(channel, name) for name, channel in self._fed.items()])
        builder.set_csp_ports(
            [_OutputEnd(channel, name) for name, channel in self._collected.items()]
        )
        arguments = copied_parameters(process.proc_params, members_of([process]))
        built = build_model(builder, arguments)
        for port in built.py_ports:
            port.start()
        return built

    def step(self, inputs: Mapping[str, Message] | None = None) -> dict[str, Message]:
        """Run one time step, with the management and learning phases that the model asks for.

        Parameters
        ----------
        inputs : mapping of str to array-like, optional
            A message per InPort; for a sparse port, a pair (data, indices). A port that is not fed
            receives zeros. What the model does not receive stays for later steps.

        Returns
        -------
        dict of str to numpy.ndarray
            The message of each OutPort on which the model sent one; for a sparse port, a pair
            (data, indices). A port on which it sent several has a list of them.

        Raises
        ------
        InputError
            If a port does not exist or its message does not fit it; nothing is fed then.
        DeadlockError
            If the model waits where nothing can come, or looks there again and again.
        """
        if not isinstance(inputs, Mapping | None):
            raise InputError(
                f"{self._name}: got inputs of type {type(inputs).__name__}, expected a mapping "
                "from names of InPorts to messages."
            )
        found = [(name, self._checked(name, message)) for name, message in (inputs or {}).items()]
        for name, messages in found:
            for message in messages:
                self._fed[name].put(message)
        for channel in self._collected.values():
            channel.messages.clear()
        if isinstance(self._domain, LoihiDomain):
            self._domain.start(2)  # and pause after one, as the host phase follows the last
            self._domain.pause()
        else:
            self._domain.start(1)
        self._scheduler.run()
        sent = {name: self._messages(name) for name in self._collected}
        return {
            name: messages[0] if len(messages) == 1 else messages
            for name, messages in sent.items()
            if messages
        }

    def run(self, inputs: Sequence[Mapping[str, Message]]) -> dict[str, npt.NDArray[Any]]:
        """Run a step per element of ``inputs``.

        Parameters
        ----------
        inputs : sequence of mappings
            The messages of each step, as for `step`.

        Returns
        -------
        dict of str to numpy.ndarray
            The messages of each OutPort, stacked along a new first axis.

        Raises
        ------
        InputError
            If a port did not send exactly one dense message in each step.
        """
        steps = [self.step(messages) for messages in inputs]
        names = {name for step in steps for name in step}
        for name in names:
            if not all(isinstance(step.get(name), np.ndarray) for step in steps):
                raise InputError(
                    f"{self._name}: port '{name}' did not send exactly one dense message in each "
                    "step, so they cannot be stacked; use step()."
                )
        return {name: np.stack([step[name] for step in steps]) for name in sorted(names)}

    def _checked(self, name: str, message: Message) -> list[npt.NDArray[Any]]:
        """Return what a channel carries for a message."""
        if name not in self._fed:
            raise InputError(
                f"{self._name} has no connected InPort '{name}'; it has "
                f"{', '.join(sorted(self._fed)) or 'none'}."
            )
        shape, d_type = self._fed[name].shape, self._fed[name].dtype
        target = f"Port '{name}' of {self._name}"
        if name not in self._sparse:
            return [checked_array(message, shape, d_type, target)]
        if not isinstance(message, tuple | list) or len(message) != 2:
            raise InputError(
                f"{target}: expected a pair (data, indices), as the port is sparse, got "
                f"{type(message).__name__}."
            )
        data, indices = (as_array(part, target).reshape(-1) for part in message)
        size = int(np.prod(shape))
        if data.size != indices.size or data.size > size:
            raise InputError(
                f"{target}: got {data.size} values and {indices.size} indices, expected as many of "
                f"both and at most {size}."
            )
        triple = [np.zeros(shape, d_type) for _ in range(3)]
        for padded, part in zip(triple, (np.array([data.size]), data, indices), strict=True):
            padded.flat[: part.size] = checked_array(part, part.shape, d_type, target)
        return triple

    def _messages(self, name: str) -> list[Message]:
        messages = list(self._collected[name].messages)
        if name not in self._sparse:
            return messages
        triples = zip(messages[::3], messages[1::3], messages[2::3], strict=True)
        return [
            (data.reshape(-1)[: int(n.flat[0])], indices.reshape(-1)[: int(n.flat[0])])
            for n, data, indices in triples
        ]


def _initializer(port: Any, model: Any) -> PortInitializer:
    d_type = getattr(model, port.name).d_type
    return PortInitializer(port.name, port.shape, d_type, type(port).__name__, 1)


def select_model(process: AbstractProcess, run_cfg: RunConfig | None) -> Any:
    """Return the ProcessModel that a RunConfig selects, by default one for floating point."""
    return choose_model(process, run_cfg or Loihi2SimCfg(select_tag="floating_pt"))


def _chosen(names: Sequence[str] | None, existing: list[str], kind: str, owner: str) -> list[str]:
    if isinstance(names, str):
        names = [names]
    unknown = set(names or ()) - set(existing)
    if unknown:
        raise InputError(
            f"{owner} has no {kind} {', '.join(map(repr, sorted(unknown)))}; it has "
            f"{', '.join(existing) or 'none'}."
        )
    return list(existing if names is None else names)
