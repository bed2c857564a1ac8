"""Which ProcessModels a Process has, without importing files that nobody asked for.

To find models, Lava executes every ``.py`` file beside a Process. Here, only modules that are
imported already are looked at, except for Processes of Lava itself, whose models lie beside them.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig

from lava_ep._lava_private import find_models_in, find_own_models, select_model
from lava_ep.errors import InputError

Model = type[AbstractProcessModel]


Files = list[tuple[str, ModuleType]]
"""Imported modules that have a file, and these files."""


def imported_files() -> Files:
    """Return the files of all modules that are imported at this time."""
    modules = ((_file_of(module), module) for module in list(sys.modules.values()))
    return [(file, module) for file, module in modules if file is not None]


def find_models(process: AbstractProcess, files: Files | None = None) -> list[Model]:
    """Return the ProcessModels of a Process, in the order in which RunConfigs choose from them.

    These are the models in the module of the Process, then those in modules beside it that are
    imported already; if there are none, those in any imported module.

    Parameters
    ----------
    process : AbstractProcess
        The Process.
    files : list, optional
        What `imported_files` returns, for those who search for several Processes.

    Raises
    ------
    InputError
        If there is none.
    """
    kind = type(process)
    if kind.__module__.partition(".")[0] == "lava":
        return find_own_models(process)
    found: dict[Model, None] = {}
    module = sys.modules.get(kind.__module__)
    if module is not None:
        for place in (module, *_beside(module, imported_files() if files is None else files)):
            found.update(dict.fromkeys(find_models_in(process, place)))
    if not found:
        found.update((model, None) for model in _all_models() if _implements(model, kind))
    if not found:
        raise InputError(
            f"No ProcessModel found for Process '{process.name}' ({kind.__module__}."
            f"{kind.__qualname__}): import the module that defines it first"
            f"{_candidates(kind, module)}. Unlike Lava's own run(), lava-ep does not import files "
            "that lie beside a Process."
        )
    return list(found)


def _file_of(module: object) -> str | None:
    """Return the file of a module, without waking those that load lazily."""
    file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    return file if isinstance(file, str) else None


def _beside(module: ModuleType, files: Files) -> Iterator[ModuleType]:
    """Yield the imported modules in which Lava, too, would look for models."""
    own = _file_of(module)
    if own is None:
        return
    # Text, as paths as objects take a tenth of a second for the modules of a large program.
    folder = os.path.dirname(own)  # noqa: PTH120
    for file, other in files:
        if other is module or not file.startswith(folder):
            continue
        place = os.path.dirname(file)  # noqa: PTH120
        if folder in (place, os.path.dirname(place)):  # noqa: PTH120
            yield other


def _implements(model: Model, kind: type[AbstractProcess]) -> bool:
    return getattr(model, "implements_process", None) is kind


def _all_models() -> Iterator[Model]:
    """Yield all classes of ProcessModels that there are."""
    waiting: list[Model] = [AbstractProcessModel]
    seen: set[Model] = set()
    while waiting:
        for model in type.__subclasses__(waiting.pop()):
            if model not in seen:
                seen.add(model)
                waiting.append(model)
                yield model


def _candidates(kind: type[AbstractProcess], module: ModuleType | None) -> str:
    """Name the files beside a Process that mention it and are not imported."""
    own = _file_of(module)
    if own is None:
        return ""
    imported = {file for file, _ in imported_files()}
    names = [
        path.name
        for path in sorted(Path(own).parent.glob("*.py"))
        if str(path) not in imported
        and kind.__name__ in path.read_text(encoding="utf-8", errors="replace")
    ]
    return f" ({', '.join(names)}?)" if names else ""


def choose_model(process: AbstractProcess, run_cfg: RunConfig, files: Files | None = None) -> Model:
    """Return the ProcessModel that a RunConfig selects for a Process; see `find_models`."""
    models = find_models(process, files)
    chosen: Model = select_model(process, models, run_cfg)
    return chosen


class _Choices(dict[Any, Any]):
    """Answers Lava's compiler, which asks here for exceptions before it searches by itself."""

    def __init__(self, run_cfg: RunConfig) -> None:
        super().__init__()
        self._run_cfg = run_cfg
        given = getattr(run_cfg, "exception_proc_model_map", None)
        # An empty one may still answer by a method of its own.
        self._exceptions: Any = {} if given is None else given
        self._files = imported_files()

    def __contains__(self, key: object) -> bool:
        return isinstance(key, AbstractProcess) or key in self._exceptions

    def __getitem__(self, key: Any) -> Any:
        if key in self._exceptions:
            return self._exceptions[key]
        if type(key) in self._exceptions:
            return self._exceptions[type(key)]
        return choose_model(key, self._run_cfg, self._files)


def with_own_search(run_cfg: RunConfig) -> RunConfig:
    """Return a RunConfig that chooses as another one does, among the models found here."""
    found = copy.copy(run_cfg)
    found.exception_proc_model_map = _Choices(run_cfg)
    return found
