"""`--contain`: agents in separate pid namespaces; when a namespace ends, the kernel ends everything in it."""

from __future__ import annotations

import os
import shutil
import subprocess

from swarm_shared.domain.errors import ConfigError

PROBE_TIMEOUT_S = 10.0


def container_argv() -> tuple[str, ...]:
    """The command line to put before an agent's own; tested on this machine first.

    To be called before the keeper is forked: the probe is a child of this process.

    Raises:
        ConfigError: This machine does not let us make pid namespaces.
    """
    program = shutil.which("unshare")
    if program is None:
        raise ConfigError("--contain needs the program unshare", hint="install util-linux, or omit --contain")
    rights = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    argv = (program, *rights, "--pid", "--fork", "--kill-child", "--")
    try:
        probe = subprocess.run(
            [*argv, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False
        )
        message, works = probe.stderr.decode(errors="replace").strip(), probe.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        message, works = str(error), False
    if not works:
        raise ConfigError(
            f"--contain does not work on this machine: {message or 'no pid namespaces'}",
            hint="allow user namespaces, or omit --contain",
        )
    return argv
