"""Backends are compared step by step, and the first difference is told."""

from __future__ import annotations

import re

import pytest
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ep.analysis import compare_backends
from lava_ep.data import load_dataset
from lava_ep.errors import InputError
from lava_ep.models import BACKENDS, run_config
from lava_ep.models.fused import PyEPNetworkModelFused, PyEPNetworkModelFusedStepwise
from lava_ep.parameters import initial_parameters
from lava_ep.processes import EPNetwork
from lava_ep.spec import load_preset, override


@pytest.fixture(scope="module")
def experiment():
    return override(
        load_preset("binary-digits"),
        [
            "network.layers.0.neurons=40",
            "network.layers.1.alpha_rate=0.01",
            "network.phases.free_steps=5",
            "network.phases.nudged_steps=4",
            "training.batch_size=8",
        ],
    )


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits", limit_train=40, limit_test=10)


class WrongInSteps(PyEPNetworkModelFusedStepwise):
    """Spoils one hidden neuron in step 3 of the third batch."""

    def run_spk(self):
        super().run_spk()
        if self.engine.batches_learned == 2 and self._position == 3:
            self.engine.samples.activation[5, 7] ^= 1


class WrongInBatches(PyEPNetworkModelFused):
    """Spoils a weight of the output layer after the second batch."""

    def run_spk(self):
        super().run_spk()
        if self.engine.batches_learned == 2:
            weights = self.engine.get(1, "weights").copy()
            weights[4, 9] *= -1
            self.engine.set(1, "weights", weights)


def add_backend(monkeypatch, *, stepwise_model, model):
    """Add a backend ``wrong`` that runs the network with the given models."""

    def config(name, *, stepwise=False):
        if name != "wrong":
            return run_config(name, stepwise=stepwise)
        tag = BACKENDS["fused"].stepwise_tag if stepwise else BACKENDS["fused"].tag
        chosen = {EPNetwork: stepwise_model if stepwise else model}
        return Loihi2SimCfg(select_tag=tag, exception_proc_model_map=chosen)

    monkeypatch.setitem(BACKENDS, "wrong", BACKENDS["fused"])
    monkeypatch.setattr("lava_ep.training.session.run_config", config)


def compare(experiment, digits, *, samples=40, backends=("message-passing", "fused"), **options):
    parameters = initial_parameters(experiment.network, seed=0)
    return compare_backends(experiment, parameters, digits, backends, samples=samples, **options)


def test_the_backends_are_identical(experiment, digits):
    found = compare(experiment, digits, samples=20, threads=3)
    assert found.difference is None
    assert found.samples == 24  # whole batches
    assert found.steps == 3 * (1 + 5 + 4 + 1 + 4)


def test_the_first_difference_in_a_step_is_found(experiment, digits, monkeypatch):
    add_backend(monkeypatch, stepwise_model=WrongInSteps, model=PyEPNetworkModelFused)
    found = compare(experiment, digits, backends=("fused", "wrong"))
    assert found.samples == 16
    difference = found.difference
    assert (difference.process, difference.field) == ("hidden1", "activation")
    assert (difference.batch, difference.step, difference.index) == (2, 3, (5, 7))
    assert sorted(difference.values.values()) == [0, 1]
    text = (
        r"Process 'hidden1', activation\[5, 7\], batch 2, step 3: [01] \(fused\) != [01] \(wrong\)"
    )
    assert re.fullmatch(text, str(difference))


def test_a_difference_of_whole_batches_is_found_too(experiment, digits, monkeypatch):
    add_backend(monkeypatch, stepwise_model=PyEPNetworkModelFusedStepwise, model=WrongInBatches)
    difference = compare(experiment, digits, backends=("fused", "wrong")).difference
    assert (difference.process, difference.field) == ("output_synapse", "weights")
    assert (difference.batch, difference.step, difference.index) == (1, None, (4, 9))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backends": ("fused",)}, "expected at least two different ones"),
        ({"backends": ("fused", "fused")}, "expected at least two different ones"),
        ({"backends": ("fused", "gpu")}, "backend 'gpu': expected one of"),
        ({"samples": 0}, "samples=0: expected at least 1"),
        ({"samples": 41}, "samples=41: makes 6 batches of 8, but digits has 40"),
    ],
)
def test_impossible_comparisons_are_refused(experiment, digits, options, message):
    with pytest.raises(InputError, match=message):
        compare(experiment, digits, **options)


@pytest.mark.parametrize(
    ("preset", "changes", "exact"),
    [
        ("sigma-delta-binary-digits", ["network.encoding.code=latency"], True),
        ("sigma-delta-binary-digits", ["network.encoding.code=rate"], False),
        ("if-binary-digits", [], False),
    ],
)
def test_spiking_backends_agree_exactly_where_all_is_integer(preset, changes, exact, digits):
    phases = ["network.phases.free_steps=6", "network.phases.nudged_steps=3"]
    experiment = override(
        load_preset(preset), ["network.layers.0.neurons=20", "training.batch_size=4", *phases]
    )
    found = compare(override(experiment, changes) if changes else experiment, digits, samples=8)
    assert found.difference is None
    assert found.exact == exact
    assert (found.largest == 0) or not exact
