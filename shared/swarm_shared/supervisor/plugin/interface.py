"""The XML-RPC namespace `swarm` inside supervisord: scale without touching other workers, slots, orphans."""

from __future__ import annotations

import copy
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

from supervisor import events
from supervisor.http import NOT_DONE_YET
from supervisor.states import STOPPED_STATES, ProcessStates, SupervisorStates, getProcessStateDescription
from supervisor.xmlrpc import Faults, RPCError

from swarm_shared.supervisor.plugin import process_settings
from swarm_shared.supervisor.plugin.heartbeat import Heartbeat
from swarm_shared.supervisor.plugin.override import (
    MAX_WORKERS,
    OVERRIDE,
    REAPER,
    WORKERS,
    read_override,
    render,
    sections_from,
    write_override,
)
from swarm_shared.supervisor.plugin.staggering import Turns, take_turns

POLL_S = 0.3  # how often a `scale` that waits looks again
# A worker that is asked to stay may have decided to leave a moment before; by then it has left, or it stays.
STAYS_AFTER_S = 5.0


class SwarmInterface:
    """The public methods are the remote ones; their docstrings follow supervisord's notation, for `methodHelp`.

    A process leaves while its configuration is not the one that the group has under its name. Once it is down, a new
    process takes its place if the group still has that name; otherwise the slot is removed. supervisord's own tables
    are the only state, so that `update`, `reload` or a second http server cannot disagree with it.
    """

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self._options = supervisord.options
        self._reaper = Heartbeat()
        self._turns = Turns()

    def scale(self, count: int, nowait: bool = False, now: bool = False) -> Any:
        """Run so many workers; surplus ones finish their task and then leave, the others are not touched.

        One that is leaving and is needed again stays; one that is being stopped already starts again afterwards.

        @param int count       Workers wanted, 0 to 256
        @param boolean nowait  Return at once instead of when the surplus workers have left
        @param boolean now     Stop surplus workers as SIGTERM does, also those that retire already
        @return struct         workers: int; added, kept, returning, retiring: arrays of names
        """
        group = self._workers()
        if type(count) is not int or not 0 <= count <= MAX_WORKERS:
            raise RPCError(Faults.BAD_ARGUMENTS, f"workers must be a number from 0 to {MAX_WORKERS}")
        self._replace_those_that_left()
        self._read_again_with(count)
        changed = self._apply_difference(group)
        for process in self._retiring().values() if now else changed.surplus:
            _send_off(process, now=now)
        self._replace_those_that_left()
        leaving = sorted(self._retiring())
        answer = {
            "workers": count,
            "added": changed.added,
            "kept": changed.kept,
            "returning": changed.returning,
            "retiring": leaving,
        }
        if nowait or not leaving:
            return answer

        def answer_when_gone() -> object:
            self._replace_those_that_left()
            return answer if self._retiring().keys().isdisjoint(leaving) else NOT_DONE_YET

        deferred: Any = answer_when_gone  # supervisord asks a function again until it has an answer
        deferred.delay = POLL_S
        deferred.rpcinterface = self
        return deferred

    def restart(self, name: str, now: bool = False) -> bool:
        """Let a worker finish its task, and start it again once it has left; one that is down starts at once.

        @param string name  Process name, such as swarm-worker-2
        @param boolean now  Stop it as SIGTERM does; again, to interrupt a task that it still finishes
        @return boolean     True
        """
        group = self._workers()
        self._replace_those_that_left()
        process = group.processes.get(name)
        if process is None:
            raise RPCError(Faults.BAD_NAME, f"{WORKERS}:{name}")
        if name in self._retiring():
            wanted = len(group.config.process_configs)
            workers = "worker is" if wanted == 1 else "workers are"
            raise RPCError(Faults.STILL_RUNNING, f"{name} is leaving, as only {wanted} {workers} wanted")
        if now and process.get_state() == ProcessStates.STOPPING:
            process.signal(signal.SIGTERM)
            return True
        configs = group.config.process_configs
        if any(config is process.config for config in configs):
            configs[:] = [copy.copy(config) if config is process.config else config for config in configs]
        _send_off(process, now=now)
        self._replace_those_that_left()
        return True

    def slots(self) -> list[dict[str, Any]]:
        """The workers that supervisord holds, by name.

        @return array  Structs with name: string, state: string, pid: int (0: not running), retiring: boolean
        """
        self._replace_those_that_left()
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
        return process_settings.adopted(self._options.pidhistory)

    def beat(self, pid: int, grace: int = 0) -> bool:
        """The reaper says that it works; when it falls silent for long, it is killed and started again.

        @param int pid      Its process
        @param int grace    Seconds that it may be silent for longer than usual
        @return boolean     Always true
        """
        self._reaper.hear(pid, time.monotonic(), grace_s=grace)
        return True

    def _callbacks(self) -> Mapping[type, Callable[[], None]]:
        return {
            events.SupervisorRunningEvent: self._started,
            events.SupervisorStoppingEvent: self._stopping,
            events.Tick5Event: self._tick,
        }

    def _started(self) -> None:
        process_settings.set_up_process()  # not in the factory: after it, a daemon forks again
        self._leave_with_owner()  # the owner may have died before its signal was requested
        self._let_workers_take_turns()

    def _tick(self) -> None:
        self._replace_those_that_left()
        self._let_workers_take_turns()  # also those that an `update` has made
        for name, process in self._leaving().items():
            if process.get_state() != ProcessStates.RUNNING:
                continue
            asked_to_stay = getattr(process, "asked_to_stay", None)
            if asked_to_stay is None:
                process.signal(signal.SIGUSR1)  # again: two signals at the same moment may arrive out of order
            elif time.monotonic() - asked_to_stay >= STAYS_AFTER_S:
                process.config = self._configs()[name]
        self._kill_silent_reaper()
        self._leave_with_owner()

    def _let_workers_take_turns(self) -> None:
        group = self._supervisord.process_groups.get(WORKERS)
        for process in group.processes.values() if group else ():
            take_turns(process, self._turns)

    def _stopping(self) -> None:
        if self._options.mood == SupervisorStates.SHUTDOWN:
            write_override(self._options, "")

    def _leave_with_owner(self) -> None:
        if self._options.mood > SupervisorStates.SHUTDOWN and process_settings.owner_has_gone():
            self._options.logger.warn("the process that owns this swarm has ended: shutting down")
            self._options.mood = SupervisorStates.SHUTDOWN

    def _kill_silent_reaper(self) -> None:
        group = self._supervisord.process_groups.get(REAPER)
        for process in group.processes.values() if group else ():
            silent_s = self._reaper.silent_s(process.pid, time.monotonic())
            if silent_s is not None and process.get_state() == ProcessStates.RUNNING:
                self._options.logger.warn(f"{REAPER} has been silent for {silent_s:.0f} s: killing it")
                process.signal(signal.SIGKILL)  # not `kill`, after which it would stay down

    def _workers(self) -> Any:
        if self._options.mood < SupervisorStates.RUNNING:
            raise RPCError(Faults.SHUTDOWN_STATE)
        group = self._supervisord.process_groups.get(WORKERS)
        if group is None:
            raise RPCError(Faults.BAD_NAME, WORKERS)
        return group

    def _configs(self) -> dict[str, Any]:
        """The group's configurations by name."""
        group = self._supervisord.process_groups.get(WORKERS)
        return {config.name: config for config in group.config.process_configs} if group else {}

    def _leaving(self) -> dict[str, Any]:
        """Processes that are leaving, whether or not another one takes their place."""
        group = self._supervisord.process_groups.get(WORKERS)
        configs = self._configs()
        processes = group.processes if group else {}
        return {name: each for name, each in processes.items() if each.config is not configs.get(name)}

    def _retiring(self) -> dict[str, Any]:
        """Those of them whose slots are no longer needed."""
        return {name: process for name, process in self._leaving().items() if name not in self._configs()}

    def _replace_those_that_left(self) -> None:
        for name, process in self._leaving().items():
            # The pid outlives the change of state by a moment, and supervisord's bookkeeping with it.
            if process.get_state() not in STOPPED_STATES or process.pid:
                continue
            group = self._supervisord.process_groups[WORKERS]
            config = self._configs().get(name)
            if config is None:
                del group.processes[name]
                self._options.logger.info(f"retired: {name}")
            else:
                self._make_process(group, config)

    def _make_process(self, group: Any, config: Any) -> None:
        config.create_autochildlogs()
        process = group.processes[config.name] = config.make_process(
            group
        )  # its autostart fires on one of the next passes
        take_turns(process, self._turns)

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

    def _apply_difference(self, group: Any) -> _Changed:
        """Make new slots live, keep those that are needed again, remove surplus ones from the configuration."""
        fresh = next((each for each in self._options.process_group_configs if each.name == WORKERS), None)
        wanted = {config.name: config for config in fresh.process_configs} if fresh else {}
        configs: list[Any] = group.config.process_configs
        changed = _Changed([group.processes[config.name] for config in configs if config.name not in wanted])
        # At once, while they still run: an `update` in between would see a difference and restart everyone.
        configs[:] = [config for config in configs if config.name in wanted]
        for name in sorted(wanted.keys() - {config.name for config in configs}):
            configs.append(wanted[name])
            process = group.processes.get(name)
            if process is None:
                self._make_process(group, wanted[name])
                changed.added.append(name)
            elif process.get_state() in (ProcessStates.STARTING, ProcessStates.RUNNING):
                process.signal(signal.SIGUSR2)
                process.asked_to_stay = time.monotonic()
                changed.kept.append(name)
            else:
                changed.returning.append(name)  # it is being stopped; its successor starts when it is down
        configs.sort()  # supervisord compares the lists in the order that it reads
        return changed


class _Changed:
    """What a scale does to the slots: processes to send off, and names."""

    def __init__(self, surplus: list[Any]) -> None:
        self.surplus = surplus
        self.added: list[str] = []
        self.kept: list[str] = []
        self.returning: list[str] = []


def _send_off(process: Any, *, now: bool) -> None:
    """Ask a worker to leave, and make sure that this process never starts again, however it ends."""
    config = process.config
    config.autorestart = False  # after a crash
    config.startretries = -1  # after an exit too early to count as one
    config.command = ""  # refuses a `start` by an operator in the moments before it is replaced
    process.asked_to_stay = None
    state = process.get_state()
    if state == ProcessStates.BACKOFF:
        process.give_up()
    elif state in (ProcessStates.STARTING, ProcessStates.RUNNING):
        if now:
            process.stop()
        else:
            process.signal(signal.SIGUSR1)
