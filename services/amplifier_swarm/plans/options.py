"""The options of commands that read plans of other tools."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec import Struct

from amplifier_swarm.output.terminal import notice
from swarm_shared.domain.errors import SwarmError

if TYPE_CHECKING:
    from amplifier_swarm.command_line.app import App
    from swarm_shared.sources.together import How

F = TypeVar("F", bound=Callable[..., Any])


class PlanOptions(Struct, frozen=True, kw_only=True):
    """The user's choice of format for the files."""

    plan_format: str | None
    tag: str | None

    def how(self, app: App) -> How:
        """How to read the files; their places are relative to the project root of the settings."""
        from swarm_shared.sources.plans.plan import Options
        from swarm_shared.sources.together import How

        root, columns = Path.cwd(), {}
        try:
            settings = app.settings()
            root, columns = settings.project_root, dict(settings.csv_columns)
        except SwarmError as error:  # the commands that need the wrong setting refuse it
            notice(f"warning: swarm.yaml is not used: {error.message.splitlines()[0]}")
        return How(plan_format=self.plan_format, options=Options(tag=self.tag, columns=columns), root=root)


class _FormatName(click.ParamType[str]):
    """A name of a format, checked when it is given, so that other commands do not load them."""

    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from swarm_shared.sources.reading import FORMATS
        from swarm_shared.sources.together import OWN_FORMAT

        known = (OWN_FORMAT, *FORMATS)
        if value not in known:
            self.fail(f"{value!r} is not one of {', '.join(known)}", param, ctx)
        return str(value)


def plan_options(function: F) -> F:
    """`--from` and `--tag`, given to the command as `plan`."""

    @functools.wraps(function)
    def run(*args: Any, plan_format: str | None, tag: str | None, **more: Any) -> Any:
        return function(*args, plan=PlanOptions(plan_format=plan_format, tag=tag), **more)

    with_tag = click.option("--tag", help="The tag of a task-master file.  [default: master]")(run)
    help_from = "Read every file as this, such as kiro or checklist.  [default: recognized]"
    return click.option("--from", "plan_format", type=_FormatName(), help=help_from)(with_tag)  # type: ignore[return-value]
