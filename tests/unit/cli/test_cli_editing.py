"""`add` and `edit` as a user runs them: from words, from standard input, in an editor."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from cli_desk import CliDesk

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
def editor(desk: CliDesk, monkeypatch: pytest.MonkeyPatch) -> Editor:
    type_in(monkeypatch, "")
    desk.queue(TaskSpec(id="2.10", name="Ten", description="Old text.\nTwo lines."), TaskSpec(id="b", name="B"))
    return Editor(desk.folder, monkeypatch)


def drafts(desk: CliDesk) -> list[Path]:
    return [*(desk.folder / "tasks.db.swarm" / "edits").glob("*")]


def test_a_task_is_added_to_a_new_queue(desk: CliDesk) -> None:
    ran = desk.run("add", "Write the manual", "--hold", "--files", "docs/**", "--files", "README.md", "--check", "true")
    assert (ran.code, ran.out) == (0, "write-the-manual: added write-the-manual\n")
    with desk.open() as database:
        spec = database.tasks.editable("write-the-manual")
    assert (spec.files, spec.checks) == (("docs/**", "README.md"), ("true",))
    assert desk.status_of("write-the-manual") == "held"


def test_a_description_comes_from_standard_input(desk: CliDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "First line.\n\nSecond: with a colon.\n")
    assert desk.run("add", "A", "--id", "a", "--description", "-").code == 0
    with desk.open() as database:
        assert database.tasks.editable("a").description == "First line.\n\nSecond: with a colon."


@pytest.mark.parametrize(
    ("text", "task_id"),
    [
        ("id: 2.10\nname: Ten\nlabels: [x]\n", "2.10"),
        ("name: Ten\nlabels:\n  - x\n", "ten"),
        ('{"name": "Ten \\ud83d\\ude00", "labels": ["x"]}', "ten"),
        ("# a remark\nname: >\n  Ten\nlabels: [x]", "ten"),
    ],
)
def test_a_whole_task_comes_from_standard_input(
    desk: CliDesk, monkeypatch: pytest.MonkeyPatch, text: str, task_id: str
) -> None:
    type_in(monkeypatch, text)
    ran = desk.run("add", "-", "--phase", "later", "--json")
    assert (ran.code, ran.json["results"][0]["target"]) == (0, task_id)
    with desk.open() as database:
        assert database.tasks.editable(task_id).labels == ("x",)
        assert database.tasks.editable(task_id).phase == "later"


def test_a_mistake_on_standard_input_is_reported_at_its_place(desk: CliDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "name: Ten\npriority: soon\n")
    ran = desk.run("add", "-")
    assert ran.code == EXIT_INPUT
    assert "<standard input>:2:11:" in ran.err


def test_a_wrong_task_is_refused(desk: CliDesk) -> None:
    ran = desk.run("add", "A", "--depends", "nowhere")
    assert ran.code == EXIT_STATE
    assert "nowhere" in ran.err


def test_an_edited_task_takes_the_new_text(desk: CliDesk, editor: Editor) -> None:
    editor.does(("Old text.", "New text."), ("name: Ten", "name: Eleven"))
    ran = desk.run("edit", "2.10")
    assert (ran.code, ran.out) == (0, "2.10: changed name, description\n")
    with desk.open() as database:
        assert database.tasks.editable("2.10").description == "New text.\nTwo lines."
    assert not drafts(desk)


def test_an_unchanged_file_changes_nothing(desk: CliDesk, editor: Editor) -> None:
    ran = desk.run("edit", "2.10")
    assert (ran.code, ran.out) == (0, "nothing was changed\n")
    assert not drafts(desk)


def test_an_invalid_edit_is_kept_and_continued(desk: CliDesk, editor: Editor) -> None:
    editor.does(("Old text.", "New text."), ("priority: medium", "priority: soon"))
    ran = desk.run("edit", "2.10")
    assert ran.code == EXIT_INPUT
    assert "priority" in ran.err
    assert "`amplifier-swarm edit 2.10` continues" in ran.err
    editor.does(("priority: soon", "priority: high"))
    assert desk.run("edit", "2.10").code == 0
    with desk.open() as database:
        spec = database.tasks.editable("2.10")
    assert spec.description == "New text.\nTwo lines."
    assert not drafts(desk)


def test_a_kept_edit_can_be_discarded(desk: CliDesk, editor: Editor) -> None:
    editor.does(("Ten", "Eleven"), ("priority: medium", "priority: soon"))
    desk.run("edit", "2.10")
    editor.does()
    assert desk.run("edit", "2.10", "--discard").out == "nothing was changed\n"


def test_an_edit_that_another_one_overtook_is_kept(desk: CliDesk, editor: Editor) -> None:
    editor.does(("Old text.", "New text."), ("priority: medium", "priority: soon"))
    desk.run("edit", "2.10")
    path = desk.file("tasks:\n- id: 2.10\n  name: Ten\n  description: From elsewhere.\n")
    assert desk.run("edit", "2.10", "--from", path).code == 0
    editor.does(("priority: soon", "priority: high"))
    ran = desk.run("edit", "2.10")
    assert ran.code == EXIT_STATE
    assert "description of 2.10 was changed meanwhile" in ran.err
    assert drafts(desk)


def test_an_editor_that_fails_changes_nothing(desk: CliDesk, editor: Editor) -> None:
    editor.does(("Ten", "Eleven"), code=1)
    ran = desk.run("edit", "2.10")
    assert ran.code == EXIT_STATE
    assert "exit code 1" in ran.err
    with desk.open() as database:
        assert database.tasks.editable("2.10").name == "Ten"


def test_a_changed_id_is_refused(desk: CliDesk, editor: Editor) -> None:
    editor.does(("2.10", "other"))
    ran = desk.run("edit", "2.10")
    assert ran.code == EXIT_INPUT
    assert "it must contain only task 2.10, but contains other" in ran.err


def test_a_task_at_work_is_refused_before_the_editor_opens(desk: CliDesk, editor: Editor) -> None:
    desk.claim()
    ran = desk.run("edit", "2.10")
    assert (ran.code, drafts(desk)) == (EXIT_STATE, [])


def test_an_unknown_task_has_nothing_to_edit(desk: CliDesk, editor: Editor) -> None:
    assert desk.run("edit", "2.1").code == EXIT_NOT_FOUND


def test_without_an_editor_and_a_terminal_the_advice_says_what_to_set(
    desk: CliDesk, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDITOR")
    ran = desk.run("edit", "2.10")
    assert ran.code == EXIT_INPUT
    assert "set EDITOR" in ran.err
