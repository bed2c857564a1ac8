"""Compilation of the Processes connected to one Process, and undoing it after the run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

from lava.magma.core.process.process import AbstractProcess

from lava_ep._lava_private import (
    PyProcessBuilder,
    find_processes,
    forget_compilation,
    is_started,
)
from lava_ep.errors import InputError
from lava_ep.runtime.errors import RunStateError
from lava_ep.runtime.finding import with_own_search

_compiling = threading.RLock()
"""Held while Lava compiles, which several threads cannot do at the same time."""


def _renew_lock() -> None:
    global _compiling
    _compiling = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
    os.register_at_fork(after_in_child=_renew_lock)


def describe_process(process: AbstractProcess) -> str:
    """Return the name of a Process as errors give it: its own, its class's and its model's."""
    model = process.model_class
    chosen = f", model {model.__name__}" if model is not None else ""
    return f"Process '{process.name}' ({type(process).__name__}{chosen})"


def _with_sub_processes(processes: set[AbstractProcess]) -> Iterator[AbstractProcess]:
    for process in processes:
        yield process
        yield from _with_sub_processes(set(process.procs.members))


def compile_network(
    process: AbstractProcess, run_cfg: Any, compile_config: dict[str, Any]
) -> tuple[Any, set[AbstractProcess]]:
    """Compile a network, again if an earlier run has ended.

    Only models in modules that are imported are found, see `lava_ep.runtime.finding`.

    Parameters
    ----------
    process : AbstractProcess
        Any Process of the network.
    run_cfg : RunConfig
        Selects the ProcessModels.
    compile_config : dict
        Options of Lava's compiler.

    Returns
    -------
    executable : Executable
        The compiled network.
    processes : set of AbstractProcess
        All its Processes, hierarchical ones and their parts included.

    Raises
    ------
    RunStateError
        If a Process runs already, or was expanded into sub-Processes by an earlier run.
    InputError
        If a selected ProcessModel is not written in Python or the options cannot be supervised.
    """
    if compile_config.get("use_watchdog"):
        raise InputError(
            "compile_config: use_watchdog=True starts workers that supervised() does not know; "
            "leave it out, waits are supervised already."
        )
    with _compiling:
        return _compile(process, with_own_search(run_cfg), compile_config)


def _compile(
    process: AbstractProcess, run_cfg: Any, compile_config: dict[str, Any]
) -> tuple[Any, set[AbstractProcess]]:
    processes = set(find_processes(process))
    for member in processes:
        if is_started(member):
            raise RunStateError(
                f"{describe_process(member)} is running already; end that run first."
            )
    if any(member.is_compiled for member in processes):
        expanded = [member for member in processes if member.procs.members]
        if expanded:
            raise RunStateError(
                f"{describe_process(expanded[0])} was compiled before and expanded into its "
                "sub-Processes, which Lava cannot undo. Build the Processes anew for another run."
            )
    for member in processes:
        forget_compilation(member)
    executable = process.compile(run_cfg, compile_config)
    processes = set(_with_sub_processes(processes | set(executable.process_list)))
    for member, builder in executable.proc_builders.items():
        if not isinstance(builder, PyProcessBuilder):
            raise InputError(
                f"{describe_process(member)} is not written in Python; supervised() runs "
                "PyProcessModels only."
            )
    _flag_leaf_ports(processes)
    return executable, processes


def _flag_leaf_ports(processes: set[AbstractProcess]) -> None:
    """Pass ``flag_external_pipe`` from ports of hierarchical Processes on to their leaf ports."""
    for process in processes:
        if not process.procs.members:
            continue
        for port in [*process.in_ports.members, *process.out_ports.members]:
            if port.external_pipe_flag:
                leaf_port(port).flag_external_pipe(port.external_pipe_buffer_size)


def leaf_port(port: Any) -> Any:
    """Return the port of a leaf Process behind a port of a hierarchical Process.

    Parameters
    ----------
    port : InPort or OutPort
        A port of any Process.

    Returns
    -------
    InPort or OutPort
        The port itself for a Process without sub-Processes.

    Raises
    ------
    InputError
        If several leaf ports, or none, stand behind the port.
    """
    if not port.process.procs.members:
        return port
    is_in_port = port in port.process.in_ports.members
    leaves = port.get_dst_ports() if is_in_port else port.get_src_ports()
    if len(leaves) != 1:
        raise InputError(
            f"Port '{port.name}' of {describe_process(port.process)} leads to {len(leaves)} ports "
            "of sub-Processes; an external pipe needs exactly one."
        )
    return leaves[0]
