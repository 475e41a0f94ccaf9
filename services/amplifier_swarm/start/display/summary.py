"""The summary of a run on standard output: the state of the whole queue, what this run did, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from amplifier_swarm.start.display.unmerged_work import waiting_to_come_over
from amplifier_swarm.start.display.view import GROUPS_IN_ORDER
from amplifier_swarm.start.queue_state import End, QueueState
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import GROUP_OF, Group, HoldReason, Status
from swarm_shared.program.readable import cut, duration
from swarm_shared.program.terminal_text import safe
from swarm_shared.settings.settings import Settings
from swarm_shared.store.swarm.started_with import db_words
from swarm_shared.store.swarm.swarm import PAUSED
from swarm_shared.store.views.runs import Effort

LISTED = 20
_SAID_AGAIN = ("project_root", "agent_cli", "builder_agent", "validator_agent", "workers", "isolation", "land_into")
_NO_VALIDATION = " --no-validation"
_MINUTE_S, _HOUR_S = 60.0, 3600.0


def summary_lines(
    database: TaskDatabase, queue: QueueState, *, mark: int, elapsed_s: float, end: End, again: str = ""
) -> list[str]:
    """The lines of the summary, safe for a terminal.

    Args:
        again: The flags that a continued run needs, from `words_again`.
        mark: Where this run's attempts begin (`database.runs.mark`).
        end: How the run ended.
    """
    lines = [
        "",
        end.text(duration(elapsed_s * 1000)),
        "",
        *_groups(queue),
        "",
        _this_run(database.runs.effort_since(mark), elapsed_s),
        *_troubled(database, queue),
        *_blocked(database, queue),
        *_landed(database),
        *_settings(database, mark),
        *_next_steps(database, queue, again),
    ]
    return [safe(line, lines=True) for line in lines]


def _groups(queue: QueueState) -> Iterator[str]:
    tasks = dict.fromkeys(Group, 0)
    hours = dict.fromkeys(Group, 0.0)
    for status, (number, its_hours) in queue.counts.items():
        tasks[GROUP_OF[status]] += number
        hours[GROUP_OF[status]] += its_hours
    yield f"  {'':<12}{'tasks':>9}{'hours':>11}"
    for group in GROUPS_IN_ORDER:
        if tasks[group] or group is Group.COMPLETED:
            yield f"  {group:<12}{tasks[group]:>9,}{hours[group]:>11,.1f}"
    yield f"  {'total':<12}{sum(tasks.values()):>9,}{sum(hours.values()):>11,.1f}"


def _this_run(effort: Effort, elapsed_s: float) -> str:
    parts = [f"{effort.passed:,} passed in {effort.attempts:,} {'attempt' if effort.attempts == 1 else 'attempts'}"]
    if effort.refused:
        parts.append(f"{effort.refused:,} {'landing' if effort.refused == 1 else 'landings'} refused")
    if effort.retries:
        parts.append("1 of them a retry" if effort.retries == 1 else f"{effort.retries:,} of them retries")
    if effort.passed:
        parts.append(_rate(effort.passed / max(elapsed_s, 0.001)))
    if effort.tokens is not None:
        parts.append(f"{effort.tokens:,} tokens")
    if effort.cost_usd is not None:
        parts.append(f"${effort.cost_usd:,.2f}")
    return "  this run: " + ", ".join(parts)


def _rate(per_s: float) -> str:
    if per_s >= 1:
        return f"{per_s:,.1f} a second"
    if per_s * _MINUTE_S >= 1:
        return f"{per_s * _MINUTE_S:.1f} a minute"
    return f"{per_s * _HOUR_S:.1f} an hour"


def _troubled(database: TaskDatabase, queue: QueueState) -> Iterator[str]:
    number = queue.number(Status.FAILED, Status.HELD)
    if not number:
        return
    yield from ("", f"failed or held ({number:,}):")
    for task in database.runs.troubled(limit=LISTED):
        reason = f" ({task['hold_reason']})" if task["hold_reason"] else ""
        error = f": {cut(task['last_error'], 160)}" if task["last_error"] else ""
        yield f"  {cut(task['id'], 60)} {task['status']}{reason}{error}"
    yield from _more(number)


def _blocked(database: TaskDatabase, queue: QueueState) -> Iterator[str]:
    number = queue.number(Status.BLOCKED)
    if not number:
        return
    yield from ("", f"blocked ({number:,}):")
    for task_id, needs in database.runs.blocked(limit=LISTED):
        names = ", ".join(f"{cut(needed, 60)} ({status})" for needed, status in needs[:5])
        yield f"  {cut(task_id, 60)} waits for {names}"
    yield from _more(number)


def _landed(database: TaskDatabase) -> Iterator[str]:
    """The work that waits on the integration branch, and how to merge it."""
    shown = waiting_to_come_over(database.landings, limit=LISTED)
    if shown is None:
        return
    yield from ("", f"landed on {shown.branch}:")
    yield from (f"  {line}" for line in shown.graph)
    into = shlex.quote(shown.into) if shown.into else "BRANCH"
    yield f"  amplifier-swarm land --into {into}{db_words(database.path)}    (merge it)"


def _settings(database: TaskDatabase, mark: int) -> Iterator[str]:
    """What agents changed in the repository apart from commits."""
    changed = database.runs.settings_changed_since(mark, limit=LISTED)
    if changed:
        yield from ("", "changes in git's settings, which your checkout shares:")
        yield from (f"  {cut(task_id, 60)}: {cut(setting, 400)}" for task_id, setting in changed)


def _more(number: int) -> Iterator[str]:
    if number > LISTED:
        yield f"  and {number - LISTED:,} more"


def words_again(settings: Settings) -> str:
    """The flags of this run that say where and with which agents to continue, with a blank before each."""
    words = [
        f" --{name.replace('_', '-')} {shlex.quote(str(getattr(settings, name)))}"
        for name in _SAID_AGAIN
        if settings.origins.get(name) == "flag"
    ]
    return "".join(words) + ("" if settings.validation or settings.origins["validation"] != "flag" else _NO_VALIDATION)


def _next_steps(database: TaskDatabase, queue: QueueState, again: str) -> Iterator[str]:
    troubled = database.runs.troubled(limit=LISTED)
    going_on = queue.left > 0
    worked = database.runs.mark() > 0
    if not troubled and not going_on and not worked:
        return
    db = db_words(database.path)
    yield from ("", "what next:")
    if troubled:
        first = shlex.quote(str(troubled[0]["id"]))
        asking = [task for task in troubled if task["hold_reason"] == HoldReason.QUESTION]
        if asking:
            yield f'  amplifier-swarm answer {shlex.quote(str(asking[0]["id"]))} "…"{db}    (reply to its question)'
        yield f"  amplifier-swarm task-info {first}{db}    (its attempts, and why it ended)"
        yield f'  amplifier-swarm retry {first} --note "…"{db}    (try again, with your note)'
        if queue.number(Status.FAILED):
            yield f"  amplifier-swarm retry --status failed --yes{db}    (all failed tasks)"
    if going_on and (queue.flags.get(PAUSED) or any(hold.until_at is None for hold in queue.holds)):
        yield f"  amplifier-swarm resume{db}    (lift the hold or the pause, once its cause is fixed)"
    if troubled or going_on:
        yield f"  amplifier-swarm start{db}{again}    (continue)"
    if worked:
        yield f"  amplifier-swarm report --html report.html{db}    (results, time and cost as a page to keep or send)"
