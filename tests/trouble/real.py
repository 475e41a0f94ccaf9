"""One run with real agent CLIs: Claude Code on the first route and Codex on the second, each with its own provider."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

from agents.clis import BY_NAME, KEY
from agents.harness import Harness, User
from agents.install import Installed, install
from agents.provider import Fault, Provider
from trouble.findings import Findings, find
from trouble.phases import FIRST, SECOND, SPARE, Phase, What

_FAULTS = {
    What.WINDOW: Fault.WINDOW,
    What.BAD_KEY: Fault.UNAUTHORIZED,
    What.OUTAGE: Fault.OVERLOADED,
}


def run(
    folder: Path, *, tasks: int, workers: int, session_s: float, phases: tuple[Phase, ...], limit_s: float,
    with_routes: bool = True, at_once: int = 3,
) -> Findings:  # fmt: skip
    """As `stand_ins.run`; a session takes `session_s` and the time that its CLI needs."""
    clis = install()
    folder.mkdir(parents=True)
    with Provider(hurry=True, think_s=session_s) as first, Provider(hurry=True, think_s=session_s) as second:
        harness = _Harness(folder, first, second, clis, with_routes=with_routes)
        try:
            harness.queue(*(_task(f"t{n:03}") for n in range(tasks)))
            harness.start("--workers", str(workers), "--no-validation")
            harness.wait_for("the first session", lambda: first.sessions or None, limit_s)
            began_ms, began = round(time.time() * 1000), time.monotonic()
            player = threading.Thread(
                target=_misbehave, args=(harness, {FIRST: first, SECOND: second}, phases, began, at_once), daemon=True
            )
            player.start()
            harness.wait_end(limit_s)
            return find(folder / "tasks.db", began_ms=began_ms, lower=(SPARE,))
        finally:
            harness.clear_up()


class _Harness(Harness):
    """Both CLIs, and swarm.yaml with a route for each."""

    def __init__(self, folder: Path, first: Provider, second: Provider, clis: Installed, *, with_routes: bool) -> None:
        user = User.me()
        codex = BY_NAME["codex"]
        super().__init__(folder, BY_NAME["claude"], first, clis, user)
        for path, text in codex.files(second.url).items():
            file = folder / "home" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        self.env |= codex.env(second.url)
        self.env["FIRST_KEY"] = KEY
        routes = [
            {"name": FIRST, "agent_cli": "claude", "env": {"CLAUDE_CODE_OAUTH_TOKEN": "${FIRST_KEY}"}, "tier": 2},
            {"name": SECOND, "agent_cli": "codex", "tier": 2},
            {"name": SPARE, "agent_cli": "codex", "account": SPARE, "tier": 1},
        ]
        settings = {"routes": {"builder": routes if with_routes else routes[:1]}}
        (folder / "swarm.yaml").write_text(json.dumps(settings), encoding="utf-8")
        os.chmod(folder / "swarm.yaml", 0o644)


def _misbehave(
    harness: Harness, providers: dict[str, Provider], phases: tuple[Phase, ...], began: float, at_once: int
) -> None:
    for phase in phases:
        time.sleep(max(0.0, began + phase.begins_s - time.monotonic()))
        for account in phase.accounts:
            providers[account].window_s = max(1, round(began + phase.ends_s - time.monotonic()))
            providers[account].fault = _FAULTS.get(phase.what)
            providers[account].at_once = at_once if phase.what is What.THROTTLE else None
        time.sleep(max(0.0, began + phase.ends_s - time.monotonic()))
        for account in phase.accounts:
            providers[account].fault = providers[account].at_once = None
        if phase.what is What.BAD_KEY and harness.is_running():
            harness.swarm("resume")


def _task(name: str) -> dict[str, object]:
    description = "\n".join(["Write the file.", "", f"PLAY task {name}"])
    return {"id": name, "name": f"Task {name}", "description": description, "files": [f"done/{name}*"]}
