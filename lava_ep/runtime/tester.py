"""One ProcessModel alone: built in this process, its ports fed and read by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.utils import PortInitializer, VarInitializer
from lava.magma.core.model.py.model import (
    AbstractPyProcessModel,
    PyAsyncProcessModel,
    PyLoihiProcessModel,
)
from lava.magma.core.model.py.ports import PyInPortVectorSparse, PyOutPortVectorSparse
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig
from lava.magma.runtime.mgmt_token_enums import enum_equal, enum_to_np

from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime.casting import as_array, checked_array
from lava_ep.runtime.finding import choose_model

Message = Any
"""An array; for a sparse port, a pair (data, indices)."""


class _FedPort:
    """Receiving end of a channel that the test fills."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.name = name
        self.shape = shape
        self.d_type = np.dtype(dtype)
        self.messages: deque[npt.NDArray[Any]] = deque()

    def probe(self) -> bool:
        """Tell whether a message was fed and not yet received."""
        return bool(self.messages)

    def recv(self) -> npt.NDArray[Any]:
        """Return the oldest message, zeros when there is none."""
        return self.messages.popleft() if self.messages else np.zeros(self.shape, self.d_type)

    def peek(self) -> npt.NDArray[Any]:
        """Return the oldest message without taking it, zeros when there is none."""
        return self.messages[0] if self.messages else np.zeros(self.shape, self.d_type)


class _CollectingPort:
    """Sending end of a channel that keeps what the model sends."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.name = name
        self.shape = shape
        self.d_type = np.dtype(dtype)
        self.messages: list[npt.NDArray[Any]] = []

    def is_msg_size_static(self) -> bool:
        """Tell sparse ports to pad their messages to the port's shape, as in Lava's channels."""
        return True

    def probe(self) -> bool:
        """Tell that there always is room."""
        return True

    def send(self, data: npt.NDArray[Any]) -> None:
        """Keep a copy, in the port's element type."""
        if np.shape(data) != self.shape:
            raise LavaEPError(
                f"Port '{self.name}': the model sent an array of shape {np.shape(data)}, but the "
                f"port has shape {self.shape}."
            )
        message = np.empty(self.shape, self.d_type)
        message[...] = data
        self.messages.append(message)


class _ServiceLink:
    """Both ends of the channels to the runtime service that the model would have."""

    def __init__(self) -> None:
        self.commands: deque[npt.NDArray[Any]] = deque()
        self.answer: npt.NDArray[Any] = PyLoihiProcessModel.Response.STATUS_DONE

    def probe(self) -> bool:
        """Tell whether a command is waiting."""
        return bool(self.commands)

    def peek(self) -> npt.NDArray[Any]:
        """Return the next command without taking it."""
        return self.commands[0]

    def recv(self) -> npt.NDArray[Any]:
        """Return the next command."""
        return self.commands.popleft()

    def send(self, data: npt.NDArray[Any]) -> None:
        """Keep the model's answer."""
        self.answer = data


class ProcessTester:
    """Runs one ProcessModel without Lava's runtime, for unit tests.

    The model is built by Lava's own builder: its Vars start as the Process gives them, and its
    ports are of the classes that it asks for. Connections of the Process are ignored.

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
        self._fed = {name: self._port(_FedPort, process, model, name) for name in in_names}
        self._collected = {
            name: self._port(_CollectingPort, process, model, name) for name in out_names
        }
        self._sparse = {
            name
            for name in [*in_names, *out_names]
            if issubclass(getattr(model, name).cls, (PyInPortVectorSparse, PyOutPortVectorSparse))
        }
        self._service = _ServiceLink()
        self.model = self._build(process, model)

    @staticmethod
    def _port(kind: Any, process: AbstractProcess, model: Any, name: str) -> Any:
        return kind(name, getattr(process, name).shape, getattr(model, name).d_type)

    def _build(self, process: AbstractProcess, model: Any) -> Any:
        builder = PyProcessBuilder(model, process.id, process.proc_params)
        builder.set_variables([VarInitializer(v.name, v.shape, v.init, v.id) for v in process.vars])
        builder.set_py_ports(
            [_initializer(port, model) for port in [*process.in_ports, *process.out_ports]]
        )
        builder.set_ref_ports([_initializer(port, model) for port in process.ref_ports])
        builder.check_all_vars_and_ports_set()
        builder.check_lava_py_types()
        builder.set_csp_ports([*self._fed.values(), *self._collected.values()])
        built = builder.build()
        built.service_to_process = built.process_to_service = self._service
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
            If a port does not exist or its message does not fit it.
        """
        if not isinstance(inputs, Mapping | None):
            raise InputError(
                f"{self._name}: got inputs of type {type(inputs).__name__}, expected a mapping "
                "from names of InPorts to messages."
            )
        for name, message in (inputs or {}).items():
            self._feed(name, message)
        for port in self._collected.values():
            port.messages.clear()
        if isinstance(self.model, PyAsyncProcessModel):
            self._service.commands.append(enum_to_np(1))
            self.model._run_async()
        else:
            self._run_phases()
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

    def _run_phases(self) -> None:
        """Follow the model's answers through the phases, as Lava's runtime service does."""
        response = PyLoihiProcessModel.Response
        handler = self.model._spike
        while handler is not None:
            handler()
            answer = self._service.answer
            handler = next(
                (
                    following
                    for request, following in (
                        (response.REQ_PRE_LRN_MGMT, self.model._pre_mgmt),
                        (response.REQ_LEARNING, self.model._lrn),
                        (response.REQ_POST_LRN_MGMT, self.model._post_mgmt),
                    )
                    if enum_equal(answer, request)
                ),
                None,
            )

    def _feed(self, name: str, message: Message) -> None:
        if name not in self._fed:
            raise InputError(
                f"{self._name} has no connected InPort '{name}'; it has "
                f"{', '.join(sorted(self._fed)) or 'none'}."
            )
        port = self._fed[name]
        target = f"Port '{name}' of {self._name}"
        if name not in self._sparse:
            port.messages.append(checked_array(message, port.shape, port.d_type, target).copy())
            return
        if not isinstance(message, tuple | list) or len(message) != 2:
            raise InputError(
                f"{target}: expected a pair (data, indices), as the port is sparse, got "
                f"{type(message).__name__}."
            )
        data, indices = (as_array(part, target).reshape(-1) for part in message)
        size = int(np.prod(port.shape))
        if data.size != indices.size or data.size > size:
            raise InputError(
                f"{target}: got {data.size} values and {indices.size} indices, expected as many of "
                f"both and at most {size}."
            )
        for part in (np.array([data.size]), data, indices):
            padded = np.zeros(size, port.d_type)
            padded[: part.size] = checked_array(part, part.shape, port.d_type, target)
            port.messages.append(padded.reshape(port.shape))

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
