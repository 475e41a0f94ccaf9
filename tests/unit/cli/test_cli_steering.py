"""Requests of users: the effect of each verb, outcomes and exit codes, with and without a reaper."""

from __future__ import annotations

import pytest
from cli_harness import CliHarness, ended_process
from msgspec.structs import replace

from amplifier_swarm.command_line import submit as asking
from amplifier_swarm.commands.swarm import stop as stopping
from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Status, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.queue.recovery import crash

ROW_KEYS = {
    "id", "created_at", "expires_at", "actor", "verb", "target", "argument", "attempt_id", "status", "handled_by",
    "handled_at", "result",
}  # fmt: skip

# words → the status of task t before and after
EFFECTS = [
    (("retry", "t"), Status.FAILED, "not_started"),
    (("retry", "t", "--note", "once more"), Status.CANCELLED, "not_started"),
    (("retry", "t"), Status.HELD, "not_started"),
    (("retry", "t", "--yes"), Status.COMPLETED, "not_started"),
    (("cancel", "t"), Status.NOT_STARTED, "cancelled"),
    (("cancel", "t"), Status.HELD, "cancelled"),
    (("hold", "t"), Status.NOT_STARTED, "held"),
    (("release", "t"), Status.HELD, "not_started"),
    (("reject", "t", "--note", "no tests"), Status.COMPLETED, "not_started"),
    (("reject", "t", "--note", "no tests"), Status.FAILED, "not_started"),
    (("prioritize", "t", "critical"), Status.NOT_STARTED, "not_started"),
    (("prioritize", "t", "--", "-7"), Status.NOT_STARTED, "not_started"),
]
REFUSALS = [
    (("retry", "t"), Status.NOT_STARTED),
    (("cancel", "t"), Status.COMPLETED),
    (("hold", "t"), Status.FAILED),
    (("release", "t"), Status.NOT_STARTED),
    (("kill", "t"), Status.NOT_STARTED),
    (("approve", "t"), Status.HELD),
    (("reject", "t", "--note", "x"), Status.NOT_STARTED),
    (("prioritize", "t", "high"), Status.COMPLETED),
]


@pytest.mark.parametrize(("words", "before", "after"), EFFECTS)
@pytest.mark.parametrize("with_reaper", [False, True])
def test_each_verb_has_its_effect(
    harness: CliHarness, words: tuple[str, ...], before: Status, after: str, with_reaper: bool
) -> None:
    harness.queue(TaskSpec(id="t", name="T", status=before))
    words = ("--db", str(harness.db), *words)
    if with_reaper:
        with harness.reaper():
            ran = harness.bare(*words)
    else:
        ran = harness.bare(*words)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("t: ")
    assert harness.status_of("t") == after
    with harness.open() as database:
        row = database.control.newest(limit=1)[0]
    assert row.status == "done"
    assert (row.handled_by == "reaper") is with_reaper


@pytest.mark.parametrize(("words", "before"), REFUSALS)
@pytest.mark.parametrize("with_reaper", [False, True])
def test_each_verb_is_refused_where_it_does_not_apply(
    harness: CliHarness, words: tuple[str, ...], before: Status, with_reaper: bool
) -> None:
    harness.queue(TaskSpec(id="t", name="T", status=before))
    if with_reaper:
        with harness.reaper():
            ran = harness.run(*words)
    else:
        ran = harness.run(*words)
    assert ran.code == 6
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert harness.status_of("t") == before
    with harness.open() as database:
        assert database.control.newest(limit=1)[0].status == "refused"


def test_an_approval_completes_a_task_with_only_an_objection(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="t", name="T"), TaskSpec(id="u", name="U", dependencies=("t",)))
    objection = AttemptResult(
        outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, validator_result={"verdict": "FAIL"}
    )
    harness.settle(harness.claim(), objection)
    assert harness.status_of("t") == "failed"
    assert harness.run("approve", "t").code == 0
    assert (harness.status_of("t"), harness.status_of("u")) == ("completed", "not_started")
    assert "command line" in harness.run("task-info", "t", "--json").json["approved_by"]


def test_priority_and_note_are_stored(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="t", name="T", status=Status.FAILED))
    harness.run("retry", "t", "--note", "mind the gap")
    harness.run("prioritize", "t", "5")
    task = harness.run("task-info", "t", "--json").json
    assert (task["note"], task["priority"]) == ("mind the gap", 5)


def test_a_completed_task_is_run_again_only_with_a_confirmation_of_the_consequences(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="setup", name="S", status=Status.COMPLETED),
        *(TaskSpec(id=name, name="N", dependencies=("setup",)) for name in ("a", "b")),
        TaskSpec(id="c", name="C", dependencies=("a",)),
        TaskSpec(id="f", name="F", status=Status.FAILED),
    )
    ran = harness.run("retry", "f", "setup")
    assert ran.code == 2
    assert "setup is completed; 3 tasks depend on it; nothing was changed" in ran.err
    assert f"amplifier-swarm retry f setup --db {harness.db} --yes" in ran.err
    assert [harness.status_of(name) for name in ("setup", "f", "a")] == ["completed", "failed", "not_started"]
    assert harness.run("retry", "f", "setup", "--yes").code == 0
    assert [harness.status_of(name) for name in ("setup", "f", "a")] == ["not_started", "not_started", "blocked"]


