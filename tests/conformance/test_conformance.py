"""The kit is what the suite says, our backends pass it, and mutated ones do not."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from lava.utils import loihi
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.conformance import (
    FLOATING,
    OWN_BACKENDS,
    LavaAdapter,
    NotCovered,
    Outcome,
    Trace,
    cases,
    check,
    choose,
    find_adapter,
    from_plain,
    read_kit,
    record,
    to_plain,
    write_kit,
)
from lava_ep.dynamics import Phase, PhaseSchedule
from lava_ep.errors import InputError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "port_a_backend.py"


@pytest.fixture(scope="module")
def kit():
    return read_kit()


@pytest.fixture(scope="module")
def toy():
    return find_adapter(f"{EXAMPLE}:ToyBackend")


def verdicts(kit, adapter):
    return {verdict.case.name: verdict for verdict in check(kit, adapter)}


def assert_equal_arrays(first, second):
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_the_recorded_stimuli_are_those_of_the_suite(kit):
    suite = list(cases())
    assert [entry.case.name for entry in kit] == [case.name for case in suite]
    for entry, case in zip(kit, suite, strict=True):
        assert_equal_arrays(dict(entry.case.initial), dict(case.initial))
        assert_equal_arrays(dict(entry.case.inputs), dict(case.inputs))
        plain = json.loads(json.dumps(case.arguments))
        assert replace(entry.case, initial={}, inputs={}) == replace(
            case, arguments=plain, initial={}, inputs={}
        )


def test_every_process_has_a_case(kit):
    from lava_ep import processes

    with_a_host = {"ImageInjector", "EPNetworkShare"}  # exchange data with it while they run
    bases = {"Neuron", "Synapse", "WeightedSynapse"}
    assert {entry.case.subject for entry in kit} == set(processes.__all__) - with_a_host - bases


def test_golden_traces_show_what_they_are_for(kit):
    for entry in kit:
        outputs = entry.golden.outputs
        assert set(outputs) == set(entry.case.outputs)
        assert set(entry.golden.after) == set(entry.case.after)
        for name, values in outputs.items():
            assert len(values) == entry.case.steps
            assert np.ptp(values.astype(float)) > 0, (entry.case.name, name)
        learned = [name for name in entry.case.after if name.endswith(("weights", "bias"))]
        for name in learned:
            assert (entry.golden.after[name] != entry.case.initial[name]).any(), entry.case.name


COVERED_NETWORKS = {
    "message-passing": 7,
    "fused": 7,
    "fixed_point-message-passing": 4,
    "fixed_point": 4,
    "loihi-fixed": 1,
}


@pytest.mark.parametrize("backend", COVERED_NETWORKS)
def test_own_backends_pass(kit, backend):
    found = verdicts(kit, find_adapter(backend))
    wrong = {name: str(v.divergence) for name, v in found.items() if not v.passed}
    assert not wrong
    covered = [v for v in found.values() if v.outcome is not Outcome.NOT_COVERED]
    assert {v.execution for v in covered} == {"inline"}
    assert sum(v.case.is_network for v in covered) == COVERED_NETWORKS[backend]
    assert all(v.outcome is Outcome.IDENTICAL for v in covered if v.case.tolerance == 0)


SMALL = ["binary-neuron", "network-binary", "network-lif", "fixed-network-binary"]


@pytest.mark.parametrize("backend", ["message-passing", "fused", "fixed_point"])
def test_both_executions_give_the_same_verdicts(kit, backend):
    entries = choose(kit, SMALL)
    inline, processes = (
        verdicts(entries, find_adapter(backend, execution)) for execution in ("inline", "processes")
    )
    for name, verdict in inline.items():
        other = processes[name]
        assert (verdict.outcome, verdict.largest) == (other.outcome, other.largest)
        assert verdict.passed
        if verdict.case.is_network:
            assert verdict.outcome is not Outcome.NOT_COVERED
            assert (verdict.execution, other.execution) == ("inline", "processes")
            assert other.to_json()["execution"] == "processes"
        elif verdict.outcome is not Outcome.NOT_COVERED:
            assert (verdict.execution, other.execution) == ("inline", "inline")


def test_executions_agree_on_what_is_wrong(kit):
    (entry,) = choose(kit, ["network-binary"])
    after = {name: values + 1 for name, values in entry.golden.after.items()}
    wrong = replace(entry, golden=replace(entry.golden, after=after))
    divergences = []
    for execution in ("inline", "processes"):
        (verdict,) = check([wrong], find_adapter("message-passing", execution))
        assert verdict.outcome is Outcome.DIVERGES
        assert verdict.execution == execution
        divergences.append(verdict.divergence)
    assert divergences[0] == divergences[1]
    assert divergences[0].step is None


@pytest.mark.parametrize(
    ("backend", "execution", "message"),
    [
        ("fused", "threads", "execution 'threads' with backend 'fused': expected one of inline, p"),
        ("loihi2", "inline", "execution 'inline' with backend 'loihi2': expected one of processes"),
        (f"{EXAMPLE}:ToyBackend", "inline", "only backends of lava-ep let it be chosen"),
    ],
)
def test_executions_that_there_are_not_are_refused(backend, execution, message):
    with pytest.raises(InputError, match=message):
        find_adapter(backend, execution)


def test_a_chip_that_is_not_there_covers_nothing(kit):
    assert set(OWN_BACKENDS) == {*COVERED_NETWORKS, "loihi2"}
    if loihi.is_installed():
        pytest.skip("this host has lava-loihi: `lava-ep conformance check loihi2` asks the chip")
    found = verdicts(choose(kit, ["fixed-network-stock"]), find_adapter("loihi2"))
    verdict = found["fixed-network-stock"]
    assert verdict.outcome is Outcome.NOT_COVERED
    assert "lava-loihi" in verdict.note


def test_the_example_backend_passes_what_it_covers(kit, toy):
    found = verdicts(kit, toy)
    covered = {name for name, v in found.items() if v.outcome is not Outcome.NOT_COVERED}
    assert covered == {
        "binary-neuron",
        "binary-neuron-random-sign",
        "binary-synapse",
        "network-binary",
    }
    assert all(found[name].passed for name in covered)
    assert found["readout"].note == "the toy has dense binary networks only"


def toy_module(toy):
    import sys

    return sys.modules[type(toy).__module__]


def test_one_step_too_much_delay_is_caught(kit, toy, monkeypatch):
    synapses = toy_module(toy).Synapses
    receive = synapses.receive

    def late(self, k, pre, post):
        waiting, self.waiting = getattr(self, "waiting", (0 * pre, 0 * post)), (pre, post)
        receive(self, k, *(waiting if k else (0 * pre, 0 * post)))

    monkeypatch.setattr(synapses, "receive", late)
    verdict = verdicts(kit, toy)["binary-synapse"]
    assert verdict.outcome is Outcome.DIVERGES
    # What is sent in the first step has to be felt in the second.
    assert (verdict.divergence.array, verdict.divergence.step) == ("a_out_post", 1)


def test_one_missing_event_is_caught(kit, toy, monkeypatch):
    neurons = toy_module(toy).Neurons
    step = neurons.step
    golden = next(entry.golden for entry in kit if entry.case.name == "binary-neuron")
    when, sample, neuron = (int(i) for i in np.argwhere(golden.outputs["s_out"])[3])
    calls = iter(range(10**6))

    def forgetful(self, *arguments):
        events = step(self, *arguments)
        if next(calls) == when:
            events[sample, neuron] = 0
        return events

    monkeypatch.setattr(neurons, "step", forgetful)
    verdict = verdicts(choose(kit, ["binary-neuron"]), toy)["binary-neuron"]
    assert verdict.outcome is Outcome.DIVERGES
    found = verdict.divergence
    assert (found.array, found.step, found.index) == ("s_out", when, (sample, neuron))
    assert (abs(found.expected), found.found) == (1, 0)


def test_a_wrong_shift_is_caught(kit, monkeypatch):
    from lava_ep.dynamics.fixed_point import neuron

    backend = find_adapter("fixed_point-message-passing")
    entries = choose(kit, ["fixed-binary-neuron"])
    assert verdicts(entries, backend)["fixed-binary-neuron"].outcome is Outcome.IDENTICAL
    monkeypatch.setattr(neuron, "ACTIVATION_SHIFT", neuron.ACTIVATION_SHIFT - 1)
    verdict = verdicts(entries, backend)["fixed-binary-neuron"]
    assert verdict.outcome is Outcome.DIVERGES
    assert verdict.divergence.step == 1  # the first with input


def test_a_forgotten_restore_is_caught_in_the_network(kit, toy, monkeypatch):
    without = SimpleNamespace(LOAD=Phase.LOAD, RESTORE=None)
    monkeypatch.setattr(toy_module(toy), "Phase", without)
    verdict = verdicts(choose(kit, ["network-binary"]), toy)["network-binary"]
    assert verdict.outcome is Outcome.DIVERGES


class Answers:
    """An adapter that answers what it was given."""

    name, arithmetic = "answers", FLOATING

    def __init__(self, trace):
        self.trace = trace

    def run(self, case):
        return self.trace


def test_small_differences_are_within_tolerance(kit):
    (entry,) = choose(kit, ["real-synapse"])
    after = dict(entry.golden.after)
    after["weights"] = after["weights"] * np.float32(1 + 1e-6)
    (verdict,) = check([entry], Answers(Trace(entry.golden.outputs, after)))
    assert verdict.outcome is Outcome.WITHIN_TOLERANCE
    assert 0 < verdict.largest < 1e-5
    after["weights"] = after["weights"] * np.float32(np.nan)
    (verdict,) = check([entry], Answers(Trace(entry.golden.outputs, after)))
    assert verdict.outcome is Outcome.DIVERGES
    assert verdict.divergence.step is None


@pytest.mark.parametrize(
    ("outputs", "after", "note"),
    [
        ({"target_out": np.zeros((3, 2, 6))}, {}, r"has shape \(3, 2, 6\), expected \(4, 2, 6\)"),
        ({}, {}, "none of the arrays asked for: target_out"),
        ({"target_aut": np.zeros((4, 2, 6))}, {}, "target_aut was not asked for"),
        ({"target_out": np.zeros((4, 2, 6))}, {"bais": 0}, "bais was not asked for"),
        (None, None, "NoneType, expected a Trace"),
    ],
)
def test_traces_that_cannot_be_compared_fail(kit, outputs, after, note):
    (entry,) = choose(kit, ["target"])
    answer = None if outputs is None else Trace(outputs, after)
    (verdict,) = check([entry], Answers(answer))
    assert verdict.outcome is Outcome.FAILED
    assert not verdict.passed
    assert re.search(note, verdict.note)


def test_an_exception_of_the_adapter_fails_its_case_alone(kit):
    class Fragile(Answers):
        def run(self, case):
            if case.name == "readout":
                raise RuntimeError("chip not responding")
            return self.trace

    entries = choose(kit, ["readout", "target"])
    failed, fine = check(entries, Fragile(entries[1].golden))
    assert (failed.outcome, failed.note) == (Outcome.FAILED, "RuntimeError: chip not responding")
    assert "in run" in failed.traceback
    assert fine.outcome is Outcome.IDENTICAL


def test_a_check_of_nothing_is_refused(kit):
    with pytest.raises(InputError, match="held against floating_pt, but none"):
        list(check(choose(kit, ["fixed-binary-neuron"]), Answers(None)))


def test_arguments_become_plain_and_back():
    schedule = PhaseSchedule(3, 2, 0.5, "swing", seed=4)
    plain = json.loads(json.dumps(to_plain((schedule, None, 2.5))))
    assert from_plain(plain) == (schedule, None, 2.5)
    with pytest.raises(InputError, match="argument of kind 'Popen'"):
        from_plain({"kind": "Popen", "args": "true"})
    with pytest.raises(InputError, match="PhaseSchedule"):
        from_plain({"kind": "PhaseSchedule", "steps": 3})


def test_a_kit_is_read_as_it_was_written(tmp_path):
    suite = [case for case in cases() if case.name in ("target", "readout")]
    entries = record(suite, LavaAdapter("message-passing", FLOATING))
    write_kit(tmp_path / "kit", entries)
    for written, read in zip(entries, read_kit(tmp_path / "kit"), strict=True):
        assert_equal_arrays(dict(written.golden.outputs), dict(read.golden.outputs))
    with pytest.raises(InputError, match="not empty"):
        write_kit(tmp_path / "kit", entries)


@pytest.fixture
def small_kit(tmp_path, kit):
    write_kit(tmp_path / "kit", choose(kit, ["target", "binary-neuron"]))
    return tmp_path / "kit"


def test_kits_that_are_not_whole_are_refused(small_kit, tmp_path):
    with pytest.raises(InputError, match=r"holds no kit\.json"):
        read_kit(tmp_path / "nothing")
    arrays = small_kit / "target.safetensors"
    content = arrays.read_bytes()
    arrays.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"not the file that kit\.json names"):
        read_kit(small_kit)
    arrays.unlink()
    with pytest.raises(InputError, match=r"target\.safetensors is missing"):
        read_kit(small_kit)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "has version 2, expected 1"),
        ({"surprise": 1}, "surprise"),
        ({"cases": [{"name": "target"}]}, "Field required"),
    ],
)
def test_manifests_that_do_not_fit_are_refused(small_kit, change, message):
    path = small_kit / "kit.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        read_kit(small_kit)
    path.write_text("{")
    with pytest.raises(InputError, match="not a JSON file"):
        read_kit(small_kit)


def test_command_line(small_kit, tmp_path):
    runner = CliRunner()
    result = runner.invoke(
        app, ["conformance", "check", "message-passing", "fused", "--kit", str(small_kit)]
    )
    assert result.exit_code == 0
    assert "message-passing: 2 identical" in result.stdout
    assert "fused: 1 identical, 1 not covered" in result.stdout
    assert "fused: executed 1 inline" in result.stdout
    chosen = ["--case", "network-binary", "--case", "target", "--execution", "processes"]
    result = runner.invoke(app, ["conformance", "check", "fused", *chosen])
    assert result.exit_code == 0
    assert "fused: executed 1 inline, 1 processes" in result.stdout
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import numpy as np\n"
        "from lava_ep.conformance import FLOATING, Trace\n"
        "class Broken:\n"
        "    name, arithmetic = 'broken', FLOATING\n"
        "    def run(self, case):\n"
        "        return Trace({'target_out': np.zeros((4, 2, 6))}, {})\n"
    )
    arguments = ["conformance", "check", f"{broken}:Broken", "--kit", str(small_kit), "--json"]
    result = runner.invoke(app, [*arguments, "--case", "target"])
    assert result.exit_code == 1
    (verdict,) = json.loads(result.stdout)["broken"]
    assert verdict["verdict"] == "diverges"
    assert verdict["divergence"]["step"] == 0
    assert verdict["execution"] is None
    twice = ["conformance", "check", "fused", "fused", "--kit", str(small_kit)]
    assert runner.invoke(app, twice).exit_code == 2
    unknown = ["conformance", "check", "fused", "--execution", "x", "--kit", str(small_kit)]
    assert runner.invoke(app, unknown).exit_code == 2
    own = [*arguments, "--execution", "processes"]
    assert runner.invoke(app, own).exit_code == 2
    assert runner.invoke(app, ["conformance", "record", "--out", str(small_kit)]).exit_code == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nonsense", "expected one of message-passing, fused"),
        ("missing.py:Toy", "there is no such file"),
        ("lava_ep.errors:Toy", "has no Toy"),
        ("lava_ep.nothing:Toy", "cannot be imported"),
        ("lava_ep.errors:InputError", "has no name, arithmetic, run"),
    ],
)
def test_adapters_that_are_none_are_refused(name, message):
    with pytest.raises(InputError, match=message):
        find_adapter(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "class Toy:\n    name, arithmetic, run = 'a', 'float32', print",
            "'float32': expected one of",
        ),
        ("class Toy:\n    def __init__(self, port): pass", "made without arguments: TypeError"),
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("class Toy", "SyntaxError"),
    ],
)
def test_files_that_hold_no_adapter_are_refused(tmp_path, text, message):
    path = tmp_path / "toy_of_mine.py"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        find_adapter(f"{path}:Toy")


def test_a_backend_may_have_several_files(tmp_path):
    (tmp_path / "neighbor_of_mine.py").write_text("NAME = 'two files'\n")
    (tmp_path / "two_files.py").write_text(
        "from neighbor_of_mine import NAME\n"
        "class Toy:\n"
        "    name, arithmetic, run = NAME, 'floating_pt', print\n"
    )
    assert find_adapter(f"{tmp_path / 'two_files.py'}:Toy").name == "two files"


def test_left_out_cases_tell_why():
    (entry,) = choose(read_kit(), ["binary-neuron"])
    with pytest.raises(NotCovered, match="no ProcessModel of BinaryNeuron alone"):
        LavaAdapter("fused", FLOATING).run(entry.case)


def test_the_example_file_can_be_copied_and_run(tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "mine.py")
    assert find_adapter(f"{tmp_path / 'mine.py'}:ToyBackend").name == "toy"
