"""What ends a running session early, how it is ended, and the effect on its attempt; with scripted processes."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_worker import FOREVER, HANGS, PASS, SUCCESS, Play, ScriptedWorker

from swarm_shared.domain.models import Status, Verb
from swarm_worker.processes.session_tree import TreeUnproven
from swarm_worker.session.cuts import REQUESTED_GRACE_S
from swarm_worker.stopping import Leave

BUILT, APPROVED = Play(answer=SUCCESS), Play(answer=PASS)
STUBBORN = replace(HANGS, stubborn=True)


@pytest.fixture
def worker(tmp_path: Path) -> ScriptedWorker:
    made = ScriptedWorker(tmp_path)
    made.add()
    return made


def hanging(worker: ScriptedWorker, act: Callable[[], object], *, after_s: float = 1.0, **how: object) -> Play:
    """An agent that never ends by itself, and what others do meanwhile."""
    return replace(HANGS, meanwhile=[(after_s, worker.others_do(act))], **how)


def request(worker: ScriptedWorker, verb: Verb) -> Callable[[], int]:
    return lambda: worker.db.control.request(verb, "a", actor="anna")


def take_lease_away(worker: ScriptedWorker) -> Callable[[], None]:
    def take() -> None:
        with worker.db.connection.transaction():
            worker.db.connection.change("UPDATE tasks SET lease_token = lease_token + 1")

    return take


# ───── requests ─────


@pytest.mark.parametrize(
    ("verb", "status", "outcome"),
    [(Verb.KILL, Status.HELD, "killed"), (Verb.CANCEL, Status.CANCELLED, "cancelled")],
)
def test_a_request_ends_the_agent_and_gets_its_outcome_with_the_attempt(
    worker: ScriptedWorker, verb: Verb, status: Status, outcome: str
) -> None:
    worker.round(hanging(worker, request(worker, verb)))
    assert (worker.status(), worker.task()["failures"]) == (status, 0)
    assert worker.attempts()[0]["outcome"] == outcome
    [row] = worker.db.control.newest(limit=1)
    assert (row.status, row.handled_by) == ("done", "worker-1")
    assert worker.tree.ends == [REQUESTED_GRACE_S]


def test_a_stubborn_agent_is_waited_for_until_its_tree_is_gone(worker: ScriptedWorker) -> None:
    began = worker.time()
    worker.round(hanging(worker, request(worker, Verb.KILL), stubborn=True))
    assert worker.time() - began == pytest.approx(1 + REQUESTED_GRACE_S, abs=0.2)
    assert worker.sessions()[0]["signal"] == signal.SIGKILL


def test_a_request_for_an_earlier_attempt_does_not_touch_a_later_one(worker: ScriptedWorker) -> None:
    worker.round(Play(signal=9))
    first = worker.attempts()[0]["id"]
    kill = worker.others_do(lambda: worker.db.control.request(Verb.KILL, "a", actor="anna", attempt_id=first))
    worker.round(replace(BUILT, meanwhile=[(0.5, kill)]), APPROVED)
    assert worker.status() is Status.COMPLETED
    assert worker.db.control.newest(limit=1)[0].status == "pending"  # the reaper refuses it


# ───── the lease, the keeper, trees that cannot be ended ─────


def test_a_lost_lease_ends_the_agent_and_drops_its_result(worker: ScriptedWorker) -> None:
    worker.round(hanging(worker, take_lease_away(worker)))
    assert worker.attempts()[0]["outcome"] is None
    assert worker.tree.ends == [REQUESTED_GRACE_S]


def test_a_worker_whose_row_was_closed_ends_its_agent_and_exits(worker: ScriptedWorker) -> None:
    def close() -> None:
        worker.heart.alive = False

    worker.round(hanging(worker, close))
    assert worker.tree.ends == [REQUESTED_GRACE_S]
    assert worker.round().leave is Leave.RETIRED


def test_without_a_keeper_the_agent_is_killed_at_once(worker: ScriptedWorker) -> None:
    def lose() -> None:
        worker.watch.keeper_lost = True

    worker.round(hanging(worker, lose))
    assert worker.tree.ends == [0.0]
    assert worker.attempts()[0]["failure_class"] == "crash"
    assert worker.round().leave is Leave.KEEPER_LOST


def test_an_attempt_whose_tree_cannot_be_ended_is_never_settled(worker: ScriptedWorker) -> None:
    with pytest.raises(TreeUnproven, match="immortal"):
        worker.round(hanging(worker, request(worker, Verb.KILL), immortal=True))
    assert worker.attempts()[0]["outcome"] is None
    assert worker.status() is Status.IN_PROGRESS


def test_processes_that_an_agent_leaves_behind_are_ended_before_the_next_step(worker: ScriptedWorker) -> None:
    worker.round(replace(BUILT, leaves=True), APPROVED)
    assert worker.tree.ends == [2.0]
    assert worker.status() is Status.COMPLETED


def test_a_fault_of_the_worker_ends_its_agent_first(worker: ScriptedWorker) -> None:
    def break_down() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        worker.round(hanging(worker, break_down))
    assert worker.tree.killed_all == 1


# ───── time ─────


def test_a_session_past_its_limit_is_ended_and_counts_as_a_failure(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path)
    worker.add(timeout_minutes=10, max_retries=0)
    began = worker.time()
    worker.round(Play(output=b".", after_s=FOREVER, meanwhile=[]))
    assert worker.time() - began == pytest.approx(600, abs=1)
    assert worker.status() is Status.FAILED
    assert "passed its limit of 10 minutes" in worker.task()["last_error"]
    assert worker.tree.ends == [2.0]


def test_a_session_without_any_sign_of_progress_is_ended(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"orphan_timeout_min": 5.0, "builder_timeout_s": 10_000.0})
    worker.add(max_retries=0)
    worker.round(HANGS)
    assert "no sign of progress from the builder for 5" in worker.task()["last_error"]


def test_a_worker_stays_awake_while_its_agent_works(worker: ScriptedWorker) -> None:
    worker.round(replace(BUILT, after_s=60.0), APPROVED)
    assert worker.heart.beats >= 60


def codex(folder: Path, **settings: object) -> ScriptedWorker:
    """A worker with a CLI that prints events, one of them its session's id."""
    clis = {"events": {"like": "codex", "binary": "/bin/true", "session_variables": []}}
    return ScriptedWorker(folder, {"agent_cli": "events", "agent_clis": clis, "validation": False, **settings})


