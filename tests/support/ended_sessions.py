"""Ended sessions of agent CLIs, and what is read from them."""

from __future__ import annotations

import json

from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.session_result import Reading, SessionEnd, read_session
from swarm_shared.domain.models import Role

PRESETS = load_presets()
NOW_MS = 1_800_000_000_000
BUILT = {"status": "success", "files_created": ["a.py"], "files_modified": [], "tests_passed": True}
PASSED = {"verdict": "PASS", "confidence": 0.9, "critical_issues": [], "summary": "seen"}


def fenced(answer: object) -> str:
    return f"All done.\n\n```json\n{json.dumps(answer, indent=2)}\n```\n"


def read(
    stdout: str,
    *,
    cli: AgentCli = PRESETS["amplifier"],
    role: Role = Role.BUILDER,
    code: int | None = 0,
    signum: int | None = None,
    stderr: str = "",
    began: bool = False,
) -> Reading:
    end = SessionEnd(exit_code=code, signal=signum, stdout=stdout, stderr=stderr, began=began)
    return read_session(cli, role, end, NOW_MS)
