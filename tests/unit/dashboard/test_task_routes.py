"""The secondary requests of a task's screen: why it waits, its changes, and its next prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_harness import DashboardHarness
from queue_harness import failed

from swarm_shared.agents.amplifier.home import TRANSCRIPT_FILE, sessions_folder
from swarm_shared.domain.models import FailureClass, Role, Stage, TaskSpec
from swarm_shared.git.plumbing.diffs import Change, Diff, FileChange
from swarm_shared.settings.settings import Settings
from swarm_shared.store.views.changes import MAX_FILES, Since

FILES = (
    FileChange(path="new.py", change=Change.RENAMED, old_path="old\udcff.py", added=3, deleted=1),
    FileChange(path="logo.png", change=Change.ADDED, old_path=None, added=None, deleted=None),
)


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    made = DashboardHarness(tmp_path)
    made.add(TaskSpec(id="a/1", name="one", acceptance_criteria=("It works",)), TaskSpec(id="2", name="two"))
    return made


def keep(harness: DashboardHarness, attempt: str, *since: Since, files: tuple[FileChange, ...] = FILES) -> None:
    change = Diff(files=files, text="diff --git a/x b/x\n", truncated=True)
    for one in since:
        harness.db.changes.keep(attempt, one, base_sha="b" * 40, head_sha="c" * 40, change=change)


def test_a_change_is_shown_with_its_files_and_patch(harness: DashboardHarness) -> None:
    claim = harness.start()
    assert harness.get("/api/tasks/a/1/attempts/1/diff").get_json() == {"since": "base", "change": None}
    keep(harness, claim.attempt, Since.BASE)
    change = harness.get("/api/tasks/a/1/attempts/1/diff").get_json()["change"]
    assert [(file["path"], file["old_path"], file["added"]) for file in change["files"]] == [
        ("new.py", "old?.py", 3),
        ("logo.png", None, None),
    ]
    assert (change["file_count"], change["added"], change["deleted"]) == (2, 3, 1)
    assert (change["patch"], change["truncated"]) == ("diff --git a/x b/x\n", True)
    assert harness.get("/api/tasks/a/1/attempts/1/diff?since=previous").get_json()["change"] is None
    assert harness.get("/api/tasks/a/1/attempts/1/diff?since=ever").status_code == 400
    assert harness.get("/api/tasks/a/1/attempts/2/diff").status_code == 404
    shown = harness.get("/api/tasks/a/1").get_json()["attempts"][0]
    assert shown["changed"] == {"files": 2, "added": 3, "deleted": 1}


def test_of_very_many_files_the_first_are_kept_and_all_are_counted(harness: DashboardHarness) -> None:
    many = tuple(
        FileChange(path=f"f{n}", change=Change.ADDED, old_path=None, added=1, deleted=0) for n in range(MAX_FILES + 5)
    )
    claim = harness.start()
    keep(harness, claim.attempt, Since.BASE, files=many)
    change = harness.db.changes.of(claim.attempt, Since.BASE)
    assert change is not None
    assert (len(change["files"]), change["file_count"]) == (MAX_FILES, MAX_FILES + 5)


def test_the_next_prompt_is_the_prompt_of_the_next_attempt(harness: DashboardHarness) -> None:
    assert "It works" in harness.get("/api/tasks/a/1/next-prompt").get_json()["prompt"]
    claim = harness.start()
    # It runs, so it already has its prompt.
    assert harness.get("/api/tasks/a/1/next-prompt").get_json()["prompt"] is None
    keep(harness, claim.attempt, Since.BASE)
    harness.settle(claim, failed(FailureClass.QUALITY, "tests are red", must_fix=("mind the order",)))
    shown = harness.get("/api/tasks/a/1/next-prompt").get_json()
    assert shown["attempt"] == 2
    assert "This is attempt 2" in shown["prompt"]
    assert "mind the order" in shown["prompt"]
    assert "R old?.py → new.py +3 -1" in shown["prompt"]


def gave_up(harness: DashboardHarness, session: str, *, home: Path, cwd: Path) -> None:
    """Let Amplifier fail at the next task and keep a session there that can be resumed."""
    claim = harness.take()
    agent = Settings().builder_agent
    harness.db.queue.open_session(claim, role=Role.BUILDER, name=agent, stage=Stage.BUILDING, prompt="do it")
    harness.db.connection.change(
        "UPDATE attempts SET agent_cli = 'amplifier', route = 'amplifier' WHERE id = ?", (claim.attempt,)
    )
    harness.settle(claim, failed(FailureClass.QUALITY, "tests are red", builder_session_id=session))
    folder = sessions_folder({"HOME": str(home)}, cwd) / session
    folder.mkdir(parents=True)
    (folder / TRANSCRIPT_FILE).touch()


@pytest.mark.parametrize("subfolder", ["", "services/api"])
def test_the_next_attempts_folder_and_resumed_session_are_reported(tmp_path: Path, subfolder: str) -> None:
    settings = Settings(db=tmp_path / "tasks.db")
    harness = DashboardHarness(tmp_path, environ={"HOME": str(tmp_path)}, settings=settings)
    harness.add("1")
    harness.db.swarm.note_workplace("worktree", subfolder=subfolder)
    place = (settings.state_dir / "worktrees" / "1" / subfolder).resolve()
    assert f"{place}\n" in harness.get("/api/tasks/1/next-prompt").get_json()["prompt"]
    gave_up(harness, "s-1", home=tmp_path, cwd=place)
    shown = harness.get("/api/tasks/1/next-prompt").get_json()
    assert (shown["attempt"], shown["resumes"]) == (2, "s-1")
    assert f"{place}\n" in shown["prompt"]


def test_without_worktrees_the_next_attempt_works_in_the_project_root(tmp_path: Path) -> None:
    harness = DashboardHarness(tmp_path, settings=Settings(db=tmp_path / "tasks.db", project_root=tmp_path / "here"))
    harness.add("1")
    harness.db.swarm.note_workplace("worktree", subfolder="services/api")
    harness.db.swarm.note_workplace("none")
    shown = harness.get("/api/tasks/1/next-prompt").get_json()
    assert f"{tmp_path / 'here'}\n" in shown["prompt"]
    assert shown["resumes"] is None


def test_the_reason_why_it_waits_is_reported(harness: DashboardHarness) -> None:
    shown = harness.get("/api/tasks/2/why").get_json()
    assert shown["status"] == "not_started"
    assert shown["reasons"][-1]["text"] == "it is ready; 1 ready task comes before it"
    assert harness.get("/api/tasks/none/why").status_code == 404
