"""Shared by all commands: the database, the verbosity, and how a command is declared."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from swarm_shared.domain.clock import Clock, SystemClock
from swarm_shared.program import logs
from swarm_shared.settings.settings import Settings, default_of, resolve

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True, kw_only=True)
class App:
    """One run of the command line. `db` and `verbose` may come before or after the command."""

    db: Path | None = None
    verbose: bool = False
    arguments: tuple[str, ...] = ()  # as typed, for advice on what to type next
    clock: Clock = field(default_factory=SystemClock)

    def settings(self, flags: Mapping[str, Any] | None = None) -> Settings:
        """All settings as this command line, the environment and swarm.yaml give them."""
        return resolve({"db": self.db, **(flags or {})})

    def database_path(self) -> Path:
        """The database alone, so that a mistake in another setting does not prevent reading it."""
        given = self.db or os.environ.get("SWARM_DB") or default_of("db")
        return Path(os.path.abspath(os.path.expanduser(str(given))))

    def open(self, *, read_only: bool = False, create: bool = False) -> TaskDatabase:
        """The database; the caller closes it."""
        from swarm_shared.database import TaskDatabase

        return TaskDatabase(self.database_path(), create=create, read_only=read_only, clock=self.clock)

    def actor(self) -> str:
        """Who asks, for the audit: the user at this terminal."""
        import getpass

        try:
            return f"{getpass.getuser()} (command line)"
        except (KeyError, OSError):
            return f"user {os.getuid()} (command line)"  # a container without an entry for the user


def common_options(function: F) -> F:
    """`--db` and `--verbose`: kept in the App, so that the last one given wins wherever it is."""

    def keep_db(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
        if value is not None:
            ctx.ensure_object(App).db = value

    def keep_verbose(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(App).verbose = True
            logs.configure(verbose=True)

    help_db = f"The database.  [default: {default_of('db')}; SWARM_DB]"
    function = click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=keep_verbose,
        help="Log everything, and show tracebacks of bugs.",
    )(function)
    return click.option("--db", type=click.Path(path_type=Path), expose_value=False, callback=keep_db, help=help_db)(
        function
    )


def json_option(function: F) -> F:
    """`--json`: one document on standard output and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(function)


def command(
    name: str, *, example: str, with_db: bool = True, **more: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command: gets the App first, shows an example in its help, returns an exit code or None.

    Args:
        example: One or several command lines, without the program's name in front.
        with_db: Whether it takes `--db` and `--verbose`.
    """
    lines = [f"  amplifier-swarm {each}" for each in example.splitlines()]
    epilog = "\b\n" + "\n".join(["Examples:" if len(lines) > 1 else "Example:", *lines])

    def declare(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            return function(click.get_current_context().ensure_object(App), *args, **kwargs)

        ready = common_options(run) if with_db else run
        made = click.command(name, epilog=epilog, cls=click.Command, **more)(ready)
        if with_db:
            made.params.sort(key=lambda each: each.name in ("db", "verbose"))  # what the command is about comes first
        return made

    return declare
