"""Transfer of whole Vars between the host and a ProcessModel through shared memory.

Lava moves a Var element by element through two hops of one-element channels. Here the commands
still travel Lava's way, so that the runtime service keeps its order of events, but the elements go
through one block of memory that the host shares with every worker, a chunk at a time.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.model import AbstractPyProcessModel

from lava_ep._lava_private import MGMT_COMMAND, MGMT_RESPONSE, enum_to_np, handlers
from lava_ep.runtime.memory import SharedBlock

CHUNK_BYTES = 1 << 24
_DESCRIPTION_BYTES = 4096
_CONTROL = ("offset", "length", "total", "description_length")


class TransferArea:
    """The shared block: control words, a description of the Var, and one chunk of its bytes.

    Only one transfer is under way at a time; Lava's command protocol orders the accesses of the
    two sides.

    Attributes
    ----------
    chunk : numpy.ndarray of shape (CHUNK_BYTES,), uint8
        The bytes under way.
    """

    def __init__(self) -> None:
        control_bytes = 8 * len(_CONTROL)
        block = SharedBlock(control_bytes + _DESCRIPTION_BYTES + CHUNK_BYTES)
        self._control = block.array((len(_CONTROL),), np.int64)
        self._description = block.array((_DESCRIPTION_BYTES,), np.uint8, control_bytes)
        self.chunk = block.array((CHUNK_BYTES,), np.uint8, control_bytes + _DESCRIPTION_BYTES)

    @property
    def span(self) -> tuple[int, int, int]:
        """The bytes under way as (offset, length, total bytes of the value)."""
        offset, length, total = self._control[:3]
        return int(offset), int(length), int(total)

    @span.setter
    def span(self, value: tuple[int, int, int]) -> None:
        self._control[:3] = value

    @property
    def description(self) -> dict[str, Any]:
        """What the worker says about the attribute behind the Var."""
        text = self._description[: self._control[3]].tobytes()
        return dict(json.loads(text))

    @description.setter
    def description(self, value: dict[str, Any]) -> None:
        text = np.frombuffer(json.dumps(value).encode(), np.uint8)
        self._description[: text.size] = text
        self._control[3] = text.size


def _as_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """View a C-ordered array as flat bytes."""
    return array.reshape(-1).view(np.uint8)


def is_plain(value: object) -> bool:
    """Tell whether a model's attribute travels as raw elements (the others are pickled)."""
    return isinstance(value, (np.ndarray, np.generic, bool, int, float)) and not (
        np.asarray(value).dtype.hasobject
    )


