"""What a job runs on its node.

That Slurm reports a job as over does not prove that its processes are gone: with some settings, processes that leave
their session survive, and a node that does not answer counts as dead. So the command runs in a pid namespace, whose end
is the end of everything in it, and all its processes hold a lock on the shared folder.

Source: unshare(1) of util-linux 2.38; flock(1); env(1) of coreutils 8.31; sh(1p).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

# The first `mv` decides between the job and the processes that end it: only one can succeed.
_JOB = """#!/bin/sh
umask 077
cd {folder} || exit 70
refuse() {{ echo "$1 (node $SLURMD_NODENAME)" > refused.new; mv refused.new refused; exit 70; }}
for tool in unshare flock env; do
    command -v $tool > /dev/null || refuse "the program $tool was not found"
done
[ -d {cwd} ] || refuse "the folder "{cwd}" is not there: it must be shared with the nodes"
exec 9>> lock && flock --nonblock 9 || refuse "no lock in the shared folder"
echo "$SLURM_JOB_ID $SLURMD_NODENAME" > node.new && mv node.new node || exit 70
users=
[ "$(id -u)" = 0 ] || users="--user --map-current-user"
unshare $users --pid --fork --mount-proc true 2> why || refuse "no pid namespace: $(cat why)"
mv ready taken 2> /dev/null || exit 0
trap : TERM INT HUP
unshare $users --pid --fork --kill-child --mount-proc /bin/sh {folder}/env.sh < in >> out 2>> err &
{wait}
echo $code > code.new && mv code.new code
exit $code
"""
# A signal interrupts `wait`: the process is over when it is no longer known.
_WAIT = """child=$!
while :; do
    wait $child
    code=$?
    kill -0 $child 2> /dev/null || break
done"""
# The first process of a pid namespace gets no signal that it has no handler for, so the command is its child.
_COMMAND = """trap : TERM INT HUP
{exports}
cd {cwd} || exit 70
umask {umask}
exec 8<&0  # a shell gives background commands an empty input
{argv} <&8 8<&- &
exec 2> /dev/null  # the shell would report signals there
{wait}
exit $code
"""


def job_script(folder: str, cwd: str) -> bytes:
    """What Slurm starts. `folder` holds the run's files."""
    return _JOB.format(folder=shlex.quote(folder), cwd=shlex.quote(cwd), wait=_WAIT).encode()


def command_script(argv: Sequence[str], env: Mapping[str, str], cwd: str, *, umask: int) -> bytes:
    """What the first process of the pid namespace runs."""
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in env.items())
    # A shell starts background commands with these ignored.
    words = ("env", "--default-signal=INT,QUIT,TERM,HUP", *argv)
    text = _COMMAND.format(
        exports=exports, cwd=shlex.quote(cwd), argv=shlex.join(words), umask=f"{umask:04o}", wait=_WAIT
    )
    return text.encode("utf-8", "surrogateescape")
