"""One run from its checks to its summary: starts the swarm, watches it, ends everything, and reports the result."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack

from amplifier_swarm.output.terminal import notice
from amplifier_swarm.start.checks.warm_up import StoppedMeanwhile
from amplifier_swarm.start.display.logs import LogTail
from amplifier_swarm.start.display.progress import progress_for
from amplifier_swarm.start.display.summary import summary_lines, words_again
from amplifier_swarm.start.ending.farewell import report_end
from amplifier_swarm.start.ending.give_up import GiveUp
from amplifier_swarm.start.ending.lost import FileWatch, Loss, loss_of
from amplifier_swarm.start.ending.stopping import Stopping
from amplifier_swarm.start.ending.subtree import Subtree
from amplifier_swarm.start.exclusive import exclusive_run, wait_for_earlier_run
from amplifier_swarm.start.prepare import check, clear_earlier_stop, run_warm_ups
from amplifier_swarm.start.queue_state import End, read_queue
from amplifier_swarm.start.run_loop import RunLoop, how_it_ended
from amplifier_swarm.start.signals import Inbox
from amplifier_swarm.start.suite import Suite, suite_environment
from amplifier_swarm.start.watching import Watching
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import EXIT_DONE, EXIT_STOPPED, DatabaseError, SwarmError
from swarm_shared.processes.identity import ProcessId
from swarm_shared.program import standard_streams
from swarm_shared.settings.settings import Settings
from swarm_shared.store.swarm.started_with import StartedWith
from swarm_shared.supervisor.client import SupervisorClient
from swarm_shared.supervisor.files import prepare, socket_path

SERVICE = "start"
BUSY_TIMEOUT_S = 5.0  # a stuck writer must not keep you from stopping
# Idle services end within a second or two; one that has not ended by then hangs.
STOP_PATIENCE_S = 3.0
INTERRUPT_PATIENCE_S = 10.0


def start(settings: Settings, environ: Mapping[str, str], *, keep_running: bool, verbose: bool) -> int:
    """Run until nothing is left to do, or the run is ended. Returns the exit code.

    Raises:
        Unfit: The checks found something that must be changed first.
        StateError: A swarm works on this database already.
        AgentCliError: The warm-up showed that the agent CLI cannot start.
        ServiceFailed: A service does not start, or supervisord ended.
        DatabaseError: The file is missing, damaged or not ours; or was deleted, moved or replaced during the run.
    """
    with ExitStack() as stack:
        database = stack.enter_context(TaskDatabase(settings.db, create=False))
        database.connection.busy_timeout_s = BUSY_TIMEOUT_S
        if not keep_running and read_queue(database).total == 0:
            notice(f"{settings.db} contains no tasks; import some: amplifier-swarm import-tasks FILE")
            return EXIT_DONE
        stack.enter_context(exclusive_run(settings.state_dir, database))
        started = StartedWith.of(settings)
        settings, findings = check(settings, environ, database, keep_running=keep_running, say=notice)
        subtree = Subtree()
        inbox = stack.enter_context(Inbox())

        def pause(seconds: float) -> None:
            inbox.wait(seconds)
            if inbox.take():
                raise StoppedMeanwhile

        try:
            client = SupervisorClient(socket_path(settings.state_dir))
            ids = frozenset(f"worker-{n}" for n in range(1, settings.workers + 1))
            wait_for_earlier_run(database, client, worker_ids=ids, wait=pause, say=notice)
            run_warm_ups(findings, settings, environ, database, inbox=inbox, subtree=subtree, say=notice)
        except StoppedMeanwhile:
            notice("stopped before anything was started")
            return EXIT_STOPPED
        database.swarm.note_started_with(started)
        database.routes.note(settings.routing)
        database.spending.note(settings.budget)
        database.spending.begin_run()
        database.spending.check(settings.budget)
        clear_earlier_stop(database, notice)  # reports a pause: after that of an earlier budget was lifted
        return _run(
            settings, environ, database, inbox=inbox, subtree=subtree, keep_running=keep_running, verbose=verbose
        )


def _run(
    settings: Settings,
    environ: Mapping[str, str],
    database: TaskDatabase,
    *,
    inbox: Inbox,
    subtree: Subtree,
    keep_running: bool,
    verbose: bool,
) -> int:
    mark = database.runs.mark()
    watching = Watching(database, settings)
    file = FileWatch(database)
    end = how_it_ended(watching.queue, keep_running=keep_running)
    if end is not None:  # nothing to do: everything has ended in earlier runs
        _summarize(database, watching, mark, end, settings)
        return end.exit_code
    me = ProcessId.mine()
    suite = Suite(prepare(settings.state_dir), suite_environment(settings, environ, me), subtree)
    database.swarm.register_service(SERVICE, me, {"workers": settings.workers, "ends": not keep_running})
    if settings.notify:
        database.outbox.begin()  # before anything happens that is to be reported
    progress = progress_for(sys.stderr, plain=verbose)
    tail = LogTail(suite.log_dir, progress.say) if verbose else None
    stopping = Stopping(database, graceful_timeout_s=settings.graceful_timeout_s, say=progress.say)
    loss: Loss | None = None
    try:
        suite.launch()
        end = RunLoop(
            suite,
            watching,
            progress,
            inbox=inbox,
            stopping=stopping,
            file=file,
            tail=tail,
            keep_running=keep_running,
            give_up=GiveUp(
                None if settings.give_up_after_min is None else settings.give_up_after_min * 60,
                settings.routing,
                settings.agent_cli,
            ),
        ).until_over()
        progress.close()
        file.check()  # nothing is reported as done unless it is in the file
        _summarize(database, watching, mark, end, settings)
        unsent = report_end(database, settings, end)
        if unsent is not None:
            notice(unsent)
    except SwarmError as error:
        lost = loss_of(database, error)
        if lost is None:
            report_end(
                database, settings, End(exit_code=error.exit_code, headline=f"ended by an error: {error.message}")
            )
            raise
        loss = Loss(database, lost, progress.say)
    finally:
        progress.close()
        busy = watching.queue.running > 0
        patience_s = INTERRUPT_PATIENCE_S if busy else STOP_PATIENCE_S
        left = suite.stop(interrupt=busy, patience_s=0.0 if stopping.out_of_patience else patience_s)
        if tail is not None:
            tail.read()
        if left:
            notice("these processes could not be ended: " + ", ".join(left))
        try:
            database.swarm.end_service(SERVICE, me)
        except DatabaseError:
            pass  # the next run sees by the process itself that this one is over
    if loss is not None:
        raise loss.conclude()
    assert end is not None, "a run without an end has raised"
    return end.exit_code


def _summarize(database: TaskDatabase, watching: Watching, mark: int, end: End, settings: Settings) -> None:
    lines = summary_lines(
        database,
        read_queue(database),
        mark=mark,
        elapsed_s=watching.elapsed_s,
        end=end,
        again=words_again(settings),
    )
    try:
        print("\n".join(lines), flush=True)  # noqa: T201
    except OSError:
        standard_streams.discard(sys.stdout)  # the run counts, and its exit code says how it ended
