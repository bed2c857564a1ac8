"""The phases of Lava's protocols, carried out on models directly.

Lava's runtime services send a command to each model and await all answers, phase by phase. Here a
phase is a task for each model that has something to do in it, and the last to finish begins the
next phase. Which phases there are, and in which order, is Lava's `LoihiPyRuntimeService`, to the
letter; see there for the reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort

from lava_ep._lava_private import (
    MGMT_COMMAND,
    PHASE_METHODS,
    REQ_PAUSE,
    REQ_STOP,
    REQUEST_METHODS,
    answer_ref_port,
    enum_to_np,
    handlers,
)
from lava_ep.errors import InputError
from lava_ep.runtime.inline.channels import Commands, RecvEnd, Responses, Selector

if TYPE_CHECKING:
    from lava_ep.runtime.inline.scheduler import Scheduler

_Phase = PyLoihiProcessModel.Phase
_Response = PyLoihiProcessModel.Response
_SPK, _PRE, _LRN, _POST, _HOST = (
    float(phase[0])
    for phase in (_Phase.SPK, _Phase.PRE_MGMT, _Phase.LRN, _Phase.POST_MGMT, _Phase.HOST)
)
_SERVING = (_PRE, _POST, _HOST)
_REQ_PRE, _REQ_LRN, _REQ_POST, _REQ_PAUSE, _REQ_STOP = (
    float(response[0])
    for response in (
        _Response.REQ_PRE_LRN_MGMT,
        _Response.REQ_LEARNING,
        _Response.REQ_POST_LRN_MGMT,
        _Response.REQ_PAUSE,
        _Response.REQ_STOP,
    )
)
_HANDLERS = dict(zip((_SPK, _PRE, _LRN, _POST, _HOST), PHASE_METHODS, strict=True))
_PHASES = {
    _SPK: _Phase.SPK,
    _PRE: _Phase.PRE_MGMT,
    _LRN: _Phase.LRN,
    _POST: _Phase.POST_MGMT,
    _HOST: _Phase.HOST,
}


def _is_own(model: Any, base: type, name: str) -> bool:
    """Tell whether a model has its own method instead of Lava's."""
    return name in vars(model) or getattr(type(model), name) is not getattr(base, name)


class Actor:
    """A model among others of its synchronization domain.

    Parameters
    ----------
    model : AbstractPyProcessModel
        The built model.
    name : str
        Lava's name of the Process.
    description : str
        The same with classes, for errors.
    scheduler : Scheduler
        Runs its tasks.
    """

    def __init__(self, model: Any, name: str, description: str, scheduler: Scheduler) -> None:
        if type(model).run is not PyLoihiProcessModel.run:
            raise InputError(
                f"{description}: its ProcessModel has its own run() instead of Lava's, which "
                "inline execution cannot call; use OS processes for it."
            )
        self.actor = self
        self.model = model
        self.name = name
        self.description = description
        self.scheduler = scheduler
        self.domain: Any = None
        self.commands = Commands(scheduler, name)
        self.responses = Responses(scheduler, name)
        self.commands.channel.receiver = self
        # Not by setattr, which a model may have made its own.
        vars(model).update(
            service_to_process=self.commands,
            process_to_service=self.responses,
            _selector=Selector(),
        )

    def state_of_work(self) -> str:
        """Describe what a model does that others wait for in vain."""
        return "has nothing more to do"

    def end(self) -> None:
        """Have the model handle Lava's command to stop."""
        handlers(self.model)[MGMT_COMMAND.STOP[0]]()

    def call(self, function: Callable[[], None]) -> None:
        """Run a function of the model's, as a task of its own."""
        self.scheduler.todo.append(_Call(self, function).run)


class _Call:
    """A task that is none of an actor's methods."""

    def __init__(self, actor: Actor, function: Callable[[], None]) -> None:
        self.actor = actor
        self._function = function

    def run(self) -> None:
        """Carry it out."""
        self._function()


