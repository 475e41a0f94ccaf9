"""Notifications with real processes: each arrives once whatever kills the reaper, and none delays a run."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from reaper_harness import ReaperHarness, reaper_harness
from start_harness import Harness, harness, task, until
from stopwatch import Stopwatch
from webhook_harness import Webhook, webhook

from chaos.notifications import kill_reapers, kill_senders

pytestmark = pytest.mark.integration
KILLS = 10


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture
def reapers(tmp_path: Path) -> Iterator[ReaperHarness]:
    with reaper_harness(tmp_path) as made:
        yield made


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


def configure(folder: Path, *targets: dict[str, object], **more: object) -> None:
    text = json.dumps({"notify": targets, "notify_every_s": 0, **more})
    (folder / "swarm.yaml").write_text(text, encoding="utf-8")


def test_each_message_arrives_once_while_the_reaper_is_killed_repeatedly(tmp_path: Path, hook: Webhook) -> None:
    count = kill_reapers(tmp_path, hook, kills=KILLS, seed=7)
    assert (count.missing, count.repeated, count.sent_again) == (0, 0, 0), count.line()
    assert count.messages > 3, count.line()


def test_nothing_is_lost_or_doubled_for_a_receiver_that_knows_keys_while_senders_are_killed(
    tmp_path: Path, hook: Webhook
) -> None:
    count = kill_senders(tmp_path, hook, kills=KILLS // 3, seed=7)
    assert (count.missing, count.doubled) == (0, 0), count.line()
    assert count.kills == KILLS // 3


def test_a_message_whose_sender_was_killed_is_sent_again_with_the_same_key(
    reapers: ReaperHarness, hook: Webhook
) -> None:
    configure(reapers.folder, {"webhook": hook.url()})
    reapers.reaper()
    trees.wait_until(lambda: reapers.db.outbox.cursor() is not None, "the reaper makes messages")
    hook.may_answer.clear()
    reapers.db.events.add("run_ended", "all done")
    hook.wait(1)
    (message,) = reapers.db.outbox.unsent()
    assert message.sender is not None
    message.sender.kill(signal.SIGKILL)
    hook.may_answer.set()
    hook.wait(2)
    reapers.wait(lambda: reapers.db.outbox.counts() == {"sent": 1}, "it is sent")
    assert hook.repeated() == [message.key], "at least once, and a receiver can recognize the repetition"


def test_a_run_reports_what_needs_you_and_its_end(at: Harness, hook: Webhook) -> None:
    configure(at.folder, {"webhook": f"{hook.url()}/${{HOOK}}"}, max_retries=0)
    at.add(task("good"), task("bad", "echo went wrong >&2; exit 4"))
    assert at.run(HOOK="sekret-4711") == 8, at.everything()
    texts = hook.events()
    assert any(text.startswith("Task bad failed: the task's run command exited with code 4") for text in texts)
    assert "no task is left that can run, but some have not completed: 1 completed, 1 failed" in texts
    assert set(hook.paths) == {"/hook/sekret-4711"}
    assert "sekret-4711" not in at.everything()
    assert hook.repeated() == []
    assert at.alive() == {}


def test_the_death_of_a_run_is_reported_by_the_programs_that_survive_it(at: Harness, hook: Webhook) -> None:
    configure(at.folder, {"webhook": hook.url()})
    at.add(task("a", until(at.folder, "never")))
    run = at.start()
    at.wait_for("the attempt", lambda: at.pids_of("never") or None)
    run.kill()
    hook.wait(1)
    (text,) = hook.events()
    assert text.startswith("the run was killed: 1 ")
    at.wait_nothing_left()


def test_a_webhook_that_hangs_delays_no_task_and_the_end_by_some_seconds_at_most(at: Harness, hook: Webhook) -> None:
    configure(at.folder, {"webhook": hook.url()})
    hook.may_answer.clear()
    at.add(*(task(f"t{number}") for number in range(5)))
    run = at.start()
    at.wait_for("the summary", lambda: "all done" in at.output or None)
    watch = Stopwatch()
    assert at.wait_end(run) == 0, at.everything()
    assert watch.own_s() < 12.0
    assert "1 notification is not sent yet" in at.notices
    assert at.alive() == {}


def test_a_run_with_an_unusable_target_does_not_start(at: Harness) -> None:
    configure(at.folder, {"webhook": "${NO_SUCH_VARIABLE}"})
    at.add(task("a"))
    assert at.run() == 3
    assert "NO_SUCH_VARIABLE is not set" in at.notices


def test_an_unreachable_target_is_given_up_with_a_finding_and_others_get_their_messages(
    reapers: ReaperHarness, hook: Webhook
) -> None:
    with webhook() as dead:
        dead.status = 404
        configure(reapers.folder, {"webhook": dead.url("/dead")}, {"webhook": hook.url()})
        reapers.reaper()
        trees.wait_until(lambda: reapers.db.outbox.cursor() is not None, "the reaper makes messages")
        reapers.db.events.add("run_ended", "all done")
        hook.wait(1)
        reapers.wait(lambda: reapers.db.outbox.counts() == {"sent": 1, "given_up": 1}, "one is given up")
    assert reapers.db.outbox.dead_targets(0) == [("webhook 127.0.0.1", "HTTP 404 Not Found", 1)]
