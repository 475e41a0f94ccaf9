"""Which cluster runs a pod, and how it is asked: the program `kubectl`.

Source: kubectl(1); the Kubernetes documentation, “Namespaces” and “Object Names and IDs”.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

import msgspec
from msgspec import Struct

from swarm_shared.domain.runners import Run
from swarm_shared.runners.remote.asking import Silent, answer_of
from swarm_shared.runners.remote.asking import ask as run_program

RUNNER = "kubernetes"


class Cluster(Struct, frozen=True, kw_only=True):
    """One namespace of one cluster, and the folder of runs on the shared volume.

    Args:
        context: Of kubeconfig; empty: the current one.
        namespace: Empty: that of the context.
        uid: The namespace's own id: another cluster, or a namespace made anew, has another one.
        base: The folder of runs, an absolute path.
    """

    context: str
    namespace: str
    uid: str
    base: str

    @classmethod
    def of(cls, run: Run) -> Cluster:
        """The one that a run was given to."""
        return msgspec.json.decode(run.engine, type=cls)

    def words(self, *words: str) -> tuple[str, ...]:
        """A command line of kubectl for it."""
        return ("kubectl", *target(self.context, self.namespace), *words)


def target(context: str, namespace: str) -> tuple[str, ...]:
    """The options that choose a context and a namespace."""
    return (*((f"--context={context}",) if context else ()), *((f"--namespace={namespace}",) if namespace else ()))


def ask(*words: str) -> str:
    """What one command prints.

    Raises:
        Silent: It is missing, failed, or gave no answer in time.
    """
    return answer_of(run_program(*words), words[0])


def pod_of(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """The pod as the API server has it; None: it has none.

    Raises:
        Silent: It does not say.
    """
    return as_pod(ask(*get_words(cluster, name)))


def get_words(cluster: Cluster, name: str) -> tuple[str, ...]:
    """The command that prints a pod, and nothing if there is none."""
    return cluster.words("get", "pod", name, "--output=json", "--ignore-not-found")


def as_pod(printed: str) -> dict[str, Any] | None:
    """What that command has printed.

    Raises:
        Silent: It is no pod.
    """
    if not printed:
        return None
    try:
        found = json.loads(printed)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("kind") != "Pod":
        raise Silent("kubectl printed something that is no pod")
    return found


def namespace_uid(context: str, namespace: str) -> str:
    """Which namespace of which cluster answers. Raises `Silent`."""
    return ask("kubectl", *target(context, ""), "get", "namespace", namespace, "--output=jsonpath={.metadata.uid}")


def removal(run: Run) -> str:
    """The command that removes a pod. Deletion alone would wait: our finalizer keeps a pod whose end is not proven."""
    cluster = Cluster.of(run)
    patch = json.dumps({"metadata": {"finalizers": None}})
    delete = cluster.words("delete", "pod", run.name, "--wait=false")
    release = cluster.words("patch", "pod", run.name, "--type=merge", f"--patch={patch}")
    return f"{shlex.join(delete)} && {shlex.join(release)}"
