"""Lava's Runtime in one process: builds the models here and drives their phases."""

from __future__ import annotations

import contextlib
import copy
import logging
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPortVectorDense, PyOutPortVectorDense
from lava.magma.core.process.ports.ports import InPort
from lava.proc.io.extractor import VarWire

from lava_ep._lava_private import (
    MODEL_LINKS,
    WIRE_PORT,
    ActorType,
    AsyncPyRuntimeService,
    ChannelBuilderMp,
    LoihiPyRuntimeService,
    copied_parameters,
    create_port_id,
)
from lava_ep.errors import InputError, LavaEPError
from lava_ep.runtime.bulk import is_plain
from lava_ep.runtime.errors import ProcessFailure, RunStateError
from lava_ep.runtime.host_calls import HostCalls
from lava_ep.runtime.inline.building import act_for, build_model, members_of
from lava_ep.runtime.inline.channels import HOST, Channel, Pipe, WireEnd
from lava_ep.runtime.inline.domains import AsyncActor, AsyncDomain, LoihiActor, LoihiDomain
from lava_ep.runtime.inline.host import Host
from lava_ep.runtime.inline.scheduler import Scheduler
from lava_ep.runtime.network import describe_process

_STOP_PATIENCE = 1.0  # seconds for models without time steps to end by themselves


