"""Files that a crash, a full disk or a second process does not damage, read with care."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lava_ep.errors import InputError, LavaEPError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors of those who write where there is no more room."""

LINKS = 40
"""Symbolic links that are followed one after another, as many as Linux follows."""

NAMED = 20
"""Characters of a file's name that the name of its temporary file repeats: both have to be short
enough for the file system."""


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
            "use --resume or repeat the command"
        )
        self.reason = reason


class PlaceError(InputError):
    """Nothing can be written at a place that another one could take."""


def unwritable(
    path: Path, error: OSError | SafetensorError, *, device: bool = False
) -> LavaEPError:
    """Return the error to raise for one of the operating system: what could not be written, why."""
    if isinstance(error, SafetensorError):
        # It has the number in its text only.
        full = any(f"os error {number})" in str(error) for number in NO_ROOM)
        reason = str(error)
    else:
        full, reason = error.errno in NO_ROOM, error.strerror or str(error)
    if device and (full or isinstance(error, BrokenPipeError)):
        return LavaEPError(f"{path}: cannot be written ({reason})")
    if full:
        return UnwritableError(path, reason)
    return PlaceError(f"{path}: cannot be written ({reason}); choose another place")


@dataclass(frozen=True)
class _Target:
    """The place that a file is really written to.

    Parameters
    ----------
    path
        The end of all symbolic links.
    found
        What is there; ``None`` if nothing is.
    device
        Whether it is written as it is instead of being replaced: a device, a pipe, a descriptor.
    descriptor
        Number of the open file that the name stands for, as ``/dev/stdout`` does.
    """

    path: Path
    found: os.stat_result | None
    device: bool = False
    descriptor: int | None = None


def _target(path: Path) -> _Target:
    """Follow symbolic links to the place that a file is really written to, and check that.

    Raises
    ------
    InputError
        If a write-protected file or a disk is there.
    OSError
        If something else is there that cannot be written.
    """
    place = path
    for _ in range(LINKS):
        folder = os.path.realpath(place.parent)
        # The links in there stand for open files, whatever names they show.
        special = folder == "/dev" or folder.startswith(("/dev/fd", "/proc/"))
        if special or not place.is_symlink():
            break
        place = place.parent / place.readlink()
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    try:
        found = place.stat()
    except FileNotFoundError:
        return _Target(place, None)
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISBLK(found.st_mode):
        raise PlaceError(f"{path}: is a disk, which is never overwritten; choose another place")
    if special or not stat.S_ISREG(found.st_mode):
        number = None
        if folder in ("/dev/fd", f"/proc/{os.getpid()}/fd") and place.name.isdigit():
            number = int(place.name)
        elif folder == "/dev":
            number = {"stdout": 1, "stderr": 2}.get(place.name)
        return _Target(place, found, device=True, descriptor=number)
    # Root may write everything, and would not be stopped by opening it.
    if not found.st_mode & 0o222:
        raise PlaceError(
            f"{path}: is write-protected; allow writing (chmod u+w), or choose another place"
        )
    os.close(os.open(place, os.O_WRONLY))
    return _Target(place, found)


class _Staged:
    """A file that is written under another name before it takes its place."""

    def __init__(self, path: Path) -> None:
        self._target = target = _target(path)
        self._folder = None
        self._mode = 0
        if target.device:
            self._folder = Path(tempfile.mkdtemp(prefix="lava-ep-"))
            self.temporary = self._folder / path.name
            self.temporary.touch()
            return
        name = f".{target.path.stem[:NAMED]}-{secrets.token_hex(4)}{target.path.suffix[:NAMED]}"
        self.temporary = target.path.parent / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        os.close(os.open(self.temporary, flags, 0o666))
        # Libraries may make another file of the name, that nobody else can read.
        status = target.found or self.temporary.stat()
        self._mode = stat.S_IMODE(status.st_mode)

    @property
    def device(self) -> bool:
        """Whether nothing is replaced."""
        return self._target.device

    def finish(self) -> None:
        """See the content written to the disk, with the permissions of the file before."""
        if self.device:
            return
        found = self._target.found
        with self.temporary.open("rb") as file:
            os.fsync(file.fileno())
        if found is not None:
            with contextlib.suppress(PermissionError):
                os.chown(self.temporary, found.st_uid, found.st_gid)
        self.temporary.chmod(self._mode)

    def move(self) -> None:
        """Let the file take its place."""
        if not self.device:
            self.temporary.replace(self._target.path)
            return
        if self._target.descriptor is None:
            descriptor = os.open(self._target.path, os.O_WRONLY | os.O_NOCTTY)
        else:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            descriptor = os.dup(self._target.descriptor)
        with self.temporary.open("rb") as content, os.fdopen(descriptor, "wb") as device:
            shutil.copyfileobj(content, device)

    def discard(self) -> None:
        """Remove what has not taken its place."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            self.temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Check that a file can be written, before the work whose result it holds.

    Raises
    ------
    InputError
        If a folder, a disk, or something write-protected is in its place, or the folder that it
        is to lie in takes no files.
    """
    try:
        target = _target(path)
        parent = target.path.parent
        if not target.device and parent.exists() and not os.access(parent, os.W_OK | os.X_OK):
            readonly = os.statvfs(parent).f_flag & os.ST_RDONLY
            number = errno.EROFS if readonly else errno.EACCES
            raise OSError(number, os.strerror(number))
    except OSError as error:
        raise unwritable(path, error) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file under another name, and replace it as a whole.

    After a crash it holds either the old content or the new. A symbolic link stays, and the file
    that it points to is replaced; a file keeps its permissions. Devices and pipes stay what they
    are: the content is written to them at the end.

    Raises
    ------
    InputError
        If nothing can be written at this place, or a write-protected file is there.
    UnwritableError
        If there is no more room.
    """
    staged = None
    try:
        staged = _Staged(path)
        yield staged.temporary
        staged.finish()
        staged.move()
    except (OSError, SafetensorError) as error:
        raise unwritable(path, error, device=staged is not None and staged.device) from None
    finally:
        if staged is not None:
            staged.discard()


def replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files beside their places and move them there, in order, once all are on disk.

    See `replacing` for links, permissions and devices.

    Raises
    ------
    InputError
        If nothing can be written at these places.
    UnwritableError
        If there is no more room.
    """
    staged: list[_Staged] = []
    place = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in files:
            (folder / path).parent.mkdir(exist_ok=True)
        for path, data in files.items():
            place = folder / path
            staged.append(_Staged(place))
            staged[-1].temporary.write_bytes(data)
            staged[-1].finish()
        for one, path in zip(staged, files, strict=True):
            place = folder / path
            one.move()
    except OSError as error:
        named = error.filename if isinstance(error, FileExistsError) else None
        raise unwritable(Path(named or place), error) from None
    finally:
        for one in staged:
            one.discard()


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
        if _target(path).device:
            raise OSError(errno.EINVAL, "not a regular file")
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
    # A symbolic link to an empty folder, or to none yet, stays one.
    place = Path(os.path.realpath(path)) if path.is_symlink() else path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{place.name[:NAMED]}-"
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=prefix) as name:
            whole = Path(name) / place.name
            whole.mkdir()
            yield whole
            whole.replace(place)
    except UnwritableError as error:
        raise LavaEPError(f"{path}: cannot {task} ({error.reason}); make room") from None
    except OSError as error:
        kind = LavaEPError if error.errno in NO_ROOM else InputError
        raise kind(f"{path}: cannot {task} ({error.strerror})") from None
