"""Lava's ``Var.get`` and ``Var.set``, for runtimes that move whole Vars."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.utils.sparse import find
from scipy.sparse import csr_matrix


class VarCalls:
    """Answers Lava's calls by whole values, as Lava's own runtime does element by element."""

    @abstractmethod
    def var_model(self, var_id: int) -> Any:
        """Return Lava's record of a Var of this network."""

    @abstractmethod
    def read(self, var_id: int) -> Any:
        """Return a copy of the attribute behind a Var."""

    @abstractmethod
    def write(self, var_id: int, convert: Callable[[dict[str, Any]], Any]) -> None:
        """Replace the attribute behind a Var by what ``convert`` makes for its description."""

    def get_var(self, var_id: int, idx: Any = None) -> npt.NDArray[np.float64]:
        """Answer Lava's ``Var.get``.

        Parameters
        ----------
        var_id : int
            Lava's id of the Var.
        idx : optional
            Index into the value.

        Returns
        -------
        numpy.ndarray
            The value as Lava gives it, in double precision.
        """
        value = self.read(var_id)
        if isinstance(value, csr_matrix):
            value = find(value, explicit_zeros=True)[2]
        elif isinstance(value, str):
            value = list(value.encode("ascii"))
        else:
            value = np.reshape(value, self.var_model(var_id).shape)
        array = np.asarray(value, np.float64)
        return array if idx is None else array[idx]

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Carry out Lava's ``Var.set``, which converts elements to the model's type unasked.

        Parameters
        ----------
        var_id : int
            Lava's id of the Var.
        value : array-like
            The elements, in the order in which `get_var` returns them.
        idx : optional
            Index into ``value``.
        """
        elements = np.asarray(value if idx is None else value[idx]).reshape(-1)

        def convert(found: dict[str, Any]) -> Any:
            if found["kind"] == "pickle":
                old = self.read(var_id)
                if isinstance(old, str):
                    return bytes(elements.tolist()).decode("ascii")
                rows, columns, _ = find(old, explicit_zeros=True)
                return csr_matrix((elements, (rows, columns)), old.shape)
            return elements.astype(found["dtype"]).reshape(found["shape"])

        self.write(var_id, convert)
