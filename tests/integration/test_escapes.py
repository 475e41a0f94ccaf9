"""Attempts to escape the confinement of `runner: bwrap`, each one judged from outside."""

from __future__ import annotations

import fcntl
import functools
import os
import socket
import subprocess
import tempfile
import termios
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confined_harness import SECRET, START_UP, ConfinedHarness, listening
from ordinary_user import as_ordinary_user

from swarm_shared.domain.runners import BwrapOptions

pytestmark = pytest.mark.integration
# A program of the agent's choice, as git would be made to run it.
FSMONITOR = 'printf "[core]\\n\\tfsmonitor = touch %s/marker\\n" "$OUT"'
PYTHON = "/usr/bin/env python3 -c"

ESCAPES = {
    "write outside": 'echo x > "$OUT/marker"',
    "write to /etc": "echo x > /etc/swarm-escape",
    "write to the project": 'echo x > "$OUT/../project/a"',
    "write to another task's worktree": 'echo x > "$S/a"; echo x > "$S/new"',
    "write through a link": 'ln -s "$OUT" there && echo x > there/marker',
    "rename a file out of the worktree": 'echo x > m; mv m "$OUT/marker"',
    "link a file in": 'ln "$OUT/../project/a" mine && echo x > mine',
    "write to the shell's start-up file": 'echo touch marker >> "$HOME/.bashrc"',
    "read a key": 'cat "$HOME/.ssh/id"',
    "read .netrc": 'cat "$HOME/.netrc"',
    "read a key after unmounting": 'umount "$HOME"; umount -l "$HOME"; cat "$HOME/.ssh/id"',
    "read a key through process 1": 'cat "/proc/1/root$HOME/.ssh/id"; cat "/proc/1/cwd/../home/.ssh/id"',
    "read a key by its folder's descriptor": 'for n in /proc/*/fd/*; do cat "$n/../home/.ssh/id"; done',
    "read a key in a user namespace": 'unshare -Urm sh -c \'umount -l "$HOME"; cat "$HOME/.ssh/id"\'',
    "read a variable": "env",
    "read another process's variables": "cat /proc/*/environ",
    "read the database": 'cat "$DB"',
    "read the swarm's files": 'cat "$STATE/token"',
    "read the hidden files of root": "cat /etc/shadow | grep -q . && echo " + SECRET,
    "remount the root": 'mount -o remount,rw,bind /; mount -o remount,rw /; echo x > "$OUT/marker"; '
    "echo x > /etc/swarm-escape",
    "remount in a user namespace": 'unshare -Urm sh -c "mount -o remount,rw,bind /; echo x > $OUT/marker"',
    "bind a folder": 'mkdir d; mount --bind "$OUT" d; echo x > d/marker',
    "enter the namespaces of process 1": 'nsenter -t 1 -m -p sh -c "echo x > $OUT/marker"',
    "change the root": 'chroot / sh -c "echo x > $OUT/marker"',
    "become root": 'sudo -n touch "$OUT/marker"; su -c "touch $OUT/marker"',
    "make a device": "mknod disk b 8 0 && echo " + SECRET,
    "read a disk": "head -c 1 /dev/sda /dev/vda /dev/mem && echo " + SECRET,
    "set the kernel's core pattern": "cat /proc/sys/kernel/core_pattern > p; "
    "cat p > /proc/sys/kernel/core_pattern && echo " + SECRET,
    "trigger sysrq": "echo h > /proc/sysrq-trigger && echo " + SECRET,
    "write to /sys": "f=/sys/kernel/mm/transparent_hugepage/enabled; [ -w $f ] && echo " + SECRET,
    "use a cgroup's release agent": 'mkdir c; unshare -UrC mount -t cgroup -o memory c c && echo '
    + SECRET,
    "kill by pid": 'kill -9 "$CANARY"',
    # It holds standard output, which the test reads to its end.
    "outlive the session": f'{PYTHON} "import os,time\nfor _ in 1, 2:\n os.fork() and os._exit(0)\n os.setsid()\n'
    'time.sleep(60)"',
    "have a file of the outside open": 'for fd in 3 4 5 6 7 8 9; do eval "echo x >&$fd"; done',
    "point git's common directory elsewhere": f'mkdir e; {FSMONITOR} > e/config; echo "$W/e" > "$GW/commondir"',
    "replace git's common directory": f'mkdir e; {FSMONITOR} > e/config; mv "$GW/commondir" "$GW/x"; rm -f '
    '"$GW/commondir"; echo "$W/e" > "$GW/commondir"',
    "add a common directory": f'mkdir e; {FSMONITOR} > e/config; echo "$W/e" > "$G/commondir"',
    "point .git elsewhere": f'git init -q e; {FSMONITOR} >> e/.git/config; echo "gitdir: $W/e/.git" > .git',
    "replace .git": f'git init -q e; {FSMONITOR} >> e/.git/config; rm -rf .git; mv .git x; mv e/.git .git',
    "point the worktree's way back elsewhere": 'echo "$OUT/.git" > "$GW/gitdir"',
    "edit git's settings": f'{FSMONITOR} >> "$G/config"; git config core.fsmonitor "touch $OUT/marker"',
    "edit the worktree's settings": f'{FSMONITOR} > "$GW/config.worktree"; git config --worktree core.fsmonitor x',
    "add a hook": 'printf "#!/bin/sh\\ntouch $OUT/marker\\n" > "$G/hooks/post-checkout"; chmod +x "$G/hooks/"*; '
    'mkdir "$GW/hooks"; cp "$G/hooks/post-checkout" "$GW/hooks"',
    "have git append to a file outside": 'for f in "$GW/logs/HEAD" "$G/logs/HEAD" "$G/logs/refs/heads/main"; do '
    'ln -sf "$HOME/.bashrc" "$f"; done',
    "have git replace a file outside": 'ln -sf "$HOME/.bashrc" "$GW/index"; ln -sf "$HOME/.bashrc" "$GW/ORIG_HEAD"',
    "have git write below a folder outside": 'ln -s "$OUT" "$G/refs/heads/x"; mkdir -p "$GW/refs"; '
    'ln -s "$OUT" "$GW/refs/x"',
    "prune other worktrees": "git worktree prune; git worktree remove --force $S",
    "borrow objects": 'echo "$OUT" > "$G/objects/info/alternates" && echo ' + SECRET,
}  # fmt: skip


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Below /tmp, which `tmp_shown` shows; /dev/shm is always a private one."""
    with tempfile.TemporaryDirectory(prefix="escapes-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def harness(tmp_path: Path) -> ConfinedHarness:
    return ConfinedHarness(tmp_path)


@pytest.fixture
def tmp_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show /tmp, where the folders of this test are: each of them must be hidden or protected separately."""
    monkeypatch.setattr("swarm_shared.runners.bwrap._PRIVATE", ("/var/tmp", "/run"))


