"""Options made from the settings, and log lines of one event each."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from swarm_shared.program import logs
from swarm_shared.settings.options import setting
from swarm_shared.settings.settings import described, resolve


def given(*decorators: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def command(**values: Any) -> None:
        seen.update(values)

    for decorate in decorators:
        command = decorate(command)
    ready = click.command()(command)
    result = CliRunner().invoke(ready, list(words))
    assert result.exit_code == 0, result.output
    return seen | {"--help": CliRunner().invoke(ready, ["--help"]).output}


@pytest.mark.parametrize("name", [f.name for f in described() if not f.metadata.get("file_only")])
def test_every_setting_can_be_an_option_that_shows_default_and_variable(name: str) -> None:
    found = given(setting(name))
    assert found[name] is None  # not given: environment and file decide
    shown = " ".join(found["--help"].split())
    assert f";SWARM_{name.upper()}]" in shown.replace(" ", "")
    assert "default: " in shown


@pytest.mark.parametrize(("written", "meant"), [("app", "state/app"), ("../app", "app"), ("/srv/app", "/srv/app")])
def test_the_project_root_of_a_file_is_relative_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "swarm.yaml").write_text(f"project_root: {written}\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    flags = {"db": tmp_path / "state" / "tasks.db"}
    assert resolve(flags, {}).project_root == tmp_path / meant
    assert resolve({**flags, "project_root": "here"}, {}).project_root == tmp_path / "elsewhere" / "here"
    assert resolve(flags, {"SWARM_PROJECT_ROOT": "here"}).project_root == tmp_path / "elsewhere" / "here"


def test_a_number_is_checked_and_kept_as_written() -> None:
    option = setting("workers", "-n", "--workers", default=3)
    found = given(option, words=("-n", "4"))
    assert found["workers"] == 4
    assert "default: 3; SWARM_WORKERS" in " ".join(found["--help"].split())


def test_a_switch_is_off_only_if_it_says_so() -> None:
    assert given(setting("validation", "--no-validation"), words=("--no-validation",))["validation"] is False
    assert given(setting("validation", "--no-validation"))["validation"] is None
    assert given(setting("dashboard", "--dashboard"), words=("--no-dashboard",))["dashboard"] is False


@pytest.mark.parametrize("name", ["checks", "no_such"])
def test_a_setting_that_is_no_flag_cannot_be_one(name: str) -> None:
    with pytest.raises(KeyError):
        setting(name)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"task": "2.6.1.a", "attempt": 1}, "task_claimed task=2.6.1.a attempt=1"),
        ({"worker": None, "duration_s": 1.23456}, "task_claimed duration_s=1.235"),
        ({"error": 'a "b"\nc'}, r'task_claimed error="a \"b\"\nc"'),
        ({"task": "a b\x9b31m\u2028"}, r'task_claimed task="a b\u009b31m\u2028"'),
        ({"task": ""}, 'task_claimed task=""'),
    ],
)
def test_an_event_is_one_line_whatever_its_fields_contain(facts: dict[str, Any], line: str) -> None:
    assert logs.line("task_claimed", **facts) == line


def test_logs_go_to_standard_error_with_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure()
        logs.event(logging.getLogger("swarm.test"), "task_claimed", task="a")
        logging.getLogger("swarm.test").debug("unseen")
    finally:
        root.handlers[:], root.level = before
    out, err = capsys.readouterr()
    assert out == ""
    stamp, level, *rest = err.split()
    assert stamp.endswith("Z")
    assert (level, rest) == ("INFO", ["task_claimed", "task=a"])


def test_a_program_without_standard_error_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    logs.configure()
    logs.event(logging.getLogger("swarm.test"), "nobody_listens", level=logging.ERROR)