def test_a_refusal_names_the_task_and_its_status_once_and_gives_only_useful_advice(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="setup", name="S", status=Status.COMPLETED))
    assert harness.run("cancel", "setup").err == "error: cannot cancel setup: it is already completed\n"


def test_a_chain_retries_what_a_blocked_task_waits_for(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A", status=Status.FAILED), TaskSpec(id="b", name="B", dependencies=("a",)))
    refused = harness.run("retry", "b")
    assert refused.code == 6
    assert "--chain" in refused.err
    assert harness.run("retry", "b", "--chain").code == 0
    assert harness.status_of("a") == "not_started"


def test_several_ids_are_handled_one_by_one_and_summarized(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B", status=Status.COMPLETED))
    ran = harness.run("cancel", "a", "b", "a")
    assert ran.code == 6
    assert ran.out.splitlines() == ["a: cancelled", "1 of 2 done, 1 refused"]
    assert ran.err.startswith("refused: b: ")


def test_one_mistyped_id_among_several_changes_nothing(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    assert harness.run("cancel", "a", "zz").code == 5
    assert harness.status_of("a") == "not_started"


def test_outcomes_as_json_have_the_documented_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    ran = harness.run("hold", "a", "--json")
    assert set(ran.json) == {"results", "done", "refused", "expired"}
    assert set(ran.json["results"][0]) == ROW_KEYS
    refused = harness.run("hold", "a", "--json")
    assert refused.code == 6
    assert refused.json["refused"] == 1


def test_a_bulk_change_without_yes_counts_and_says_what_to_type(harness: CliHarness) -> None:
    harness.queue(*(TaskSpec(id=f"t{n}", name="T", status=Status.FAILED, phase="one") for n in range(3)))
    ran = harness.run("retry", "--status", "failed", "--phase", "one")
    assert ran.code == 2
    assert "3 tasks match, and nothing was changed" in ran.err
    assert f"amplifier-swarm retry --status failed --phase one --db {harness.db} --yes" in ran.err
    assert harness.status_of("t0") == "failed"


@pytest.mark.parametrize("with_reaper", [False, True])
def test_a_bulk_change_with_yes_applies_to_all_matching_tasks(harness: CliHarness, with_reaper: bool) -> None:
    harness.queue(
        *(TaskSpec(id=f"t{n}", name="T", status=Status.FAILED, phase="one") for n in range(3)),
        TaskSpec(id="other", name="O", status=Status.FAILED, phase="two"),
    )
    words = ("retry", "--status", "failed", "--phase", "one", "--yes", "--json")
    if with_reaper:
        with harness.reaper():
            ran = harness.run(*words)
    else:
        ran = harness.run(*words)
    assert (ran.code, ran.json["done"]) == (0, 3)
    assert harness.status_of("t2") == "not_started"
    assert harness.status_of("other") == "failed"


def test_a_phase_alone_selects_the_tasks_to_which_the_verb_applies(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="a", name="A", phase="one", status=Status.COMPLETED), TaskSpec(id="b", name="B", phase="one")
    )
    assert harness.run("hold", "--phase", "one", "--yes").out == "b: held\n"
    assert harness.run("kill", "--phase", "one", "--yes", "--json").json["results"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("retry",),
        ("retry", "a", "--status", "failed"),
        ("reject", "a"),
        ("prioritize", "a", "urgent"),
        ("prioritize", "a"),
        ("scale",),
        ("scale", "257"),
        ("retry", "--status", "broken", "--yes"),
    ],
)
def test_wrong_usage_gives_exit_code_2_in_two_lines(harness: CliHarness, words: tuple[str, ...]) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    ran = harness.run(*words)
    assert ran.code == 2
    assert [line.split(":")[0] for line in ran.err.splitlines()] == ["error", "hint"]


# ───── running tasks ─────


def test_a_kill_waits_for_the_worker_and_shows_the_outcome(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    claim = harness.claim()
    process = harness.spawn("kill", "a")
    with harness.open() as database:
        from cli_harness import until

        until(lambda: bool(database.control.for_attempt(claim.attempt)), "the row is aimed at the attempt")
        (row, verb, _), *_ = database.control.for_attempt(claim.attempt)
        assert verb == "kill"
        from cli_harness import BUDGETS

        database.queue.settle(claim, AttemptResult(outcome=Outcome.KILLED), BUDGETS, answers=(row,))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out == "a: attempt 1 killed\n"


def test_a_running_task_of_a_dead_swarm_is_not_waited_for(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim(worker=ended_process())
    ran = harness.run("cancel", "a")
    assert ran.code == 7
    assert "amplifier-swarm reset-orphans" in ran.err


# ───── the whole swarm ─────


@pytest.mark.parametrize("with_reaper", [False, True])
def test_pause_drain_and_resume_set_and_clear_the_stored_flags(harness: CliHarness, with_reaper: bool) -> None:
    harness.queue(TaskSpec(id="a", name="A"))

    def flags() -> set[str]:
        with harness.open() as database:
            return set(database.swarm.flags())

    def steps() -> None:
        assert harness.run("pause", "--reason", "lunch").code == 0
        assert flags() == {"paused"}
        assert harness.run("drain").code == 0
        assert flags() == {"paused", "drained"}
        assert harness.run("resume").code == 0
        assert flags() == set()

    if with_reaper:
        with harness.reaper():
            steps()
    else:
        steps()


def test_one_worker_can_be_drained(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    claim = harness.claim()
    assert harness.run("drain", "worker-1").code == 0
    with harness.open() as database:
        assert database.workers.wanted(claim.run) == "drain"
        assert database.swarm.flags() == {}
    assert harness.run("drain", "worker-9").code == 5


@pytest.mark.parametrize("verb", ["drain", "restart-worker"])
def test_an_unknown_worker_gives_exit_code_5_even_with_a_reaper(harness: CliHarness, verb: str) -> None:
    harness.queue()
    with harness.reaper():
        ran = harness.run(verb, "worker-9")
    assert (ran.code, "no worker 'worker-9'" in ran.err) == (5, True)


@pytest.mark.parametrize("words", [("scale", "3"), ("restart-worker", "worker-1")])
def test_a_request_that_needs_supervisord_is_refused_at_once(harness: CliHarness, words: tuple[str, ...]) -> None:
    harness.queue()
    ran = harness.run(*words)
    assert ran.code == 7
    assert "amplifier-swarm start" in ran.err


def test_scale_reaches_the_reaper_with_its_argument(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "EXPIRES_AFTER_S", 0.1)
    monkeypatch.setattr(asking, "EXPIRY_GRACE_MS", 0)
    harness.queue()
    with harness.open() as database:
        database.swarm.register_service("reaper", ProcessId.mine())
        harness.run("scale", "3", "--now")
        row = database.control.newest(limit=1)[0]
    assert (row.verb, dict(row.argument)) == ("scale", {"workers": 3, "now": True})


def test_stop_of_a_swarm_that_is_not_running_reports_that(harness: CliHarness) -> None:
    harness.queue()
    assert harness.run("stop").code == 6


def test_stop_drains_waits_for_the_workers_and_leaves_no_flag_behind(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    claim = harness.claim()
    process = harness.spawn("stop")
    with harness.open() as database:
        from cli_harness import until

        until(lambda: "drained" in database.swarm.flags(), "the swarm is drained")
        assert process.stderr is not None
        assert any("waiting for worker-1" in line for line in iter(process.stderr.readline, ""))
        harness.settle(claim, AttemptResult(outcome=Outcome.PASSED))
        out, _ = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, "stopped\n")
        assert database.swarm.flags() == {}


def test_stop_does_not_wait_for_a_worker_that_waits_in_a_drained_swarm(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "LEAVES_WITHIN_S", 0.1)
    harness.queue()
    with harness.open() as database:
        run = database.workers.register("worker-1", ProcessId.mine(), ProcessId.mine(), lease_s=600)
        database.workers.set_status(run, "waiting", "the swarm is drained or stopped; resume lets it continue")
    ran = harness.run("stop")
    assert (ran.code, "worker-1 run without a supervisord" in ran.err) == (7, True)


def test_holds_keep_their_reason(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.run("hold", "a")
    assert harness.run("task-info", "a", "--json").json["hold_reason"] == HoldReason.BY_PERSON


def test_a_task_whose_worker_cannot_be_checked_continues_only_after_confirmation(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="t", name="T"))
    harness.claim(worker=replace(ProcessId.mine(), pid_ns=1))
    with harness.open() as database:
        attempt = database.recovery.open_attempts()[0]
        database.recovery.fence(attempt, crash("no heartbeat"))
        database.recovery.hold_unproven(attempt, "seen: process 7 in another pid namespace")
    refused = harness.run("release", "t")
    assert (refused.code, "--gone" in refused.err) == (6, True)
    unsure = harness.run("release", "t", "--gone")
    assert unsure.code == 2
    assert "two agents work on the same task" in unsure.err
    assert "another pid namespace" in unsure.err
    assert "--yes" in unsure.err
    assert harness.status_of("t") == "held"
    assert harness.run("release", "t", "--gone", "--yes").code == 0
    assert harness.status_of("t") == "not_started"
