"""Plans of other tools on the command line: import, report, convert, and import again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cli_harness import CliHarness
from plan_samples import SAMPLES

from swarm_shared.domain.models import Status

NAMES = [name for name, sample in SAMPLES.items() if sample.path]


@pytest.fixture
def project(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project root, which is the current folder."""
    root = harness.folder / "project"
    root.mkdir()
    monkeypatch.chdir(root)
    return root


def put(root: Path, name: str, path: str | None = None, text: str | None = None) -> str:
    sample = SAMPLES[name]
    file = root / (path or sample.path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or sample.text, encoding="utf-8", newline="")
    return str(file.relative_to(root))


def queue(harness: CliHarness) -> str:
    exported = harness.bare("export-tasks", str(harness.db), "-").out
    return "\n".join(line for line in exported.splitlines() if not line.startswith("exported_at"))


@pytest.mark.parametrize("name", NAMES)
def test_a_converted_plan_gives_the_same_queue_as_the_plan(harness: CliHarness, project: Path, name: str) -> None:
    plan = put(project, name)
    assert harness.run("import-tasks", plan).code == 0
    direct = queue(harness)
    converted = harness.bare("convert", plan)
    assert converted.code == 0
    file = harness.file(converted.out)
    assert harness.bare("validate", file).code == 0
    assert harness.run("import-tasks", file, "--clear").code == 0
    assert queue(harness) == direct


@pytest.mark.parametrize("name", NAMES)
def test_a_repeated_import_of_a_plan_changes_nothing(harness: CliHarness, project: Path, name: str) -> None:
    plan = put(project, name)
    harness.run("import-tasks", plan)
    ran = harness.run("import-tasks", plan, "--json")
    assert (ran.json["unchanged"], ran.json["imported"]) == (len(SAMPLES[name].ids), 0)


def test_the_dry_run_reports_what_each_line_became_and_changes_nothing(harness: CliHarness, project: Path) -> None:
    plan = put(project, "kiro")
    ran = harness.run("import-tasks", plan, "--dry-run")
    assert f"{plan}:13: phase: 2. Cache layer" in ran.out
    assert f"{plan}:15: task 2.1 (not started): Add a cache in `src/cache.py`" in ran.out
    assert f"{plan}:25: left out: text outside any task: - Tasks marked with `*` are optional" in ran.out
    assert "in all: 25 lines, 5 with tasks" in ran.out
    assert not harness.db.exists()


def test_the_report_as_json_accounts_for_every_line(harness: CliHarness, project: Path) -> None:
    (plan,) = harness.run("import-tasks", put(project, "spec-kit"), "--dry-run", "--json").json["plans"]
    assert plan["format"] == "spec-kit"
    assert sum(plan["lines"].values()) == SAMPLES["spec-kit"].text.count("\n")
    assert [task["id"] for task in plan["tasks"]] == list(SAMPLES["spec-kit"].ids)


def test_a_folder_is_searched_and_ids_of_different_plans_are_kept_distinct(harness: CliHarness, project: Path) -> None:
    put(project, "spec-kit")
    put(project, "spec-kit", "specs/002-more/tasks.md")
    put(project, "kiro")
    ran = harness.run("import-tasks", ".", "--json")
    assert ran.code == 0
    assert ran.json["imported"] == 2 * len(SAMPLES["spec-kit"].ids) + len(SAMPLES["kiro"].ids)
    tasks = {task["id"]: task for task in yaml.safe_load(queue(harness))["tasks"]}
    assert tasks["002-more.T014"]["dependencies"] == ["002-more.T010", "002-more.T012"]
    assert tasks["cache.2.1"]["source"]["path"] == ".kiro/specs/cache/tasks.md"


def test_a_folder_above_a_plan_is_searched_too(harness: CliHarness, project: Path) -> None:
    put(project, "kiro")
    assert harness.run("import-tasks", ".kiro/specs", "--json").json["imported"] == len(SAMPLES["kiro"].ids)


def test_a_folder_without_a_plan_is_an_error(harness: CliHarness, project: Path) -> None:
    ran = harness.run("import-tasks", ".")
    assert (ran.code, "no plan was found" in ran.err) == (3, True)


def test_a_second_plan_with_the_same_ids_does_not_touch_the_first(harness: CliHarness, project: Path) -> None:
    harness.run("import-tasks", put(project, "spec-kit"))
    ran = harness.run("import-tasks", put(project, "spec-kit", "specs/002-more/tasks.md"), "--json")
    assert (ran.json["imported"], ran.json["updated"]) == (len(SAMPLES["spec-kit"].ids), 0)
    assert harness.status_of("002-more.T012") == "blocked"


