"""The word about compiling comes when there is work, not when the machine is busy with others."""

import time

import pytest

from lava_ep import _notice


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(_notice, "DELAY", 0.05)
    monkeypatch.setattr(_notice, "POLL", 0.01)


def test_work_is_told(capsys):
    with _notice.CompilationNotice():
        until = time.process_time() + 0.5
        while time.process_time() < until:
            pass
    assert "compiling its kernels" in capsys.readouterr().err


def test_waiting_is_not(capsys):
    with _notice.CompilationNotice():
        time.sleep(0.2)
    assert capsys.readouterr().err == ""


def test_one_inside_another_adds_nothing(capsys):
    with _notice.CompilationNotice():
        with _notice.CompilationNotice():
            pass
        until = time.process_time() + 0.5
        while time.process_time() < until:
            pass
    assert capsys.readouterr().err.count("compiling its kernels") == 1