class LoihiActor(Actor):
    """A model with the phases of Loihi."""

    def __init__(self, model: Any, name: str, description: str, scheduler: Scheduler) -> None:
        if not isinstance(model, PyLoihiProcessModel):
            raise InputError(
                f"{description}: its ProcessModel follows LoihiProtocol but is no "
                "PyLoihiProcessModel, so that it has no phases; derive it from that class."
            )
        super().__init__(model, name, description, scheduler)
        self._state = vars(model)
        self._phase = _SPK
        self._idle = True
        self._handlers = {phase: handlers(model)[phase] for phase in _HANDLERS}
        self._is_plain = not any(
            _is_own(model, PyLoihiProcessModel, method)
            or self._handlers[phase] != getattr(model, method)
            for phase, method in _HANDLERS.items()
        ) and not any(_is_own(model, PyLoihiProcessModel, method) for method in REQUEST_METHODS)
        self._advances = _is_own(model, PyLoihiProcessModel, "advance_to_time_step") or any(
            type(port).advance_to_time_step is not PyOutPort.advance_to_time_step
            for port in model.py_ports
            if isinstance(port, PyOutPort)
        )
        guards = ("pre_guard", "lrn_guard", "post_guard")
        self.is_guarded = not self._is_plain or any(
            _is_own(model, PyLoihiProcessModel, guard) for guard in guards
        )
        self.has_host = _is_own(model, PyLoihiProcessModel, _HANDLERS[_HOST]) or not self._is_plain
        self._var_ports: list[tuple[Any, RecvEnd]] = []
        for port in model.var_ports:
            for end in port.csp_ports:
                if isinstance(end, RecvEnd):
                    end.channel.listener = self.listen
                    # Lava asks the last port first.
                    self._var_ports.insert(0, (port, end))
        self.spike = self._plain_spike if self._is_plain else self._handled(_SPK)
        self.pre_mgmt = self._plain_pre_mgmt if self._is_plain else self._handled(_PRE)
        self.lrn = self._plain_lrn if self._is_plain else self._handled(_LRN)
        self.post_mgmt = self._plain_post_mgmt if self._is_plain else self._handled(_POST)
        self.host = self._handled(_HOST)

    def state_of_work(self) -> str:
        """Describe what a model does that others wait for in vain."""
        if not self.domain.active:
            return "has taken all its time steps"
        names = {_SPK: "spiking", _PRE: "first management", _LRN: "learning"}
        phase = names.get(self._phase, "last management")
        text = f"has finished the {phase} phase of time step {self._state['time_step']} without it"
        if self._var_ports:
            text += " (a RefPort is answered in management phases only)"
        return text

    def enter(self, phase: float) -> None:
        """Take part in a phase in which the model has nothing to do."""
        self._phase = phase
        self._state["phase"] = _PHASES[phase]
        if self._var_ports:
            self.listen()

    def _begin(self, phase: float) -> None:
        self._idle = False
        self._phase = phase
        self._state["phase"] = _PHASES[phase]

    def _finish(self) -> None:
        self._idle = True
        if self._var_ports:
            self.listen()
        domain = self.domain
        domain.pending -= 1
        if not domain.pending:
            domain.advance()

    def listen(self) -> None:
        """See to it that requests of RefPorts are answered, if this is the time for it."""
        if self._idle and self._phase in _SERVING and self._requested() is not None:
            self._idle = False
            self.domain.pending += 1
            self.scheduler.todo.append(self.serve)

    def _requested(self) -> Any:
        for port, end in self._var_ports:
            if end._messages:
                return port
        return None

    def serve(self) -> None:
        """Answer all requests of RefPorts that have come in."""
        while (port := self._requested()) is not None:
            answer_ref_port(self.model, port)
        self._finish()

    def _plain_spike(self) -> None:
        state = self._state
        if self._var_ports:
            self._idle = False
            self._phase = _SPK
        state["time_step"] += 1
        state["phase"] = _Phase.SPK
        model = self.model
        model.run_spk()
        if self._advances:
            model.advance_to_time_step(state["time_step"] + 1)
        domain = self.domain
        if state[REQ_PAUSE] or state[REQ_STOP]:
            self._take_requests()
        elif self.is_guarded:
            if model.lrn_guard() and model.pre_guard():
                domain.wants_pre = True
            elif model.lrn_guard():
                domain.wants_lrn = True
            elif model.post_guard():
                domain.wants_post = True
        if self._var_ports:
            self._idle = True
        domain.pending -= 1
        if not domain.pending:
            domain.advance()

    def _plain_pre_mgmt(self) -> None:
        self._begin(_PRE)
        if self.model.pre_guard():
            self.model.run_pre_mgmt()
        if not self._take_requests():
            self.domain.wants_lrn = True
        self._finish()

    def _plain_lrn(self) -> None:
        self._begin(_LRN)
        if self.model.lrn_guard():
            self.model.run_lrn()
        if not self._take_requests() and self.model.post_guard():
            self.domain.wants_post = True
        self._finish()

    def _plain_post_mgmt(self) -> None:
        self._begin(_POST)
        if self.model.post_guard():
            self.model.run_post_mgmt()
        self._take_requests()
        self._finish()

    def _take_requests(self) -> bool:
        """Note that the model has asked to pause or to stop."""
        state = self._state
        if state[REQ_PAUSE]:
            state[REQ_PAUSE] = False
            self.domain.wants_pause = True
        elif state[REQ_STOP]:
            state[REQ_STOP] = False
            self.domain.wants_stop = True
        else:
            return False
        return True

    def _handled(self, phase: float) -> Callable[[], None]:
        """Return the task of a phase for a model that handles Lava's commands in its own way."""
        return _Call(self, lambda: self.handle(phase)).run

    def handle(self, phase: float) -> None:
        """Have the model handle the command that begins a phase."""
        self._begin(phase)
        self.responses.last = float(_Response.STATUS_DONE[0])
        self._handlers[phase]()
        self.domain.note(self.responses.last)
        self._finish()


