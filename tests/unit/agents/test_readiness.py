"""Whether an agent CLI is logged in, as the CLI itself reports it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from swarm_shared.agents.launching.readiness import Readiness, Ready, ask_ready
from swarm_shared.agents.presets.catalog import load_presets


def asked(folder: Path, script: str, *, timeout_s: float = 20.0, **more: Any) -> Readiness:
    program = folder / "agent"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    entry = {"binary": str(program), "argv": ["run"], "ready": ["auth", "status"], **more}
    cli = load_presets({"mine": entry})["mine"]
    return ask_ready(cli, env=dict(os.environ), cwd=folder, timeout_s=timeout_s)


def test_exit_code_0_means_logged_in(tmp_path: Path) -> None:
    answer = asked(tmp_path, '[ "$*" = "auth status" ] && printf \'{\\n  "loggedIn": true\\n}\\n\'')
    assert answer == Readiness(ready=Ready.YES, words='{ "loggedIn": true }')


def test_another_exit_code_means_not_logged_in_and_the_clis_message_is_shown(tmp_path: Path) -> None:
    answer = asked(tmp_path, "echo 'WARNING: noise' >&2; echo 'Not logged in' >&2; exit 1")
    assert answer == Readiness(ready=Ready.NO, words="Not logged in")
    assert asked(tmp_path, "exit 3").words.endswith("agent auth status` ended with exit code 3")


def test_a_negative_result_that_may_be_wrong_is_unknown(tmp_path: Path) -> None:
    answer = asked(tmp_path, "echo 'Not logged in'; exit 1", ready_may_err=True)
    assert answer == Readiness(ready=Ready.UNKNOWN, words="Not logged in")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ready": []}, "mine has no command"),
        ({"binary": "no-such-agent-cli"}, "was not found"),
    ],
)
def test_without_a_command_or_a_program_it_is_unknown(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    answer = asked(tmp_path, "exit 1", **more)
    assert answer.ready is Ready.UNKNOWN
    assert words in answer.words


def test_a_command_that_does_not_answer_is_unknown(tmp_path: Path) -> None:
    answer = asked(tmp_path, "exec sleep 60", timeout_s=0.2)
    assert answer.ready is Ready.UNKNOWN
    assert "did not answer within 0.2 s" in answer.words


def test_a_program_that_cannot_be_started_is_unknown(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    answer = asked(tmp_path, "exit 0", binary=str(broken))
    assert answer.ready is Ready.UNKNOWN
    assert "cannot be started" in answer.words


def test_the_presets_of_clis_with_a_login_command_name_it() -> None:
    presets = load_presets()
    assert presets["claude"].ready == ("auth", "status")
    assert presets["codex"].ready == ("login", "status")
    assert presets["codex"].ready_may_err, "a user's own provider needs no login"
