import os
import signal

import numpy as np
import pytest

from lava_ep.errors import InputError
from lava_ep.parameters import initial_parameters
from lava_ep.runtime import WorkerDied
from lava_ep.training import NetworkSession, evaluate


def session_of(spec, **kwargs):
    return NetworkSession(
        spec.network, parameters=initial_parameters(spec.network, seed=0), **kwargs
    )


def test_scores_do_not_depend_on_the_batch(spec, dataset):
    found = []
    for batch in (1, 7, 32):
        with session_of(spec, batch=batch, backend="fused", learning=False) as session:
            found.append(session.scores(dataset.x_test[:20]))
    assert found[0].shape == (20, 10)
    np.testing.assert_array_equal(found[1], found[0])
    np.testing.assert_array_equal(found[2], found[0])


def test_results_arrive_while_the_run_goes_on(spec, dataset):
    with session_of(spec, batch=1, learning=False) as session:
        stream = session.stream(dataset.x_train[:100])
        first = next(stream)
        assert first.shape == (1, 10)
        assert not session.poll(), "the run was over before its first result was there"
        assert len(list(stream)) == 99
        assert session.poll()


def test_learning_changes_the_parameters_and_counts_the_batches(spec, dataset):
    start = initial_parameters(spec.network, seed=0)
    with session_of(spec, batch=32) as session:
        list(session.stream(dataset.x_train[:128], dataset.y_train[:128]))
        learned, counters = session.parameters(), session.counters()
    assert learned.batch == 4
    for index, (before, after) in enumerate(zip(start.layers, learned.layers, strict=True)):
        # A weight that flips back and forth counts twice, so flips bound the difference.
        changed = np.count_nonzero(before.weights != after.weights)
        assert 0 < changed <= counters.flips[index]
    assert np.any(start.layers[0].bias != learned.layers[0].bias)
    assert learned.layers[1].alpha != start.layers[1].alpha


def test_learning_refuses_an_incomplete_batch_before_anything_runs(spec, dataset):
    with session_of(spec, batch=32) as session:
        with pytest.raises(ValueError, match="multiple of the batch"):
            next(session.stream(dataset.x_train[:33], dataset.y_train[:33]))
        assert session.counters().events.sum() == 0


def test_parameters_move_between_sessions(spec, dataset):
    options = {"batch": 32, "backend": "fused"}
    with session_of(spec, **options) as learner:
        list(learner.stream(dataset.x_train[:96], dataset.y_train[:96]))
        learned = learner.parameters()
    with session_of(spec, **options, learning=False) as tester:
        before = tester.scores(dataset.x_test)
        tester.set_parameters(learned)
        after = tester.scores(dataset.x_test)
    with NetworkSession(spec.network, parameters=learned, learning=False, **options) as fresh:
        np.testing.assert_array_equal(fresh.scores(dataset.x_test), after)
    assert np.any(before != after)


def test_evaluation_counts_every_sample_once(spec, dataset):
    found = evaluate(spec, initial_parameters(spec.network, seed=0), dataset)
    assert len(found.predictions) == len(dataset.y_test) == 70
    assert found.shown == 96
    assert found.confusion(10).sum() == 70
    assert found.confusion(10).trace() == round(found.accuracy * 70)


def test_a_killed_worker_ends_the_session_with_its_name(spec, dataset):
    with (
        pytest.raises(WorkerDied, match="hidden1"),
        session_of(spec, batch=1, learning=False, execution="processes") as session,
    ):
        for number, _ in enumerate(session.stream(dataset.x_train)):
            if number == 3:
                os.kill(session.pids["hidden1"], signal.SIGKILL)


def test_an_unknown_backend_is_refused(spec):
    with pytest.raises(InputError, match="backend 'gpu': expected one of message-passing"):
        session_of(spec, batch=1, backend="gpu")