class ModelSide:
    """Answers the host's requests for the Vars of one ProcessModel, in the worker.

    Parameters
    ----------
    model : AbstractPyProcessModel
        The model; its handlers of Lava's GET_DATA and SET_DATA commands are replaced.
    area : TransferArea
        The block shared with the host.
    """

    def __init__(self, model: AbstractPyProcessModel, area: TransferArea) -> None:
        self._model = model
        self._area = area
        self._staged: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        handlers(model)[MGMT_COMMAND.GET_DATA[0]] = self._send
        handlers(model)[MGMT_COMMAND.SET_DATA[0]] = self._receive

    def _attribute(self) -> str:
        var_id = int(self._model.service_to_process.recv()[0])
        return str(self._model.var_id_to_var_map[var_id])

    def _send(self) -> None:
        """Describe the attribute and put the next chunk of it into the area."""
        value = getattr(self._model, self._attribute())
        offset, _, _ = self._area.span
        if offset <= 0:
            if is_plain(value):
                array = np.asarray(value)
                self._area.description = {
                    "kind": "array" if isinstance(value, np.ndarray) else "scalar",
                    "dtype": array.dtype.str,
                    "shape": array.shape,
                }
                self._staged = _as_bytes(np.ascontiguousarray(array))
            else:
                self._area.description = {"kind": "pickle", "type": type(value).__name__}
                self._staged = np.frombuffer(pickle.dumps(value), np.uint8)
        if offset >= 0:
            length = min(CHUNK_BYTES, self._staged.size - offset)
            self._area.chunk[:length] = self._staged[offset : offset + length]
            self._area.span = (offset, length, self._staged.size)
        if offset < 0 or offset + length == self._staged.size:
            self._staged = np.empty(0, np.uint8)
        self._model.process_to_service.send(enum_to_np(1))
        self._model.process_to_service.send(MGMT_RESPONSE.DONE)

    def _receive(self) -> None:
        """Take a chunk from the area; with the last one, change the attribute."""
        name = self._attribute()
        self._model.service_to_process.recv()  # the number of items that follow: none
        offset, length, total = self._area.span
        if offset == 0:
            self._staged = np.empty(total, np.uint8)
        self._staged[offset : offset + length] = self._area.chunk[:length]
        if offset + length == total:
            self._assign(name, self._staged)
            self._staged = np.empty(0, np.uint8)
            self._model.on_var_update()
        self._model.process_to_service.send(MGMT_RESPONSE.SET_COMPLETE)

    def _assign(self, name: str, data: npt.NDArray[np.uint8]) -> None:
        old = getattr(self._model, name)
        if not is_plain(old):
            setattr(self._model, name, pickle.loads(data.tobytes()))
            return
        like = np.asarray(old)
        new = data.view(like.dtype).reshape(like.shape)
        if isinstance(old, np.ndarray):
            if old.flags.writeable:
                old[...] = new
            else:
                setattr(self._model, name, new)
        else:
            setattr(self._model, name, type(old)(new.item()))


Request = Callable[[bool, int], None]
"""Sends the command (True: SET_DATA) for the Var with the given id and awaits the answer."""


def describe(area: TransferArea, request: Request, var_id: int) -> dict[str, Any]:
    """Ask a worker what stands behind a Var.

    Parameters
    ----------
    area : TransferArea
        The block shared with the workers.
    request : callable
        Sends a command and waits for its acknowledgement.
    var_id : int
        Lava's id of the Var.

    Returns
    -------
    dict
        ``kind`` ("array", "scalar" or "pickle"), with ``dtype`` and ``shape``, or ``type``.
    """
    area.span = (-1, 0, 0)
    request(False, var_id)
    return area.description


def read(area: TransferArea, request: Request, var_id: int) -> Any:
    """Fetch the attribute behind a Var.

    Parameters
    ----------
    area : TransferArea
        The block shared with the workers.
    request : callable
        Sends a command and waits for its acknowledgement.
    var_id : int
        Lava's id of the Var.

    Returns
    -------
    object
        A new array for array and number attributes, else a copy of the attribute.
    """
    area.span = (0, 0, 0)
    request(False, var_id)
    offset, length, total = area.span
    description = area.description
    data = np.empty(total, np.uint8)
    data[:length] = area.chunk[:length]
    while offset + length < total:
        area.span = (offset + length, 0, total)
        request(False, var_id)
        offset, length, _ = area.span
        data[offset : offset + length] = area.chunk[:length]
    if description["kind"] == "pickle":
        return pickle.loads(data.tobytes())
    return data.view(description["dtype"]).reshape(description["shape"])


def write(area: TransferArea, request: Request, var_id: int, value: Any) -> None:
    """Replace the attribute behind a Var.

    Parameters
    ----------
    area : TransferArea
        The block shared with the workers.
    request : callable
        Sends a command and waits for its acknowledgement.
    var_id : int
        Lava's id of the Var.
    value : object
        An array of exactly the attribute's shape and type, or, where the attribute is not made of
        numbers, the new attribute.
    """
    if isinstance(value, np.ndarray):
        data = _as_bytes(np.ascontiguousarray(value))
    else:
        data = np.frombuffer(pickle.dumps(value), np.uint8)
    offset = 0
    while True:
        length = min(CHUNK_BYTES, data.size - offset)
        area.chunk[:length] = data[offset : offset + length]
        area.span = (offset, length, data.size)
        request(True, var_id)
        offset += length
        if offset == data.size:
            return
