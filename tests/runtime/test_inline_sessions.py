"""Our own networks inline: what they learn is, bit for bit, what they learn in OS processes."""

from __future__ import annotations

import numpy as np
import pytest

from lava_ep.models import check_backend
from lava_ep.parameters import initial_parameters
from lava_ep.spec import load_preset
from lava_ep.training import NetworkSession

SMALL = {
    "binary-digits": ("message-passing", "fused", "fixed_point"),
    "cvf-digits": ("message-passing", "fused"),
    "drn-digits": ("message-passing", "fused"),
    "ep-conv": ("message-passing", "fused"),
    "if-event-digits": ("message-passing", "fused", "fixed_point"),
    "lif-digits": ("message-passing", "fused", "fixed_point"),
    "sigma-delta-digits": ("message-passing", "fused", "fixed_point"),
}


def learned(spec, backend, images, labels, execution):
    """Return the scores of a learning network, and all that it has learned and counted."""
    start = initial_parameters(spec, seed=0)
    options = {"batch": 2, "parameters": start, "backend": backend, "execution": execution}
    with NetworkSession(spec, **options) as session:
        scores = np.concatenate(list(session.stream(images, labels)))
        arrays = [array for layer in session.parameters().layers for array in layer.arrays.values()]
        counters = session.counters()
        return [scores, counters.events, counters.synaptic_operations, counters.flips, *arrays]


@pytest.mark.parametrize(
    ("preset", "backend"),
    [(name, backend) for name, backends in SMALL.items() for backend in backends],
)
def test_learning_is_the_same(preset, backend):
    spec = load_preset(preset).ep_network
    check_backend(backend, spec)
    rng = np.random.default_rng(0)
    pixels = spec.inputs * spec.input_encoding.frames_a_sample
    images = rng.integers(0, spec.input_levels + 1, (4, pixels)).astype(np.uint8)
    labels = rng.integers(0, spec.classes, 4)
    found = [
        learned(spec, backend, images, labels, execution) for execution in ("processes", "inline")
    ]
    for one, other in zip(*found, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(one, other)
