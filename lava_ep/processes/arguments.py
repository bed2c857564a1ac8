"""Arguments of Processes: names that nobody declared are refused, lists are taken for arrays."""

from __future__ import annotations

import difflib
import inspect
import operator
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from numpy.typing import ArrayLike, NDArray

from lava_ep.dynamics import Noise
from lava_ep.errors import InputError

GENERIC = ("name", "log_config")
"""Arguments of every Lava Process."""


def parameters_of(process: type[AbstractProcess]) -> dict[str, inspect.Parameter]:
    """Return the parameters that a Process and the bases it passes arguments on to declare."""
    found: dict[str, inspect.Parameter] = {}
    for base in process.__mro__:
        if base is AbstractProcess:
            break
        if "__init__" not in vars(base):
            continue
        _, *parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        for parameter in parameters:
            if parameter.kind is not parameter.VAR_KEYWORD:
                found.setdefault(parameter.name, parameter)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


class _ChecksArguments(type(AbstractProcess)):  # type: ignore[misc]
    """Refuses arguments before Lava has seen them."""

    def __call__(cls, *args: Any, **given: Any) -> Any:
        declared = cls._declared()
        given = cls._current(given, declared)
        for name in given:
            if name not in declared:
                close = difflib.get_close_matches(name, declared, 1)
                hint = f": did you mean {close[0]}?" if close else "."
                raise InputError(
                    f"{cls.__name__} has no argument {name!r}{hint} It has "
                    f"{', '.join(sorted(declared))}."
                )
        missing = [name for name, needed in declared.items() if needed and name not in given]
        if missing and not args:
            raise InputError(
                f"{cls.__name__} needs {' and '.join(missing)}. It has "
                f"{', '.join(sorted(declared))}."
            )
        return super().__call__(*args, **given)

    def _declared(cls) -> dict[str, bool]:
        """Return the arguments that its class and the bases it passes them on to declare.

        Values say whether an argument is required.
        """
        needed = {
            name: parameter.default is parameter.empty
            for name, parameter in parameters_of(cls).items()
        }
        return needed | dict.fromkeys(GENERIC, False)


class EPProcess(AbstractProcess, metaclass=_ChecksArguments):
    """A Process that refuses unknown and missing arguments, by name."""

    _runtime: Any = None  # Lava asks for it when a Process is deleted, even a half-made one

    @classmethod
    def _current(cls, given: dict[str, Any], declared: dict[str, bool]) -> dict[str, Any]:
        """Return arguments in today's form; those of older releases may have another."""
        return given


def as_shape(shape: Any, what: str = "(batch, n)", name: str = "shape") -> tuple[int, ...]:
    """Return a shape as a tuple.

    Raises
    ------
    InputError
        If it does not consist of as many whole numbers of at least 1 as ``what`` has.
    """
    try:
        found = tuple(operator.index(size) for size in shape)
    except TypeError:
        found = ()
    if len(found) != what.count(",") + 1 or min(found) < 1:
        raise InputError(f"{name}={shape!r}: expected {what}, whole numbers of at least 1")
    return found


def as_pair(shape: Any) -> tuple[int, int]:
    """Return the shape (batch, n) of a layer; see `as_shape`."""
    batch, n = as_shape(shape)
    return batch, n


def as_count(value: Any, name: str) -> int:
    """Return a number of samples or the like.

    Raises
    ------
    InputError
        If it is not a whole number of at least 1.
    """
    try:
        found = operator.index(value)
    except TypeError:
        raise InputError(f"{name}={value!r}: expected a whole number of at least 1") from None
    if found < 1:
        raise InputError(f"{name}={value}: expected at least 1")
    return found


def as_numbers(value: ArrayLike, name: str) -> NDArray[Any]:
    """Return a number, a list or an array as an array of numbers.

    Raises
    ------
    InputError
        If it holds something else, or lists of different length.
    """
    try:
        found = np.asarray(value)
    except ValueError:
        raise InputError(f"{name}: expected an array, got lists of different length") from None
    if found.dtype.kind not in "biuf":
        raise InputError(
            f"{name} of type {found.dtype}: expected numbers (a {type(value).__name__} was given)"
        )
    return found


def as_bias(bias: ArrayLike) -> NDArray[Any] | float:
    """Return biases as an array, or as the one number that all are.

    Raises
    ------
    InputError
        If they are not finite numbers.
    """
    found = as_numbers(bias, "bias")
    if not np.isfinite(found).all():
        raise InputError(f"bias of shape {found.shape}: expected finite numbers")
    return found if found.ndim else float(found)


def check_noise(noise: Any) -> Noise | None:
    """Return the measurement noise of neurons.

    Raises
    ------
    InputError
        If it is something else.
    """
    if noise is not None and not isinstance(noise, Noise):
        raise InputError(f"noise={noise!r}: expected a lava_ep.dynamics.Noise, or None")
    return noise


def check_noises(noises: Any) -> tuple[Noise | None, Noise | None]:
    """Return the measurement noise of sources and targets.

    Raises
    ------
    InputError
        If it is no pair of it.
    """
    pair = tuple(noises) if isinstance(noises, tuple | list) else ()
    if len(pair) != 2 or not all(part is None or isinstance(part, Noise) for part in pair):
        raise InputError(
            f"noises={noises!r}: expected a pair (sources, targets) of lava_ep.dynamics.Noise or "
            "None"
        )
    return pair[0], pair[1]
