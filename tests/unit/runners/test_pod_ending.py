"""What counts as proof that a pod is gone, with every kind of response of an API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from stand_in_cluster import StandInCluster
from stand_in_kubectl import delete

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import Answer
from swarm_shared.runners.following import removal
from swarm_shared.runners.kubernetes import ending
from swarm_shared.runners.kubernetes.cluster import Cluster
from swarm_shared.runners.kubernetes.manifest import manifest
from swarm_shared.runners.kubernetes.pods import FINALIZER
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.folder import MARKER, RunFolder

NAME = "swarm-1"


class Harness:
    """One run whose pod the test moves on manually: there is no node here."""

    def __init__(self, tmp_path: Path) -> None:
        self.cluster = StandInCluster(tmp_path)
        self.base = Path(self.cluster.cluster.base)
        self.base.mkdir()
        (self.base / MARKER).touch()
        self.folder = RunFolder(self.base, NAME)
        self.folder.make({})
        self.waits = 0
        self.meanwhile: dict[int, Any] = {}

    def run(self, cluster: Cluster | None = None) -> Run:
        engine = msgspec.json.encode(cluster or self.cluster.cluster).decode()
        return Run(runner="kubernetes", name=NAME, engine=engine)

    def has_pod(self, phase: str = "Pending", node: str = "node-1") -> None:
        pod = manifest(NAME, self.cluster.options, folder=self.folder.path, mounts=[], emptied=[])
        pod["spec"] |= {"nodeName": node} if node else {}
        pod["status"] = {"phase": phase}
        self.cluster.store.put(pod)

    def change(self, phase: str, **meta: Any) -> None:
        pod = self.cluster.store.get(NAME)
        assert pod is not None
        pod["status"]["phase"] = phase
        pod["metadata"] |= meta
        self.cluster.store.put(pod)

    def takes(self) -> None:
        """The pod starts the command."""
        (self.folder.path / "ready").rename(self.folder.path / "taken")

    def end(self, cluster: Cluster | None = None) -> Answer:
        def sleep(_: float) -> None:
            self.waits += 1
            if action := self.meanwhile.get(self.waits):
                action()
            if self.waits > 20:
                self.patience_is_over()

        return ending.end(self.run(cluster), sleep=sleep, patience_s=3600)

    def patience_is_over(self) -> None:
        raise AssertionError("it does not come to an end")

    def calls(self, verb: str) -> list[str]:
        return [line for line in self.cluster.journal("call") if verb in line.split()]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    harness = Harness(tmp_path)
    monkeypatch.setenv("PATH", harness.cluster.path)
    return harness


def test_a_running_pod_is_deleted_and_gone_once_its_node_has_reported(harness: Harness) -> None:
    harness.has_pod("Running")
    harness.takes()
    harness.meanwhile = {2: lambda: harness.change("Failed", deletionGracePeriodSeconds=0)}
    assert harness.end() == Answer(gone=True)
    assert harness.waits == 2
    assert len(harness.calls("delete")) == 1
    assert harness.cluster.store.names() == []
    assert not harness.folder.path.exists()


def test_a_pod_whose_node_reports_nothing_is_unknown(harness: Harness) -> None:
    harness.has_pod("Running")
    harness.takes()
    answer = ending.end(harness.run(), sleep=lambda _: None, patience_s=0)
    assert not answer.gone
    assert answer.healthy
    assert "node-1 is Running" in answer.text
    assert harness.cluster.store.names() == [NAME]
    assert harness.folder.path.exists()


def test_a_waiting_pod_never_starts_once_it_was_ended(harness: Harness) -> None:
    harness.has_pod(node="")
    assert harness.end().gone
    assert harness.cluster.store.names() == []


def test_a_command_that_was_withdrawn_first_needs_no_report_of_a_node(harness: Harness) -> None:
    harness.has_pod("Running")  # its launcher has not begun: the file that it must take no longer exists
    assert harness.end().gone


def test_only_one_of_pod_and_ender_takes_the_file_that_starts_the_command(harness: Harness) -> None:
    assert harness.folder.withdraw()
    with pytest.raises(FileNotFoundError):
        harness.takes()
    (harness.folder.path / "withdrawn").rename(harness.folder.path / "taken")
    assert not harness.folder.withdraw()


def test_a_pod_that_was_never_created_is_gone(harness: Harness) -> None:
    assert harness.end().gone
    assert not harness.folder.path.exists()


def test_a_run_that_was_never_prepared_is_gone_without_asking(harness: Harness) -> None:
    harness.folder.remove()
    assert harness.end().gone
    assert harness.cluster.journal("call") == []


def test_a_pod_that_vanished_while_it_ran_is_unknown(harness: Harness) -> None:
    harness.takes()
    answer = harness.end()
    assert not answer.gone
    assert "was removed before its node reported its end" in answer.text


def test_an_ending_that_was_interrupted_after_the_proof_is_completed_by_the_next(harness: Harness) -> None:
    harness.takes()
    (harness.folder.path / ending.OVER).touch()
    assert harness.end().gone


@pytest.mark.parametrize("fault", ["api-down", "another-cluster", "namespace-forbidden"])
def test_no_response_and_the_response_of_another_cluster_prove_nothing(harness: Harness, fault: str) -> None:
    harness.takes()
    (harness.folder.path / ending.OVER).touch()
    harness.cluster.begin(fault)
    assert not harness.end().gone
    assert harness.folder.path.exists()


def test_a_recreated_namespace_proves_nothing(harness: Harness) -> None:
    answer = harness.end(replace(harness.cluster.cluster, uid="of-the-old-one"))
    assert not answer.gone
    assert "another cluster or namespace answers" in answer.text


def test_a_volume_that_is_not_mounted_proves_nothing(harness: Harness) -> None:
    harness.folder.remove()
    (harness.base / MARKER).unlink()
    answer = harness.end()
    assert not answer.gone
    assert "not mounted" in answer.text


def test_a_deletion_that_hangs_is_unknown(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "ask", lambda *words: hangs(*words))
    harness.has_pod("Running")
    answer = harness.end()
    assert not answer.gone
    assert "did not answer" in answer.text


def hangs(*words: str) -> str:
    raise Silent(f"{words[0]} did not answer in 10 s")


def test_finalizers_of_others_are_kept(harness: Harness) -> None:
    harness.has_pod("Running")
    harness.change("Failed", finalizers=["other/one", FINALIZER])
    assert harness.end().gone
    pod = harness.cluster.store.get(NAME)
    assert pod is not None
    assert pod["metadata"]["finalizers"] == ["other/one"]


def test_a_pod_that_is_being_deleted_by_others_is_not_gone_yet(harness: Harness) -> None:
    harness.has_pod("Running")
    harness.takes()
    pod = harness.cluster.store.get(NAME)
    assert pod is not None
    delete(pod, 0)  # --force --grace-period=0
    harness.cluster.store.put(pod)
    assert harness.cluster.store.names() == [NAME]
    assert not ending.end(harness.run(), sleep=lambda _: None, patience_s=0).gone


@pytest.mark.parametrize(
    ("code", "own", "fails"),
    [(0, 0, False), (7, 7, False), (125, 125, False), (125, None, True), (None, None, False), (137, None, False)],
)
def test_only_the_clients_own_exit_code_concerns_the_cluster(
    harness: Harness, code: int | None, own: int | None, fails: bool
) -> None:
    harness.has_pod("Failed")
    if own is not None:
        (harness.folder.path / "code").write_text(f"{own}\n")
    assert (ending.failure(harness.run(), code) is not None) == fails


def test_a_command_whose_pod_was_deleted_by_others_is_not_blamed(harness: Harness) -> None:
    harness.has_pod("Failed")
    (harness.folder.path / "code").write_text("143\n")
    harness.change("Failed", deletionTimestamp="2026-11-01T10:00:00Z")
    assert "it was deleted" in str(ending.failure(harness.run(), 143))
    harness.cluster.begin("api-down")
    assert ending.failure(harness.run(), 143) is None


def test_only_pods_that_the_cluster_reports_as_running_count_as_running(harness: Harness) -> None:
    assert not ending.runs(harness.run())
    harness.has_pod("Running")
    assert ending.runs(harness.run())
    harness.change("Failed")
    assert not ending.runs(harness.run())
    harness.cluster.begin("api-down")
    assert not ending.runs(harness.run())


def test_the_advice_for_a_lost_node_names_deletion_and_finalizer(tmp_path: Path) -> None:
    text = removal(Harness(tmp_path).run())
    assert f"delete pod {NAME} --wait=false && kubectl" in text
    assert f'patch pod {NAME} --type=merge \'--patch={{"metadata": {{"finalizers": null}}}}\'' in text
