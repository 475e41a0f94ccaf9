"""The data of the routes and the live socket, from the database, in the formats of the JSON interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import asdict

from swarm_dashboard.drawing import pulse_series as pulse
from swarm_dashboard.payloads.actions import chain_is_broken, verbs_for
from swarm_dashboard.web.database_reader import Reading
from swarm_dashboard.web.json_responses import for_page
from swarm_shared.diagnosis import Finding, obstacles
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Group
from swarm_shared.store.queue.settlement import LANDING
from swarm_shared.store.requests.bulk import Step
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN
from swarm_shared.store.views.logs.session_log import LogPiece
from swarm_shared.taskfile.definition import definition

SHORT_LIST = 6
MAX_CAUSES = 30  # the largest, of which the newest are listed
MAX_EVENTS = 500
MAX_LINKS = 200
MAX_SESSIONS = 50
MAX_ATTEMPTS = 100
_STOPPING = (PAUSED, DRAINED, EMERGENCY_STOP, DISK_LOW, RUNNER_DOWN)
_LANDING = (
    "id", "number", "worker_id", "claimed_at", "ended_at", "outcome", "failure_class", "error", "check_results",
    "must_fix",
)  # fmt: skip
_OVER = ("stopped", "crashed")


def status(reading: Reading) -> dict[str, Any]:
    """Everything that the first screen shows, and that other programs read from `/api/status`."""
    database, browse = reading.database, reading.browse
    now = database.clock.wall_ms()
    staff = workers(reading)
    flags = database.swarm.flags()
    recent = browse.recent(SHORT_LIST)
    summary = database.tasks.summary()
    prospect = database.prospects.now()
    notices = obstacles(database)
    return {
        **summary,
        "eta_s": prospect.eta_s if prospect.open_tasks else None,
        "eta_basis": {"passes": prospect.passes, "workers": len(prospect.staff.takers)},
        "stalled": prospect.stalled,
        "stuck": prospect.stuck,
        "paused": any(name in flags for name in _STOPPING),
        **database.swarm.workplace(),
        "flags": [
            {"name": f.name, "set_at": iso(f.set_at), "actor": f.actor, "reason": f.reason} for f in flags.values()
        ],
        "budget": database.spending.shown() | {"tasks": database.spending.of_running()[:SHORT_LIST]},
        "routes": [state.shown() for state in database.routes.now()],
        "holds": [
            {
                "route": h.route,
                "agent_cli": h.agent_cli,
                "kind": h.kind,
                "reason": h.reason,
                "since": iso(h.since),
                "until": iso(h.until_at),
            }
            for h in database.swarm.holds()
        ],
        "pulse": pulse.shown(reading),
        "workers": staff,
        "running": [row | {"verbs": verbs_for(row)} for row in browse.running(reading.log)],
        "obstacles": [asdict(finding) for finding in notices],
        "needs": needs(reading, notices),
        "needs_you": _needing(reading, recent),
        "just_failed": _listed(recent["failed"]),
        "just_finished": _listed(recent["completed"]),
        "services": {
            name: {"started_at": iso(s.started_at), "seen_at": iso(s.seen_at), "stopped_at": iso(s.stopped_at)}
            for name, s in database.swarm.services().items()
        },
        "seq": database.events.last_id(),
        "now": iso(now),
    }


def needs(reading: Reading, notices: Sequence[Finding]) -> dict[str, int]:
    """What will not continue by itself, as the Inbox lists it and its badge counts it.

    `total` tasks (`failed`, `held` and `cancelled` ones that others need) have stopped for so many `causes`. With the
    `notices` about the whole swarm that do not pass by themselves, those are the `groups` of the Inbox.
    """
    tasks, failures = reading.database.tasks.summary()["tasks"], reading.database.failures
    failed, held = tasks[Group.FAILED]["count"], tasks[Group.HELD]["count"]
    cancelled = tasks[Group.CANCELLED]["count"] and failures.cancelled_in_the_way()["tasks"]
    failing = failures.failing() + bool(failures.imported()["tasks"]) if failed else 0
    holding = len(failures.held_reasons()) if held else 0
    causes = failing + holding + bool(cancelled)
    lasting = sum(not finding.passes for finding in notices)
    counts = {"failed": failed, "failing": failing, "held": held, "holding": holding, "cancelled": cancelled}
    total = failed + held + cancelled
    return {**counts, "total": total, "causes": causes, "notices": lasting, "groups": causes + lasting}


def workers(reading: Reading) -> list[dict[str, Any]]:
    """Every worker, also those that have ended, with the age of the heartbeat in seconds."""
    now = reading.database.clock.wall_ms()
    shown = []
    for row in reading.database.workers.shown():
        row.pop("keeper_pid", None)
        age_s = round(max(0, now - row["last_heartbeat"]) / 1000, 1)
        row |= {name: iso(row[name]) for name in ("started_at", "stopped_at", "last_heartbeat")}
        shown.append(row | {"heartbeat_age_s": age_s, "alive": row["status"] not in _OVER})
    return shown


def task(reading: Reading, task_id: str) -> dict[str, Any]:
    """A task with its attempts, sessions, links, definition and log, each list bounded.

    Raises:
        NotFound: No such task.
    """
    tasks, browse = reading.database.tasks, reading.browse
    shown = tasks.get(task_id)
    seq = shown["seq"]
    tried = tasks.all_attempts(seq)
    attempts = [each for each in tried if each["kind"] != LANDING]
    landings = [{key: each[key] for key in _LANDING} for each in tried if each["kind"] == LANDING]
    links = browse.links(seq, limit=MAX_LINKS)
    verbs = verbs_for(shown)
    chain = chain_is_broken(shown, links["needs"])
    kept = attempts[-MAX_ATTEMPTS:]
    sizes = reading.database.changes.sizes(seq)
    for attempt in kept:
        attempt["changed"] = sizes.get(attempt["id"])
        attempt["sessions"] = reading.log.sessions(attempt["id"], limit=MAX_SESSIONS)
        attempt["landings"] = [each for each in landings if each["number"] == attempt["number"]]
    return {
        **shown,
        **links,
        "attempts": kept,
        "attempts_left_out": len(attempts) - len(kept),
        "log": browse.events_of(seq, limit=MAX_EVENTS),
        "definition": definition(tasks.spec(seq)),
        "verbs": ["retry", *verbs] if chain else verbs,
        "retry_is_chain": chain,
        "depend_on_it": tasks.behind(seq),
        "budget": reading.database.spending.of_task(seq),
        "now": iso(reading.database.clock.wall_ms()),
    }


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a list with the verbs that their buttons offer."""
    return [row | {"verbs": verbs_for(row)} for row in found]


