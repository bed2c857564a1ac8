"""Positions, phases and nudging strengths that every Process counts for itself."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.dynamics import Nudging, Phase, PhaseSchedule
from lava_ep.errors import InputError

L, F, N, R = Phase.LOAD, Phase.FREE, Phase.NUDGED, Phase.RESTORE


def unrolled(schedule, sign=1):
    positions = range(schedule.period(learning=True))
    return (
        [schedule.phase(position) for position in positions],
        [schedule.beta_at(position, sign) for position in positions],
    )


@pytest.mark.parametrize(
    ("nudging", "sign", "phases", "betas"),
    [
        (Nudging.POSITIVE, 1, [L, F, F, F, N, N], [0, 0, 0, 0, 1.5, 1.5]),
        (Nudging.RANDOM_SIGN, 1, [L, F, F, F, N, N], [0, 0, 0, 0, 1.5, 1.5]),
        (Nudging.RANDOM_SIGN, -1, [L, F, F, F, N, N], [0, 0, 0, 0, -1.5, -1.5]),
        (
            Nudging.SYMMETRIC,
            1,
            [L, F, F, F, N, N, R, N, N],
            [0, 0, 0, 0, 1.5, 1.5, 0, -1.5, -1.5],
        ),
    ],
)
def test_a_sample_step_by_step(nudging, sign, phases, betas):
    schedule = PhaseSchedule(3, 2, 1.5, nudging)
    assert unrolled(schedule, sign) == (phases, betas)


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from(Nudging))
def test_phases_have_their_lengths_and_ends(free, nudged, nudging):
    schedule = PhaseSchedule(free, nudged, 2.0, nudging)
    phases, betas = unrolled(schedule)
    symmetric = nudging is Nudging.SYMMETRIC
    assert schedule.symmetric == symmetric
    assert phases.count(L) == 1
    assert phases.count(F) == free
    assert phases.count(N) == nudged * (1 + symmetric)
    assert phases.count(R) == symmetric
    assert phases[: free + 1] == [L] + [F] * free
    assert schedule.free_end == len(phases[: phases.index(N)]) - 1
    assert phases[schedule.free_end + 1 : schedule.first_nudged_end + 1] == [N] * nudged
    assert sum(betas) == pytest.approx(0 if symmetric else 2.0 * nudged)
    assert schedule.period(learning=False) == 1 + free
    assert schedule.contrast_span == (4.0 if symmetric else 2.0)


def test_random_signs_depend_on_seed_and_batch_alone():
    schedule = PhaseSchedule(1, 1, 1.0, Nudging.RANDOM_SIGN, seed=3)
    signs = [schedule.sign(batch) for batch in range(400)]
    assert set(signs) == {-1, 1}
    assert 150 < signs.count(1) < 250
    copy = pickle.loads(pickle.dumps(schedule))
    assert [copy.sign(batch) for batch in reversed(range(400))] == signs[::-1]
    other_lengths = PhaseSchedule(7, 9, 0.1, Nudging.RANDOM_SIGN, seed=3)
    assert [other_lengths.sign(batch) for batch in range(400)] == signs
    other_seed = PhaseSchedule(1, 1, 1.0, Nudging.RANDOM_SIGN, seed=4)
    assert [other_seed.sign(batch) for batch in range(400)] != signs


@pytest.mark.parametrize("nudging", [Nudging.POSITIVE, Nudging.SYMMETRIC])
def test_other_nudging_starts_with_plus_beta(nudging):
    schedule = PhaseSchedule(1, 1, 1.0, nudging)
    assert {schedule.sign(batch) for batch in range(50)} == {1}


def test_nudging_may_be_given_by_its_value():
    by_value = PhaseSchedule(3, 2, 1.5, "symmetric")
    assert by_value == PhaseSchedule(3, 2, 1.5, Nudging.SYMMETRIC)
    assert by_value.symmetric
    assert by_value.period(learning=True) == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"free_steps": 0}, "free_steps=0.*at least 1"),
        ({"free_steps": 2.5}, "free_steps=2.5.*whole"),
        ({"nudged_steps": 0}, "nudged_steps=0"),
        ({"beta": 0.0}, "beta=0.0.*positive"),
        ({"beta": -1.0}, "beta=-1.0.*nudging"),
        ({"beta": float("nan")}, "beta=nan"),
        ({"nudging": "sideways"}, "'sideways'.*positive, random-sign, symmetric"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_impossible_schedules_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        PhaseSchedule(**{"free_steps": 3, "nudged_steps": 2, "beta": 1.0, **change})


def test_a_schedule_cannot_be_changed():
    with pytest.raises(AttributeError):
        PhaseSchedule(3, 2, 1.0).beta = 2.0
