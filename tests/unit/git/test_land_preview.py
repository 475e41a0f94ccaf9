"""What a preview of landing shows, that it changes nothing, and that exactly what it showed is landed and undone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from integration_harness import Run

from swarm_shared.domain.errors import NotFound, StateError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.land_into import Seen, land_into, own_branches
from swarm_shared.git.landing.land_preview import MAX_COMMITS, Preview, land_preview
from swarm_shared.git.landing.undo_landing import move_back
from swarm_shared.git.merging.merging import MergeKind
from swarm_shared.git.plumbing.diffs import Change
from swarm_shared.git.running.git_errors import DirtyCheckout


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / 'odd: "name"')


def seen_by(preview: Preview) -> tuple[MergeKind, str | None]:
    return preview.kind, None if preview.refusal is None else preview.refusal.message


def the_same_refusal(run: Run, branch: str = "main") -> str:
    """What the preview announces; landing refuses with the same message."""
    announced = land_preview(run.integration, branch).refusal
    assert announced is not None
    with pytest.raises((DirtyCheckout, StateError)) as refused:
        land_into(run.integration, branch)
    assert refused.value.message == announced.message
    return announced.message


def all_files(root: Path) -> dict[str, tuple[int, bytes]]:
    found = (Path(at) / name for at, _, names in os.walk(root) for name in names)
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in found if not path.is_symlink()}


def test_it_shows_the_commits_the_files_and_the_method(run: Run) -> None:
    first = run.land("a", {"b.txt": "1\n2\n"})
    second = run.land("c", {"a.txt": "one\n"})
    preview = land_preview(run.integration, "main")
    assert seen_by(preview) == (MergeKind.FAST_FORWARD, None)
    assert [(each.commit, each.task_id, each.title) for each in preview.commits] == [
        (second, "c", "Land c: n"),
        (first, "a", "Land a: n"),
    ]
    assert preview.commit_count == 4, "including the work of each task"
    assert [(f.path, f.change, f.added, f.deleted) for f in preview.files] == [
        ("a.txt", Change.MODIFIED, 0, 2),
        ("b.txt", Change.ADDED, 2, 0),
    ]
    assert (preview.seen, preview.checkout) == (Seen(into=run.base, tip=second), run.root)


def test_it_writes_nothing_not_even_the_objects_of_the_merge(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    run.commit({"mine": "1"})
    before = all_files(run.root)
    assert land_preview(run.integration, "main").kind is MergeKind.MERGED
    assert all_files(run.root) == before


def test_a_branch_that_has_everything_gets_nothing(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    land_into(run.integration, "main")
    preview = land_preview(run.integration, "main")
    assert (seen_by(preview), preview.commits, preview.files) == ((MergeKind.CONTAINED, None), (), ())


def test_conflicts_are_announced_with_their_files(run: Run) -> None:
    run.land("a", {"a.txt": "swarm\n"})
    run.commit({"a.txt": "mine\n"})
    kind, message = seen_by(land_preview(run.integration, "main"))
    assert kind is MergeKind.CONFLICT
    assert message == "swarm/integration and main are in conflict: a.txt"


def test_a_checkout_with_changes_is_refused_with_the_changed_files(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    run.write({"a.txt": "mine\n"})
    assert "has changes that are not committed: a.txt" in the_same_refusal(run)


def test_your_files_that_landing_would_overwrite_are_found(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    run.write({"b.txt": "mine\n"})
    assert the_same_refusal(run) == f"{run.root} has files that would be overwritten: b.txt"


def land_by_git(run: Run, *commands: tuple[str, ...], files: dict[str, str]) -> None:
    """Land work staged with `git add --force` and other commands, so that it may contain ignored files."""
    tip = str(run.integration.tip())
    opened = run.open("a", tip)
    for command in commands:
        run.git(*command, cwd=opened.cwd)
    run.write(files, at=opened.cwd)
    run.git("add", "--force", "--all", cwd=opened.cwd)
    run.git("commit", "-q", "-m", "work", cwd=opened.cwd)
    merge = run.integration.plan_landing(run.sha("HEAD", at=opened.cwd), tip=tip, task_id="a", attempt_id="u", name="n")
    run.integration.advance(str(merge.new), old=tip)


def ignore(run: Run, *patterns: str) -> None:
    (run.root / ".git" / "info" / "exclude").write_text("".join(f"{pattern}\n" for pattern in patterns))


@pytest.mark.parametrize(
    ("yours", "theirs", "named"),
    [
        (".env", ".env", ".env"),
        ("build", "build/out", "build"),
        ("build/out", "build", "build"),
        ("build/deep/out", "build/deep", "build/deep"),
        ("build/mine", "build/out", None),
        ("elsewhere", "build/out", None),
    ],
)
def test_your_ignored_files_are_never_overwritten(run: Run, yours: str, theirs: str, named: str | None) -> None:
    ignore(run, ".env", "build")
    land_by_git(run, files={theirs: "theirs\n"})
    run.write({yours: "mine\n"})
    if named is None:
        assert land_preview(run.integration, "main").refusal is None
        land_into(run.integration, "main")
    else:
        assert the_same_refusal(run) == f"{run.root} has files that would be overwritten: {named}"
        assert run.sha("main") == run.base
    assert (run.root / yours).read_text() == "mine\n"


def test_your_ignored_link_is_not_replaced_by_a_folder(run: Run) -> None:
    ignore(run, "build")
    land_by_git(run, files={"build/out": "theirs\n"})
    (run.root / "build").symlink_to(run.folder)
    assert the_same_refusal(run).endswith("would be overwritten: build")
    assert (run.root / "build").is_symlink()


def test_a_file_that_became_a_folder_and_back_is_not_one_of_yours(run: Run) -> None:
    land_by_git(run, ("rm", "-q", "a.txt"), files={"a.txt/inner": "1\n"})
    assert land_preview(run.integration, "main").refusal is None
    there = land_into(run.integration, "main").merge
    run.git("update-ref", run.integration.ref, run.git("commit-tree", f"{run.base}^{{tree}}", "-p", "main", "-m", "b"))
    assert land_preview(run.integration, "main").refusal is None
    land_into(run.integration, "main")
    assert (there.kind, (run.root / "a.txt").read_text()) == (MergeKind.FAST_FORWARD, "one\ntwo\nthree\n")


def test_your_unfinished_merge_is_refused(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    (run.root / ".git" / "MERGE_HEAD").write_text(run.base)
    assert "in the middle of a merge, rebase or bisect" in the_same_refusal(run)


def test_a_branch_without_a_checkout_needs_none(run: Run) -> None:
    run.git("branch", "release")
    run.land("a", {"b.txt": "1"})
    run.write({"a.txt": "mine\n"})
    preview = land_preview(run.integration, "release")
    assert (seen_by(preview), preview.checkout) == ((MergeKind.FAST_FORWARD, None), None)


def test_commits_are_limited_and_counted(run: Run) -> None:
    tip = str(run.integration.tip())
    tree = run.sha(f"{tip}^{{tree}}")
    for number in range(MAX_COMMITS + 5):
        tip = run.git("commit-tree", tree, "-p", tip, "-m", f"c{number}")
    run.git("update-ref", run.integration.ref, tip)
    preview = land_preview(run.integration, "main")
    assert (len(preview.commits), preview.commit_count) == (MAX_COMMITS, MAX_COMMITS + 5)
    assert preview.commits[0].title == f"c{MAX_COMMITS + 4}"


def test_titles_with_tabs_and_bytes_that_are_no_text_are_read(run: Run) -> None:
    tip = str(run.integration.tip())
    (run.folder / "message").write_bytes(b"tab\there \xff end\n")
    fresh = run.git(
        "-c",
        "i18n.commitEncoding=latin-1",
        "commit-tree",
        f"{tip}^{{tree}}",
        "-p",
        tip,
        "-F",
        str(run.folder / "message"),
    )
    run.git("update-ref", run.integration.ref, fresh)
    (arriving,) = land_preview(run.integration, "main").commits
    assert arriving.title.startswith("tab\there")


def test_a_missing_branch_is_reported(run: Run) -> None:
    with pytest.raises(NotFound, match="no branch nope"):
        land_preview(run.integration, "nope")


def test_the_branches_offered_are_yours(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    run.git("branch", "release")
    assert set(own_branches(run.integration)) == {"main", "release"}


@pytest.mark.parametrize("branch", ["swarm/task/a", "swarm/integration", "lands/here"])
def test_the_swarms_own_branches_cannot_be_landed_into(run: Run, branch: str) -> None:
    tip = run.land("a", {"b.txt": "1"})
    run.git("branch", "lands/here", tip)
    own = Integration(repository=run.repo, ref="refs/heads/lands/here")
    before = run.sha(branch)
    for doing in (
        lambda: land_preview(own, branch),
        lambda: land_into(own, branch),
        lambda: move_back(own, branch, new=before, old=run.base),
    ):
        with pytest.raises(StateError, match=f"{branch} is a branch of the swarm"):
            doing()
    assert (run.sha(branch), branch in own_branches(own)) == (before, False)


def test_your_branches_may_have_the_prefix_of_the_swarms(run: Run) -> None:
    run.git("branch", "swarm/ideas")
    tip = run.land("a", {"b.txt": "1"})
    assert "swarm/ideas" in own_branches(run.integration)
    assert land_into(run.integration, "swarm/ideas").merge.new == tip


def test_a_branch_with_two_checkouts_is_refused(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    second = run.folder / "second"
    run.git("worktree", "add", "-q", "--force", str(second), "main")
    assert the_same_refusal(run) == f"main has several checkouts: {run.root}, {second}"
    run.git("switch", "-q", "--detach", cwd=second)
    merge = land_into(run.integration, "main").merge
    run.git("switch", "-q", "--ignore-other-worktrees", "main", cwd=second)
    with pytest.raises(StateError, match="several checkouts"):
        move_back(run.integration, "main", new=str(merge.new), old=merge.old)
    assert run.sha("main") == merge.new


def test_a_bisect_that_began_on_the_branch_counts_as_unfinished(run: Run) -> None:
    mine = run.commit({"mine": "1"})
    run.commit({"mine": "2"})
    run.land("a", {"b.txt": "1"})
    run.git("bisect", "start", "HEAD", run.base)
    assert run.sha("HEAD") == mine
    assert "in the middle of a merge, rebase or bisect" in the_same_refusal(run)
    run.git("bisect", "reset")
    assert land_into(run.integration, "main").checkout == run.root


def test_commands_in_hints_quote_branch_names(run: Run) -> None:
    branch = "a;touch${IFS}b"
    run.git("branch", branch)
    run.land("a", {"a.txt": "swarm\n"})
    run.git("checkout", "-q", branch)
    run.commit({"a.txt": "mine\n"})
    refusal = land_preview(run.integration, branch).refusal
    assert refusal is not None
    assert f"git switch '{branch}' && git merge swarm/integration" in str(refusal.hint)


# ───── exactly what was shown ─────


def test_work_that_landed_after_the_preview_is_not_landed_with_it(run: Run) -> None:
    shown = run.land("a", {"b.txt": "1"})
    seen = land_preview(run.integration, "main").seen
    run.land("c", {"c.txt": "1"})
    assert land_into(run.integration, "main", seen=seen).merge.new == shown
    assert not (run.root / "c.txt").exists()


def test_nothing_is_landed_into_a_branch_that_has_moved_since_the_preview(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    seen = land_preview(run.integration, "main").seen
    mine = run.commit({"mine": "1"})
    with pytest.raises(StateError, match="main has moved since the preview"):
        land_into(run.integration, "main", seen=seen)
    assert run.sha("main") == mine


def test_work_that_is_no_longer_on_the_integration_branch_is_not_landed(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    seen = land_preview(run.integration, "main").seen
    run.git("update-ref", run.integration.ref, run.base)
    with pytest.raises(StateError, match="no longer contains"):
        land_into(run.integration, "main", seen=seen)
    assert run.sha("main") == run.base


@pytest.mark.parametrize("own", [False, True])
def test_a_repetition_changes_nothing_and_reports_the_first_result(run: Run, own: bool) -> None:
    run.land("a", {"b.txt": "1"})
    if own:
        run.commit({"mine": "1"})
    seen = land_preview(run.integration, "main").seen
    first = land_into(run.integration, "main", seen=seen)
    again = land_into(run.integration, "main", seen=seen)
    assert again == first
    run.commit({"later": "1"})
    later = land_into(run.integration, "main", seen=seen)
    assert (later.merge.kind, later.undo_command()) == (MergeKind.CONTAINED, None), "commits came after it"


# ───── undoing ─────


def test_an_undo_restores_branch_and_checkout(run: Run) -> None:
    run.land("a", {"b.txt": "1", "a.txt": "new\n"})
    run.write({"notes": "untracked"})
    merge = land_into(run.integration, "main").merge
    for _ in range(2):  # the second time there is nothing left to do
        assert move_back(run.integration, "main", new=str(merge.new), old=merge.old) == run.root
    assert run.sha("main") == run.base
    assert run.git("status", "--porcelain") == "?? notes"
    assert (run.root / "a.txt").read_text() == "one\ntwo\nthree\n"


def test_an_undo_of_a_branch_without_a_checkout_moves_only_the_branch(run: Run) -> None:
    run.git("branch", "release")
    run.land("a", {"b.txt": "1"})
    merge = land_into(run.integration, "release").merge
    assert move_back(run.integration, "release", new=str(merge.new), old=merge.old) is None
    assert run.sha("release") == run.base


def test_an_undo_never_removes_later_commits_or_edits(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    merge = land_into(run.integration, "main").merge
    run.write({"a.txt": "mine\n"})
    with pytest.raises(DirtyCheckout, match=r"a\.txt"):
        move_back(run.integration, "main", new=str(merge.new), old=merge.old)
    later = run.commit({"later": "1"})
    with pytest.raises(StateError, match="main has moved since"):
        move_back(run.integration, "main", new=str(merge.new), old=merge.old)
    assert run.sha("main") == later


@pytest.mark.parametrize("ignored", [False, True])
def test_an_undo_never_overwrites_a_file_that_you_created_since(run: Run, ignored: bool) -> None:
    land_by_git(run, ("rm", "-q", "a.txt"), files={"b.txt": "1\n"})
    merge = land_into(run.integration, "main").merge
    ignore(run, *(["a.txt"] if ignored else []))
    run.write({"a.txt": "mine\n"})
    with pytest.raises(DirtyCheckout, match=r"would be overwritten: a\.txt"):
        move_back(run.integration, "main", new=str(merge.new), old=merge.old)
    assert (run.sha("main"), (run.root / "a.txt").read_text()) == (merge.new, "mine\n")
    (run.root / "a.txt").unlink()
    assert move_back(run.integration, "main", new=str(merge.new), old=merge.old) == run.root


def test_an_undo_does_not_change_which_branch_is_checked_out(run: Run) -> None:
    run.git("checkout", "-q", "-b", "before")
    run.git("checkout", "-q", "main")
    run.land("a", {"b.txt": "1"})
    merge = land_into(run.integration, "main").merge
    move_back(run.integration, "main", new=str(merge.new), old=merge.old)
    assert run.git("rev-parse", "--abbrev-ref", "@{-1}") == "before"


def test_an_undo_accepts_only_an_earlier_commit(run: Run) -> None:
    run.land("a", {"b.txt": "1"})
    merge = land_into(run.integration, "main").merge
    elsewhere = run.git("commit-tree", f"{run.base}^{{tree}}", "-m", "unrelated")
    with pytest.raises(StateError):
        move_back(run.integration, "main", new=str(merge.new), old=elsewhere)
    assert run.sha("main") == merge.new


@pytest.mark.parametrize("checked_out", [False, True])
def test_the_printed_undo_command_works(run: Run, checked_out: bool) -> None:
    branch = "main" if checked_out else "release"
    run.git("branch", "release")
    run.land("a", {"b.txt": "1"})
    command = land_into(run.integration, branch).undo_command()
    assert command is not None
    run.git("-c", f"alias.undo=!{command}", "undo")
    assert run.sha(branch) == run.base
