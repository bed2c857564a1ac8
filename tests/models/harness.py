"""Small networks on Lava, recorded step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from lava_ep.dynamics import PhaseSchedule
from lava_ep.models import run_config
from lava_ep.processes import EPNetwork, ImageSource, Readout
from lava_ep.runtime import SupervisedRun, supervised
from lava_ep.spec import NetworkSpec


def make_spec(
    sizes=(12, 10, 6),
    *,
    nudging="random-sign",
    levels=16,
    classes=3,
    free_steps=5,
    nudged_steps=4,
    beta=2.5,
    filter_rate=0.45,
    initial_state=1.0,
    **layer,
) -> NetworkSpec:
    """Return a small network whose layers share the given learning parameters."""
    values = {"scale": 0.6, "theta": 0.0203, "gamma": 0.01, "bias_offset": 0.1, **layer}
    return NetworkSpec(
        inputs=sizes[0],
        input_levels=levels,
        classes=classes,
        layers=[{"neurons": n, **values} for n in sizes[1:]],
        neuron={"filter_rate": filter_rate, "initial_state": initial_state},
        phases={
            "free_steps": free_steps,
            "nudged_steps": nudged_steps,
            "beta": beta,
            "nudging": nudging,
        },
    )


def binary_convolution(**changes):
    """Binary neurons with binary convolutions, pooling and learned scaling factors."""
    layer = {
        "bias_offset": 0.2,
        "gamma": 0.05,
        "theta": 0.0031,
        "bias_rate": 0.02,
        "alpha_rate": 0.05,
        "scale": 0.6,
    }
    values = {
        "inputs": 64,
        "image_shape": (8, 8, 1),
        "input_levels": 16,
        "classes": 3,
        "layers": [
            {"channels": 4, "kernel": 3, "padding": 1, "pool": 2, **layer},
            {"channels": 3, "kernel": 2, "pool": 2, **layer},
            {"neurons": 6, **layer},
        ],
        "neuron": {"filter_rate": 0.45},
        "phases": {"free_steps": 6, "nudged_steps": 4, "beta": 2.5, "nudging": "symmetric"},
    }
    return NetworkSpec.model_validate({**values, **changes})


def make_samples(spec: NetworkSpec, samples: int, *, seed: int = 0):
    """Random images, about half of the pixels 0, and labels."""
    rng = np.random.default_rng(seed)
    values = spec.inputs * spec.input_encoding.frames_a_sample
    images = rng.integers(1, spec.input_levels + 1, (samples, values))
    images *= rng.random(images.shape) < 0.5
    return images, rng.integers(0, spec.classes, samples)


@st.composite
def binary_networks(draw):
    """A random network, samples for two batches, and options of its learning rules."""
    hidden = draw(st.lists(st.sampled_from([1, 5, 33, 70, 300]), min_size=0, max_size=3))
    inputs, outputs = draw(st.sampled_from([1, 12, 70])), draw(st.sampled_from([3, 6, 36]))
    # Thresholds are such that no contrast lies on them, where rounding would decide.
    layer = {
        "gamma": draw(st.sampled_from([0.0, 0.01, 0.98])),
        "theta": draw(st.sampled_from([0.00531, 0.0203, 0.103])),
        "bias_rate": draw(st.sampled_from([0.0, 0.03])),
        "alpha_rate": draw(st.sampled_from([0.0, 0.05])),
        "bias_offset": draw(st.sampled_from([-0.2, 0.1, 0.3])),
        "frozen": draw(st.booleans()) and draw(st.booleans()),
    }
    spec = make_spec(
        (inputs, *hidden, outputs),
        nudging=draw(st.sampled_from(["positive", "random-sign", "symmetric", "swing"])),
        levels=draw(st.sampled_from([1, 16, 255])),
        free_steps=draw(st.integers(1, 14)),
        nudged_steps=draw(st.integers(1, 8)),
        beta=draw(st.sampled_from([0.7, 2.5])),
        filter_rate=draw(st.sampled_from([0.2, 0.45, 1.0])),
        initial_state=draw(st.sampled_from([0.0, 0.3, 1.0])),
        **layer,
    )
    batch = draw(st.sampled_from([1, 3, 17, 70]))
    seed = draw(st.integers(0, 1000))
    options = {"decay": draw(st.sampled_from([1.0, 0.8])), "epoch_batches": 1}
    return spec, batch, seed, options, make_samples(spec, 2 * batch, seed=seed)


@dataclass
class Network:
    """A source, a network and a readout, connected."""

    spec: NetworkSpec
    schedule: PhaseSchedule
    source: ImageSource
    network: EPNetwork
    readout: Readout
    backend: str = "message-passing"
    stepwise: bool = True

    @property
    def period(self) -> int:
        """Steps that a batch takes, with one Lava time step for each."""
        return self.schedule.period(learning=self.network.proc_params["learning"])

    @contextmanager
    def running(self) -> Iterator[SupervisedRun]:
        """Run it under supervision."""
        config = run_config(self.backend, stepwise=self.stepwise)
        with supervised(self.network, run_cfg=config) as run:
            yield run

    def values(self, run: SupervisedRun, field: str) -> list[np.ndarray]:
        """A Var of every layer, input side first."""
        return [run.get(self.network.layer_var(name, field)) for name in self.spec.layer_names]


def connect(
    spec,
    images,
    labels,
    *,
    batch,
    seed=0,
    learning=True,
    backend="message-passing",
    stepwise=True,
    **options,
) -> Network:
    """Build a network with its source and readout."""
    schedule = spec.schedule(seed)
    phases = {"schedule": schedule, "learning": learning}
    source = ImageSource(
        images=images, labels=labels, batch=batch, encoding=spec.input_encoding, **phases
    )
    network = EPNetwork(
        spec=spec, batch=batch, seed=seed, learning=learning, name="network", **options
    )
    readout = Readout(shape=(batch, spec.sizes[-1]), classes=spec.classes, **phases)
    source.s_out.connect(network.s_in)
    source.label_out.connect(network.label_in)
    network.state_out.connect(readout.state_in)
    return Network(spec, schedule, source, network, readout, backend, stepwise)
