"""Training on several ranks of MPI ends with the bytes of training on one."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from patience import patience

from lava_ep.errors import InputError, LavaEPError
from lava_ep.spec import load_preset, override
from lava_ep.training import RunFolder, Trainer, check_ranks, describe_run, open_ranks
from lava_ep.training.ranks import MPIRanks, Ranks, launched_ranks
from lava_ep.training.trainer import shares

MPIRUN = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
needs_mpi = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or MPIRUN is None,
    reason="needs mpi4py and an MPI with mpirun: pip install mpi4py mpich",
)


def on_ranks(count, *options):
    """Run ``lava-ep train`` on ranks; as root, Open MPI has to be told that this is meant."""
    environment = os.environ | {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
    command = [MPIRUN, "-n", str(count), sys.executable, "-m", "lava_ep", "train"]
    return subprocess.run(
        [*command, *map(str, options), "--threads", "1", "--no-report"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=patience(120),
    )


def without_times(folder):
    return [
        {key: value for key, value in entry.items() if not key.endswith("seconds")}
        for entry in folder.metrics()
    ]


def checkpoint(folder, epoch):
    return folder.checkpoints()[epoch].read_bytes()


@needs_mpi
def test_two_ranks_and_then_three_end_with_the_bytes_of_one(tmp_path, spec, dataset):
    # Random signs, augmentation, biases, a learned alpha, and batches that 3 does not divide.
    spec = override(
        spec,
        [
            "network.phases.nudging=random-sign",
            "network.layers.0.alpha_rate=0.001",
            "training.augmentation=crop-and-flip",
            "training.epochs=2",
        ],
    )
    about = describe_run(spec, dataset, backend="fused", command="test")
    one, several = (RunFolder.create(tmp_path / name, spec, about) for name in ("one", "several"))
    Trainer(spec, dataset, backend="fused", folder=one).fit()

    three_later = override(spec, ["training.epochs=1"])
    several.write_spec(three_later)
    done = on_ranks(2, "--resume", "--out", several.path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["epochs"] == 1
    assert "2 ranks" in done.stderr
    assert checkpoint(several, 1) == checkpoint(one, 1)

    done = on_ranks(3, "--resume", "--out", several.path, "--epochs", 2)
    assert done.returncode == 0, done.stderr
    assert checkpoint(several, 2) == checkpoint(one, 2)
    assert without_times(several) == without_times(one)
    assert several.metrics()[0]["train_accuracy"] == one.metrics()[0]["train_accuracy"]


@needs_mpi
def test_what_cannot_be_shared_is_told_once_and_makes_no_folder(tmp_path):
    done = on_ranks(2, "--preset", "cvf-digits", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.count("whole numbers, whose sum is the same in every order") == 1
    assert not (tmp_path / "run").exists()


@needs_mpi
def test_a_rank_that_fails_ends_all(tmp_path):
    script = tmp_path / "fail.py"
    script.write_text(
        "import numpy as np\n"
        "from lava_ep.errors import LavaEPError\n"
        "from lava_ep.training import open_ranks\n"
        "with open_ranks() as ranks:\n"
        "    assert ranks.sum(np.array([3], np.int16))[0] == 6\n"
        "    if ranks.rank == 1:\n"
        "        raise LavaEPError('this one has failed')\n"
        "    ranks.sum(np.array([1]))\n"
    )
    done = subprocess.run(
        [MPIRUN, "-n", "2", sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=patience(60),
        env=os.environ | {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"},
    )
    assert done.returncode != 0
    assert "lava-ep: rank 1: this one has failed" in done.stderr
    assert "--resume" in done.stderr


@pytest.mark.parametrize(
    ("environment", "ranks"),
    [
        ({}, 1),
        ({"OMPI_COMM_WORLD_SIZE": "3", "PMIX_RANK": "0"}, 3),
        ({"PMI_SIZE": "2", "PMI_RANK": "1"}, 2),
        ({"PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "4"}, 4),
        ({"SLURM_NTASKS": "4"}, 1),
    ],
)
def test_launchers_tell_how_many_ranks_there_are(environment, ranks):
    assert launched_ranks(environment) == ranks


def test_without_a_launcher_there_is_one_rank_and_no_mpi(monkeypatch):
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    with open_ranks() as ranks:
        assert (ranks.rank, ranks.size, ranks.first) == (0, 1, True)
        assert ranks.sum(np.arange(3)).tolist() == [0, 1, 2]
        assert ranks.from_first(lambda: 5) == 5
    assert "mpi4py.MPI" not in sys.modules


def test_ranks_without_mpi4py_are_told_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(InputError, match=r"started as 2 ranks.*pip install 'lava-ep\[mpi\]'"):
        open_ranks()


class Fake(Ranks):
    """Any rank of any number, without the others."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


def test_shares_cut_every_batch_without_loss():
    for size in (1, 2, 3, 5):
        cuts = [Fake(rank, size).share(7) for rank in range(size)]
        assert [row for cut in cuts for row in range(7)[cut]] == list(range(7))
        assert max(len(range(7)[cut]) for cut in cuts) - min(len(range(7)[cut]) for cut in cuts) < 2
    labels = np.arange(12)
    assert shares(labels, 4, slice(1, 3)).tolist() == [1, 2, 5, 6, 9, 10]
    images = np.arange(24).reshape(12, 2)
    assert shares(images, 4, slice(1, 3)).tolist() == images[[1, 2, 5, 6, 9, 10]].tolist()


@pytest.mark.parametrize(
    ("changes", "backend", "message"),
    [
        ([], "message-passing", "backend 'message-passing' on 3 ranks: expected fused"),
        (["training.batch_size=2"], "fused", "training.batch_size=2 on 3 ranks"),
        (["network.phases.updates=continual"], "fused", "two-phase updates"),
    ],
)
def test_unusable_experiments_are_refused(changes, backend, message):
    experiment = override(load_preset("binary-digits"), changes)
    check_ranks(experiment, backend, Ranks())
    with pytest.raises(InputError, match=message):
        check_ranks(experiment, backend, Fake(0, 3))


def test_ranks_whose_parameters_differ_stop():
    class Other(Fake):
        def sum(self, values):
            return values + np.arange(8)

    with pytest.raises(LavaEPError, match="rank 1: has other parameters than the other ranks"):
        Other(1, 2).check_equal(bytes(range(32)))
    Ranks().check_equal(bytes(range(32)))


def test_only_the_first_rank_is_told_what_went_wrong_on_it():
    class Communicator:
        def Get_rank(self):
            return 1

        def Get_size(self):
            return 2

        def bcast(self, own):
            return 2, None

    with pytest.raises(SystemExit) as ended, MPIRanks(Communicator()) as ranks:
        ranks.from_first(lambda: 1 / 0)
    assert ended.value.code == 2
