"""``lava-ep study``: learning beside theory."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from lava_ep.command_line import guarded
from lava_ep.studies import find_study, study_names


class StudyGroup(TyperGroup):
    """The commands of all studies; a study is imported when its command is looked up."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the studies."""
        return study_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a study, or None if there is none of this name."""
        if cmd_name not in study_names():
            return None
        single = typer.Typer(add_completion=False)
        single.command(cmd_name)(guarded(find_study(cmd_name)))
        return typer.main.get_command(single)
