"""What the status of a pod means: whether it is proven over, why it waits, and what became of its command.

Source: the Kubernetes documentation, “Pod Lifecycle” (since 1.27 the kubelet sets the phase of deleted pods to a final
one once no container runs), “Disruptions” (condition DisruptionTarget), “Garbage Collection”.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

CONTAINER = "task"
# Our own: until we remove it, nothing can make the pod vanish: not `delete --force`, and not the cluster, which removes
# the pods of a node that it has lost.
FINALIZER = "amplifier-swarm/proof"
_FINAL = ("Succeeded", "Failed")
# The control plane has set the phase, without a word of the node.
_WITHOUT_NODE = ("DeletionByPodGC",)
_OF_CLUSTER = (
    *("PreemptionByScheduler", "DeletionByTaintManager", "EvictionByEvictionAPI", "TerminationByKubelet"),
    *_WITHOUT_NODE,
)
# By a node that is short of something that the command has used: it would be evicted again and again.
EVICTED = "Evicted"
_NODE_FORGOT = "ContainerStatusUnknown"
# Reasons to wait that do not pass by themselves.
_CANNOT_START = frozenset({
    *("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"),
    *("CreateContainerConfigError", "CreateContainerError", "CreatePodSandboxError", "RunContainerError"),
})  # fmt: skip

Pod = Mapping[str, Any]


class Ended(Struct, frozen=True, kw_only=True):
    """How a pod ended.

    Args:
        exit_code: Of its command; None: it is not known.
        text: What the cluster reports about it; empty: nothing.
        of_cluster: The cluster ended it; the command is no cause.
    """

    exit_code: int | None
    text: str
    of_cluster: bool


def is_over(pod: Pod) -> bool:
    """Whether it is proven that nothing of it runs, nor ever will."""
    if is_deleted(pod) and not pod.get("spec", {}).get("nodeName"):
        return True  # a pod that is being deleted is given to no node
    if _status(pod).get("phase") not in _FINAL:
        return False
    states = [container.get("state") or {} for container in _status(pod).get("containerStatuses") or ()]
    if _disruption(pod) in _WITHOUT_NODE and not states:
        return False  # nor has its node reported anything
    ended = [_reason(state, "terminated") != _NODE_FORGOT for state in states if "terminated" in state]
    # A container that its node has never started waits for ever, which its node has said by the final phase.
    waiting = [_disruption(pod) not in _WITHOUT_NODE for state in states if "waiting" in state]
    return len(ended) + len(waiting) == len(states) and all(ended) and all(waiting)


def unproven(pod: Pod) -> str:
    """Why `is_over` is false, for the user."""
    name, node = pod["metadata"]["name"], pod.get("spec", {}).get("nodeName", "")
    where = f"pod {name} on node {node}"
    if _disruption(pod) in _WITHOUT_NODE or _status(pod).get("reason") == "NodeLost":
        return f"{where}: the cluster has lost the node, which may still be running it"
    if _reason(_state(pod), "terminated") == _NODE_FORGOT:
        return f"{where}: the node does not know what became of its container"
    ready = _condition(pod, "Ready")
    if ready.get("reason") in ("NodeNotReady", "NodeStatusUnknown") or _status(pod).get("phase") == "Unknown":
        return f"{where}: the node does not answer"
    return f"{where} is {_status(pod).get('phase', 'Unknown')}, and its node has not yet reported its end"


def ended(pod: Pod) -> Ended | None:
    """How it ended; None: it has not."""
    status, state = _status(pod), _state(pod).get("terminated")
    disruption = _disruption(pod)
    if status.get("phase") not in _FINAL and not is_over(pod):
        return None
    code = state.get("exitCode") if state and state.get("reason") != _NODE_FORGOT else None
    reasons = (disruption, status.get("reason"), (state or {}).get("reason"))
    words = [reason for reason in reasons if reason and reason not in ("Error", "Completed")]
    text = ", ".join(dict.fromkeys([*words, *filter(None, [status.get("message"), (state or {}).get("message")])]))
    if status.get("reason") == EVICTED:
        return Ended(exit_code=137 if code is None else code, text=text, of_cluster=False)
    of_cluster = code is None or disruption in _OF_CLUSTER
    return Ended(exit_code=code, text=text or "it ended without an exit code", of_cluster=of_cluster)


def cannot_start(pod: Pod) -> str | None:
    """Why it will not start without intervention; None: it may."""
    waiting = _state(pod).get("waiting") or {}
    if waiting.get("reason") in _CANNOT_START:
        return ": ".join(filter(None, [waiting["reason"], waiting.get("message")]))
    return None


def unschedulable(pod: Pod) -> str | None:
    """Why no node takes it now; None: one does, or nothing is known yet."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") != "False" or scheduled.get("reason") not in ("Unschedulable", "SchedulingGated"):
        return None
    return ": ".join(filter(None, [scheduled["reason"], scheduled.get("message")]))


def finalizer_at(pod: Pod) -> int | None:
    """The place of our finalizer in its list."""
    finalizers = pod["metadata"].get("finalizers") or []
    return finalizers.index(FINALIZER) if FINALIZER in finalizers else None


def is_deleted(pod: Pod) -> bool:
    """Whether its deletion has been requested."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def disturbed(pod: Pod) -> str | None:
    """Why the cluster, or another user, has ended it before its time; None: none has."""
    reason = _disruption(pod)
    if _status(pod).get("reason") == EVICTED:
        return None
    if reason in _OF_CLUSTER:
        return ": ".join(filter(None, [reason, str(_condition(pod, "DisruptionTarget").get("message", ""))]))
    return "it was deleted" if is_deleted(pod) else None


def _status(pod: Pod) -> Mapping[str, Any]:
    status: Mapping[str, Any] = pod.get("status") or {}
    return status


def _state(pod: Pod) -> Mapping[str, Any]:
    containers = _status(pod).get("containerStatuses") or ()
    states: dict[str, Mapping[str, Any]] = {each["name"]: each.get("state") or {} for each in containers}
    return states.get(CONTAINER, {})


def _reason(state: Mapping[str, Any], kind: str) -> str:
    return str((state.get(kind) or {}).get("reason", ""))


def _condition(pod: Pod, kind: str) -> Mapping[str, Any]:
    conditions: dict[str, Mapping[str, Any]] = {each["type"]: each for each in _status(pod).get("conditions") or ()}
    return conditions.get(kind, {})


def _disruption(pod: Pod) -> str:
    condition = _condition(pod, "DisruptionTarget")
    return str(condition.get("reason", "")) if condition.get("status") == "True" else ""
