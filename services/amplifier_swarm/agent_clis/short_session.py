"""One short session of an agent CLI in a temporary folder, launched and read as a worker does it."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from msgspec import Struct

from amplifier_swarm.start.ending.subtree import Subtree
from swarm_shared.agents.launching.environment import Inherited
from swarm_shared.agents.launching.launch import SessionPlan, prepare
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.session_result import Reading, SessionEnd, read_session
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.models import FailureClass, Role, TaskSpec
from swarm_shared.redaction.redaction import of_process

OUTPUT_READ_BYTES = 1_000_000
KILL_GRACE_S = 2.0
_ANSWER = {"status": "success", "tests_passed": True}
_PROMPT = (
    "# Check\n\nThis only checks that you can answer. Use no tools and change nothing. "
    f"Answer with exactly this JSON object: {json.dumps(_ANSWER)}\n"
)
# What the presets that run a task's own commands find in it.
_TASK = TaskSpec(id="agents-check", name="Check", run=f"echo '{json.dumps(_ANSWER)}'", verify="true")


class Call(Struct, frozen=True, kw_only=True):
    """What the session came to; `seconds` from its start to its end."""

    reading: Reading
    seconds: float

    def shown(self) -> dict[str, Any]:
        """In the shape of the JSON answer; unknown figures are null."""
        reading, redact = self.reading, of_process()
        return {
            "answer": redact.value(reading.answer),
            "models": list(reading.models),
            "tokens": reading.tokens,
            "cost_usd": reading.cost_usd,
            "seconds": round(self.seconds, 1),
            "failure": None if reading.failure is None else str(reading.failure),
            "trouble": None if reading.trouble is None else str(reading.trouble.kind),
            "reason": redact.text(reading.reason),
        }


def call(
    cli: AgentCli,
    agent: str,
    base: Inherited,
    *,
    clock: Clock,
    timeout_s: float,
    prompt_text: str = _PROMPT,
    role: Role = Role.BUILDER,
    project: Path | None = None,
) -> Call:
    """Run the session and read its end; nothing of it is left afterwards.

    Args:
        agent: The builder agent, for CLIs that know agents.
        base: What sessions inherit of this process's environment.
        timeout_s: When it is ended, which is a failure.
        prompt_text: What it is asked; by default only to answer.
        project: The folder it works in; by default an empty one.

    Raises:
        ConfigError: The CLI's program is not found, or the agent's name cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="amplifier-swarm-") as temporary:
        folder = Path(temporary).resolve()
        place, private = project or folder / "project", folder / "private"
        for each in (place, private):
            each.mkdir(exist_ok=True)
        launch = prepare(
            cli,
            SessionPlan(
                role=role,
                agent=agent,
                prompt=prompt_text,
                task=_TASK,
                attempt_id=str(uuid.uuid4()),
                attempt_number=1,
                private_dir=private,
                project_root=place,
            ),
            base,
        )
        prompt, out, err = folder / "prompt", folder / "stdout", folder / "stderr"
        prompt.write_bytes(launch.stdin)
        subtree = Subtree()
        began = time.monotonic()
        ended = False
        code: int | None = None
        try:
            with prompt.open("rb") as stdin, out.open("wb") as stdout, err.open("wb") as stderr:
                process = subprocess.Popen(
                    launch.argv,
                    env=dict(launch.env),
                    cwd=place,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                )
            code = process.wait(timeout_s)
            ended = True
        except subprocess.TimeoutExpired:
            pass
        except OSError as error:
            err.write_text(str(error.strerror), encoding="utf-8")
            ended = True
        finally:
            seconds = time.monotonic() - began
            subtree.end(grace_s=KILL_GRACE_S if ended else 0.0)
        if not ended:
            text = f"{cli.name} did not end within {timeout_s:g} s"
            return Call(reading=Reading(failure=FailureClass.CRASH, reason=text), seconds=seconds)
        end = SessionEnd(
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            stdout=_end_of(out),
            stderr=_end_of(err),
        )
        return Call(reading=read_session(cli, role, end, clock.wall_ms()), seconds=seconds)


def _end_of(path: Path) -> str:
    return path.read_bytes()[-OUTPUT_READ_BYTES:].decode(errors="replace")
