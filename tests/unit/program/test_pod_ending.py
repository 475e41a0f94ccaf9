"""What counts as proof that a pod is gone, with an API server that answers in every way that it has."""

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
from swarm_shared.runners.kubernetes.cluster import Cluster, Silent
from swarm_shared.runners.kubernetes.folder import MARKER, RunFolder
from swarm_shared.runners.kubernetes.manifest import manifest
from swarm_shared.runners.kubernetes.pods import FINALIZER

NAME = "swarm-1"


class Desk:
    """One run whose pod the test moves on by itself: no node works here."""

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
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk(tmp_path)
    monkeypatch.setenv("PATH", desk.cluster.path)
    return desk


def test_a_pod_that_runs_is_deleted_and_gone_once_its_node_has_reported(desk: Desk) -> None:
    desk.has_pod("Running")
    desk.takes()
    desk.meanwhile = {2: lambda: desk.change("Failed", deletionGracePeriodSeconds=0)}
    assert desk.end() == Answer(gone=True)
    assert desk.waits == 2
    assert len(desk.calls("delete")) == 1
    assert desk.cluster.store.names() == []
    assert not desk.folder.path.exists()


def test_a_pod_whose_node_reports_nothing_is_unknown(desk: Desk) -> None:
    desk.has_pod("Running")
    desk.takes()
    answer = ending.end(desk.run(), sleep=lambda _: None, patience_s=0)
    assert not answer.gone
    assert answer.healthy
    assert "node-1 is Running" in answer.text
    assert desk.cluster.store.names() == [NAME]
    assert desk.folder.path.exists()


def test_a_pod_that_waits_never_starts_once_it_was_ended(desk: Desk) -> None:
    desk.has_pod(node="")
    assert desk.end().gone
    assert desk.cluster.store.names() == []


def test_a_command_that_was_withdrawn_first_needs_no_report_of_a_node(desk: Desk) -> None:
    desk.has_pod("Running")  # its launcher has not begun: the file that it must take is no longer there
    assert desk.end().gone


def test_either_the_pod_or_who_ends_it_takes_the_file_that_starts_the_command(desk: Desk) -> None:
    assert desk.folder.withdraw()
    with pytest.raises(FileNotFoundError):
        desk.takes()
    (desk.folder.path / "withdrawn").rename(desk.folder.path / "taken")
    assert not desk.folder.withdraw()


def test_a_pod_that_was_never_created_is_gone(desk: Desk) -> None:
    assert desk.end().gone
    assert not desk.folder.path.exists()


def test_a_run_that_was_never_prepared_is_gone_without_asking(desk: Desk) -> None:
    desk.folder.remove()
    assert desk.end().gone
    assert desk.cluster.journal("call") == []


def test_a_pod_that_vanished_while_it_ran_is_unknown(desk: Desk) -> None:
    desk.takes()
    answer = desk.end()
    assert not answer.gone
    assert "was removed before its node reported its end" in answer.text


def test_an_ending_that_was_interrupted_after_the_proof_is_finished_by_the_next(desk: Desk) -> None:
    desk.takes()
    desk.folder.note_over()
    assert desk.end().gone


@pytest.mark.parametrize("fault", ["api-down", "another-cluster", "namespace-forbidden"])
def test_no_answer_and_the_answer_of_another_cluster_prove_nothing(desk: Desk, fault: str) -> None:
    desk.takes()
    desk.folder.note_over()
    desk.cluster.begin(fault)
    assert not desk.end().gone
    assert desk.folder.path.exists()


def test_a_namespace_that_was_made_anew_proves_nothing(desk: Desk) -> None:
    answer = desk.end(replace(desk.cluster.cluster, uid="of-the-old-one"))
    assert not answer.gone
    assert "another cluster or namespace answers" in answer.text


def test_a_volume_that_is_not_mounted_proves_nothing(desk: Desk) -> None:
    desk.folder.remove()
    (desk.base / MARKER).unlink()
    answer = desk.end()
    assert not answer.gone
    assert "not mounted" in answer.text


def test_a_deletion_that_hangs_is_unknown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "ask", lambda *words: hangs(*words))
    desk.has_pod("Running")
    answer = desk.end()
    assert not answer.gone
    assert "did not answer" in answer.text


def hangs(*words: str) -> str:
    raise Silent(f"{words[0]} did not answer in 10 s")


def test_finalizers_of_others_stay(desk: Desk) -> None:
    desk.has_pod("Running")
    desk.change("Failed", finalizers=["other/one", FINALIZER])
    assert desk.end().gone
    pod = desk.cluster.store.get(NAME)
    assert pod is not None
    assert pod["metadata"]["finalizers"] == ["other/one"]


def test_a_pod_that_is_being_deleted_by_someone_else_is_not_gone_yet(desk: Desk) -> None:
    desk.has_pod("Running")
    desk.takes()
    pod = desk.cluster.store.get(NAME)
    assert pod is not None
    delete(pod, 0)  # --force --grace-period=0
    desk.cluster.store.put(pod)
    assert desk.cluster.store.names() == [NAME]
    assert not ending.end(desk.run(), sleep=lambda _: None, patience_s=0).gone


@pytest.mark.parametrize(
    ("code", "own", "fails"),
    [(0, 0, False), (7, 7, False), (125, 125, False), (125, None, True), (None, None, False), (137, None, False)],
)
def test_only_the_clients_own_code_speaks_of_the_cluster(
    desk: Desk, code: int | None, own: int | None, fails: bool
) -> None:
    desk.has_pod("Failed")
    if own is not None:
        (desk.folder.path / "code").write_text(f"{own}\n")
    assert (ending.failure(desk.run(), code) is not None) == fails


def test_a_command_whose_pod_was_deleted_by_others_is_not_blamed(desk: Desk) -> None:
    desk.has_pod("Failed")
    (desk.folder.path / "code").write_text("143\n")
    desk.change("Failed", deletionTimestamp="2026-11-01T10:00:00Z")
    assert "it was deleted" in str(ending.failure(desk.run(), 143))
    desk.cluster.begin("api-down")
    assert ending.failure(desk.run(), 143) is None


def test_only_what_the_cluster_knows_as_running_is_reported_so(desk: Desk) -> None:
    assert not ending.runs(desk.run())
    desk.has_pod("Running")
    assert ending.runs(desk.run())
    desk.change("Failed")
    assert not ending.runs(desk.run())
    desk.cluster.begin("api-down")
    assert not ending.runs(desk.run())


def test_the_advice_for_a_lost_node_names_deletion_and_finalizer(tmp_path: Path) -> None:
    text = removal(Desk(tmp_path).run())
    assert f"delete pod {NAME} --wait=false && kubectl" in text
    assert f'patch pod {NAME} --type=merge \'--patch={{"metadata": {{"finalizers": null}}}}\'' in text
