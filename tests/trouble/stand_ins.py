"""One run with stand-ins: real workers, and an agent CLI whose provider misbehaves by the schedule."""

from __future__ import annotations

import json
import time
from pathlib import Path

from live_swarm import LiveSwarm, live_swarm, wait_until
from stand_in_provider import StandInProvider

from swarm_shared.domain.models import TaskSpec
from trouble.findings import Findings, find
from trouble.phases import FIRST, SECOND, SPARE, Phase, What

ROUTES = {FIRST: 2, SECOND: 2, SPARE: 1}  # with their tiers


def run(
    folder: Path, *, tasks: int, workers: int, session_s: float, phases: tuple[Phase, ...], limit_s: float,
    with_routes: bool = True, at_once: int = 3,
) -> Findings:  # fmt: skip
    """Run all tasks through all phases.

    Args:
        session_s: How long a healthy session takes.
        limit_s: When the run is given up.
        with_routes: Otherwise the first account alone.
        at_once: Sessions that a throttled account takes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with live_swarm(folder) as swarm:
        provider = StandInProvider(folder / "provider", session_s=session_s)
        names = list(ROUTES) if with_routes else [FIRST]
        routes = [
            {"name": name, "agent_cli": "stand-in", "account": name, "tier": ROUTES[name], "env": {"ACCOUNT": name}}
            for name in names
        ]
        settings = {"agent_clis": {"stand-in": provider.preset()}, "routes": {"builder": routes}}
        (folder / "swarm.yaml").write_text(json.dumps(settings))
        swarm.settings |= {"SWARM_AGENT_CLI": "stand-in", "SWARM_VALIDATION": "off", "SWARM_ISOLATION": "none"}
        swarm.add(*(TaskSpec(id=f"t{n:03}", name=f"t{n:03}") for n in range(tasks)))
        for n in range(1, workers + 1):
            swarm.worker(f"worker-{n}")
        wait_until(lambda: len(provider.sessions()) >= workers, swarm.logs)
        began_ms, began = swarm.db.clock.wall_ms(), time.monotonic()
        _misbehave(swarm, provider, phases, began, at_once)
        wait_until(lambda: _is_over(swarm), lambda: swarm.db.tasks.summary()["by_status"], limit_s)
        return find(swarm.path, began_ms=began_ms, lower=(SPARE,))


def _misbehave(
    swarm: LiveSwarm, provider: StandInProvider, phases: tuple[Phase, ...], began: float, at_once: int
) -> None:
    """Play the schedule; after a wrong key was corrected, the user resumes."""
    for phase in phases:
        _sleep_until(began + phase.begins_s)
        if _is_over(swarm):
            return
        for account in phase.accounts:
            match phase.what:
                case What.THROTTLE:
                    provider.throttles(account, at_once=at_once, wait_s=3)
                case What.WINDOW:
                    provider.window(account, opens_in_s=began + phase.ends_s - time.monotonic())
                case What.BAD_KEY:
                    provider.fails(account, 401, "invalid x-api-key")
                case What.OUTAGE:
                    provider.fails(account, 503, "Service Unavailable, try again in 4s")
        _sleep_until(began + phase.ends_s)
        for account in phase.accounts:
            provider.works(account)
        if phase.what is What.BAD_KEY:
            swarm.db.swarm.resume(actor="the user")


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _is_over(swarm: LiveSwarm) -> bool:
    by_status = swarm.db.tasks.summary()["by_status"]
    return all(status in ("completed", "failed", "held") for status, count in by_status.items() if count)
