"""Ends a pod and proves it gone; judges how one ended. A program, since all of it may wait: `python -m … VERB RUN`.

Our finalizer keeps the pod's object until it is proven over (`pods.is_over`): neither a forced deletion nor a cluster
that forgets a lost node can make it look gone. So an object that is missing proves something only if the command never
started, or if it was proven over before.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import Answer
from swarm_shared.runners.kubernetes.client import EXIT_CLUSTER
from swarm_shared.runners.kubernetes.cluster import Cluster, ask, namespace_uid, pod_of
from swarm_shared.runners.kubernetes.pods import FINALIZER, Pod, disturbed, finalizer_at, is_deleted, is_over, unproven
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.folder import RunFolder
from swarm_shared.runners.remote.follower import Replies, reply

OVER = "over"  # a file of the run: its pod is proven over, only its object is still to be removed
PATIENCE_S = 15.0  # less than an engine is waited for
POLL_S = 0.2


def end(run: Run, *, sleep: Callable[[float], None] = time.sleep, patience_s: float = PATIENCE_S) -> Answer:
    """End it, and wait a while for the proof."""
    cluster = Cluster.of(run)
    folder = RunFolder(Path(cluster.base), run.name)
    until = time.monotonic() + patience_s
    requested = False
    while True:
        try:
            if not folder.is_mounted():
                return _unknown(f"the folder {folder.base} is not there, or is not mounted")
            if folder.files() is None:
                return Answer(gone=True)  # no pod was ever created, or it was proven gone
            never_starts = folder.withdraw()
            pod = pod_of(cluster, run.name)
            if pod is None:
                return _absent(cluster, folder, never_starts=never_starts)
            if not requested:
                _delete(cluster, run.name)
                requested = True
            elif is_deleted(pod) and (never_starts or is_over(pod)):
                if finalizer_at(pod) is None:
                    folder.remove()
                    return Answer(gone=True)  # what still keeps the object is others' business
                (folder.path / OVER).touch()
                _release(cluster, run.name, pod)
                continue
            elif time.monotonic() >= until:
                return Answer(gone=False, text=f"kubernetes: {unproven(pod)}", healthy=True)
        except (Silent, OSError) as error:
            return _unknown(str(error))
        sleep(POLL_S)


def _absent(cluster: Cluster, folder: RunFolder, *, never_starts: bool) -> Answer:
    uid = namespace_uid(cluster.context, cluster.namespace)
    if uid != cluster.uid:
        text = f"another cluster or namespace answers now ({uid}) than the one that ran it ({cluster.uid})"
        return _unknown(text)
    if not never_starts and OVER not in (folder.files() or ()):
        text = f"pod {folder.path.name} was removed before its node reported its end"
        return Answer(gone=False, text=f"kubernetes: {text}", healthy=True)
    folder.remove()
    return Answer(gone=True)


def _delete(cluster: Cluster, name: str) -> None:
    """Ask for its end; never by force, which waits for no node."""
    words = ("delete", "pod", name, "--wait=false", "--grace-period=1", "--ignore-not-found")
    ask(*cluster.words(*words))


def _release(cluster: Cluster, name: str, pod: Pod) -> None:
    path = f"/metadata/finalizers/{finalizer_at(pod)}"
    patch = [{"op": "test", "path": path, "value": FINALIZER}, {"op": "remove", "path": path}]
    ask(*cluster.words("patch", "pod", name, "--type=json", f"--patch={json.dumps(patch)}"))


def _unknown(text: str) -> Answer:
    return Answer(gone=False, text=f"kubernetes: {text}")


def failure(run: Run, exit_code: int | None) -> str | None:
    """Why its end is none of the command's own; None: it is the command's. Empty: the client has printed why.

    Only valid for a run that we have not ended ourselves.
    """
    cluster = Cluster.of(run)
    try:
        own = RunFolder(Path(cluster.base), run.name).exit_code()
        if own is None and exit_code == EXIT_CLUSTER:
            return ""
        if exit_code == 0 or exit_code is None:
            return None
        pod = pod_of(cluster, run.name)
    except OSError as error:
        return str(error)
    except Silent:
        return None
    why = None if pod is None else disturbed(pod)
    return None if why is None else f"pod {run.name} was ended by the cluster: {why}"


def runs(run: Run) -> bool:
    """Whether the cluster has it and it is not proven over."""
    try:
        pod = pod_of(Cluster.of(run), run.name)
    except Silent:
        return False
    return pod is not None and not is_over(pod)


def main(words: list[str]) -> int:
    """Reply to one question."""
    return reply(words, Replies(end=end, runs=runs, failure=failure))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
