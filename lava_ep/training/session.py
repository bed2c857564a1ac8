"""A network that is running under supervision, fed and read by the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.data.own.pixels import as_pixels
from lava_ep.errors import InputError
from lava_ep.models import check_backend, choose_execution, run_config
from lava_ep.parameters import LayerParameters, NetworkParameters
from lava_ep.processes import EPNetwork, ImageInjector, Readout
from lava_ep.spec import NetworkSpec
from lava_ep.training.counters import Counters
from lava_ep.training.running import SEND_AHEAD, Ports, RunningNetwork, checked_classes


class NetworkSession(RunningNetwork):
    """An `EPNetwork` between an injector and a readout, running until the ``with`` block ends.

    Parameters
    ----------
    spec, batch, seed, learning, parameters, decay, epoch_batches
        See `EPNetwork`.
    backend
        Name of the backend, see `lava_ep.models.BACKENDS`.
    threads
        See `EPNetwork`.
    execution
        A key of `lava_ep.models.EXECUTIONS`; ``None`` for the faster one.
    stepwise
        Whether one Lava time step shall be one time step of the network, as `walk` needs, also on
        backends that otherwise take a whole batch through all phases in one.

    Raises
    ------
    InputError
        If an argument is unusable; nothing has been started then.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        *,
        batch: int,
        parameters: NetworkParameters,
        seed: int = 0,
        learning: bool = True,
        decay: float = 1.0,
        epoch_batches: int = 1,
        backend: str = "message-passing",
        threads: int | None = None,
        execution: str | None = None,
        stepwise: bool = False,
    ) -> None:
        whole_batches = check_backend(backend, spec).whole_batches
        self.spec = spec
        self._fields = {
            name: tuple(layer.arrays)
            for name, layer in zip(spec.layer_names, parameters.layers, strict=True)
        }
        schedule = spec.schedule(seed)
        self._whole_batches = whole_batches and not stepwise
        phases: dict[str, Any] = {"schedule": schedule, "learning": learning}
        self.network = self._network(
            spec=spec,
            batch=batch,
            seed=seed,
            learning=learning,
            parameters=parameters,
            decay=decay,
            epoch_batches=epoch_batches,
            threads=threads,
            name="network",
        )
        self._injector = ImageInjector(
            shape=(batch, spec.inputs),
            buffer_size=SEND_AHEAD,
            encoding=spec.input_encoding,
            # Random spikes of a test image are the same whenever it is shown.
            first_batch=parameters.batch if learning else 0,
            name="injector",
            **phases,
        )
        self._readout = Readout(
            shape=(batch, spec.sizes[-1]),
            classes=spec.classes,
            stream=True,
            name="readout",
            **phases,
        )
        self._injector.s_out.connect(self.network.s_in)
        if learning:
            self._injector.label_out.connect(self.network.label_in)
        self.network.state_out.connect(self._readout.state_in)
        ports = Ports(self._injector.image_in, self._injector.label_in, self._readout.score_out)
        super().__init__(
            self.network,
            run_config(backend, stepwise=stepwise),
            ports,
            batch=batch,
            classes=spec.classes,
            features=spec.inputs * spec.input_encoding.frames_a_sample,
            levels=spec.input_levels,
            period=1 if self._whole_batches else schedule.period(learning=learning),
            learning=learning,
            first_batch=parameters.batch,
            execution=choose_execution(execution, backend, spec),
        )

    def _network(self, **options: Any) -> EPNetwork:
        """Make the network."""
        return EPNetwork(**options)

    def _get(self, layer: str, field: str) -> NDArray[Any]:
        value: NDArray[Any] = self._run.get(self.network.layer_var(layer, field))
        return value

    def _layer(self, field: str) -> list[NDArray[Any]]:
        return [self._get(name, field) for name in self.spec.layer_names]

    def parameters(self) -> NetworkParameters:
        """Fetch the parameters that the network has now."""
        layers = tuple(
            LayerParameters(**{field: self._get(name, field) for field in fields})
            for name, fields in self._fields.items()
        )
        return NetworkParameters(layers, self._batches_learned)

    def set_parameters(self, parameters: NetworkParameters) -> None:
        """Give the network all but the momenta that it shall use from now on."""
        for name, layer in zip(self.spec.layer_names, parameters.layers, strict=True):
            for field, value in layer.arrays.items():
                if field != "momentum":
                    self._run.set(self.network.layer_var(name, field), value)

    def layer_counters(self) -> dict[str, dict[str, NDArray[np.int64]]]:
        """Fetch what was counted in each layer since the network started."""
        return {
            name: {counter: self._get(name, counter) for counter in self.spec.counters(name)}
            for name in self.spec.layer_names
        }

    def counters(self) -> Counters:
        """Fetch the activity since the network started; real weights never flip."""
        found = list(self.layer_counters().values())
        none = np.zeros(1, np.int64)
        return Counters(
            events=np.sum([layer["events"] for layer in found], axis=0),
            synaptic_operations=np.sum([layer["synaptic_operations"] for layer in found], axis=0),
            flips=np.concatenate([layer.get("flips", none) for layer in found]),
        )

    def walk(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Iterator[None]:
        """Show one batch and pause after every time step.

        The scores of the batch are left unread; `read_score` fetches them once they are there.

        Raises
        ------
        InputError
            If the session was not made with ``stepwise`` although its backend needs it, or the
            images are not one batch.
        """
        if self._whole_batches:
            raise InputError("walk: one time step is a whole batch here; use stepwise=True")
        if len(images) != self.batch:
            raise InputError(f"walk: {len(images)} images, expected a batch of {self.batch}")
        images = as_pixels(images, self._features, self._levels, "images")
        labels = checked_classes(labels, self.batch, self._classes)
        self._send(images, labels, 0)
        for _ in range(self.period):
            self._run.run(1)
            yield
        self._batches_learned += self.learning

    def read_score(self) -> NDArray[np.float32]:
        """Class scores, (batch, classes), of the batch shown by `walk`."""
        return self._scores.get()

    def states(self) -> list[tuple[NDArray[np.float32], NDArray[Any]]]:
        """State, and activation as receivers know it, of every layer now, each (batch, n)."""
        return list(zip(self._layer("state"), self._layer("activation"), strict=True))
