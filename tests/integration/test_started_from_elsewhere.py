"""A swarm that is started from a git hook, from an agent's session and in a folder full of Python files.

None of that reaches the processes that it runs: sessions and commands of every kind report their surroundings.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from repositories import Sandbox
from start_harness import harness

from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration

# Each would be imported, and each does harm if it is.
SHADOWS = (
    *("types", "json", "select", "random", "typing", "signal", "logging", "calendar", "email", "click", "tomllib"),
    *("swarm_shared/__init__", "amplifier_swarm/__init__", "supervisor/__init__", "sitecustomize"),
)
PROGRAMS = ("amplifier_swarm.worker", "amplifier_swarm.reaper", "amplifier_swarm.orchestrator", "swarm_dashboard")
ALONE_CANNOT_HELP = ("types", "amplifier_swarm/__init__", "sitecustomize")  # Python itself imports these before us


@pytest.fixture
def project(tmp_path: Path) -> Sandbox:
    made = Sandbox(tmp_path / "of-the-user")
    ran = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__)\n"
    made.commit({f"{name}.py": ran for name in SHADOWS} | {"README": "hello"})
    return made


def of_the_starter(project: Sandbox) -> dict[str, str]:
    """What a git hook that an agent's command ran would pass on, and a variable of the user's."""
    return {
        "GIT_DIR": str(project.root / ".git"),
        "GIT_INDEX_FILE": str(project.root / ".git" / "index"),
        "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z",
        "CLAUDECODE": "1",
        "CODEX_THREAD_ID": "outer",
        "GEMINI_CLI": "1",
        "OPENCODE": "1",
        "PWD": str(project.root),
        "OLDPWD": "/",
        "MINE": "mine",
    }


def test_no_process_of_a_swarm_is_affected_by_where_it_was_started(tmp_path: Path, project: Sandbox) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    program = shutil.which("amplifier-swarm", path=str(Path(sys.executable).parent))
    assert program is not None

    def note(kind: str) -> str:
        return f"env -0 > {seen}/{kind}; pwd -P > {seen}/{kind}.cwd"

    with harness() as at:
        at.folder.joinpath("swarm.yaml").write_text(
            f"setup: ['{note('setup')}']\nchecks: ['{note('check')}']\n"
            f"gate: ['{note('gate')}']\ncleanup: ['{note('cleanup')}']\n"
        )
        work = f"{note('builder')}; echo a > a.txt; git add -A; git commit -qm 'by the agent'"
        at.add(TaskSpec(id="a", name="a", run=work, verify=note("validator")))
        environment = {**at.environment(), **project.env, **of_the_starter(project)}
        before = project.sha("main")
        for words in (["start", "--agent-cli", "command", "--no-dashboard"], ["worktrees", "prune"]):
            ended = subprocess.run(
                [program, "--db", str(at.db), *words],
                cwd=project.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert ended.returncode == 0, ended.stdout + ended.stderr
        assert at.status("a") is Status.COMPLETED
        assert "a.txt" in project.files("swarm/integration")
        assert (project.sha("main"), project.git("status", "--porcelain")) == (before, "")
        for kind in ("setup", "builder", "check", "validator", "gate", "cleanup"):
            env = dict(entry.split("=", 1) for entry in (seen / kind).read_text().split("\0") if entry)
            assert env["MINE"] == "mine", kind
            assert env["PWD"] == (seen / f"{kind}.cwd").read_text().strip(), kind
            assert not (of_the_starter(project).keys() - {"MINE", "PWD"}) & env.keys(), kind
    assert not (tmp_path / "ran").exists(), "a module of the project was imported"


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_imports_files_from_the_folder_in_which_it_is_started(
    tmp_path: Path, project: Sandbox, program: str
) -> None:
    for name in ALONE_CANNOT_HELP:
        (project.root / f"{name}.py").unlink()
    if program.startswith("amplifier_swarm"):
        (project.root / "amplifier_swarm").rmdir()
    ended = subprocess.run(
        [sys.executable, "-m", program, "--help"], cwd=project.root, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "ran").exists()
