"""Measure several contenders in turns, while nothing else runs as far as patience allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from summary import ForeignLoad

QUIET = 0.1
"""Cores that other programs may keep busy before a measurement is called disturbed."""

MOST_ROUNDS = 3
"""Rounds measured at most for each one wanted, disturbed ones included."""

LEAST_SECONDS = 0.02
"""How long a short function is called again and again, to be timed at all."""

Contender = Callable[[int], float]
"""Measures itself in the round with this number, 0 being the warm-up."""

console = Console()


@dataclass(frozen=True)
class Rounds:
    """Which batches are shown in which round; round 0 is the warm-up."""

    repeats: int
    batches: int = 1
    """Batches a round."""
    warm_up: int = 1
    """Batches before the first round."""

    def span(self, number: int) -> tuple[int, int]:
        """First batch of a round, and the one after its last."""
        if number == 0:
            return 0, self.warm_up
        first = self.warm_up + (number - 1) * self.batches
        return first, first + self.batches

    def contender(self, run: Callable[[int, int], float]) -> Contender:
        """Let something that is shown batches, from the first to before the last, take turns."""
        return lambda number: run(*self.span(number))

    @property
    def most_batches(self) -> int:
        """Batches that may be shown altogether."""
        return self.span(MOST_ROUNDS * self.repeats)[1]


class Patience:
    """Seconds that may be spent on waiting for other programs to pause."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def await_quiet(self, pids: Iterable[int]) -> None:
        """Return when nothing else runs, or when there is no patience left."""
        pids = list(pids)
        while self.left > 0:
            load = ForeignLoad(pids)
            time.sleep(0.5)
            if load.cores() <= QUIET:
                return
            self.left -= 0.5


@dataclass(frozen=True)
class Round:
    """What all contenders measured one right after the other."""

    values: Mapping[str, float]
    foreign_cores: float


@dataclass(frozen=True)
class Turns:
    """The measurements that count, in the order in which they were made."""

    values: dict[str, list[float]]
    """Of each contender, one for each round; values with the same index belong together."""
    foreign_cores: list[float]
    measured: int
    """Number of rounds measured, those included that were too disturbed to count."""

    @classmethod
    def choose(cls, rounds: Sequence[Round], wanted: int) -> Turns:
        """Keep as many rounds as wanted, the least disturbed ones."""
        quietest = sorted(range(len(rounds)), key=lambda k: rounds[k].foreign_cores)[:wanted]
        chosen = [rounds[k] for k in sorted(quietest)]
        return cls(
            values={name: [one.values[name] for one in chosen] for name in chosen[0].values},
            foreign_cores=[one.foreign_cores for one in chosen],
            measured=len(rounds),
        )


def take_turns(
    contenders: Mapping[str, Contender],
    wanted: int,
    *,
    pids: Iterable[int],
    patience: Patience,
    label: str,
) -> Turns:
    """Measure all contenders A B C A B C …, never two at the same time.

    A round that other programs disturbed is measured again, as long as patience lasts.

    Parameters
    ----------
    contenders
        By name, in the order of their turns.
    wanted
        Number of rounds.
    pids
        Operating-system processes of all of them.
    patience
        Spent on waiting and on disturbed rounds.
    label
        What to tell the user meanwhile.
    """
    pids = list(pids)
    rounds: list[Round] = []
    with console.status(f"{label}: warm-up") as status:
        for contender in contenders.values():
            contender(0)
        for number in range(1, MOST_ROUNDS * wanted + 1):
            undisturbed = sum(one.foreign_cores <= QUIET for one in rounds)
            if undisturbed == wanted or (len(rounds) >= wanted and patience.left <= 0):
                break
            status.update(f"{label}: {undisturbed} undisturbed rounds of {wanted}")
            patience.await_quiet(pids)
            begin, load = time.perf_counter(), ForeignLoad(pids)
            values = {name: contender(number) for name, contender in contenders.items()}
            rounds.append(Round(values, load.cores()))
            if rounds[-1].foreign_cores > QUIET:
                patience.left -= time.perf_counter() - begin
    return Turns.choose(rounds, wanted)


def seconds_per_call(function: Callable[[], object]) -> float:
    """Call a function for some time; return the mean seconds a call."""
    calls, begin = 0, time.perf_counter()
    while True:
        function()
        calls += 1
        seconds = time.perf_counter() - begin
        if seconds >= LEAST_SECONDS:
            return seconds / calls
