"""The command line `amplifier-swarm`: finds the command, and turns errors into a line or two and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import MappingProxyType

from swarm_shared.program.collection import importing, without_collection
from swarm_shared.program.nearest import Suggester

with importing():
    import click

    from amplifier_swarm.command_line.app import App, common_options
    from swarm_shared.program.entry import exit_code_of

NAME = "amplifier-swarm"
COMPLETION_VARIABLE = "_AMPLIFIER_SWARM_COMPLETE"

# As the help lists them. `commands/` has a room for each section and in it a module for each command, named like it
# with underscores, as is the command in the module.
SECTIONS = MappingProxyType(
    {
        "Tasks": ("import-tasks", "add", "edit", "validate", "plan", "graph", "plan-from", "convert", "export-tasks"),
        "Look": (
            *("status", "list-tasks", "task-info", "why", "failures", "costs", "workers"),
            *("logs", "events", "prompt", "diff", "dashboard", "report", "notify", "mcp"),
        ),
        "Steer": ("answer", "retry", "cancel", "hold", "release", "kill", "approve", "reject", "prioritize"),
        "Swarm": ("start", "stop", "pause", "resume", "drain", "scale", "restart-worker", "ctl"),
        "Landing": ("land", "worktrees"),
        "Maintenance": ("doctor", "agents", "runners", "reset-orphans", "backup", "config", "version"),
    }
)
COMMANDS = MappingProxyType({name: section.lower() for section, names in SECTIONS.items() for name in names})


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, so that each pays only for its own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        room = COMMANDS.get(cmd_name)
        if room is None:
            return None
        from importlib import import_module

        name = cmd_name.replace("-", "_")
        with without_collection():
            found = getattr(import_module(f"amplifier_swarm.commands.{room}.{name}"), name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, in one column for all sections."""
        width = max(map(len, COMMANDS))
        for section, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (f"{name:<{width}}", found.get_short_help_str(80))
                        for name, found in commands
                        if found is not None
                    ]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = Suggester(COMMANDS).nearest(args[0])
            meant = f" Did you mean {near}?" if near is not None else ""
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
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Print the version."
)
@common_options
def cli() -> None:
    """Run long lists of coding tasks with AI agents: supervised, checked and recorded.

    The database is ./tasks.db unless you set --db or SWARM_DB. Most commands accept --json.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. What was wrong is reported on standard error."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if os.environ.get(COMPLETION_VARIABLE):
        cli.main(arguments, prog_name=NAME)
    return exit_code_of(cli, argv, name=NAME, obj=App(arguments=tuple(arguments)))


if __name__ == "__main__":
    sys.exit(main())
