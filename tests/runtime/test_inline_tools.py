"""Tools for ordinary programs see into ProcessModels that run inline."""

from __future__ import annotations

import asyncio
import cProfile
import inspect
import pstats
import trace

from lava_ep.runtime import supervised

STEPS = 5


def relays(toys):
    """Two Relays in a row; the second has to wait for the first in every step."""
    first, second = toys.Relay(), toys.Relay(listening=True)
    first.s_out.connect(second.a_in)
    return first


def run(process):
    with supervised(process, execution="inline") as network:
        network.run(STEPS)


def test_lines_of_models_are_counted(toys):
    tracer = trace.Trace(count=True, trace=False)
    tracer.runfunc(run, relays(toys))
    source, first_line = inspect.getsourcelines(toys.RelayModel.run_spk)
    path = inspect.getsourcefile(toys.RelayModel)
    sending = first_line + next(i for i, line in enumerate(source) if ".send(" in line)
    assert tracer.results().counts[path, sending] == 2 * STEPS


def test_profilers_count_the_calls_of_models(toys):
    profile = cProfile.Profile()
    profile.runcall(run, relays(toys))
    path = inspect.getsourcefile(toys.RelayModel)
    calls = {
        name: entry[1]
        for (file, _, name), entry in pstats.Stats(profile).stats.items()
        if file == path
    }
    assert calls["run_spk"] == 2 * STEPS


def test_runs_within_an_event_loop_as_in_notebooks(toys):
    process = relays(toys)

    async def cell():
        with supervised(process, execution="inline") as network:
            network.run(STEPS)
            await asyncio.sleep(0)
            network.run(1)
            return network.get(process.weights)

    assert asyncio.run(cell()).shape == process.weights.shape
