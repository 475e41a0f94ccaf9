"""Which cluster runs a pod, and how it is asked: the program `kubectl`.

Source: kubectl(1); the Kubernetes documentation, “Namespaces” and “Object Names and IDs”.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any

import msgspec
from msgspec import Struct

from swarm_shared.domain.runners import Run

RUNNER = "kubernetes"
ASK_TIMEOUT_S = 10.0


class Silent(Exception):
    """The cluster gave no answer; the text says why."""


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


def ask(*words: str, timeout_s: float = ASK_TIMEOUT_S) -> str:
    """What one command prints.

    Raises:
        Silent: It is missing, failed, or gave no answer in time.
    """
    try:
        ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise Silent(f"{words[0]} did not answer in {timeout_s:g} s") from error
    except OSError as error:
        raise Silent(f"{words[0]} cannot be started: {error.strerror}") from error
    if ended.returncode != 0:
        said = (ended.stderr or ended.stdout).decode(errors="replace").strip()
        raise Silent(said or f"{words[0]} ended with exit code {ended.returncode}")
    return ended.stdout.decode(errors="replace").strip()


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
