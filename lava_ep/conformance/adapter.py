"""How a backend is reached: the one class that its author writes, and the one for our own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from lava_ep import processes
from lava_ep.conformance.case import Array, Case, Trace, from_plain, network_of
from lava_ep.models import run_config
from lava_ep.parameters import NetworkParameters
from lava_ep.runtime import ProcessTester
from lava_ep.runtime.tester import select_model
from lava_ep.spec import NetworkSpec
from lava_ep.training import NetworkSession


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

    Single Processes run in this OS process, networks under Lava's runtime.

    Parameters
    ----------
    backend
        Its name.
    arithmetic
        Which traces it is held against.
    """

    def __init__(self, backend: str, arithmetic: str) -> None:
        self.name = backend
        self.arithmetic = arithmetic
        self._config = run_config(backend, stepwise=True)

    def run(self, case: Case) -> Trace:
        """Run a case, see `Adapter.run`."""
        return self._run_network(case) if case.is_network else self._run_process(case)

    def _run_process(self, case: Case) -> Trace:
        arguments = {name: from_plain(value) for name, value in case.arguments.items()}
        process = getattr(processes, case.subject)(**arguments, **case.initial)
        model = select_model(process, self._config)
        if self._config.select_tag not in model.tags:
            raise NotCovered(f"no ProcessModel of {case.subject} alone")
        tester = ProcessTester(
            process, model=model, inputs=list(case.inputs), outputs=list(case.outputs)
        )
        inputs = case.inputs.items()
        sent = tester.run([{name: rows[k] for name, rows in inputs} for k in range(case.steps)])
        return Trace(sent, {name: np.array(getattr(tester.model, name)) for name in case.after})

    def _run_network(self, case: Case) -> Trace:
        with network_session(case, self.name) as session:
            history: dict[str, list[Array]] = {}
            scores = []
            for images, labels in zip(case.inputs["images"], case.inputs["labels"], strict=True):
                for _ in session.walk(images, labels):
                    for layer, pair in zip(session.spec.layer_names, session.states(), strict=True):
                        for field, value in zip(("state", "activation"), pair, strict=True):
                            history.setdefault(f"{layer}.{field}", []).append(value)
                scores.append(session.read_score())
            after = named_parameters(session.spec, session.parameters())
        outputs = {name: np.stack(values) for name, values in history.items()}
        return Trace(outputs, {**after, "scores": np.stack(scores)})


def named_parameters(spec: NetworkSpec, parameters: NetworkParameters) -> dict[str, Array]:
    """Return parameters by ``LAYER.FIELD``, without momenta."""
    return {
        f"{layer}.{field}": values
        for layer, found in zip(spec.layer_names, parameters.layers, strict=True)
        for field, values in found.arrays.items()
        if field != "momentum"
    }


@contextmanager
def network_session(case: Case, backend: str) -> Iterator[NetworkSession]:
    """Start the network of a case on a backend, to be run step by step."""
    spec, parameters = network_of(case)
    arguments: Mapping[str, Any] = case.arguments
    with NetworkSession(
        spec,
        batch=arguments["batch"],
        parameters=parameters,
        seed=arguments["seed"],
        backend=backend,
        stepwise=True,
    ) as session:
        yield session
