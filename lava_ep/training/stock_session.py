"""A network of Lava's own Processes, fed and read by the host."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Protocol, cast

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from numpy.typing import NDArray

from lava_ep.data.own.pixels import as_pixels
from lava_ep.dynamics import SpikeTrace, expand_target
from lava_ep.errors import InputError
from lava_ep.models import LoihiBackend, check_backend, choose_execution
from lava_ep.models.loihi import feedback_scale, forward_scale, from_chip, to_chip
from lava_ep.models.loihi.network import PIXEL_BITS, RESET_STEP
from lava_ep.parameters import NetworkParameters
from lava_ep.processes import EPNetwork
from lava_ep.runtime import supervised
from lava_ep.spec import NetworkSpec, StockLIFNeuronSpec
from lava_ep.training.counters import Counters
from lava_ep.training.running import checked_classes

CHUNK = 16
"""Samples that are sent to a network, and read from it, at a time."""


class Running(Protocol):
    """What is asked of a Lava network that runs."""

    def run(self, n_steps: int) -> None:
        """Run so many time steps."""

    def get(self, var: Any) -> NDArray[Any]:
        """Return the value of a Var."""

    def set(self, var: Any, value: Any) -> None:
        """Set a Var."""


class _PlainRun:
    """A network on Lava's own runtime, which alone can drive a chip."""

    def __init__(self, process: AbstractProcess, run_cfg: RunConfig) -> None:
        self._process = process
        self._run_cfg = run_cfg

    def run(self, n_steps: int) -> None:
        self._process.run(condition=RunSteps(num_steps=n_steps), run_cfg=self._run_cfg)

    def get(self, var: Any) -> NDArray[Any]:
        return np.asarray(var.get())

    def set(self, var: Any, value: Any) -> None:
        var.set(value)


@contextmanager
def plain_run(process: AbstractProcess, run_cfg: RunConfig) -> Iterator[Running]:
    """Run a network on Lava's own runtime until the ``with`` block ends."""
    process.create_runtime(run_cfg=run_cfg)
    try:
        yield _PlainRun(process, run_cfg)
    finally:
        process.stop()


Runner = Callable[[AbstractProcess, RunConfig], AbstractContextManager[Running]]


@dataclass
class _Network:
    """A network with the buffers on the host that feed it and take its spikes.

    RingBuffers stand in for injectors and extractors, which would exchange a message with the host
    in every time step.
    """

    network: EPNetwork
    pixels: Source
    target: Source | None
    spikes: list[Sink]
    adapters: list[Any] = field(default_factory=list)


