"""Plans whose items are ticked on one side and edited on the other merge; everything else conflicts as usual."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.merging.marked import Mark
from swarm_shared.git.merging.merging import Merge, MergeKind, plan_merge
from swarm_shared.git.plumbing.trees import TreeFile, text_at, with_files
from swarm_shared.sources.ticking import tick

PLAN = "# Tasks\n\n" + "".join(f"- [ ] T00{n} Do {n}\n" for n in range(1, 6))
PATH = "specs/x/tasks.md"


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def ticked(text: str, *keys: str) -> str:
    for key in keys:
        found = tick("spec-kit", text, key)
        assert found is not None
        text = found
    return text


def marks(path: str) -> list[Mark]:
    return [partial(tick_one, f"T00{n}") for n in range(1, 6)] if path == PATH else []


def tick_one(key: str, text: str) -> str | None:
    return tick("spec-kit", text, key)


class Sides:
    """Two branches from one plan."""

    def __init__(self, harness: Harness, ours: dict[str, str], theirs: dict[str, str], base: str = PLAN) -> None:
        self.git = harness.repo.git
        start = harness.commit({PATH: base, "other.txt": "1\n2\n3\n"})
        self.into = self._commit(start, ours)
        self.other = self._commit(start, theirs)

    def _commit(self, base: str, files: dict[str, str]) -> str:
        tree = self.git.line("rev-parse", f"{base}^{{tree}}")
        tree = with_files(self.git, tree, {p: TreeFile(mode="100644", text=t) for p, t in files.items()})
        return self.git.line("commit-tree", tree, "-p", base, "-m", "side")

    def merge(self) -> Merge:
        return plan_merge(self.git, into=self.into, other=self.other, message="m", marks=marks)

    def text(self, merge: Merge) -> str:
        assert merge.new is not None, merge.conflicts
        file = text_at(self.git, merge.new, PATH)
        assert file is not None
        return file.text


def test_an_edit_next_to_a_ticked_item_merges(harness: Harness) -> None:
    edited = PLAN.replace("Do 2", "Do 2 with care").replace("- [ ] T004", "- [ ] T004a New\n- [ ] T004")
    sides = Sides(harness, {PATH: ticked(PLAN, "T001", "T003")}, {PATH: edited})
    assert sides.text(sides.merge()) == ticked(edited, "T001", "T003")


def test_it_does_not_matter_which_side_has_the_ticks(harness: Harness) -> None:
    edited = PLAN.replace("Do 2", "Do 2 with care")
    sides = Sides(harness, {PATH: edited}, {PATH: ticked(PLAN, "T001", "T003")})
    assert sides.text(sides.merge()) == ticked(edited, "T001", "T003")


def test_an_item_that_was_removed_stays_removed(harness: Harness) -> None:
    without = PLAN.replace("- [ ] T003 Do 3\n", "").replace("Do 2", "Do 2 and 3")
    sides = Sides(harness, {PATH: ticked(PLAN, "T001")}, {PATH: without})
    assert sides.text(sides.merge()) == ticked(without, "T001")


def test_two_edits_of_one_line_still_conflict(harness: Harness) -> None:
    sides = Sides(harness, {PATH: PLAN.replace("Do 2", "Do two")}, {PATH: PLAN.replace("Do 2", "Do it twice")})
    merge = sides.merge()
    assert (merge.kind, merge.conflicts) == (MergeKind.CONFLICT, (PATH,))


def test_a_conflict_elsewhere_is_not_hidden_by_the_plan(harness: Harness) -> None:
    ours = {PATH: ticked(PLAN, "T001"), "other.txt": "1\nours\n3\n"}
    theirs = {PATH: PLAN.replace("Do 2", "Do 2 with care"), "other.txt": "1\ntheirs\n3\n"}
    merge = Sides(harness, ours, theirs).merge()
    assert merge.kind is MergeKind.CONFLICT
    assert "other.txt" in merge.conflicts


def test_a_box_that_the_user_cleared_stays_clear(harness: Harness) -> None:
    base = ticked(PLAN, "T005")
    cleared = PLAN.replace("Do 2", "Do 2 with care")
    sides = Sides(harness, {PATH: ticked(base, "T001", "T003")}, {PATH: cleared}, base=base)
    assert sides.text(sides.merge()) == ticked(cleared, "T001", "T003")


def test_a_landing_is_completed_after_the_merge_and_remembers_the_state_before(harness: Harness) -> None:
    integration = Integration(repository=harness.repo)
    base = harness.commit({PATH: PLAN})
    integration.begin(base)
    git = harness.repo.git

    def finish(tree: str) -> str:
        return with_files(git, tree, {PATH: TreeFile(mode="100644", text=ticked(PLAN, "T002"))})

    merge = integration.plan_landing(base, tip=base, task_id="t", attempt_id="u", name="n", finish=finish)
    assert merge.new is not None
    assert merge.unfinished == git.line("rev-parse", f"{base}^{{tree}}")
    file = text_at(git, merge.new, PATH)
    assert file is not None
    assert "- [x] T002" in file.text


def test_only_regular_text_files_are_read(harness: Harness) -> None:
    (harness.root / "link").symlink_to(PATH)
    (harness.root / "binary").write_bytes(b"\xff\xfe")
    commit = harness.commit({PATH: PLAN})
    assert [text_at(harness.repo.git, commit, path) for path in ("link", "binary", "missing", "specs")] == [None] * 4
