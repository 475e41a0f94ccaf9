"""A stand-in for kubectl and for the API server behind it: objects are files, and faults are files that tests make.

It answers as kubectl does for the few commands that the runner uses, with the API server's rules for names, graceful
deletion and finalizers. What runs pods is `stand_in_node`.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

NAMESPACE, OTHER_UID = "agents", "another-uid"
UID = "0b7fd2b1-8f4b-4d6f-a0d5-3e5a1f0c9a77"
# Anything that the API server's strict decoding would refuse is a bug of ours.
_KNOWN = {
    "spec": {
        *("restartPolicy", "automountServiceAccountToken", "enableServiceLinks", "terminationGracePeriodSeconds"),
        *("securityContext", "containers", "volumes", "serviceAccountName", "nodeSelector", "imagePullSecrets"),
    },
    "container": {"name", "image", "command", "workingDir", "resources", "securityContext", "volumeMounts"},
    "mount": {"name", "mountPath", "subPath", "readOnly"},
}


class Store:
    """The objects, the faults and the journal below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("pods", "faults"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def has(self, fault: str) -> bool:
        return (self.folder / "faults" / fault).exists()

    def take(self, fault: str) -> bool:
        """Whether there is a fault of that name; it occurs once."""
        try:
            (self.folder / "faults" / fault).unlink()
        except FileNotFoundError:
            return False
        return True

    def names(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "pods").glob("*.json"))

    def get(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads((self.folder / "pods" / f"{name}.json").read_text())
        except FileNotFoundError:
            return None
        return found

    def put(self, pod: dict[str, Any]) -> None:
        """Store it, or remove it if it is deleted and nothing keeps it."""
        name, meta = pod["metadata"]["name"], pod["metadata"]
        path = self.folder / "pods" / f"{name}.json"
        if meta.get("deletionTimestamp") and meta.get("deletionGracePeriodSeconds") == 0 and not meta.get("finalizers"):
            path.unlink(missing_ok=True)
            self.note("removed", name)
            return
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(pod))
        draft.replace(path)

    def note(self, what: str, name: str = "") -> None:
        with (self.folder / "journal").open("a") as journal:
            journal.write(f"{what} {name}\n")


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def delete(pod: dict[str, Any], grace_s: int) -> None:
    """Request its graceful deletion, as the API server does; a further request can only shorten it."""
    meta = pod["metadata"]
    if not pod["spec"].get("nodeName") or pod["status"]["phase"] in ("Succeeded", "Failed"):
        grace_s = 0
    meta["deletionGracePeriodSeconds"] = min(grace_s, meta.get("deletionGracePeriodSeconds", grace_s))
    meta.setdefault("deletionTimestamp", now())


def fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise SystemExit(1)


class Kubectl:
    def __init__(self, store: Store, options: dict[str, str]) -> None:
        self._store, self._options = store, options

    def run(self, verb: str, *words: str) -> None:
        if verb == "get" and words[0] == "namespace":
            self._get_namespace(words[1])
            return
        if self._options.get("namespace") != NAMESPACE:
            fail(f'Error from server (NotFound): namespaces "{self._options.get("namespace")}" not found')
        with self._store.locked():
            match verb, *words:
                case "get", "pod", name:
                    self._get(name)
                case ["create"]:
                    self._create()
                case "delete", "pod", name:
                    self._delete(name)
                case "patch", "pod", name:
                    self._patch(name)
                case _:
                    fail(f"error: unknown command {verb} {words}")
        if verb == "create" and self._store.take("lost-answer"):
            fail("Unable to connect to the server: unexpected EOF")

    def _get_namespace(self, name: str) -> None:
        if self._store.has("namespace-forbidden"):
            fail(f'Error from server (Forbidden): namespaces "{name}" is forbidden: User "x" cannot get resource')
        if name != NAMESPACE:
            fail(f'Error from server (NotFound): namespaces "{name}" not found')
        sys.stdout.write(OTHER_UID if self._store.has("another-cluster") else UID)

    def _found(self, name: str) -> dict[str, Any] | None:
        pod = None if self._store.has("another-cluster") else self._store.get(name)
        if pod is None and "ignore-not-found" not in self._options:
            fail(f'Error from server (NotFound): pods "{name}" not found')
        return pod

    def _get(self, name: str) -> None:
        if (pod := self._found(name)) is not None:
            print(json.dumps(pod, indent=4))

    def _create(self) -> None:
        path = self._options["filename"]
        pod: dict[str, Any] = json.loads(Path(path).read_text())
        name = pod["metadata"]["name"]
        if self._store.has("quota"):
            fail(
                f'Error from server (Forbidden): error when creating "{path}": pods "{name}" is forbidden: '
                "exceeded quota: compute, requested: pods=1, used: pods=10, limited: pods=10"
            )
        if self._store.get(name) is not None:
            fail(f'Error from server (AlreadyExists): error when creating "{path}": pods "{name}" already exists')
        check(pod, path)
        pod["metadata"] |= {"namespace": NAMESPACE, "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        pod["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        self._store.put(pod)
        self._store.note("created", name)
        print(f"pod/{name}")

    def _delete(self, name: str) -> None:
        if self._store.has("delete-hangs"):
            time.sleep(60)
        if (pod := self._found(name)) is None:
            return
        if self._options.get("grace-period") == "0" or "force" in self._options:
            fail("the runner must never delete by force")
        delete(pod, int(self._options.get("grace-period", "30")))
        self._store.put(pod)
        print(f'pod "{name}" deleted')

    def _patch(self, name: str) -> None:
        if (pod := self._found(name)) is None:
            return
        for step in json.loads(self._options["patch"]):
            *way, last = step["path"].strip("/").split("/")
            place: Any = pod
            for word in way:
                place = place[word]
            key = int(last) if isinstance(place, list) else last
            if step["op"] == "test" and place[key] != step["value"]:
                fail("Error from server (Invalid): the server rejected our request due to an error in our request")
            if step["op"] == "remove":
                del place[key]
        self._store.put(pod)
        print(f"pod/{name} patched")


def check(pod: dict[str, Any], path: str) -> None:
    spec = pod["spec"]
    (container,) = spec["containers"]
    parts = [("spec", spec), ("container", container), *(("mount", mount) for mount in container["volumeMounts"])]
    for kind, part in parts:
        if unknown := set(part) - _KNOWN[kind]:
            fail(
                f'Error from server (BadRequest): error when creating "{path}": Pod in version "v1" cannot be handled '
                f"as a Pod: strict decoding error: unknown field {sorted(unknown)}"
            )
    volumes = {volume["name"] for volume in spec["volumes"]}
    mounts = container["volumeMounts"]
    paths = [mount["mountPath"] for mount in mounts]
    relative = all(
        ".." not in mount.get("subPath", "").split("/") and mount.get("subPath", "x")[0] != "/" for mount in mounts
    )
    if len(set(paths)) != len(paths) or not relative or any(mount["name"] not in volumes for mount in mounts):
        fail(f'The Pod "{pod["metadata"]["name"]}" is invalid: spec.containers[0].volumeMounts: {mounts}')


def main(folder: Path, words: list[str]) -> None:
    store = Store(folder)
    options = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
    rest = [word for word in words if not word.startswith("--")]
    store.note("call", " ".join(words))
    if store.has("api-hangs"):
        time.sleep(60)
    if store.has("api-down"):
        fail("The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?")
    Kubectl(store, options).run(*rest)


if __name__ == "__main__":
    main(Path(os.environ.get("STAND_IN_CLUSTER") or sys.argv[1]), sys.argv[2:])
