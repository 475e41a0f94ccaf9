"""The MCP server with a real CLI: an agent that the user drives adds tasks; one inside a session can only propose."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agents.cases import LIMIT_S, Finding
from agents.harness import Harness

DRIVEN = "an agent that the user drives adds a task"
PROPOSES = "an agent inside a session can only propose"
SERVER = "amplifier-swarm"
_ADD = {"name": "By the agent", "hold": True}
_PROPOSE = {"name": "By the session"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How a CLI is given the server, and started with one prompt and permission to use it.

    Attributes:
        register: Its own command, without the server's command line.
        files: What else is in HOME: permission for the tool inside sessions, where no user can be asked.
        env: Wait for the server before the first request: the script asks for its tools at once.
    """

    register: Sequence[str]
    drive: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


_CODEX_SERVER = """
[mcp_servers.amplifier-swarm]
command = "amplifier-swarm"
args = ["mcp", "--db", "{db}"]
required = true
default_tools_approval_mode = "approve"
"""

CLIENTS: Mapping[str, Client] = {
    "claude": Client(
        register=("mcp", "add", "--scope", "user", SERVER, "--"),
        drive=("-p", "--allowedTools", f"mcp__{SERVER}__add", "--"),
        files={".claude/settings.json": json.dumps({"permissions": {"allow": [f"mcp__{SERVER}__propose"]}})},
        env={"MCP_CONNECTION_NONBLOCKING": "false", "ENABLE_TOOL_SEARCH": "false"},
    ),
    "codex": Client(register=("mcp", "add", SERVER, "--"), drive=("exec", "--skip-git-repo-check")),
}


def mcp(harness: Harness) -> Iterator[Finding]:
    """One call from outside and one from inside a session."""
    client = CLIENTS[harness.cli.name]
    _prepare(harness, client)
    harness.queue(
        {"id": "w", "name": "w", "description": f"PLAY task w\nPLAY builder call propose {json.dumps(_PROPOSE)}"}
    )
    prompt = f"PLAY task m\nPLAY builder call add {json.dumps(_ADD)}\n"
    harness.program(harness.cli.name, *client.drive, prompt)
    said = [result for each in harness.provider.exchanges if each.task == "m" for result in each.results]
    added = harness.status_of("by-the-agent")
    kept = added == "held" and any("added by-the-agent" in each for each in said)
    yield Finding(promise=DRIVEN, kept=kept, seen=f"the task is {added}; the agent received {said}")

    harness.start()
    harness.wait_end(LIMIT_S)
    builder = [each for each in harness.provider.exchanges if (each.task, each.role) == ("w", "builder")]
    offered = {tool.rpartition("_")[2].rpartition("/")[2] for each in builder for tool in each.tools if _is_ours(tool)}
    proposed = harness.status_of("by-the-session")
    kept = proposed == "held" and offered == {"propose"}
    seen = f"the task is {proposed}; tools: {sorted(offered)}; {[each.results for each in builder]}"
    yield Finding(promise=PROPOSES, kept=kept, seen=seen)


def _prepare(harness: Harness, client: Client) -> None:
    database = str(harness.folder / "tasks.db")
    harness.env |= client.env
    harness.program(harness.cli.name, *client.register, SERVER, "mcp", "--db", database)
    for path, text in client.files.items():
        (harness.folder / "home" / path).write_text(text, encoding="utf-8")
    if harness.cli.name == "codex":  # its command has no option for these two
        config = harness.folder / "home/.codex/config.toml"
        plain = config.read_text().partition("[mcp_servers.")[0]
        config.write_text(plain + _CODEX_SERVER.format(db=database), encoding="utf-8")
    for path, _, names in os.walk(harness.folder / "home"):
        for each in ("", *names):
            os.chown(os.path.join(path, each), harness.user.uid, harness.user.gid)


def _is_ours(tool: str) -> bool:
    return "amplifier" in tool
