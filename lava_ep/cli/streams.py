"""Standard output and standard error that every terminal, pipe and disk can take."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, Final, cast

from lava_ep.errors import LavaEPError

CLOSED_PIPE: Final = 141
"""Exit code of a command whose reader has gone, as a shell reports one ended by SIGPIPE."""

UNKNOWN_CHARACTERS: Final = "backslashreplace"
"""What becomes of characters that a terminal lacks: ``\\u03b2`` for β, never an error."""


class UnwritableStreamError(LavaEPError):
    """Standard output or standard error cannot be written."""


class _Stream(io.FileIO):
    """A file whose errors say which stream they are of."""

    def __init__(self, descriptor: int, title: str) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._title = title

    def write(self, data: Any) -> int:
        """Write; an error is raised once, and whatever comes later goes nowhere."""
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            if error.errno == errno.EPIPE:
                raise SystemExit(CLOSED_PIPE) from None
            raise UnwritableStreamError(
                f"{self._title}: cannot be written ({error.strerror})"
            ) from None


def _robust(stream: Any, title: str) -> Any:
    """Return a text stream like this one that never fails for a character."""
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if type(raw) is not io.FileIO:
        return stream
    stream.flush()
    file = _Stream(raw.fileno(), title)
    return io.TextIOWrapper(
        # With PYTHONUNBUFFERED there is no buffer.
        cast("Any", file if raw is buffer else io.BufferedWriter(file)),
        encoding=stream.encoding,
        errors=UNKNOWN_CHARACTERS,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def prepare_streams() -> None:
    """Make standard output and standard error robust, for the rest of this process."""
    sys.stdout = _robust(sys.stdout, "standard output")
    sys.stderr = _robust(sys.stderr, "standard error")


def finish_streams() -> None:
    """Write what is still buffered.

    Raises
    ------
    UnwritableStreamError
        If standard output cannot be written.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
