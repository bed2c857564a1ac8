"""Training from event recordings, end to end."""

import json

import pytest
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.training import OtherSamplesWarning, RunFolder
from lava_ep.training.samples import load_run_data


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("events") / "run"
    done = invoke(
        *("train", "--data=event-digits", "--preset=binary-digits", "--backend=fused"),
        *("--set=network.inputs=128", "--set=network.input_levels=6"),
        *("--set=data.events.levels=6", "--set=data.events.downsample=2"),
        *("--set=network.layers.0.theta=0.3", "--limit-train=600", "--limit-test=200"),
        *("--epochs=8", "--no-report", "--json", "--out", out),
    )
    assert done.exit_code == 0, done.output
    return out, json.loads(done.stdout.splitlines()[-1])


def test_learns_from_events(trained):
    _, result = trained
    assert result["test_accuracy"] > 0.7  # 0.1 is chance


def test_run_keeps_how_its_images_are_made(trained):
    folder = RunFolder.open(trained[0])
    dataset = load_run_data(folder)
    assert (dataset.image_shape, dataset.levels) == ((8, 8, 2), 6)
    evaluated = invoke("evaluate", trained[0], "--backend=fused", "--json")
    assert evaluated.exit_code == 0, evaluated.output
    accuracy = json.loads(evaluated.stdout.splitlines()[-1])["test_accuracy"]
    assert accuracy == trained[1]["test_accuracy"]


def test_other_data_than_that_of_the_run_need_no_events(trained):
    with pytest.warns(OtherSamplesWarning, match="digits: other samples than"):
        found = load_run_data(RunFolder.open(trained[0]), name="digits", limit_test=5)
    assert found.levels == 16


def test_options_of_events_for_images_are_refused(tmp_path):
    done = invoke("train", "--set=data.events.levels=6", "--out", tmp_path / "run")
    assert done.exit_code == 2
    assert not (tmp_path / "run").exists()
