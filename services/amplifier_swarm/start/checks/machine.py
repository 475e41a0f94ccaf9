"""The quick checks before a run, reported together: settings, folder, disk and port."""

from __future__ import annotations

import errno
import resource
import shutil
import socket
from collections.abc import Iterator

from msgspec import Struct

from amplifier_swarm.start.checks.problems import Problem
from amplifier_swarm.start.checks.run_repository import check_repository
from swarm_shared.diagnosis import Level
from swarm_shared.diagnosis.file import disk_finding
from swarm_shared.domain.errors import ConfigError
from swarm_shared.own_checkout import not_pointed_at_a_project
from swarm_shared.runners.choose import try_runners
from swarm_shared.settings.settings import Settings
from swarm_shared.store.queue.landings import IntegrationRow

# supervisord's own minimum (minfds and minprocs of its configuration).
_LIMITS = (
    (resource.RLIMIT_NOFILE, "open files", "n", 1024),
    (resource.RLIMIT_NPROC, "processes", "u", 200),
)


class Findings(Struct, frozen=True, kw_only=True):
    """What prevents a run, what the user should know, and the settings with `auto` decided."""

    settings: Settings
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def check_machine(settings: Settings, *, keep_running: bool, known: IntegrationRow | None = None) -> Findings:
    """Check everything that needs neither the database nor the agent CLI; changes nothing.

    Args:
        known: The branch that earlier runs have landed on.
    """
    decided, unfit, notes = check_repository(settings, known)
    problems = (
        *_about_workers(settings, keep_running),
        *_about_limits(),
        *_about_project(settings),
        *unfit,
        *_about_disk(settings),
        *_about_runners(settings),
        *_about_port(settings),
    )
    warnings = list(notes)
    if decided.isolation == "none" and decided.workers > 1:
        warnings.append(
            f"{decided.workers} agents at once work in the same folder {decided.project_root} (isolation none)"
        )
    return Findings(settings=decided, problems=problems, warnings=tuple(warnings))


def _about_workers(settings: Settings, keep_running: bool) -> Iterator[Problem]:
    if settings.workers < 1 and not keep_running:
        yield Problem.stated("workers", "no workers: no task would ever run", "at least one: --workers 1")


def _about_limits() -> Iterator[Problem]:
    for kind, name, flag, needed in _LIMITS:
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY and hard < needed:
            yield Problem.stated(
                "limits",
                f"this shell allows {hard} {name}, and supervisord needs {needed}",
                f"raise the limit: ulimit -H{flag} {needed} as root, or LimitNOFILE/LimitNPROC of the systemd unit",
            )


def _about_project(settings: Settings) -> Iterator[Problem]:
    if (error := not_pointed_at_a_project(settings)) is not None:
        yield Problem.because("project", error)
    if (missing := no_folder(settings)) is not None:
        yield missing


def no_folder(settings: Settings) -> Problem | None:
    """That sessions have no folder to begin in."""
    if settings.project_root.is_dir():
        return None
    text = f"the project root {settings.project_root} is not a folder"
    return Problem.stated("project", text, "set it with --project-root or SWARM_PROJECT_ROOT")


def _about_runners(settings: Settings) -> Iterator[Problem]:
    try:
        try_runners(settings)
    except ConfigError as error:
        yield Problem.because("runner", error)


def _about_disk(settings: Settings) -> Iterator[Problem]:
    free_bytes = shutil.disk_usage(settings.db.parent).free
    found = disk_finding(free_bytes, min_free_bytes=round(settings.min_free_mb * 2**20))
    if found.level is Level.BAD:
        yield Problem.found(found)


def _about_port(settings: Settings) -> Iterator[Problem]:
    # If the default port is in use, the dashboard takes the next free one; only it can know which.
    if not settings.dashboard or settings.origins.get("dashboard_port") == "default":
        return
    problem = _cannot_listen(settings.dashboard_host, settings.dashboard_port)
    if problem is not None:
        yield Problem.stated(
            "dashboard",
            f"the dashboard cannot use port {settings.dashboard_port} of {settings.dashboard_host}: {problem}",
            "choose another one: --dashboard-port; or turn the dashboard off: --no-dashboard",
        )


def _cannot_listen(host: str, port: int) -> str | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: an old connection in TIME_WAIT must not block the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return "it is in use" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
    return None
