"""`doctor`: check the machine, the database and the swarm, with advice for each finding."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.as_started import as_started
from amplifier_swarm.command_line.supervision import supervision
from amplifier_swarm.commands.maintenance.repository_checks import about_git, about_landing
from amplifier_swarm.output.terminal import console, is_terminal, print_json, say, style_of
from amplifier_swarm.start.checks.findings import bad
from amplifier_swarm.start.checks.findings import finding as _finding
from swarm_shared.diagnosis import Finding, Level, diagnose
from swarm_shared.diagnosis.standstill import Standstills
from swarm_shared.domain.errors import InputError, SupervisorError, SwarmError
from swarm_shared.git.worktrees.database_inside import danger
from swarm_shared.own_checkout import not_pointed_at_a_project
from swarm_shared.program.readable import size
from swarm_shared.program.terminal_text import safe
from swarm_shared.settings.settings import Settings
from swarm_shared.store.views.runs import AgentsNamed

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

TASKS_SCANNED = 50_000


@command("doctor", example="doctor\ndoctor --json", short_help="Check the swarm and its environment, with advice.")
@json_option
def doctor(app: App, as_json: bool) -> int:
    """Check the engine, database, disk, services, supervisord, repository and agent CLI, without changing anything.

    The exit code is 3 if a finding is bad.
    """
    findings = []
    for finding in _all(app):
        findings.append(finding)
        if not as_json:
            _print(finding)
    healthy = all(finding.level is not Level.BAD for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "checks": [_shown(each) for each in findings]})
    return 0 if healthy else InputError.exit_code


def _print(finding: Finding) -> None:
    advice = f"\n      → {safe(finding.what_to_do)}" if finding.what_to_do else ""
    line = f" {safe(finding.name)}: {safe(finding.text)}{advice}"
    if is_terminal():
        from rich.text import Text

        text = Text.assemble((f"{finding.level:<4}", style_of(finding.level)), line)
        console().print(text, soft_wrap=True)
    else:
        say(f"{finding.level:<4}{line}")


def _shown(finding: Finding) -> dict[str, str | None]:
    shown = {name: getattr(finding, name) for name in ("code", "part", "name", "level", "text", "target")}
    return shown | {"advice": finding.what_to_do}


def _all(app: App) -> Iterator[Finding]:
    settings, named, landed = None, list[AgentsNamed](), None
    try:
        settings = app.settings()
        yield _finding("settings", Level.OK, "all are valid")
    except SwarmError as error:
        yield bad("settings", error)
    try:
        with app.open(read_only=True) as database:
            for check in (_place, _lock):
                yield from _guarded(check, app, database, settings)
            whole = list(_guarded(_whole, app, database, settings))
            yield from whole
            # Other findings from a damaged file would only mislead.
            if all(finding.level is not Level.BAD for finding in whole):
                for check in (_diagnosis, _services, _orphans, _landing):
                    yield from _guarded(check, app, database, settings)
                named = database.runs.agents_named(limit=TASKS_SCANNED)
                if settings is not None:
                    settings = as_started(settings, database)
                landed = database.landings.integration()
    except SwarmError as error:
        yield bad("database", error)
    yield _supervisord(app)
    if settings is not None:
        # A database whose work has landed elsewhere belongs to a service for another repository; the git checks below
        # report that.
        if landed is None and (unpointed := not_pointed_at_a_project(settings)) is not None:
            yield bad("project", unpointed)
        yield from about_git(settings, landed)
        yield from _agents(settings, named)
        yield from _runners(settings)
        yield from _notify(settings)


_Check = Callable[[App, "TaskDatabase", Settings | None], Iterator[Finding]]


def _guarded(check: _Check, app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    """A check that cannot run must not hide the others."""
    try:
        yield from check(app, database, settings)
    except SwarmError as error:
        yield bad(check.__name__.strip("_"), error)


def _whole(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    damage = database.health.damage()
    if damage:
        advice = "keep the file, then restore a copy made with: amplifier-swarm backup FILE"
        yield _finding("database", Level.BAD, f"damaged: {damage[0]}", advice=advice)
        return
    total = sum(count for count, _ in database.tasks.counts().values())
    text = f"{database.path} is intact: {total:,} tasks, {size(database.health.sizes().database_bytes)}"
    mode = os.stat(database.path).st_mode
    if mode & 0o077:
        advice = f"it holds the dashboard's token: chmod 600 {database.path}"
        yield _finding("database", Level.WARN, f"{text}, but other users can read it", advice=advice)
    else:
        yield _finding("database", Level.OK, text)


def _place(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    text = danger(database.path)
    if text is not None:
        detail, _, advice = text.partition("; a safer place: ")
        yield _finding("place", Level.WARN, detail, advice=advice)


def _lock(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    """A lock that is held for a moment is normal; one that stays with the same process is not."""
    held = Standstills(database.connection, app.clock).held_lock()
    yield held or _finding("write lock", Level.OK, "free")


def _diagnosis(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    """The findings that Health also shows, in the same words."""
    at_rest = not database.workers.present()
    min_free_bytes = round((settings.min_free_mb if settings else 0) * 1024 * 1024)
    # supervisord is asked directly below, and the write lock is read from the kernel.
    yield from (
        each
        for each in diagnose(database, at_rest=at_rest, min_free_bytes=min_free_bytes)
        if each.name not in ("supervisord", "write lock", "database")
    )


def _services(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    dashboard = database.swarm.services().get("dashboard")
    if dashboard is not None and dashboard.is_alive():
        text = f"pid {dashboard.process.pid}, seen {dashboard.silent_ms(app.clock) // 1000} s ago"
        yield _finding("dashboard", Level.OK, text)
    else:
        advice = f"start the swarm: {database.swarm.start_command()}, or supervisord -c supervisord.conf"
        yield _finding("dashboard", Level.WARN, "does not run", advice)


def _orphans(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    orphans = database.find_orphaned_tasks(settings.orphan_timeout_min if settings else 30)
    if orphans:
        names = ", ".join(orphan["id"] for orphan in orphans[:5])
        advice = "the reaper requeues them; if no reaper runs: amplifier-swarm reset-orphans"
        yield _finding("orphans", Level.WARN, f"{len(orphans)} lost: {names}", advice)


def _landing(app: App, database: TaskDatabase, settings: Settings | None) -> Iterator[Finding]:
    yield from about_landing(database)


def _supervisord(app: App) -> Finding:
    name = "supervisord"
    try:
        found = supervision(app)
        state = found.client.state()
    except SupervisorError as error:
        return _finding(name, Level.WARN, error.message, advice=error.hint)
    return _finding(name, Level.OK, f"{state}, {found.configuration}")


def _agents(settings: Settings, named: Sequence[AgentsNamed]) -> Iterator[Finding]:
    """The same check as in `start`, so that both report the same."""
    from amplifier_swarm.start.checks.machine import no_folder
    from amplifier_swarm.start.checks.run_agents import check_agents

    name = "agent CLI"
    if (missing := no_folder(settings)) is not None:
        yield missing
        return
    found = check_agents(settings, named, os.environ)
    yield from found.problems
    for texts in found.undecided.values():
        for text in texts:
            yield _finding(name, Level.WARN, text, advice="`start` will find out")
    for text in found.warnings:
        yield _finding(name, Level.WARN, text)
    if not found.problems and not found.undecided:
        yield _finding(name, Level.OK, f"{settings.agent_cli} can start and finds its agents")


def _runners(settings: Settings) -> Iterator[Finding]:
    """Check the confinement by trying to break it."""
    from swarm_shared.runners.choose import grounds_of, to_prove
    from swarm_shared.runners.proving import prove, proven_of

    name = "runner"
    for runner in to_prove(settings):
        try:
            what = proven_of(runner, settings.runners)
            proofs = prove(what, grounds_of(settings, None))
        except SwarmError as error:
            yield bad(name, error)
            continue
        for proof in proofs:
            if not proof.held:
                text = f"{runner}: the confinement failed: {proof.text}"
                yield _finding(name, Level.BAD, text, advice=f"check runners.{runner} in swarm.yaml")
        if all(proof.held for proof in proofs):
            text = f"{len(proofs)} attempts to break the confinement failed" if what.confines else proofs[0].text
            yield _finding(name, Level.OK, f"{runner}: {text}")


def _notify(settings: Settings) -> Iterator[Finding]:
    """Check the targets with the variables of this shell; nothing is sent."""
    if not settings.notify:
        return
    from swarm_shared.notifying.delivery import problem_of

    for target in settings.notify:
        problem = problem_of(target, os.environ)
        if problem is not None:
            yield _finding("notify", Level.WARN, problem.message, advice=problem.hint, code="notify_target")
        else:
            yield _finding("notify", Level.OK, f"{target.label}: {', '.join(target.on)}")
