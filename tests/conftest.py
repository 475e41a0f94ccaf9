"""What the suite hands on to the processes that it starts is the same wherever it was started itself."""

from __future__ import annotations

import os
import signal

# `nohup` ignores the first, a shell the others for what it runs in the background; who starts a program inherits that.
_OFTEN_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
# Of a swarm one of whose tasks runs this suite, or of a git hook that does.
_FOREIGN = ("SWARM_", "SUPERVISOR_", "AMPLIFIER_SWARM_")
_OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")

for number in _OFTEN_IGNORED:
    if signal.getsignal(number) is signal.SIG_IGN:
        # Ignored still, and yet no longer by what is started: a handler does not survive an exec.
        signal.signal(number, lambda number, frame: None)
for name in [name for name in os.environ if name.startswith(_FOREIGN) or name in _OF_A_HOOK]:
    del os.environ[name]
os.umask(0o022)
