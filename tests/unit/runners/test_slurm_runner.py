"""Jobs of a scripted cluster: what they are submitted with, what comes back, and what is refused before any task."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from scripted_cluster import ScriptedCluster

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import SlurmOptions
from swarm_shared.runners.following import end, engine_failure
from swarm_shared.runners.runner import Command, Grounds, Start
from swarm_shared.runners.slurm import trial
from swarm_shared.runners.slurm.folder import JobFolder
from swarm_shared.runners.slurm.runner import SlurmRunner
from swarm_shared.runners.slurm.script import command_script, job_script


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedCluster:
    return ScriptedCluster(tmp_path, monkeypatch)


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    for name in ("project", "state"):
        (tmp_path / name).mkdir()
    return Grounds(
        home=tmp_path, project_root=tmp_path / "project", common_dir=None, database=tmp_path / "db",
        state_dir=tmp_path / "state",
    )  # fmt: skip


def usable(grounds: Grounds, **options: object) -> SlurmRunner:
    return SlurmRunner.usable(SlurmOptions(**options), grounds)  # type: ignore[arg-type]


def refusal(grounds: Grounds, **options: object) -> str:
    with pytest.raises(ConfigError) as refused:
        usable(grounds, **options)
    return f"{refused.value.message}; {refused.value.hint}"


def started(grounds: Grounds, script: str, env: dict[str, str] | None = None, **options: object) -> Start:
    made = SlurmRunner(
        SlurmOptions(**options),  # type: ignore[arg-type]
        folder=grounds.state_dir, cluster="t", environ=dict(os.environ),
    )  # fmt: skip
    (grounds.state_dir / "swarm-runs").touch()
    return made.start(Command(argv=("/bin/sh", "-c", script), cwd=grounds.project_root), env or {})


def ran(start: Start, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(start.argv, env=dict(start.env), input=stdin, capture_output=True, check=False, timeout=30)


def test_a_working_cluster_is_usable_and_the_trial_leaves_nothing_behind(
    cluster: ScriptedCluster, grounds: Grounds
) -> None:
    # Its jobs have no pid namespace, and the trial finds that out.
    assert "a job failed: it has no pid namespace" in refusal(grounds)
    assert [path.name for path in (grounds.state_dir / "slurm").iterdir()] == ["swarm-runs"]


def test_output_input_and_exit_code_are_those_of_the_command(cluster: ScriptedCluster, grounds: Grounds) -> None:
    start = started(
        grounds, 'cat; echo "$A"; echo wrong >&2; pwd; exit 7', {"A": 'x\'y\n"z"', "PATH": os.environ["PATH"]}
    )
    ended = ran(start, b"hello\n")
    assert ended.returncode == 7
    assert ended.stdout.decode() == f'hello\nx\'y\n"z"\n{grounds.project_root}\n'
    assert ended.stderr == b"wrong\n"
    assert start.run is not None
    assert start.has_begun is not None
    assert start.has_begun()
    assert engine_failure(start.run, 7) is None
    assert end(start.run).gone
    assert not JobFolder.of(start.run)[1].path.exists()


def test_options_are_passed_to_sbatch(cluster: ScriptedCluster, grounds: Grounds) -> None:
    start = started(grounds, "true", partition="p", cpus=2, memory=2**30, gpus=1, minutes=90, args=("--nice=5",))
    ran(start)
    assert start.run is not None
    assert cluster.words[-7:-1] == [
        "--partition=p", "--cpus-per-task=2", "--mem=1048576K", "--gpus=1", "--time=90", "--nice=5",
    ]  # fmt: skip
    assert {"--no-requeue", f"--job-name={start.run.name}"} <= {*cluster.words}


def test_no_value_is_in_a_command_line_and_files_are_readable_only_by_the_user(
    cluster: ScriptedCluster, grounds: Grounds
) -> None:
    start = started(grounds, "exit 0", {"TOKEN": "hush"})
    ran(start)
    assert start.run is not None
    assert "hush" not in " ".join((*start.argv, *cluster.words))
    folder = JobFolder.of(start.run)[1].path
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "env.sh").stat().st_mode & 0o077 == 0


def test_a_long_environment_fits(cluster: ScriptedCluster, grounds: Grounds) -> None:
    values = {f"V{number}": "ä" * 60_000 for number in range(3)}
    start = started(grounds, 'printf %s "$V2" | wc -c', {**values, "RAW": "\udcff", "PATH": "/usr/bin:/bin"})
    assert max(len(value.encode()) for value in start.env.values()) < 128 * 1024  # the kernel's limit
    assert ran(start).stdout == b"120000\n"


def test_a_job_that_slurm_refuses_is_not_a_failure_of_the_command(cluster: ScriptedCluster, grounds: Grounds) -> None:
    cluster.does("refuses")
    start = started(grounds, "true")
    ended = ran(start)
    assert b"invalid partition" in ended.stderr
    assert start.run is not None
    assert engine_failure(start.run, ended.returncode) == ""
    assert end(start.run).gone


def test_a_stop_withdraws_a_waiting_job(cluster: ScriptedCluster, grounds: Grounds) -> None:
    cluster.does("waits", "Resources")
    start = started(grounds, "true")
    assert start.run is not None
    with subprocess.Popen(start.argv, env=dict(start.env), stdin=subprocess.DEVNULL) as process:
        while "words" not in {path.name for path in cluster.state.iterdir()}:
            assert process.poll() is None
        process.terminate()
    assert process.returncode == 143
    assert "withdrawn" in (JobFolder.of(start.run)[1].files() or ())


def test_a_withdrawn_job_never_starts_its_command(cluster: ScriptedCluster, grounds: Grounds) -> None:
    folder, cwd = JobFolder(grounds.state_dir, "swarm-1"), grounds.project_root
    command = command_script(("touch", "started"), {}, str(cwd), umask=0o22)
    folder.make({"job.sh": job_script(str(folder.path), str(cwd)), "env.sh": command, "in": b"", "lock": b""})
    assert folder.withdraw()
    job = ["/bin/sh", str(folder.path / "job.sh")]
    subprocess.run(job, check=False)
    assert not (cwd / "started").exists()
    (folder.path / "withdrawn").rename(folder.path / "ready")
    subprocess.run(job, check=False)
    assert (cwd / "started").exists()


# ───── refused ─────


@pytest.mark.parametrize("program", ["sbatch", "scancel", "scontrol", "squeue"])
def test_a_missing_program_is_named(cluster: ScriptedCluster, grounds: Grounds, program: str) -> None:
    (cluster.programs / program).unlink()
    assert f"the program {program} was not found; install" in refusal(grounds)


def test_a_controller_that_does_not_respond_is_refused(cluster: ScriptedCluster, grounds: Grounds) -> None:
    cluster.does("silent")
    assert "does not answer: Unable to contact slurm controller; try: sinfo" in refusal(grounds)


def test_an_error_of_sbatch_is_shown(cluster: ScriptedCluster, grounds: Grounds) -> None:
    cluster.does("refuses")
    assert "invalid partition specified: x" in refusal(grounds, partition="x")


def test_a_node_without_pid_namespaces_is_refused(cluster: ScriptedCluster, grounds: Grounds) -> None:
    cluster.does("no-namespaces")
    assert "no pid namespace: unshare failed: Operation not permitted (node n1)" in refusal(grounds)


def test_a_folder_that_the_node_does_not_see_is_refused(
    cluster: ScriptedCluster, grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "WAIT_S", 3.0)
    cluster.does("elsewhere")
    assert "set runners.slurm.folder to a folder that this machine and all nodes share" in refusal(grounds)


@pytest.mark.parametrize(
    ("reason", "accepted"), [("Resources", True), ("Priority", True), ("PartitionNodeLimit", False)]
)
def test_a_full_cluster_is_usable_and_an_impossible_job_is_not(
    cluster: ScriptedCluster, grounds: Grounds, monkeypatch: pytest.MonkeyPatch, reason: str, accepted: bool
) -> None:
    monkeypatch.setattr(trial, "WAIT_S", 3.0)
    cluster.does("waits", reason)
    if accepted:
        usable(grounds)
    else:
        assert f"no job began within 3 s: {reason}" in refusal(grounds)


def test_a_job_that_begins_and_does_not_end_is_refused(
    cluster: ScriptedCluster, grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "RUN_S", 1.0)
    cluster.does("hangs")
    assert "a job began, but did not end within 1 s" in refusal(grounds)


def test_a_missing_folder_or_one_that_others_can_write_to_is_refused(
    cluster: ScriptedCluster, grounds: Grounds
) -> None:
    assert "cannot be used: its parent folder is not there" in refusal(grounds, folder="/nowhere/runs")
    open_to_all = grounds.home / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert "others could write to" in refusal(grounds, folder=str(open_to_all))


def test_a_variable_that_a_shell_cannot_export_is_refused(cluster: ScriptedCluster, grounds: Grounds) -> None:
    with pytest.raises(ConfigError, match=r"'A\.B' cannot be passed to a job"):
        started(grounds, "true", {"A.B": "x"})


def test_the_swarms_own_variables_are_passed_on_only_by_name(cluster: ScriptedCluster, grounds: Grounds) -> None:
    made = SlurmRunner(SlurmOptions(environment=("MINE_*",)), folder=grounds.state_dir, cluster="t", environ={})
    given = {"MINE_A": "1", "SECRET": "2", "PATH": "/bin", "SLURM_CONF": "/x"}
    assert made.environment(given) == {"MINE_A": "1", "PATH": "/bin"}
