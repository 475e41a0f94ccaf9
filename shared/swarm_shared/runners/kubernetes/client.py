"""The process of a session that runs in a pod: creates it, passes its output on, and ends with its exit code.

It is a child of the worker like every session's process. A stop reaches it as TERM, and the command as the deletion of
its pod; what becomes of the pod when this process is killed is the follower's business. Everything that it is to run
comes in variables, never in a command line, which every user of this machine can read.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from swarm_shared.runners.asking import Question, Said
from swarm_shared.runners.kubernetes.cluster import Cluster, as_pod, ask, get_words
from swarm_shared.runners.kubernetes.manifest import GRACE_S, command_script
from swarm_shared.runners.kubernetes.pods import cannot_start, ended, is_deleted, unschedulable
from swarm_shared.runners.remote.asking import ASK_TIMEOUT_S, Silent
from swarm_shared.runners.remote.folder import RunFolder
from swarm_shared.runners.remote.output import Output
from swarm_shared.runners.remote.work import take_work, umask

POLL_S = 0.1
ASK_EVERY_S = 1.0  # while it waits for its turn, and once its end is near
ASK_RUNNING_EVERY_S = 5.0  # the command's end is seen on the volume
CREATE_PATIENCE_S = 30.0  # an API server that is restarted
SETTLE_S = 5.0  # how long a file of a node may take to be seen here
# Of an API server that asks for a repetition.
_MAY_PASS = ("Timeout", "ServerTimeout", "TooManyRequests", "InternalError", "ServiceUnavailable")
# The exit code that speaks of the cluster and not of the command, unless the command has ended with it.
EXIT_CLUSTER = 125


class Work(Struct, frozen=True, kw_only=True):
    """What to run.

    Args:
        name: Of the pod.
        manifest: Of the pod.
        argv, env, cwd: Of the command.
        patience_s: How long no node needs to take it.
    """

    cluster: Cluster
    name: str
    manifest: dict[str, Any]
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    patience_s: float


class NoTurn(Exception):
    """The cluster is the cause that there is no exit code of the command; the text says why."""


class Client:
    """Runs one pod and passes on what its command writes."""

    def __init__(self, work: Work, out: BinaryIO, err: BinaryIO) -> None:
        self._work = work
        self._folder = RunFolder(Path(work.cluster.base), work.name)
        self._output = Output(self._folder, out, err)
        self._stop = self._stopped = False
        self._question: Question | None = None
        self._next_ask = 0.0
        self._waits_since = time.monotonic()
        self._over_since: float | None = None

    def stop(self, *_: object) -> None:
        """Pass a stop on to the command, or withdraw a pod that waits."""
        self._stop = True

    def run(self, stdin: bytes) -> int:
        """The exit code to end with.

        Raises:
            NoTurn: There is none of the command.
        """
        work = self._work
        self._folder.make({
            "pod.json": msgspec.json.encode(work.manifest),
            "command": command_script(work.argv, work.env, work.cwd, umask=umask()),
            "in": stdin,
        })  # fmt: skip
        self._create()
        while (code := self._look()) is None:
            if self._stop:
                self._stop, self._stopped = False, True
                if self._folder.withdraw():
                    return 128 + signal.SIGTERM
                self._pass_stop_on()
            time.sleep(POLL_S)
        return code

    def _create(self) -> None:
        """Create the pod. Its name is unique: a repetition after a lost answer cannot make a second one."""
        until = time.monotonic() + CREATE_PATIENCE_S
        words = self._work.cluster.words("create", f"--filename={self._folder.path}/pod.json", "--output=name")
        while True:
            try:
                ask(*words)
            except Silent as error:
                if "(AlreadyExists)" in str(error):
                    return
                if _is_refusal(str(error)) or self._stop or time.monotonic() >= until:
                    raise NoTurn(str(error)) from error
            else:
                return
            time.sleep(ASK_EVERY_S)

    def _look(self) -> int | None:
        """Pass on what was written; the exit code once it has ended."""
        code = self._folder.exit_code()  # first: what was written before it is complete
        self._output.pass_on()
        if code is not None:
            return code
        now = time.monotonic()
        if self._question is None:
            if now < self._next_ask:
                return None
            words = get_words(self._work.cluster, self._work.name)
            self._question = Question(words[0], words[1:], timeout_s=ASK_TIMEOUT_S)
        said = self._question.said()
        if said is None:
            return None
        self._question = None
        near_its_end = self._stopped or self._over_since is not None
        begun = self._folder.has_begun()
        self._next_ask = now + (ASK_RUNNING_EVERY_S if begun and not near_its_end else ASK_EVERY_S)
        return None if said.code != 0 else self._judge(said, now, begun=begun)

    def _judge(self, said: Said, now: float, *, begun: bool) -> int | None:
        try:
            pod = as_pod(said.printed)
        except Silent:
            return None
        end = None if pod is None else ended(pod)
        if pod is None or end is not None:
            # The files that it wrote last may not be seen here yet.
            self._over_since = self._over_since or now
            self._next_ask = now + ASK_EVERY_S
            if now < self._over_since + SETTLE_S and (end is None or end.exit_code is not None):
                return None
            if not self._folder.has_begun() and not self._stopped:
                raise NoTurn(f"its container ended before it began: {end.text if end else 'it was removed'}")
            return self._without_code(end.exit_code if end else None, end.text if end else "its pod was removed",
                                      of_cluster=end is None or end.of_cluster)  # fmt: skip
        if not begun and not self._stopped:
            if (why := cannot_start(pod)) or (why := self._waits_too_long(pod, now)):
                self._folder.withdraw()
                raise NoTurn(why)
            if is_deleted(pod):
                self._folder.withdraw()
                raise NoTurn("its pod was deleted before it began")
        return None

    def _waits_too_long(self, pod: dict[str, Any], now: float) -> str | None:
        why = unschedulable(pod)
        if why is None:
            self._waits_since = now
            return None
        waited_s = now - self._waits_since
        return f"no node took it for {waited_s:.0f} s: {why}" if waited_s >= self._work.patience_s else None

    def _without_code(self, code: int | None, text: str, *, of_cluster: bool) -> int:
        """The launcher has left no exit code: something has killed it."""
        if self._stopped:
            return 128 + signal.SIGKILL if code is None else code
        if of_cluster or code is None:
            raise NoTurn(f"the pod ended: {text}")
        self._output.complain(f"kubernetes: error: the pod ended: {text}")
        return code

    def _pass_stop_on(self) -> None:
        """The command gets TERM; who ends us ends the pod as well, sooner than its time runs out."""
        words = self._work.cluster.words(
            "delete", "pod", self._work.name, "--wait=false", f"--grace-period={GRACE_S}", "--ignore-not-found"
        )
        Question(words[0], words[1:], timeout_s=ASK_TIMEOUT_S)


def _is_refusal(text: str) -> bool:
    """Whether the API server, or kubectl itself, has refused for good; otherwise nothing is known."""
    passes = any(f"({reason})" in text for reason in _MAY_PASS)
    return not passes and ("Error from server (" in text or " is invalid: " in text or text.startswith("error: "))


def main() -> int:
    """Run the pod that the environment describes."""
    client = Client(take_work(os.environ, Work), sys.stdout.buffer, sys.stderr.buffer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, client.stop)
    try:
        return client.run(sys.stdin.buffer.read())
    except (NoTurn, OSError) as error:
        sys.stderr.write(f"kubernetes: error: {error}\n")
        return EXIT_CLUSTER


if __name__ == "__main__":
    raise SystemExit(main())
