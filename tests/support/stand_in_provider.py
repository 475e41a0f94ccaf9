"""A provider with several accounts, and an agent CLI that talks to it: both are files, which a test can change.

The agent speaks like Claude Code. Which account it uses is in its environment, as with real ones.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

_ANSWERS = {
    "builder": {"status": "completed", "files_created": [], "implementation_notes": "done", "blockers": []},
    "validator": {"verdict": "PASS", "confidence": 0.9, "critical_issues": [], "summary": "good"},
}
_AGENT = """#!/bin/sh
prompt=$(cat)
cd {folder}
echo "$(date +%s%N) $ACCOUNT $AMPLIFIER_SWARM_ROLE $AMPLIFIER_SWARM_TASK_ID $*" >> sessions
[ -e "$ACCOUNT.hangs" ] && exec sleep 600
[ -e "$ACCOUNT" ] && exec cat "$ACCOUNT"
mine=running/$ACCOUNT.$$
touch "$mine"
if [ -e "$ACCOUNT.at_once" ] && [ "$(ls running | grep -c "^$ACCOUNT[.]")" -gt "$(cat "$ACCOUNT.at_once")" ]; then
    rm "$mine"
    exec cat "$ACCOUNT.throttled"
fi
sleep {session_s}
rm "$mine"
cat "$AMPLIFIER_SWARM_ROLE"
"""


class StandInProvider:
    """Accounts are healthy until a test changes that."""

    def __init__(self, folder: Path, *, session_s: float = 0.0) -> None:
        """`session_s`: how long a healthy session takes."""
        (folder / "running").mkdir(parents=True)
        self._folder = folder
        self.agent = folder / "agent"
        self.agent.write_text(_AGENT.replace("{folder}", str(folder)).replace("{session_s}", f"{session_s:g}"))
        self.agent.chmod(0o755)
        for role, answer in _ANSWERS.items():
            self._write(role, _result(json.dumps(answer)))

    def preset(self) -> dict[str, Any]:
        """For `agent_clis` of swarm.yaml."""
        return {
            "like": "claude",
            "binary": str(self.agent),
            "argv": ["{options}"],
            "resume": ["resume", "{session_id}", "{options}"],
            "ready": [],
            "version": [],
            "session_variables": [],
        }

    def answer(self, role: str, text: str | None = None) -> str:
        """What healthy sessions of that role print; with `text`, from now on this."""
        if text is not None:
            (self._folder / role).write_text(text)
        return (self._folder / role).read_text()

    def fails(self, account: str, status: int, text: str = "no") -> None:
        """From now on every session of the account ends with this HTTP status."""
        self._write(account, _result(f"API Error: {status} {text}", is_error=True, api_error_status=status))

    def throttles(self, account: str, *, at_once: int, wait_s: int) -> None:
        """From now on sessions beyond so many at once are refused."""
        text = f"API Error: 429 rate limit, try again in {wait_s}s"
        self._write(f"{account}.throttled", _result(text, is_error=True, api_error_status=429))
        (self._folder / f"{account}.at_once").write_text(str(at_once))

    def window(self, account: str, opens_in_s: float) -> None:
        """The account's plan is used up until then."""
        text = f"Claude AI usage limit reached|{int(time.time() + opens_in_s)}"
        self._write(account, _result(text, is_error=True, api_error_status=429))

    def hangs(self, account: str) -> None:
        """Its sessions never end."""
        (self._folder / f"{account}.hangs").touch()

    def works(self, account: str) -> None:
        """The account is healthy again."""
        for name in (account, f"{account}.at_once"):
            (self._folder / name).unlink(missing_ok=True)

    def sessions(self) -> list[tuple[str, str, str, str]]:
        """Every session so far: account, role, task and arguments."""
        file = self._folder / "sessions"
        lines = file.read_text().splitlines() if file.exists() else []
        found = []
        for line in lines:
            _, account, role, task, *words = line.split(" ")
            found.append((account, role, task, " ".join(words).strip()))
        return found

    def _write(self, name: str, *events: dict[str, Any]) -> None:
        file = self._folder / f".{name}"
        file.write_text("".join(json.dumps(event) + "\n" for event in events))
        file.rename(self._folder / name)  # a session reads the old or the new one


def _result(text: str, *, is_error: bool = False, **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    return {"type": "result", "subtype": "success", "is_error": is_error, "result": text, "session_id": "s-1",
            "usage": usage, "total_cost_usd": 0.0 if is_error else 0.01, **more}  # fmt: skip
