"""A task's id becomes a name that git and every file system accept, and no two tasks share it."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_shared.domain.branch_names import INTEGRATION_BRANCH, MAX_LENGTH, safe_id, task_branch, task_ref

AWKWARD = (
    "rel.lock",
    "a..b",
    ".x",
    "x.",
    "-x",
    "..",
    ".",
    "a b",
    "ä",
    "a/b",
    "x" * 300,
    "",
    "a\nb",
    "@",
    "A.LOCK",
    "\ud800",
)


@pytest.mark.parametrize("task_id", ["2.6.1.a", "integration", "task", "Fix_it-now", "x" * MAX_LENGTH])
def test_a_good_id_stays_as_it_is(task_id: str) -> None:
    assert safe_id(task_id, ()) == task_id


@pytest.mark.parametrize("task_id", AWKWARD)
def test_an_awkward_id_becomes_one_that_git_accepts(task_id: str) -> None:
    safe = safe_id(task_id, ())
    assert safe != task_id
    assert safe == safe_id(task_id, ())
    assert len(safe) <= MAX_LENGTH
    ref_check = subprocess.run(["git", "check-ref-format", task_ref(safe)], check=False)
    assert ref_check.returncode == 0


@given(st.text(max_size=120))
def test_every_id_gives_a_plain_name_within_one_folder(task_id: str) -> None:
    safe = safe_id(task_id, ())
    assert safe.replace(".", "").replace("-", "").replace("_", "").isalnum() or set(safe) <= set("._-")
    assert safe.isascii()
    assert "/" not in safe
    assert not safe.startswith((".", "-"))
    assert not safe.endswith((".", ".lock"))
    assert ".." not in safe


def test_ids_that_differ_only_in_case_get_different_names() -> None:
    first = safe_id("Login", ())
    second = safe_id("login", (first,))
    assert (first, second.casefold() == first.casefold()) == ("Login", False)


def test_ids_whose_difference_would_be_lost_get_different_names() -> None:
    assert safe_id("a b", ()) != safe_id("a/b", ())


def test_a_task_named_like_the_changed_name_of_another_gets_its_own() -> None:
    changed = safe_id("a b", ())
    assert safe_id(changed, (changed,)) != changed
    assert safe_id("a b", (changed,)) != changed


def test_a_task_called_integration_cannot_reach_the_integration_branch() -> None:
    assert task_branch(safe_id("integration", ())) != INTEGRATION_BRANCH
    assert not task_branch(safe_id("../integration", ())).startswith(INTEGRATION_BRANCH)
