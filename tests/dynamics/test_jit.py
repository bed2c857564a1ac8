"""Compiled code does not outlive the files it was compiled from."""

from __future__ import annotations

import pytest

from lava_ep.dynamics._jit import forget_stale_code


@pytest.fixture
def folders(tmp_path):
    """Two folders with a source file and its cached code each, known to be up to date."""
    made = tmp_path / "callers", tmp_path / "callees"
    for folder in made:
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "kernels.py").write_text("one = 1")
    forget_stale_code(*made)
    for folder in made:
        for name in ("kernels.f.1.nbc", "kernels.f.nbi", "kernels.cpython-310.pyc"):
            (folder / "__pycache__" / name).write_text("code")
    return made


def cached(folder):
    return sorted(path.suffix for path in (folder / "__pycache__").glob("kernels.*.*"))


def test_code_stays_while_nothing_changes(folders):
    forget_stale_code(*folders)
    for folder in folders:
        assert cached(folder) == [".nbc", ".nbi", ".pyc"]


def test_code_of_all_kernels_goes_when_one_file_changes(folders):
    (folders[1] / "kernels.py").write_text("one = 2")
    forget_stale_code(*folders)
    for folder in folders:
        assert cached(folder) == [".pyc"]
