"""Real workers, agents and checks that print secrets: none is in the database or in any view of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from landing_harness import landing_swarm
from live_swarm import live_swarm
from secret_cases import ENVIRON, INNOCENT, MIXED, SECRETS

from browser import dashboard
from swarm_shared.domain.models import Role, Status

pytestmark = pytest.mark.integration

KEY = "sk-" + MIXED[:48]
PARTS = [part for case in SECRETS for part in case.secret.split("\n") if "KEY" not in part]
OURS = {name: value for name, value in ENVIRON.items() if name not in ("PATH", "PWD")}
FIRST_FAILS = 'test "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 2'


def left_in(text: str) -> list[str]:
    return [part for part in PARTS if part in text or json.dumps(part)[1:-1] in text]


def test_no_secret_reaches_the_database_or_any_view(tmp_path: Path) -> None:
    printed = tmp_path / "printed.txt"
    printed.write_text("\n".join([*(case.text for case in SECRETS), *INNOCENT, ""]))
    dripping = f"printf 'key %s' {KEY[:20]}; sleep 0.4; printf '%s\\n' {KEY[20:]}"
    with landing_swarm(tmp_path) as swarm:
        swarm.settings |= OURS
        # In files, because a task's definition is stored as it was written.
        scripts = {
            "agent.sh": f"cat {printed}; cat {printed} >&2; {dripping}; echo token={MIXED} > kept.txt",
            "setup.sh": f"tail -n 120 {printed}",
            "check.sh": f"{FIRST_FAILS} || {{ cat {printed}; exit 1; }}",
        }
        for name, script in scripts.items():
            (tmp_path / name).write_text(script)
        setup = swarm.folder / "swarm.yaml"
        setup.write_text(f"setup: ['sh {tmp_path}/setup.sh']\ngate: ['sh {tmp_path}/setup.sh']\n")
        swarm.add(swarm.task("a", f"sh {tmp_path}/agent.sh", checks=(f"sh {tmp_path}/check.sh",)))
        swarm.worker()
        swarm.wait_for("a", Status.COMPLETED)
        assert len(swarm.attempts("a")) == 2
        assert swarm.landed("kept.txt") == f"token={MIXED}"  # your files are yours

        # As bytes, whatever table they would be in.
        files = [path for path in swarm.folder.glob("tasks.db*") if path.is_file()]
        raw = b"".join(path.read_bytes() for path in files)
        assert [part for part in PARTS if part.encode() in raw] == []
        assert KEY[20:].encode() not in raw
        assert raw.count(b"[redacted]") > len(SECRETS)

        def cli(*words: str) -> str:
            command = [sys.executable, "-m", "amplifier_swarm", *words, "--db", str(swarm.path)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=swarm.project, env=os.environ | OURS)
            assert done.returncode == 0, done.stderr
            return done.stdout

        shown = {
            "logs": cli("logs", "a"),
            "task-info": cli("task-info", "a", "--json"),
            "diff": cli("diff", "a"),
            "prompt": cli("prompt", "a", "--attempt", "2"),
        }
        with dashboard(swarm.path) as page:
            headers = {"Authorization": f"Bearer {page.token}"}
            paths = [
                "",
                "/attempts/1/log?limit=1000000",
                "/attempts/2/log?limit=1000000",
                "/attempts/2/prompts",
                "/attempts/2/diff",
            ]
            for path in paths:
                request = urllib.request.Request(f"{page.url}/api/tasks/a{path}", headers=headers)
                shown[path] = urllib.request.urlopen(request, timeout=20).read().decode()
        assert {way: left_in(text) for way, text in shown.items() if left_in(text)} == {}
        assert "token=[redacted]" in shown["diff"]
        assert all(line in shown["logs"] for line in INNOCENT)


@pytest.mark.parametrize("validator", [True, False])
def test_secrets_in_a_definition_are_stored_only_in_the_definition(tmp_path: Path, validator: bool) -> None:
    with live_swarm(tmp_path) as swarm:
        check = f": curl -u me:{MIXED[:20]} https://example.com/; false"
        task = swarm.scripted(
            "a",
            description=f"Log in with {KEY}",
            env={"APP_PASSWORD": "of-this-task-0nly"},
            checks=() if validator else (check,),
            script={
                "builder": [{"answer": {"status": "success", "summary": "I used of-this-task-0nly"}}],
                "validator": [{}],
            },
        )
        swarm.add(task)
        swarm.worker("worker-1", "--max-retries", "0")
        swarm.wait_for("a", Status.COMPLETED, Status.FAILED, Status.HELD)
        [attempt] = swarm.attempts("a")
        sessions = swarm.db.tasks.sessions(attempt["id"])
        stored = json.dumps(
            [attempt, sessions, swarm.db.events.newest(1000), swarm.db.tasks.get("a")["last_error"]], default=str
        )
        output = b"".join(chunk.data for session in sessions for chunk in swarm.db.output.read(session["id"]))
    assert {session["role"] for session in sessions} >= {Role.BUILDER, Role.VALIDATOR if validator else Role.CHECK}
    assert KEY not in stored
    assert MIXED[:20] not in stored
    assert b"of-this-task-0nly" not in output
    assert "[redacted]" in stored