class StockSession:
    """A network of Lava's own Processes between buffers on the host.

    It has the methods of `NetworkSession`. Lava cannot tell all that a plastic synapse knows, such
    as how far its random numbers are, so every call of `stream` builds the network anew from the
    present parameters, and a training that is resumed after an epoch goes on as if nothing had
    happened.

    Parameters
    ----------
    spec, batch, parameters, seed, learning, decay, epoch_batches, threads
        See `EPNetwork`.
    backend
        Name of the backend, one of those of Loihi.
    execution
        A key of `lava_ep.models.EXECUTIONS`; ``None`` for the faster one.
    stepwise
        Ignored, as one Lava time step always is one time step of the network.
    runner
        What runs a Lava network; by default `supervised`, or Lava's own runtime for a chip.

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
        backend: str = "loihi-fixed",
        threads: int | None = None,
        execution: str | None = None,
        stepwise: bool = False,
        runner: Runner | None = None,
    ) -> None:
        del stepwise
        found = check_backend(backend, spec)
        if not isinstance(found, LoihiBackend):
            raise InputError(f"backend {backend!r}: expected one of Loihi")
        self.spec = spec
        self.batch = batch
        self.learning = learning
        phases = spec.phases
        self.period = phases.free_steps + (phases.nudged_steps if learning else 0)
        self._neuron = cast(StockLIFNeuronSpec, spec.neuron)
        self._arithmetic = found.model.arithmetic
        self._on_chip = found.on_chip
        self._config = found.config()
        self.execution = choose_execution(execution, backend, spec)
        in_lava = functools.partial(supervised, execution=self.execution)
        self._runner = runner or (plain_run if found.on_chip else in_lava)
        self._parameters = parameters
        self._options: dict[str, Any] = {
            "batch": batch,
            "seed": seed,
            "learning": learning,
            "decay": decay,
            "epoch_batches": epoch_batches,
            "threads": threads,
        }
        self._events = np.zeros((2, len(spec.layers)), np.int64)
        self._pixel_events = np.zeros(2, np.int64)
        self._walked: list[NDArray[np.int8]] = []
        self._views: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        self._network()

    def __enter__(self) -> StockSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is left running between calls."""

    def _network(self) -> EPNetwork:
        """Build the network from the present parameters."""
        return EPNetwork(
            spec=self.spec, parameters=self._parameters, name="network", **self._options
        )

    def _build(self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None) -> _Network:
        """Build the network with buffers for so many samples, which hold these at first."""
        spec, steps = self.spec, len(images) * self.period
        network = self._network()
        pixels, target = self._contents(images, labels)
        built = _Network(
            network=network,
            pixels=Source(data=pixels),
            target=None if target is None else Source(data=target),
            spikes=[Sink(shape=(size,), buffer=steps) for size in spec.sizes[1:]],
        )
        inward: list[tuple[Any, Any, int]] = [(built.pixels.s_out, network.s_in, PIXEL_BITS)]
        if built.target is not None:
            inward.append((built.target.s_out, network.label_in, 0))
        outward = [
            (network.spikes_of(name), sink.a_in)
            for name, sink in zip(spec.layer_names, built.spikes, strict=True)
        ]
        if self._on_chip:
            built.adapters += [to_chip(*ports, message_bits=bits) for *ports, bits in inward]
            built.adapters += [from_chip(*ports) for ports in outward]
            return built
        for source, port in [*(ports[:2] for ports in inward), *outward]:
            source.connect(port)
        return built

    def stream(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Show images one after the other and yield the class scores of each.

        Parameters
        ----------
        images
            (samples, pixels).
        labels
            (samples,); needed with learning.

        Returns
        -------
        iterator of numpy.ndarray
            (1, classes) each: mean number of spikes of the output neurons of a class in the free
            phase.

        Raises
        ------
        InputError
            See `RunningNetwork.stream`.
        """
        images = as_pixels(images, self.spec.inputs, self.spec.input_levels, "images")
        if labels is not None:
            labels = checked_classes(labels, len(images), self.spec.classes)
        elif self.learning:
            raise InputError("learning needs labels")
        return self._streamed(images, labels)

    def _streamed(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None
    ) -> Iterator[NDArray[np.float32]]:
        size = min(CHUNK, len(images))
        built = self._build(images[:size], None if labels is None else labels[:size])
        with self._runner(built.network, self._config) as run:
            for start in range(0, len(images), size):
                shown = slice(start, start + size)
                if start > 0:
                    self._send(
                        run, built, images[shown], labels if labels is None else labels[shown]
                    )
                samples = len(images[shown])
                run.run(samples * self.period)
                spikes = self._read(run, built, samples)
                self._count(images[shown], spikes)
                yield from self._scores(spikes)
            if self.learning:
                self._parameters = self._learned(run, built, len(images))

    def _send(
        self,
        run: Running,
        built: _Network,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None,
    ) -> None:
        """Fill the buffers, whose ends the last samples may leave empty, as they are not run."""
        buffers = (built.pixels, built.target)
        for buffer, values in zip(buffers, self._contents(images, labels), strict=True):
            if buffer is not None and values is not None:
                missing = buffer.data.shape[-1] - values.shape[-1]
                run.set(buffer.data, np.pad(values, ((0, 0), (0, missing))))

    def _contents(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None
    ) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return what is sent in each step: pixels always, the target to act in nudged phases."""
        brightest = self._neuron.payload / self.spec.input_levels
        payloads = self._arithmetic.payloads(images.astype(np.int64), brightest)
        pixels = np.repeat(payloads.T, self.period, axis=1)
        if labels is None or not self.learning:
            return pixels, None
        classes = self.spec.classes
        own = expand_target(labels, classes, classes)
        spikes = np.zeros((classes, len(images), self.period))
        # A synapse takes a step, so that the target is on one step before and off one before.
        spikes[:, :, self.spec.phases.free_steps - 1 : -1] = own.T[:, :, None]
        return pixels, spikes.reshape(classes, -1)

    def _read(self, run: Running, built: _Network, samples: int) -> list[NDArray[np.int8]]:
        """Return the spikes of every layer, (samples, steps, n)."""
        found = []
        for sink, size in zip(built.spikes, self.spec.sizes[1:], strict=True):
            spikes = run.get(sink.data)[:, : samples * self.period].astype(np.int8)
            found.append(spikes.T.reshape(samples, self.period, size))
        return found

    def _count(self, images: NDArray[np.uint8], spikes: list[NDArray[np.int8]]) -> None:
        """Add to the counters: a pixel that is not 0 sends a graded spike in every step."""
        free = self.spec.phases.free_steps
        self._pixel_events += np.count_nonzero(images) * np.array([free, self.period - free])
        for layer, found in enumerate(spikes):
            self._events[0, layer] += np.count_nonzero(found[:, :free])
            self._events[1, layer] += np.count_nonzero(found[:, free:])

    def _scores(self, spikes: list[NDArray[np.int8]]) -> Iterator[NDArray[np.float32]]:
        """Count the spikes that the output sends in free phases, without what is left before it."""
        free = spikes[-1][:, RESET_STEP - 1 : self.spec.phases.free_steps]
        groups = free.sum(axis=1, dtype=np.float32).reshape(len(free), 1, self.spec.classes, -1)
        yield from groups.mean(axis=3)

    def _learned(self, run: Running, built: _Network, samples: int) -> NetworkParameters:
        """Read what the network has learned."""
        layers = []
        names = self.spec.layer_names
        for index, (name, old) in enumerate(zip(names, self._parameters.layers, strict=True)):
            values: dict[str, Any] = {}
            for kind, scale in (("weights", forward_scale), ("feedback", feedback_scale)):
                if getattr(old, kind) is not None:
                    found = run.get(built.network.layer_var(name, kind))
                    values[kind] = self._arithmetic.parameters(found, scale(self._neuron, index))
            if "feedback" in values:
                values["feedback"] = np.ascontiguousarray(values["feedback"].T)
            layers.append(replace(old, **values))
        return NetworkParameters(tuple(layers), self._parameters.batch + samples)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Class scores of all images, (samples, classes)."""
        return np.concatenate(list(self.stream(images)))

    def walk(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Iterator[None]:
        """Show one image and pause before the first and after every time step.

        What is learned from it is forgotten again.

        Raises
        ------
        InputError
            If there is not one image.
        """
        if len(images) != 1:
            raise InputError(f"walk: {len(images)} images, expected 1")
        built, rate = self._build(images, labels), self.spec.spikes
        assert isinstance(rate, SpikeTrace)
        traces = [np.zeros((1, size), np.float32) for size in self.spec.sizes[1:]]
        self._views = [(np.zeros_like(trace), trace.copy()) for trace in traces]
        yield
        with self._runner(built.network, self._config) as run:
            for step in range(self.period):
                run.run(1)
                self._walked = self._read(run, built, 1)
                self._views = []
                for layer, name in enumerate(self.spec.layer_names):
                    traces[layer] += rate.rate * (self._walked[layer][:, step] - traces[layer])
                    state = run.get(built.network.layer_var(name, "state"))
                    potential = state[None] / self._arithmetic.threshold(self._neuron.layers[layer])
                    self._views.append((potential.astype(np.float32), traces[layer].copy()))
                yield

    def read_score(self) -> NDArray[np.float32]:
        """Class scores, (1, classes), of the image shown by `walk`."""
        return next(self._scores(self._walked))

    def states(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Of every layer, each (1, n), after the present step of `walk`.

        Membrane potentials as shares of the threshold, and the traces of spikes, scaled to a
        largest value of 1.
        """
        return self._views

    def parameters(self) -> NetworkParameters:
        """Return the parameters that the network has now."""
        return self._parameters

    def set_parameters(self, parameters: NetworkParameters) -> None:
        """Give the network what it shall use from the next `stream` on."""
        self._parameters = parameters

    def counters(self) -> Counters:
        """Return the activity since the session began.

        Synaptic operations are spikes times the synapses that they reach, those of pixels and of
        feedback, too, but not those of the target.
        """
        sizes = self.spec.sizes
        feedback = self._neuron.feedback != "none"
        operations = self._pixel_events * sizes[1]
        for layer, events in enumerate(self._events.T):
            above = sizes[layer + 2] if layer + 2 < len(sizes) else 0
            below = sizes[layer] if feedback and layer > 0 else 0
            operations = operations + events * (above + below)
        return Counters(
            events=self._events.sum(axis=1),
            synaptic_operations=operations,
            flips=np.zeros(len(self.spec.layers), np.int64),
        )
