"""`mcp`: serve the swarm as tools to an agent that you drive."""

from __future__ import annotations

import os

from amplifier_swarm.authoring.own_session import OwnSession
from amplifier_swarm.command_line.app import App, command
from swarm_shared.domain.errors import ConfigError


@command("mcp", example="mcp --db /path/to/tasks.db", short_help="Serve tools to an agent (MCP, stdio).")
def mcp(app: App) -> None:
    """Speak the Model Context Protocol on standard input and output: list, status, why, logs, diff, report and add.

    Each tool is a command of this program. If an agent that works on a task of the swarm starts it, there is only one
    tool: proposing tasks, which are held until you release them. Needs: pip install "amplifier-swarm[mcp]".
    """
    try:
        from amplifier_swarm.mcp_server.tools import server_for_session, server_for_user
    except ImportError as error:
        raise ConfigError(
            "the MCP server needs the package mcp", hint='install it: pip install "amplifier-swarm[mcp]"'
        ) from error
    make = server_for_session if _in_session(app) else server_for_user
    make(app.database_path()).run("stdio")


def _in_session(app: App) -> bool:
    if OwnSession.around() is not None:
        return True
    if not os.path.exists(app.database_path()):
        return False
    with app.open(read_only=True) as database:
        return OwnSession.of_parents(database) is not None
