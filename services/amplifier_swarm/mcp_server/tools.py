"""The tools of the MCP server. Each runs one command in a separate process and returns its output."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

OUTPUT_CHARS = 60_000  # as much as an agent can use; of logs the end is kept, of everything else the beginning
MAX_LISTED = 200
_READS = ToolAnnotations(read_only_hint=True)
_ADDS = ToolAnnotations(read_only_hint=False, destructive_hint=False)
_FOR_USER = "Amplifier Swarm runs lists of coding tasks with AI agents. These tools show its queue and add tasks to it."
_IN_SESSION = (
    "You work on one task of Amplifier Swarm. You can propose work that the task does not cover as a separate task. "
    "The user decides about it; do not wait for the decision."
)


class Command:
    """The command line on one database."""

    def __init__(self, database: Path) -> None:
        self._database = database

    async def run(self, *words: str, given: str = "", keep_end: bool = False) -> str:
        """The output of a command; `words` after `--` cannot be options.

        Raises:
            ToolError: It failed; the text is its error message.
        """
        at = words.index("--") if "--" in words else len(words)
        line = [*words[:at], f"--db={self._database}", *words[at:]]
        ended = await anyio.run_process(
            [sys.executable, "-m", "amplifier_swarm", *line], input=given.encode(), check=False
        )
        printed = ended.stdout.decode("utf-8", "replace")
        if ended.returncode:
            raise ToolError(ended.stderr.decode("utf-8", "replace").strip() or printed.strip() or "the command failed")
        if len(printed) <= OUTPUT_CHARS:
            return printed
        rest = len(printed) - OUTPUT_CHARS
        if keep_end:
            return f"[{rest:,} characters before this were left out]\n{printed[-OUTPUT_CHARS:]}"
        return f"{printed[:OUTPUT_CHARS]}\n[{rest:,} more characters were left out]"


def _server(instructions: str) -> MCPServer:
    return MCPServer(
        "amplifier-swarm", version=version("amplifier-swarm"), instructions=instructions, log_level="WARNING"
    )


def server_for_user(database: Path) -> MCPServer:
    """All tools, for an agent that you drive."""
    server, command = _server(_FOR_USER), Command(database)

    @server.tool(annotations=_READS)
    async def list_tasks(status: str = "", phase: str = "", limit: int = 50, after: int = 0) -> str:
        """Tasks in import order as JSON. Status: not_started, in_progress, completed, failed, held or cancelled.

        `after` continues at `next_after` of the page before.
        """
        words = [f"--limit={max(1, min(limit, MAX_LISTED))}", f"--after={max(0, after)}"]
        words += [f"--status={status}"] if status else []
        words += [f"--phase={phase}"] if phase else []
        return await command.run("list-tasks", "--json", *words)

    @server.tool(annotations=_READS)
    async def status() -> str:
        """Counts, progress, workers, and anything that blocks the queue, as JSON."""
        return await command.run("status", "--json")

    @server.tool(annotations=_READS)
    async def why(task_id: str) -> str:
        """What a task waits for or how it ended, and what you can do about it, as JSON."""
        return await command.run("why", "--json", "--", task_id)

    @server.tool(annotations=_READS)
    async def logs(task_id: str, attempt: int = 0) -> str:
        """The end of the output of a task's sessions; of the last attempt unless you name another one."""
        words = [f"--attempt={attempt}"] if attempt > 0 else []
        return await command.run("logs", *words, "--", task_id, keep_end=True)

    @server.tool(annotations=_READS)
    async def diff(task_id: str) -> str:
        """What a task has changed, as JSON with its files and the patch."""
        return await command.run("diff", "--json", "--", task_id)

    @server.tool(annotations=_READS)
    async def report() -> str:
        """Results, time, cost and common problems of the run, as Markdown."""
        return await command.run("report", "--markdown")

    @server.tool(annotations=_ADDS)
    async def add(
        name: str,
        description: str = "",
        depends_on: Sequence[str] = (),
        files: Sequence[str] = (),
        phase: str = "",
        acceptance_criteria: Sequence[str] = (),
        checks: Sequence[str] = (),
        hold: bool = False,
    ) -> str:
        """Add one task to the queue. With `hold` it does not start until the user releases it.

        `depends_on` are ids of tasks that must be completed first, `files` are globs of what it may change, `checks`
        are shell commands that must succeed.
        """
        task = _task(name, description, depends_on, files, acceptance_criteria) | {"phase": phase, "checks": [*checks]}
        return await command.run("add", "--json", *(["--hold"] if hold else []), "--", "-", given=_given(task))

    return server


def server_for_session(database: Path) -> MCPServer:
    """One tool, for an agent that works on a task of this swarm: proposing further tasks."""
    server, command = _server(_IN_SESSION), Command(database)

    @server.tool(annotations=_ADDS)
    async def propose(
        name: str,
        description: str = "",
        depends_on: Sequence[str] = (),
        files: Sequence[str] = (),
        acceptance_criteria: Sequence[str] = (),
    ) -> str:
        """Propose a separate task for work that your task does not cover. It is held until the user approves it."""
        task = _task(name, description, depends_on, files, acceptance_criteria)
        return await command.run("add", "--json", "--", "-", given=_given(task))

    return server


def _task(
    name: str, description: str, depends_on: Sequence[str], files: Sequence[str], criteria: Sequence[str]
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "dependencies": [*depends_on],
        "files": [*files],
        "acceptance_criteria": [*criteria],
    }


def _given(task: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in task.items() if value})
