"""The MCP server, spoken to by the official client over standard input and output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from queue_desk import QueueDesk

from swarm_shared.domain.models import HoldReason, Status, TaskSpec
from swarm_shared.processes.sweep import MARK, marks
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.requests.definitions import MAX_PROPOSALS

pytestmark = pytest.mark.integration


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[QueueDesk]:
    desk = QueueDesk(tmp_path)
    desk.add(TaskSpec(id="a", name="A", phase="one"), TaskSpec(id="-b", name="B", dependencies=("a",)))
    yield desk
    desk.db.close()


def talk(desk: QueueDesk, said: Callable[[Client], Awaitable[Any]], *before: str, **environ: str) -> Any:
    """What comes of a conversation with a server that was started with these words before it, and variables."""

    async def begin() -> Any:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AMPLIFIER_SWARM_")}
        line = [*before, sys.executable, "-m", "amplifier_swarm", "mcp", "--db", str(desk.path)]
        server = StdioServerParameters(
            command=line[0],
            args=line[1:],
            env=env | environ,
            cwd=str(desk.path.parent),
        )
        with anyio.fail_after(60):
            async with Client(server) as client:
                return await said(client)

    return anyio.run(begin)


def call(
    desk: QueueDesk, tool: str, environ: dict[str, str] | None = None, *before: str, **arguments: Any
) -> tuple[bool, str]:
    """Whether the tool failed, and its text."""

    async def said(client: Client) -> tuple[bool, str]:
        found = await client.call_tool(tool, arguments)
        return bool(found.is_error), "".join(getattr(part, "text", "") for part in found.content)

    return talk(desk, said, *before, **(environ or {}))  # type: ignore[no-any-return]


def tools(desk: QueueDesk, environ: dict[str, str] | None = None, *before: str) -> set[str]:
    async def said(client: Client) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    return talk(desk, said, *before, **(environ or {}))  # type: ignore[no-any-return]


def session_of(claim: Claim) -> dict[str, str]:
    return {**marks(claim.attempt), "AMPLIFIER_SWARM_TASK_ID": claim.task_id}


def test_an_agent_of_the_user_gets_the_reading_tools_and_add(desk: QueueDesk) -> None:
    assert tools(desk) == {"list_tasks", "status", "why", "logs", "diff", "report", "add"}


def test_tasks_are_listed(desk: QueueDesk) -> None:
    failed, text = call(desk, "list_tasks", phase="one")
    assert not failed
    assert [task["id"] for task in json.loads(text)["tasks"]] == ["a"]


def test_an_id_that_looks_like_an_option_is_an_id(desk: QueueDesk) -> None:
    failed, text = call(desk, "why", task_id="-b")
    assert not failed
    assert json.loads(text)["id"] == "-b"
    failed, text = call(desk, "why", task_id="--help")
    assert failed
    assert "no task" in text


def test_a_failing_command_is_an_error_of_the_tool(desk: QueueDesk) -> None:
    failed, text = call(desk, "diff", task_id="a")
    assert failed
    assert "no attempt of task a has a commit" in text


def test_a_task_is_added_and_can_be_held(desk: QueueDesk) -> None:
    failed, _ = call(desk, "add", name="Write more", depends_on=["a"], files=["docs/**"], hold=True)
    assert not failed
    spec = desk.db.tasks.editable("write-more")
    assert (spec.status, spec.dependencies, spec.files) == (Status.HELD, ("a",), ("docs/**",))


def test_inside_a_session_there_is_only_a_proposal(desk: QueueDesk) -> None:
    claim = desk.start()
    assert tools(desk, session_of(claim)) == {"propose"}
    failed, text = call(desk, "propose", session_of(claim), name="Tidy up")
    assert not failed, text
    assert desk.task("tidy-up")["hold_reason"] == HoldReason.PROPOSED
    assert desk.db.connection.value("SELECT proposed_by FROM tasks WHERE id = 'tidy-up'") == claim.task


def test_a_server_whose_agent_hides_the_variables_from_it_is_inside_the_session_all_the_same(desk: QueueDesk) -> None:
    claim = desk.start()
    hidden = " ".join(f"-u {name}" for name in session_of(claim))
    shell = ("sh", "-c", f'env {hidden} "$@"; exit $?', "sh")  # a parent with the variables, as Codex is one
    assert tools(desk, session_of(claim), *shell) == {"propose"}
    failed, text = call(desk, "propose", session_of(claim), *shell, name="Tidy up")
    assert not failed, text
    assert desk.task("tidy-up")["hold_reason"] == HoldReason.PROPOSED
    desk.settle(claim)
    assert "add" in tools(desk, session_of(claim), *shell)


def test_proposals_of_one_task_are_bounded(desk: QueueDesk) -> None:
    claim = desk.start()
    for number in range(MAX_PROPOSALS):
        argument = {"task": {"name": f"P{number}"}, "proposed_by": "a"}
        with desk.db.connection.transaction():
            desk.db.definitions.add(argument, actor="test")
    failed, text = call(desk, "propose", session_of(claim), name="One more")
    assert failed
    assert "which is the limit" in text


@pytest.mark.parametrize("attempt", ["of another swarm", None])
def test_a_session_whose_attempt_is_not_at_work_here_proposes_nothing(desk: QueueDesk, attempt: str | None) -> None:
    claim = desk.start()
    environ = session_of(claim) | ({} if attempt is None else {MARK: attempt})
    if attempt is None:
        desk.settle(claim)
    failed, text = call(desk, "propose", environ, name="Tidy up")
    assert failed
    assert "another swarm, or its attempt is over" in text
    assert desk.db.imports.known_ids() == {"a", "-b"}
