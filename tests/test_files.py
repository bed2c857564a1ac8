"""Files are written to what a name stands for: links, devices and permissions stay."""

import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lava_ep.errors import InputError, LavaEPError
from lava_ep.files import (
    appearing,
    append_line,
    check_writable,
    read_json,
    replace_files,
    replacing,
    write_json,
    write_lines,
)


def write(path, text="new"):
    with replacing(path) as temporary:
        temporary.write_text(text)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_link_stays_and_the_file_it_points_to_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    target, first, second = tmp_path / "folder" / "target", tmp_path / "first", tmp_path / "second"
    target.write_text("old")
    first.symlink_to("folder/target")
    second.symlink_to(first)
    write(second)
    assert target.read_text() == "new"
    assert first.is_symlink()
    assert second.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_link_to_nothing_yet_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write_json(tmp_path / "link", {"a": 1})
    assert (tmp_path / "link").is_symlink()
    assert read_json(tmp_path / "target") == {"a": 1}


def test_a_link_to_itself_is_one_clear_error(tmp_path):
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(InputError, match=r"link: cannot be written \(Too many levels of symbolic"):
        write(tmp_path / "link")


@pytest.mark.parametrize(
    "writer",
    [
        write,
        lambda path: write_json(path, {"a": 1}),
        lambda path: write_lines(path, [{"a": 1}]),
        lambda path: append_line(path, {"a": 1}),
        lambda path: replace_files(path.parent, {"other": b"new", path.name: b"new"}),
        check_writable,
    ],
)
@pytest.mark.parametrize("linked", [False, True])
def test_a_write_protected_file_stays_as_it_is_even_for_root(tmp_path, writer, linked):
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o444)
    name = path
    if linked:
        name = tmp_path / "link"
        name.symlink_to(path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=rf"{name.name}: is write-protected; allow writing"):
        writer(name)
    assert path.read_text() == "old\n"
    assert mode(path) == 0o444
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("bits", [0o600, 0o664, 0o755])
def test_a_file_keeps_its_permissions(tmp_path, umask, bits):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(bits)
    write(path)
    assert (path.read_text(), mode(path)) == ("new", bits)
    replace_files(tmp_path, {"file": b"newer"})
    assert (path.read_text(), mode(path)) == ("newer", bits)


def test_a_new_file_has_the_permissions_of_the_process_whatever_library_writes_it(tmp_path, umask):
    with replacing(tmp_path / "arrays") as temporary:
        save_file({"a": np.arange(3)}, temporary)
    assert mode(tmp_path / "arrays") == 0o640
    assert load_file(tmp_path / "arrays")["a"].tolist() == [0, 1, 2]


def test_the_temporary_file_keeps_the_ending_by_which_libraries_choose_a_format(tmp_path):
    with replacing(tmp_path / "arrays.npz") as temporary:
        assert temporary.suffix == ".npz"
        np.savez(temporary, a=np.arange(3))
    assert [path.name for path in tmp_path.iterdir()] == ["arrays.npz"]


def test_the_longest_name_that_a_disk_takes(tmp_path):
    path = tmp_path / ("ä" * 125 + ".json")
    write_json(path, {})
    assert [name.name for name in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("linked", [False, True])
def test_devices_are_written_and_stay_devices(tmp_path, linked):
    for device in (Path("/dev/null"), Path("/dev/full")):
        before = device.stat()
        path = tmp_path / f"{device.name}.png" if linked else device
        if linked:
            path.symlink_to(device)
        if device.name == "full":
            with pytest.raises(LavaEPError, match=r"cannot be written \(No space left") as found:
                write(path)
            assert not isinstance(found.value, InputError)
            assert "was there before" not in str(found.value)
        else:
            write(path)
        after = device.stat()
        assert (after.st_rdev, after.st_mode, after.st_ino) == (
            before.st_rdev,
            before.st_mode,
            before.st_ino,
        )


def test_a_pipe_is_written_and_stays_a_pipe(tmp_path):
    path, found = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    write(path)
    reader.join()
    assert found == ["new"]
    assert path.is_fifo()
    assert [name.name for name in tmp_path.iterdir()] == ["pipe"]


def test_a_descriptor_is_written_where_it_stands(tmp_path):
    path = tmp_path / "output"
    with path.open("wb") as file:
        file.write(b"before, ")
        file.flush()
        write(Path(f"/dev/fd/{file.fileno()}"))
        file.write(b", after")
    assert path.read_text() == "before, new, after"
    assert [name.name for name in tmp_path.iterdir()] == ["output"]


def test_a_disk_is_never_overwritten(tmp_path):
    path = tmp_path / "disk"
    try:
        os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(7, 250))
    except PermissionError:
        pytest.skip("only root can make a disk")
    with pytest.raises(InputError, match=r"disk: is a disk"):
        write(path)
    assert path.is_block_device()


def test_a_folder_in_the_place_of_a_file_is_named_before_any_work(tmp_path):
    for attempt in (check_writable, write):
        with pytest.raises(InputError, match=r"cannot be written \(Is a directory\)"):
            attempt(tmp_path)
    check_writable(tmp_path / "new")
    check_writable(tmp_path / "no folder yet" / "new")
    assert list(tmp_path.iterdir()) == []


def test_several_files_go_through_links_too(tmp_path):
    page, figures = tmp_path / "elsewhere.html", tmp_path / "pictures"
    page.write_text("old")
    figures.mkdir()
    run = tmp_path / "run"
    run.mkdir()
    (run / "report.html").symlink_to(page)
    (run / "figures").symlink_to(figures)
    replace_files(run, {"figures/a.png": b"png", "report.html": b"new"})
    assert page.read_text() == "new"
    assert (figures / "a.png").read_bytes() == b"png"
    assert (run / "report.html").is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "a.png",
        "elsewhere.html",
        "figures",
        "pictures",
        "report.html",
        "run",
    ]


def test_a_folder_appears_behind_a_link(tmp_path):
    (tmp_path / "link").symlink_to("folder")
    with appearing(tmp_path / "link", "write it") as temporary:
        (temporary / "file").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_text() == "new"