class InlineRuntime(HostCalls):
    """Executes a compiled network in the process and thread of the caller.

    Parameters
    ----------
    exe : Executable
        The compiled network, of ProcessModels written in Python only.
    message_infrastructure_type : ActorType
        Ignored; here for the signature of Lava's Runtime.
    loglevel : int
        Level of Lava's own log.
    close : callable, optional
        Ends the run; called where Lava asks this runtime to stop.
    members : iterable of AbstractProcess
        All Processes of the network, also hierarchical ones.
    threads : int or None
        Threads of numerical libraries while models run, None for no limit.
    """

    def __init__(
        self,
        exe: Any,
        message_infrastructure_type: ActorType = ActorType.MultiProcessing,
        loglevel: int = logging.WARNING,
        close: Callable[[], None] | None = None,
        members: Any = (),
        threads: int | None = None,
    ) -> None:
        super().__init__(exe, message_infrastructure_type, loglevel)
        self.scheduler = Scheduler(threads)
        self.host = Host(self.scheduler, self.is_done, self.check)
        self.pipes: list[Pipe] = []
        self.actors: dict[Any, LoihiActor | AsyncActor] = {}
        self.failure: BaseException | None = None
        self._domains: list[LoihiDomain | AsyncDomain] = []
        self._loihi: list[LoihiDomain] = []
        self._close = close
        self._members = members
        self._owners: dict[int, LoihiActor | AsyncActor] = {}
        self._has_ended = False

    # Building

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build the channels and the models.

        Parameters
        ----------
        node_cfg_idx : int
            As in Lava; there is one node configuration.
        """
        channels = self._build_inner_channels()
        for process, builder in self._executable.proc_builders.items():
            channels += self._build_pipes(process, builder)
        shared = members_of({*self._executable.proc_builders, *self._members})
        for process, builder in self._executable.proc_builders.items():
            process.runtime = self
            self.actors[process] = self._build_actor(process, builder, shared)
        for channel, source, target in channels:
            channel.sender = self.actors.get(source)
            channel.receiver = self.actors.get(target)
        self._build_domains(channels)
        for actor in self.actors.values():
            for port in actor.model.py_ports:
                port.start()
        self._is_initialized = self._is_started = True

    def _build_inner_channels(self) -> list[tuple[Channel, Any, Any]]:
        channels = []
        builders = self._executable.proc_builders
        for plan in self._executable.channel_builders or ():
            if not isinstance(plan, ChannelBuilderMp):
                raise InputError(
                    f"{describe_process(plan.src_process)}: inline execution runs ProcessModels "
                    f"written in Python; the network has a {type(plan).__name__}."
                )
            source, target = plan.src_port_initializer, plan.dst_port_initializer
            channel = Channel(
                self.scheduler,
                f"{plan.src_process.name}.{source.name}",
                f"{plan.dst_process.name}.{target.name}",
                (source.name, target.name),
                source.shape,
                source.d_type,
                source.size,
            )
            builders[plan.src_process].set_csp_ports([channel.src_port])
            builders[plan.dst_process].set_csp_ports([channel.dst_port])
            builders[plan.dst_process].add_csp_port_mapping(
                create_port_id(plan.src_process.id, source.name), channel.dst_port
            )
            channels.append((channel, plan.src_process, plan.dst_process))
        return channels

    def _build_pipes(self, process: Any, builder: Any) -> list[tuple[Channel, Any, Any]]:
        channels = []
        for name, initializer in builder.py_ports.items():
            port = getattr(process, name)
            if not port.external_pipe_flag:
                continue
            port_class = getattr(builder.proc_model, name).cls
            if not issubclass(port_class, PyInPortVectorDense | PyOutPortVectorDense):
                raise InputError(
                    f"Port '{name}' of {describe_process(process)} is a {port_class.__name__}; "
                    "external pipes carry dense vectors (VEC_DENSE) only."
                )
            own, inward = f"{process.name}.{name}", isinstance(port, InPort)
            channel = Channel(
                self.scheduler,
                HOST if inward else own,
                own if inward else HOST,
                (name, name),
                initializer.shape,
                initializer.d_type,
                port.external_pipe_buffer_size,
            )
            builder.set_csp_ports([channel.dst_port if inward else channel.src_port])
            attribute = f"external_pipe_csp_{'send' if inward else 'recv'}_port"
            self.pipes.append(Pipe(port, channel, attribute))
            channels.append((channel, None if inward else process, process if inward else None))
        return channels

    def _build_actor(
        self, process: Any, builder: Any, shared: dict[int, Any]
    ) -> LoihiActor | AsyncActor:
        parameters = copied_parameters(builder.proc_params, shared)
        wire = self._build_wire(process, parameters) if isinstance(process, VarWire) else None
        try:
            model = build_model(builder, parameters)
        except Exception as error:
            raise self._failed(process, error) from error
        actor = act_for(model, process.name, describe_process(process), self.scheduler)
        if wire is not None:
            wire.sender = actor
        self._owners.update(dict.fromkeys(model.var_id_to_var_map, actor))
        return actor

    def _build_wire(self, process: VarWire, parameters: Any) -> Channel:
        """Replace the channel that Lava's VarWire makes for itself."""
        own = getattr(process, WIRE_PORT)
        channel = Channel(
            self.scheduler,
            f"{process.name}.wire_tap",
            HOST,
            ("src", "dst"),
            own.shape,
            own.d_type,
            own.size,
        )
        self.pipes.append(Pipe(process, channel, WIRE_PORT))
        sender = parameters["pm_to_p_src_port"]
        parameters.overwrite("pm_to_p_src_port", WireEnd(channel, "src", sender, own))
        return channel

    def _build_domains(self, channels: list[tuple[Channel, Any, Any]]) -> None:
        order = _in_order(list(self.actors), [(s, t) for _, s, t in channels])
        for domain, builder in (self._executable.runtime_service_builders or {}).items():
            actors: Any = [self.actors[p] for p in order if p in domain.processes]
            if builder.rs_class is LoihiPyRuntimeService:
                loihi = LoihiDomain(actors, self.scheduler, self._take_request)
                self._domains.append(loihi)
            elif builder.rs_class is AsyncPyRuntimeService:
                self._domains.append(AsyncDomain(actors, self.scheduler, self._take_request))
            else:
                raise InputError(
                    f"Synchronization domain '{domain.name}' has the runtime service "
                    f"{builder.rs_class.__name__}; inline execution knows those of LoihiProtocol "
                    "and AsyncProtocol. Use OS processes for it."
                )

    # Running

    def begin_steps(self, n_steps: int) -> None:
        """Give the models time steps to take; they take them when the host calls."""
        self._is_started = True
        for domain in self._domains:
            domain.start(n_steps)

    @property
    def _is_running(self) -> bool:
        """Whether time steps are left, where Lava looks for it."""
        return self._is_started and not self.is_done()

    @_is_running.setter
    def _is_running(self, value: bool) -> None:
        """Lava's constructor sets it."""

    def is_done(self) -> bool:
        """Tell whether all time steps asked for are taken."""
        return not any(domain.active or domain.pending for domain in self._domains)

    def check(self) -> None:
        """Raise the failure of the network, if there is one."""
        if self.scheduler.failure is not None:
            task, error = self.scheduler.failure
            if self.failure is None:
                self.failure = self._explained(task, error)
            if self.failure is error:
                raise error
            raise self.failure from error
        if self._has_ended:
            self.scheduler.end()  # of what this thread has begun
            raise RunStateError("The run has ended: its 'with' block was left.")

    def _explained(self, task: Any, error: BaseException) -> BaseException:
        if task is None or isinstance(error, KeyboardInterrupt):
            return error
        actor = task.__self__.actor
        process = next(process for process, found in self.actors.items() if found is actor)
        return self._failed(process, error)

    def _failed(self, process: Any, error: BaseException) -> ProcessFailure:
        return ProcessFailure(
            describe_process(process),
            process.name,
            process.model_class.__name__,
            "".join(traceback.format_exception(type(error), error, error.__traceback__)),
            type(error).__name__,
            str(error),
        )

    def _take_request(self, stop: bool) -> None:
        self.stop_requested |= stop
        self.ask_to_pause()

    def ask_to_pause(self) -> None:
        """Have all that still run end after the present time step."""
        for domain in self._domains:
            if domain.active:
                domain.pause()

    def wait(self) -> None:
        """Run until the network is paused."""
        self.host.until(self.is_done)

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Run the network until a condition holds, or some seconds have passed."""
        return bool(self.host.until(condition, timeout, must=timeout is None))

    # Vars

    def read(self, var_id: int) -> Any:
        """Return a copy of the attribute behind a Var."""
        self.require_paused("get")
        model = self._owners[var_id].model
        value = getattr(model, model.var_id_to_var_map[var_id])
        if is_plain(value):
            return np.array(value, order="C")
        return copy.deepcopy(value)

    def write(self, var_id: int, convert: Callable[[dict[str, Any]], Any]) -> None:
        """Replace the attribute behind a Var by what ``convert`` makes for its description."""
        self.require_paused("set")
        actor = self._owners[var_id]
        model = actor.model
        name = model.var_id_to_var_map[var_id]
        old = getattr(model, name)
        if is_plain(old):
            like = np.asarray(old)
            kind = "array" if isinstance(old, np.ndarray) else "scalar"
            new = convert({"kind": kind, "dtype": like.dtype.str, "shape": like.shape})
            new = np.asarray(new, like.dtype).reshape(like.shape)
        else:
            new = copy.deepcopy(convert({"kind": "pickle", "type": type(old).__name__}))

        def assign() -> None:
            if not is_plain(old):
                setattr(model, name, new)
            elif not isinstance(old, np.ndarray):
                setattr(model, name, type(old)(new.item()))
            elif old.flags.writeable:
                old[...] = new
            else:
                setattr(model, name, new.copy())
            model.on_var_update()

        self._perform(actor, assign)

    def _perform(self, actor: LoihiActor | AsyncActor, function: Callable[[], None]) -> None:
        """Run a function of a model's to its end, as it runs its phases."""
        finished: list[bool] = []

        def perform() -> None:
            function()
            finished.append(True)

        actor.call(perform)
        self.host.until(lambda: bool(finished))

    # Ending

    def stop(self) -> None:
        """End the run."""
        if self._close is not None:
            self._close()
        else:
            self.end(gracefully=True)

    def end(self, gracefully: bool) -> BaseException | None:
        """End all models once; return the failure that the network had unnoticed.

        Parameters
        ----------
        gracefully : bool
            Whether models are told to stop, as Lava does; otherwise they only let go of what they
            hold.
        """
        if self._has_ended:
            return None
        healthy = gracefully and self.scheduler.failure is None
        if healthy:
            self._stop_asynchronous_models()
            self.host.let_others_take([p.channel for p in self.pipes if p.channel.target == HOST])
        found: list[BaseException | None] = []
        self.host.alone(lambda: found.append(self._end(healthy)))
        return found[0]

    def _end(self, healthy: bool) -> BaseException | None:
        failure = self._unnoticed()
        self._has_ended = True
        self.scheduler.end()
        for actor in self.actors.values():
            try:
                if healthy and failure is None:
                    actor.end()
                else:
                    actor.model.join()
            except Exception as error:
                if healthy and failure is None:
                    self.scheduler.failure = (actor.end, error)
                    failure = self._unnoticed()
        for pipe in self.pipes:
            pipe.detach()
        self._is_started = False
        if healthy and failure is None:  # else they are there for a debugger
            self._forget_models()
        return failure

    def _forget_models(self) -> None:
        """Break the circles of references, so that memory and threads of models end now."""
        for actor in self.actors.values():
            state = vars(actor.model)
            for port in state.get("py_ports", ()):
                vars(port).clear()
            for name in MODEL_LINKS:
                state.pop(name, None)
            vars(actor).clear()
        for domain in self._domains:
            vars(domain).clear()
        self.actors.clear()
        self._owners.clear()
        self._domains.clear()
        self.pipes.clear()

    def _unnoticed(self) -> BaseException | None:
        if self.failure is not None or self.scheduler.failure is None:
            return None
        try:
            self.check()
        except BaseException as error:
            return error
        return None

    def _stop_asynchronous_models(self) -> None:
        running = [d for d in self._domains if isinstance(d, AsyncDomain) and d.active]
        for domain in running:
            domain.stop()
        if running:
            with contextlib.suppress(LavaEPError):  # kept as the failure
                self.host.until(
                    lambda: not any(domain.active for domain in running), _STOP_PATIENCE, must=False
                )

    def join(self) -> None:
        """There is nothing to join."""


def _in_order(processes: list[Any], connections: list[tuple[Any, Any]]) -> list[Any]:
    """Return Processes such that those who send come before those who receive.

    In a circle, the one that Lava compiled first comes first.
    """
    before: dict[Any, set[Any]] = {process: set() for process in processes}
    for source, target in connections:
        if source is not None and target is not None and source is not target:
            before[target].add(source)
    order: list[Any] = []
    left = list(processes)
    while left:
        free = next((process for process in left if not before[process] & set(left)), left[0])
        left.remove(free)
        order.append(free)
    return order
