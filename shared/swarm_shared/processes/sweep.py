"""Finding and killing what an attempt left behind without a known parent: by marks in the environment.

A mark is weaker than descent: a process may drop it, overwrite it or be caught without it for a moment.
So this is the fallback for a worker and a keeper that were killed at once, and it says what it cannot judge.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable
from uuid import UUID

from msgspec import Struct

from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import Stat, all_pids, read_stat
from swarm_shared.processes.tree import ancestors, descendants, kill_tree

MARK = "AMPLIFIER_SWARM_ATTEMPT"
_NESTED_MARK = "AMPLIFIER_SWARM_IN_"
# An empty pass counts only when another one follows after this time: a process between fork and exec
# still shows the environment of its parent.
PASS_GAP_S = 0.5
# What an environment begins with; a process that writes its title over it shows something else.
_ASSIGNMENT = re.compile(rb"[^=\0\-][^=\0]*=")


def marks(attempt_id: str) -> dict[str, str]:
    """Variables that every process of an attempt inherits, so that `sweep` can find it.

    The second one carries the id in its *name*: a swarm inside this attempt writes its own id over the
    first and leaves the second alone.
    """
    return {MARK: attempt_id, _NESTED_MARK + attempt_id.replace("-", ""): "1"}


class SweepResult(Struct, frozen=True, kw_only=True):
    """The result of one scan of all processes.

    `found` have the mark. `unknown` might: they belong to this user, are young enough, and their
    environment is empty, unreadable or overwritten.
    """

    found: tuple[ProcessId, ...]
    unknown: tuple[ProcessId, ...]


def sweep(
    attempt_id: str,
    *,
    since: int = 0,
    others: Iterable[ProcessId] = (),
    above: Collection[ProcessId] | None = None,
) -> SweepResult:
    """Find the processes that have an attempt's mark.

    Args:
        attempt_id: The attempt's UUID, with hyphens.
        since: Start time, as in `ProcessId`; nothing older is unknown.
        others: Roots of trees known to be others', such as living keepers: nothing below them is unknown.
        above: The attempt's keeper and its ancestors, which can inherit what the attempt leaves; None: not known.

    """
    found: list[ProcessId] = []
    unknown: list[ProcessId] = []
    mark = _mark_pattern(attempt_id)
    for pid in all_pids():
        stat = read_stat(pid)
        if stat is None or stat.ended or stat.kernel_thread or pid == os.getpid():
            continue
        environment = _environment(pid)
        if environment is not None and mark.search(environment):
            found.append(ProcessId.here(pid, stat.start_time))
        elif stat.start_time >= since and _hides_marks(environment) and _is_ours(pid, stat):
            unknown.append(ProcessId.here(pid, stat.start_time))
    unknown = [process for process in unknown if not _born_elsewhere(process, since, mark)]
    if above is not None:
        unknown = [process for process in unknown if not _is_below_a_stranger(process, since, above)]
    if unknown:
        trees = ([root, *descendants(root.pid)] for root in others if root.is_alive())
        accounted = {member for tree in trees for member in tree}
        unknown = [process for process in unknown if process not in accounted]
    return SweepResult(found=tuple(found), unknown=tuple(unknown))


def kill_remaining(
    attempt_id: str,
    *,
    recorded: Iterable[ProcessId],
    since: int | None = None,
    others: Iterable[ProcessId] = (),
    holders: Iterable[ProcessId] = (),
    above: Collection[ProcessId] | None = None,
    killed: dict[str, None] | None = None,
) -> tuple[ProcessId, ...]:
    """One pass over the machine: kill the recorded processes, all below them, and everything with the attempt's mark.

    Args:
        attempt_id: The attempt's UUID.
        recorded: What the rows name: sessions, and the worker and keeper where they are to die too.
        since: As for `sweep`; unless given, the start of the oldest recorded process.
        others, above: As for `sweep`.
        holders: Who holds a lock that only the attempt's processes can have.
        killed: Collects texts of what was killed.

    Returns:
        What was in the way of calling the attempt gone: found and killed just now, or unknown. The
        proof is two empty passes, `PASS_GAP_S` apart.
    """
    killed = {} if killed is None else killed
    recorded = tuple(recorded)
    if since is None:
        since = min((process.start_time for process in recorded), default=0)
    # A tree below a recorded process is complete only while that process lives: these go first.
    standing = [process for process in recorded if process.is_alive() is not False]
    _kill(standing, killed)
    swept = sweep(attempt_id, since=since, others=others, above=above)
    found = tuple(dict.fromkeys((*swept.found, *(each for each in holders if each not in standing))))
    _kill(found, killed)
    return (*standing, *found, *(each for each in swept.unknown if each not in found))


def _kill(roots: Iterable[ProcessId], killed: dict[str, None]) -> None:
    for root in roots:
        text = root.describe()
        if kill_tree(root):
            killed[text] = None


def _mark_pattern(attempt_id: str) -> re.Pattern[bytes]:
    parts = str(UUID(attempt_id)).split("-")
    plain = "-".join(parts).encode()
    in_name = "[-_]?".join(parts).encode()
    return re.compile(
        rb"(?:\A|\0)(?:" + MARK.encode() + b"=" + plain + rb"(?=\0|\Z)|[^=\0]*" + in_name + rb"[^=\0]*=)",
        re.IGNORECASE,
    )


def _hides_marks(environment: bytes | None) -> bool:
    return environment is None or not _ASSIGNMENT.match(environment)


def _environment(pid: int) -> bytes | None:
    """What the process was started with; empty when it was nothing, None when it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:
            return file.readall()
    except OSError:
        return None


