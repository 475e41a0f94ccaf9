"""Whether tasks can start and land: provider holds, stops, failing attempts, the integration branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.actors import requested_by
from swarm_shared.diagnosis.finding import RESUME, Action, Finding, Level
from swarm_shared.domain.clock import iso
from swarm_shared.domain.trouble import TroubleKind
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN, Flag, ProviderHold
from swarm_shared.store.views.landing_queue import LandingQueue
from swarm_shared.store.views.pulse import Pulse, ToLand

FIXED = "once the cause is fixed"
FAILING_WARN = 0.5
FAILING_WARN_ENDS = 5  # fewer say nothing
# What it means, what to do as text, what to type, and what a page can offer.
_FLAGS: dict[str, tuple[str, str | None, str | None, Action | None]] = {
    PAUSED: ("the queue is paused: no new tasks start, running ones continue", None, RESUME, Action.RESUME),
    DRAINED: ("the swarm is shutting down: running tasks finish, no new ones start", None, RESUME, Action.RESUME),
    EMERGENCY_STOP: (
        "the swarm was stopped by an emergency stop: all sessions were ended, and no tasks start",
        None,
        RESUME,
        Action.RESUME,
    ),
    DISK_LOW: (
        "the disk is nearly full: no new tasks start",
        "free some space; the swarm then continues automatically",
        None,
        None,
    ),
    RUNNER_DOWN: (
        "the runner cannot start anything: no new tasks start until it works again, which the reaper tests",
        None,
        "amplifier-swarm runners check",
        Action.RESUME,
    ),
}
_HOLDS = {
    TroubleKind.CREDENTIALS: "sign in to the agent CLI again, then resume",
    TroubleKind.QUOTA: "raise its quota or wait for the next period, then resume",
    TroubleKind.STARTUP: "fix what keeps it from starting, then resume",
}


def queue_findings(database: TaskDatabase) -> Iterator[Finding]:
    pulse = Pulse(database.connection, database.clock)
    branch = LandingQueue(database.connection, database.clock).branch()
    stopped = branch["branch"] if branch is not None and branch["state"] == "stopped" else None
    flags = database.swarm.flags()
    yield from _stops(database, pulse, flags, landing_stopped=stopped is not None)
    yield from _holds(database)
    yield _failing(pulse)
    if stopped is None:
        yield from _landing(database, pulse, branch=None if branch is None else branch["branch"])
    else:
        yield _landing_stopped(pulse, flags.get(PAUSED), branch=stopped)


def _holds(database: TaskDatabase) -> Iterator[Finding]:
    holds = database.swarm.holds()
    yield from map(hold_finding, holds)
    if not holds:
        yield Finding(code="no_holds", part="queue", name="agent CLIs", level=Level.OK, text="none is on hold")


def hold_finding(hold: ProviderHold) -> Finding:
    """A route on which no session may start."""
    endless, kind = hold.until_at is None, TroubleKind(hold.kind)
    until = "until you resume" if endless else f"until {iso(hold.until_at)}"
    return Finding(
        code="provider_hold", part="queue", name="agent CLI", level=Level.BAD if endless else Level.WARN,
        text=f"{hold.route} is on hold {until} ({hold.cause}): {hold.reason}",
        advice=_HOLDS.get(kind, FIXED) if endless else "resume to try it immediately", command=RESUME,
        target=hold.route, action=Action.RESUME, is_obstacle=True, passes=not endless,
    )  # fmt: skip


def flag_finding(flag: Flag) -> Finding:
    """A stored state that stops claims."""
    meaning, advice, command, action = _FLAGS[flag.name]
    text = f"{meaning} {_by_whom(flag)}"
    return Finding(
        code=flag.name, part="queue", name="claims", level=Level.WARN, text=text, advice=advice, command=command,
        action=action, is_obstacle=True,
    )  # fmt: skip


def _by_whom(flag: Flag) -> str:
    """Who set it, when, and why."""
    return f"({requested_by(flag.actor)}, {iso(flag.set_at)})" + (f": {flag.reason}" if flag.reason else "")


def _stops(
    database: TaskDatabase, pulse: Pulse, flags: Mapping[str, Flag], *, landing_stopped: bool
) -> Iterator[Finding]:
    for flag in flags.values():
        found = flag_finding(flag)
        # What stops landing pauses the queue, and is the finding to show.
        yield replace(found, is_obstacle=False) if landing_stopped and flag.name == PAUSED else found
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


def _landing(database: TaskDatabase, pulse: Pulse, *, branch: str | None) -> Iterator[Finding]:
    """Work that waits to land on a branch; None: nothing has landed yet, or tasks have no worktrees."""
    to_land, now = pulse.to_land(), database.clock.wall_ms()
    if to_land.since is not None and to_land.is_late(now):
        yield Finding(
            code="landing_late", part="queue", name="landing", level=Level.WARN,
            text=f"{_wait(to_land)}, the first for {_age(now - to_land.since)}", advice="see the landing queue",
            action=Action.LANDING, is_obstacle=True,
        )  # fmt: skip
    elif branch is not None:
        text = f"{_wait(to_land)} on {branch}"
        yield Finding(code="landing", part="queue", name="landing", level=Level.OK, text=text)


def _landing_stopped(pulse: Pulse, paused: Flag | None, *, branch: str) -> Finding:
    # Pausing for this reason does not replace the reason of an earlier pause, so it says who paused.
    pause = "" if paused is None else f", and the queue is paused {_by_whom(paused)}"
    return Finding(
        code="landing_stopped", part="queue", name="landing", level=Level.BAD,
        text=f"nothing lands on {branch}; {_wait(pulse.to_land())}{pause}",
        advice="fix the branch, then resume", command=RESUME, action=Action.RESUME, is_obstacle=True,
    )  # fmt: skip


def _wait(to_land: ToLand) -> str:
    return f"{to_land.tasks:,} {'task waits' if to_land.tasks == 1 else 'tasks wait'} to land"


def _age(ms: int) -> str:
    minutes = ms // 60_000
    if minutes < 1:
        return f"{ms // 1000} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
