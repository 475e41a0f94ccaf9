"""`supervisorctl scale N`: a command next to the built-in ones."""

from __future__ import annotations

from typing import Any
from xmlrpc.client import Fault

from swarm_shared.supervisor.plugin.override import MAX_WORKERS, WORKERS, parse_workers

USAGE = f"""\
scale N\t\t\tRun N workers (0 to {MAX_WORKERS}); the others are not touched.
\t\t\tSurplus workers finish their task, however long it takes, and then leave; the command
\t\t\twaits for that. Scale up again and those that have not left yet stay.
scale N --now\t\tSurplus workers stop as with SIGTERM, within the graceful timeout.
scale N --nowait\tReturn at once."""
EXIT_FAILED, EXIT_USAGE = 1, 2
FLAGS = frozenset({"--now", "--nowait"})


class ScaleCommand:
    """What supervisorctl asks of a plugin; its own base class would say "no help" for every other command."""

    name = "swarm"

    def __init__(self, controller: Any) -> None:
        self.ctl = controller
        for earlier in controller.options.plugins:
            earlier.help_scale = self.help_scale  # otherwise it would say that there is no help

    def do_scale(self, arg: str) -> None:
        flags = {word for word in arg.split() if word.startswith("-")}
        numbers = [word for word in arg.split() if word not in flags]
        workers = parse_workers(numbers[0]) if len(numbers) == 1 else None
        if workers is None or flags - FLAGS:
            self._fail(USAGE, EXIT_USAGE)
        elif self.ctl.upcheck():
            self._scale(workers, nowait="--nowait" in flags, now="--now" in flags)

    def do_help(self, arg: str) -> None:
        if not arg:
            self.ctl.output("swarm commands (type help <topic>):\n===================================\nscale\n")

    def help_scale(self) -> None:
        self.ctl.output(USAGE)

    def _scale(self, workers: int, *, nowait: bool, now: bool) -> None:
        swarm = self.ctl.get_server_proxy("swarm")
        try:
            done = swarm.scale(workers, True, now)
            if done["retiring"] and not nowait:
                names = ", ".join(done["retiring"])
                self.ctl.output(f"waiting until {names} finished; Ctrl+C ends the wait, not the workers")
                swarm.scale(workers, False, False)
        except Fault as fault:
            self._fail(f"scale: ERROR ({fault.faultString})", EXIT_FAILED)
            return
        except KeyboardInterrupt:
            self._fail("no longer waiting: surplus workers leave when they have finished their task", EXIT_FAILED)
            return
        for name in done["added"]:
            self.ctl.output(f"{WORKERS}:{name}: added")
        for name in done["kept"]:
            self.ctl.output(f"{WORKERS}:{name}: stays")
        for name in done["returning"]:
            self.ctl.output(f"{WORKERS}:{name}: starts again when it has stopped")
        for name in done["retiring"]:
            self.ctl.output(f"{WORKERS}:{name}: {'retiring' if nowait else 'retired'}")
        self.ctl.output(f"workers: {done['workers']}")

    def _fail(self, text: str, exit_status: int) -> None:
        self.ctl.output(text)
        self.ctl.exitstatus = exit_status
