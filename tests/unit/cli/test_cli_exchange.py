"""Importing and exporting task files, as users do."""

from __future__ import annotations

import io
import os
import stat
import sys
from pathlib import Path

import pytest
import yaml
from cli_harness import CliHarness

from swarm_shared.domain.models import Status, TaskSpec

ONE = "tasks:\n- {id: a, name: First}\n- {id: b, name: Second, dependencies: [a]}\n"
TWO = "tasks:\n- {id: c, name: Third, dependencies: [b]}\n"


def test_several_files_are_imported_as_one_list(harness: CliHarness) -> None:
    ran = harness.run("import-tasks", harness.file(TWO, "two.yaml"), harness.file(ONE, "one.yaml"), "--json")
    assert ran.code == 0
    assert {k: ran.json[k] for k in ("total", "imported", "updated", "unchanged", "skipped")} == {
        "total": 3, "imported": 3, "updated": 0, "unchanged": 0, "skipped": 0,
    }  # fmt: skip
    assert ran.json["warnings"] == []
    assert harness.status_of("c") == "blocked"


def test_importing_the_same_file_again_changes_nothing(harness: CliHarness) -> None:
    file = harness.file(ONE)
    harness.run("import-tasks", file)
    ran = harness.run("import-tasks", file, "--json")
    assert (ran.json["unchanged"], ran.json["imported"]) == (2, 0)


def test_a_second_file_may_depend_on_tasks_of_the_queue(harness: CliHarness) -> None:
    harness.run("import-tasks", harness.file(ONE))
    assert harness.run("import-tasks", harness.file(TWO)).code == 0


def test_one_report_has_all_problems_of_all_files_and_nothing_changes(harness: CliHarness) -> None:
    first = harness.file("tasks:\n- {id: a}\n- {id: b, name: B, priority: whenever}\n", "first.yaml")
    second = harness.file("tasks:\n- {id: c, name: C, dependencies: [cc]}\n", "second.yaml")
    third = harness.file("tasks: [\n", "third.yaml")
    ran = harness.run("import-tasks", first, second, third)
    assert ran.code == 3
    assert ran.out == ""
    *lines, hint = ran.err.splitlines()
    assert any(line.startswith(f"{first}:2:3: ") for line in lines), lines
    assert any(line.startswith(f"{first}:3:") for line in lines), lines
    assert any(line.startswith(f"{third}:") for line in lines), lines
    assert (lines[-1], hint) == (f"error: {len(lines) - 1} problems", "hint: nothing was imported")
    assert not harness.db.exists()


def test_an_unknown_dependency_among_several_files_is_reported_with_its_place(harness: CliHarness) -> None:
    second = harness.file("tasks:\n- {id: d, name: D, dependencies: [bb]}\n", "second.yaml")
    ran = harness.run("import-tasks", harness.file(ONE), second)
    assert ran.code == 3
    assert ran.err.startswith(f"{second}:2:")
    assert '"bb"' in ran.err


def test_duplicates_across_files_are_errors(harness: CliHarness) -> None:
    other = harness.file("tasks:\n\n- {id: a, name: Again}\n", "other.yaml")
    first = harness.file(ONE)
    ran = harness.run("import-tasks", first, other)
    assert ran.code == 3
    assert f'{other}:3: the id "a" is given twice (first in {first}:2)' in ran.err


def test_the_list_of_problems_of_a_thoroughly_wrong_file_is_limited(harness: CliHarness) -> None:
    text = "tasks:\n" + "".join(f"- {{id: t{n}, name: T}}\n" for n in range(1500))
    ran = harness.run("import-tasks", harness.file(text, "a.yaml"), harness.file(text, "b.yaml"))
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 1003
    assert ran.err.endswith("… and 500 more\nerror: 1500 problems\nhint: nothing was imported\n")


def test_a_cycle_through_two_files_is_an_error(harness: CliHarness) -> None:
    first = harness.file("tasks:\n- {id: a, name: A, dependencies: [b]}\n", "first.yaml")
    second = harness.file("tasks:\n- {id: b, name: B, dependencies: [a]}\n", "second.yaml")
    ran = harness.run("import-tasks", first, second)
    assert ran.code == 3
    assert "a → b → a" in ran.err


def test_warnings_go_to_standard_error_and_into_the_json(harness: CliHarness) -> None:
    file = harness.file("tasks:\n- {id: a, name: A, colour: red}\n")
    ran = harness.run("import-tasks", file, "--json")
    assert "colour" in ran.err
    assert len(ran.json["warnings"]) == 1
    assert ran.json["warnings"][0].startswith(f"{file}:2:")


def test_a_dry_run_creates_no_database_and_changes_none(harness: CliHarness) -> None:
    file = harness.file(ONE)
    assert harness.run("import-tasks", file, "--dry-run", "--json").json["imported"] == 2
    assert not harness.db.exists()
    harness.run("import-tasks", harness.file("tasks:\n- {id: z, name: Z}\n", "z.yaml"))
    assert harness.run("import-tasks", file, "--dry-run").code == 0
    assert harness.run("list-tasks", "--json").json["total"] == 1


def test_clear_replaces_the_queue_but_not_while_tasks_run(harness: CliHarness) -> None:
    harness.run("import-tasks", harness.file(ONE))
    new = harness.file("tasks:\n- {id: z, name: Z}\n", "z.yaml")
    claim = harness.claim()
    refused = harness.run("import-tasks", new, "--clear")
    assert refused.code == 6
    assert claim.task_id in refused.err
    assert harness.run("list-tasks", "--json").json["total"] == 2
    assert harness.run("import-tasks", new, "--clear", "--force").code == 0
    assert [task["id"] for task in harness.run("list-tasks", "--json").json["tasks"]] == ["z"]


