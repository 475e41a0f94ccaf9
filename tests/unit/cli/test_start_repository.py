"""What `start` reports about the project's repository before anything starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Harness as Project
from repositories import Sandbox

from amplifier_swarm.start.checks.run_repository import check_repository, left_to_land
from swarm_shared.domain.models import Status
from swarm_shared.git.landing.following import Integration
from swarm_shared.settings.settings import Settings, resolve
from swarm_shared.settings.setup_steps import SetupStep
from swarm_shared.store.queue.landings import IntegrationRow


def settings_for(root: Path, isolation: str = "auto") -> Settings:
    return resolve({"db": root.parent / "tasks.db", "project_root": root, "isolation": isolation}, {})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_auto_means_worktrees_in_a_repository_with_a_commit(project: Project) -> None:
    settings, problems, warnings = check_repository(settings_for(project.root))
    assert (settings.isolation, problems, warnings) == ("worktree", (), ())


def test_auto_means_none_without_a_repository(tmp_path: Path) -> None:
    settings, problems, warnings = check_repository(settings_for(tmp_path))
    assert (settings.isolation, problems, warnings) == ("none", (), ())


def test_a_repository_without_a_commit_gets_none_and_a_message(tmp_path: Path) -> None:
    settings, problems, warnings = check_repository(settings_for(Sandbox(tmp_path).root))
    assert (settings.isolation, problems) == ("none", ())
    assert "no commit yet" in warnings[0]


@pytest.mark.parametrize("isolation", ["auto", "worktree"])
def test_a_bare_repository_is_an_error_unless_isolation_is_none(tmp_path: Path, isolation: str) -> None:
    bare = Sandbox(tmp_path, bare=True).root
    _, problems, _ = check_repository(settings_for(bare, isolation))
    assert (problems[0].exit_code, "bare" in problems[0].text) == (3, True)
    assert check_repository(settings_for(bare, "none"))[1:] == ((), ())


def test_impossible_worktrees_are_an_error_if_they_were_requested(tmp_path: Path) -> None:
    _, problems, _ = check_repository(settings_for(tmp_path, "worktree"))
    assert problems[0].exit_code == 3
    assert "not in a git repository" in problems[0].text


def test_a_checked_out_integration_branch_is_found_before_the_start(project: Project) -> None:
    Integration(repository=project.repo).begin(project.base)
    project.git("switch", "-q", "swarm/integration")
    _, problems, _ = check_repository(settings_for(project.root))
    assert "checked out" in problems[0].text


def test_another_branch_to_land_on_is_checked_before_the_start(project: Project) -> None:
    settings = replace(settings_for(project.root), land_into="main")
    _, problems, _ = check_repository(settings)
    assert problems[0].exit_code == 3
    assert "main is checked out" in problems[0].text
    assert "--land-into" in str(problems[0].what_to_do)
    assert check_repository(replace(settings, land_into="nightly"))[1] == ()


def landed_here(project: Project, landed: Integration, tip: str) -> IntegrationRow:
    return IntegrationRow(
        repository=str(project.repo.common_dir),
        ref=landed.ref,
        person_ref="refs/heads/main",
        tip=tip,
        next_tip=None,
        accepting=False,
    )


def test_a_run_in_another_repository_than_earlier_runs_gets_a_warning(project: Project, tmp_path: Path) -> None:
    landed = Integration(repository=project.repo)
    known = landed_here(project, landed, landed.begin(project.base))
    assert check_repository(settings_for(project.root), known)[2] == ()
    _, problems, warnings = check_repository(settings_for(Project(tmp_path / "other").root), known)
    assert problems == ()
    assert f"landed in {project.root}" in warnings[0]
    assert "--project-root" in warnings[0]


def test_a_run_without_a_repository_after_worktrees_is_refused(project: Project, tmp_path: Path) -> None:
    landed = Integration(repository=project.repo)
    known = landed_here(project, landed, landed.begin(project.base))
    (tmp_path / "elsewhere").mkdir()
    elsewhere = settings_for(tmp_path / "elsewhere")
    _, problems, _ = check_repository(elsewhere, known)
    assert (problems[0].exit_code, f"worktrees of {project.root}" in problems[0].text) == (3, True)
    assert f"--project-root '{project.root}'" in str(problems[0].what_to_do)
    assert check_repository(replace(elsewhere, isolation="none"), known)[1:] == ((), ())


def test_a_branch_without_the_work_landed_so_far_is_refused(project: Project) -> None:
    landed = Integration(repository=project.repo)
    tip = landed.begin(project.base)
    tree = project.git("rev-parse", f"{tip}^{{tree}}")
    landed.advance(project.git("commit-tree", tree, "-p", tip, "-m", "landed"), old=tip)
    known = landed_here(project, landed, tip)
    settings = replace(settings_for(project.root), land_into="nightly")
    _, problems, _ = check_repository(settings, known)
    assert "lacks work that has landed" in problems[0].text
    _, command = str(problems[0].what_to_do).split(": git ")
    project.git(*command.split())
    assert check_repository(settings, known)[1] == ()


def test_uncommitted_files_are_named_because_agents_do_not_see_them(project: Project) -> None:
    project.write({"draft.txt": "not yet\n"})
    _, problems, warnings = check_repository(settings_for(project.root))
    assert problems == ()
    assert "draft.txt" in warnings[0]


def test_a_run_that_cannot_land_waiting_work_is_refused(project: Project) -> None:
    counts = {Status.APPROVED: (2, 0.0)}
    settings = settings_for(project.root, "none")
    assert "2 tasks have passed" in left_to_land(counts, settings)[0].text
    assert left_to_land(counts, replace(settings, isolation="worktree")) == ()
    assert left_to_land({Status.COMPLETED: (2, 0.0)}, settings) == ()


def with_filter(project: Project, program: str, required: str = "true") -> None:
    project.git("config", "filter.big.process", f"{program} filter-process")
    project.git("config", "filter.big.required", required)


def need_filter(project: Project) -> None:
    """Like a clone made where the program was installed: the commit requires it, and the file is a pointer."""
    (project.root / ".gitattributes").write_text("*.bin filter=big -text\n")
    (project.root / "sub").mkdir()
    (project.root / "sub" / "x.bin").write_text("pointer")
    project.git("add", "--all")
    project.git("commit", "-qm", "a big file")


def test_a_required_filter_without_its_program_is_found_before_the_start(project: Project) -> None:
    need_filter(project)
    with_filter(project, "git-nowhere")
    _, problems, _ = check_repository(settings_for(project.root))
    [problem] = problems
    assert problem.exit_code == 3
    assert problem.text.startswith("git-nowhere is not installed")
    assert "sub/x.bin" in problem.text


@pytest.mark.parametrize(
    ("program", "required"), [("sh", "true"), ("git-nowhere", "false"), ('"$HOME"/git-nowhere', "true")]
)
def test_a_filter_that_is_installed_or_optional_or_unknown_is_no_problem(
    project: Project, program: str, required: str
) -> None:
    need_filter(project)
    with_filter(project, program, required)
    assert check_repository(settings_for(project.root))[1] == ()


def test_a_missing_filter_that_no_file_uses_is_no_problem(project: Project) -> None:
    with_filter(project, "git-nowhere")
    assert check_repository(settings_for(project.root))[1] == ()


def test_empty_submodules_are_named_with_the_setup_that_fills_them(project: Project, tmp_path: Path) -> None:
    lib = Project(tmp_path / "lib")
    allow = ("-c", "protocol.file.allow=always")
    project.git(*allow, "submodule", "--quiet", "add", str(lib.root), "vendor/lib")
    project.git("commit", "-q", "-m", "lib")
    _, problems, warnings = check_repository(settings_for(project.root))
    assert problems == ()
    assert "vendor/lib" in warnings[0]
    assert "setup: [git submodule update --init --recursive]" in warnings[0]
    filled = replace(settings_for(project.root), setup=(SetupStep(run="git submodule update --init"),))
    assert check_repository(filled)[2] == ()
