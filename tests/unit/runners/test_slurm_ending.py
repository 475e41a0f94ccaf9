"""What counts as proof that a job is gone, with responses recorded from Slurm 22.05."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import Answer
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.folder import MARKER
from swarm_shared.runners.slurm.ending import end, failure, runs
from swarm_shared.runners.slurm.folder import JobFolder
from swarm_shared.runners.slurm.jobs import OVER, Slurm, is_up

NAME = "swarm-1"
JOB = (
    "JobId=7 JobName={name} UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901759 Nice=0 Account=(null) "
    "QOS=(null) JobState={state} Reason=None Dependency=(null) Requeue=0 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0 "
    "RunTime=00:00:04 TimeLimit=UNLIMITED Partition=p AllocNode:Sid=localhost:1934 NodeList=n1 NumNodes=1 Power= "
)
NODE = (
    "NodeName=n1 Arch=x86_64 CoresPerSocket=1  CPUAlloc=0 CPUEfctv=8 CPUTot=8 CPULoad=3.60 NodeAddr=127.0.0.1 "
    "OS=Linux 6.18 #1 SMP RealMemory=1 State={state} ThreadsPerCore=1 Partitions=p  BootTime=2026-11-28T18:07:06 "
)
CONFIG = "Configuration data as of 2026-11-29T07:34:28\nClusterName             = {name}\nMinJobAge = 600 sec"
NO_JOB = "slurm_load_jobs error: Invalid job id specified"
NO_ANSWER = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
ACTIVE = (
    "PENDING",
    "RUNNING",
    "SUSPENDED",
    "COMPLETING",
    "CONFIGURING",
    "STOPPED",
    "SIGNALING",
    "STAGE_OUT",
    "RESIZING",
)


class Recorded:
    """A cluster that responds as its fields say."""

    def __init__(self) -> None:
        self.state: str | None = "COMPLETED"  # None: no record
        self.node = "IDLE"
        self.name = NAME
        self.cluster = "t"
        self.silent = False
        self.cancelled: list[str] = []

    def __call__(self, *words: str) -> tuple[int, str, str]:
        if self.silent:
            return 1, "", NO_ANSWER
        match words:
            case ("scontrol", "show", "config"):
                return 0, CONFIG.format(name=self.cluster), ""
            case ("scontrol", _, "show", "job", _):
                if self.state is None:
                    return 1, "", NO_JOB
                return 0, JOB.format(name=self.name, state=self.state), ""
            case ("scontrol", _, "show", "node", "n1"):
                return 0, NODE.format(state=self.node), ""
            case ("squeue", *_):
                return 0, "" if self.state is None else f"7|{self.state}|None", ""
            case ("scancel", name):
                self.cancelled.append(name)
                return 0, "", ""
        raise AssertionError(words)


@pytest.fixture
def cluster() -> Recorded:
    return Recorded()


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """Of a job that has begun on node n1."""
    (tmp_path / MARKER).touch()
    folder = JobFolder(tmp_path, NAME)
    folder.make({"lock": b""})
    (folder.path / "ready").rename(folder.path / "taken")
    (folder.path / "node").write_text("7 n1\n")
    return folder


def run_of(folder: JobFolder) -> Run:
    return Run(runner="slurm", name=NAME, engine=f"t:{folder.base}")


def ended(folder: JobFolder, cluster: Recorded) -> Answer:
    return end(run_of(folder), Slurm(cluster), sleep=lambda _: None, patience_s=0.0)


def judged(folder: JobFolder, cluster: Recorded, code: int | None) -> str | None:
    return failure(run_of(folder), code, Slurm(cluster), sleep=lambda _: None, patience_s=0.0)


@pytest.mark.parametrize("state", sorted(OVER))
def test_a_completed_job_on_a_node_that_responds_is_gone(folder: JobFolder, cluster: Recorded, state: str) -> None:
    cluster.state = state
    assert ended(folder, cluster).gone
    assert not folder.path.exists()


@pytest.mark.parametrize("state", sorted(OVER))
@pytest.mark.parametrize("node", ["DOWN*", "DOWN", "IDLE*", "ALLOCATED*+DRAIN", "MIXED+NOT_RESPONDING", "UNKNOWN", ""])
def test_a_job_on_a_node_that_does_not_respond_is_unknown(
    folder: JobFolder, cluster: Recorded, state: str, node: str
) -> None:
    cluster.state, cluster.node = state, node
    answer = ended(folder, cluster)
    assert (answer.gone, answer.healthy) == (False, True)
    assert "may still be running it" in answer.text
    assert folder.path.exists()


@pytest.mark.parametrize("state", ["IDLE", "MIXED", "ALLOCATED", "IDLE+DRAIN", "MIXED+DRAIN", "ALLOCATED+CLOUD"])
def test_drained_nodes_count_as_responding(state: str) -> None:
    assert is_up(state)


@pytest.mark.parametrize("state", [*ACTIVE, "", "NEWER_THAN_THIS"])
def test_an_unfinished_job_is_not_gone_and_is_cancelled_by_its_name(
    folder: JobFolder, cluster: Recorded, state: str
) -> None:
    cluster.state = state
    answer = ended(folder, cluster)
    assert (answer.gone, answer.healthy) == (False, True)
    assert cluster.cancelled == ([] if state == "COMPLETING" else [f"--name={NAME}"])


def test_a_job_whose_lock_is_held_is_not_gone_whatever_slurm_reports(folder: JobFolder, cluster: Recorded) -> None:
    with (folder.path / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "hold its lock" in ended(folder, cluster).text
        (folder.path / "code").write_text("0\n")
        assert not ended(folder, cluster).gone
    assert ended(folder, cluster).gone


def test_a_job_that_reports_that_nothing_is_left_is_gone_without_slurm(folder: JobFolder, cluster: Recorded) -> None:
    cluster.silent = True
    (folder.path / "code").write_text("0\n")
    assert ended(folder, cluster).gone


def test_a_job_whose_node_is_unknown_is_unknown(folder: JobFolder, cluster: Recorded) -> None:
    (folder.path / "node").unlink()
    answer = ended(folder, cluster)
    assert (answer.gone, answer.healthy) == (False, True)


def test_a_waiting_job_is_withdrawn_even_without_slurm(tmp_path: Path, cluster: Recorded) -> None:
    (tmp_path / MARKER).touch()
    folder = JobFolder(tmp_path, NAME)
    folder.make({"lock": b""})
    cluster.silent = True
    assert ended(folder, cluster).gone


def test_a_job_that_was_never_submitted_is_gone(tmp_path: Path, cluster: Recorded) -> None:
    (tmp_path / MARKER).touch()
    assert ended(JobFolder(tmp_path, NAME), cluster).gone
    (tmp_path / NAME).mkdir()  # its client was killed while it created the files
    assert ended(JobFolder(tmp_path, NAME), cluster).gone


def test_a_folder_that_is_not_mounted_proves_nothing(tmp_path: Path, cluster: Recorded) -> None:
    assert "is not mounted" in ended(JobFolder(tmp_path, NAME), cluster).text
    assert "is not mounted" in ended(JobFolder(tmp_path / "none", NAME), cluster).text


def test_without_a_response_nothing_is_known(folder: JobFolder, cluster: Recorded) -> None:
    cluster.silent = True
    answer = ended(folder, cluster)
    assert (answer.gone, answer.healthy) == (False, False)
    assert "Unable to contact" in answer.text


def test_a_job_without_a_record_is_gone_only_on_the_cluster_that_ran_it(folder: JobFolder, cluster: Recorded) -> None:
    cluster.state, cluster.cluster = None, "other"
    assert "another cluster" in ended(folder, cluster).text
    cluster.cluster, cluster.node = "t", "DOWN*"
    assert not ended(folder, cluster).gone
    cluster.node = "IDLE"
    assert ended(folder, cluster).gone


def test_a_job_id_that_was_reused_by_another_job_is_no_record(folder: JobFolder, cluster: Recorded) -> None:
    cluster.name, cluster.state = "of-another-user", "RUNNING"
    assert ended(folder, cluster).gone
    assert cluster.cancelled == []


# ───── whose fault its end is ─────


@pytest.mark.parametrize("code", [0, 1, 7, 70, 137])
def test_an_exit_code_is_the_commands_own_if_its_job_wrote_it(folder: JobFolder, cluster: Recorded, code: int) -> None:
    cluster.state = "COMPLETED" if code == 0 else "FAILED"
    (folder.path / "code").write_text(f"{code}\n")
    assert judged(folder, cluster, code) is None
    cluster.silent = True
    assert judged(folder, cluster, code) is None


def test_success_without_a_written_code_is_not_success(folder: JobFolder, cluster: Recorded) -> None:
    assert judged(folder, cluster, 0) is not None


@pytest.mark.parametrize("state", ["CANCELLED", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "REVOKED"])
@pytest.mark.parametrize("written", [True, False])
def test_a_job_ended_by_the_cluster_is_not_the_commands_fault(
    folder: JobFolder, cluster: Recorded, state: str, written: bool
) -> None:
    cluster.state = state
    if written:
        (folder.path / "code").write_text("143\n")
    assert judged(folder, cluster, 143 if written else 70) == f"job 7 on node n1 ended as {state}"


@pytest.mark.parametrize("state", ["TIMEOUT", "OUT_OF_MEMORY", "DEADLINE"])
def test_a_limit_of_the_job_is_the_commands_own_fault(folder: JobFolder, cluster: Recorded, state: str) -> None:
    cluster.state = state
    assert judged(folder, cluster, 124) is None


def test_missing_parts_of_the_node_are_shown(folder: JobFolder, cluster: Recorded) -> None:
    (folder.path / "refused").write_text("the program unshare was not found (node n1)\n")
    assert judged(folder, cluster, 70) == "the program unshare was not found (node n1)"


def test_a_killed_client_says_nothing_about_slurm(folder: JobFolder, cluster: Recorded) -> None:
    assert judged(folder, cluster, None) is None


@pytest.mark.parametrize(
    ("state", "running"), [("RUNNING", True), ("COMPLETING", True), ("NODE_FAIL", False), (None, False)]
)
def test_only_jobs_that_slurm_reports_as_running_count_as_running(
    folder: JobFolder, cluster: Recorded, state: str | None, running: bool
) -> None:
    cluster.state = state
    assert runs(run_of(folder), Slurm(cluster)) == running
    cluster.silent = True
    assert not runs(run_of(folder), Slurm(cluster))


def test_a_missing_program_is_not_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Silent, match="scontrol cannot be started"):
        Slurm().cluster()
