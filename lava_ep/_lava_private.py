"""Everything of Lava that the package uses beyond Lava's public interface, and why.

Public is what Lava's tutorials import to describe and run a network: Processes with their ports and
Vars, ProcessModels with their types and decorators, RunConfigs, run conditions, learning rules and
`lava.proc`. Private is the rest: names with an underscore, modules of the compiler and the runtime,
and attributes that only these set. Other modules import private names from here, and reach names
with an underscore through the functions below.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from lava.magma.compiler.builders.channel_builder import ChannelBuilderMp
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.pypychannel import (
    CspRecvPort,
    CspSelector,
    CspSendPort,
    PyPyChannel,
)
from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs, find_processes
from lava.magma.compiler.utils import PortInitializer, VarInitializer
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.ports.ports import create_port_id
from lava.magma.runtime.mgmt_token_enums import (
    MGMT_COMMAND,
    MGMT_RESPONSE,
    enum_equal,
    enum_to_np,
)
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import (
    AsyncPyRuntimeService,
    LoihiPyRuntimeService,
)
from lava.utils.sparse import find
from numpy.typing import NDArray

__all__ = [
    "MGMT_COMMAND",
    "MGMT_RESPONSE",
    "ActorType",
    "AsyncPyRuntimeService",
    "ChannelBuilderMp",
    "ChannelType",
    "CspRecvPort",
    "CspSelector",
    "CspSendPort",
    "LoihiPyRuntimeService",
    "PortInitializer",
    "PyProcessBuilder",
    "PyPyChannel",
    "Runtime",
    "VarInitializer",
    "create_port_id",
    "enum_equal",
    "enum_to_np",
    "find",
    "find_processes",
]

_WHY: dict[str, dict[str, str]] = {
    "lava.magma.compiler.builders.channel_builder:ChannelBuilderMp": {
        "": "the plan of a channel between two ProcessModels, for channels in one process",
        "src_process dst_process src_port_initializer dst_port_initializer": "its ends",
    },
    "lava.magma.compiler.builders.py_builder:PyProcessBuilder": {
        "": "tells models written in Python, and builds a model in this process",
        "build check_all_vars_and_ports_set check_lava_py_types": "building a model here",
        "set_variables set_py_ports set_ref_ports": "what a model is built with",
        "set_csp_ports add_csp_port_mapping": "the ends of our channels for a model",
        "py_ports vars proc_params": "ports, Vars and arguments of a model to be built",
    },
    "lava.magma.compiler.channels.interfaces:ChannelType": {
        "PyPy": "the only channels that we provide"
    },
    "lava.magma.compiler.channels.pypychannel:CspSendPort": {
        "": "builders and models look at the class of a channel end",
        "_name _shape _dtype _size": "read by Lava through properties",
        "_shm _nbytes _req _ack _array": "the messages in shared memory and their semaphores",
        "_semaphore": "released once a message was taken, which ends a wait of the host",
        "observer thread start join probe send": "what Lava calls or reads",
    },
    "lava.magma.compiler.channels.pypychannel:CspRecvPort": {
        "": "as CspSendPort",
        "_name _shape _dtype _size _shm _nbytes _req _ack _array": "as for CspSendPort",
        "_queue": "filled once a message arrives, which ends a wait of the host",
        "observer thread start join probe peek recv": "what Lava calls or reads",
    },
    "lava.magma.compiler.channels.pypychannel:CspSelector": {
        "select": "a wait for commands that needs no thread"
    },
    "lava.magma.compiler.channels.pypychannel:PyPyChannel": {
        "src_port dst_port": "channels between the host and flagged ports"
    },
    "lava.magma.compiler.compiler_graphs:find_processes": {"": "all Processes of a network"},
    "lava.magma.compiler.compiler_graphs:ProcGroupDiGraphs": {
        "_find_proc_models": "Lava's search for the models of its own Processes",
        "_find_proc_models_in_module": "the same in one module, without importing others",
        "_select_proc_models": "the choice of a RunConfig, without compiling",
    },
    "lava.magma.compiler.executable:Executable": {
        "process_list proc_builders channel_builders node_configs runtime_service_builders": "the "
        "compiled network",
    },
    "lava.magma.compiler.node:NodeConfig": {"var_models": "which Vars a network has"},
    "lava.magma.compiler.utils:PortInitializer": {"": "a port of a model that is built alone"},
    "lava.magma.compiler.utils:VarInitializer": {"": "a Var of a model that is built alone"},
    "lava.magma.core.model.py.model:AbstractPyProcessModel": {
        "py_ports var_ports var_id_to_var_map": "ports and Vars of a built model",
        "service_to_process process_to_service": "its channels for commands and answers",
        "_cmd_handlers": "Vars that are transferred as a whole, and phases without a service",
        "_selector _channel_actions": "the wait for commands, and what is left of it at the end",
    },
    "lava.magma.core.model.py.model:PyLoihiProcessModel": {
        "_spike _pre_mgmt _lrn _post_mgmt _host": "the phases of a time step, without a service",
        "_handle_pause_or_stop_req _req_rs_pause _req_rs_stop _req_pause _req_stop": "requests of "
        "a model to pause or to stop",
        "_handle_var_port": "answers a RefPort",
    },
    "lava.magma.core.model.py.ports:PyInPort": {"csp_ports": "the channel ends of a port"},
    "lava.magma.core.model.py.ports:PyInPortVectorDense": {
        "_shape _d_type _transformer": "a port that adds messages without arrays of zeros"
    },
    "lava.magma.core.model.py.ports:PyOutPort": {"csp_ports": "the channel ends of a port"},
    "lava.magma.core.process.message_interface_enum:ActorType": {
        "MultiProcessing": "an argument of Runtime"
    },
    "lava.magma.core.process.ports.ports:create_port_id": {"": "the key of a mapping of channels"},
    "lava.magma.core.process.process:AbstractProcess": {
        "_is_compiled": "a network can run again",
        "_log_config": "the level of Lava's log",
    },
    "lava.magma.core.process.process:ProcessParameters": {
        "_parameters": "constructor arguments, copied one by one for a model in this process"
    },
    "lava.magma.core.run_configs:AbstractLoihiRunCfg": {
        "exception_proc_model_map": "asked for a model before Lava executes files beside a Process"
    },
    "lava.magma.runtime.mgmt_token_enums:MGMT_COMMAND": {
        "RUN PAUSE STOP GET_DATA SET_DATA": "commands to models and runtime services"
    },
    "lava.magma.runtime.mgmt_token_enums:MGMT_RESPONSE": {
        "DONE PAUSED REQ_PAUSE REQ_STOP TERMINATED SET_COMPLETE": "their answers"
    },
    "lava.magma.runtime.mgmt_token_enums:enum_equal": {"": "reads an answer"},
    "lava.magma.runtime.mgmt_token_enums:enum_to_np": {"": "writes a command"},
    "lava.magma.runtime.runtime:Runtime": {
        "": "Processes call their runtime",
        "_executable _messaging_infrastructure _open_ports": "the compiled network, its channels",
        "_is_initialized _is_started _is_running num_steps": "the state that Processes look at",
        "_build_watchdog_manager _build_channels _build_sync_channels": "building channels as Lava",
        "runtime_to_service service_to_runtime": "channels for commands and answers",
    },
    "lava.magma.runtime.runtime_services.runtime_service:AsyncPyRuntimeService": {
        "": "tells models without time steps"
    },
    "lava.magma.runtime.runtime_services.runtime_service:LoihiPyRuntimeService": {
        "": "tells models with time steps",
        "_handle_pause pausing req_pause": "a service that runs on after a pause",
        "service_to_process process_to_service": "its channels, for ends without threads",
    },
    "lava.proc.io.injector:PyLoihiInjectorModel": {"_p_to_pm_dst_port": "ended by its __del__"},
    "lava.proc.io.extractor:VarWire": {
        "_pm_to_p_dst_port": "its channel, made before there is a run"
    },
    "lava.utils.sparse:find": {"": "the entries of a sparse message in Lava's order"},
}

PRIVATE: Mapping[str, str] = MappingProxyType(
    {
        f"{owner}.{name}" if name else owner: why
        for owner, entries in _WHY.items()
        for names, why in entries.items()
        for name in names.split() or [""]
    }
)
"""Each private name, as ``module:object`` or ``module:object.attribute``, and why it is used."""

PHASE_METHODS = ("_spike", "_pre_mgmt", "_lrn", "_post_mgmt", "_host")
"""Methods of a model that carry out the phases, in their order."""

REQUEST_METHODS = ("_handle_pause_or_stop_req", "_req_rs_pause", "_req_rs_stop")
REQ_PAUSE, REQ_STOP = "_req_pause", "_req_stop"
INJECTOR_PORT = "_p_to_pm_dst_port"
WIRE_PORT = "_pm_to_p_dst_port"

MODEL_LINKS = ("py_ports", "var_ports", "_cmd_handlers", "_channel_actions")
"""Attributes by which a model, its ports and its methods refer to each other in circles."""

find_own_models: Callable[..., list[Any]] = ProcGroupDiGraphs._find_proc_models
find_models_in: Callable[..., list[Any]] = ProcGroupDiGraphs._find_proc_models_in_module
select_model: Callable[..., Any] = ProcGroupDiGraphs._select_proc_models


def log_level(process: Any) -> int:
    """Return the level of Lava's log that a Process was given."""
    level: int = process._log_config.level
    return level


