"""Notifications with real processes: each arrives once whatever kills the reaper, and none holds up a run."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from reaper_desk import ReaperDesk, reaper_desk
from start_desk import Desk, desk, task
from stopwatch import Stopwatch
from webhook_desk import Webhook, webhook

pytestmark = pytest.mark.integration
KILLS, MESSAGES = 12, 24


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture
def reapers(tmp_path: Path) -> Iterator[ReaperDesk]:
    with reaper_desk(tmp_path) as made:
        yield made


@pytest.fixture
def at() -> Iterator[Desk]:
    with desk() as made:
        yield made


def configure(folder: Path, *targets: dict[str, object], **more: object) -> None:
    text = json.dumps({"notify": targets, "notify_every_s": 0, **more})
    (folder / "swarm.yaml").write_text(text, encoding="utf-8")


def test_each_message_arrives_once_while_the_reaper_is_killed_again_and_again(
    reapers: ReaperDesk, hook: Webhook
) -> None:
    configure(reapers.folder, {"webhook": hook.url()})
    rng = random.Random(7)
    outbox = reapers.db.outbox
    expected = [f"message {number}" for number in range(MESSAGES)]
    reaper = reapers.reaper()
    trees.wait_until(lambda: outbox.cursor() is not None, "the reaper makes messages")
    for number, text in enumerate(expected):
        reapers.db.events.add("run_ended", text)
        if number % (MESSAGES // KILLS) == 0:
            trees.wait_until(lambda n=number: len(hook.events()) >= n - 3, "some have arrived")  # type: ignore[misc]
            time.sleep(rng.uniform(0, 0.4))  # a random moment is what is tried
            reaper.send_signal(signal.SIGKILL)
            reaper.wait()
            reaper = reapers.reaper(on_duty=False)
    reapers.wait(lambda: len(hook.events()) >= MESSAGES, "everything arrives")
    reapers.wait(lambda: set(outbox.counts()) == {"sent"}, "everything is settled")
    assert sorted(text.partition(":")[0] for text in hook.events()) == sorted(expected)
    assert hook.repeated() == []


def test_a_message_whose_sender_was_killed_is_sent_again_with_the_same_key(reapers: ReaperDesk, hook: Webhook) -> None:
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
    assert hook.repeated() == [message.key], "at least once, and a receiver can tell"


def test_a_run_reports_what_needs_you_and_its_end(at: Desk, hook: Webhook) -> None:
    configure(at.folder, {"webhook": f"{hook.url()}/${{HOOK}}"}, max_retries=0)
    at.add(task("good"), task("bad", "echo went wrong >&2; exit 4"))
    assert at.run(HOOK="sekret-4711") == 8, at.told()
    texts = hook.events()
    assert any(text.startswith("Task bad is failed: the task's run command exited with code 4") for text in texts)
    assert "nothing left that can run, but not all has completed: 1 completed, 1 failed" in texts
    assert set(hook.paths) == {"/hook/sekret-4711"}
    assert "sekret-4711" not in at.told()
    assert hook.repeated() == []
    assert at.alive() == {}


def test_a_webhook_that_hangs_delays_no_task_and_the_end_by_some_seconds_at_most(at: Desk, hook: Webhook) -> None:
    configure(at.folder, {"webhook": hook.url()})
    hook.may_answer.clear()
    at.add(*(task(f"t{number}") for number in range(5)))
    run = at.start()
    at.wait_for("the summary", lambda: "all done" in at.output or None)
    watch = Stopwatch()
    assert at.wait_end(run) == 0, at.told()
    assert watch.own_s() < 12.0
    assert "1 notification is not sent yet" in at.remarks
    assert at.alive() == {}


def test_a_run_with_a_target_that_cannot_work_does_not_begin(at: Desk) -> None:
    configure(at.folder, {"webhook": "${NO_SUCH_VARIABLE}"})
    at.add(task("a"))
    assert at.run() == 3
    assert "NO_SUCH_VARIABLE is not set" in at.remarks


def test_a_dead_target_is_given_up_with_a_finding_and_others_get_theirs(reapers: ReaperDesk, hook: Webhook) -> None:
    with webhook() as dead:
        dead.status = 404
        configure(reapers.folder, {"webhook": dead.url("/dead")}, {"webhook": hook.url()})
        reapers.reaper()
        trees.wait_until(lambda: reapers.db.outbox.cursor() is not None, "the reaper makes messages")
        reapers.db.events.add("run_ended", "all done")
        hook.wait(1)
        reapers.wait(lambda: reapers.db.outbox.counts() == {"sent": 1, "given_up": 1}, "one is given up")
    assert reapers.db.outbox.dead_targets(0) == [("webhook 127.0.0.1", "HTTP 404 Not Found", 1)]