class LoihiDomain:
    """Models that take their time steps together.

    Parameters
    ----------
    actors : list of LoihiActor
        The models, in the order in which they begin a phase.
    scheduler : Scheduler
        Runs their tasks.
    requested : callable
        Called when a model has asked to pause (False) or to stop (True).

    Attributes
    ----------
    active : bool
        Whether there are time steps to take.
    pausing : bool
        Whether to end after the present time step.
    pending : int
        Tasks of the present phase that are not finished.
    wants_pre, wants_lrn, wants_post, wants_pause, wants_stop : bool
        Whether a model has asked for that.
    """

    def __init__(
        self, actors: list[LoihiActor], scheduler: Scheduler, requested: Callable[[bool], None]
    ) -> None:
        self.actors = actors
        self.active = False
        self.pausing = False
        self.pending = 0
        self.wants_pre = self.wants_lrn = self.wants_post = False
        self.wants_pause = self.wants_stop = False
        self._scheduler = scheduler
        self._requested = requested
        self._remaining = 0
        self._spikes = [actor.spike for actor in actors]
        for actor in actors:
            actor.domain = self

    def start(self, n_steps: int) -> None:
        """Begin to take time steps."""
        self.active = True
        self.pausing = False
        self._remaining = n_steps
        self._spike()

    def pause(self) -> None:
        """End after the present time step."""
        self.pausing = True

    def _spike(self) -> None:
        self._remaining -= 1
        self.pending = len(self._spikes)
        self._scheduler.todo.extend(self._spikes)

    def note(self, response: float) -> None:
        """Take in what a model has answered to the command of a phase."""
        if response == _REQ_PRE:
            self.wants_pre = True
        elif response == _REQ_LRN:
            self.wants_lrn = True
        elif response == _REQ_POST:
            self.wants_post = True
        elif response == _REQ_PAUSE:
            self.wants_pause = True
        elif response == _REQ_STOP:
            self.wants_stop = True

    def advance(self) -> None:
        """Begin the next phase, once all models have finished one."""
        if not self.active:
            return
        if self.wants_pre:
            self.wants_pre = False
            self.wants_lrn = not all(actor.is_guarded for actor in self.actors) or self.wants_lrn
            self._begin(_PRE, [actor.pre_mgmt for actor in self.actors if actor.is_guarded])
        elif self.wants_lrn:
            self.wants_lrn = False
            self._begin(_LRN, [actor.lrn for actor in self.actors if actor.is_guarded])
        elif self.wants_post:
            self.wants_post = False
            self._begin(_POST, [actor.post_mgmt for actor in self.actors if actor.is_guarded])
        elif self.wants_pause or self.wants_stop:
            stop = self.wants_stop and not self.wants_pause
            if stop:
                self.wants_stop = False
            else:
                self.wants_pause = False
            self.active = False
            self._requested(stop)
        elif self.pausing and self._remaining:
            self.active = False
        elif self._remaining:
            self._scheduler.end_of_step()
            self._spike()
        else:
            self.active = False
            self._scheduler.end_of_step()
            self._begin(_HOST, [actor.host for actor in self.actors if actor.has_host])

    def _begin(self, phase: float, tasks: list[Callable[[], None]]) -> None:
        # Those who have nothing to do may be asked by RefPorts from the start.
        self.pending = len(tasks) + 1
        self._scheduler.todo.extend(tasks)
        for actor in self.actors:
            if not (actor.has_host if phase == _HOST else actor.is_guarded):
                actor.enter(phase)
        self.pending -= 1
        if not self.pending:
            self.advance()


