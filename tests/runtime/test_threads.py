"""Supervised runs in threads that are not the main one, in pools of them and under asyncio."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF

from lava_ep.estimator import EPClassifier
from lava_ep.runtime import ProcessFailure, supervised

STEPS = 12


def run_network(seed=0, meeting=None):
    """Build and run a network of Lava's own Processes; return its potentials and its pids."""
    rng = np.random.default_rng(seed)
    source = LIF(shape=(5,), bias_mant=rng.random(5), vth=1.5)
    dense = Dense(weights=rng.normal(size=(3, 5)))
    target = LIF(shape=(3,), vth=0.7, du=0.3, dv=0.1)
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(target.a_in)
    with supervised(source) as run:
        if meeting is not None:
            meeting.wait(60)
        run.run(STEPS)
        if meeting is not None:
            meeting.wait(60)
        return run.get(target.v)


def in_pool(function, *arguments):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def under_asyncio(function, *arguments):
    async def main():
        return await asyncio.to_thread(function, *arguments)

    return asyncio.run(main())


WAYS = pytest.mark.parametrize("way", [in_pool, under_asyncio])


@WAYS
def test_network_of_lavas_own_processes(way):
    expected = run_network()
    assert expected.any()
    np.testing.assert_array_equal(way(run_network), expected)


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    return (labels[:, None] + 0.2 * rng.random((24, 6))).astype(np.float32), labels


def predictions(samples, seed=0):
    classifier = EPClassifier(hidden_layer_sizes=(20,), max_iter=2, random_state=seed)
    return classifier.fit(*samples).decision_function(samples[0])


@pytest.fixture(scope="module")
def expected_predictions(samples):
    return predictions(samples)


@WAYS
def test_classifier(way, samples, expected_predictions):
    np.testing.assert_array_equal(way(predictions, samples), expected_predictions)


def test_failure_is_told_in_a_pool(toys):
    def blow_up():
        raise ValueError("the relay broke")

    def host():
        relay = toys.Relay(listening=False, trouble=("run_spk", blow_up))
        with supervised(relay, toys.config()) as run:
            run.run(10)

    with pytest.raises(ProcessFailure, match="the relay broke"):
        in_pool(host)


def test_run_outlives_the_thread_that_began_it(toys):
    relay = toys.Relay(listening=False)
    relay.s_out.flag_external_pipe(8)
    run = supervised(relay, toys.config())
    beginning = threading.Thread(target=run.__enter__)
    beginning.start()
    beginning.join()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run.run, 2).result()
    run.run(2)
    assert [message[0] for message in run.outbox(relay.s_out)] == [1, 2, 3, 4]
    run.close()


def test_two_runs_at_once():
    expected = [run_network(seed) for seed in (0, 1)]
    meeting = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(run_network, seed, meeting) for seed in (0, 1)]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.result(), other)


def test_two_classifiers_at_once(samples, expected_predictions):
    other = predictions(samples, seed=1)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(predictions, samples, seed) for seed in (0, 1)]
        np.testing.assert_array_equal(found[0].result(), expected_predictions)
        np.testing.assert_array_equal(found[1].result(), other)


def test_many_runs_begun_and_ended_at_once(toys):
    def host(n_steps):
        relay = toys.Relay(listening=False)
        relay.s_out.flag_external_pipe(8)
        with supervised(relay, toys.config()) as run:
            run.run(n_steps)
            return [int(message[0]) for message in run.outbox(relay.s_out)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(host, [1, 2, 3, 4, 5, 6, 7, 8]))
    assert found == [list(range(1, n + 1)) for n in range(1, 9)]