@pytest.fixture
def canary() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def judged(harness: ConfinedHarness, script: str, canary: subprocess.Popen[bytes]) -> None:
    """Run the attempt, then use git outside as a user would: it must have no effect."""
    before = harness.fingerprint()
    ended = harness.run(script, env={"AWS_SECRET_ACCESS_KEY": SECRET, "CANARY": str(canary.pid)})
    assert SECRET not in ended.stdout + ended.stderr
    assert canary.poll() is None
    assert harness.fingerprint() == before
    harness.runner.clear_up(harness.worktree)
    for folder in (harness.project, harness.worktree, harness.sibling):
        harness.git("status", cwd=folder)
        harness.git("branch", "x/marker", cwd=folder)
        harness.git("checkout", "-q", "--detach", cwd=folder)
        harness.git("commit", "-q", "--allow-empty", "-m", "x", cwd=folder)
    assert not (harness.outside / "marker").exists()
    assert (harness.home / ".bashrc").read_text() == START_UP


@pytest.mark.usefixtures("tmp_shown")
@pytest.mark.parametrize("name", ESCAPES)
def test_the_attempt_fails(harness: ConfinedHarness, canary: subprocess.Popen[bytes], name: str) -> None:
    judged(harness, ESCAPES[name].replace("$CANARY", str(canary.pid)), canary)


@pytest.mark.usefixtures("tmp_shown")
def test_the_attempts_see_what_they_try_to_change(harness: ConfinedHarness) -> None:
    assert harness.run('cat "$OUT/../project/a"; ls -d "$OUT"').stdout == f"a\n{harness.outside}\n"


def test_a_command_cannot_type_into_the_terminal_of_the_swarm(harness: ConfinedHarness) -> None:
    said = harness.worktree / "said"
    attempt = harness.argv("(: < /dev/tty) && echo opened > said || echo no terminal > said")

    def in_a_terminal(argv: Sequence[str]) -> str:
        controller, terminal = os.openpty()
        try:
            take = functools.partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0)
            subprocess.run(argv, stdin=terminal, start_new_session=True, preexec_fn=take, timeout=30, check=True)
        finally:
            os.close(controller)
            os.close(terminal)
        return said.read_text()

    assert in_a_terminal(attempt) == "no terminal\n"
    without = [word for word in attempt if word != "--new-session"]
    assert in_a_terminal(without) == "opened\n", "so the terminal was there"


