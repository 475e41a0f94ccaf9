"""A lock that is held while any process that inherited it runs, even after the death of the worker that took it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm_shared.git.running.git_errors import RepositoryBusy
from swarm_shared.processes.file_lock import try_lock

LOCK_TIMEOUT_S = 60.0
LOOK_AGAIN_S = 0.02


@contextmanager
def file_lock(path: Path, *, tend: Callable[[], None], timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[int]:
    """Alone among all who take it; the descriptor is for git's processes to inherit (`Git.holding`).

    Its holder therefore knows that every git started under it earlier has ended.

    Args:
        tend: Called now and then while another process has it.

    Raises:
        RepositoryBusy: Another process held it all the time.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout_s
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise RepositoryBusy(
                    f"another process has held {path} for {timeout_s:g} s", hint=f"find it with: fuser -v {path}"
                )
            tend()
            time.sleep(LOOK_AGAIN_S)  # the system does not notify when a lock becomes free
        yield descriptor
    finally:
        os.close(descriptor)
