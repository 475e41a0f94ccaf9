"""What README and docs/ say about keys, commands, exit codes and settings agrees with the code."""

from __future__ import annotations

import json
import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from manual import PAGES, README, TOP, blocks, first_column, table

from amplifier_swarm.__main__ import COMMANDS
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.reading.answers import find_answer, judge
from swarm_shared.database import TaskDatabase
from swarm_shared.domain import errors
from swarm_shared.domain.models import GROUP_OF, FailureClass, Role, Status
from swarm_shared.settings.settings import resolve
from swarm_shared.taskfile.keys import KEYS
from swarm_shared.taskfile.reader import read_task_file

TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
LONGEST_README = 200  # lines


def code_words(cells: list[str]) -> set[str]:
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def test_every_key_of_a_task_is_explained() -> None:
    assert code_words(first_column("| key | meaning | default")) == set(KEYS)


def test_every_command_is_listed() -> None:
    listed = {word.split()[0] for word in code_words(first_column("| command | description"))}
    assert listed == set(COMMANDS)


def test_every_status_is_explained() -> None:
    assert code_words(first_column("| status | meaning")) == set(Status)
    rows = table("| status | meaning")
    for status in set(Status):
        assert any(re.fullmatch(rf"\| `{status}` \|.*\| {GROUP_OF[status]} \|", row) for row in rows), status


def test_every_kind_of_failure_is_explained() -> None:
    assert set(first_column("| kind | what happened")) == set(FailureClass)


def test_every_exit_code_is_explained() -> None:
    own = {
        error.exit_code for error in vars(errors).values() if isinstance(error, type) and hasattr(error, "exit_code")
    }
    outcomes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    usage = {2}
    assert {int(code) for code in first_column("| exit code | meaning")} == own | outcomes | usage


def test_the_table_of_settings_is_up_to_date() -> None:
    tool = runpy.run_path(str(TOP / "tools" / "settings_table.py"))
    page = tool["PAGE"].read_text(encoding="utf-8")
    assert tool["with_table"](page) == page, "run: python tools/settings_table.py"


def test_the_task_file_of_the_manual_is_valid() -> None:
    tasks = next(block.text for block in blocks("yaml") if block.text.startswith("# tasks.yaml"))
    read = read_task_file(None, tasks.encode())
    assert [spec.id for spec in read.tasks] == ["2.6.1.a", "2.6.1.b"]


def test_the_settings_file_of_the_manual_works(tmp_path: Path) -> None:
    text = next(block.text for block in blocks("yaml") if block.text.startswith("# swarm.yaml"))
    (tmp_path / "swarm.yaml").write_text(text, encoding="utf-8")
    settings = resolve({"db": tmp_path / "tasks.db"}, {})
    presets = load_presets(settings.agent_clis)
    assert settings.agent_cli in presets
    assert presets["claude"].env == yaml.safe_load(text)["agent_clis"]["claude"]["env"]


def test_the_agent_answers_of_the_manual_are_parsed() -> None:
    builder, validator = (block.text for block in blocks("json"))
    for text, role in ((builder, Role.BUILDER), (validator, Role.VALIDATOR)):
        answer = find_answer(text, role)
        assert answer is not None
        assert answer == json.loads(text)
        assert judge(answer, role).passed


def test_the_python_examples_of_the_manual_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    TaskDatabase(tmp_path / "tasks.db").close()
    (code,) = blocks("python")
    exec(compile(code.text, "README.md", "exec"), {})
    assert capsys.readouterr().out == "Found 0 orphaned tasks\n"


def links(text: str) -> Iterator[str]:
    yield from re.findall(r"\]\(([^)\s]+)\)", text)
    yield from re.findall(r' src(?:set)?="([^"]+)"', text)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub creates for a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, TOP / "docs" / "proof.md", TOP / "docs" / "development.md"], ids=lambda p: p.name
)
def test_every_link_has_a_target(page: Path) -> None:
    for link in links(page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        target, _, anchor = link.partition("#")
        file = page.parent / target if target else page
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


def test_the_readme_is_short_and_links_to_every_page() -> None:
    assert len(TEXTS[README].splitlines()) <= LONGEST_README
    linked = {(TOP / link).resolve() for link in links(TEXTS[README])}
    assert set(PAGES[1:]) <= linked


def test_the_files_that_the_manual_names_exist() -> None:
    for name in ("minimal.yaml", "webapp.yaml", "without-a-model.yaml"):
        assert name in TEXTS[TOP / "docs" / "task-files.md"]
        assert (TOP / "examples" / name).is_file()
    assert os.access(TOP / "examples" / "demo" / "run", os.X_OK)