@pytest.mark.usefixtures("tmp_shown")
def test_settings_of_the_worktree_cannot_be_made_where_git_reads_them(
    harness: ConfinedHarness, canary: subprocess.Popen[bytes]
) -> None:
    harness.git("config", "extensions.worktreeConfig", "true")
    judged(harness, f'{FSMONITOR} > "$GW/config.worktree"', canary)


def test_the_judge_detects_the_actions_of_an_unconfined_command(
    harness: ConfinedHarness, canary: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.runner, "argv", lambda command: command.argv)
    with pytest.raises(AssertionError):
        judged(harness, 'cat "$HOME/.ssh/id"', canary)
    with pytest.raises(AssertionError):
        judged(harness, 'echo x > "$OUT/marker"', canary)
    (harness.outside / "marker").unlink()
    with pytest.raises(AssertionError):
        judged(harness, f'cd "$W"; mkdir e; {FSMONITOR} > e/config; echo "$W/e" > "$GW/commondir"', canary)


CONNECT = PYTHON + " \"import socket as s; c=s.socket(s.%s); c.settimeout(2); c.connect(%s); print('reached')\""


def test_a_socket_below_tmp_cannot_be_reached(harness: ConfinedHarness) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, listening(Path(folder) / "agent"):
        assert "reached" not in harness.run(CONNECT % ("AF_UNIX", f"'{folder}/agent'")).stdout


def test_the_control_socket_cannot_be_reached(harness: ConfinedHarness) -> None:
    with listening(harness.state / "s"):
        assert "reached" not in harness.run(CONNECT % ("AF_UNIX", f"'{harness.state}/s'")).stdout


@pytest.mark.parametrize("network", [True, False])
def test_the_network_is_available_unless_disabled(tmp_path: Path, network: bool) -> None:
    harness = ConfinedHarness(tmp_path, BwrapOptions(network=network))
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = harness.run(CONNECT % ("AF_INET", server.getsockname())).stdout
        assert ("reached" in said) == network
    abstract = socket.socket(socket.AF_UNIX)
    with abstract:
        abstract.bind(f"\0{tmp_path.name}")
        abstract.listen()
        assert ("reached" in harness.run(CONNECT % ("AF_UNIX", f"b'\\\\0{tmp_path.name}'")).stdout) == network
    own = "import socket as s; v=s.create_server(('127.0.0.1',0)); s.create_connection(v.getsockname()); print('own')"
    assert "own" in harness.run(f'{PYTHON} "{own}"').stdout


@pytest.mark.usefixtures("tmp_shown")
def test_an_ordinary_user_is_confined_as_well() -> None:
    def attempts(folder: Path) -> None:
        harness = ConfinedHarness(folder)
        assert harness.run('ls -d "$OUT"').returncode == 0
        canary = subprocess.Popen(["sleep", "60"])
        try:
            for script in ESCAPES.values():
                judged(harness, script.replace("$CANARY", str(canary.pid)), canary)
                harness.git("clean", "-q", "-f", "-d", "-x", cwd=harness.worktree)
        finally:
            canary.kill()
            canary.wait()

    as_ordinary_user(attempts)


def test_a_session_can_do_its_work(harness: ConfinedHarness) -> None:
    script = """set -e
        echo b > b; git add b; git commit -q -m b; git commit -q --amend -m c
        echo c >> b; git stash -q; git stash pop -q; git checkout -q -- b
        git checkout -q -b side; echo d > d; git add d; git commit -q -m d; git checkout -q swarm/t1
        git merge -q side; git tag v1; git reset -q --hard; git status --porcelain
        echo x > "/tmp/$NAME"; echo x > "/var/tmp/$NAME"; echo x > "$HOME/cache"; echo done"""
    name = f"session-{uuid.uuid4().hex}"
    ended = harness.run(f"NAME={name}\n{script}")
    assert ended.stdout.endswith("done\n"), ended.stderr
    assert "d\n" in harness.git("ls-tree", "--name-only", "swarm/t1")
    assert not Path("/tmp", name).exists()
    assert not Path("/var/tmp", name).exists()
    assert not (harness.home / "cache").exists()
    assert "nothing to commit" in harness.git("status", cwd=harness.worktree)
