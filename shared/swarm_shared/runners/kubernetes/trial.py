"""Tries Kubernetes out: one pod that writes a file to the shared volume, and reads one that this machine writes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.runners.kubernetes.ending import end
from swarm_shared.runners.runner import Runner
from swarm_shared.runners.trying import try_command

TRIAL_TIMEOUT_S = 120.0  # an image that is large may have to be pulled first
_SCRIPT = """echo made > made
[ -e given ] || { echo "a file that this machine wrote did not appear in the pod" >&2; exit 1; }
"""
_HINT = "look at runners.kubernetes in swarm.yaml, and at `kubectl --namespace {namespace} get events`"


def try_out(runner: Runner, base: Path, *, namespace: str) -> None:
    """Run it.

    Raises:
        ConfigError: It cannot be run, its file is not seen here, or it belongs to another user.
    """
    hint = _HINT.format(namespace=namespace)
    # Next to the folder of runs: pods do not see that one.
    with tempfile.TemporaryDirectory(prefix=".swarm-trial-", dir=base.parent) as name:
        place = Path(os.path.realpath(name))
        (place / "given").touch()
        tried = try_command(runner, ("/bin/sh", "-c", _SCRIPT), place, timeout_s=TRIAL_TIMEOUT_S, end=end)
        if tried.code is None:
            text = f"no pod has ended within {TRIAL_TIMEOUT_S:g} s"
        else:
            text = tried.complained.strip() or f"exit code {tried.code}"
        if tried.code != 0:
            raise ConfigError(f"runner kubernetes: no pod can be run: {text}", hint=hint)
        assert tried.ended is not None, "a pod is outside of our process tree"
        if not tried.ended.gone:
            raise ConfigError(f"runner kubernetes: a pod cannot be removed: {tried.ended.text}", hint=hint)
        made = place / "made"
        if not made.exists():
            raise ConfigError("runner kubernetes: a file that a pod wrote did not appear on this machine", hint=hint)
        if made.stat().st_uid != os.geteuid():
            raise ConfigError(
                f"runner kubernetes: files of pods belong to user {made.stat().st_uid}, not to {os.geteuid()}",
                hint="the volume must not map users to others (root_squash, all_squash)",
            )