def control(row: ControlRow, now: int, progress: Step | None = None) -> dict[str, Any]:
    """A control row; one that was not handled in time is shown as expired, even if it is not marked yet."""
    shown = row.shown() | {"result": without_commands(row.result)}
    if row.status == "pending" and now > row.expires_at:
        shown |= {"status": "expired"}
    if progress is not None and shown["status"] == "pending":
        shown["progress"] = progress.summary()
    if shown["status"] == "expired":
        shown["hint"] = "it was not carried out: the swarm or its reaper is not running"
    return shown


def without_commands(text: str | None) -> str | None:
    """An outcome without its advice for a terminal: the page has buttons instead."""
    if text is None:
        return None
    words, dash, advice = text.rpartition(" – ")
    return words if dash and for_page(advice) is None else text


def log_pieces(pieces: list[LogPiece]) -> list[Mapping[str, Any]]:
    return [{"start": p.start, "end": p.end, "stream": p.stream, "text": p.text} for p in pieces]


def _needing(reading: Reading, recent: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Held tasks, one failed task per cause, and one that was imported as failed; `alike` if others are like it."""
    failures, found = reading.database.failures, recent["held"]
    causes = {failures.failed_with(cause["fingerprint"]): cause for cause in failures.causes(MAX_CAUSES)[:SHORT_LIST]}
    rows = reading.browse.short_rows(seq for seq in causes if seq is not None)
    for seq, row in sorted(rows.items(), key=lambda item: causes[item[0]]["newest_at"], reverse=True):
        alike = causes[seq] if causes[seq]["failed"] > 1 else None
        found = [*found, row | {"message": "", "at": causes[seq]["newest_at"], "alike": alike}]
    if number := failures.imported()["tasks"]:
        alike = {"failed": number} if number > 1 else None
        for row in reading.browse.short_rows(failures.imported_seqs(1)).values():
            found = [*found, row | {"message": "", "at": row["updated_at"], "alike": alike}]
    found = found[:SHORT_LIST]
    return [shown | {"alike": row.get("alike")} for shown, row in zip(_listed(found), found, strict=True)]


def _listed(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = (
        "id",
        "name",
        "status",
        "group",
        "phase",
        "last_error",
        "hold_reason",
        "question",
        "message",
        "at",
        "attempt_count",
    )
    return [{key: row[key] for key in keys} | {"verbs": verbs_for(row)} for row in found]