STARTED = ({"type": "thread.started", "thread_id": "thread-1"}, {"type": "turn.started"})
NO_NETWORK = {"type": "error", "message": "Reconnecting... waiting for network (Connection failed)"}
COMMAND = {"type": "item.started", "item": {"type": "command_execution", "command": "make"}}


def printing(*events: object) -> Play:
    return replace(HANGS, output="".join(json.dumps(event) + "\n" for event in events).encode())


@pytest.mark.parametrize("limit", [{"builder_timeout_s": 60.0}, {"orphan_timeout_min": 1.0}], ids=["limit", "silence"])
@pytest.mark.parametrize(
    ("events", "failure"),
    [((*STARTED, NO_NETWORK), "provider"), ((*STARTED, COMMAND), "quality")],
    ids=["waits for its provider", "its command runs"],
)
def test_a_session_that_its_provider_delayed_costs_no_attempt(
    tmp_path: Path, limit: dict[str, float], events: tuple[object, ...], failure: str
) -> None:
    worker = codex(tmp_path, **limit)
    worker.add(max_retries=0)
    worker.round(printing(*events))
    [attempt] = worker.attempts()
    assert (attempt["failure_class"], attempt["builder_session_id"]) == (failure, "thread-1")
    assert worker.task()["failures"] == (1 if failure == "quality" else 0)
    assert [hold.kind for hold in worker.db.swarm.holds()] == (["overloaded"] if failure == "provider" else [])


# ───── stops ─────


def test_one_request_to_stop_lets_the_attempt_finish(worker: ScriptedWorker) -> None:
    worker.add("b")
    worker.round(replace(BUILT, meanwhile=[(0.1, worker.watch.ask_to_stop)]), APPROVED)
    assert worker.status() is Status.COMPLETED
    assert worker.round().leave is Leave.STOPPED
    assert worker.status("b") is Status.NOT_STARTED


def test_a_second_request_interrupts_at_once_and_costs_the_task_nothing(worker: ScriptedWorker) -> None:
    ask = worker.watch.ask_to_stop
    began = worker.time()
    worker.round(replace(HANGS, meanwhile=[(1.0, ask), (3.0, ask)]))
    assert worker.time() - began == pytest.approx(3, abs=0.2)
    task = worker.task()
    assert (task["status"], task["failures"], task["crashes"]) == (Status.NOT_STARTED, 0, 0)
    assert worker.attempts()[0]["failure_class"] == "interrupted"


def test_the_graceful_timeout_interrupts_a_session_that_is_still_running(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"graceful_timeout_s": 30.0})
    worker.add()
    began = worker.time()
    worker.round(replace(HANGS, meanwhile=[(1.0, worker.watch.ask_to_stop)]))
    assert worker.time() - began == pytest.approx(31, abs=0.3)
    assert "the graceful timeout of 30 s is over" in worker.attempts()[0]["error"]


def test_a_retiring_worker_finishes_without_a_limit(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"graceful_timeout_s": 0.0, "validation": False})
    worker.add()

    def retire() -> None:
        worker.watch.retire_asked = True

    shown: list[str] = []
    worker.round(
        replace(BUILT, after_s=500.0, meanwhile=[(1.0, retire), (5.0, lambda: shown.append(worker.worker_status()))])
    )
    assert (worker.status(), shown) == (Status.COMPLETED, ["retiring"])
    assert worker.round().leave is Leave.RETIRED


