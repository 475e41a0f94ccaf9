"""`add` and `edit` as a user runs them: with options, from standard input, in an editor."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import TaskSpec

EXIT_INPUT, EXIT_NOT_FOUND, EXIT_STATE = 3, 5, 6


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(text.encode()))
    monkeypatch.setattr(sys, "stdin", stream)


class Editor:
    """An editor that replaces texts in the file it is opened on; without any it leaves the file alone."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._script = folder / "editor.py"
        monkeypatch.setenv("EDITOR", f"{sys.executable} {self._script}")
        self.does()

    def does(self, *replacements: tuple[str, str], code: int = 0) -> None:
        self._script.write_text(
            "import sys, pathlib\npath = pathlib.Path(sys.argv[1])\ntext = path.read_text()\n"
            f"for old, new in {replacements!r}:\n    assert old in text, text\n    text = text.replace(old, new)\n"
            f"path.write_text(text)\nsys.exit({code})\n"
        )


@pytest.fixture
def editor(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> Editor:
    type_in(monkeypatch, "")
    harness.queue(TaskSpec(id="2.10", name="Ten", description="Old text.\nTwo lines."), TaskSpec(id="b", name="B"))
    return Editor(harness.folder, monkeypatch)


def drafts(harness: CliHarness) -> list[Path]:
    return [*(harness.folder / "tasks.db.swarm" / "edits").glob("*")]


def test_a_task_is_added_to_a_new_queue(harness: CliHarness) -> None:
    ran = harness.run(
        "add", "Write the manual", "--hold", "--files", "docs/**", "--files", "README.md", "--check", "true"
    )
    assert (ran.code, ran.out) == (0, "write-the-manual: added write-the-manual\n")
    with harness.open() as database:
        spec = database.tasks.editable("write-the-manual")
    assert (spec.files, spec.checks) == (("docs/**", "README.md"), ("true",))
    assert harness.status_of("write-the-manual") == "held"


def test_a_description_comes_from_standard_input(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "First line.\n\nSecond: with a colon.\n")
    assert harness.run("add", "A", "--id", "a", "--description", "-").code == 0
    with harness.open() as database:
        assert database.tasks.editable("a").description == "First line.\n\nSecond: with a colon."


@pytest.mark.parametrize(
    ("text", "task_id"),
    [
        ("id: 2.10\nname: Ten\nlabels: [x]\n", "2.10"),
        ("name: Ten\nlabels:\n  - x\n", "ten"),
        ('{"name": "Ten \\ud83d\\ude00", "labels": ["x"]}', "ten"),
        ("# a comment\nname: >\n  Ten\nlabels: [x]", "ten"),
    ],
)
def test_a_whole_task_comes_from_standard_input(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch, text: str, task_id: str
) -> None:
    type_in(monkeypatch, text)
    ran = harness.run("add", "-", "--phase", "later", "--json")
    assert (ran.code, ran.json["results"][0]["target"]) == (0, task_id)
    with harness.open() as database:
        assert database.tasks.editable(task_id).labels == ("x",)
        assert database.tasks.editable(task_id).phase == "later"


def test_an_error_on_standard_input_is_reported_with_its_position(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, "name: Ten\npriority: soon\n")
    ran = harness.run("add", "-")
    assert ran.code == EXIT_INPUT
    assert "<standard input>:2:11:" in ran.err


def test_an_invalid_task_is_refused(harness: CliHarness) -> None:
    ran = harness.run("add", "A", "--depends", "nowhere")
    assert ran.code == EXIT_STATE
    assert "nowhere" in ran.err


def test_an_edited_task_takes_the_new_text(harness: CliHarness, editor: Editor) -> None:
    editor.does(("Old text.", "New text."), ("name: Ten", "name: Eleven"))
    ran = harness.run("edit", "2.10")
    assert (ran.code, ran.out) == (0, "2.10: changed name, description\n")
    with harness.open() as database:
        assert database.tasks.editable("2.10").description == "New text.\nTwo lines."
    assert not drafts(harness)


def test_an_unchanged_file_changes_nothing(harness: CliHarness, editor: Editor) -> None:
    ran = harness.run("edit", "2.10")
    assert (ran.code, ran.out) == (0, "nothing was changed\n")
    assert not drafts(harness)


def test_an_invalid_edit_is_kept_and_continued(harness: CliHarness, editor: Editor) -> None:
    editor.does(("Old text.", "New text."), ("priority: medium", "priority: soon"))
    ran = harness.run("edit", "2.10")
    assert ran.code == EXIT_INPUT
    assert "priority" in ran.err
    assert "`amplifier-swarm edit 2.10` continues" in ran.err
    editor.does(("priority: soon", "priority: high"))
    assert harness.run("edit", "2.10").code == 0
    with harness.open() as database:
        spec = database.tasks.editable("2.10")
    assert spec.description == "New text.\nTwo lines."
    assert not drafts(harness)


def test_a_kept_edit_can_be_discarded(harness: CliHarness, editor: Editor) -> None:
    editor.does(("Ten", "Eleven"), ("priority: medium", "priority: soon"))
    harness.run("edit", "2.10")
    editor.does()
    assert harness.run("edit", "2.10", "--discard").out == "nothing was changed\n"


def test_an_edit_that_conflicts_with_a_newer_one_is_kept(harness: CliHarness, editor: Editor) -> None:
    editor.does(("Old text.", "New text."), ("priority: medium", "priority: soon"))
    harness.run("edit", "2.10")
    path = harness.file("tasks:\n- id: 2.10\n  name: Ten\n  description: From elsewhere.\n")
    assert harness.run("edit", "2.10", "--from", path).code == 0
    editor.does(("priority: soon", "priority: high"))
    ran = harness.run("edit", "2.10")
    assert ran.code == EXIT_STATE
    assert "description of 2.10 was changed meanwhile" in ran.err
    assert drafts(harness)


def test_an_editor_that_fails_changes_nothing(harness: CliHarness, editor: Editor) -> None:
    editor.does(("Ten", "Eleven"), code=1)
    ran = harness.run("edit", "2.10")
    assert ran.code == EXIT_STATE
    assert "exit code 1" in ran.err
    with harness.open() as database:
        assert database.tasks.editable("2.10").name == "Ten"


def test_a_changed_id_is_refused(harness: CliHarness, editor: Editor) -> None:
    editor.does(("2.10", "other"))
    ran = harness.run("edit", "2.10")
    assert ran.code == EXIT_INPUT
    assert "it must contain only task 2.10, but contains other" in ran.err


def test_a_running_task_is_refused_before_the_editor_opens(harness: CliHarness, editor: Editor) -> None:
    harness.claim()
    ran = harness.run("edit", "2.10")
    assert (ran.code, drafts(harness)) == (EXIT_STATE, [])


def test_an_unknown_task_cannot_be_edited(harness: CliHarness, editor: Editor) -> None:
    assert harness.run("edit", "2.1").code == EXIT_NOT_FOUND


def test_without_an_editor_and_a_terminal_the_advice_says_what_to_set(
    harness: CliHarness, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDITOR")
    ran = harness.run("edit", "2.10")
    assert ran.code == EXIT_INPUT
    assert "set EDITOR" in ran.err