def _born_elsewhere(process: ProcessId, since: int, mark: re.Pattern[bytes]) -> bool:
    """Whether a process whose environment says nothing belongs to a session that is not the attempt's.

    A session is made, never joined, and a worker and each agent start in their own sessions. So a session whose
    leader is older than the worker, or shows an environment without the mark, is a stranger's: a browser's helpers
    that wrote over their environments are known by it. Source: setsid(2); a session's number is not reused
    while it has any process.
    """
    stat = read_stat(process.pid)
    leader = read_stat(stat.session) if stat is not None else None
    if stat is None or leader is None:
        return False
    if leader.start_time < since:
        return True
    environment = _environment(stat.session) if stat.session != process.pid else None
    return environment is not None and bool(_ASSIGNMENT.match(environment)) and not mark.search(environment)


def _is_below_a_stranger(process: ProcessId, since: int, above: Collection[ProcessId]) -> bool:
    """Whether a process descends from one that is older than the attempt and cannot have inherited it.

    A process that loses its parent gets an ancestor of that parent, or the first process of its pid namespace. So the
    parents of what the attempt has started are processes of the attempt, which are younger than it, up to one of
    `above` or the first process. Backends of a database server, for example, are known by that, whatever they wrote
    over their environment. In another pid namespace another first process would inherit, so none there is judged.
    Source: prctl(2), PR_SET_CHILD_SUBREAPER; pid_namespaces(7).
    """
    for parent in ancestors(process.pid) or ():
        if parent in above:
            return False
        if parent.start_time < since:
            return _is_in_our_namespace(process.pid) and process.is_alive() is True
    return False


def _is_in_our_namespace(pid: int) -> bool:
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/pid"), os.stat("/proc/self/ns/pid"))
    except OSError:
        return False


def _is_ours(pid: int, stat: Stat) -> bool:
    """Whether it runs as this user and still is the process of the earlier reading.

    The owner of its folder in /proc would not do: that is root for what forbids to be dumped.
    """
    try:
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            status = file.readall()
    except OSError:
        return False
    users = re.search(rb"^Uid:\s+(.*)$", status, re.MULTILINE)
    now = read_stat(pid)
    return (
        users is not None
        and os.geteuid() in map(int, users[1].split())
        and now is not None
        and now.start_time == stat.start_time
        and not now.ended
    )
