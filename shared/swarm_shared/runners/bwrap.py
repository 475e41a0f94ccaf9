"""`runner: bwrap`: commands confined by bubblewrap, without a daemon and without privileges.

A read-only file system with the worktree, what git needs of its directories and the agent CLI's state writable;
the home directory, /run, /tmp and the swarm's own files hidden; no capabilities; a pid namespace whose end is the end
of everything in it.

Source: bwrap(1); env(1) of coreutils 8.31 for the signals.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import BwrapOptions
from swarm_shared.runners.asking import Question
from swarm_shared.runners.git_places import add_git, remove_links
from swarm_shared.runners.mounts import Mounts, View
from swarm_shared.runners.runner import Command, Grounds, Start
from swarm_shared.runners.variables import ALWAYS, only

PROBE_TIMEOUT_S = 10.0
# bwrap dies of these, and its end kills everything inside at once. So it ignores them, and the command, which the
# worker signals as well, has its time to end.
_SIGNALS = "TERM,INT,HUP"
_PRIVATE = ("/tmp", "/var/tmp", "/run")
# Name resolution on machines with systemd.
_SHOWN_OF_RUN = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf")
# Permissions do not keep root from these.
_SECRET_TO_ROOT = (
    *("/root", "/home", "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/ssl/private"),
    *("/etc/ssh", "/etc/sudoers", "/etc/sudoers.d", "/var/lib/docker", "/var/spool/cron"),
)
# Of the whole machine, whatever namespace /proc belongs to; root could set the program that handles core dumps.
_OF_THE_MACHINE = tuple(f"/proc/{name}" for name in ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"))
_PROC = ("--proc", "/proc", *(word for path in _OF_THE_MACHINE for word in ("--ro-bind-try", path, path)))
_NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


class Bwrap:
    """Runs commands under bubblewrap. Make it with `usable`, which tries it out on this machine."""

    def __init__(self, options: BwrapOptions, grounds: Grounds, *, env: str, bwrap: str) -> None:
        self._options, self._grounds, self._env, self._bwrap = options, grounds, env, bwrap

    @classmethod
    def usable(cls, options: BwrapOptions, grounds: Grounds) -> Bwrap:
        """The runner, tried out.

        Raises:
            ConfigError: bwrap is missing, this machine gives no user namespaces, or a path of the options is missing.
        """
        bwrap, env = shutil.which("bwrap"), shutil.which("env")
        if bwrap is None or env is None:
            missing = "bwrap" if bwrap is None else "env"
            raise ConfigError(
                f"runner bwrap: the program {missing} was not found",
                hint="install bubblewrap (apt-get install bubblewrap), or set runner: local",
            )
        for path in options.writable:
            if not os.path.exists(os.path.expanduser(path)):
                raise ConfigError(f"runners.bwrap.writable: {path} does not exist", hint="create it, or remove it")
        runner = cls(options, grounds, env=env, bwrap=bwrap)
        if (trouble := runner.trouble()) is not None:
            raise ConfigError(
                f"runner bwrap does not work on this machine: {trouble}",
                hint="allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
                "kernel.apparmor_restrict_unprivileged_userns=0), or set runner: local",
            )
        return runner

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        return Start(argv=self.argv(command), env=env, runner="bwrap", trouble=self.trouble)

    def argv(self, command: Command) -> tuple[str, ...]:
        """The command line of what `start` starts."""
        mounts = self._mounts(command)
        holds = mounts.writable_above(self._grounds.home)
        if holds is not None:
            raise ConfigError(
                f"runner bwrap: {holds} is writable and holds the home directory, so nothing would be confined",
                hint="use a project root below the home directory, or a narrower runners.bwrap.writable",
            )
        program, *arguments = command.argv
        if mounts.hides(Path(program).parent):
            program = os.path.realpath(program)  # a link in the home directory, to what is shown
        return (
            *self._outer(),
            *("--dev", "/dev", *_PROC, *mounts.words()),
            *("--chdir", os.path.realpath(command.cwd), "--"),
            *(self._env, f"--default-signal={_SIGNALS}", program, *arguments),
        )

    def trouble(self, tend: Callable[[], None] = lambda: None) -> str | None:
        """Why it does not work now; None if it does. Calls `tend` while it waits.

        Its exit codes do not say so: those of bwrap and `env` can be the command's, too.
        """
        program, *words = self._outer()
        words += ["--dev", "/dev", *_PROC, "--", self._env, "--default-signal=TERM", "true"]
        said = Question(program, tuple(words), timeout_s=PROBE_TIMEOUT_S).wait(tend)
        return None if said.code == 0 else said.text

    def clear_up(self, cwd: Path) -> tuple[str, ...]:
        return () if self._grounds.common_dir is None else remove_links(cwd, self._grounds.common_dir)

    def environment(self, environ: Mapping[str, str], variables: tuple[str, ...] = ()) -> dict[str, str]:
        return only(environ, (*ALWAYS, *variables, *self._options.environment))

    def _outer(self) -> tuple[str, ...]:
        # Root can do without user namespaces, but not without dropping its capabilities: with them it would
        # remount the file system writable.
        user = "--unshare-user-try" if os.geteuid() == 0 else "--unshare-user"
        network = () if self._options.network else ("--unshare-net",)
        return (
            *(self._env, f"--ignore-signal={_SIGNALS}", self._bwrap),
            *(user, *_NAMESPACES, *network, "--cap-drop", "ALL", "--die-with-parent", "--new-session"),
            *("--ro-bind", "/", "/"),
        )

    def _mounts(self, command: Command) -> Mounts:
        grounds, mounts = self._grounds, Mounts()
        mounts.add(View.EMPTY, *map(Path, _PRIVATE))
        if os.geteuid() == 0:
            mounts.add(View.EMPTY, *map(Path, _SECRET_TO_ROOT))
        mounts.add(View.EMPTY, grounds.home, grounds.state_dir)
        shown = (*grounds.program_folders, grounds.project_root, _installed(command.argv[0]))
        mounts.add(View.READ, *map(Path, _SHOWN_OF_RUN), *shown, *command.readable)
        mounts.add(View.READ, *(grounds.home / path for path in self._options.home))
        mounts.add(View.WRITE, *(Path(os.path.expanduser(path)) for path in (*command.state, *self._options.writable)))
        add_git(mounts, command.cwd, grounds.common_dir)
        mounts.add(View.EMPTY, *(Path(f"{grounds.database}{end}") for end in ("", "-wal", "-shm")))
        return mounts


def _installed(program: str) -> Path:
    """All that belongs to a program: the folder of packages that npm installed it in, or only its file."""
    place = Path(os.path.realpath(program))
    packages = [each for each in place.parents if each.name == "node_modules"]
    return packages[-1] if packages else place
