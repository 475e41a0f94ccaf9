"""The manifest of a pod, and what is refused before one is started."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from stand_in_cluster import StandInCluster

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import KubernetesOptions
from swarm_shared.runners.kubernetes import client as client_module
from swarm_shared.runners.kubernetes import runner as runner_module
from swarm_shared.runners.kubernetes.client import Client, NoTurn, Work
from swarm_shared.runners.kubernetes.pods import FINALIZER
from swarm_shared.runners.kubernetes.runner import Kubernetes
from swarm_shared.runners.remote.folder import MARKER
from swarm_shared.runners.remote.work import take_work
from swarm_shared.runners.runner import Command, Grounds, Start


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInCluster]:
    cluster = StandInCluster(tmp_path)
    monkeypatch.setenv("PATH", cluster.path)
    base = Path(cluster.cluster.base)
    base.mkdir(mode=0o700)
    (base / MARKER).touch()
    for name in ("project", "state"):
        (cluster.volume / name).mkdir()
    monkeypatch.setattr(runner_module, "try_out", lambda *_, **__: None)
    return cluster


def grounds(cluster: StandInCluster, **changes: Any) -> Grounds:
    known = Grounds(
        home=Path("/home/anna"),
        project_root=cluster.volume / "project",
        common_dir=None,
        database=cluster.store.folder / "tasks.db",
        state_dir=cluster.volume / "state",
    )
    return replace(known, **changes)


def runner(cluster: StandInCluster, **options: Any) -> Kubernetes:
    environ = {"PATH": "/here", "KUBECONFIG": "/k", "SECRET": "s"}
    options = replace(cluster.options, **options)
    return Kubernetes(options, grounds(cluster), cluster=cluster.cluster, environ=environ)


def start(cluster: StandInCluster, env: dict[str, str] | None = None, **options: Any) -> Start:
    command = Command(argv=("/bin/sh", "-c", "true"), cwd=cluster.volume / "project")
    return runner(cluster, **options).start(command, env or {})


def pod_of(started: Start) -> dict[str, Any]:
    return work_of(started).manifest


def work_of(started: Start) -> Work:
    return take_work(dict(started.env), Work)


def test_a_pod_is_never_restarted_and_keeps_its_object_until_it_is_proven_over(cluster: StandInCluster) -> None:
    pod = pod_of(start(cluster))
    assert pod["kind"] == "Pod"
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["metadata"]["finalizers"] == [FINALIZER]


def test_a_pod_has_no_privileges_and_no_service_account(cluster: StandInCluster) -> None:
    spec = pod_of(start(cluster))["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_limits_and_placement_are_passed_to_the_cluster(cluster: StandInCluster) -> None:
    spec = pod_of(
        start(cluster, cpus=1.5, memory=2**30, gpus=1, node_selector=(("disk", "ssd"),), pull_secrets=("login",))
    )["spec"]
    limits = {"cpu": "1500m", "memory": "1073741824", "nvidia.com/gpu": "1"}
    assert spec["containers"][0]["resources"] == {"requests": limits, "limits": limits}
    assert (spec["nodeSelector"], spec["imagePullSecrets"]) == ({"disk": "ssd"}, [{"name": "login"}])


def test_only_the_needed_paths_of_the_volume_are_mounted(cluster: StandInCluster) -> None:
    (container,) = pod_of(start(cluster))["spec"]["containers"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"] if mount["name"] == "shared"}
    assert all(mount.get("subPath") for mount in mounts.values())
    assert not mounts[str(cluster.volume / "project")].get("readOnly")
    assert len(mounts) == 2  # and the folder of the run


def test_values_of_variables_are_in_neither_manifest_nor_command_line(cluster: StandInCluster) -> None:
    started = start(cluster, {"API_KEY": "hush-hush", "PATH": "/here"})
    assert "hush" not in json.dumps(pod_of(started)) + " ".join(started.argv)
    work = work_of(started)
    assert work.env == {"API_KEY": "hush-hush"}  # the path is this machine's
    assert started.env["KUBECONFIG"] == "/k"
    assert "SECRET" not in started.env


def test_every_run_has_a_unique_name_which_is_known_before_the_start(cluster: StandInCluster) -> None:
    first, second = start(cluster), start(cluster)
    assert first.run is not None
    assert second.run is not None
    assert first.run.name == pod_of(first)["metadata"]["name"] != second.run.name


def test_variables_that_a_shell_cannot_export_are_refused(cluster: StandInCluster) -> None:
    with pytest.raises(ConfigError, match="cannot be passed to a pod"):
        start(cluster, {"a-b": "1"})


def test_a_folder_that_is_not_on_the_volume_is_refused(cluster: StandInCluster) -> None:
    command = Command(argv=("/bin/true",), cwd=cluster.store.folder)
    with pytest.raises(ConfigError, match="not on the shared volume"):
        runner(cluster).start(command, {})


@pytest.mark.parametrize("name", ["image", "claim", "folder", "namespace"])
def test_missing_required_options_are_requested(cluster: StandInCluster, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"runners\.kubernetes\.{name} is missing"):
        Kubernetes.usable(replace(cluster.options, **{name: ""}), grounds(cluster))


def refusal(cluster: StandInCluster, options: KubernetesOptions | None = None, **changes: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        Kubernetes.usable(options or cluster.options, grounds(cluster, **changes))
    return str(refused.value)


def test_an_unusable_cluster_is_refused_with_the_reason(
    cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = replace(cluster.options, folder="/nonexistent-volume")
    assert "/nonexistent-volume/.swarm-pods cannot be used: its parent folder is not there" in refusal(cluster, missing)
    assert "is on the shared volume" in refusal(cluster, database=cluster.volume / "tasks.db")
    outside = replace(cluster.options, writable=("/etc",))
    assert "/etc is not on the shared volume" in refusal(cluster, outside)
    cluster.begin("api-down")
    assert "does not answer: The connection to the server" in refusal(cluster)
    Path(cluster.cluster.base).chmod(0o755)
    assert "others could use" in refusal(cluster)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "kubectl was not found" in refusal(cluster)


def client_of(cluster: StandInCluster, tmp_path: Path) -> Client:
    work = work_of(start(cluster))
    out = (tmp_path / "out").open("wb")
    return Client(work, out, out)


def test_a_lost_response_is_followed_by_a_retry_that_creates_no_second_pod(
    cluster: StandInCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(cluster, tmp_path)
    cluster.begin("lost-answer")

    def ends(_: float) -> None:
        (name,) = cluster.store.names()
        (Path(cluster.cluster.base) / name / "code").write_text("7\n")

    monkeypatch.setattr(client_module.time, "sleep", ends)
    assert client.run(b"") == 7
    assert len(cluster.journal("created")) == 1
    assert len(cluster.store.names()) == 1


def test_a_refusal_by_the_api_server_is_not_retried(cluster: StandInCluster, tmp_path: Path) -> None:
    cluster.begin("quota")
    with pytest.raises(NoTurn, match="exceeded quota"):
        client_of(cluster, tmp_path).run(b"")
    assert len([line for line in cluster.journal("call") if "create" in line]) == 1
