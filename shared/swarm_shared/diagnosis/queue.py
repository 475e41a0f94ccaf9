"""Whether tasks can start and land: provider holds, stops, failing attempts, the integration branch."""

from __future__ import annotations

from collections.abc import Iterator

from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.finding import RESUME, Finding, Level
from swarm_shared.domain.clock import iso
from swarm_shared.store.queue.landing_queue import LandingQueue
from swarm_shared.store.queue.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN, Flag, ProviderHold
from swarm_shared.store.views.pulse import Pulse

FAILING_WARN = 0.5
FAILING_WARN_ENDS = 5  # fewer say nothing
# What it means, and what to do: as text, and what to type.
_FLAGS: dict[str, tuple[str, str | None, str | None]] = {
    PAUSED: ("the queue is paused", None, RESUME),
    DRAINED: ("the swarm is drained: workers take no new tasks", None, RESUME),
    EMERGENCY_STOP: ("the swarm was stopped by an emergency stop", None, RESUME),
    DISK_LOW: (
        "the disk is nearly full, so no new tasks start",
        "free some space; the swarm then continues automatically",
        None,
    ),
    RUNNER_DOWN: ("the runner cannot start anything, so no new tasks start", None, "amplifier-swarm runners check"),
}  # fmt: skip


def queue_findings(database: TaskDatabase) -> Iterator[Finding]:
    pulse = Pulse(database.connection, database.clock)
    yield from _holds(database)
    yield from _stops(database, pulse)
    yield _failing(pulse)
    yield from _landing(database, pulse)


def _holds(database: TaskDatabase) -> Iterator[Finding]:
    holds = database.swarm.holds()
    yield from map(hold_finding, holds)
    if not holds:
        yield Finding(code="no_holds", part="queue", name="agent CLIs", level=Level.OK, text="none is on hold")


def hold_finding(hold: ProviderHold) -> Finding:
    """A route on which no session may start."""
    endless = hold.until_at is None
    until = "until you resume" if endless else f"until {iso(hold.until_at)}"
    return Finding(
        code="provider_hold", part="queue", name="agent CLI", level=Level.BAD if endless else Level.WARN,
        text=f"{hold.route} is on hold {until} ({hold.kind}): {hold.reason}",
        advice="once the cause is fixed" if endless else "to try it immediately", command=RESUME, target=hold.route,
    )  # fmt: skip


def flag_finding(flag: Flag) -> Finding:
    """A stored state that stops claims."""
    meaning, advice, command = _FLAGS[flag.name]
    text = f"{meaning} (by {flag.actor} since {iso(flag.set_at)})" + (f": {flag.reason}" if flag.reason else "")
    return Finding(
        code=flag.name, part="queue", name="claims", level=Level.WARN, text=text, advice=advice, command=command
    )  # fmt: skip


def _stops(database: TaskDatabase, pulse: Pulse) -> Iterator[Finding]:
    flags = [flag for flag in database.swarm.flags().values() if flag.name != DISK_LOW]
    yield from map(flag_finding, flags)
    if not flags:
        since = pulse.oldest_ready()
        age_ms = None if since is None else database.clock.wall_ms() - since
        text = "nothing is ready" if age_ms is None else f"the oldest ready task has waited {_age(age_ms)}"
        yield Finding(code="claims_open", part="queue", name="claims", level=Level.OK, text=text)


def _failing(pulse: Pulse) -> Finding:
    ends = pulse.recent_ends()
    code, level, advice = "failing_rate", Level.OK, None
    if ends.failing_rate is None:
        text = "no attempt has ended within the hour"
    else:
        text = f"{ends.failed:,} of {ends.ended:,} attempts of the last hour failed"
        if ends.failing_rate >= FAILING_WARN and ends.ended >= FAILING_WARN_ENDS:
            code, level, advice = "failing_often", Level.WARN, "Look at the failed tasks; many often share one cause."
    return Finding(code=code, part="queue", name="failing", level=level, text=text, advice=advice)


def _landing(database: TaskDatabase, pulse: Pulse) -> Iterator[Finding]:
    branch = LandingQueue(database.connection, database.clock).branch()
    if branch is None:
        return
    part, name, now = "queue", "landing", database.clock.wall_ms()
    to_land = pulse.to_land()
    text = f"{to_land.tasks:,} wait to land on {branch['branch']}"
    if branch["state"] == "stopped":
        text = f"nothing lands on {branch['branch']}, {to_land.tasks:,} wait"
        advice = "fix the branch, then resume"
        yield Finding(
            code="landing_stopped", part=part, name=name, level=Level.BAD, text=text, advice=advice, command=RESUME
        )  # fmt: skip
    elif to_land.since is not None and to_land.is_late(now):
        text += f", the first for {_age(now - to_land.since)}"
        yield Finding(
            code="landing_late", part=part, name=name, level=Level.WARN, text=text, advice="see the landing queue"
        )  # fmt: skip
    else:
        yield Finding(code="landing", part=part, name=name, level=Level.OK, text=text)


def _age(ms: int) -> str:
    minutes = ms // 60_000
    if minutes < 1:
        return f"{ms // 1000} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
