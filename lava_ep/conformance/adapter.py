"""How a backend is reached: the one class that its author writes, and the one for our own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from lava_ep import processes
from lava_ep.conformance.case import Array, Case, Trace, from_plain, network_of
from lava_ep.errors import InputError
from lava_ep.models import EXECUTIONS, BackendCfg, LoihiBackend, check_backend, find_backend
from lava_ep.parameters import NetworkParameters
from lava_ep.runtime import ProcessTester
from lava_ep.runtime.tester import select_model
from lava_ep.spec import NetworkSpec
from lava_ep.training import NetworkSession, Session, StockSession


class NotCovered(Exception):
    """Says why an `Adapter` does not run a case: the backend has no such Process or network."""


class Adapter(Protocol):
    """What the author of a backend writes.

    Attributes
    ----------
    name
        What the backend is called in reports.
    arithmetic
        Which traces it is held against, see `lava_ep.conformance.ARITHMETICS`.
    """

    name: str
    arithmetic: str

    def run(self, case: Case) -> Trace:
        """Run a case from its initial values and inputs.

        What the backend cannot see, such as states inside a chip, may be left out of the trace.

        Raises
        ------
        NotCovered
            If the backend has no such Process or network.
        """


class LavaAdapter:
    """Runs cases with the ProcessModels of one of the backends of `lava_ep.models.BACKENDS`.

    Single Processes run alone, always inline.

    Parameters
    ----------
    backend
        Its name.
    arithmetic
        Which traces it is held against.
    execution
        How networks are executed, one of `lava_ep.models.EXECUTIONS`: inline by default, except on
        a chip.

    Raises
    ------
    InputError
        If there is no execution of this name, or the backend has none but its own.
    """

    def __init__(self, backend: str, arithmetic: str, execution: str | None = None) -> None:
        found = find_backend(backend)
        on_chip = isinstance(found, LoihiBackend) and found.on_chip
        possible = [name for name in EXECUTIONS if not (on_chip and name == "inline")]
        if execution is not None and execution not in possible:
            raise InputError(
                f"execution {execution!r} with backend {backend!r}: expected one of "
                f"{', '.join(possible)}"
            )
        self.name = backend
        self.arithmetic = arithmetic
        self.execution = execution or ("processes" if on_chip else "inline")
        self._tag = found.stepwise_tag

    def run(self, case: Case) -> Trace:
        """Run a case, see `Adapter.run`."""
        return self._run_network(case) if case.is_network else self._run_process(case)

    def _run_process(self, case: Case) -> Trace:
        if isinstance(find_backend(self.name), LoihiBackend):
            raise NotCovered("the backend has networks of Lava's own Processes only")
        arguments = {name: from_plain(value) for name, value in case.arguments.items()}
        subject = getattr(processes, case.subject)
        if issubclass(subject, processes.Neuron):
            arguments = subject.with_constants(arguments)
        process = subject(**arguments, **case.initial)
        model = select_model(process, BackendCfg(select_tag=self._tag))
        if self._tag not in model.tags:
            raise NotCovered(f"no ProcessModel of {case.subject} alone")
        tester = ProcessTester(
            process, model=model, inputs=list(case.inputs), outputs=list(case.outputs)
        )
        inputs = case.inputs.items()
        sent = tester.run([{name: rows[k] for name, rows in inputs} for k in range(case.steps)])
        after = {name: np.array(getattr(tester.model, name)) for name in case.after}
        return Trace(sent, after, "inline")

    def _run_network(self, case: Case) -> Trace:
        spec, parameters = network_of(case)
        try:
            check_backend(self.name, spec)
        except InputError as error:
            raise NotCovered(str(error)) from None
        options = {
            "batch": case.arguments["batch"],
            "seed": case.arguments["seed"],
            "parameters": parameters,
            "backend": self.name,
            "execution": self.execution,
        }
        walk = _walk_stock if spec.stock else _walk
        found = walk(spec, case.inputs["images"], case.inputs["labels"], options)
        return replace(found, after={name: found.after[name] for name in case.after})


def _walk(spec: NetworkSpec, images: Array, labels: Array, options: dict[str, Any]) -> Trace:
    """Show batches step by step, and let the network learn from each."""
    history: list[dict[str, Array]] = []
    scores = []
    with NetworkSession(spec, stepwise=True, **options) as session:
        for batch in zip(images, labels, strict=True):
            history += [_states(session) for _ in session.walk(*batch)]
            scores.append(session.read_score())
        after = named_parameters(spec, session.parameters())
    return Trace(_stacked(history), {**after, "scores": np.stack(scores)}, options["execution"])


def _walk_stock(spec: NetworkSpec, images: Array, labels: Array, options: dict[str, Any]) -> Trace:
    """Show the one sample twice: step by step, and to learn from it."""
    ((image, label),) = zip(images, labels, strict=True)
    with StockSession(spec, **options) as session:
        history = [_states(session) for _ in session.walk(image, label)]
        scores = list(session.stream(image, label))
        after = named_parameters(spec, session.parameters())
    # The first look is before the first step.
    return Trace(_stacked(history[1:]), {**after, "scores": np.stack(scores)}, options["execution"])


def _states(session: Session) -> dict[str, Array]:
    return {
        f"{layer}.{field}": value
        for layer, pair in zip(session.spec.layer_names, session.states(), strict=True)
        for field, value in zip(("state", "activation"), pair, strict=True)
    }


def _stacked(history: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([row[name] for row in history]) for name in history[0]}


def named_parameters(spec: NetworkSpec, parameters: NetworkParameters) -> dict[str, Array]:
    """Return parameters by ``LAYER.FIELD``."""
    return {
        f"{layer}.{field}": values
        for layer, found in zip(spec.layer_names, parameters.layers, strict=True)
        for field, values in found.arrays.items()
    }
