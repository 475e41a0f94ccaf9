"""Kill what sends notifications, and count what a webhook gets: python tests/chaos/notifications.py [--kills 200]

First the reaper, which starts a sending process for each message; then those processes themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    TESTS = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(TESTS), str(TESTS / "support")]

from webhook_harness import Webhook, webhook

from swarm_shared.database import TaskDatabase
from swarm_shared.notifying.collecting import RUN_ENDED

DEADLINE_S = 120.0
LONGEST_LIFE_S = 1.5  # of a reaper that works; one in four is killed within this time of its start
NEWS_EVERY_S = 0.25  # on average; a message lists fifty events, and none here may get that many
LONGEST_TRY_S = 0.06  # of a sending process, from its claim: the webhook answers within 0.04 s
_ANSWER_S = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The outcome of a round.

    `missing` and `repeated` are events: not received at all, and received in more than one message. `sent_again` counts
    messages that arrived more than once, with the same key; `doubled` are events that would be seen twice by a receiver
    which drops a key that it has seen.
    """

    kills: int
    events: int
    messages: int
    missing: int
    repeated: int
    sent_again: int
    doubled: int

    def line(self) -> str:
        return (
            f"{self.kills} kills, {self.events} events in {self.messages} messages: {self.missing} missing, "
            f"{self.repeated} repeated ({self.sent_again} messages sent again with the same key), "
            f"{self.doubled} doubled for a receiver that knows keys"
        )


class Round:
    """A database, a webhook and a reaper that can be killed."""

    def __init__(self, folder: Path, hook: Webhook, rng: random.Random) -> None:
        self._folder, self._hook, self._rng = folder, hook, rng
        self._expected: list[str] = []
        settings = {"notify": [{"webhook": hook.url()}], "notify_every_s": 0}
        (folder / "swarm.yaml").write_text(json.dumps(settings), encoding="utf-8")
        self._db = TaskDatabase(folder / "tasks.db")
        self._db.outbox.begin()
        self._reaper = self._start()

    def kill_reapers(self, kills: int) -> Count:
        for _ in range(kills):
            if self._rng.random() < 0.75:
                self._wait_for_work()
            end = time.monotonic() + self._rng.uniform(0, LONGEST_LIFE_S)
            while time.monotonic() < end:
                self._happen()
                time.sleep(self._rng.uniform(0, 2 * NEWS_EVERY_S))
            self._reaper.send_signal(signal.SIGKILL)
            self._reaper.wait()
            self._happen()
            self._reaper = self._start()
        return self._settled(kills)

    def kill_senders(self, kills: int) -> Count:
        done, until = 0, time.monotonic() + DEADLINE_S + 3 * kills
        news_at, killed = 0.0, set[str]()
        while done < kills and time.monotonic() < until:
            if time.monotonic() >= news_at:
                news_at = time.monotonic() + self._rng.uniform(0, 2 * NEWS_EVERY_S)
                self._happen()
            # Only the first sender of each message: further tries of a message are further and further apart.
            begun = [each for each in self._db.outbox.unsent() if each.tries == 1 and each.key not in killed]
            key, sender = next(((each.key, each.sender) for each in begun if each.sender), ("", None))
            if sender is None:
                time.sleep(0.005)
                continue
            time.sleep(self._rng.uniform(0, LONGEST_TRY_S))
            killed.add(key)
            done += sender.kill(signal.SIGKILL)
        return self._settled(done)

    def close(self) -> None:
        self._reaper.kill()
        self._reaper.wait()
        self._db.close()

    def _wait_for_work(self) -> None:
        """Wait until the current reaper does its work."""
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            service = self._db.swarm.services().get("reaper")
            if service is not None and service.process.pid == self._reaper.pid:
                return
            time.sleep(0.01)
        raise AssertionError("the reaper does not come up")

    def _happen(self) -> None:
        """Something to report."""
        self._expected.append(f"event {len(self._expected)}")
        self._db.events.add(RUN_ENDED, self._expected[-1])

    def _start(self) -> subprocess.Popen[bytes]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWARM_", "SUPERVISOR_"))}
        with (self._folder / "reaper.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "swarm_reaper", "--db", str(self._folder / "tasks.db")],
                env=clean, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def _settled(self, kills: int) -> Count:
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            last = (self._db.outbox.cursor() or 0) >= self._db.events.last_id()
            if last and set(self._db.outbox.counts()) <= {"sent"}:
                break
            time.sleep(0.05)
        arrived = Counter(_name(text) for text in self._hook.events())
        by_key = {body["key"]: body for body in self._hook.received}
        known = Counter(_name(event["text"]) for body in by_key.values() for event in body["events"])
        return Count(
            kills=kills,
            events=len(self._expected),
            messages=len(by_key),
            missing=sum(1 for text in self._expected if not arrived[text]),
            repeated=sum(1 for text in self._expected if arrived[text] > 1),
            sent_again=len(self._hook.repeated()),
            doubled=sum(1 for text in self._expected if known[text] > 1),
        )


def _name(text: str) -> str:
    return text.partition(":")[0]


def kill_reapers(folder: Path, hook: Webhook, *, kills: int, seed: int) -> Count:
    """Report events while the reaper is killed at random moments; returns what the webhook received."""
    one = Round(folder, hook, random.Random(seed))
    try:
        return one.kill_reapers(kills)
    finally:
        one.close()


def kill_senders(folder: Path, hook: Webhook, *, kills: int, seed: int) -> Count:
    """The same, but kill the processes that are sending."""
    hook.answers_after_s = lambda: random.Random().uniform(0, _ANSWER_S)
    one = Round(folder, hook, random.Random(seed))
    try:
        return one.kill_senders(kills)
    finally:
        one.close()


def main() -> int:
    """Both rounds; exit code 1 if something is missing, or was repeated where it must not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    wrong = False
    for name, run in (("reaper", kill_reapers), ("sending processes", kill_senders)):
        with tempfile.TemporaryDirectory(prefix="notifications-") as folder, webhook() as hook:
            count = run(Path(folder), hook, kills=options.kills, seed=options.seed)
        print(f"{name}: {count.line()}", flush=True)
        wrong = wrong or bool(count.missing or count.doubled or (run is kill_reapers and count.repeated))
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
