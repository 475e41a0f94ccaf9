"""When a run is over, its exit code, and the effect of signals."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from queue_harness import QueueHarness, failed

from amplifier_swarm.start.ending.give_up import WORKERS_COME_WITHIN_S, GiveUp
from amplifier_swarm.start.ending.stopping import DRAIN_MARGIN_S, EMERGENCY_PATIENCE_S, Stopping
from amplifier_swarm.start.queue_state import MOVING, QueueState, read_queue
from amplifier_swarm.start.run_loop import how_it_ended
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.domain.routes import Route, Routing
from swarm_shared.domain.trouble import TroubleKind
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.queue.policy import Trouble
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, Flag, ProviderHold

TIMEOUT_S = 10.0


def queue(
    counts: Mapping[Status, int],
    *,
    running: int = 0,
    flags: tuple[str, ...] = (),
    holds: tuple[ProviderHold, ...] = (),
    **more: Any,
) -> QueueState:
    return QueueState(
        counts={status: (number, 0.0) for status, number in counts.items()},
        running=running,
        flags={name: Flag(name=name, set_at=0, actor="ada", reason="") for name in flags},
        holds=holds,
        **more,
    )


def hold(kind: str, until_at: int | None, route: str = "cli") -> ProviderHold:
    return ProviderHold(route=route, agent_cli=route, kind=kind, reason="no", since=0, until_at=until_at, step=2)


DONE = {Status.COMPLETED: 2}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (queue({}), 0),
        (queue(DONE), 0),
        (queue({**DONE, Status.CANCELLED: 1}), 0),
        (queue({**DONE, Status.FAILED: 1}), 8),
        (queue({**DONE, Status.HELD: 1}), 8),
        (queue({Status.CANCELLED: 1, Status.BLOCKED: 1}), 8),
        *((queue({**DONE, status: 1}), None) for status in MOVING),
        (queue({**DONE, Status.CANCELLED: 1}, running=1), None),  # its tree is not yet proven gone
        (queue({Status.NOT_STARTED: 1}, flags=(PAUSED,)), None),
        (queue({Status.NOT_STARTED: 1}, flags=(DRAINED,)), 9),
        (queue({Status.IN_PROGRESS: 1}, running=1, flags=(DRAINED,)), None),
        (queue({Status.NOT_STARTED: 1}, flags=(EMERGENCY_STOP,)), 9),
        (queue({Status.NOT_STARTED: 1}, holds=(hold("startup", None),)), 10),
        (queue({Status.NOT_STARTED: 1}, holds=(hold("startup", 5),)), None),  # the single repeat is still to come
        (queue({Status.NOT_STARTED: 1}, holds=(hold("quota", None),)), None),
    ],
)
def test_the_state_of_the_whole_queue_determines_how_a_run_ends(state: QueueState, code: int | None) -> None:
    end = how_it_ended(state, keep_running=False)
    assert (None if end is None else end.exit_code) == code


READY = {Status.NOT_STARTED: 1}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (queue(READY, holds=(hold("credentials", None),)), 10),
        (queue(READY, holds=(hold("quota", None),)), 10),
        (queue(READY, flags=(PAUSED,)), 8),
        (queue(READY, holds=(hold("window", 5_000_000),)), None),  # it ends by itself
        (queue(READY, running=1, holds=(hold("quota", None),)), None),  # another agent CLI still works
        (queue(READY, holds=(hold("quota", None),), agent_clis=("", "other")), None),  # and it can start a task
        (queue(READY, holds=(hold("quota", None), hold("credentials", None, "other")), agent_clis=("", "other")), 10),
        (queue({**READY, Status.APPROVED: 1}, holds=(hold("quota", None),)), None),  # it lands without an agent
        (queue(READY, flags=(PAUSED,), holds=(hold("quota", None),)), 8),
        (queue(READY, flags=(PAUSED,), until_midnight=True), None),  # it continues by itself
        (queue(READY, flags=(DISK_LOW,)), 8),
        (queue({Status.HELD: 1, Status.BLOCKED: 2}), 8),  # with --keep-running
        (queue({Status.HELD: 1, Status.WAITING_FILES: 1}), 8),  # its files overlap with those of the held task
        (queue(DONE), None),
        (queue(READY), None),
    ],
)
def test_a_run_that_only_you_could_continue_ends_after_the_configured_time(state: QueueState, code: int | None) -> None:
    give_up = GiveUp(600, agent_cli="cli")
    assert give_up.check(state, 0) is None
    assert give_up.check(state, 599) is None
    end = give_up.check(state, 600)
    assert (None if end is None else end.exit_code) == code
    assert end is None or end.text("2 h 10 m").startswith("gave up after 2 h 10 m: ")
    assert end is None or end.text().endswith("; waited 10 m 00 s for you")
    assert GiveUp(None).check(state, 1e9) is None


def test_the_time_to_give_up_counts_from_the_last_change() -> None:
    give_up = GiveUp(600, agent_cli="cli")
    waiting, moving = queue(READY, flags=(PAUSED,)), queue(READY, running=1)
    assert give_up.check(waiting, 0) is None
    assert give_up.check(moving, 500) is None
    assert give_up.check(waiting, 700) is None
    assert give_up.check(waiting, 1299) is None
    assert give_up.check(waiting, 1300) is not None


def test_a_route_that_reopens_by_itself_is_waited_for() -> None:
    routing = Routing(builder=(Route(name="plan", agent_cli="claude"), Route(name="key", agent_cli="claude")))
    give_up = GiveUp(600, routing, "claude")
    states = {
        "one is closed for good": (hold("credentials", None, "plan"),),
        "the other opens by itself": (hold("credentials", None, "plan"), hold("window", 5_000, "key")),
        "both are": (hold("credentials", None, "plan"), hold("quota", None, "key")),
    }
    ends = {}
    for name, holds in states.items():
        give_up.check(queue(READY, holds=holds), 0)
        ends[name] = give_up.check(queue(READY, holds=holds), 1e6)
    assert [name for name, end in ends.items() if end is not None] == ["both are"]
    end = ends["both are"]
    assert end is not None
    assert "plan is on hold (sign-in rejected: no); key is on hold (quota used up: no)" in end.text()


def test_a_run_without_workers_is_given_up_but_not_before_they_had_time_to_start() -> None:
    give_up = GiveUp(1)
    without_workers = queue(READY, workers=0)
    assert give_up.check(without_workers, 0) is None
    assert give_up.check(without_workers, WORKERS_COME_WITHIN_S - 1) is None
    assert give_up.check(without_workers, WORKERS_COME_WITHIN_S) is None
    end = give_up.check(without_workers, WORKERS_COME_WITHIN_S + 1)
    assert end is not None
    assert (end.exit_code, end.text()) == (8, "gave up: no worker is running; waited 1 s for you")


def test_only_agent_clis_of_tasks_that_could_start_count(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path)
    harness.add(TaskSpec(id="a", name="a", agent_cli="other"), TaskSpec(id="b", name="b", dependencies=("a",)))
    assert harness.db.runs.agent_clis_left() == ("other",)


def test_keep_running_ends_only_for_a_user_or_an_agent_cli_that_cannot_start() -> None:
    assert how_it_ended(queue(DONE), keep_running=True) is None
    stopped = how_it_ended(queue(DONE, flags=(DRAINED,)), keep_running=True)
    assert stopped is not None
    assert stopped.exit_code == 9


def test_two_failed_starts_of_the_agent_cli_end_the_run_and_a_new_run_ignores_them(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path)
    harness.add("a")
    trouble = Trouble(kind=TroubleKind.STARTUP, text="no configuration")
    for _ in range(2):
        assert read_queue(harness.db).unstartable is None
        harness.run(failed(FailureClass.SETUP, trouble=trouble))
        harness.clock.pass_s(60)
    assert read_queue(harness.db).unstartable is not None
    assert harness.db.runs.forget_failed_starts()
    assert read_queue(harness.db).unstartable is None


class Signals:
    """A Stopping on a harness, and what it printed."""

    def __init__(self, folder: Path) -> None:
        self.harness = QueueHarness(folder)
        self.said: list[str] = []
        self.stopping = Stopping(self.harness.db, graceful_timeout_s=TIMEOUT_S, say=self.said.append)

    def flags(self) -> set[str]:
        return set(self.harness.db.swarm.flags())

    def follow(self) -> None:
        self.stopping.follow(read_queue(self.harness.db))


def test_the_first_signal_drains_the_second_stops_the_third_kills(tmp_path: Path) -> None:
    run = Signals(tmp_path)
    run.stopping.politely(signal.SIGINT)
    assert run.flags() == {DRAINED}
    run.stopping.politely(signal.SIGTERM)
    assert EMERGENCY_STOP in run.flags()
    assert not run.stopping.out_of_patience
    run.stopping.politely(signal.SIGTERM)
    assert run.stopping.out_of_patience
    verbs = [(row.verb, row.status, row.actor) for row in run.harness.db.control.newest(limit=5)]
    assert verbs == [("emergency_stop", "done", "SIGTERM to start"), ("drain", "done", "SIGINT to start")]


def test_a_drain_past_its_timeout_becomes_an_emergency_stop_which_has_a_timeout_too(tmp_path: Path) -> None:
    run = Signals(tmp_path)
    run.stopping.politely(signal.SIGTERM)
    run.follow()
    run.harness.clock.pass_s(TIMEOUT_S + DRAIN_MARGIN_S)
    run.follow()
    assert EMERGENCY_STOP not in run.flags()
    run.harness.clock.pass_s(1)
    run.follow()
    assert EMERGENCY_STOP in run.flags()
    assert "the graceful timeout is over" in run.said
    run.follow()
    run.harness.clock.pass_s(EMERGENCY_PATIENCE_S)
    run.follow()
    assert not run.stopping.out_of_patience
    run.harness.clock.pass_s(1)
    run.follow()
    assert run.stopping.out_of_patience
    verbs = [row.verb for row in run.harness.db.control.newest(limit=10)]
    assert verbs == [Verb.EMERGENCY_STOP, Verb.DRAIN]


def test_after_a_resume_the_next_signal_counts_as_the_first_again(tmp_path: Path) -> None:
    run = Signals(tmp_path)
    run.stopping.politely(signal.SIGINT)
    run.follow()
    run.harness.db.swarm.resume(actor="ada")
    run.follow()
    run.stopping.politely(signal.SIGINT)
    assert run.flags() == {DRAINED}


def test_the_emergency_stop_after_a_drains_timeout_is_not_waited_for_forever(
    tmp_path: Path,
) -> None:
    run = Signals(tmp_path)
    run.stopping.politely(signal.SIGINT)
    run.follow()
    run.harness.clock.pass_s(19)
    run.follow()
    assert run.flags() == {DRAINED}
    run.harness.clock.pass_s(2)
    assert run.stopping.follow(read_queue(run.harness.db)), (
        "the loop must check again, as its own commit changes no version"
    )
    assert EMERGENCY_STOP in run.flags()
    run.follow()
    run.harness.clock.pass_s(11)
    run.follow()
    assert not run.stopping.out_of_patience
    run.harness.clock.pass_s(2)
    run.follow()
    assert run.stopping.out_of_patience


def test_an_emergency_stop_that_cannot_be_stored_still_ends_the_programs(tmp_path: Path) -> None:
    run = Signals(tmp_path)
    run.harness.db.connection.busy_timeout_s = 0.05
    writer = Connection(run.harness.path)
    with writer.transaction():
        run.stopping.politely(signal.SIGINT)
        assert any("cannot store the drain" in text for text in run.said)
        run.stopping.now(signal.SIGUSR1)
    assert run.stopping.out_of_patience
