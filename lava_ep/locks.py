"""Locks that keep two processes from writing to one folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lava_ep.errors import InputError
from lava_ep.files import unwritable

LOCK = ".lock"
"""Name of the file, within a folder, that a process locks while it changes the folder."""


LOOK = 0.2
"""Seconds between two looks whether a folder is free."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from changing a folder meanwhile.

    The lock is that of the process, not of a thread of it, and ends with it, however it ends.

    Raises
    ------
    InputError
        If another process has it, or the folder cannot be written.
    """
    try:
        file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise unwritable(folder, error) from None
    try:
        _lock(file, folder)
        # Only to tell others who it is.
        with contextlib.suppress(OSError):
            os.truncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            owner = os.pread(file, 20, 0).decode(errors="replace").strip()
            raise InputError(
                f"{folder}: process {owner or 'of another machine'} is writing to it; wait for its "
                "end, or choose another --out"
            ) from None
        warnings.warn(
            f"{folder}: cannot be locked here ({error.strerror}); let no second process write to "
            "it",
            stacklevel=4,
        )


def wait_until_free(folder: Path, seconds: float) -> None:
    """Wait for the end of another process that writes to a folder.

    Raises
    ------
    InputError
        If it goes on for longer.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with locked(folder):
                return
        except InputError:
            if time.monotonic() > deadline:
                raise
        time.sleep(LOOK)
