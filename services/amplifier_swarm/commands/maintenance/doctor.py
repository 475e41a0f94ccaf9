"""`doctor`: checks of the machine, the database and the swarm, each with advice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.as_started import as_started
from amplifier_swarm.commands.look.worker_rows import workers_shown
from amplifier_swarm.findings import Finding, Level, bad
from amplifier_swarm.repository_checks import about_git, about_landing
from amplifier_swarm.supervision import supervision
from amplifier_swarm.terminal import console, is_terminal, print_json, say, size, style_of
from swarm_shared.domain.errors import InputError, SupervisorError, SwarmError
from swarm_shared.git.worktrees.database_inside import danger
from swarm_shared.own_checkout import not_pointed_at_a_project
from swarm_shared.processes.identity import ProcessId
from swarm_shared.program.settings import Settings
from swarm_shared.program.terminal_text import safe
from swarm_shared.store.engine.write_lock import write_lock_holder
from swarm_shared.store.views.runs import AgentsNamed
from swarm_shared.store.views.standstill import REAPER, Standstills

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

WAL_WARN_BYTES = 256 * 1024 * 1024
TASKS_LOOKED_AT = 50_000
SERVICES = (REAPER, "dashboard")


@command("doctor", example="doctor\ndoctor --json", short_help="Check the swarm and what it needs, with advice.")
@json_option
def doctor(app: App, as_json: bool) -> int:
    """Check engine, database, disk, services, supervisord, repository and agent CLI; changes nothing.

    Exit code 3 when something is bad.
    """
    findings = []
    for finding in _all(app):
        findings.append(finding)
        if not as_json:
            _tell(finding)
    healthy = all(finding.level is not Level.BAD for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "checks": [asdict(finding) for finding in findings]})
    return 0 if healthy else InputError.exit_code


def _tell(finding: Finding) -> None:
    advice = f"\n      → {safe(finding.advice)}" if finding.advice else ""
    line = f" {safe(finding.name)}: {safe(finding.text)}{advice}"
    if is_terminal():
        from rich.text import Text

        told = Text.assemble((f"{finding.level:<4}", style_of(finding.level)), line)
        console().print(told, soft_wrap=True)
    else:
        say(f"{finding.level:<4}{line}")


def _all(app: App) -> Iterator[Finding]:
    settings, named, landed = None, list[AgentsNamed](), None
    try:
        settings = app.settings()
        yield Finding(name="settings", level=Level.OK, text="all can work")
    except SwarmError as error:
        yield bad("settings", error)
    try:
        with app.open(read_only=True) as database:
            for check in (_engine, _place, _log, _disk, _lock):
                yield from _guarded(check, app, database, settings)
            whole = list(_guarded(_whole, app, database, settings))
            yield from whole
            # What a damaged file says about the rest would only mislead.
            if all(finding.level is not Level.BAD for finding in whole):
                for check in (_services, _workers, _flags, _landing):
                    yield from _guarded(check, app, database, settings)
                named = database.runs.agents_named(limit=TASKS_LOOKED_AT)
                if settings is not None:
                    settings = as_started(settings, database)
                landed = database.landings.integration()
    except SwarmError as error:
        yield bad("database", error)
    yield _supervisord(app)
    if settings is not None:
        # A database that has landed elsewhere belongs to a service that was pointed there; below, git says so.
        if landed is None and (unpointed := not_pointed_at_a_project(settings)) is not None:
            yield bad("project", unpointed)
        yield from about_git(settings, landed)
        yield from _agents(settings, named)


_Check = Callable[[App, "TaskDatabase", Settings | None], Iterator[Finding]]


def _guarded(check: _Check, app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    """One check that cannot be made must not hide the others."""
    try:
        yield from check(app, database, settings)
    except SwarmError as error:
        yield bad(check.__name__.strip("_"), error)


def _engine(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    # A version that can lose committed work was refused when the database was opened.
    yield Finding(name="engine", level=Level.OK, text=f"SQLite {database.health.engine_version()}")


def _whole(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    damage = database.health.damage()
    if damage:
        advice = "keep the file, then restore a copy made with: amplifier-swarm backup FILE"
        yield Finding(name="database", level=Level.BAD, text=f"damaged: {damage[0]}", advice=advice)
        return
    total = sum(count for count, _ in database.tasks.counts().values())
    text = f"{database.path} is whole: {total:,} tasks, {size(database.health.sizes().database_bytes)}"
    mode = os.stat(database.path).st_mode
    if mode & 0o077:
        advice = f"it holds the dashboard's token: chmod 600 {database.path}"
        yield Finding(name="database", level=Level.WARN, text=f"{text}, but others can read it", advice=advice)
    else:
        yield Finding(name="database", level=Level.OK, text=text)


def _place(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    text = danger(database.path)
    if text is not None:
        told, _, advice = text.partition("; a safer place: ")
        yield Finding(name="place", level=Level.WARN, text=told, advice=advice)


def _log(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    wal = database.health.sizes().wal_bytes
    if wal > WAL_WARN_BYTES:
        advice = "some program reads for very long and keeps it from shrinking; end it"
        yield Finding(name="write-ahead log", level=Level.WARN, text=size(wal), advice=advice)
    else:
        yield Finding(name="write-ahead log", level=Level.OK, text=size(wal))


def _disk(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    free = database.health.sizes().free_bytes
    wanted = (settings.min_free_mb if settings else 0) * 1024 * 1024
    text = f"{size(free)} free under {database.path.parent}"
    if free < wanted:
        advice = f"free some space: below {size(wanted)} no task starts (SWARM_MIN_FREE_MB)"
        yield Finding(name="disk", level=Level.BAD, text=text, advice=advice)
    else:
        yield Finding(name="disk", level=Level.OK, text=text)


def _lock(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    """A lock held for a moment is daily life; one that stays with the same process is not."""
    holder = write_lock_holder(database.path)
    if holder is None:
        yield Finding(name="write lock", level=Level.OK, text="free")
        return
    process = ProcessId.of(holder)
    told = process.describe() if process is not None else f"pid {holder}"
    stopped = "state T" in told
    advice = f"it is stopped: kill -CONT {holder}, or kill -9 {holder}" if stopped else "ask again: it should be short"
    yield Finding(name="write lock", level=Level.WARN, text=f"held by {told}", advice=advice)


def _services(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    services = database.swarm.services()
    for name in SERVICES:
        service = services.get(name)
        if service is not None and service.is_alive():
            silent = Standstills(database.connection, app.clock).silent_reaper() if name == REAPER else None
            if silent is not None:
                yield Finding(name=name, level=Level.WARN, text=silent.text, advice=silent.advice)
                continue
            silent_s = service.silent_ms(app.clock) // 1000
            yield Finding(name=name, level=Level.OK, text=f"pid {service.process.pid}, seen {silent_s} s ago")
            continue
        advice = f"start the swarm: {database.swarm.start_command()}, or supervisord -c supervisord.conf"
        yield Finding(name=name, level=Level.WARN, text="does not run", advice=advice)


def _workers(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    workers = workers_shown(database)
    alive = [worker for worker in workers if worker["status"] not in ("stopped", "crashed")]
    for worker in workers:
        if worker["status"] == "crashed":
            told = f"{worker['worker_id']} crashed" + (f": {worker['remark']}" if worker["remark"] else "")
            yield Finding(name="workers", level=Level.WARN, text=told, advice="amplifier-swarm ctl tail swarm-worker:*")
    orphans = database.find_orphaned_tasks(settings.orphan_timeout_min if settings else 30)
    if orphans:
        names = ", ".join(orphan["id"] for orphan in orphans[:5])
        advice = "the reaper takes them back; where none runs: amplifier-swarm reset-orphans"
        yield Finding(name="orphans", level=Level.WARN, text=f"{len(orphans)} lost: {names}", advice=advice)
    if alive:
        yield Finding(name="workers", level=Level.OK, text=f"{len(alive)} alive")
    else:
        yield Finding(name="workers", level=Level.WARN, text="none runs", advice=database.swarm.start_command())


def _flags(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    for flag in database.swarm.flags().values():
        told = f"{flag.name} by {flag.actor}" + (f": {flag.reason}" if flag.reason else "")
        yield Finding(name="queue", level=Level.WARN, text=told, advice="amplifier-swarm resume")
    for hold in database.swarm.holds():
        yield Finding(
            name="queue",
            level=Level.WARN,
            text=f"agent CLI {hold.agent_cli} is held ({hold.kind}): {hold.reason}",
            advice="amplifier-swarm resume, once the cause is fixed",
        )


def _landing(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    yield from about_landing(database)


def _supervisord(app: App) -> Finding:
    name = "supervisord"
    try:
        found = supervision(app)
        state = found.client.state()
    except SupervisorError as error:
        return Finding(name=name, level=Level.WARN, text=error.message, advice=error.hint)
    return Finding(name=name, level=Level.OK, text=f"{state}, {found.configuration}")


def _agents(settings: Settings, named: Sequence[AgentsNamed]) -> Iterator[Finding]:
    """As `start` checks them, so that both say the same."""
    from amplifier_swarm.start.checks.run_agents import check_agents

    name = "agent CLI"
    if not settings.project_root.is_dir():
        text = f"the project root {settings.project_root} is no folder"
        yield Finding(name=name, level=Level.BAD, text=text, advice="name it with SWARM_PROJECT_ROOT or --project-root")
        return
    found = check_agents(settings, named, os.environ)
    for problem in found.problems:
        yield Finding(name=name, level=Level.BAD, text=problem.text, advice=problem.hint or None)
    for texts in found.undecided.values():
        for text in texts:
            yield Finding(name=name, level=Level.WARN, text=text, advice="start tries it out")
    for text in found.warnings:
        yield Finding(name=name, level=Level.WARN, text=text)
    if not found.problems and not found.undecided:
        yield Finding(name=name, level=Level.OK, text=f"{settings.agent_cli} can start, and knows its agents")
