"""`make agents`: every case with every CLI, as this user and as an ordinary one, and the table of results."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agents import cases
from agents.clis import BY_NAME, CLIS, Cli
from agents.harness import User, can_run, harness
from agents.install import Installed, RegistryUnreachable, install, installed
from agents.opened import start_again_opened
from agents.provider import Fault
from agents.table import Column, render, replaced

# Each takes up to 1 GB of memory and most of a core.
AT_ONCE = 2
ALL = (cases.loop, cases.stops, cases.faults(*cases.KINDS))
# How a provider's failure is read depends on no user.
OF_A_SECOND_USER = (cases.loop, cases.stops, cases.faults(Fault.UNAUTHORIZED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One CLI as one user."""

    cli: Cli
    user: User
    cases: tuple[cases.Case, ...]


def main() -> int:
    """0: all promises are kept; 1: some are not; 3: a wrong name; 69: the package registry does not respond."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BY_NAME)}; all by default")
    parser.add_argument("--latest", action="store_true", help="the newest versions instead of the pinned ones")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this page, between its marks")
    parser.add_argument("--install", action="store_true", help="install the CLIs and do no more")
    parser.add_argument("--opened", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.names) - set(BY_NAME):
        print(f"no such agent CLI: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 3
    try:
        clis = installed(latest=options.latest) if options.opened else install(latest=options.latest)
    except RegistryUnreachable as problem:
        print(f"{problem}; nothing was tried", file=sys.stderr)
        return os.EX_UNAVAILABLE
    if options.install:
        return 0
    if os.getuid() == 0 and not options.opened and not can_run(clis, User.ordinary()):
        start_again_opened("--opened")
    chosen = [BY_NAME[name] for name in options.names] or list(CLIS)
    users = _users(clis)
    trials = [
        Trial(cli=cli, user=user, cases=OF_A_SECOND_USER if n else ALL)
        for n, user in enumerate(users)
        for cli in chosen
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        columns = list(pool.map(lambda trial: _column(trial, clis), trials))
    text = render(columns)
    if options.write:
        options.write.write_text(replaced(options.write.read_text(encoding="utf-8"), text), encoding="utf-8")
    print(text)
    return 0 if all(found.kept for column in columns for found in column.findings) else 1


def _users(clis: Installed) -> list[User]:
    """Root tries as an ordinary user, too; other users can only be themselves."""
    if os.getuid() != 0:
        return [User.me()]
    ordinary = User.ordinary()
    if not can_run(clis, ordinary):
        print(f"{ordinary.name} cannot run {sys.executable}: trying as root only", file=sys.stderr)
        return [User.me()]
    return [User.me(), ordinary]


def _column(trial: Trial, clis: Installed) -> Column:
    began = time.monotonic()
    findings = list(_findings(trial, clis))
    return Column(
        cli=trial.cli,
        version=clis.version(trial.cli.name),
        user=trial.user.name,
        findings=tuple(findings),
        seconds=time.monotonic() - began,
    )


def _findings(trial: Trial, clis: Installed) -> Iterable[cases.Finding]:
    for case in trial.cases:
        for found in _tried(case, trial, clis):
            mark = "✔" if found.kept else "✗"
            more = "" if found.kept else f" ({found.seen})"
            print(f"{trial.cli.name} as {trial.user.name}: {mark} {found.promise}{more}", file=sys.stderr, flush=True)
            yield found


def _tried(case: cases.Case, trial: Trial, clis: Installed) -> Sequence[cases.Finding]:
    """The results of a case; a case that broke off keeps none of the remaining promises."""
    findings = []
    try:
        with harness(trial.cli, clis, trial.user) as swarm:
            for found in case(swarm):
                findings.append(found)
    except AssertionError as problem:
        findings.append(cases.Finding(promise=cases.TO_ITS_END, kept=False, seen=str(problem)))
    return findings
