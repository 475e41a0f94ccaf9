"""The command line `amplifier-swarm`: finds the command, turns errors into a line or two and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import MappingProxyType

import click

from amplifier_swarm.app import App, common_options
from swarm_shared.program.entry import exit_code_of

NAME = "amplifier-swarm"
COMPLETION_VARIABLE = "_AMPLIFIER_SWARM_COMPLETE"

# Command → module below `commands`. The command is the module's attribute of the same name, with underscores.
COMMANDS = MappingProxyType(
    {
        "import-tasks": "exchange",
        "validate": "exchange",
        "export-tasks": "exchange",
        "start": "start",
        "status": "overview",
        "list-tasks": "overview",
        "workers": "overview",
        "failures": "failures",
        "task-info": "task",
        "why": "task",
        "prompt": "task",
        "logs": "follow",
        "events": "follow",
        "answer": "answer",
        "retry": "steer",
        "cancel": "steer",
        "hold": "steer",
        "release": "steer",
        "kill": "steer",
        "approve": "steer",
        "reject": "steer",
        "prioritize": "steer",
        "pause": "swarm",
        "resume": "swarm",
        "scale": "swarm",
        "drain": "swarm",
        "restart-worker": "swarm",
        "stop": "stop",
        "ctl": "ctl",
        "land": "land",
        "diff": "diff",
        "worktrees": "worktrees",
        "reset-orphans": "care",
        "backup": "care",
        "doctor": "doctor",
        "dashboard": "about",
        "config": "about",
        "version": "about",
    }
)


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, so that each pays only for its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        from importlib import import_module

        found = getattr(import_module(f"amplifier_swarm.commands.{module}"), cmd_name.replace("-", "_"))
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib  # only for a mistake

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{meant}", ctx)
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"{NAME} {version(NAME)}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\nExample:\n  amplifier-swarm import-tasks tasks.yaml && amplifier-swarm start --workers 3",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show it.")
@common_options
def cli() -> None:
    """Runs long lists of coding tasks with AI agents: supervised, checked and accounted for.

    The database of a swarm is ./tasks.db unless --db or SWARM_DB says otherwise. Most commands take --json.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. What was wrong is reported on standard error."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if os.environ.get(COMPLETION_VARIABLE):
        cli.main(arguments, prog_name=NAME)
    return exit_code_of(cli, argv, name=NAME, obj=App(arguments=tuple(arguments)))


if __name__ == "__main__":
    sys.exit(main())
