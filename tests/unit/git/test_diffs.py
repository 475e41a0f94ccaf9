"""Diffs are complete for checks, and truncated for prompts and for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import Harness

from swarm_shared.git.merging.conflict_markers import Marker, conflict_markers, may_have_markers
from swarm_shared.git.plumbing.diffs import Change, changed_files, changed_paths, diff
from swarm_shared.git.plumbing.pathspecs import outside
from swarm_shared.git.running.process import Completed, run_process

CONFLICT = "top\n<<<<<<< HEAD\nmine\n=======\ntheirs\n>>>>>>> other\n"


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path, files={"a.txt": "1\n2\n3\n", "move.txt": "x\n" * 20, "gone": "away\n", "b.bin": b"\0\1"})


def test_each_kind_of_change_is_reported(harness: Harness) -> None:
    (harness.root / "move.txt").rename(harness.root / "moved ünd.txt")
    (harness.root / "gone").unlink()
    head = harness.commit({"a.txt": "1\ntwo\n3\n4\n", "b.bin": b"\0\2", "new\nline": "1\n"})
    files = {file.path: file for file in changed_files(harness.repo.git, harness.base, head)}
    assert (files["a.txt"].change, files["a.txt"].added, files["a.txt"].deleted) == (Change.MODIFIED, 2, 1)
    assert files["b.bin"].added is None
    assert files["gone"].change is Change.DELETED
    assert files["new\nline"].change is Change.ADDED
    assert (files["moved ünd.txt"].change, files["moved ünd.txt"].old_path) == (Change.RENAMED, "move.txt")
    assert changed_paths(harness.repo.git, harness.base, head) == {*files, "move.txt"}


def test_a_diff_has_text_table_and_every_path(harness: Harness) -> None:
    head = harness.commit({"a.txt": "1\ntwo\n3\n"})
    changes = diff(harness.repo.git, harness.base, head)
    assert "-2\n+two\n" in changes.text
    assert not changes.truncated
    assert changes.paths == ("a.txt",)
    assert changes.stat() == "M a.txt +1 -1\n1 files changed, 1 lines added, 1 deleted"


def test_the_same_comparison_is_computed_once_until_another_is_made(harness: Harness) -> None:
    asked: list[str] = []

    def counted(command: Sequence[str], **how: Any) -> Completed:
        asked.append("diff-tree" if "diff-tree" in command else "")
        return run_process(command, **how)

    git = replace(harness.repo.git, run=counted)
    head = harness.commit({"a.txt": "1\ntwo\n3\n"})
    later = harness.commit({"a.txt": "1\n2\nthree\n"})
    for _ in range(2):
        assert "+two" in diff(git, harness.base, head).text
    assert asked.count("diff-tree") == 1
    assert "+three" in diff(git, harness.base, later).text
    assert [entry.path for entry in diff(git, harness.base, head).entries] == ["a.txt"]
    assert asked.count("diff-tree") == 3


def test_a_rename_is_two_entries(harness: Harness) -> None:
    (harness.root / "move.txt").rename(harness.root / "moved.txt")
    head = harness.commit({})
    entries = diff(harness.repo.git, harness.base, head).entries
    assert [(entry.letter, entry.path) for entry in entries] == [("D", "move.txt"), ("A", "moved.txt")]
    assert (entries[0].new_mode, entries[1].old_mode, set(entries[1].old_sha)) == ("000000", "000000", {"0"})
    assert entries[0].old_sha == harness.sha(f"{harness.base}:move.txt")


def test_a_long_diff_is_truncated_after_a_line_and_its_table_is_complete(harness: Harness) -> None:
    head = harness.commit({f"f{n}": "line\n" * 1000 for n in range(50)})
    changes = diff(harness.repo.git, harness.base, head, limit_bytes=10_000)
    assert changes.truncated
    assert 9_000 < len(changes.text) <= 10_000
    assert changes.text.endswith("\n")
    assert len(changes.files) == 50
    assert "… and 40 more files" in changes.stat(lines=10)


def test_a_commit_without_changes_has_an_empty_diff(harness: Harness) -> None:
    changes = diff(harness.repo.git, harness.base, harness.base)
    assert (changes.files, changes.text, changes.truncated) == ((), "", False)


def test_a_link_and_a_submodule_are_distinguished_from_files(harness: Harness) -> None:
    (harness.root / "a.txt").unlink()
    (harness.root / "a.txt").symlink_to("gone")
    harness.git("add", "-A")
    harness.git("update-index", "--add", "--cacheinfo", f"160000,{harness.base},sub")
    harness.git("commit", "-q", "-m", "x")
    files = {file.path: file for file in changed_files(harness.repo.git, harness.base, harness.sha("HEAD"))}
    assert files["a.txt"].change is Change.TYPE
    assert files["sub"].submodule


@pytest.mark.parametrize(
    ("path", "pattern", "covered"),
    [
        ("src/a.py", "src/a.py", True),
        ("src/a.py", "src", True),
        ("src/a.py", "src/", True),
        ("src/a.py", "./src/*.py", True),
        ("src/deep/a.py", "src/*.py", False),
        ("src/deep/a.py", "src/*", True),
        ("src/deep/a.py", "src/**/*.py", True),
        ("src/a.py", "src/**/*.py", True),
        ("a.py", "**", True),
        ("x/y/a.py", "**/a.py", True),
        ("srcs/a.py", "src", False),
        ("src/a.py", "src/?.py", True),
        ("src/ab.py", "src/?.py", False),
        ("src/a.py", "src/[ab].py", True),
        ("src/c.py", "src/[!ab].py", True),
        ("src/a.py", "src/[!ab].py", False),
        ("src/a.py", "src[!x]a.py", False),
        ("a+b (1).txt", "a+b (1).txt", True),
        ("odd[1].txt", "odd[1].txt", False),
        ("new\nline", "new*", True),
        ("src/a.py", "src/*.pyc", False),
        ("src/[", "src/[", True),
    ],
)
def test_globs_cover_the_expected_paths(path: str, pattern: str, covered: bool) -> None:
    assert (outside([path], [pattern]) == ()) is covered


def test_globs_of_a_project_in_a_subfolder_start_there(harness: Harness) -> None:
    paths = ["app/src/a.py", "src/a.py", "app/b"]
    assert outside(paths, ["src/**"], prefix="app") == ("src/a.py", "app/b")


def test_without_patterns_nothing_matches() -> None:
    assert outside(["a"], []) == ("a",)


def test_added_conflict_markers_are_found_with_their_lines(harness: Harness) -> None:
    head = harness.commit(
        {"a.txt": CONFLICT, "sub/späce d.txt": "x\n" + CONFLICT + CONFLICT, "win.txt": "<<<<<<<\r\n>>>>>>>\r\n"}
    )
    assert set(conflict_markers(harness.repo.git, harness.base, head)) == {
        Marker(path="a.txt", line=2),
        Marker(path="sub/späce d.txt", line=3),
        Marker(path="sub/späce d.txt", line=9),
        Marker(path="win.txt", line=1),
    }


def test_headings_old_markers_and_binary_files_are_not_conflicts(harness: Harness) -> None:
    base = harness.commit({"manual.txt": CONFLICT})
    head = harness.commit(
        {
            "title.rst": "Title\n=======\n",
            "manual.txt": CONFLICT + "more\n",
            "data.bin": b"\0" + CONFLICT.encode(),
            "quote.txt": ">>>>>>> quoted mail\n",
            "code.py": "x = 1 <<<<<<< 2\n  <<<<<<< HEAD\n  >>>>>>> x\n",
        }
    )
    assert conflict_markers(harness.repo.git, base, head) == ()


def test_a_path_that_looks_like_a_pattern_is_taken_literally(harness: Harness) -> None:
    head = harness.commit({":(glob)*": CONFLICT, "*": "fine\n"})
    assert conflict_markers(harness.repo.git, harness.base, head) == (Marker(path=":(glob)*", line=2),)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"a.txt": "one\ntwo\n"}, False),
        ({"a.txt": "one\n<<<<<<< HEAD\n"}, True),
        ({f"big-{n}.txt": "line\n" * 30_000 for n in range(3)}, True),
    ],
    ids=["plain", "a marker", "more text than is kept"],
)
def test_the_text_of_a_change_says_whether_markers_must_be_searched(
    harness: Harness, files: dict[str, str], expected: bool
) -> None:
    head = harness.commit(files)
    assert may_have_markers(diff(harness.repo.git, harness.base, head)) is expected


def test_a_renamed_file_is_searched_for_markers(harness: Harness) -> None:
    base = harness.commit({"b.txt": "x\n" * 40})
    harness.git("mv", "b.txt", "c.txt")
    assert may_have_markers(diff(harness.repo.git, base, harness.commit({})))


def test_a_change_of_very_many_files_has_all_their_names_and_as_much_text_as_fits(harness: Harness) -> None:
    head = harness.commit({f"folder/{'n' * 100}-{n}": f"{n}\n" for n in range(1200)})
    found = diff(harness.repo.git, harness.base, head, limit_bytes=40_000)
    assert len(found.files) == 1200
    assert found.truncated
    assert 39_000 < len(found.text) <= 40_000
