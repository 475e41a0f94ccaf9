"""The XML-RPC namespace `swarm` inside supervisord: scale without touching other workers, slots, orphans."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from supervisor import events
from supervisor.http import NOT_DONE_YET
from supervisor.states import STOPPED_STATES, ProcessStates, SupervisorStates, getProcessStateDescription
from supervisor.xmlrpc import Faults, RPCError

from swarm_shared.supervisor_plugin import family
from swarm_shared.supervisor_plugin.override import (
    MAX_WORKERS,
    OVERRIDE,
    WORKERS,
    read_override,
    render,
    sections_from,
    write_override,
)

POLL_S = 0.3  # how often a `scale` that waits looks again


class SwarmInterface:
    """The public methods are the remote ones; their docstrings follow supervisord's notation, for `methodHelp`.

    A slot that retires is one that still runs but has left the group's configuration. supervisord's own
    tables are the only state, so that `update`, `reload` or a second http server cannot disagree with it.
    """

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self._options = supervisord.options

    def scale(self, count: int, nowait: bool = False, now: bool = False) -> Any:
        """Run so many workers; surplus ones finish what they run and then leave, the others are not touched.

        @param int count       Workers wanted, 0 to 64
        @param boolean nowait  Answer at once instead of when the surplus workers have left
        @param boolean now     Stop surplus workers as SIGTERM does, also those that retire already
        @return struct         workers: int, added: array of names, retiring: array of names
        """
        if self._options.mood < SupervisorStates.RUNNING:
            raise RPCError(Faults.SHUTDOWN_STATE)
        if type(count) is not int or not 0 <= count <= MAX_WORKERS:
            raise RPCError(Faults.BAD_ARGUMENTS, f"workers must be a number from 0 to {MAX_WORKERS}")
        group = self._supervisord.process_groups.get(WORKERS)
        if group is None:
            raise RPCError(Faults.BAD_NAME, WORKERS)
        self._remove_retired()
        retiring = self._retiring()
        if retiring and count > len(group.config.process_configs):
            # To bring them back would race with `update`, which is three calls: stop, remove, add.
            raise RPCError(Faults.STILL_RUNNING, f"still draining: {', '.join(sorted(retiring))}")

        self._read_again_with(count)
        added, surplus = self._apply_difference(group)
        for process in self._retiring().values() if now else surplus:
            _send_off(process, now=now)
        self._remove_retired()
        leaving = sorted(self._retiring())
        answer = {"workers": count, "added": added, "retiring": leaving}
        if nowait or not leaving:
            return answer

        def answer_when_gone() -> object:
            self._remove_retired()
            return answer if self._retiring().keys().isdisjoint(leaving) else NOT_DONE_YET

        deferred: Any = answer_when_gone  # supervisord asks a function again until it has an answer
        deferred.delay = POLL_S
        deferred.rpcinterface = self
        return deferred

    def slots(self) -> list[dict[str, Any]]:
        """The workers that supervisord holds, by name.

        @return array  Structs with name: string, state: string, pid: int (0: not running), retiring: boolean
        """
        self._remove_retired()
        retiring = self._retiring()
        group = self._supervisord.process_groups.get(WORKERS)
        return [
            {
                "name": name,
                "state": getProcessStateDescription(process.get_state()),
                "pid": process.pid,
                "retiring": name in retiring,
            }
            for name, process in sorted(group.processes.items() if group else ())
        ]

    def orphans(self) -> list[str]:
        """Live processes that supervisord inherited: what dead programs left, keepers at work included.

        @return array  Strings PID:START, START as in field 22 of /proc/PID/stat
        """
        return family.adopted(self._options.pidhistory)

    def _callbacks(self) -> Mapping[type, Callable[[], None]]:
        return {
            events.SupervisorRunningEvent: self._started,
            events.SupervisorStoppingEvent: self._stopping,
            events.Tick5Event: self._tick,
        }

    def _started(self) -> None:
        family.settle_in()  # not in the factory: after it, a daemon forks once more
        self._leave_with_owner()  # the owner may have died before its signal was asked for

    def _tick(self) -> None:
        self._remove_retired()
        self._leave_with_owner()

    def _stopping(self) -> None:
        if self._options.mood == SupervisorStates.SHUTDOWN:
            write_override(self._options, "")

    def _leave_with_owner(self) -> None:
        if self._options.mood > SupervisorStates.SHUTDOWN and family.owner_has_gone():
            self._options.logger.warn("the process that owns this swarm has gone: shutting down")
            self._options.mood = SupervisorStates.SHUTDOWN

    def _retiring(self) -> dict[str, Any]:
        group = self._supervisord.process_groups.get(WORKERS)
        if group is None:
            return {}
        configured = {config.name for config in group.config.process_configs}
        return {name: process for name, process in group.processes.items() if name not in configured}

    def _remove_retired(self) -> None:
        for name, process in self._retiring().items():
            # The pid outlives the change of state by a moment, and supervisord's bookkeeping with it.
            if process.get_state() in STOPPED_STATES and not process.pid:
                del self._supervisord.process_groups[WORKERS].processes[name]
                self._options.logger.info(f"retired: {name}")

    def _read_again_with(self, count: int) -> None:
        """Keep the count in the override and read the files as `reread` does."""
        before = read_override(self._options)
        # What was wrong in the environment was said at the start.
        text = render(sections_from(os.environ, lambda _: None), workers=count)
        try:
            write_override(self._options, text)
            self._options.process_config(do_usage=False)
        except OSError as error:
            raise RPCError(Faults.FAILED, f"cannot write {OVERRIDE}: {error.strerror}") from error
        except ValueError as error:
            write_override(self._options, before)
            raise RPCError(Faults.CANT_REREAD, str(error)) from error

    def _apply_difference(self, group: Any) -> tuple[list[str], list[Any]]:
        """Make new slots live (names), take surplus ones out of the configuration (processes)."""
        fresh = next((each for each in self._options.process_group_configs if each.name == WORKERS), None)
        wanted = {config.name: config for config in fresh.process_configs} if fresh else {}
        configs: list[Any] = group.config.process_configs
        surplus = [group.processes[config.name] for config in configs if config.name not in wanted]
        # At once, while they still run: an `update` in between would see a difference and restart everybody.
        configs[:] = [config for config in configs if config.name in wanted]
        added = sorted(wanted.keys() - {config.name for config in configs})
        for name in added:
            wanted[name].create_autochildlogs()
            group.processes[name] = wanted[name].make_process(group)  # its autostart fires on the next pass
            configs.append(wanted[name])
        configs.sort()  # supervisord compares the lists in the order that it reads
        return added, surplus


def _send_off(process: Any, *, now: bool) -> None:
    """Ask a surplus worker to leave, and see to it that its slot never starts again, however it ends."""
    config = process.config
    config.autorestart = False  # after a crash
    config.startretries = -1  # after an exit too early to count as one
    config.command = ""  # refuses a `start` by hand in the moments before the slot is removed
    state = process.get_state()
    if state == ProcessStates.BACKOFF:
        process.give_up()
    elif state in (ProcessStates.STARTING, ProcessStates.RUNNING):
        if now:
            process.stop()
        else:
            process.signal(signal.SIGUSR1)
