"""The manifest of a pod, which holds no secret: variables, command and input are files on the shared volume.

Source: the Kubernetes API reference, “Pod” (v1); sh(1p).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swarm_shared.domain.runners import KubernetesOptions
from swarm_shared.runners.kubernetes.pods import CONTAINER, FINALIZER

LABELS = {"app.kubernetes.io/managed-by": "amplifier-swarm"}
# How long a command has to end once it got TERM, at most: we shorten it.
GRACE_S = 60
VOLUME = "shared"
# The `mv` decides between the pod and the processes that end it: only one can succeed. Process 1 of a container gets no
# signal that it has no handler for, so the command is its child; when process 1 ends, the kernel ends everything else.
_LAUNCHER = """cd "$1" && mv ready taken || exit 70
trap : TERM INT HUP
/bin/sh ./command < in >> out 2>> err &
child=$!
trap 'kill -TERM $child' TERM INT HUP
exec 2> /dev/null
while :; do
    wait $child
    code=$?
    kill -0 $child || break
done
echo $code > code.new && mv code.new code
exit $code
"""
# A shell starts background commands with these ignored; the env of some images cannot undo that.
_RESET = """reset="env --default-signal=INT,QUIT"
$reset true 2> /dev/null || reset=
"""


def command_script(argv: Sequence[str], env: Mapping[str, str], cwd: str, *, umask: int) -> bytes:
    """What the launcher runs: the command, with its variables, in its folder."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in env.items())
    text = f"{exports}cd {shlex.quote(cwd)} || exit 70\numask {umask:04o}\n{_RESET}exec $reset {shlex.join(argv)}\n"
    return text.encode("utf-8", "surrogateescape")


def manifest(
    name: str, options: KubernetesOptions, *, folder: Path, mounts: list[dict[str, Any]], emptied: list[str]
) -> dict[str, Any]:
    """The pod.

    Args:
        folder: Of the run.
        mounts: Its `volumeMounts` from the shared volume.
        emptied: Folders that are empty and private.
    """
    volumes = [{"name": VOLUME, "persistentVolumeClaim": {"claimName": options.claim}}]
    volumes += [{"name": f"empty-{at}", "emptyDir": {}} for at in range(len(emptied))]
    mounts = mounts + [{"name": f"empty-{at}", "mountPath": path} for at, path in enumerate(emptied)]
    spec = {
        "restartPolicy": "Never",  # a second start would be a second attempt behind our back
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsUser": os.geteuid(),
            "runAsGroup": os.getegid(),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": options.image,
                "command": ["/bin/sh", "-c", _LAUNCHER, "sh", str(folder)],
                "workingDir": "/",
                "resources": _resources(options),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                # Parents before what is in them.
                "volumeMounts": sorted(mounts, key=lambda mount: len(Path(mount["mountPath"]).parts)),
            }
        ],
        "volumes": volumes,
    }
    if options.service_account:
        spec["serviceAccountName"] = options.service_account
    if options.node_selector:
        spec["nodeSelector"] = dict(options.node_selector)
    if options.pull_secrets:
        spec["imagePullSecrets"] = [{"name": each} for each in options.pull_secrets]
    metadata = {"name": name, "labels": LABELS, "finalizers": [FINALIZER]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _resources(options: KubernetesOptions) -> dict[str, dict[str, str]]:
    stated = {
        "cpu": None if options.cpus is None else f"{round(options.cpus * 1000)}m",
        "memory": None if options.memory is None else str(options.memory),
        "nvidia.com/gpu": None if options.gpus is None else str(options.gpus),
    }
    limits = {name: value for name, value in stated.items() if value is not None}
    return {"requests": limits, "limits": limits} if limits else {}


def shared_mount(root: Path, path: Path, *, readable_only: bool) -> dict[str, Any]:
    """One `volumeMount`: a path of the shared volume, at the same path.

    Args:
        root: Where the volume is mounted here.
    """
    return {
        "name": VOLUME,
        "mountPath": str(path),
        **({"subPath": str(path.relative_to(root))} if path != root else {}),
        **({"readOnly": True} if readable_only else {}),
    }