def is_started(process: Any) -> bool:
    """Return whether a Process belongs to a network that runs."""
    return process.runtime is not None and bool(process.runtime._is_started)


def forget_compilation(process: Any) -> None:
    """Let a Process be compiled again."""
    process._is_compiled = False


def call_after(target: object, method: str, callback: Callable[[], None]) -> None:
    """Make ``target.method`` run ``callback`` once it has returned, on this one object.

    Parameters
    ----------
    target : object
        The object; its class is left alone.
    method : str
        Name of the method.
    callback : callable
        Called without arguments after each call of the method that did not raise.
    """
    original = getattr(target, method)

    def with_callback(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        callback()
        return result

    setattr(target, method, with_callback)


def call_after_change(port: Any, callback: Callable[[], None]) -> None:
    """Call back when the host's end of a channel has room, or a message, again.

    Lava's ``observer`` of a port misses messages that arrive while the last one is taken, so
    this follows the change of the port's own queue or semaphore instead.
    """
    if isinstance(port, CspSendPort):
        call_after(port._semaphore, "release", callback)
    else:
        call_after(port._queue, "put_nowait", callback)


def forget_pauses(service: Any) -> None:
    """Let a network run on after a pause: Lava's service would never again report "done"."""

    def forget() -> None:
        service.pausing = service.req_pause = False

    call_after(service, "_handle_pause", forget)


def message_slots(port: Any) -> list[NDArray[Any]]:
    """Return views of the messages that the memory of a channel of Lava's holds."""
    step = port._nbytes
    return [
        np.ndarray(port._shape, port._dtype, port._shm.buf[step * i : step * (i + 1)])
        for i in range(port._size)
    ]


def is_connected(port: Any) -> bool:
    """Return whether a port of a model leads anywhere."""
    return bool(port.csp_ports)


def select_by(model: Any, selector: CspSelector) -> None:
    """Have a model wait for commands in another way."""
    model._selector = selector


def handlers(model: Any) -> dict[Any, Callable[[], None]]:
    """Return what a model does at each command, to read and to change."""
    found: dict[Any, Callable[[], None]] = model._cmd_handlers
    return found


def answer_ref_port(model: Any, port: Any) -> None:
    """Have a model answer the next request of a RefPort."""
    model._handle_var_port(port)


def is_awaited(port: Any) -> bool:
    """Return whether a thread waits for a message at the end of a channel of Lava's."""
    return bool(port._queue.not_empty._waiters)


def copied_parameters(parameters: Any, shared: dict[int, Any]) -> Any:
    """Return the constructor arguments for a model, copied where they can be.

    A forked worker changes copies only; whatever cannot be copied is handed on as it is.
    """
    found = copy.copy(parameters)
    if not hasattr(parameters, "_parameters"):
        return found
    memo = dict(shared)
    found._parameters = {}
    for name, value in parameters._parameters.items():
        try:
            found._parameters[name] = copy.deepcopy(value, memo)
        except Exception:
            found._parameters[name] = value
    return found
