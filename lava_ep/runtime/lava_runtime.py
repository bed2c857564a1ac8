"""Lava's Runtime with supervised workers, anonymous shared memory and bulk Var access."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_ep._lava_private import (
    MGMT_COMMAND,
    MGMT_RESPONSE,
    ActorType,
    call_after_change,
    enum_equal,
    enum_to_np,
)
from lava_ep.errors import LavaEPError
from lava_ep.runtime import bulk
from lava_ep.runtime.bulk import TransferArea
from lava_ep.runtime.channels import ChannelFactory, ExternalPipe, external_pipes
from lava_ep.runtime.host_calls import HostCalls
from lava_ep.runtime.network import describe_process
from lava_ep.runtime.resources import explain
from lava_ep.runtime.supervision import Supervisor

_STOP_PATIENCE = 1.0  # seconds for a healthy network to end by itself


class SupervisedRuntime(HostCalls):
    """Executes a compiled network with workers that a Supervisor watches.

    Parameters
    ----------
    executable : Executable
        The compiled network, of ProcessModels written in Python only.
    area : TransferArea
        The block of memory for Var transfers.
    supervisor : Supervisor
        Starts and watches the workers.
    close : callable
        Ends the run; called where Lava asks this runtime to stop.
    loglevel : int
        Level of Lava's own log.
    """

    def __init__(
        self,
        executable: Any,
        area: TransferArea,
        supervisor: Supervisor,
        close: Callable[[], None],
        loglevel: int = logging.WARNING,
    ) -> None:
        super().__init__(executable, ActorType.MultiProcessing, loglevel)
        self.supervisor = supervisor
        self.pipes: list[ExternalPipe] = []
        self.runtime_to_service: list[Any] = []
        self.service_to_runtime: list[Any] = []
        self._area = area
        self._close = close
        self._running: set[int] = set()  # services that owe an answer to a start
        self._pausing: set[int] = set()  # those of them that were told to pause

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build the channels, fork the workers and wait until each has built its model.

        Parameters
        ----------
        node_cfg_idx : int
            As in Lava; there is one node configuration.
        """
        self._build_watchdog_manager()
        try:
            self._build_all_channels()
        except OSError as error:
            raise explain(error, self.n_workers, semaphores=True) or error from error
        for pipe in self.pipes:
            pipe.attach()
        self._plan_workers()
        self.supervisor.start()
        self._start_host_ports()
        self.supervisor.wait_until_ready()
        self._is_initialized = True
        self._is_started = True

    @property
    def n_workers(self) -> int:
        """Number of workers that the network has or will have."""
        executable = self._executable
        return len(executable.proc_builders) + len(executable.runtime_service_builders)

    def _build_all_channels(self) -> None:
        self._messaging_infrastructure = ChannelFactory()
        self._build_channels()
        self._build_sync_channels()
        for process, builder in self._executable.proc_builders.items():
            self.pipes += external_pipes(self._messaging_infrastructure, process, builder)

    def _plan_workers(self) -> None:
        for process, builder in self._executable.proc_builders.items():
            model_name = builder.proc_model.__name__
            self.supervisor.add(
                builder, process.name, model_name, describe_process(process), is_service=False
            )
        for domain, builder in self._executable.runtime_service_builders.items():
            class_name = builder.rs_class.__name__
            self.supervisor.add(
                builder,
                domain.name,
                class_name,
                f"Runtime service '{domain.name}' ({class_name})",
                is_service=True,
            )

    def _start_host_ports(self) -> None:
        """Start the host's ends of channels, each waking the supervisor's waits."""
        for port in self._host_ports():
            port.start()
            call_after_change(port, self.supervisor.notify)

    def _host_ports(self) -> list[Any]:
        pipes = [pipe.csp_port for pipe in self.pipes]
        return [*self.runtime_to_service, *self.service_to_runtime, *pipes]

    def begin_steps(self, n_steps: int) -> None:
        """Tell the runtime services to run; they answer when the steps are done."""
        for service in range(len(self.runtime_to_service)):
            self._running.add(service)
            self._tell(service, enum_to_np(n_steps))

    def is_done(self) -> bool:
        """Take in the answers of the runtime services; True once none is owed."""
        for service in sorted(self._running):
            port = self.service_to_runtime[service]
            while service in self._running and port.probe():
                self._take_in(service, port.recv())
        return not self._running

    def _take_in(self, service: int, answer: npt.NDArray[np.float64]) -> None:
        if enum_equal(answer, MGMT_RESPONSE.PAUSED):
            self._pausing.discard(service)
            self._running.discard(service)
        elif enum_equal(answer, MGMT_RESPONSE.DONE):
            if service not in self._pausing:  # else the answer to the pause follows
                self._running.discard(service)
        elif enum_equal(answer, MGMT_RESPONSE.REQ_PAUSE):
            self.ask_to_pause()
        elif enum_equal(answer, MGMT_RESPONSE.REQ_STOP):
            self.stop_requested = True
            self.ask_to_pause()
        else:
            self.supervisor.wait_for_failure()
            raise LavaEPError(f"A runtime service answered {answer} and gave no reason.")

    def ask_to_pause(self) -> None:
        """Tell all that still run to stop after the present time step."""
        for service in self._running - self._pausing:
            self._pausing.add(service)
            self._tell(service, MGMT_COMMAND.PAUSE)

    def wait(self) -> None:
        """Block until the network is paused."""
        self.supervisor.wait(self.is_done)

    def ask_to_stop(self, timeout: float) -> None:
        """Have a healthy network end by itself, or give up after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        waiting = set(range(len(self.runtime_to_service)))

        def all_terminated() -> bool:
            for service in sorted(waiting):
                port = self.service_to_runtime[service]
                while port.probe():
                    if enum_equal(port.recv(), MGMT_RESPONSE.TERMINATED):
                        waiting.discard(service)
            return not waiting

        self.supervisor.begin_stop()
        for service in sorted(waiting):
            port = self.runtime_to_service[service]
            if not self.supervisor.wait(port.probe, deadline - time.monotonic()):
                return
            port.send(MGMT_COMMAND.STOP)
        if self.supervisor.wait(all_terminated, deadline - time.monotonic()):
            self.supervisor.wait_gone(deadline - time.monotonic())

    def check(self) -> None:
        """Raise the failure of the network, if there is one."""
        self.supervisor.check()

    def wait_for(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until a condition holds, or some seconds have passed; return whether it holds."""
        return self.supervisor.wait(condition, timeout)

    def _tell(self, service: int, message: npt.NDArray[np.float64]) -> None:
        port = self.runtime_to_service[service]
        self.supervisor.wait(port.probe)
        port.send(message)

    def _await_answer(self, service: int) -> None:
        port = self.service_to_runtime[service]
        self.supervisor.wait(port.probe)
        port.recv()

    def _request(self, is_set: bool, var_id: int) -> None:
        """Carry out one step of a bulk transfer; see `lava_ep.runtime.bulk`."""
        model = self.var_model(var_id)
        service = model.runtime_srv_id
        self._tell(service, MGMT_COMMAND.SET_DATA if is_set else MGMT_COMMAND.GET_DATA)
        self._tell(service, enum_to_np(model.proc_id))
        self._tell(service, enum_to_np(var_id))
        if is_set:
            self._tell(service, enum_to_np(0))
        else:
            self._await_answer(service)
        self._await_answer(service)

    def read(self, var_id: int) -> Any:
        """Return a copy of the attribute behind a Var, see `lava_ep.runtime.bulk.read`."""
        self.require_paused("get")
        return bulk.read(self._area, self._request, var_id)

    def write(self, var_id: int, convert: Callable[[dict[str, Any]], Any]) -> None:
        """Replace the attribute behind a Var by what ``convert`` makes for its description."""
        self.require_paused("set")
        value = convert(bulk.describe(self._area, self._request, var_id))
        bulk.write(self._area, self._request, var_id, value)

    def stop(self) -> None:
        """End the run, as `SupervisedRun` does on leaving its ``with`` block."""
        self._close()

    def end(self, gracefully: bool) -> LavaEPError | None:
        """End all workers and forget the network; return the failure that it had."""
        if gracefully and self.supervisor.failure is None:
            with contextlib.suppress(LavaEPError):  # kept as the supervisor's failure
                self.ask_to_stop(_STOP_PATIENCE)
        self.supervisor.end()
        self.join()
        return self.supervisor.failure

    def join(self) -> None:
        """End the host's port threads and let go of the channels' memory."""
        host_ports = self._host_ports()
        for port in host_ports:
            port.join()
        for port in host_ports:
            if port.thread is not None:
                port.thread.join()
        for pipe in self.pipes:
            pipe.detach()
        self._open_ports.clear()
        self.pipes.clear()
        self.runtime_to_service.clear()
        self.service_to_runtime.clear()
        self._is_started = False
