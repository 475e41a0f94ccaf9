"""The MCP server, used by the official client over standard input and output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from queue_harness import QueueHarness

from swarm_shared.domain.models import HoldReason, Status, TaskSpec
from swarm_shared.processes.sweep import MARK, marks
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.requests.definitions import MAX_PROPOSALS

pytestmark = pytest.mark.integration


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    harness = QueueHarness(tmp_path)
    harness.add(TaskSpec(id="a", name="A", phase="one"), TaskSpec(id="-b", name="B", dependencies=("a",)))
    yield harness
    harness.db.close()


def talk(harness: QueueHarness, said: Callable[[Client], Awaitable[Any]], *before: str, **environ: str) -> Any:
    """The result of a conversation with a server that was started with these words before it, and variables."""

    async def begin() -> Any:
        env = {name: value for name, value in os.environ.items() if not name.startswith("AMPLIFIER_SWARM_")}
        line = [*before, sys.executable, "-m", "amplifier_swarm", "mcp", "--db", str(harness.path)]
        server = StdioServerParameters(
            command=line[0],
            args=line[1:],
            env=env | environ,
            cwd=str(harness.path.parent),
        )
        with anyio.fail_after(60):
            async with Client(server) as client:
                return await said(client)

    # In another thread: the browser of earlier tests keeps an event loop running in this one.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(anyio.run, begin).result()


def call(
    harness: QueueHarness, tool: str, environ: dict[str, str] | None = None, *before: str, **arguments: Any
) -> tuple[bool, str]:
    """Whether the tool failed, and its text."""

    async def said(client: Client) -> tuple[bool, str]:
        found = await client.call_tool(tool, arguments)
        return bool(found.is_error), "".join(getattr(part, "text", "") for part in found.content)

    return talk(harness, said, *before, **(environ or {}))  # type: ignore[no-any-return]


def tools(harness: QueueHarness, environ: dict[str, str] | None = None, *before: str) -> set[str]:
    async def said(client: Client) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    return talk(harness, said, *before, **(environ or {}))  # type: ignore[no-any-return]


def session_of(claim: Claim) -> dict[str, str]:
    return {**marks(claim.attempt), "AMPLIFIER_SWARM_TASK_ID": claim.task_id}


def test_a_users_agent_gets_the_reading_tools_and_add(harness: QueueHarness) -> None:
    assert tools(harness) == {"list_tasks", "status", "why", "logs", "diff", "report", "add"}


def test_tasks_are_listed(harness: QueueHarness) -> None:
    failed, text = call(harness, "list_tasks", phase="one")
    assert not failed
    assert [task["id"] for task in json.loads(text)["tasks"]] == ["a"]


def test_an_id_that_looks_like_an_option_is_an_id(harness: QueueHarness) -> None:
    failed, text = call(harness, "why", task_id="-b")
    assert not failed
    assert json.loads(text)["id"] == "-b"
    failed, text = call(harness, "why", task_id="--help")
    assert failed
    assert "no task" in text


def test_a_failing_command_is_an_error_of_the_tool(harness: QueueHarness) -> None:
    failed, text = call(harness, "diff", task_id="a")
    assert failed
    assert "no attempt of task a has a commit" in text


def test_a_task_is_added_and_can_be_held(harness: QueueHarness) -> None:
    failed, _ = call(harness, "add", name="Write more", depends_on=["a"], files=["docs/**"], hold=True)
    assert not failed
    spec = harness.db.tasks.editable("write-more")
    assert (spec.status, spec.dependencies, spec.files) == (Status.HELD, ("a",), ("docs/**",))


def test_inside_a_session_only_proposals_are_possible(harness: QueueHarness) -> None:
    claim = harness.start()
    assert tools(harness, session_of(claim)) == {"propose"}
    failed, text = call(harness, "propose", session_of(claim), name="Tidy up")
    assert not failed, text
    assert harness.task("tidy-up")["hold_reason"] == HoldReason.PROPOSED
    assert harness.db.connection.value("SELECT proposed_by FROM tasks WHERE id = 'tidy-up'") == claim.task


def test_a_server_whose_agent_hides_the_variables_from_it_still_counts_as_inside_the_session(
    harness: QueueHarness,
) -> None:
    claim = harness.start()
    hidden = " ".join(f"-u {name}" for name in session_of(claim))
    shell = ("sh", "-c", f'env {hidden} "$@"; exit $?', "sh")  # a parent with the variables, as Codex is one
    assert tools(harness, session_of(claim), *shell) == {"propose"}
    failed, text = call(harness, "propose", session_of(claim), *shell, name="Tidy up")
    assert not failed, text
    assert harness.task("tidy-up")["hold_reason"] == HoldReason.PROPOSED
    harness.settle(claim)
    assert "add" in tools(harness, session_of(claim), *shell)


def test_the_proposals_of_one_task_are_limited(harness: QueueHarness) -> None:
    claim = harness.start()
    for number in range(MAX_PROPOSALS):
        argument = {"task": {"name": f"P{number}"}, "proposed_by": "a"}
        with harness.db.connection.transaction():
            harness.db.definitions.add(argument, actor="test")
    failed, text = call(harness, "propose", session_of(claim), name="One more")
    assert failed
    assert "which is the limit" in text


@pytest.mark.parametrize("attempt", ["of another swarm", None])
def test_a_session_whose_attempt_is_not_running_here_proposes_nothing(
    harness: QueueHarness, attempt: str | None
) -> None:
    claim = harness.start()
    environ = session_of(claim) | ({} if attempt is None else {MARK: attempt})
    if attempt is None:
        harness.settle(claim)
    failed, text = call(harness, "propose", environ, name="Tidy up")
    assert failed
    assert "another swarm, or its attempt is over" in text
    assert harness.db.imports.known_ids() == {"a", "-b"}
