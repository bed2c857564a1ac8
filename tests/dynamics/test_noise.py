"""Measurements have the noise they should have, and the same one wherever they are made."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lava_ep.dynamics import Noise
from lava_ep.errors import InputError

SHAPE = (40, 500)
ADDRESS = {"seed": 3, "batch": 5, "phase": 0}


def drawn(noise, dtype=np.float32, **address):
    return noise.measured(np.zeros(SHAPE, dtype), **{**ADDRESS, **address})


def test_the_same_address_has_the_same_noise():
    np.testing.assert_array_equal(drawn(Noise(0.2)), drawn(Noise(0.2)))


def test_phases_batches_layers_seeds_and_studies_have_independent_noise():
    others = [
        drawn(Noise(0.2)),
        drawn(Noise(0.2), phase=1),
        drawn(Noise(0.2), batch=6),
        drawn(Noise(0.2), seed=4),
        drawn(Noise(0.2, layer=1)),
        drawn(Noise(0.4, 4)),
    ]
    for first, second in itertools.combinations(others, 2):
        correlation = np.corrcoef(first.ravel(), second.ravel())[0, 1]
        assert abs(correlation) < 5 / np.sqrt(first.size)


def test_the_noise_is_gaussian_with_the_given_deviation():
    noise = drawn(Noise(0.2)) / 0.2
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.std() - 1) < 5 / np.sqrt(2 * noise.size)
    assert abs(np.mean(noise**4) - 3) < 5 * np.sqrt(96 / noise.size)


def test_a_mean_of_measurements_has_the_distribution_of_measurements_averaged():
    samples, sigma = 16, 0.3
    averaged = np.mean([drawn(Noise(sigma), batch=k) for k in range(samples)], axis=0)
    at_once = drawn(Noise(sigma, samples), batch=samples)
    assert at_once.std() == pytest.approx(averaged.std(), rel=5 / np.sqrt(averaged.size))
    quantiles = np.linspace(0.02, 0.98, 13)
    np.testing.assert_allclose(
        np.quantile(at_once, quantiles), np.quantile(averaged, quantiles), atol=0.04 * sigma / 4
    )


def test_what_is_measured_is_the_activation_in_its_own_units():
    activation = np.array([[1, 0, 1]], np.int8)
    noise = Noise(0.1)
    found = noise.measured(activation, **ADDRESS)
    assert found.dtype == np.float32
    scaled = noise.measured(5 * activation, **ADDRESS, levels=5)
    np.testing.assert_allclose(scaled, 5 * found, rtol=1e-6)
    assert (activation == [[1, 0, 1]]).all()
    assert noise.measured(np.zeros((1, 2)), **ADDRESS).dtype == np.float64


@pytest.mark.parametrize("values", [{"sigma": 0}, {"sigma": -1}, {"sigma": np.inf}, {"samples": 0}])
def test_impossible_noise_is_refused(values):
    with pytest.raises(InputError, match=r"noise (sigma|samples)="):
        Noise(**{"sigma": 0.1, **values})
