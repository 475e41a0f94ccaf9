"""Why a task waits, for every status: no task waits without a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from swarm_shared.diagnosis.finding import Action, Finding
from swarm_shared.diagnosis.programs import no_takers
from swarm_shared.diagnosis.queue import flag_finding, hold_finding
from swarm_shared.diagnosis.standstill import Standstills
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import FailureCause, FailureClass, HoldReason, Outcome, Status, Verb
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.landings import LANDING_LATE_MS, Landings
from swarm_shared.store.queue.recovery import TAKE_MY_WORD
from swarm_shared.store.queue.settlement import LANDING
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP, Swarm
from swarm_shared.store.swarm.workers import ABROAD_ADVICE, Workers, unknown_abroad
from swarm_shared.store.views.routes import Routes, in_use
from swarm_shared.store.views.tasks import Tasks
from swarm_shared.store.views.verdicts import output_end, same_problem

MAX_NAMED = 10
MAX_LINES = 20  # of what a failing check printed

_ENDED = frozenset({Status.FAILED, Status.HELD, Status.CANCELLED})
_SETTLED = frozenset({Status.APPROVED, Status.LANDING, Status.COMPLETED, Status.CANCELLED})
_HELD: Mapping[str, tuple[str, Verb | None]] = {
    HoldReason.KILLED: ("it was killed on request", Verb.RELEASE),
    HoldReason.BY_PERSON: ("it is on hold by request", Verb.RELEASE),
    HoldReason.CRASHED: ("its attempts crashed too often in a row", Verb.RETRY),
    HoldReason.UNREADABLE: ("the agent's answer was not in the required format, after repeats", Verb.RETRY),
    HoldReason.NOT_PROVEN_DEAD: ("processes of its last attempt are not proven gone", None),
    HoldReason.OBJECTION: ("its validator objects", Verb.APPROVE),
    HoldReason.SAME_PROBLEM: ("it failed with the same problem twice", Verb.RETRY),
    HoldReason.SHARED_STASH: ("it took a stash that it had not pushed, perhaps another task's work", Verb.RETRY),
    HoldReason.BUDGET: ("its own budget is used up; released, it gets a fresh one", Verb.RELEASE),
    HoldReason.NOT_LANDED: ("its work passed, but its landing was refused too often", Verb.RETRY),
    HoldReason.CANNOT_START: ("its sessions cannot be started", Verb.RETRY),
    HoldReason.QUESTION: ("its builder cannot continue without your answer", Verb.ANSWER),
    HoldReason.PROPOSED: ("the agent of another task proposed it, and it waits for your approval", Verb.RELEASE),
    HoldReason.AS_IMPORTED: ("its task file says held", Verb.RELEASE),
}


class Reason(Struct, frozen=True, kw_only=True):
    """One thing a task waits for, and what you can do about it.

    kind    A stable code for programs.
    advice  For a terminal. The others are for a page, which has buttons and links instead of most commands:
    hint    What to do as text, `command` what only a terminal can do, `action` what the page can offer.
    task    Another task, which this one waits for.
    """

    kind: str
    text: str
    advice: str | None = None
    hint: str | None = None
    command: str | None = None
    action: Action | None = None
    task: str | None = None

    @classmethod
    def of(cls, finding: Finding) -> Reason:
        """A finding about the whole swarm, as `doctor` and Health show it."""
        return cls(
            kind=finding.code, text=finding.text, advice=finding.what_to_do, hint=finding.advice,
            command=None if finding.action else finding.command, action=finding.action,
        )  # fmt: skip


class Explanation(Struct, frozen=True, kw_only=True):
    """All that keeps a task where it is; the first reason is the one that matters most.

    `same_problem` has the last attempt next to an earlier one that failed alike, if one did; see `verdicts`.
    """

    id: str
    status: Status
    reasons: tuple[Reason, ...]
    same_problem: dict[str, Any] | None = None

    def shown(self) -> dict[str, Any]:
        """In the shape of the JSON answer."""
        return {
            "id": self.id,
            "status": str(self.status),
            "reasons": [asdict(reason) for reason in self.reasons],
            "same_problem": self.same_problem,
        }


class Why(DataAccess):
    """Reads only."""

    def explain(self, task_id: str, *, default_cli: str) -> Explanation:
        """What a task waits for.

        Args:
            default_cli: The agent CLI of tasks that name none, where no worker has been started yet.

        Raises:
            NotFound: No such task.
        """
        task = Tasks(self._db, self._clock).get(task_id)
        status = Status(task["status"])
        started = Swarm(self._db, self._clock).started_with()
        default_cli = default_cli if started is None else started.agent_cli
        match status:
            case Status.NOT_STARTED | Status.WAITING_FILES:
                reasons = self._ready(task, status, default_cli)
            case Status.BLOCKED:
                reasons = self._blocked(task)
            case Status.SCHEDULED:
                reasons = [self._scheduled(task), *self._queue_stops()]
            case Status.CLAIMED | Status.IN_PROGRESS:
                reasons = [self._running(task)]
            case Status.APPROVED:
                reasons = [*self._queue_stops(), *self._no_workers(), self._approved(task), *self._late(task)]
            case Status.LANDING:
                text = f"it passed and is being landed by {task['worker_id']}"
                reasons = [Reason(kind="landing", text=text), *self._late(task)]
            case Status.HELD:
                reasons = [_held(task)]
            case _:
                reasons = [_ended(task, status)]
        if status is not Status.COMPLETED:
            reasons += self._printed(task)
        if status not in _ENDED and status is not Status.COMPLETED:
            reasons = [*self._standstills(), *reasons]
        same = None
        if status not in _SETTLED:
            same = same_problem(Tasks(self._db, self._clock).attempts(task["seq"]))
        return Explanation(id=task_id, status=status, reasons=tuple(reasons), same_problem=same)

    def _ready(self, task: dict[str, Any], status: Status, default_cli: str) -> list[Reason]:
        state = self._db.dicts(SQL["task_row_by_seq"], {"task": task["seq"]})[0]
        if state["open_attempt"] is not None:
            gone = "processes of its last attempt are not proven gone; it becomes ready when they are"
            return [Reason(kind="not_proven_gone", text=gone, advice="amplifier-swarm reset-orphans")]
        reasons = self._queue_stops()
        waits = Routes(self._db, self._clock).waits_for(state["agent_cli"], default_cli)
        reasons += [Reason.of(hold_finding(hold)) for hold in waits]
        if not waits:
            reasons += self._other_route(state["agent_cli"])
        reasons += self._no_workers()
        if status is Status.WAITING_FILES:
            other = self._db.dicts(SQL["task_row_by_seq"], {"task": state["clashes_with"]})
            name = other[0]["id"] if other else "a deleted task"
            text = f"its files overlap those of {name}, which runs or waits to land"
            if state["landing_failures"]:
                text += "; built again now, its landing could be refused again"
            return [
                Reason(
                    kind="files",
                    text=text,
                    advice=f"amplifier-swarm why {name}",
                    task=other[0]["id"] if other else None,
                ),
                *reasons,
            ]
        ahead = self._ahead(state, default_cli)
        place = (
            "it is ready and next in the queue"
            if not ahead
            else f"it is ready; {ahead:,} ready {'task comes' if ahead == 1 else 'tasks come'} before it"
        )
        return [*reasons, Reason(kind="queue", text=place)]

    def _ahead(self, state: dict[str, Any], default_cli: str) -> int:
        """Ready tasks that a claim would take first; those of a held agent CLI are skipped."""
        place = {"priority": state["priority"], "chain": state["chain"], "seq": state["seq"]}
        own = state["agent_cli"]
        return sum(
            int(self._db.value(SQL["rank_in_queue"], {"agent_cli": name, **place}))
            for (name,) in self._db.rows(SQL["agent_cli_names"])
            if name == own or not Routes(self._db, self._clock).waits_for(name, default_cli)
        )

    def _blocked(self, task: dict[str, Any]) -> list[Reason]:
        needs = Tasks(self._db, self._clock).needs(task["seq"])
        ended = [(name, status) for name, status in needs if status in _ENDED]
        waiting = [(name, status) for name, status in needs if status not in _ENDED and status != Status.COMPLETED]
        reasons = []
        if ended:
            first = ended[0][0]
            reasons.append(
                Reason(
                    kind="dependency_ended",
                    text=f"it needs {_named(ended)}, which did not complete: it waits until that changes",
                    advice=f"amplifier-swarm why {first}; amplifier-swarm retry {task['id']} --chain",
                )
            )
        if waiting:
            reasons.append(Reason(kind="dependency", text=f"it waits for {_named(waiting)}"))
        return reasons

    def _approved(self, task: dict[str, Any]) -> Reason:
        wait = Landings(self._db, self._clock).wait_of(task["seq"])
        if wait is not None:
            text = (
                f"it passed and waits for {wait.holder} to land first, which lost a race and changes {wait.path} too; "
                f"until {iso(wait.until_at)} at most"
            )
            return Reason(kind="turn", text=text, advice=f"amplifier-swarm why {wait.holder}", task=wait.holder)
        ahead = int(self._db.value(SQL["rank_to_land"], {"task": task["seq"]}))
        place = "next in turn" if not ahead else f"{ahead:,} come before it"
        return Reason(kind="approved", text=f"it passed and waits to land; {place}")

    def _late(self, task: dict[str, Any]) -> list[Reason]:
        since = self._db.dicts(SQL["task_row_by_seq"], {"task": task["seq"]})[0]["approved_at"]
        waited_ms = 0 if since is None else self._clock.wall_ms() - since
        if waited_ms <= LANDING_LATE_MS:
            return []
        text = (
            f"it has waited {waited_ms // 60_000} minutes since it passed, which is longer than a landing should take"
        )
        advice = "amplifier-swarm status; amplifier-swarm doctor"
        return [Reason(kind="landing_late", text=text, advice=advice, action=Action.LANDING)]

    def _printed(self, task: dict[str, Any]) -> list[Reason]:
        """What made the last attempt fail, at its checks or when it was to be landed, with the end of the output."""
        ended = Tasks(self._db, self._clock).history(task["seq"])
        if not ended or ended[-1]["outcome"] != Outcome.FAILED:
            return []
        last = ended[-1]
        is_landing = last["kind"] == LANDING
        reasons = []
        if is_landing and last["failure_class"] == FailureClass.QUALITY:
            text = f"the landing of attempt {last['number']} was refused: {last['error']}"
            reasons.append(Reason(kind="landing_refused", text=text, advice=f"amplifier-swarm task-info {task['id']}"))
        for check in last["check_results"] or ():
            if not check.get("passed"):
                printed = output_end(check, MAX_LINES)
                text = f"failing {'on the merged result' if is_landing else 'check'}: {check['command']}"
                reasons.append(Reason(kind="check_failed", text=f"{text}\n{printed}" if printed else text))
        return reasons

    def _scheduled(self, task: dict[str, Any]) -> Reason:
        last = f" after: {task['last_error']}" if task["last_error"] else ""
        return Reason(
            kind="scheduled",
            text=f"it is tried again at {task['due_at']}{last}",
            advice=f"to start it now: amplifier-swarm hold {task['id']} and then amplifier-swarm retry {task['id']}",
        )

    def _running(self, task: dict[str, Any]) -> Reason:
        now = self._clock.wall_ms()
        for row in Tasks(self._db, self._clock).running():
            if row["id"] != task["id"]:
                continue
            silent_s = max(0, now - row["progress_at"]) // 1000
            text = (
                f"it runs: {row['stage']} by {row['worker_id']}, attempt {row['number']}, "
                f"last sign of progress {silent_s} s ago"
            )
            workers = {w.run: w for w in Workers(self._db, self._clock).alive()}
            worker = workers.get(row["run"])
            if worker is not None and worker.process.is_foreign:
                text = f"{unknown_abroad([worker.worker_id], worker.hostname)}: attempt {row['number']} is left alone"
                return Reason(kind="workers_elsewhere", text=text, advice=ABROAD_ADVICE)
            if worker is None or worker.process.is_alive() is False:
                text = f"its worker {row['worker_id']} is gone; what is left of attempt {row['number']} must be ended"
                advice = "the reaper does this automatically; if no reaper runs: amplifier-swarm reset-orphans"
                return Reason(kind="orphaned", text=text, advice=advice)
            return Reason(kind="running", text=text, advice=f"amplifier-swarm logs {task['id']} -f")
        return Reason(kind="running", text="it is being claimed or settled right now")

    def _standstills(self) -> list[Reason]:
        return list(map(Reason.of, Standstills(self._db, self._clock).found()))

    def _queue_stops(self) -> list[Reason]:
        return [Reason.of(flag_finding(flag)) for flag in Swarm(self._db, self._clock).flags().values()]

    def _no_workers(self) -> list[Reason]:
        workers, swarm = Workers(self._db, self._clock), Swarm(self._db, self._clock)
        staff = workers.staff(dead=workers.absent())
        if staff.takers:
            return []
        if (staff.draining or staff.retiring) and swarm.flags().keys() & {DRAINED, EMERGENCY_STOP}:
            return []  # the reason above
        is_up = swarm.running("reaper") is not None
        return [Reason.of(no_takers(staff, is_up=is_up, start_command=swarm.start_command()))]

    def _other_route(self, own_cli: str) -> list[Reason]:
        """That a task of the default agent CLI will not run on its first route, and until when."""
        lines = in_use(Routes(self._db, self._clock).now()) if not own_cli else []
        return [Reason(kind="route", text=line) for line in lines]


def why_held(reason: str) -> tuple[str, Verb | None]:
    """What a hold reason means, and the usual next verb; None: nothing helps but waiting."""
    return _HELD.get(reason, (reason, Verb.RELEASE))


def _held(task: dict[str, Any]) -> Reason:
    word = str(task["hold_reason"])
    text, verb = why_held(word)
    detail = task["question"] if verb is Verb.ANSWER else task["last_error"]
    error = f": {detail}" if detail else ""
    advice = f"amplifier-swarm {verb} {task['id']}"
    if verb is Verb.ANSWER:
        advice += ' "…"'
    if verb is None:
        by_word = TAKE_MY_WORD.format(Verb.RELEASE, task["id"])
        advice = f"the reaper keeps trying; if you know that they are gone: {by_word}"
    if verb is Verb.APPROVE:
        advice += f", or amplifier-swarm reject {task['id']} --note …"
    return Reason(kind=f"held_{word}", text=f"it is held: {text}{error}", advice=advice)


def _ended(task: dict[str, Any], status: Status) -> Reason:
    retry = f"amplifier-swarm retry {task['id']}"
    if status is Status.COMPLETED:
        return Reason(kind="completed", text=f"it was completed at {task['completed_at']}")
    if status is Status.CANCELLED:
        return Reason(kind="cancelled", text="it was cancelled by request", advice=retry)
    tries = task["attempt_count"]
    error = f": {task['last_error']}" if task["last_error"] else ""
    text = f"it failed, and no retry is left after {tries} attempt{'' if tries == 1 else 's'}{error}"
    if task["cause"] == FailureCause.VALIDATOR:
        retry += f"; or accept it as it is: amplifier-swarm approve {task['id']}"
    return Reason(kind="failed", text=text, advice=f"amplifier-swarm task-info {task['id']}; {retry}")


def _named(tasks: Sequence[tuple[str, Status]]) -> str:
    names = ", ".join(f"{name} ({status})" for name, status in tasks[:MAX_NAMED])
    return names if len(tasks) <= MAX_NAMED else f"{names} and {len(tasks) - MAX_NAMED:,} more"
