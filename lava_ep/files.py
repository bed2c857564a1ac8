"""Files that a crash, a full disk or a second process does not damage, read with care."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lava_ep.errors import InputError, LavaEPError

LOCK = ".lock"
"""Name of the file, within a folder, that a process locks while it changes the folder."""

LOOK = 0.2
"""Seconds between two looks whether a folder is free."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors of those who write where there is no more room."""


class UnwritableError(LavaEPError):
    """Something could not be written for lack of room.

    Attributes
    ----------
    reason : str
        What the operating system says.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path}: cannot be written ({reason}); what was there before is kept. Make room, then "
            "go on by --resume or the same command"
        )
        self.reason = reason


def unwritable(path: Path, error: OSError | SafetensorError) -> LavaEPError:
    """Return the error to raise for one of the operating system: what could not be written, why."""
    if isinstance(error, SafetensorError):
        # It has the number in its text only.
        full = any(f"os error {number})" in str(error) for number in NO_ROOM)
        reason = str(error)
    else:
        full, reason = error.errno in NO_ROOM, error.strerror or str(error)
    if full:
        return UnwritableError(path, reason)
    return InputError(f"{path}: cannot be written ({reason}); choose another place")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under another name, and replace it as a whole.

    After a crash it holds either the old content or the new.

    Raises
    ------
    InputError
        If nothing can be written at this place.
    UnwritableError
        If there is no more room.
    """
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}-", delete=False
        ) as file:
            temporary = Path(file.name)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if isinstance(error, (OSError, SafetensorError)):
            raise unwritable(path, error) from None
        raise


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files beside their places and move them there, in order, once all are on disk.

    Raises
    ------
    InputError
        If nothing can be written at these places.
    UnwritableError
        If there is no more room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
            staging = Path(name)
            for path, data in files.items():
                staged = staging / path
                staged.parent.mkdir(exist_ok=True)
                with staged.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            for path in files:
                (folder / path).parent.mkdir(exist_ok=True)
            for path in files:
                (staging / path).replace(folder / path)
    except OSError as error:
        named = error.filename if isinstance(error, FileExistsError) else None
        raise unwritable(Path(named or folder), error) from None


def make_folder(path: Path) -> None:
    """Make a folder, and those that it lies in, unless it is there.

    Raises
    ------
    InputError
        If nothing can be made at this place.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None


def write_json(path: Path, data: Any) -> None:
    """Write plain data as JSON, see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        If the file is missing, or anything else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: expected a JSON object, not {data!s:.40}")
    return data


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a JSON object to a file of one in each line, and see it written to the disk.

    A last line that is not whole, as a kill or a full disk leaves it, is removed.

    Raises
    ------
    InputError
        If nothing can be written at this place.
    UnwritableError
        If there is no more room; the file has the lines then that it had before.
    """
    line = (json.dumps(entry) + "\n").encode()
    try:
        path.touch()
        with path.open("r+b", buffering=0) as file:
            content = file.read()
            end = content.rfind(b"\n") + 1
            if _parsed(content[end:]) is not None:
                line, end = b"\n" + line, len(content)
            file.truncate(end)
            file.seek(end)
            try:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise unwritable(path, error) from None


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line holds, if it does."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object in each line; a last line that is not whole is left out.

    Raises
    ------
    InputError
        If it holds anything else, naming the line.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    found = []
    for number, line in enumerate(lines, start=1):
        entry = _parsed(line)
        if entry is not None:
            found.append(entry)
        elif number < len(lines) or line.endswith(b"\n"):
            raise InputError(f"{path}, line {number}: expected a JSON object, not {line[:40]!r}")
    return found


def write_lines(path: Path, entries: list[dict[str, Any]]) -> None:
    """Write a file of one JSON object in each line, see `replacing`."""
    with replacing(path) as temporary:
        text = "".join(json.dumps(entry) + "\n" for entry in entries)
        temporary.write_text(text, encoding="utf-8")


def check_new(path: Path, *, otherwise: str = "") -> None:
    """Check that a folder can be made.

    Parameters
    ----------
    path
        The folder.
    otherwise
        What else can be done about one that is there.

    Raises
    ------
    InputError
        If there is something already but an empty folder.
    """
    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be used ({error.strerror}); choose another --out"
        ) from None
    if taken:
        raise InputError(f"{path}: exists and is not empty; choose another --out{otherwise}")


@contextmanager
def appearing(path: Path, task: str) -> Iterator[Path]:
    """Fill a folder under another name; it appears as a whole, or not at all.

    Parameters
    ----------
    path
        Where; the folder may exist if it is empty.
    task
        What an error says that cannot be done.

    Raises
    ------
    InputError
        If it cannot be written there.
    LavaEPError
        If there is no more room.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as name:
            whole = Path(name) / path.name
            whole.mkdir()
            yield whole
            whole.replace(path)
    except UnwritableError as error:
        raise LavaEPError(f"{path}: cannot {task} ({error.reason}); make room") from None
    except OSError as error:
        kind = LavaEPError if error.errno in NO_ROOM else InputError
        raise kind(f"{path}: cannot {task} ({error.strerror})") from None


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
