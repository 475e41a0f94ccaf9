"""Before a run: runs all checks, warms up agent CLIs if necessary, and clears the flags of an earlier stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from amplifier_swarm.start.checks.machine import check_machine
from amplifier_swarm.start.checks.problems import Problem, Unfit
from amplifier_swarm.start.checks.run_agents import (
    TASKS_SCANNED,
    AgentFindings,
    check_agents,
    handed_on,
    long_prompts,
    preset,
)
from amplifier_swarm.start.checks.run_repository import follow_person, left_to_land
from amplifier_swarm.start.checks.warm_up import WarmUp
from amplifier_swarm.start.ending.subtree import Subtree
from amplifier_swarm.start.signals import Inbox
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import SwarmError
from swarm_shared.git.worktrees.database_inside import danger, keep_out_of_commits
from swarm_shared.settings.settings import Settings
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP, PAUSED

Say = Callable[[str], None]
_WARNED_AT = "warned_of_clean_up_at"  # the path for which a user has read it
_STOP_WORDS = {DRAINED: "drain", EMERGENCY_STOP: "emergency stop"}


def check(
    settings: Settings,
    environ: Mapping[str, str],
    database: TaskDatabase,
    *,
    keep_running: bool,
    say: Say,
) -> tuple[Settings, AgentFindings]:
    """Run all checks, which takes seconds, before anything starts.

    Returns:
        The settings with `auto` decided, and what only a warm-up could decide about agent CLIs.

    Raises:
        Unfit: Something must be changed first.
    """
    machine = check_machine(settings, keep_running=keep_running, known=database.landings.integration())
    problems: list[Problem] = list(machine.problems)
    agents = AgentFindings()
    if settings.project_root.is_dir():  # sessions begin there, and so does the check of their CLI
        agents = check_agents(settings, database.runs.agents_named(limit=TASKS_SCANNED), environ)
    problems += agents.problems
    problems += _notify_problems(settings, environ)
    problems += left_to_land(database.tasks.counts(), machine.settings)
    if problems:
        raise Unfit(problems)
    for warning in (*machine.warnings, *agents.warnings, *long_prompts(settings, database)):
        say(f"warning: {warning}")
    _protect_database(database, say)
    follow_person(database.landings, machine.settings)
    return machine.settings, agents


def _notify_problems(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    """Find notification targets that cannot work now, not when they are needed."""
    if not settings.notify:
        return []
    from swarm_shared.notifying.delivery import problem_of

    return [
        Problem.because("notify", found)
        for target in settings.notify
        if (found := problem_of(target, environ)) is not None
    ]


def _protect_database(database: TaskDatabase, say: Say) -> None:
    """Keep a database inside a checkout out of commits, and warn once per location that a clean-up could delete it."""
    try:
        keep_out_of_commits(database.path)
    except (SwarmError, OSError) as error:
        say(f"warning: {database.path} is not kept out of commits: {error}")
    text = danger(database.path)
    if text is not None and database.swarm.meta(_WARNED_AT) != str(database.path):
        database.swarm.set_meta(_WARNED_AT, str(database.path))
        say(f"warning: {text}")


def run_warm_ups(
    findings: AgentFindings,
    settings: Settings,
    environ: Mapping[str, str],
    database: TaskDatabase,
    *,
    inbox: Inbox,
    subtree: Subtree,
    say: Say,
) -> None:
    """Warm up the agent CLIs that could not be judged otherwise, then judge again.

    Raises:
        AgentCliError: One cannot start.
        Unfit: With its cache filled, an agent is not there.
        StoppedMeanwhile: A signal came.
    """
    for name, texts in findings.undecided.items():
        for text in texts:
            say(f"warning: {text}")
        cli = preset(settings, name, handed_on(settings, environ))
        warm_up = WarmUp(cli, findings.agents[name], settings, handed_on(settings, environ), database)
        if not cli.warm_up or warm_up.is_remembered():
            continue
        warm_up.run(inbox=inbox, subtree=subtree, say=say)
        again = check_agents(settings, database.runs.agents_named(limit=TASKS_SCANNED), environ)
        if problems := (*again.problems, *again.unknown.get(name, ())):
            raise Unfit(problems)
        warm_up.remember()


def clear_earlier_stop(database: TaskDatabase, say: Say) -> None:
    """Clear the flags that would stop this run: a drain or an emergency stop applied to the previous run.

    A pause applies to every run and stays.
    """
    flags = database.swarm.flags()
    for name in (DRAINED, EMERGENCY_STOP):
        if name in flags:
            database.swarm.clear_flag(name)
            say(f"Cleared the earlier {_STOP_WORDS[name]} (by {flags[name].actor}).")
    # The checks have just found that the agent CLIs can start.
    database.runs.forget_failed_starts()
    if database.spending.only_until_midnight():
        say(f"Paused until midnight: {flags[PAUSED].reason}; to continue now: amplifier-swarm resume")
    elif PAUSED in flags:
        say(f"Paused by {flags[PAUSED].actor}: no task starts before `amplifier-swarm resume`")
