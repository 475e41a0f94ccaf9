"""Tries Kubernetes out: one pod that writes a file to the shared volume, and reads one that this machine writes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.runners.kubernetes.ending import end
from swarm_shared.runners.runner import Command, Runner

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
    # Beside the folder of runs: pods do not see that one.
    with tempfile.TemporaryDirectory(prefix=".swarm-trial-", dir=base.parent) as name:
        place = Path(os.path.realpath(name))
        (place / "given").touch()
        started = runner.start(Command(argv=("/bin/sh", "-c", _SCRIPT), cwd=place), runner.environment(os.environ))
        assert started.run is not None
        try:
            ended = subprocess.run(
                started.argv,
                env=dict(started.env),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TRIAL_TIMEOUT_S,
                check=False,
            )
            code, text = ended.returncode, ended.stderr.decode(errors="replace").strip()
        except subprocess.TimeoutExpired:
            code, text = 1, f"no pod has ended within {TRIAL_TIMEOUT_S:g} s"
        finally:
            answer = end(started.run)
        if code != 0:
            raise ConfigError(f"runner kubernetes: no pod can be run: {text or f'exit code {code}'}", hint=hint)
        if not answer.gone:
            raise ConfigError(f"runner kubernetes: a pod cannot be removed: {answer.text}", hint=hint)
        made = place / "made"
        if not made.exists():
            raise ConfigError("runner kubernetes: a file that a pod wrote did not appear on this machine", hint=hint)
        if made.stat().st_uid != os.geteuid():
            raise ConfigError(
                f"runner kubernetes: files of pods belong to user {made.stat().st_uid}, not to {os.geteuid()}",
                hint="the volume must not map users to others (root_squash, all_squash)",
            )
