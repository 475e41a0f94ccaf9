"""A stand-in for scheduler, node and volume of a cluster: runs the pods of `stand_in_kubectl` as real processes.

Each container is a pid namespace under bubblewrap that sees the volume's paths as its manifest says, so that the kernel
judges mounts, signals and what is left. Faults: see `Node`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from stand_in_kubectl import Store, delete, now

POLL_S = 0.02
CONTAINER = "task"


class Running:
    """One container."""

    def __init__(self, pod: dict[str, Any], claims: dict[str, str]) -> None:
        read, write = os.pipe()
        self.process = subprocess.Popen(
            [*words(pod, claims, write)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(write,),
            start_new_session=True,
        )
        os.close(write)
        self._status = os.fdopen(read)  # stays open: bwrap writes to it at the end as well
        line = self._status.readline()
        self.first_pid: int = json.loads(line)["child-pid"] if line else self.process.pid
        self.started_at = now()
        self.kill_at: float | None = None

    def send(self, number: int) -> None:
        try:
            os.kill(self.first_pid, number)
        except ProcessLookupError:
            pass


def words(pod: dict[str, Any], claims: dict[str, str], status_fd: int) -> list[str]:
    """The command line that makes the container."""
    (container,) = pod["spec"]["containers"]
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    line = ["bwrap", "--unshare-pid", "--unshare-ipc", "--as-pid-1", "--cap-drop", "ALL"]
    line += ["--json-status-fd", str(status_fd), "--clearenv", "--setenv", "PATH", "/usr/bin:/bin"]
    line += ["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc", "--proc", "/proc", "--dev", "/dev"]
    for name in ("bin", "lib", "lib64", "sbin"):
        if os.path.islink(f"/{name}"):
            line += ["--symlink", f"usr/{name}", f"/{name}"]
    for mount in container["volumeMounts"]:
        path, volume = mount["mountPath"], volumes[mount["name"]]
        if "emptyDir" in volume:
            line += ["--tmpfs", path]
            continue
        source = Path(claims[volume["persistentVolumeClaim"]["claimName"]]) / mount.get("subPath", "")
        if not source.exists():
            source.mkdir(parents=True)  # as the kubelet does
        line += ["--ro-bind" if mount.get("readOnly") else "--bind", str(source), path]
    return [*line, "--remount-ro", "/", "--chdir", container["workingDir"], "--", *container["command"]]


class Node:
    """Faults: unschedulable, image-missing, node-lost, node-forgotten; once: evict, oom, preempt, delete."""

    def __init__(self, store: Store, claims: dict[str, str]) -> None:
        self._store, self._claims = store, claims
        self._running: dict[str, Running] = {}
        self._stops = False
        signal.signal(signal.SIGTERM, self._stop)

    def run(self) -> None:
        while not self._stops:
            with self._store.locked():
                for name in self._store.names():
                    pod = self._store.get(name)
                    if pod is not None and self._changes(pod):
                        self._store.put(pod)
            time.sleep(POLL_S)
        for running in self._running.values():
            running.send(signal.SIGKILL)
            running.process.wait()

    def _stop(self, *_: object) -> None:
        self._stops = True

    def _changes(self, pod: dict[str, Any]) -> bool:
        before = json.dumps(pod)
        name, spec, status = pod["metadata"]["name"], pod["spec"], pod["status"]
        if self._store.has("node-lost") and name in self._running:
            condition(pod, "Ready", "False", "NodeStatusUnknown")
            if self._store.has("node-forgotten"):
                status["phase"] = "Failed"
                condition(pod, "DisruptionTarget", "True", "DeletionByPodGC")
                delete(pod, 0)
        elif not spec.get("nodeName"):
            self._schedule(pod)
        elif status["phase"] in ("Pending", "Running") or name in self._running:
            self._tend(pod, name)
        elif pod["metadata"].get("deletionTimestamp"):
            pod["metadata"]["deletionGracePeriodSeconds"] = 0
        return json.dumps(pod) != before

    def _schedule(self, pod: dict[str, Any]) -> None:
        if pod["metadata"].get("deletionTimestamp") or self._store.has("node-lost"):
            return
        if self._store.has("unschedulable"):
            text = "0/3 nodes are available: 3 Insufficient cpu."
            condition(pod, "PodScheduled", "False", "Unschedulable", text)
            return
        condition(pod, "PodScheduled", "True", "")
        pod["spec"]["nodeName"] = "node-1"

    def _tend(self, pod: dict[str, Any], name: str) -> None:
        running = self._running.get(name)
        deleted = pod["metadata"].get("deletionTimestamp")
        if running is None:
            if deleted:
                pod["status"]["phase"] = "Failed"
                pod["metadata"]["deletionGracePeriodSeconds"] = 0
            elif self._store.has("image-missing"):
                waits(pod, "ImagePullBackOff", 'Back-off pulling image "localhost/agents:1"')
            else:
                self._store.note("started", name)
                self._running[name] = Running(pod, self._claims)
                pod["status"]["phase"] = "Running"
                state(pod, {"running": {"startedAt": now()}})
            return
        why = self._disturb(pod, running)
        if deleted and running.kill_at is None:
            running.send(signal.SIGTERM)
            running.kill_at = time.monotonic() + pod["metadata"]["deletionGracePeriodSeconds"]
        elif deleted and running.kill_at is not None:
            at = time.monotonic() + pod["metadata"]["deletionGracePeriodSeconds"]
            running.kill_at = min(running.kill_at, at)
            if time.monotonic() >= running.kill_at:
                running.send(signal.SIGKILL)
        code = running.process.poll()
        if why:
            code = running.process.wait()
        if code is not None:
            self._finish(pod, running, code, why)

    def _disturb(self, pod: dict[str, Any], running: Running) -> str:
        for fault in ("evict", "oom"):
            if self._store.take(fault):
                running.send(signal.SIGKILL)
                return fault
        if self._store.take("preempt"):
            condition(pod, "DisruptionTarget", "True", "PreemptionByScheduler")
            delete(pod, 1)
        if self._store.take("delete"):
            delete(pod, 1)
        return ""

    def _finish(self, pod: dict[str, Any], running: Running, code: int, why: str) -> None:
        name, status = pod["metadata"]["name"], pod["status"]
        code = 128 - code if code < 0 else code
        reason = "OOMKilled" if why == "oom" else "Error" if code else "Completed"
        times = {"startedAt": running.started_at, "finishedAt": now()}
        state(pod, {"terminated": {"exitCode": code, "reason": reason, **times}})
        status["phase"] = "Failed" if code else "Succeeded"
        if why == "evict":
            status |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
            condition(pod, "DisruptionTarget", "True", "TerminationByKubelet")
        if pod["metadata"].get("deletionTimestamp"):
            pod["metadata"]["deletionGracePeriodSeconds"] = 0
        del self._running[name]
        self._store.note("ended", name)


def condition(pod: dict[str, Any], kind: str, status: str, reason: str, message: str = "") -> None:
    others = [each for each in pod["status"].get("conditions", []) if each["type"] != kind]
    pod["status"]["conditions"] = [*others, {"type": kind, "status": status, "reason": reason, "message": message}]


def waits(pod: dict[str, Any], reason: str, message: str) -> None:
    state(pod, {"waiting": {"reason": reason, "message": message}})


def state(pod: dict[str, Any], value: dict[str, Any]) -> None:
    pod["status"]["containerStatuses"] = [{"name": CONTAINER, "restartCount": 0, "ready": False, "state": value}]


if __name__ == "__main__":
    Node(Store(Path(sys.argv[1])), json.loads(sys.argv[2])).run()