def test_an_edited_and_renumbered_plan_keeps_its_tasks(harness: CliHarness, project: Path) -> None:
    plan = put(project, "openspec")
    harness.run("import-tasks", plan)
    text = (
        SAMPLES["openspec"]
        .text.replace("- [ ] 1.1 Add", "- [ ] 1.1 New\n- [ ] 1.2 Add")
        .replace("1.2 Keep", "1.3 Keep")
    )
    ran = harness.run("import-tasks", put(project, "openspec", text=text), "--json")
    assert ran.json["imported"] == 1
    names = {task["name"]: task["id"] for task in yaml.safe_load(queue(harness))["tasks"]}
    assert names["Add optional `dependsOn` to the schema"] == "add-deps.1.1"
    assert names["Keep old files valid"] == "add-deps.1.2"


def test_a_format_can_be_forced(harness: CliHarness, project: Path) -> None:
    plan = put(project, "openspec")
    ran = harness.run("import-tasks", plan, "--from", "checklist", "--dry-run", "--json")
    assert ran.json["plans"][0]["format"] == "checklist"
    refused = harness.run("import-tasks", plan, "--from", "kira")
    assert refused.code == 2
    assert "spec-kit, kiro" in refused.err


def test_a_task_file_with_checkboxes_is_a_task_file(harness: CliHarness, project: Path) -> None:
    text = "tasks:\n- id: a\n  name: A\n  description: |\n    - [ ] T001 one\n    - [x] T002 two\n"
    assert harness.run("import-tasks", harness.file(text, "tasks")).code == 0
    assert harness.status_of("a") == Status.NOT_STARTED


def test_a_plan_outside_the_project_cannot_be_ticked(harness: CliHarness, project: Path) -> None:
    file = harness.file("- [ ] one\n", "TODO.md")
    (task,) = yaml.safe_load(harness.bare("convert", file).out)["tasks"]
    assert task["source"]["path"] == file
    assert task["source"]["tick"] is False


def test_an_unresolved_dependency_is_a_warning_and_is_dropped(harness: CliHarness, project: Path) -> None:
    (project / "TODO.md").write_text("- [ ] a (after: nothing)\n")
    ran = harness.run("import-tasks", "TODO.md", "--dry-run")
    assert ran.code == 0
    assert 'TODO.md:1: "a" depends on "nothing", which is not in the plan' in ran.err
    assert "TODO.md:1: left out: a dependency of a: nothing is not in the plan" in ran.out


def test_tasks_that_wait_for_each_other_are_refused(harness: CliHarness, project: Path) -> None:
    (project / "TODO.md").write_text("- [ ] a (after: b)\n- [ ] b (after: a)\n")
    ran = harness.run("import-tasks", "TODO.md")
    assert (ran.code, "a → b → a" in ran.err) == (3, True)


# The fields of `gh issue list --json`; older versions have no stateReason, and refuse the whole command for it.
GH_FIELDS = (
    *("assignees", "author", "body", "closed", "closedAt", "comments", "createdAt", "id", "isPinned", "labels"),
    *("milestone", "number", "projectCards", "projectItems", "reactionGroups", "state", "stateReason", "title"),
    *("updatedAt", "url"),
)


