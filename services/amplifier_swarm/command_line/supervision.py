"""Which supervisord runs this swarm: that of `start` next to the database, or one with a configuration here."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from amplifier_swarm.command_line.app import App
from swarm_shared.domain.errors import SupervisorError
from swarm_shared.supervisor import files as supervisor_files
from swarm_shared.supervisor.client import SupervisorClient


class Supervision(Struct, frozen=True, kw_only=True):
    """A supervisord's configuration, and how to talk to it."""

    configuration: Path
    client: SupervisorClient

    def answers(self) -> bool:
        try:
            self.client.state()
        except SupervisorError:
            return False
        return True


def supervision(app: App) -> Supervision:
    """The supervisord that answers; where none does, the one whose configuration is here.

    Raises:
        SupervisorError: There is no configuration at all.
    """
    database = app.database_path()
    state_dir = database.with_name(database.name + ".swarm")
    known = [_of(home) for home in (state_dir, Path.cwd(), database.parent) if (home / supervisor_files.CONF).exists()]
    running = [each for each in known if each.answers()]
    # That of `start` is left behind when a run ends: one in the folder, written by the user, comes before it.
    at_rest = sorted(known, key=lambda each: each.configuration.parent == supervisor_files.short_home(state_dir))
    for each in running + at_rest:
        return each
    raise SupervisorError(
        "no supervisord of this swarm can be found",
        hint="start the swarm: amplifier-swarm start, or supervisord -c supervisord.conf",
    )


def _of(home: Path) -> Supervision:
    return Supervision(
        configuration=supervisor_files.short_home(home) / supervisor_files.CONF,
        client=SupervisorClient(supervisor_files.socket_path(home)),
    )
