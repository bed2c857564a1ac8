"""Short training runs on Lava equal the paper's equations in plain NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from harness import connect, make_samples, make_spec
from reference import ReferenceNetwork

from lava_ep.dynamics import BOP
from lava_ep.parameters import initial_parameters

CASES = {
    "one hidden layer, random sign, everything learns, from ones": {
        "spec": make_spec((12, 10, 6), bias_rate=0.02, alpha_rate=0.05),
        "options": {"decay": 0.9, "epoch_batches": 2},
    },
    "two hidden layers, symmetric, from zeros, counting BOP": {
        "spec": make_spec(
            (16, 12, 10, 6),
            nudging="symmetric",
            initial_state=0.0,
            bias_offset=0.3,
            theta=0.0053,
            gamma=0.0,
            bias_rate=0.03,
        ),
        "options": {"decay": 0.8, "epoch_batches": 1},
    },
    "three hidden layers, positive, learned alpha, rescaled momenta": {
        "spec": make_spec(
            (10, 9, 8, 7, 6), nudging="positive", gamma=0.98, alpha_rate=0.05, free_steps=7
        ),
        "options": {},
    },
    "one hidden layer, swing, everything learns": {
        "spec": make_spec(
            (12, 10, 6), nudging="swing", theta=0.0103, bias_rate=0.02, alpha_rate=0.05
        ),
        "options": {"decay": 0.9, "epoch_batches": 2},
    },
    "no hidden layer, symmetric, unfiltered, learned alpha": {
        "spec": make_spec(
            (12, 9), nudging="symmetric", filter_rate=1.0, initial_state=0.3, alpha_rate=0.1
        ),
        "options": {},
    },
    "batch of one, one hidden neuron, binary pixels": {
        "spec": make_spec((9, 1, 3), levels=1, bias_rate=0.05, theta=0.103),
        "options": {},
        "batch": 1,
        "batches": 8,
    },
}


def stored(reference, layer, batch, options):
    """Momenta of the reference in the units that synapses keep them in, after an update."""
    spec = reference.spec.layers[layer]
    phases = reference.spec.phases
    rule = BOP(spec.gamma, spec.theta, options.get("decay", 1.0))
    unit = phases.schedule(0).contrast_span * batch * reference.levels(layer)
    _, _, threshold = rule.coefficients(reference.batches - 1, unit=unit)
    return reference.momenta[layer] * threshold / (spec.theta * (spec.gamma or 1.0))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_short_training_run_equals_the_published_equations(case, backend):
    spec, options = case["spec"], case["options"]
    batch, batches, seed = case.get("batch", 4), case.get("batches", 5), 1
    images, labels = make_samples(spec, batch * batches)
    initial = initial_parameters(spec, seed=seed)
    reference = ReferenceNetwork(spec, initial, seed=seed, **options)
    built = connect(spec, images, labels, batch=batch, seed=seed, **options, backend=backend)
    signs, active = [], 0
    with built.running() as run:
        for number in range(batches):
            shown = slice(number * batch, (number + 1) * batch)
            signs.append(reference.beta_sign())
            expected = reference.show(images[shown], labels[shown])
            assert len(expected.nudged) == built.period
            for step in range(built.period):
                run.run(1)
                where = f"batch {number}, step {step}"
                found = zip(
                    built.values(run, "state"), built.values(run, "activation"), strict=True
                )
                for layer, (state, activation) in enumerate(found):
                    assert state.dtype == np.float32
                    np.testing.assert_array_equal(
                        state, expected.states[layer][step], err_msg=f"{where}, layer {layer}"
                    )
                    np.testing.assert_array_equal(
                        activation, expected.activations[layer][step], err_msg=where
                    )
            np.testing.assert_array_equal(run.get(built.readout.scores), expected.scores)
            for field, values in (
                ("weights", reference.signs),
                ("bias", reference.biases),
                ("alpha", np.array(reference.alphas)[:, None]),
                ("flips", np.array(reference.flips)[:, None]),
            ):
                for layer, value in enumerate(built.values(run, field)):
                    np.testing.assert_array_equal(
                        value, values[layer], err_msg=f"{field} of layer {layer}, batch {number}"
                    )
            momenta = built.values(run, "momentum")
            for layer, momentum in enumerate(momenta):
                expected_momentum = stored(reference, layer, batch, options)
                np.testing.assert_allclose(momentum, expected_momentum, rtol=1e-4, atol=1e-2)
            active += sum(expected.events(layer)[1] for layer in range(len(spec.layers)))

    # The run was worth comparing: nudges reached every layer and everything that may learn did.
    assert active > 0
    assert all(reference.flips)
    assert set(signs) == ({-1, 1} if spec.phases.nudging == "random-sign" else {1})
    for layer, before in enumerate(initial.layers):
        assert np.array_equal(reference.biases[layer], before.bias) == (
            not spec.layers[layer].bias_rate
        )
        assert (reference.alphas[layer] == before.alpha[0]) == (not spec.layers[layer].alpha_rate)


def test_a_run_that_goes_on_from_parameters_is_the_one_that_was_not_interrupted(backend):
    spec = make_spec(gamma=0.2, alpha_rate=0.05, bias_rate=0.02)
    images, labels = make_samples(spec, 24)
    options = {"batch": 4, "seed": 2, "decay": 0.9, "epoch_batches": 2}

    def learned(built, batches):
        with built.running() as run:
            run.run(batches * built.period)
            return [built.values(run, field) for field in ("weights", "momentum", "alpha", "bias")]

    whole = learned(connect(spec, images, labels, **options, backend=backend), 6)
    half = learned(connect(spec, images, labels, **options, backend=backend), 3)
    fields = ("weights", "momentum", "alpha", "bias")
    arrays = {
        f"{name}.{field}": value
        for field, values in zip(fields, half, strict=True)
        for name, value in zip(spec.layer_names, values, strict=True)
    }
    arrays["batch"] = np.array([3])
    parameters = type(initial_parameters(spec, seed=0)).from_arrays(arrays, spec, source="test")
    rest = connect(
        spec, images[12:], labels[12:], parameters=parameters, **options, backend=backend
    )
    for field, found, expected in zip(fields, learned(rest, 3), whole, strict=True):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=field)
