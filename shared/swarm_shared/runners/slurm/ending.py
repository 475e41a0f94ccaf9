"""Ends a run and proves it gone; judges how one ended. A program, since all of it may wait: `python -m … VERB RUN`.

A run is proven gone if it was withdrawn before its job took it, or if its lock is free and either its exit code is
there, or Slurm reports that the job is over and its node responds. A node that does not respond may still be running
it, whatever Slurm reports about the job.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from swarm_shared.domain.runners import Run
from swarm_shared.runners.asking import Answer
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.follower import Replies, reply
from swarm_shared.runners.slurm.folder import JobFolder
from swarm_shared.runners.slurm.jobs import EXIT_BY_STATE, OF_THE_CLUSTER, OVER, Job, Slurm, is_up

PATIENCE_S = 15.0  # less than an engine is waited for
POLL_S = 0.2
SETTLE_S = 3.0  # a job that has written its exit code ends by itself


def end(
    run: Run, slurm: Slurm, *, sleep: Callable[[float], None] = time.sleep, patience_s: float = PATIENCE_S
) -> Answer:
    """End it, and wait a while for the proof."""
    began = time.monotonic()
    cancelled = False
    while True:
        try:
            answer, may_cancel = _look(run, slurm, waited_s=time.monotonic() - began)
            if may_cancel and not cancelled:
                slurm.cancel(run.name)
                cancelled = True
        except (Silent, OSError) as error:
            return Answer(gone=False, text=f"slurm: {error}")
        if answer.gone or not answer.healthy or time.monotonic() >= began + patience_s:
            return answer
        sleep(POLL_S)


def _look(run: Run, slurm: Slurm, *, waited_s: float) -> tuple[Answer, bool]:
    """What is known now, and whether the job should be cancelled."""
    cluster, folder = JobFolder.of(run)
    if not folder.is_mounted():
        return Answer(gone=False, text=f"slurm: the folder {folder.base} is not there, or is not mounted"), False
    if folder.files() is None:
        return Answer(gone=True), False
    if folder.withdraw():
        _forget(run, slurm, folder)
        return Answer(gone=True), False
    locked = folder.is_locked()
    if folder.exit_code() is not None:
        if not locked:
            folder.remove()
            return Answer(gone=True), False
        return _not_yet(f"processes of {run.name} hold its lock"), waited_s > SETTLE_S
    number, node = folder.job()
    if not node:
        return _not_yet(f"{folder.path}/node is missing, which names the node of {run.name}"), False
    job = slurm.job(number, run.name)
    if job is None and slurm.cluster() != cluster:
        return Answer(gone=False, text=f"slurm: another cluster answers now than {cluster}, which ran it"), False
    if job is not None and job.state not in OVER:
        return _not_yet(f"job {number} on node {node} is {job.state}"), job.state != "COMPLETING"
    state = slurm.node_state(node)
    known = "no longer known" if job is None else job.state
    if not is_up(state):
        return _not_yet(f"job {number} is {known}, but node {node} is {state} and may still be running it"), False
    if locked:
        return _not_yet(f"job {number} is {known}, but its processes on node {node} hold its lock"), False
    folder.remove()
    return Answer(gone=True), False


def _forget(run: Run, slurm: Slurm, folder: JobFolder) -> None:
    """Remove it from Slurm's queue if Slurm answers; otherwise its job ends by itself."""
    try:
        slurm.cancel(run.name)
    except Silent:
        return
    finally:
        folder.remove()


def _not_yet(text: str) -> Answer:
    return Answer(gone=False, text=f"slurm: {text}", healthy=True)


def failure(
    run: Run, exit_code: int | None, slurm: Slurm, *,
    sleep: Callable[[float], None] = time.sleep, patience_s: float = PATIENCE_S,
) -> str | None:  # fmt: skip
    """Why it ended, if the command is not the cause; None: the command is. Empty: the client has printed why."""
    if exit_code is None:
        return None  # it was killed, and with it nothing is known
    _, folder = JobFolder.of(run)
    try:
        own = folder.exit_code()
        if own == 0 == exit_code:
            return None
        if refused := folder.text("refused"):
            return refused
        number, node = folder.job()
    except OSError as error:
        return str(error)
    try:
        job = _ended(run, number, slurm, sleep, patience_s) if number else None
    except Silent as error:
        return None if own is not None and own == exit_code else str(error)
    if job is not None and job.state in OF_THE_CLUSTER:
        return f"job {number} on node {node} ended as {job.state}"
    if own is not None:
        return None if own == exit_code else f"the process that follows job {number} ended with exit code {exit_code}"
    if job is not None and job.state in EXIT_BY_STATE:
        return None
    return ""


def _ended(run: Run, number: str, slurm: Slurm, sleep: Callable[[float], None], patience_s: float) -> Job | None:
    """The job once it has a final state."""
    until = time.monotonic() + patience_s
    while (job := slurm.job(number, run.name)) is not None and job.state not in OVER and time.monotonic() < until:
        sleep(POLL_S)
    return job


def runs(run: Run, slurm: Slurm) -> bool:
    """Whether Slurm reports that it runs."""
    _, folder = JobFolder.of(run)
    try:
        job = slurm.job_named(run.name) if folder.exit_code() is None else None
    except (Silent, OSError):
        return False
    return job is not None and job.state not in OVER


def main(words: list[str]) -> int:
    """Reply to one question."""
    slurm = Slurm()
    replies = Replies(
        end=lambda run: end(run, slurm),
        runs=lambda run: runs(run, slurm),
        failure=lambda run, exit_code: failure(run, exit_code, slurm),
    )
    return reply(words, replies)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