def test_an_invalid_file_never_clears_the_queue(harness: CliHarness) -> None:
    harness.run("import-tasks", harness.file(ONE))
    assert harness.run("import-tasks", harness.file("tasks: 1\n", "bad.yaml"), "--clear").code == 3
    assert harness.run("list-tasks", "--json").json["total"] == 2


def test_a_dash_reads_standard_input(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ONE.encode())))
    assert harness.run("import-tasks", "-", "--json").json["imported"] == 2


def test_a_missing_file_is_reported_in_two_lines(harness: CliHarness) -> None:
    ran = harness.run("import-tasks", "nowhere.yaml")
    assert ran.code == 3
    assert len(ran.err.splitlines()) == 2


def test_validate_needs_no_database(harness: CliHarness) -> None:
    ran = harness.bare("validate", harness.file(ONE), "--json")
    assert ran.code == 0
    assert set(ran.json) == {"valid", "tasks", "errors", "warnings"}
    assert ran.json["valid"] is True
    assert set(ran.json["warnings"][0]) == {"file", "line", "column", "message", "advice"}
    assert not harness.db.exists()


def test_strict_fails_on_warnings(harness: CliHarness) -> None:
    file = harness.file(ONE)
    assert harness.bare("validate", file).code == 0
    assert harness.bare("validate", file, "--strict").code == 3
    assert harness.bare("validate", file, "--strict", "--json").json["valid"] is False


def test_validate_lists_errors_in_json(harness: CliHarness) -> None:
    ran = harness.bare("validate", harness.file("tasks:\n- {id: a}\n"), "--json")
    assert ran.code == 3
    assert ran.json["errors"][0]["line"] == 2


def test_an_export_imports_again_without_a_difference(harness: CliHarness) -> None:
    harness.run("import-tasks", harness.file(ONE))
    target = str(harness.folder / "out.yaml")
    assert harness.bare("export-tasks", str(harness.db), target).code == 0
    ran = harness.run("import-tasks", target, "--json")
    assert ran.json["unchanged"] == 2


def test_an_export_can_be_limited_to_groups_and_written_to_standard_output(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="a", name="A", status=Status.COMPLETED),
        TaskSpec(id="b", name="B", status=Status.FAILED),
        TaskSpec(id="c", name="C", dependencies=("b",)),
    )
    ran = harness.bare("export-tasks", str(harness.db), "-", "--status", "completed", "--status", "not-started")
    assert [task["id"] for task in yaml.safe_load(ran.out)["tasks"]] == ["a", "c"]


def test_an_export_of_a_phase_leaves_out_the_others(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="a", name="A", phase="build", status=Status.COMPLETED),
        TaskSpec(id="b", name="B", phase="build"),
        TaskSpec(id="c", name="C", phase="test"),
    )
    ran = harness.bare("export-tasks", str(harness.db), "-", "--phase", "build", "--status", "completed")
    assert [task["id"] for task in yaml.safe_load(ran.out)["tasks"]] == ["a"]
    wrong = harness.bare("export-tasks", str(harness.db), "-", "--phase", "biuld")
    assert (wrong.code, wrong.out) == (5, "")
    assert "build" in wrong.err


def test_a_failed_export_leaves_the_old_file_unchanged(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.run("import-tasks", harness.file(ONE))
    target = harness.folder / "out.yaml"
    target.write_text("old")
    monkeypatch.setattr(
        "swarm_shared.taskfile.writer.write_task_file", lambda stream, *_, **__: stream.write("half") / 0
    )
    assert harness.bare("export-tasks", str(harness.db), str(target)).code == 1
    assert target.read_text() == "old"
    assert [name for name in os.listdir(harness.folder) if "out.yaml" in name] == ["out.yaml"]


def test_an_export_keeps_the_mode_of_the_file_that_it_replaces(harness: CliHarness) -> None:
    harness.run("import-tasks", harness.file(ONE))
    target = harness.folder / "out.yaml"
    target.write_text("old")
    target.chmod(0o640)
    harness.bare("export-tasks", str(harness.db), str(target))
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_an_export_never_replaces_the_database(harness: CliHarness) -> None:
    harness.run("import-tasks", harness.file(ONE))
    assert harness.bare("export-tasks", str(harness.db), str(harness.db)).code == 3
    assert harness.bare("export-tasks", str(harness.db), str(harness.folder)).code == 3
    assert harness.run("status").code == 0


def test_an_export_of_a_missing_database_is_an_error(harness: CliHarness, tmp_path: Path) -> None:
    ran = harness.bare("export-tasks", str(tmp_path / "none.db"), "-")
    assert ran.code == 4
    assert ran.out == ""


def test_warnings_with_the_same_advice_are_counted_after_three(harness: CliHarness) -> None:
    plan = "tasks:\n" + "".join(f"- {{id: t{n}, name: T, acceptance_criteria: [it works]}}\n" for n in range(9))
    ran = harness.bare("validate", harness.file(plan))
    lines = ran.err.splitlines()
    assert [line.partition("task ")[2][:4] for line in lines[:3]] == ['"t0"', '"t1"', '"t2"']
    assert lines[3:] == ["  … and 6 more with this advice; --json lists all"]
    assert ran.out == "9 tasks: 9 warnings\n"


def test_validate_does_not_speak_of_changes(harness: CliHarness) -> None:
    assert harness.bare("validate", harness.file("tasks:\n- {id: a}\n")).err.splitlines()[-1] == "error: 1 problem"
