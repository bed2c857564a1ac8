"""The exceptions of a supervised run."""

from __future__ import annotations

from lava_ep.errors import LavaEPError


class RunStateError(LavaEPError, RuntimeError):
    """A call that the run cannot answer in its present state, such as reading a Var mid-run."""


class ProcessFailure(LavaEPError):
    """A ProcessModel (or a runtime service) raised an exception.

    Attributes
    ----------
    process_name : str
        Lava's name of the Process, or of the runtime service.
    model_name : str
        Class name of the ProcessModel.
    traceback_text : str
        The traceback in the worker, as text.
    error_name, message : str
        Class name and text of the exception.
    """

    def __init__(
        self,
        description: str,
        process_name: str,
        model_name: str,
        traceback_text: str,
        error_name: str,
        message: str,
    ) -> None:
        super().__init__(
            f"{description} raised an exception. Its traceback:\n{traceback_text.rstrip()}"
        )
        self.process_name = process_name
        self.model_name = model_name
        self.traceback_text = traceback_text
        self.error_name = error_name
        self.message = message


class WorkerDied(LavaEPError):
    """An operating-system process of the network ended without saying why.

    Attributes
    ----------
    process_name : str
        Lava's name of the Process, or of the runtime service.
    model_name : str
        Class name of the ProcessModel.
    pid : int
        Identifier of the operating-system process that died.
    exit_code : int or None
        Its exit code; ``-n`` means that signal ``n`` killed it, None that the code is lost.
    """

    def __init__(
        self,
        description: str,
        process_name: str,
        model_name: str,
        pid: int,
        exit_code: int | None,
        cause: str,
    ) -> None:
        super().__init__(f"{description} died: its worker (pid {pid}) {cause}.")
        self.process_name = process_name
        self.model_name = model_name
        self.pid = pid
        self.exit_code = exit_code
