"""Failures in groups: which failures count as the same problem, and which tasks each problem has stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.program.error_line import error_line, headline_of
from swarm_shared.store.queue.failures.fingerprints import Problem, problem_of
from swarm_shared.store.queue.policy import Budgets

QUALITY = FailureClass.QUALITY


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path, budgets=Budgets(max_retries=0, crash_budget=1))


def problem(error: str, **more: Any) -> Problem:
    found = problem_of(failed(QUALITY, error, **more), landing=False)
    assert found is not None
    return found


def red(command: str, output: str) -> list[dict[str, Any]]:
    return [
        {"command": "ruff check", "passed": True, "output": "fine"},
        {"command": command, "passed": False, "exit_code": 1, "output": output},
    ]


def groups(harness: QueueHarness) -> list[tuple[str, int, list[str]]]:
    return [(group["sample"], group["tasks"], group["task_ids"]) for group in harness.db.failures.groups(50)]


# ───── the same problem ─────


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 3.2 s", "took 14 s"),
        ("line 12: boom", "line 4711: boom"),
        ("at 2026-11-22T15:04:05Z", "at 2026-12-01T00:00:59Z"),
        ("session 6f1c2a34-9d1e-4b6a-8f00-a1b2c3d4e5f6", "session 00000000-9d1e-4b6a-8f00-0123456789ab"),
        ("commit 8771872f is bad", "commit a3c382f01 is bad"),
        ("object at 0x7f3a2b", "object at 0xdeadbeef"),
        ("/home/a/app/x.py: no", "/srv/other/app/x.py: no"),
        ("rootdir: /q/tasks.db.swarm/worktrees/parse", "rootdir: /q/tasks.db.swarm/worktrees/show"),
        ("/q/worktrees/parse/app/x.py:3: no", "/q/worktrees/show/app/x.py:9: no"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("two  blanks\n\n", "two blanks"),
    ],
)
def test_failures_that_differ_only_in_numbers_times_ids_and_folders_are_the_same_problem(one: str, other: str) -> None:
    assert problem(one).fingerprint == problem(other).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: name", "KeyError: size"),
        ("src/a.py is missing", "src/b.py is missing"),
        ("/x/a.py: no", "/x/b.py: no"),
        ("the deed is done", "the dead is done"),
    ],
)
def test_failures_with_different_words_are_different_problems(one: str, other: str) -> None:
    assert problem(one).fingerprint != problem(other).fingerprint


def test_a_failing_check_is_identified_by_its_command_and_output_and_not_by_passing_checks() -> None:
    first = problem("check failed", check_results=red("pytest", "E  assert 3 == 4\n1 failed in 0.1s"))
    assert (first.cause, first.sample) == ("check", "assert 3 == 4")
    assert (
        first.fingerprint == problem("x", check_results=red("pytest", "E  assert 5 == 6\n1 failed in 9s")).fingerprint
    )
    assert first.fingerprint != problem("check failed", check_results=red("pytest", "E  NameError")).fingerprint
    assert first.fingerprint != problem("check failed", check_results=red("mypy", "E  assert 3 == 4")).fingerprint


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "Traceback (most recent call last):\n  File 'x', line 3\nModuleNotFoundError: No module named 'almanac'\n",
            "ModuleNotFoundError: No module named 'almanac'",
        ),
        ("E   ImportError: cannot import name 'x'\n1 error in 0.2s", "ImportError: cannot import name 'x'"),
        ("KeyError: 'a'\n\nDuring handling\n\nstore.MissingError: a is gone", "store.MissingError: a is gone"),
        ("a.ValueError: one\nb.c.TypeError: two\ntrailer", "b.c.TypeError: two"),
        ("\x1b[31mTypeError: x is not a function\x1b[0m\n    at f (a.js:1)", "TypeError: x is not a function"),
        ("src/a.ts(3,7): error TS2304: Cannot find name 'y'.", "src/a.ts(3,7): error TS2304: Cannot find name 'y'."),
        ("error[E0432]: unresolved import `x`\nerror: aborting due to 1", "error[E0432]: unresolved import `x`"),
        ("a.c:1:10: fatal error: y.h: No such file\n", "a.c:1:10: fatal error: y.h: No such file"),
        ("fatal: not a git repository", "fatal: not a git repository"),
        ("sh: 1: pnpm: not found\n", "sh: 1: pnpm: not found"),
        ("panic: runtime error: index out of range", "panic: runtime error: index out of range"),
    ],
)
def test_the_line_that_names_the_error_is_found(output: str, line: str) -> None:
    assert error_line(output) == line


@pytest.mark.parametrize(
    "output",
    [
        "",
        "1 failed, 3 passed",
        "AssertionError: 3 != 4",
        "E   AssertionError: assert 3 == 4",
        "error: test failed",
        "error: exited with code 1",
        "no errors, 0 warnings",
        "an error: happened somewhere in the middle of a sentence",
    ],
)
def test_a_line_that_does_not_name_the_cause_is_not_chosen(output: str) -> None:
    assert error_line(output) is None


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("E   ValueError: no\n", "ValueError: no"),
        (
            "E   assert 3 == 4\nFAILED tests/test_a.py::test_x - assert 3 == 4\n1 failed",
            "tests/test_a.py::test_x - assert 3 == 4",
        ),
        ("E   assert 3 == 4\nE    +  where 3 = f()", "assert 3 == 4"),
        ("FAIL: test_x (t.T)\nAssertionError: 3 != 4\nFAILED (failures=1)", "AssertionError: 3 != 4"),
        ("--- FAIL: TestRoman (0.00s)\nFAIL", "TestRoman (0.00s)"),
        ("ok 1 - a\nnot ok 2 - b is 4\n", "b is 4"),
        ("1 failed, 3 passed", None),
        ("", None),
    ],
)
def test_the_headline_of_a_failing_check_names_at_least_the_failed_test(output: str, line: str | None) -> None:
    assert headline_of(output) == line


def test_one_error_from_many_commands_is_one_problem_named_after_its_line() -> None:
    end = "Traceback (most recent call last):\n  File {0!r}, line {1}\nModuleNotFoundError: No module named 'almanac'"
    found = [
        problem(
            f"check failed: python3 tests/{name}.py (exit 1)",
            check_results=red(f"python3 tests/{name}.py", end.format(name, n)),
        )
        for n, name in enumerate(("test_roman", "test_moon", "test_tides"))
    ]
    assert len({one.fingerprint for one in found}) == 1
    assert {one.sample for one in found} == {"ModuleNotFoundError: No module named 'almanac'"}
    other = problem("x", check_results=red("python3 tests/x.py", end.format("x", 1).replace("almanac", "ledger")))
    assert other.fingerprint != found[0].fingerprint


def test_an_objection_is_identified_by_its_issues_in_any_order() -> None:
    verdict = {"verdict": "FAIL"}
    first = problem("no", validator_result=verdict, must_fix=("a.py:3 leaks", "no test"))
    assert first.cause == "validator"
    again = problem("still no", validator_result=verdict, must_fix=("no test", "a.py:7 leaks"))
    assert first.fingerprint == again.fingerprint


def test_output_of_any_size_is_fingerprinted_from_its_last_lines_only() -> None:
    noise = "\n".join(f"{word} {'x' * 400}" for word in ("one", "two") * 5_000)
    long = problem("x", check_results=red("pytest", noise + "\nE  boom"))
    assert (
        long.fingerprint == problem("x", check_results=red("pytest", "other noise\n" + noise + "\nE  boom")).fingerprint
    )


@pytest.mark.parametrize("other", [FailureClass.PROVIDER, FailureClass.SETUP, FailureClass.INTERRUPTED])
def test_a_failure_that_is_not_the_tasks_fault_is_not_its_problem(other: FailureClass) -> None:
    assert problem_of(failed(other), landing=False) is None
    assert problem_of(PASSED, landing=False) is None


# ───── groups ─────


def test_task_attempt_group_and_log_show_the_same_headline(harness: QueueHarness) -> None:
    harness.add("a", "b")
    output = "Traceback\nModuleNotFoundError: No module named 'almanac'"
    harness.run(failed(QUALITY, "check failed: make test (exit 2)", check_results=red("make test", output)))
    harness.run(failed(QUALITY, "validator: FAIL", validator_result={"verdict": "FAIL"}, must_fix=("a.py:3 leaks",)))
    for name, line in (("a", "ModuleNotFoundError: No module named 'almanac'"), ("b", "a.py:3 leaks")):
        task = harness.task(name)
        assert task["last_error"] == line
        assert [each["headline"] for each in harness.db.tasks.attempts(task["seq"])] == [line]
        assert [g["sample"] for g in harness.db.failures.groups(9) if g["task_ids"] == [name]] == [line]
        ends = [each["message"] for each in harness.db.events.of_task(task["seq"]) if each["event_type"] == "failed"]
        assert ends == [line]


def test_tasks_that_failed_with_the_same_problem_form_one_group_and_the_largest_comes_first(
    harness: QueueHarness,
) -> None:
    harness.add("a", "b", "c", TaskSpec(id="waits", name="waits", dependencies=("b",)))
    harness.run(failed(QUALITY, "no module named x (took 3 s)"))
    harness.run(failed(QUALITY, "no module named x (took 9 s)"))
    harness.clock.pass_s(5)
    harness.run(failed(FailureClass.CRASH, "it died"))
    first, second = harness.db.failures.groups(50)
    assert (first["cause"], first["tasks"], first["failed"], first["held"]) == ("builder", 2, 2, 0)
    assert first["task_ids"] == ["a", "b"]
    assert first["blocked"] == 1
    assert (second["cause"], second["held"], second["sample"]) == ("crash", 1, "it died")
    assert second["newest_at"] > first["newest_at"]
    assert harness.db.failures.totals() == {"groups": 2, "tasks": 3, "failed": 2, "held": 1}
    assert harness.db.failures.groups(1) == [first]
    assert harness.db.failures.task_ids(first["fingerprint"], limit=10) == ["a", "b"]


def test_an_attempt_keeps_its_fingerprint_and_a_retried_task_leaves_the_group(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=1))
    harness.add("a")
    harness.run(failed(QUALITY, "boom"))
    assert groups(harness) == []
    harness.run(failed(QUALITY, "boom"))
    assert groups(harness) == [("boom", 1, ["a"])]
    attempts = harness.db.tasks.attempts(harness.task("a")["seq"])
    assert [a["cause"] for a in attempts] == ["builder", "builder"]
    assert attempts[0]["fingerprint"] == attempts[1]["fingerprint"] is not None
    assert harness.db.failures.groups(1)[0]["attempts"] == 2
    carry_out_now(harness.db, Verb.RETRY, "a", {}, actor="me")
    assert groups(harness) == []
    harness.run(PASSED)
    assert groups(harness) == []


@pytest.mark.parametrize("verb", [Verb.RETRY, Verb.RELEASE, Verb.CANCEL])
def test_a_task_that_is_no_longer_held_leaves_the_group(harness: QueueHarness, verb: Verb) -> None:
    harness.add("a")
    harness.run(failed(FailureClass.UNREADABLE, "prose"))
    assert groups(harness) == [("prose", 1, ["a"])]
    assert carry_out_now(harness.db, verb, "a", {}, actor="me").status == "done"
    assert groups(harness) == []


def test_an_approved_task_leaves_the_group(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(failed(QUALITY, "the validator objects", validator_result={"verdict": "FAIL"}))
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE tasks SET status = 'held', hold_reason = 'objection'")
    assert [group["held"] for group in harness.db.failures.groups(5)] == [1]
    assert carry_out_now(harness.db, Verb.APPROVE, "a", {}, actor="me").status == "done"
    assert harness.db.failures.totals() == {"groups": 0, "tasks": 0, "failed": 0, "held": 0}


def test_a_cleared_queue_has_no_groups(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(failed(QUALITY, "boom"))
    harness.add("b", clear=True)
    assert harness.db.failures.totals() == {"groups": 0, "tasks": 0, "failed": 0, "held": 0}


def test_imported_failed_tasks_and_cancelled_tasks_that_others_need_are_listed(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=0))
    harness.add("a", *(TaskSpec(id=f"i{n}", name="i", status=Status.FAILED) for n in range(7)))
    harness.run(failed(FailureClass.QUALITY, "boom"))
    imported = harness.db.failures.imported()
    assert (imported["tasks"], imported["task_ids"]) == (7, ["i0", "i1", "i2", "i3", "i4"])
    harness.add("c", "unneeded", TaskSpec(id="d", name="d", dependencies=("c",)))
    for name in ("c", "unneeded"):
        harness.db.steering.apply(Verb.CANCEL, name, {}, actor="ann")
    assert harness.db.failures.cancelled_in_the_way() == {"tasks": 1, "task_ids": ["c"]}
