"""Which kind of file or folder a user has given, and what is refused with a way out."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lava_ep.data import DATASETS
from lava_ep.data.own.reading import FOREIGN, is_own, kind_of, read_samples
from lava_ep.errors import InputError


def error_line(call, *arguments, **options):
    """Return the message of an InputError."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("mnist", False),
        ("digits", False),
        ("tonic:NMNIST", False),
        ("features:cifar10tl", False),
        ("features:../x.npz", False),
        ("prototypes:0.4", False),
        ("unknown", False),
        ("", False),
        ("./mnist", True),
        ("~/flowers", True),
        ("flowers/", True),
        ("iris.csv", True),
        ("IRIS.CSV.GZ", True),
        ("iris.tsv", True),
        ("x.npz", True),
        ("x.npy", True),
        ("x.parquet", True),
        ("x.zip", True),
        ("x.aedat4", True),
        ("x.jpeg", True),
        ("t10k-images-idx3-ubyte", True),
        ("flowers", True),
        (".", True),
    ],
)
def test_files_and_names_of_data_sets(tmp_path, monkeypatch, name, own):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()
    # A folder of this name does not hide the data set.
    (tmp_path / "mnist").mkdir()
    assert is_own(name, DATASETS) is own


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2)).save(path)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    ("files", "given", "kind"),
    [
        (["a.npz"], "a.npz", "npz"),
        (["a.NPY"], "a.NPY", "npy"),
        (["a.csv"], "a.csv", "csv"),
        (["a.TSV.gz"], "a.TSV.gz", "csv"),
        (["a.txt"], "a.txt", "csv"),
        (["iris.data"], "iris.data", "csv"),
        (["a.Jpg"], "a.Jpg", "pictures"),
        (["own/a/1.png", "own/b/1.png", "own/.x.bin"], "own", "pictures"),
        (["own/train/a/1.png", "own/test/a/1.png"], "own", "pictures"),
        (["own/a/1.bin", "own/b/1.bin", "own/__MACOSX/1.png"], "own", "recordings"),
        (["own/train/a/1.aedat4", "own/b/1.dat"], "own", "recordings"),
        (["a.bin"], "a.bin", "recordings"),
        (["own/train-images-idx3-ubyte"], "own", "idx"),
        (["own/raw/TRAIN-LABELS.IDX1-UBYTE.GZ", "own/a.txt"], "own", "idx"),
        (["own/x-train-images-idx3-ubyte"], "own/x", "idx"),
        (["t10k-images.idx3-ubyte.gz"], "t10k-images.idx3-ubyte.gz", "idx"),
    ],
)
def test_kinds(tmp_path, files, given, kind):
    for file in files:
        touch(tmp_path / file)
    assert kind_of(tmp_path / given) == kind


@pytest.mark.parametrize(
    ("files", "given", "message"),
    [
        ([], "nowhere", r"nowhere: no such file or folder\. Correct the path\."),
        (["own/.DS_Store"], "own", r"own: empty folder: expected \.csv"),
        (["own/a/1.png", "own/b/1.bin"], "own", r"own: pictures and recordings \(a/1\.png, b/1\.b"),
        (
            ["own/iris.csv"],
            "own",
            r"found iris\.csv\. To use this file, give its path: .*/iri",
        ),
        (["own/a.doc"], "own", r"own: no samples: expected .* found a\.doc"),
        (["a.doc"], "a.doc", r"a\.doc: unknown kind of file \(\.doc\): expected \.csv, .*Convert"),
        (["a"], "a", r"a: unknown kind of file \(no ending\): expected"),
        (["a.mat"], "a.mat", r"Convert it to \.npz: numpy\.savez\(FILE, x_train=\.\.\., y_tr"),
        (["a.XLSX"], "a.XLSX", r"\(\.xlsx\): expected .* Save it as \.csv\.$"),
        (["a.tar.gz"], "a.tar.gz", r"Unpack it and give the folder\.$"),
    ],
)
def test_what_is_refused(tmp_path, files, given, message):
    for file in files:
        touch(tmp_path / file)
    line = error_line(kind_of, tmp_path / given)
    assert re.search(message, line), line
    assert error_line(read_samples, tmp_path / given) == line


@pytest.mark.parametrize("ending", FOREIGN)
def test_foreign_files_are_not_opened(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
    assert f"unknown kind of file ({ending}): expected" in error_line(read_samples, path)


def test_devices_and_recordings_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "expected a file or folder, found a device or pipe" in error_line(
        read_samples, tmp_path / "pipe.csv"
    )
    touch(tmp_path / "own" / "a" / "1.bin")
    assert "event recordings: expected samples" in error_line(read_samples, tmp_path / "own")


def test_options_that_mean_nothing_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((2, 2)), y=[0, 1])
    assert f"--label kind: {path} is no table" in error_line(read_samples, path, label="kind")
    assert "data.image_size=[2, 2]:" in error_line(read_samples, path, image_size=(2, 2))
    # A run says which column its labels were in, whatever is to be predicted.
    assert len(read_samples(path, label="kind", labelled=False).train) == 2


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    picture(tmp_path / "own" / "a" / "1.png")
    data = read_samples(Path("~/own"))
    assert (data.source, data.train.y.tolist()) == (str(tmp_path / "own"), ["a"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1,2\n3,4\n")
    path.chmod(0)
    assert f"{path}: cannot be read" in error_line(read_samples, path)
