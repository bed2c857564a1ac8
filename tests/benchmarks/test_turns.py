"""Who is measured when, and which measurements count."""

import os

import pytest
import turns as turns_module
from turns import MOST_ROUNDS, QUIET, Patience, Round, Rounds, Turns, seconds_per_call, take_turns


class FakeLoad:
    """Other programs that are busy in the rounds listed."""

    noise: list[float]

    def __init__(self, pids: object) -> None:
        pass

    def cores(self) -> float:
        return self.noise.pop(0) if self.noise else 0.0


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(FakeLoad, "noise", found, raising=False)
    monkeypatch.setattr(turns_module, "ForeignLoad", FakeLoad)
    monkeypatch.setattr(turns_module.Patience, "await_quiet", lambda self, pids: None)
    return found


def run(wanted: int, patience: Patience) -> tuple[Turns, list[tuple[str, int]]]:
    calls: list[tuple[str, int]] = []

    def contender(name: str, factor: float):
        def measure(number: int) -> float:
            calls.append((name, number))
            return factor * number

        return measure

    contenders = {"a": contender("a", 1.0), "b": contender("b", 10.0)}
    found = take_turns(contenders, wanted, pids=[os.getpid()], patience=patience, label="test")
    return found, calls


def test_rounds_show_every_batch_once() -> None:
    rounds = Rounds(repeats=2, batches=3, warm_up=1)
    spans = [rounds.span(number) for number in range(MOST_ROUNDS * rounds.repeats + 1)]
    shown = [batch for first, last in spans for batch in range(first, last)]
    assert shown == list(range(rounds.most_batches))
    assert spans[0] == (0, 1)
    assert rounds.contender(lambda first, last: last - first)(2) == 3


def test_contenders_take_turns(noise: list[float]) -> None:
    found, calls = run(2, Patience(100.0))
    assert calls == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("b", 2)]
    assert found.values == {"a": [1.0, 2.0], "b": [10.0, 20.0]}
    assert found.measured == 2


def test_disturbed_rounds_are_measured_again(noise: list[float]) -> None:
    noise += [0.0, 5 * QUIET, 0.0]
    found, _ = run(2, Patience(100.0))
    assert found.values["a"] == [1.0, 3.0]
    assert found.measured == 3


def test_patience_ends(noise: list[float]) -> None:
    noise += [5 * QUIET] * 100
    assert run(2, Patience(0.0))[0].measured == 2
    assert run(2, Patience(100.0))[0].measured == MOST_ROUNDS * 2


def test_least_disturbed_rounds_count_in_their_order() -> None:
    rounds = [Round({"a": float(k)}, load) for k, load in enumerate([0.3, 0.9, 0.1, 0.3, 0.2])]
    found = Turns.choose(rounds, 3)
    assert found.values == {"a": [0.0, 2.0, 4.0]}
    assert found.foreign_cores == [0.3, 0.1, 0.2]
    assert found.measured == 5


def test_short_functions_are_called_until_they_can_be_timed() -> None:
    calls: list[None] = []
    seconds = seconds_per_call(lambda: calls.append(None))
    assert len(calls) > 1
    assert 0 < seconds < 0.02