def test_a_retiring_worker_whose_retirement_is_cancelled_is_shown_as_busy_again(worker: ScriptedWorker) -> None:
    shown: list[str] = []

    def retire(asked: bool) -> Callable[[], None]:
        def change() -> None:
            shown.append(worker.worker_status())
            worker.watch.retire_asked = asked

        return change

    late = lambda: shown.append(worker.worker_status())  # noqa: E731
    worker.round(
        replace(BUILT, after_s=20.0, meanwhile=[(1.0, retire(True)), (5.0, retire(False)), (9.0, late)]), APPROVED
    )
    assert shown == ["busy", "retiring", "busy"]
    assert worker.round().leave is None


@pytest.mark.parametrize("whole_swarm", [False, True], ids=["one worker", "the whole swarm"])
def test_a_drain_lets_the_attempt_finish_and_a_resume_cancels_it(worker: ScriptedWorker, whole_swarm: bool) -> None:
    worker.round(BUILT, APPROVED)  # it has seen the swarm running
    worker.add("b")
    shown: list[str] = []

    def drain() -> None:
        if whole_swarm:
            worker.db.swarm.set_flag("drained", actor="anna")
        else:
            worker.db.workers.want("worker-1", "drain")

    look = lambda: shown.append(worker.worker_status())  # noqa: E731
    moments = [(1.0, drain), (3.0, look), (4.0, lambda: worker.db.swarm.resume(actor="anna")), (6.0, look)]
    worker.round(replace(BUILT, after_s=9.0, meanwhile=moments), APPROVED)
    assert shown == ["draining", "busy"]
    assert worker.status("b") is Status.COMPLETED
    assert worker.round().leave is None
    drain()
    assert worker.round().leave is Leave.STOPPED


def test_a_single_drained_worker_has_no_limit(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"graceful_timeout_s": 0.0, "validation": False})
    worker.add()
    worker.round(replace(BUILT, after_s=100.0, meanwhile=[(1.0, lambda: worker.db.workers.want("worker-1", "drain"))]))
    assert worker.status() is Status.COMPLETED


def test_an_emergency_stop_ends_the_agent_at_once_and_costs_nothing(worker: ScriptedWorker) -> None:
    began = worker.time()
    worker.round(hanging(worker, lambda: worker.db.swarm.set_flag("emergency_stop", actor="anna")))
    assert worker.time() - began == pytest.approx(1, abs=0.2)
    assert worker.attempts()[0]["failure_class"] == "interrupted"
    assert worker.round().leave is Leave.STOPPED


def test_a_worker_that_starts_in_a_stopped_swarm_waits_for_resume(worker: ScriptedWorker) -> None:
    worker.db.swarm.set_flag("emergency_stop", actor="anna")
    for _ in range(2):
        done = worker.round()
        assert (done.leave, done.ran, worker.worker_status()) == (None, False, "waiting")
    worker.db.swarm.resume(actor="anna")
    worker.round(BUILT, APPROVED)
    assert worker.status() is Status.COMPLETED


def test_a_worker_whose_parent_died_interrupts_its_agent_and_exits(worker: ScriptedWorker) -> None:
    def lose() -> None:
        worker.watch.abandoned = "supervisord is gone"

    worker.round(hanging(worker, lose))
    assert worker.attempts()[0]["error"] == "supervisord is gone"
    assert worker.round().leave is Leave.ABANDONED


@pytest.mark.parametrize("request_stop", ["drain_worker", "retire_worker", "drained", "emergency_stop"])
def test_no_second_task_is_claimed_after_a_stop_was_requested_during_the_first(
    tmp_path: Path, request_stop: str
) -> None:
    worker = ScriptedWorker(tmp_path, {"validation": False})
    worker.add("first")
    worker.add("second")

    def ask() -> None:
        if request_stop.endswith("_worker"):
            worker.db.workers.want("worker-1", request_stop.removesuffix("_worker"))
        else:
            worker.db.swarm.set_flag(request_stop, actor="anna")

    worker.round(replace(BUILT, meanwhile=[(0.5, ask)]))
    assert worker.round().leave is not None
    assert worker.attempts("second") == []


def test_after_a_drain_was_lifted_the_next_attempt_has_the_whole_graceful_timeout(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"graceful_timeout_s": 19.0, "validation": False})
    worker.add("first")
    worker.add("second")
    drain = (0.9, lambda: worker.db.swarm.set_flag("drained", actor="anna"))
    resume = (19.95, lambda: worker.db.swarm.resume(actor="anna"))
    worker.round(replace(BUILT, after_s=20.0, meanwhile=[drain, resume]))
    worker.round(replace(BUILT, after_s=25.0))
    assert (worker.status("first"), worker.status("second")) == (Status.COMPLETED, Status.COMPLETED)
