"""The loop of a run: waits for commits, signals and deaths, and decides when and how the run is over."""

from __future__ import annotations

import os
import signal
import time

from amplifier_swarm.start.checks.problems import ServiceFailed
from amplifier_swarm.start.display.logs import LogTail
from amplifier_swarm.start.display.progress import Progress
from amplifier_swarm.start.ending.give_up import GiveUp
from amplifier_swarm.start.ending.lost import FileWatch
from amplifier_swarm.start.ending.stopping import Stopping
from amplifier_swarm.start.failed_services import FailedServices
from amplifier_swarm.start.queue_state import End, QueueState
from amplifier_swarm.start.signals import STOP_NOW, Inbox
from amplifier_swarm.start.suite import Suite
from amplifier_swarm.start.watching import Watching
from swarm_shared.domain.errors import EXIT_AGENT_CLI, EXIT_DONE, EXIT_INCOMPLETE, EXIT_STOPPED
from swarm_shared.program.readable import cut

POLL_S = 0.1  # from a commit to its notice
SHOW_EVERY_S = 1.0
HEALTH_EVERY_S, HEALTH_EVERY_SETTLED_S = 1.0, 5.0  # failed starts show early
SETTLED_AFTER_S = 20.0
OBSTACLE_STANDS_S = 3.0  # a worker that is restarted is not an end
OBSTACLE_EVERY_S = 60.0
ANSWERS_WITHIN_S = 30.0


class RunLoop:
    """One run that has been started. `until_over` may be called once."""

    def __init__(
        self,
        suite: Suite,
        watching: Watching,
        progress: Progress,
        *,
        inbox: Inbox,
        stopping: Stopping,
        file: FileWatch,
        tail: LogTail | None,
        keep_running: bool,
        give_up: GiveUp,
    ) -> None:
        self._suite = suite
        self._watching = watching
        self._progress = progress
        self._inbox = inbox
        self._stopping = stopping
        self._file = file
        self._tail = tail
        self._keep_running = keep_running
        self._give_up = give_up
        self._failed_services = FailedServices()
        self._began = self._answered_at = time.monotonic()
        self._next_health = self._next_show = 0.0
        self._obstacle = ""
        self._say_obstacle_at = self._say_standstill_at = 0.0

    def until_over(self) -> End:
        """Watch until nothing is left to do, or the run is ended.

        Raises:
            ServiceFailed: A service does not start, or supervisord ended or hangs.
            DatabaseError: The database can no longer be read, or its path leads to another file or to none.
        """
        identity = self._suite.identity
        descriptor = None if identity is None else identity.pidfd()
        try:
            while True:
                self._inbox.wait(POLL_S, () if descriptor is None else (descriptor,))
                end = self.run_once()
                if end is not None:
                    return end
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def run_once(self) -> End | None:
        """Check signals, queue and services once. Returns how the run ended, or None while it continues."""
        self._file.check_if_due()
        for number in self._inbox.take():
            self._obey(number)
            self._watching.look_again()
        news = self._watching.read(self._progress)
        if self._stopping.follow(self._watching.queue):
            self._watching.look_again()
        end = how_it_ended(self._watching.queue, keep_running=self._keep_running)
        end = end or self._give_up.check(self._watching.queue, time.monotonic())
        if end is None and self._stopping.out_of_patience:
            end = End(exit_code=EXIT_STOPPED, headline="stopped by force")
        end = end or self._supervisord_ended()
        if end is None:
            self._look_after_services()
            if news or time.monotonic() >= self._next_show:
                self._show()
        return end

    def _obey(self, number: signal.Signals) -> None:
        if number in STOP_NOW:
            self._stopping.now(number)
        else:
            self._stopping.politely(number)

    def _supervisord_ended(self) -> End | None:
        code = self._suite.ended()
        if code is None:
            return None
        if code == 0:
            return End(exit_code=EXIT_STOPPED, headline="stopped by a shutdown of supervisord")
        raise self._suite.death()

    def _look_after_services(self) -> None:
        now = time.monotonic()
        if now < self._next_health:
            return
        settled = now - self._began > SETTLED_AFTER_S
        self._next_health = now + (HEALTH_EVERY_SETTLED_S if settled else HEALTH_EVERY_S)
        processes = self._suite.processes()
        if processes is not None:
            self._answered_at = now
            for failure in self._failed_services.judge(processes, self._watching.registered()):
                self._progress.say(f"warning: {failure.message}; {failure.hint}")
        elif now - self._answered_at > ANSWERS_WITHIN_S:
            raise ServiceFailed(
                f"supervisord has not answered for {ANSWERS_WITHIN_S:g} s", hint=f"see {self._suite.log_dir}"
            )

    def _show(self) -> None:
        self._next_show = time.monotonic() + SHOW_EVERY_S
        view = self._watching.view()
        self._progress.show(view)
        if self._tail is not None:
            self._tail.read()
        self._report_obstacle(view.obstacle_text() or "")
        self._report_standstill()

    def _report_standstill(self) -> None:
        found = self._watching.standstill()
        now = time.monotonic()
        if found is None:
            self._say_standstill_at = now
        elif now >= self._say_standstill_at:
            self._say_standstill_at = now + OBSTACLE_EVERY_S
            self._progress.say(f"warning: {found.text}; {found.what_to_do}")

    def _report_obstacle(self, text: str) -> None:
        """Report what blocks the queue: after it has been blocked for a moment, and then every minute."""
        now = time.monotonic()
        kind = text.partition(";")[0]  # what follows may count seconds
        if kind != self._obstacle:
            self._obstacle, self._say_obstacle_at = kind, now + OBSTACLE_STANDS_S
        if text and now >= self._say_obstacle_at:
            self._say_obstacle_at = now + OBSTACLE_EVERY_S
            self._progress.say(text)


def how_it_ended(queue: QueueState, *, keep_running: bool) -> End | None:
    """The outcome that follows from the whole queue; None while the run continues."""
    if queue.stop is not None:
        if queue.running:
            return None
        return End(exit_code=EXIT_STOPPED, headline=f"stopped by {cut(queue.stop.actor, 100)}")
    hold = queue.unstartable
    if hold is not None:
        reason = f"{hold.route}: {cut(hold.reason, 300)}"
        return End(exit_code=EXIT_AGENT_CLI, headline=f"ended because the agent CLI cannot start ({reason})")
    if keep_running or not queue.is_through:
        return None
    if queue.all_well:
        return End(exit_code=EXIT_DONE, headline="all done")
    return End(exit_code=EXIT_INCOMPLETE, headline="no task is left that can run, but some have not completed,")
