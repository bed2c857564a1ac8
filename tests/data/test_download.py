"""Downloads, from a server on this machine: right, wrong, broken and unreachable."""

import contextlib
import dataclasses
import gc
import hashlib
import http.server
import os
import socket
import threading
from functools import partial

import pytest

from lava_ep.data import load_dataset
from lava_ep.data.download import download
from lava_ep.data.mnist import FILES, SOURCES
from lava_ep.errors import InputError


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder silently; a name that holds ``half`` is cut off in the middle."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.requested.append(self.path)
        super().do_GET()

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[: len(content) // 2] if "half" in self.path else content)


@contextlib.contextmanager
def serve(folder):
    """Serve `folder` over HTTP; yields the server, with its ``url`` and ``requested`` paths."""
    handler = partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.url = f"http://127.0.0.1:{server.server_address[1]}/"
        server.requested = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _clean_run(monkeypatch):
    """Bypass any proxy, and let a socket left open fail the test that left it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    gc.collect()


@pytest.fixture
def server(tmp_path):
    with serve(tmp_path / "published") as server:
        yield server


@pytest.fixture
def published(tmp_path, small_set, server, monkeypatch, cache):
    """Publish the small set as ``mnist`` on the server; returns the folder that is served."""
    folder = small_set.write(tmp_path / "published")
    checksums = tuple(
        f"sha256:{hashlib.sha256((folder / f'{file}.gz').read_bytes()).hexdigest()}"
        for file in FILES
    )
    source = dataclasses.replace(SOURCES["mnist"], base_url=server.url, checksums=checksums)
    monkeypatch.setitem(SOURCES, "mnist", source)
    return folder


def error_line(*places):
    """Return the message of a failed download, having checked what all must say."""
    with pytest.raises(InputError) as caught:
        load_dataset("mnist")
    message = str(caught.value)
    assert "\n" not in message
    assert "--data-dir" in message
    for place in places:
        assert str(place) in message
    return message


def test_archive_of_cifar10_is_downloaded_once(tmp_path, small_cifar10, server, monkeypatch, cache):
    archive = small_cifar10.write_archive(tmp_path / "published") / "cifar-10-python.tar.gz"
    digest = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr("lava_ep.data.cifar10.BASE_URL", server.url)
    monkeypatch.setattr("lava_ep.data.cifar10.CHECKSUM", f"md5:{digest}")
    for _ in range(2):
        small_cifar10.check(load_dataset("cifar10"))
    assert server.requested == ["/cifar-10-python.tar.gz"]
    assert files_in(cache) == ["cifar-10-python.tar.gz"]


def test_wrong_archive_of_cifar10_leaves_nothing(
    tmp_path, small_cifar10, server, monkeypatch, cache
):
    small_cifar10.write_archive(tmp_path / "published")
    monkeypatch.setattr("lava_ep.data.cifar10.BASE_URL", server.url)
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz failed: .* known hash"):
        load_dataset("cifar10")
    assert not cache.exists()


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_downloaded_once_then_kept(published, cache, server, small_set):
    small_set.check(load_dataset("mnist"))
    assert files_in(cache) == sorted(f"{file}.gz" for file in FILES)
    assert server.requested == [f"/{file}.gz" for file in FILES]
    small_set.check(load_dataset("mnist"))
    assert len(server.requested) == 4


def test_kept_files_need_no_server(published, cache, small_set, monkeypatch):
    load_dataset("mnist")
    source = dataclasses.replace(SOURCES["mnist"], base_url="http://127.0.0.1:1/")
    monkeypatch.setitem(SOURCES, "mnist", source)
    small_set.check(load_dataset("mnist"))


def test_damaged_kept_file_is_fetched_again(published, cache, server, small_set):
    load_dataset("mnist")
    path = cache / "lava-ep" / "mnist" / f"{FILES[1]}.gz"
    path.write_bytes(b"damage")
    small_set.check(load_dataset("mnist"))
    assert server.requested[4:] == [f"/{FILES[1]}.gz"]


def test_environment_that_lacks_the_set_falls_through(
    published, cache, small_set, tmp_path, monkeypatch
):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path / "empty"))
    small_set.check(load_dataset("mnist"))


def test_wrong_file_leaves_nothing(published, cache, server):
    (published / f"{FILES[0]}.gz").write_bytes(b"<html>log in to this network first</html>")
    message = error_line(f"{FILES[0]}.gz", server.url, cache, "LAVA_EP_DATA (not set)")
    assert "does not match the known hash" in message
    assert not cache.exists()


def test_wrong_file_keeps_the_right_ones(published, cache):
    (published / f"{FILES[2]}.gz").write_bytes(b"wrong")
    error_line(f"{FILES[2]}.gz")
    assert files_in(cache) == sorted(f"{file}.gz" for file in FILES[:2])


def test_file_that_the_host_lacks(published, cache):
    (published / f"{FILES[0]}.gz").unlink()
    assert "HTTP 404" in error_line(f"{FILES[0]}.gz")
    assert not cache.exists()


def test_broken_connection_leaves_nothing(tmp_path, server):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "half.gz").write_bytes(os.urandom(400_000))
    with pytest.raises(InputError, match=r"half\.gz failed: the connection broke"):
        download(server.url, {"half.gz": "md5:0"}, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_silent_host_times_out(tmp_path, monkeypatch):
    monkeypatch.setattr("lava_ep.data.download.TIMEOUT", (5.0, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(InputError, match="did not answer in time"):
            download(url, {"a.gz": "md5:0"}, tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_unreachable_host(cache, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(SOURCES["mnist"], base_url=url))
    monkeypatch.setenv("LAVA_EP_DATA", str(tmp_path / "nowhere"))
    message = error_line(f"{FILES[0]}.gz", url, cache, f"LAVA_EP_DATA={tmp_path / 'nowhere'}")
    assert "the host cannot be reached" in message
    assert not cache.exists()


def test_unusable_cache(published, cache):
    cache.write_text("a file where a folder should be")
    assert "Not a directory" in error_line(cache)
    assert files_in(cache.parent) == sorted(["cache", *files_in(published)])
