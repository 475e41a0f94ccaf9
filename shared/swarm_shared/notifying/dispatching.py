"""Starts a courier process for each due message, so that a slow target blocks nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.settings.notify_settings import NotifyTarget, QuietHours
from swarm_shared.store.records.outbox import TRIES, Unsent

COURIER = "swarm_shared.notifying.courier"
AGAIN_AFTER_MS, MOST_AGAIN_AFTER_MS = 2_000, 300_000  # for couriers that die before they take their message


class Errand(Struct, frozen=True, kw_only=True):
    """What a courier reads from standard input. The address is as in swarm.yaml; the courier expands variables."""

    db: str
    key: str
    way: str
    address: str


class Dispatcher:
    """Starts couriers and reaps them; at most one at a time per target, and none in quiet hours."""

    def __init__(
        self,
        database: TaskDatabase,
        targets: Sequence[NotifyTarget],
        environ: Mapping[str, str],
        quiet: QuietHours | None = None,
    ) -> None:
        self._db = database
        self._quiet = quiet
        self._targets = {target.key: target for target in targets}
        self._environ = dict(environ)
        self._couriers: dict[str, subprocess.Popen[bytes]] = {}  # by target
        self._started: dict[str, tuple[int, int]] = {}  # by message: how often, and when it may be started again

    @property
    def busy(self) -> bool:
        """Whether one of our couriers is running."""
        return any(courier.poll() is None for courier in self._couriers.values())

    def run_once(self) -> None:
        """Start a courier for each target whose oldest message is due and not being sent."""
        now = self._db.clock.wall_ms()
        self._couriers = {key: courier for key, courier in self._couriers.items() if courier.poll() is None}
        unsent = self._db.outbox.unsent()
        self._started = {each.key: self._started[each.key] for each in unsent if each.key in self._started}
        # Checked here as well, since retries and messages from before the setting have separate due times.
        if self._quiet is not None and self._quiet.end_after(now) is not None:
            return
        for message in unsent:
            if message.target in self._couriers or not message.is_due(now):
                continue
            target = self._targets.get(message.target)
            if target is None:
                self._db.outbox.give_up(message, "this target is no longer in swarm.yaml")
            elif message.tries >= TRIES:
                self._db.outbox.give_up(message, f"its sender was killed; {message.tries} tries")
            else:
                self._start(message, target)

    def _start(self, message: Unsent, target: NotifyTarget) -> None:
        now = self._db.clock.mono_ms()
        times, not_before = self._started.get(message.key, (0, 0))
        if now < not_before:
            return
        wait_ms = min(AGAIN_AFTER_MS * 2**times, MOST_AGAIN_AFTER_MS) if times else 0
        self._started[message.key] = (times + 1, now + wait_ms)
        errand = Errand(db=os.fspath(self._db.path), key=message.key, way=target.way, address=target.address)
        self._couriers[message.target] = start_courier(errand, self._environ, cwd=self._db.path.parent)


def start_courier(errand: Errand, environ: Mapping[str, str], *, cwd: Path) -> subprocess.Popen[bytes]:
    """A process that sends one message and records the outcome; it may outlive the process that started it."""
    courier = subprocess.Popen(
        [sys.executable, "-P", "-m", COURIER],
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert courier.stdin is not None
    try:
        # Smaller than a pipe's buffer, so this never blocks. A courier that receives only part of it sends nothing.
        courier.stdin.write(json.dumps({name: getattr(errand, name) for name in errand.__struct_fields__}).encode())
        courier.stdin.close()
    except OSError:
        pass  # it has died already; the message stays in the outbox
    return courier
