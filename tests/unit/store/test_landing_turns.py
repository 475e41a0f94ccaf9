"""Which refused landings count against the limit, and the turn of a task that lost a race."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.diagnosis.why import Explanation, Why
from swarm_shared.domain.models import FailureClass, HoldReason, Status, TaskSpec, Verb
from swarm_shared.git.plumbing.diffs import Change, Diff, FileChange
from swarm_shared.store.queue.landings import TURN_MS, LandingClaim
from swarm_shared.store.queue.policy import LANDING_REFUSALS
from swarm_shared.store.views.changes import Since

BUILT = replace(PASSED, base_sha="base", head_sha="head")
UNRESOLVED = failed(FailureClass.QUALITY, "conflict in a.txt", must_fix=("resolve a.txt",))
RACED = replace(UNRESOLVED, raced=True, landed_between=(("other", "c0ffee"),))


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


def build(harness: QueueHarness, *paths: str, worker_id: str = "worker-1") -> str:
    """Claim the next task and let it pass with a change to these paths; returns its id."""
    claim = harness.start(worker_id)
    change(harness, claim.attempt, *paths)
    harness.settle(claim, BUILT)
    return claim.task_id


def change(harness: QueueHarness, attempt: str, *paths: str) -> None:
    files = tuple(FileChange(path=path, old_path=None, change=Change.MODIFIED, added=1, deleted=0) for path in paths)
    diff = Diff(files=files, text="", truncated=False)
    harness.db.changes.keep(attempt, Since.BASE, base_sha="base", head_sha="head", change=diff)


def take(harness: QueueHarness, worker_id: str = "worker-1") -> LandingClaim:
    landing = harness.db.landings.claim(harness.claimant(worker_id))
    assert landing is not None, "no task may land"
    return landing


def refuse(harness: QueueHarness, *paths: str, times: int = 1, result: object = RACED) -> None:
    """Build the next task and refuse its landing."""
    for _ in range(times):
        build(harness, *paths)
        harness.settle(take(harness).claim, result)  # type: ignore[arg-type]  # a result of this module


def why(harness: QueueHarness, task_id: str) -> Explanation:
    return Why(harness.db.connection, harness.clock).explain(task_id, default_cli="command")


def test_a_race_does_not_count_against_the_limit(harness: QueueHarness) -> None:
    harness.add("a")
    refuse(harness, "a.txt", times=4)
    task = harness.task("a")
    assert (task["status"], task["landing_failures"], task["landing_unresolved"]) == (Status.NOT_STARTED, 4, 0)


def test_two_refusals_with_an_unresolved_cause_hold_the_task_despite_races_in_between(harness: QueueHarness) -> None:
    harness.add("a")
    for result in (UNRESOLVED, RACED):
        refuse(harness, "a.txt", result=result)
        assert harness.status("a") is Status.NOT_STARTED
    refuse(harness, "a.txt", result=UNRESOLVED)
    assert harness.task("a")["hold_reason"] == HoldReason.NOT_LANDED
    harness.db.steering.apply(Verb.RETRY, "a", {}, actor="a user")
    assert harness.task("a")["landing_unresolved"] == 0


def test_no_task_keeps_losing_races_forever(harness: QueueHarness) -> None:
    harness.add("a")
    refuse(harness, "a.txt", times=LANDING_REFUSALS)
    assert harness.task("a")["hold_reason"] == HoldReason.NOT_LANDED


def test_a_refusal_records_whether_it_counts_and_what_it_conflicted_with(harness: QueueHarness) -> None:
    harness.add("a")
    refuse(harness, "a.txt")
    (event,) = [each for each in harness.db.events.newest(100) if each["event_type"] == "landing_failed"]
    assert event["data"]["counts"] is False
    assert event["data"]["landed_between"] == [{"task": "other", "commit": "c0ffee"}]


@pytest.fixture
def with_turn(harness: QueueHarness) -> QueueHarness:
    """`a` was sent back, lost a race, and is being built again; `b` has passed with a change to the same path."""
    harness.add("a")
    refuse(harness, "shared.txt", "own.txt", times=2)
    harness.start("worker-1")
    harness.add("b")
    build(harness, "shared.txt", worker_id="worker-2")
    return harness


def test_a_landing_that_changes_the_same_path_waits_for_the_turn(with_turn: QueueHarness) -> None:
    assert with_turn.db.landings.claim(with_turn.claimant("worker-2")) is None
    reason = why(with_turn, "b").reasons[-1]
    assert (reason.kind, reason.advice) == ("turn", "amplifier-swarm why a")
    assert "shared.txt" in reason.text


def test_a_landing_of_other_paths_does_not_wait(with_turn: QueueHarness) -> None:
    with_turn.add("c")
    build(with_turn, "else.txt", worker_id="worker-2")
    assert take(with_turn, "worker-2").claim.task_id == "c"


def test_the_wait_for_a_turn_is_limited_in_time(with_turn: QueueHarness) -> None:
    with_turn.clock.pass_s(TURN_MS / 1000 - 1)
    assert with_turn.db.landings.claim(with_turn.claimant("worker-2")) is None
    with_turn.clock.pass_s(1)
    assert take(with_turn, "worker-2").claim.task_id == "b"


def test_a_further_attempt_does_not_prolong_a_turn(harness: QueueHarness) -> None:
    harness.add("a")
    refuse(harness, "shared.txt", times=2)
    claim = harness.start()
    harness.clock.pass_s(TURN_MS / 1000 - 10)
    harness.settle(claim, failed(FailureClass.QUALITY))
    harness.start()
    harness.add("b")
    build(harness, "shared.txt", worker_id="worker-2")
    assert harness.db.landings.claim(harness.claimant("worker-2")) is None
    harness.clock.pass_s(10)
    assert take(harness, "worker-2").claim.task_id == "b"


def test_the_first_refusal_grants_no_turn(harness: QueueHarness) -> None:
    harness.add("a")
    refuse(harness, "shared.txt")
    harness.start("worker-1")
    harness.add("b")
    build(harness, "shared.txt", worker_id="worker-2")
    assert take(harness, "worker-2").claim.task_id == "b"


def test_a_turn_ends_with_the_landing(harness: QueueHarness) -> None:
    harness.add("a")
    refuse(harness, "shared.txt", times=2)
    build(harness, "shared.txt")
    harness.add("b")
    build(harness, "shared.txt", worker_id="worker-2")
    landing = take(harness)
    assert landing.claim.task_id == "a"
    harness.settle(landing.claim, BUILT)
    assert harness.db.connection.value("SELECT count(*) FROM turns") == 0
    assert take(harness, "worker-2").claim.task_id == "b"


def test_a_task_that_lost_a_race_is_not_built_while_another_loser_changes_the_same_path(
    harness: QueueHarness,
) -> None:
    harness.add("a")
    refuse(harness, "shared.txt", times=2)
    harness.db.steering.apply(Verb.HOLD, "a", {}, actor="a user")
    harness.add("b")
    refuse(harness, "shared.txt", times=2)
    # Its own turn ended when it was held.
    harness.db.connection.change("INSERT INTO turns (task, path) SELECT seq, 'shared.txt' FROM tasks WHERE id = 'a'")
    harness.db.steering.apply(Verb.RELEASE, "a", {}, actor="a user")
    first = harness.start("worker-1")
    assert harness.claim("worker-2") is None
    second = "b" if first.task_id == "a" else "a"
    assert harness.status(second) is Status.WAITING_FILES
    assert why(harness, second).reasons[0].kind == "files"
    change(harness, first.attempt, "shared.txt")
    harness.settle(first, BUILT)
    assert harness.claim("worker-2") is None, "it has not landed yet"
    harness.settle(take(harness).claim, BUILT)
    assert harness.take("worker-2").task_id == second


def test_a_refused_landing_is_not_counted_as_passed(harness: QueueHarness) -> None:
    mark = harness.db.runs.mark()
    harness.add("a")
    refuse(harness, "a.txt", times=3)
    effort = harness.db.runs.effort_since(mark)
    assert (effort.attempts, effort.passed, effort.refused) == (3, 0, 3)
    build(harness, "a.txt")
    harness.settle(take(harness).claim, BUILT)
    effort = harness.db.runs.effort_since(mark)
    assert (effort.attempts, effort.passed, effort.refused) == (4, 1, 3)


GATE = {"command": "make gate", "passed": False, "exit_code": 1, "output": "one\nNO SUCH TABLE\n"}


def test_the_output_of_a_gate_is_shown_by_why_and_by_the_failure_group(harness: QueueHarness) -> None:
    harness.add(TaskSpec(id="a", name="a"))
    refuse(harness, "a.txt", result=replace(UNRESOLVED, check_results=[GATE]))
    texts = {reason.kind: reason.text for reason in why(harness, "a").reasons}
    assert "conflict in a.txt" in texts["landing_refused"]
    assert "NO SUCH TABLE" in texts["check_failed"]
    refuse(harness, "a.txt", result=replace(UNRESOLVED, check_results=[GATE]))
    assert harness.status("a") is Status.HELD
    assert "NO SUCH TABLE" in why(harness, "a").reasons[-1].text
    (group,) = harness.db.failures.groups(10)
    assert (group["cause"], group["output"]) == ("landing", "one\nNO SUCH TABLE")


def test_gates_with_different_output_are_different_problems(harness: QueueHarness) -> None:
    harness.add("a", "b")
    for output in ("no such table", "disk full"):
        check = {**GATE, "output": output}
        refuse(harness, "a.txt", times=2, result=replace(UNRESOLVED, check_results=[check]))
    assert len(harness.db.failures.groups(10)) == 2


def test_the_landing_of_an_attempt_is_listed_among_the_attempts_with_its_number(harness: QueueHarness) -> None:
    harness.add("a")
    refuse(harness, "a.txt", times=2)
    shown = [(each["kind"], each["number"]) for each in harness.db.tasks.all_attempts(harness.task("a")["seq"])]
    assert shown == [("work", 1), ("landing", 1), ("work", 2), ("landing", 2)]
