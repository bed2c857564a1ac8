"""Download of published files into the user's cache, verified by checksum."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lava_ep.errors import InputError

TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection and for the next bytes of a download."""


def cache_dir(name: str) -> Path:
    """Return the folder in the user's cache for the files of the data set `name`."""
    import pooch

    return Path(pooch.os_cache("lava-ep")) / name


def download(
    base_url: str, checksums: Mapping[str, str], folder: Path, *, searched: Sequence[str] = ()
) -> dict[str, Path]:
    """Return verified local copies of published files, downloading those not yet in `folder`.

    A file takes its name in `folder` only when it is whole and its checksum is right; one that is
    there already but has the wrong checksum is downloaded again.

    Parameters
    ----------
    base_url : str
        Address to which each file name is appended.
    checksums : mapping of str to str
        Checksum of each file by its name, as ``"sha256:…"`` or ``"md5:…"``.
    folder : pathlib.Path
        Where the files are kept; created when needed.
    searched : sequence of str
        Places that were searched before, for the error message.

    Returns
    -------
    dict of str to pathlib.Path
        The local copy of each file by its name.

    Raises
    ------
    InputError
        If a file cannot be fetched, stored or verified.
    """
    # Imported here because it is only needed when a set is not at hand, and it is slow to import.
    import pooch

    store = pooch.create(path=folder, base_url=base_url, registry=dict(checksums))
    # Without compression on the way: the checksum is that of the file as it is stored.
    # Not streamed: the files fit into memory, and an answer like HTTP 404 leaves no socket open.
    downloader = pooch.HTTPDownloader(
        timeout=TIMEOUT, stream=False, headers={"Accept-Encoding": "identity"}
    )
    new_folders = [path for path in (folder, *folder.parents) if not os.access(path, os.F_OK)]
    paths = {}
    for name in checksums:
        try:
            paths[name] = Path(store.fetch(name, downloader=downloader))
        except (OSError, ValueError) as error:
            with contextlib.suppress(OSError):  # until one holds verified files
                for made in new_folders:
                    made.rmdir()
            places = ", ".join([*searched, f"the cache {folder}"])
            raise InputError(
                f"{name} is not at hand: searched {places}; "
                f"downloading {base_url}{name} failed: {_reason(error)}. "
                "Mend the connection, or pass a folder that holds the files as --data-dir, in "
                "Python data_dir."
            ) from error
    return paths


def _reason(error: Exception) -> str:
    """Say in a few words, on one line, why a download failed."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        return f"the host answered HTTP {error.response.status_code}"
    if isinstance(error, exceptions.Timeout):
        return "the host did not answer in time"
    if isinstance(error, exceptions.ChunkedEncodingError):
        return "the connection broke before the file was whole"
    if isinstance(error, exceptions.ConnectionError):
        return "the host cannot be reached"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split()).rstrip(".")
