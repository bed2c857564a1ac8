"""Which trials a sweep has, and what is refused before any of them starts."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.errors import InputError
from lava_ep.spec import load_preset
from lava_ep.sweep import make_sweep, plan, require_ray

GAMMA, THETA = "network.layers.0.gamma", "network.layers.1.theta"


def sweep(**fields):
    return make_sweep(fields, source="sweep")


def test_every_draw_meets_every_combination_of_the_grids():
    points = list(
        sweep(
            grid={GAMMA: [0, 1e-4], "training.seed": [1, 2, 3]},
            uniform={"training.decay": [0.5, 1.0]},
            loguniform={THETA: [0.001, 1.0]},
            choice={"network.phases.nudging": ["swing", "symmetric"]},
            samples=40,
        ).points()
    )
    assert len(points) == 2 * 3 * 40
    first = points[:6]
    assert {(point[GAMMA], point["training.seed"]) for point in first} == {
        (gamma, seed) for gamma in (0, 1e-4) for seed in (1, 2, 3)
    }
    assert len({point[THETA] for point in first}) == 1
    thetas = np.array([point[THETA] for point in points[::6]])
    assert ((thetas >= 0.001) & (thetas <= 1)).all()
    assert 10 <= (thetas < 0.0316).sum() <= 30  # the middle of the logarithms
    decays = [point["training.decay"] for point in points[::6]]
    assert min(decays) >= 0.5
    assert max(decays) <= 1.0
    assert {point["network.phases.nudging"] for point in points} == {"swing", "symmetric"}


def test_the_draws_depend_on_the_seed_alone():
    fields = {"uniform": {"training.decay": [0.5, 1.0]}, "samples": 3}
    again = [list(sweep(**fields, seed=seed).points()) for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]


def test_points_become_experiments():
    base = load_preset("binary-digits")
    found = plan(base, sweep(grid={GAMMA: [0.25], "network.layers.0.neurons": [8, 16]}))
    assert [experiment.network.layers[0].neurons for _, experiment in found] == [8, 16]
    assert found[0][1].network.layers[0].gamma == 0.25
    assert found[0][1].training == base.training


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "nothing is swept"),
        ({"grid": {GAMMA: []}}, "grid.network.layers.0.gamma"),
        ({"grid": {GAMMA: [0]}, "choice": {GAMMA: [0]}}, "gamma is swept twice"),
        ({"uniform": {THETA: [2, 1]}}, "uniform network.layers.1.theta=2:1: expected a lower"),
        ({"loguniform": {THETA: [0, 1]}}, "expected a lower and a higher number above 0"),
        ({"grid": {GAMMA: [0]}, "samples": 2}, "samples=2 with grids only"),
        ({"grid": {GAMMA: [0]}, "scheduler": "hyperband"}, "scheduler='hyperband'"),
        ({"grids": {}}, "grids"),
    ],
)
def test_impossible_sweeps_are_refused(fields, message):
    with pytest.raises(InputError) as refused:
        sweep(**fields)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", f"{GAMMA}=0,2"], "sweep point 1 (network.layers.0.gamma=2)"),
        (["--grid", "network.layers.0.gama=0"], "there is no 'gama' here"),
        (
            ["--grid", "network.inputs=64,65"],
            "sweep point 1 (network.inputs=65): network.inputs=65",
        ),
        (["--grid", GAMMA], "expected KEY=VALUE,VALUE"),
        (["--uniform", f"{GAMMA}=1"], "expected KEY=LOW:HIGH"),
        (["--grid", f"{GAMMA}=0", "--grid", f"{GAMMA}=1"], "is given twice"),
        (["--grid", f"{GAMMA}=0", "--backend", "loihi2"], "sweep point 0"),
        (["--grid", f"{GAMMA}=0", "--cpus", "0"], "--threads 0"),
        (["--grid", f"{GAMMA}=0", "--workers", "0"], "--workers 0"),
        (["--grid", f"{GAMMA}=0", "--engine", "dask"], "--engine dask: expected local or ray"),
        (["--grid", f"{GAMMA}=0", "--engine=local", "--address=x"], "--address needs --engine ray"),
        (
            ["--grid", f"{GAMMA}=0", "--engine=local", "--scheduler=asha"],
            "scheduler asha needs --engine ray",
        ),
        (["--grid", f"{GAMMA}=0", "--resume"], "--grid, --choice, … cannot change a sweep"),
        (["--resume", "--backend", "fused"], "--backend cannot change a sweep"),
        (["--resume", "--concurrent", "1", "--epochs", "0"], "--epochs cannot change"),
        (["--resume", "--limit-train", "9"], "--limit-train cannot change"),
        ([], "nothing is swept"),
    ],
)
def test_the_command_line_refuses_before_any_folder_is_made(tmp_path, options, message):
    out = tmp_path / "sweep"
    done = CliRunner().invoke(app, ["sweep", "--out", str(out), *options])
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert not out.exists()


def test_options_add_to_a_file(tmp_path):
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps({"grid": {GAMMA: [5.0]}}))
    options = ["--sweep", str(path), "--grid", f"{GAMMA}=7.0"]
    done = CliRunner().invoke(app, ["sweep", "--out", str(tmp_path / "sweep"), *options])
    assert "gamma=7" in done.output
    assert "gamma=5" not in done.output


def test_without_ray_it_is_told_how_to_get_it(monkeypatch, tmp_path):
    for name in ("ray", "ray.tune"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"pip install 'lava-ep\[ray\]'"):
        require_ray()
    out = tmp_path / "sweep"
    for option in ("--engine=ray", "--address=auto", "--scheduler=median"):
        done = CliRunner().invoke(app, ["sweep", "--out", str(out), f"--grid={GAMMA}=0", option])
        assert done.exit_code == 2
        assert "lava-ep[ray]" in done.output
        assert not out.exists()
