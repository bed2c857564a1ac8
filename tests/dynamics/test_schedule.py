"""Positions, phases and nudging strengths that every Process counts for itself."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.dynamics import Nudging, Phase, PhaseSchedule, Updates
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
        (Nudging.SWING, 1, [L, F, F, F, N, N, N, N], [0, 0, 0, 0, 1.5, 1.5, -1.5, -1.5]),
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
    two_sided = symmetric or nudging is Nudging.SWING
    assert (schedule.symmetric, schedule.two_sided) == (symmetric, two_sided)
    assert phases.count(L) == 1
    assert phases.count(F) == free
    assert phases.count(N) == nudged * (1 + two_sided)
    assert phases.count(R) == symmetric
    assert phases[: free + 1] == [L] + [F] * free
    assert schedule.free_end == len(phases[: phases.index(N)]) - 1
    assert phases[schedule.free_end + 1 : schedule.first_nudged_end + 1] == [N] * nudged
    assert sum(betas) == pytest.approx(0 if two_sided else 2.0 * nudged)
    assert schedule.period(learning=False) == 1 + free
    assert schedule.contrast_span == (4.0 if two_sided else 2.0)


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


@pytest.mark.parametrize("nudging", [Nudging.POSITIVE, Nudging.SYMMETRIC, Nudging.SWING])
def test_other_nudging_starts_with_plus_beta(nudging):
    schedule = PhaseSchedule(1, 1, 1.0, nudging)
    assert {schedule.sign(batch) for batch in range(50)} == {1}


def test_the_swing_starts_from_where_the_first_nudged_phase_has_led_to():
    swing = PhaseSchedule(5, 3, 1.0, Nudging.SWING)
    symmetric = PhaseSchedule(5, 3, 1.0, Nudging.SYMMETRIC)
    assert swing.period(learning=True) == symmetric.period(learning=True) - 1 == 1 + 5 + 3 + 3
    assert Phase.RESTORE not in unrolled(swing)[0]
    assert not swing.symmetric
    assert swing.contrast_span == symmetric.contrast_span == 2
    assert swing.contrast_sign(1) == symmetric.contrast_sign(1) == -1
    for schedule in (swing, symmetric):
        assert schedule.remembered_end == schedule.first_nudged_end == 8
    for nudging in (Nudging.POSITIVE, Nudging.RANDOM_SIGN):
        assert PhaseSchedule(5, 3, 1.0, nudging).remembered_end == 5


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from(Nudging),
    st.sampled_from([-1, 1]),
    st.data(),
)
def test_the_contrasts_of_all_steps_add_up_to_that_of_the_ends(free, nudged, nudging, sign, data):
    schedule = PhaseSchedule(free, nudged, 2.0, nudging, updates=Updates.CONTINUAL)
    if nudging is not Nudging.RANDOM_SIGN:
        sign = schedule.sign(0)
    period = schedule.period(learning=True)
    values = data.draw(st.lists(st.integers(-9, 9), min_size=period, max_size=period))
    phases, betas = unrolled(schedule, sign)
    if schedule.symmetric:
        values[phases.index(R)] = values[schedule.free_end]
    signs = [schedule.continual_sign(position, sign) for position in range(period)]
    steps = [values[k] - values[k - 1] for k in range(1, period)]
    found = sum(factor * step for factor, step in zip(signs[1:], steps, strict=True))
    contrast = values[-1] - values[schedule.remembered_end]
    assert found == schedule.contrast_sign(sign) * contrast
    # Nothing is learned where there is no nudge, and a step follows the sign of its own.
    for factor, beta in zip(signs, betas, strict=True):
        assert factor == 0 or factor * beta > 0
    quiet = 1 + free + (nudged if nudging is Nudging.SWING else 0) + schedule.symmetric
    assert signs.count(0) == quiet


def test_updates_are_once_a_batch_unless_said_otherwise():
    assert PhaseSchedule(3, 2, 1.0).updates is Updates.TWO_PHASE
    assert not PhaseSchedule(3, 2, 1.0).continual
    continual = PhaseSchedule(3, 2, 1.0, updates="continual")
    assert continual == PhaseSchedule(3, 2, 1.0, updates=Updates.CONTINUAL)
    assert continual.continual


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
        ({"nudging": "sideways"}, "'sideways'.*positive, random-sign, symmetric, swing"),
        ({"updates": "daily"}, "updates='daily': expected one of two-phase, continual"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_impossible_schedules_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        PhaseSchedule(**{"free_steps": 3, "nudged_steps": 2, "beta": 1.0, **change})


def test_a_schedule_cannot_be_changed():
    with pytest.raises(AttributeError):
        PhaseSchedule(3, 2, 1.0).beta = 2.0