@pytest.fixture
def gh(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `gh` that prints the sample's issues and records its arguments in the returned file."""
    tools = harness.folder / "tools"
    tools.mkdir()
    noted = harness.folder / "arguments"
    (tools / "issues").write_text(SAMPLES["github"].text)
    known = " ".join(GH_FIELDS)
    script = f"""#!/bin/sh
printf "%s\\n" "$@" > {noted}
[ -f {tools}/issues ] || {{ printf "no access\\nAvailable:\\n  a\\n" >&2; exit 4; }}
for word; do case $word in --json=*) fields=${{word#--json=}};; esac; done
for field in $(echo "$fields" | tr , " "); do
    case " {known} " in *" $field "*) ;; *) echo "Unknown JSON field: \\"$field\\"" >&2; exit 1;; esac
done
cat {tools}/issues
"""
    (tools / "gh").write_text(script)
    (tools / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    return noted


def test_issues_are_listed_by_calling_gh(harness: CliHarness, project: Path, gh: Path) -> None:
    ran = harness.run("import-tasks", "gh:acme/shop?label=p1&label=api&state=all", "--json")
    assert ran.json["imported"] == 3
    arguments = gh.read_text().splitlines()
    assert arguments[:3] == ["issue", "list", "--repo=acme/shop"]
    assert arguments[4:] == ["--label=p1", "--label=api", "--state=all", "--limit=1000"]
    file = put(project, "github")
    assert harness.run("import-tasks", file, "--json").json["unchanged"] == 3


@pytest.mark.parametrize("address", ["gh:acme", "gh:acme/shop?colour=red", "gh:-R/x y", "gh:"])
def test_an_invalid_address_is_refused_before_gh_is_called(harness: CliHarness, gh: Path, address: str) -> None:
    assert harness.run("import-tasks", address).code == 3
    assert not gh.exists()


def test_an_error_of_gh_is_shown(harness: CliHarness, gh: Path) -> None:
    (gh.parent / "tools" / "issues").unlink()
    ran = harness.run("import-tasks", "gh:acme/shop")
    assert (ran.code, "gh failed: no access" in ran.err) == (3, True)


def test_a_missing_gh_is_an_error_with_advice(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(harness.folder))
    ran = harness.run("import-tasks", "gh:acme/shop")
    assert (ran.code, "gh is not installed" in ran.err) == (3, True)


def test_a_tag_of_task_master_can_be_selected(harness: CliHarness, project: Path) -> None:
    plan = put(project, "task-master")
    assert harness.run("import-tasks", plan, "--tag", "later", "--json").json["imported"] == 1
    refused = harness.run("import-tasks", plan, "--tag", "latter")
    assert (refused.code, "--tag" in refused.err) == (3, True)


def test_columns_of_a_table_are_mapped_by_the_settings(
    harness: CliHarness, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "plan.csv").write_text("Nr,Titel,Kosten\n7,Bauen,3\n")
    assert harness.run("import-tasks", "plan.csv").code == 3
    settings = harness.db.with_name("swarm.yaml")
    settings.write_text("csv_columns: {Titel: name, Kosten: estimated_hours}\nproject_root: project\n")
    assert harness.run("import-tasks", "plan.csv").code == 0
    (task,) = yaml.safe_load(queue(harness))["tasks"]
    assert (task["name"], task["estimated_hours"]) == ("Bauen", 3)
    settings.write_text("csv_columns: {Titel: nam}\n")
    ran = harness.run("import-tasks", "plan.csv")
    assert (ran.code, "'nam' is not a key" in ran.err) == (3, True)


def test_a_markdown_file_without_items_is_refused_with_a_message_about_items(
    harness: CliHarness, project: Path
) -> None:
    (project / "TODO.md").write_text("# To do\n\n- write the docs\n")
    ran = harness.run("import-tasks", "TODO.md")
    assert (ran.code, "no tasks were found" in ran.err, "`- [ ] text`" in ran.err) == (3, True, True)


def test_a_plan_without_tasks_does_not_stop_the_import_of_its_folder(harness: CliHarness, project: Path) -> None:
    put(project, "kiro")
    (project / "TODO.md").write_text("# To do\n\n- write the docs\n")
    ran = harness.run("import-tasks", ".", "--json")
    assert ran.json["imported"] == len(SAMPLES["kiro"].ids)
    assert any("TODO.md: no tasks were found" in warning for warning in ran.json["warnings"])


def test_an_unrelated_file_among_those_of_backlog_md_is_skipped(harness: CliHarness, project: Path) -> None:
    put(project, "backlog.md")
    (project / "backlog/tasks/task-1 - Old.md").write_text("# Old\n\n- [ ] one\n")
    ran = harness.run("import-tasks", ".", "--json")
    assert (ran.code, ran.json["imported"]) == (0, 1)


def test_a_moved_plan_keeps_its_tasks_and_a_copy_is_a_different_plan(harness: CliHarness, project: Path) -> None:
    count = len(SAMPLES["spec-kit"].ids)
    plan = put(project, "spec-kit")
    harness.run("import-tasks", plan)
    copy = put(project, "spec-kit", "specs/002-copy/tasks.md")
    assert harness.run("import-tasks", copy, "--dry-run", "--json").json["imported"] == count
    (project / plan).unlink()
    ran = harness.run("import-tasks", copy, "--json").json
    assert (ran["imported"], ran["updated"] + ran["skipped"]) == (0, count)
    again = harness.run("import-tasks", copy, "--json").json
    assert (again["imported"], again["updated"]) == (0, 0)


EMPTY = {
    "specs/001-a/tasks.md": "spec-kit",
    ".kiro/specs/a/tasks.md": "kiro",
    "openspec/changes/a/tasks.md": "openspec",
    "TODO.md": "checklist",
    "backlog/tasks/back-1 - a.md": "backlog.md",
    "_bmad-output/implementation-artifacts/sprint-status.yaml": "bmad",
    ".taskmaster/tasks/tasks.json": "task-master",
    "prd.json": "ralph",
    "web/feature_list.json": "ralph",
    ".beads/issues.jsonl": "beads",
    "issues.json": "github",
    "plan.csv": "csv",
}


@pytest.mark.parametrize("content", ["", "[]\n", "{}\n"])
@pytest.mark.parametrize("path", EMPTY)
def test_an_empty_plan_at_its_usual_place_has_no_tasks(
    harness: CliHarness, project: Path, path: str, content: str
) -> None:
    plan = project / path
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan.write_text(content if EMPTY[path] != "csv" else "")
    ran = harness.run("import-tasks", path)
    assert f"no tasks were found (read as {EMPTY[path]})" in ran.err
    assert ran.code == (3 if path.endswith(".md") else 0)


def test_empty_plans_do_not_stop_the_import_of_their_folder(harness: CliHarness, project: Path) -> None:
    for path in EMPTY:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("")
    (project / "fix_plan.md").write_text("- [ ] one\n")
    ran = harness.run("import-tasks", ".")
    assert ran.code == 0
    assert "imported 1 of 1 tasks" in ran.out
