"""The steps that are made up for measurements, and the network of stock Processes."""

import numpy as np
from lava_stock import build_stock
from scaling import EVENTS, SAMPLES, Step, random_events, random_signs

from lava_ep.parameters import initial_parameters
from lava_ep.runtime import supervised
from lava_ep.spec import load_preset


def test_every_sample_has_its_events() -> None:
    events = random_events(5, 100, 30, np.random.default_rng(0))
    assert events.dtype == np.int8
    assert set(np.unique(events)) == {-1, 0, 1}
    assert np.count_nonzero(events, axis=1).tolist() == [30] * 5


def test_operations_of_a_step() -> None:
    rng = np.random.default_rng(0)
    signs = random_signs(100, 512, rng)
    assert Step(signs, EVENTS, rng).synaptic_operations == SAMPLES * EVENTS * 100
    both = Step(signs, EVENTS, rng, both_ways=True)
    assert both.synaptic_operations == SAMPLES * EVENTS * 612
    both.run()


def test_stock_network_is_alive() -> None:
    spec = load_preset("binary-digits").network
    images = np.full((2, spec.inputs), spec.input_levels, np.uint8)
    source = build_stock(spec, initial_parameters(spec, seed=0), images)
    period = spec.phases.schedule(0).period(learning=False)
    assert source.data.shape == (spec.inputs, 2 * period)
    hidden = source.s_out.out_connections[0].process.a_out.out_connections[0].process
    with supervised(source) as run:
        run.run(4)
        # The connections send in each step what they received in the one before.
        assert np.count_nonzero(run.get(hidden.u)) > spec.sizes[1] // 2
