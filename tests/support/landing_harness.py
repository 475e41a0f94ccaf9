"""A live swarm whose project is a git repository: landed work can be checked with git itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from live_swarm import LiveSwarm
from repositories import PERSON

from swarm_shared.domain.models import TaskSpec

INTEGRATION = "swarm/integration"
# What an agent does that resolves a conflict so that both sides are kept.
MERGE = (
    "git merge -q swarm/integration >&2 || { "
    "for f in $(git diff --name-only --diff-filter=U); do sed -i '/^<<<<<<< /d;/^=======$/d;/^>>>>>>> /d' $f; done; "
    "git add -A; git commit -q -m merged >&2; }; "
)
# One shot: the process that moves the mark away does it.
_KILLER = """#!/bin/sh
case "$*" in
*"{pattern}"*)
    if mv "{armed}" "{done}" 2> /dev/null; then
        case {moment} in
        before) kill -9 $PPID; exit 1 ;;
        during) kill -9 $PPID; sleep 0.3; exec "{real}" "$@" ;;
        after) "{real}" "$@"; kill -9 $PPID; exit 1 ;;
        esac
    fi ;;
esac
exec "{real}" "$@"
"""


class LandingSwarm(LiveSwarm):
    """Workers with worktree isolation; tasks are shell commands."""

    def __init__(self, folder: Path, project: Path | None = None) -> None:
        """With its own repository, or with that of another swarm."""
        super().__init__(folder)
        gitconfig = folder / "gitconfig"
        gitconfig.write_text(PERSON)
        self.settings |= {
            "SWARM_AGENT_CLI": "command",
            "SWARM_ISOLATION": "worktree",
            "GIT_CONFIG_GLOBAL": str(gitconfig),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        if project is not None:
            self.project = project
            return
        self.git("init", "-q", "-b", "main")
        self.commit({"a.txt": "one\ntwo\nthree\n", ".gitignore": "*.log\n"})

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Git as the user runs it; what it prints."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env = {**plain, "GIT_CONFIG_GLOBAL": self.settings["GIT_CONFIG_GLOBAL"], "GIT_CONFIG_NOSYSTEM": "1"}
        ended = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.project,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, f"git {' '.join(arguments)}: {ended.stderr}"
        return ended.stdout.removesuffix("\n")

    def commit(self, files: dict[str, str], *, cwd: Path | None = None) -> str:
        for name, content in files.items():
            path = (cwd or self.project) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git("add", "-A", cwd=cwd)
        self.git("commit", "-q", "-m", "by the person", cwd=cwd)
        return self.git("rev-parse", "HEAD", cwd=cwd)

    def task(self, task_id: str, run: str, *needs: str, **more: Any) -> TaskSpec:
        return TaskSpec(id=task_id, name=f"task {task_id}", run=run, dependencies=needs, **more)

    def kill_at(self, pattern: str, moment: str) -> Path:
        """Let git kill the worker that starts it, with KILL, at the first command that has this text in it.

        Args:
            moment: ``before`` the command (which then never runs), ``during`` (it continues without its worker), or
                ``after`` it.

        Returns:
            A file that is there once it has happened.
        """
        folder = self.folder / "bin"
        folder.mkdir()
        armed, done = folder / "armed", folder / "done"
        armed.touch()
        git = folder / "git"
        git.write_text(_KILLER.format(real=shutil.which("git"), pattern=pattern, moment=moment, armed=armed, done=done))
        git.chmod(0o755)
        self.settings["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        return done

    def slow_git(self, pattern: str, s: float) -> None:
        """Let every git command with this text in it take so many seconds longer."""
        folder = self.folder / "slow"
        folder.mkdir()
        git = folder / "git"
        real = shutil.which("git")
        git.write_text(f'#!/bin/sh\ncase "$*" in *"{pattern}"*) sleep {s};; esac\nexec "{real}" "$@"\n')
        git.chmod(0o755)
        self.settings["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"

    def logged_git(self) -> Path:
        """Let every git command that is started write its verb into a file, a line each; the file."""
        folder = self.folder / "logged"
        folder.mkdir()
        git, log = folder / "git", self.folder / "git.log"
        real = shutil.which("git")
        git.write_text(
            f'#!/bin/sh\nfor word; do case "$word" in -c | *=*) ;; *) break;; esac; done\n'
            f'echo "$word" >> "{log}"\nexec "{real}" "$@"\n'
        )
        git.chmod(0o755)
        self.settings["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        return log

    def landed(self, path: str) -> str:
        """A file as it is on the integration branch."""
        return self.git("show", f"{INTEGRATION}:{path}")

    def trailers(self) -> list[str]:
        """The tasks whose commits are on the integration branch's first line of parents, oldest first."""
        output = self.git(
            "log",
            "--first-parent",
            "--reverse",
            "--format=%(trailers:key=Swarm-Task,valueonly,separator=)",
            INTEGRATION,
        )
        return [line for line in output.splitlines() if line]


@contextmanager
def landing_swarm(folder: Path, project: Path | None = None) -> Iterator[LandingSwarm]:
    """A swarm that is ended, whatever the test did."""
    swarm = LandingSwarm(folder, project)
    try:
        yield swarm
    finally:
        swarm.end()


def contending_tasks(
    swarm: LandingSwarm, *, tasks: int, files: int, longest_s: float, gate: bool
) -> dict[str, list[str]]:
    """Add tasks that append a line to two of a few files each, and resolve conflicts by keeping both sides.

    Args:
        longest_s: They take from nothing to so long.
        gate: Set one, which the first two tasks pass alone and fail together.

    Returns:
        The lines that each file must have when all have landed, in any order.
    """
    if gate:
        (swarm.folder / "swarm.yaml").write_text("gate: ['test $(ls *.word 2> /dev/null | wc -l) -le 1']\n")
    expected = {f"shared-{n}.txt": ["begin"] for n in range(files)}
    swarm.commit(dict.fromkeys(expected, "begin\n"))
    for n in range(tasks):
        own = [f"shared-{file}.txt" for file in (n % files, (n + 1) % files)]
        for file in own:
            expected[file].append(f"line-{n}")
        lines = "".join(f"echo line-{n} >> {file}; " for file in own)
        pause = f"sleep {longest_s * (n % 4) / 3:.2f}; "
        word = f"rm -f *.word; touch {n}.word; " if n < 2 and gate else ""
        first, later = f"{pause}{lines}{word}", f"{MERGE}{word}{pause}"
        swarm.add(swarm.task(f"t{n}", f'if [ "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" = 1 ]; then {first}else {later}fi'))
    return expected
