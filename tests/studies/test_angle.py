"""Networks whose feedback starts at an angle, trained once each and compared."""

import json

import pytest
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.data import load_dataset
from lava_ep.errors import InputError
from lava_ep.spec import load_preset, override
from lava_ep.studies._folder import RESULT
from lava_ep.studies.angle import AngleStudy, TrainedAngle, study_angles
from lava_ep.training import Trainer

SMALL = ["--set=data.limit_train=60", "--set=data.limit_test=40"]
SMALL += ["--set=network.layers.0.neurons=12", "--epochs=1", "--json"]


def angle(out, *options):
    return CliRunner().invoke(app, ["study", "angle", "--out", str(out), *options])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--angles=200", "feedback_angle=200"),
        ("--seeds=0.5", "--seeds 0.5: expected whole numbers"),
        ("--backend=gpu", "backend 'gpu': expected one of"),
        ("--workers=0", "--workers 0: expected at least 1"),
        ("--preset=binary-digits", "feedback_angle is for real weights"),
    ],
)
def test_bad_input_is_told_before_anything_is_written(option, message, tmp_path):
    done = angle(tmp_path / "study", option)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.output.split())
    assert list(tmp_path.iterdir()) == []


def test_no_angles_are_refused():
    with pytest.raises(InputError, match="0 angles and 1 seeds: expected at least one of each"):
        study_angles(load_preset("cvf-digits"), load_dataset("digits"), angles=[], seeds=[0])


def test_the_command_resumes_a_study_and_extends_it(tmp_path):
    out = tmp_path / "study"
    done = angle(out, "--angles=0", "--seeds=0,1", *SMALL)
    assert done.exit_code == 0, done.output
    names = {path.name for path in out.iterdir()} - {".lock"}
    assert names == {
        *(RESULT, "error-by-angle.png", "error-by-angle.svg"),
        *("plan.json", "trials", "results.json", "results.csv"),
    }
    metrics = [out / "trials" / f"0000{number}" / "metrics.jsonl" for number in range(2)]
    before = [path.read_bytes() for path in metrics]
    done = angle(out, "--angles=180,0", "--seeds=0,1", *SMALL)
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout.splitlines()[-1])
    found = [(p["angle"], p["seed"]) for p in result["points"]]
    assert found == [(0, 0), (0, 1), (180, 0), (180, 1)]
    assert all(0 <= point["test_error"] <= 1 for point in result["points"])
    # They hold times, which no second training would repeat.
    assert [path.read_bytes() for path in metrics] == before
    done = angle(out, "--angles=0", "--seeds=0,1", "--set=network.phases.beta=0.3", *SMALL)
    assert done.exit_code == 2
    assert "another network.phases.beta" in done.output
    assert "instead of 0.3" in done.output


def test_a_network_with_opposite_feedback_learns_worse(tmp_path, monkeypatch):
    experiment = override(load_preset("cvf-digits"), ["training.epochs=3"])
    dataset = load_dataset("digits", limit_train=1000, limit_test=200)
    kinds = {"angles": [180, 0], "seeds": [0], "threads": 1}
    points = []
    found = study_angles(experiment, dataset, **kinds, folder=tmp_path, on_point=points.append)
    assert found.points == tuple(points)
    errors = found.mean_test_errors()
    assert errors[0] < 0.3 < 0.6 < errors[180]
    monkeypatch.setattr(Trainer, "fit", None)
    assert study_angles(experiment, dataset, **kinds, folder=tmp_path) == found


def test_seeds_are_averaged():
    points = tuple(
        TrainedAngle(a, s, e, 0.0) for a, s, e in [(9, 0, 0.1), (0, 0, 0.3), (9, 1, 0.3)]
    )
    study = AngleStudy("net", "data", "continual", 1, points)
    assert study.mean_test_errors() == pytest.approx({0: 0.3, 9: 0.2})
