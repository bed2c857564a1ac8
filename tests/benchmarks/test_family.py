"""The systems with presets of their own: what the dense implementations are told of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contenders import THRESHOLDED, Batches, DenseTorch, dense_settings, write_problem
from family import all_members
from networks import compare, learn
from run import FULL, QUICK, TORCH_PYTHON
from turns import Rounds

from lava_ep.parameters import initial_parameters
from lava_ep.spec import NetworkSpec, load_preset, override

ONCE = Rounds(repeats=1)
MEMBERS = {member.preset: member for member in all_members(ONCE, ONCE, ONCE, 4)}


def random_batches(spec: NetworkSpec, size: int, batches: int = 1) -> Batches:
    """Draw sparse images of all levels."""
    rng = np.random.default_rng(0)
    shape = (batches * size, spec.inputs)
    images = rng.integers(0, spec.input_levels + 1, shape) * (rng.random(shape) < 0.2)
    labels = rng.integers(0, spec.classes, len(images))
    return Batches(images.astype(np.uint8), labels, size)


def settings(preset: str) -> dict[str, object]:
    spec = MEMBERS[preset].experiment.network
    return dense_settings(spec, initial_parameters(spec, seed=0), 4)


def test_settings_of_all_systems() -> None:
    one = settings("ep-1h")
    assert one["shapes"] == [(512, 784), (10, 512)]
    assert (one["rate"], one["image"]) == ([0.08, 0.04], (784,))
    assert not {"gamma", "tau", "alpha", "threshold", "pool", "final_switches"} & set(one)
    assert not one["clips_nudge"]
    binary_weights = settings("laydevant-real-fc")
    assert binary_weights["tau"] == pytest.approx([5e-7, 5e-7])
    assert binary_weights["clips_nudge"]
    assert not {"rate", "threshold"} & set(binary_weights)
    convolutional = settings("ep-conv")
    assert convolutional["shapes"] == [(32, 1, 5, 5), (64, 32, 5, 5), (10, 1024)]
    assert (convolutional["padding"], convolutional["pool"]) == (0, 2)
    assert convolutional["image"] == (1, 28, 28)
    assert convolutional["final_switches"] and convolutional["clips_nudge"]
    binary = settings("laydevant-conv")
    assert binary["alpha"][:2] == [1 / 8, 1 / 128]
    assert (binary["padding"], binary["pool"], binary["levels"]) == (1, 3, 128)
    assert (binary["threshold"], binary["filter_rate"]) == (0.5, 0.5)
    assert "clips_nudge" not in binary


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_published_time_steps(plan) -> None:
    for member in plan.family:
        measured, published = member.experiment, load_preset(member.preset)
        assert measured.network.phases == published.network.phases
        assert [x.theta for x in measured.network.layers] == [
            x.theta for x in published.network.layers
        ]
        assert member.samples <= plan.samples(published.training.batch_size)


def test_every_change_is_sent() -> None:
    images = Batches(np.full((2, 784), 255, np.uint8), np.zeros(2, np.int64), 1)
    found = {name: one.benchmark(images, TORCH_PYTHON) for name, one in MEMBERS.items()}
    assert found["ep-conv"].spec.neuron.event_threshold == 0
    assert found["ep-conv"].thresholds == {THRESHOLDED: load_preset("ep-conv").network}
    assert found["ep-conv"].in_double
    assert not found["laydevant-conv"].in_double
    assert found["laydevant-conv"].batches.images.max() == 127
    assert found["laydevant-conv"].batches.size == 4
    assert found["ep-1h"].batches.size == 20
    assert not any(found[name].thresholds for name in found if name != "ep-conv")


def test_weights_above_convolutions_are_reordered(tmp_path: Path) -> None:
    spec = MEMBERS["ep-conv"].experiment.network
    start = initial_parameters(spec, seed=0)
    write_problem(tmp_path / "problem.npz", spec, start, random_batches(spec, 2), [1])
    with np.load(tmp_path / "problem.npz") as arrays:
        written = arrays["weights2"].reshape(10, 64, 4, 4)
        assert np.array_equal(arrays["weights1"], start.layers[1].weights)
    ours = start.layers[2].weights.reshape(10, 4, 4, 64)
    assert np.array_equal(written[:, 5, 1, 2], ours[:, 1, 2, 5])


SMALL = {
    "ep-1h": ["network.layers.0.neurons=30"],
    "laydevant-real-fc": ["network.layers.0.neurons=40"],
    "ep-conv": ["network.layers.0.channels=3", "network.layers.1.channels=5"],
    "laydevant-conv": [
        "network.layers.0.channels=4",
        "network.layers.1.channels=6",
        "network.layers.2.neurons=20",
        # The published 1/160 and these few channels would let nobody fire.
        "network.layers.1.scale=1.25",
    ],
}


@pytest.mark.skipif(not TORCH_PYTHON.exists(), reason="`make bench` has not installed PyTorch yet")
@pytest.mark.parametrize("preset", SMALL)
def test_dense_implementation_learns_the_same(preset: str, tmp_path: Path) -> None:
    member = MEMBERS[preset]
    spec = override(
        member.experiment,
        ["network.phases.free_steps=8", "network.phases.nudged_steps=4", *SMALL[preset]],
    ).network
    if spec.layers[0].binary:
        # Let a single batch flip some.
        layers = tuple(layer.model_copy(update={"theta": 0.01}) for layer in spec.layers)
        spec = spec.model_copy(update={"layers": layers})
    benchmark = member.benchmark(random_batches(spec, 6), TORCH_PYTHON)
    spec = spec.model_copy(update={"neuron": benchmark.spec.neuron})
    batches = replace(random_batches(spec, 6), images=benchmark.batches.images)
    start = initial_parameters(spec, seed=0)
    sign = spec.phases.schedule(0).sign(0)
    # Binary neurons have one type only.
    dtype = "float32" if spec.neuron.kind == "binary" else "float64"
    problem = tmp_path / "problem.npz"
    write_problem(problem, spec, start, batches, [sign])
    with DenseTorch(TORCH_PYTHON, member.system, problem, 1, dtype) as dense:
        dense.train(0, 1)
        found = dense.learned(spec, tmp_path / "trained.npz")
    ours = learn(spec, 0, start, batches, 1, dtype)
    agreement = compare(start, ours, found, 1e-9)
    assert agreement.get("flipped_weights", 1) > 0
    assert max(agreement["different_bias_changes"]) < 1e-5
