"""Which refused landings count against the limit, and the turn of a task that lost a race."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_desk import PASSED, QueueDesk, failed

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
def desk(tmp_path: Path) -> QueueDesk:
    return QueueDesk(tmp_path)


def build(desk: QueueDesk, *paths: str, worker_id: str = "worker-1") -> str:
    """Claim the next task and let it pass with a change of these paths; its id."""
    claim = desk.start(worker_id)
    change(desk, claim.attempt, *paths)
    desk.settle(claim, BUILT)
    return claim.task_id


def change(desk: QueueDesk, attempt: str, *paths: str) -> None:
    files = tuple(FileChange(path=path, old_path=None, change=Change.MODIFIED, added=1, deleted=0) for path in paths)
    diff = Diff(files=files, text="", truncated=False)
    desk.db.changes.keep(attempt, Since.BASE, base_sha="base", head_sha="head", change=diff)


def take(desk: QueueDesk, worker_id: str = "worker-1") -> LandingClaim:
    landing = desk.db.landings.claim(desk.claimant(worker_id))
    assert landing is not None, "nothing may land"
    return landing


def refuse(desk: QueueDesk, *paths: str, times: int = 1, result: object = RACED) -> None:
    """Build the next task and refuse its landing."""
    for _ in range(times):
        build(desk, *paths)
        desk.settle(take(desk).claim, result)  # type: ignore[arg-type]  # a result of this module


def why(desk: QueueDesk, task_id: str) -> Explanation:
    return Why(desk.db.connection, desk.clock).explain(task_id, default_cli="command")


def test_a_race_does_not_count_against_the_limit(desk: QueueDesk) -> None:
    desk.add("a")
    refuse(desk, "a.txt", times=4)
    task = desk.task("a")
    assert (task["status"], task["landing_failures"], task["landing_unresolved"]) == (Status.NOT_STARTED, 4, 0)


def test_two_refusals_with_something_unresolved_hold_the_task_whatever_races_lie_between(desk: QueueDesk) -> None:
    desk.add("a")
    for result in (UNRESOLVED, RACED):
        refuse(desk, "a.txt", result=result)
        assert desk.status("a") is Status.NOT_STARTED
    refuse(desk, "a.txt", result=UNRESOLVED)
    assert desk.task("a")["hold_reason"] == HoldReason.NOT_LANDED
    desk.db.steering.apply(Verb.RETRY, "a", {}, actor="a user")
    assert desk.task("a")["landing_unresolved"] == 0


def test_no_task_races_for_ever(desk: QueueDesk) -> None:
    desk.add("a")
    refuse(desk, "a.txt", times=LANDING_REFUSALS)
    assert desk.task("a")["hold_reason"] == HoldReason.NOT_LANDED


def test_a_refusal_records_whether_it_counts_and_what_it_collided_with(desk: QueueDesk) -> None:
    desk.add("a")
    refuse(desk, "a.txt")
    (event,) = [each for each in desk.db.events.newest(100) if each["event_type"] == "landing_failed"]
    assert event["data"]["counts"] is False
    assert event["data"]["landed_between"] == [{"task": "other", "commit": "c0ffee"}]


@pytest.fixture
def with_turn(desk: QueueDesk) -> QueueDesk:
    """`a` was sent back, lost a race, and is being built again; `b` has passed with a change of the same path."""
    desk.add("a")
    refuse(desk, "shared.txt", "own.txt", times=2)
    desk.start("worker-1")
    desk.add("b")
    build(desk, "shared.txt", worker_id="worker-2")
    return desk


def test_a_landing_that_changes_the_same_path_waits_for_the_turn(with_turn: QueueDesk) -> None:
    assert with_turn.db.landings.claim(with_turn.claimant("worker-2")) is None
    reason = why(with_turn, "b").reasons[-1]
    assert (reason.kind, reason.advice) == ("turn", "amplifier-swarm why a")
    assert "shared.txt" in reason.text


def test_a_landing_of_other_paths_waits_for_nobodys_turn(with_turn: QueueDesk) -> None:
    with_turn.add("c")
    build(with_turn, "else.txt", worker_id="worker-2")
    assert take(with_turn, "worker-2").claim.task_id == "c"


def test_the_wait_for_a_turn_is_bounded_in_time(with_turn: QueueDesk) -> None:
    with_turn.clock.pass_s(TURN_MS / 1000 - 1)
    assert with_turn.db.landings.claim(with_turn.claimant("worker-2")) is None
    with_turn.clock.pass_s(1)
    assert take(with_turn, "worker-2").claim.task_id == "b"


def test_a_further_attempt_does_not_prolong_a_turn(desk: QueueDesk) -> None:
    desk.add("a")
    refuse(desk, "shared.txt", times=2)
    claim = desk.start()
    desk.clock.pass_s(TURN_MS / 1000 - 10)
    desk.settle(claim, failed(FailureClass.QUALITY))
    desk.start()
    desk.add("b")
    build(desk, "shared.txt", worker_id="worker-2")
    assert desk.db.landings.claim(desk.claimant("worker-2")) is None
    desk.clock.pass_s(10)
    assert take(desk, "worker-2").claim.task_id == "b"


def test_the_first_refusal_gives_no_turn(desk: QueueDesk) -> None:
    desk.add("a")
    refuse(desk, "shared.txt")
    desk.start("worker-1")
    desk.add("b")
    build(desk, "shared.txt", worker_id="worker-2")
    assert take(desk, "worker-2").claim.task_id == "b"


def test_a_turn_ends_with_the_landing(desk: QueueDesk) -> None:
    desk.add("a")
    refuse(desk, "shared.txt", times=2)
    build(desk, "shared.txt")
    desk.add("b")
    build(desk, "shared.txt", worker_id="worker-2")
    landing = take(desk)
    assert landing.claim.task_id == "a"
    desk.settle(landing.claim, BUILT)
    assert desk.db.connection.value("SELECT count(*) FROM turns") == 0
    assert take(desk, "worker-2").claim.task_id == "b"


def test_a_task_that_lost_a_race_is_not_built_beside_another_that_did_and_changes_the_same_path(
    desk: QueueDesk,
) -> None:
    desk.add("a")
    refuse(desk, "shared.txt", times=2)
    desk.db.steering.apply(Verb.HOLD, "a", {}, actor="a user")
    desk.add("b")
    refuse(desk, "shared.txt", times=2)
    desk.db.connection.change(
        "INSERT INTO turns (task, path) SELECT seq, 'shared.txt' FROM tasks WHERE id = 'a'"
    )  # its own turn ended with the hold
    desk.db.steering.apply(Verb.RELEASE, "a", {}, actor="a user")
    first = desk.start("worker-1")
    assert desk.claim("worker-2") is None
    second = "b" if first.task_id == "a" else "a"
    assert desk.status(second) is Status.WAITING_FILES
    assert why(desk, second).reasons[0].kind == "files"
    change(desk, first.attempt, "shared.txt")
    desk.settle(first, BUILT)
    assert desk.claim("worker-2") is None, "it has not landed yet"
    desk.settle(take(desk).claim, BUILT)
    assert desk.take("worker-2").task_id == second


def test_a_refused_landing_is_not_counted_as_passed(desk: QueueDesk) -> None:
    mark = desk.db.runs.mark()
    desk.add("a")
    refuse(desk, "a.txt", times=3)
    effort = desk.db.runs.effort_since(mark)
    assert (effort.attempts, effort.passed, effort.refused) == (3, 0, 3)
    build(desk, "a.txt")
    desk.settle(take(desk).claim, BUILT)
    effort = desk.db.runs.effort_since(mark)
    assert (effort.attempts, effort.passed, effort.refused) == (4, 1, 3)


GATE = {"command": "make gate", "passed": False, "exit_code": 1, "output": "one\nNO SUCH TABLE\n"}


def test_what_a_gate_printed_is_shown_by_why_and_by_the_group_of_failures(desk: QueueDesk) -> None:
    desk.add(TaskSpec(id="a", name="a"))
    refuse(desk, "a.txt", result=replace(UNRESOLVED, check_results=[GATE]))
    texts = {reason.kind: reason.text for reason in why(desk, "a").reasons}
    assert "conflict in a.txt" in texts["landing_refused"]
    assert "NO SUCH TABLE" in texts["check_failed"]
    refuse(desk, "a.txt", result=replace(UNRESOLVED, check_results=[GATE]))
    assert desk.status("a") is Status.HELD
    assert "NO SUCH TABLE" in why(desk, "a").reasons[-1].text
    (group,) = desk.db.failures.groups(10)
    assert (group["cause"], group["output"]) == ("landing", "one\nNO SUCH TABLE")


def test_gates_that_print_different_things_are_different_problems(desk: QueueDesk) -> None:
    desk.add("a", "b")
    for output in ("no such table", "disk full"):
        check = {**GATE, "output": output}
        refuse(desk, "a.txt", times=2, result=replace(UNRESOLVED, check_results=[check]))
    assert len(desk.db.failures.groups(10)) == 2


def test_the_landing_of_an_attempt_is_listed_with_the_attempts_and_their_number(desk: QueueDesk) -> None:
    desk.add("a")
    refuse(desk, "a.txt", times=2)
    shown = [(each["kind"], each["number"]) for each in desk.db.tasks.all_attempts(desk.task("a")["seq"])]
    assert shown == [("work", 1), ("landing", 1), ("work", 2), ("landing", 2)]
