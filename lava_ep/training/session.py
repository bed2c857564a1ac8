"""A network that is running under supervision, fed and read by the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ep.errors import InputError
from lava_ep.models import check_backend, run_config
from lava_ep.parameters import LayerParameters, NetworkParameters
from lava_ep.processes import EPNetwork, ImageInjector, Readout
from lava_ep.runtime import supervised
from lava_ep.spec import NetworkSpec
from lava_ep.training.ranks import Ranks

SEND_AHEAD = 8
"""Batches the host sends before it waits for the first result."""


@dataclass(frozen=True)
class Counters:
    """Activity since a network started, summed over its samples.

    Parameters
    ----------
    events
        Events of all neurons, (2,): free phases, nudged phases.
    synaptic_operations
        Events times the synapses they reach, (2,).
    flips
        Weight flips, one for each layer, input side first.
    """

    events: NDArray[np.int64]
    synaptic_operations: NDArray[np.int64]
    flips: NDArray[np.int64]

    def __sub__(self, earlier: Counters) -> Counters:
        return Counters(
            self.events - earlier.events,
            self.synaptic_operations - earlier.synaptic_operations,
            self.flips - earlier.flips,
        )

    def over(self, ranks: Ranks) -> Counters:
        """Return the activity on all ranks; as they have the same weights, flips are the same."""
        return Counters(ranks.sum(self.events), ranks.sum(self.synaptic_operations), self.flips)


class NetworkSession:
    """An `EPNetwork` between an injector and a readout, running until the ``with`` block ends.

    Parameters
    ----------
    spec, batch, seed, learning, parameters, decay, epoch_batches
        See `EPNetwork`.
    backend
        Name of the backend, see `lava_ep.models.BACKENDS`.
    threads
        See `EPNetwork`.
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
        stepwise: bool = False,
    ) -> None:
        whole_batches = check_backend(backend, spec).whole_batches
        self.spec = spec
        self.batch = batch
        self.learning = learning
        self._batches_learned = parameters.batch
        self._fields = {
            name: tuple(layer.arrays)
            for name, layer in zip(spec.layer_names, parameters.layers, strict=True)
        }
        self._config = run_config(backend, stepwise=stepwise)
        schedule = spec.phases.schedule(seed)
        self._whole_batches = whole_batches and not stepwise
        self.period = 1 if self._whole_batches else schedule.period(learning=learning)
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
            first_batch=parameters.batch,
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
        self._stack = ExitStack()

    def _network(self, **options: Any) -> EPNetwork:
        """Make the network."""
        return EPNetwork(**options)

    def __enter__(self) -> NetworkSession:
        self._run = self._stack.enter_context(
            supervised(self.network, run_cfg=self._config, channel_size=2)
        )
        self._images = self._run.inbox(self._injector.image_in)
        self._labels = self._run.inbox(self._injector.label_in)
        self._scores = self._run.outbox(self._readout.score_out)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def stream(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Show images batch by batch and yield the class scores of each as it is read.

        Parameters
        ----------
        images
            (samples, pixels), or (samples, steps x pixels) of recordings. With learning, samples
            left over by the last full batch would change the network and are refused; without,
            they are filled up and the filling is cut off again.
        labels
            (samples,); needed with learning.

        Yields
        ------
        scores
            (batch, classes) at the end of the free phase.
        """
        samples = len(images)
        batches = -(-samples // self.batch)
        if self.learning and (labels is None or samples % self.batch):
            raise ValueError("learning needs labels and a multiple of the batch")
        self._run.start(batches * self.period)
        sent = 0
        for received in range(batches):
            while sent < min(received + SEND_AHEAD, batches):
                self._send(images, labels, sent)
                sent += 1
            scores = self._learned()
            yield scores[: samples - received * self.batch]
        self._run.wait()
        self._batches_learned += batches if self.learning else 0

    def _learned(self) -> NDArray[np.float32]:
        """Return the scores of the next batch, and do the host's part in learning from it."""
        return self._scores.get()

    def _send(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None, number: int
    ) -> None:
        chosen = slice(number * self.batch, (number + 1) * self.batch)
        values = self.spec.inputs * self.spec.input_encoding.frames_a_sample
        pixels = np.zeros((self.batch, values), np.int32)
        found = images[chosen]
        pixels[: len(found)] = found
        targets = np.zeros(self.batch, np.int32)
        if labels is not None:
            targets[: len(found)] = labels[chosen]
        self._images.put(pixels)
        self._labels.put(targets)

    def poll(self) -> bool:
        """Whether the network is paused, having taken all steps asked for."""
        return self._run.poll()

    @property
    def pids(self) -> dict[str, int]:
        """Operating-system processes of the network, by the names of its Processes."""
        return self._run.pids

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class scores of all images, (samples, classes)."""
        found = list(self.stream(images))
        return np.concatenate(found) if found else np.zeros((0, self.spec.classes), np.float32)

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
