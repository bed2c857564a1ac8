import pytest
from typer.testing import CliRunner

from lava_ep.cli import app

SMALL = [
    "--preset=binary-digits",
    "--limit-train=160",
    "--limit-test=60",
    "--batch=16",
    "--set=network.layers.0.neurons=16",
    "--epochs=1",
    "--backend=fused",
]


@pytest.fixture(scope="session")
def invoke():
    """Return a function that runs a command line in this process."""

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="session")
def small():
    """Options of a training of a second."""
    return SMALL


@pytest.fixture(scope="session")
def trained(invoke, tmp_path_factory):
    """Return the folder of a run without a report, whose name looks like markup."""
    out = tmp_path_factory.mktemp("runs") / "run[beta=1]:x:[/]"
    done = invoke("train", *SMALL, "--no-report", "--out", out)
    assert done.exit_code == 0, done.output
    return out
