"""Running code of ours after a method of somebody else's object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def call_after(target: object, method: str, callback: Callable[[], None]) -> None:
    """Make ``target.method`` run ``callback`` once it has returned, on this one object.

    Parameters
    ----------
    target : object
        The object; its class is left alone.
    method : str
        Name of the method.
    callback : callable
        Called without arguments after each call of the method that did not raise.
    """
    original = getattr(target, method)

    def with_callback(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        callback()
        return result

    setattr(target, method, with_callback)
