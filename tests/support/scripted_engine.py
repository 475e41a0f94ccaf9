"""A container engine that is a shell script: it responds as podman or docker do, as configured in its files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_SCRIPT = """#!/bin/sh
# $state holds: calls, identity, silent, hangs, rm-fails, containers/NAME with what `inspect` prints
state=%s
echo "$1" >> $state/calls
[ -e $state/hangs ] && exec sleep 60
if [ -e $state/silent ]; then echo "Cannot connect to the engine" >&2; exit 125; fi
for name; do :; done  # the last word
case "$1 $2" in
    "rm "*)
        if [ -e $state/rm-fails ]; then echo "container cannot be removed" >&2; exit 125; fi
        rm -f $state/containers/$name ;;
    "container exists") [ -e $state/containers/$name ] ;;
    "ps "*) name=${name#name=^/?}; [ ! -e $state/containers/${name%%$} ] || echo 0123 ;;
    "container inspect") cat $state/containers/$name 2> /dev/null || exit 125 ;;
    "info "*) case "$3" in *ootless*) echo false ;; *) cat $state/identity ;; esac ;;
    "run "*)
        if [ -e $state/run-fails ]; then echo "Error: image not known" >&2; exit 125; fi
        while [ "$1" != %s ]; do [ "$1" = --workdir ] && cd "$2"; shift; done
        shift
        . $state/inside
        exec /bin/sh "$@" ;;
esac
"""
IMAGE, IDENTITY = "localhost/scripted:1", "here"


class ScriptedEngine:
    """The program `name`, on a path that has no real engine."""

    def __init__(self, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state = folder / "engine"
        (self.state / "containers").mkdir(parents=True)
        (self.state / "identity").write_text(IDENTITY)
        (self.state / "inside").write_text("")
        self.program = folder / "engine-bin" / name
        self.program.parent.mkdir()
        self.program.write_text(_SCRIPT % (self.state, IMAGE))
        self.program.chmod(0o755)
        for tool in ("cat", "mkdir", "rm", "sh", "sleep"):
            os.symlink(shutil.which(tool) or tool, self.program.parent / tool)
        monkeypatch.setenv("PATH", str(self.program.parent))  # a real engine may be installed

    def has(self, container: str, state: str = "running 0") -> None:
        (self.state / "containers" / container).write_text(f"{state}\n")

    def does(self, name: str) -> None:
        """From now on: `silent`, `hangs`, `rm-fails` or `run-fails`."""
        (self.state / name).touch()

    def stops(self, name: str) -> None:
        (self.state / name).unlink()

    @property
    def calls(self) -> list[str]:
        """The first word of each call so far."""
        path = self.state / "calls"
        return path.read_text().split() if path.exists() else []
