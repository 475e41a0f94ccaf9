"""What the status of a pod proves, in the shapes given by the Kubernetes documentation."""

from __future__ import annotations

from typing import Any

import pytest

from swarm_shared.runners.kubernetes.pods import (
    FINALIZER,
    cannot_start,
    disturbed,
    ended,
    finalizer_at,
    is_over,
    unproven,
    unschedulable,
)

DELETED = {"deletionTimestamp": "2026-11-01T10:00:00Z", "deletionGracePeriodSeconds": 1}
EXITED = {"terminated": {"exitCode": 7, "reason": "Error", "startedAt": "2026-11-01T10:00:00Z"}}
RUNNING = {"running": {"startedAt": "2026-11-01T10:00:00Z"}}
FORGOTTEN = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
BY_GC = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
CREATING = {"waiting": {"reason": "ContainerCreating"}}


def pod(
    phase: str,
    state: dict[str, Any] | None = None,
    *conditions: dict[str, Any],
    node: str = "node-1",
    meta: dict[str, Any] | None = None,
    **status: Any,
) -> dict[str, Any]:
    if state is not None:
        status["containerStatuses"] = [{"name": "task", "restartCount": 0, "state": state}]
    return {
        "kind": "Pod",
        "metadata": {"name": "swarm-1", "finalizers": ["other/one", FINALIZER], **(meta or {})},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "conditions": list(conditions), **status},
    }


@pytest.mark.parametrize(
    ("found", "over"),
    [
        (pod("Succeeded", {"terminated": {"exitCode": 0, "reason": "Completed"}}), True),
        (pod("Failed", EXITED, meta=DELETED), True),
        (pod("Failed", reason="Evicted"), True),
        (pod("Failed", CREATING, meta=DELETED), True),
        (pod("Pending", node="", meta=DELETED), True),
        (pod("Pending", node=""), False),
        (pod("Pending", meta=DELETED), False),
        (pod("Running", RUNNING), False),
        (pod("Running", RUNNING, meta=DELETED), False),
        (pod("Running", EXITED, meta=DELETED), False),
        (pod("Unknown", RUNNING, meta=DELETED, reason="NodeLost"), False),
        (pod("Failed", RUNNING, BY_GC, meta={**DELETED, "deletionGracePeriodSeconds": 0}), False),
        (pod("Failed", CREATING, BY_GC, meta=DELETED), False),
        (pod("Failed", None, BY_GC, meta=DELETED), False),
        (pod("Failed", EXITED, BY_GC, meta=DELETED), True),
        (pod("Failed", FORGOTTEN, meta=DELETED), False),
        ({"kind": "Pod", "metadata": {"name": "x"}, "spec": {"nodeName": "n"}}, False),
    ],
)
def test_only_a_report_of_its_node_proves_that_a_pod_is_over(found: dict[str, Any], over: bool) -> None:
    assert is_over(found) == over


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (pod("Failed", RUNNING, BY_GC), "has lost the node"),
        (pod("Running", RUNNING, reason="NodeLost"), "has lost the node"),
        (pod("Failed", FORGOTTEN), "does not know what became of its container"),
        (pod("Running", RUNNING, {"type": "Ready", "reason": "NodeStatusUnknown"}), "does not answer"),
        (pod("Running", RUNNING), "is Running, and its node has not yet reported its end"),
    ],
)
def test_an_unproven_end_gives_the_reason(found: dict[str, Any], text: str) -> None:
    assert text in unproven(found)
    assert "node-1" in unproven(found)


def test_the_exit_code_is_the_containers() -> None:
    found = ended(pod("Failed", EXITED))
    assert found is not None
    assert (found.exit_code, found.of_cluster) == (7, False)
    assert ended(pod("Running", RUNNING)) is None


@pytest.mark.parametrize(
    ("found", "of_cluster", "text"),
    [
        (pod("Failed", {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}), False, "OOMKilled"),
        (pod("Failed", reason="Evicted", message="low on memory"), False, "Evicted, low on memory"),
        (pod("Failed", reason="OutOfcpu"), True, "OutOfcpu"),
        (pod("Failed", FORGOTTEN), True, "ContainerStatusUnknown"),
    ],
)
def test_the_cause_of_an_end_is_attributed(found: dict[str, Any], of_cluster: bool, text: str) -> None:
    end = ended(found)
    assert end is not None
    assert (end.of_cluster, end.text) == (of_cluster, text)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (pod("Failed", EXITED, {**BY_GC, "message": "by x"}), "DeletionByPodGC: by x"),
        (pod("Failed", EXITED, {**BY_GC, "reason": "PreemptionByScheduler"}), "PreemptionByScheduler"),
        (pod("Failed", EXITED, {**BY_GC, "reason": "TerminationByKubelet"}, reason="Evicted"), None),
        (pod("Failed", EXITED, {**BY_GC, "reason": "TerminationByKubelet"}), "TerminationByKubelet"),
        (pod("Failed", EXITED, {**BY_GC, "status": "False"}), None),
        (pod("Running", EXITED, meta=DELETED), "it was deleted"),
        (pod("Failed", EXITED), None),
    ],
)
def test_a_cluster_that_ends_a_pod_is_recognized(found: dict[str, Any], text: str | None) -> None:
    assert disturbed(found) == text


def test_permanent_and_temporary_reasons_are_distinguished() -> None:
    assert cannot_start(pod("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": "m"}})) is not None
    assert cannot_start(pod("Pending", {"waiting": {"reason": "ErrImagePull"}})) is None
    assert cannot_start(pod("Pending", CREATING)) is None
    assert cannot_start(pod("Pending", node="")) is None


def test_a_pod_that_no_node_accepts_is_recognized() -> None:
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert unschedulable(pod("Pending", None, refused, node="")) == "Unschedulable: 0/3 nodes"
    assert unschedulable(pod("Pending", None, {**refused, "status": "True"})) is None
    assert unschedulable(pod("Pending")) is None


def test_our_finalizer_is_found_among_others() -> None:
    assert finalizer_at(pod("Running")) == 1
    assert finalizer_at({"metadata": {"name": "x"}}) is None