class AsyncActor(Actor):
    """A model that runs without time steps."""

    def __init__(self, model: Any, name: str, description: str, scheduler: Scheduler) -> None:
        super().__init__(model, name, description, scheduler)
        self._run = handlers(model)[float(MGMT_COMMAND.RUN[0])]

    def run(self) -> None:
        """Run until ``run_async`` returns."""
        self.responses.last = float(PyAsyncProcessModel.Response.STATUS_DONE[0])
        self._run()
        self.commands.clear()
        self.domain.finished(self.responses.last)


class AsyncDomain:
    """Models that run without time steps.

    Parameters
    ----------
    actors, requested
        See `LoihiDomain`.
    """

    def __init__(
        self, actors: list[AsyncActor], scheduler: Scheduler, requested: Callable[[bool], None]
    ) -> None:
        self.actors = actors
        self.pending = 0
        self._scheduler = scheduler
        self._requested = requested
        self._running: set[AsyncActor] = set()
        self._asked_to_pause = self._asked_to_stop = False
        for actor in actors:
            actor.domain = self

    @property
    def active(self) -> bool:
        """Whether a model still runs."""
        return self.pending > 0

    def start(self, n_steps: int) -> None:
        """Have each model run."""
        self._asked_to_pause = self._asked_to_stop = False
        self.pending = len(self.actors)
        for actor in self.actors:
            actor.commands.clear()
            actor.commands.put(enum_to_np(n_steps))
            self._scheduler.todo.append(actor.run)

    def pause(self) -> None:
        """Show each model the command to pause; it ends when it likes to."""
        for actor in self.actors:
            actor.commands.put(MGMT_COMMAND.PAUSE)

    def stop(self) -> None:
        """Show each model the command to stop; it ends when it likes to."""
        for actor in self.actors:
            actor.commands.put(MGMT_COMMAND.STOP)

    def finished(self, response: float) -> None:
        """Take in what a model has answered at its end."""
        self.pending -= 1
        self._asked_to_pause |= response == float(PyAsyncProcessModel.Response.REQ_PAUSE[0])
        self._asked_to_stop |= response == float(PyAsyncProcessModel.Response.REQ_STOP[0])
        if not self.pending:
            self._scheduler.end_of_step()
            if self._asked_to_stop or self._asked_to_pause:
                self._requested(self._asked_to_stop)
