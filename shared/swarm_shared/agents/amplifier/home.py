"""The Amplifier CLI's own files: session folders, settings, and fetched bundles."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

EVENTS_FILE = "events.jsonl"
TRANSCRIPT_FILE = "transcript.jsonl"
# A bundle's name is at the top of its file.
_BUNDLE_HEAD_CHARS = 1_000


def settings_home(env: Mapping[str, str]) -> Path:
    """`~/.amplifier`: settings and sessions, which AMPLIFIER_HOME does not move."""
    home = env.get("HOME")
    return (Path(home) if home else Path.home()) / ".amplifier"


def bundles_home(env: Mapping[str, str]) -> Path:
    """The folder of the bundle registry and the cache, which AMPLIFIER_HOME does move."""
    moved = env.get("AMPLIFIER_HOME")
    return Path(moved).expanduser() if moved else settings_home(env)


def sessions_folder(env: Mapping[str, str], cwd: Path) -> Path:
    """The folder of all sessions that ran in a working directory; it need not exist.

    Two directories may share one: `/` becomes `-`, so `/a-b/c` and `/a/b-c` collide.
    """
    slug = str(cwd.resolve()).replace("/", "-").replace("\\", "-").replace(":", "")
    return settings_home(env) / "projects" / (slug if slug.startswith("-") else f"-{slug}") / "sessions"


def is_sub_session(session_id: str) -> bool:
    """Whether the id belongs to a delegated agent; sessions that can be resumed have other ids."""
    return "_" in session_id


def sessions_since(folder: Path, since_ms: int) -> Iterator[tuple[str, os.stat_result]]:
    """Session ids and the state of their events files, of sessions whose folder changed since a wall time.

    A folder changes when a file is put into it: at its first event, and at its end. File systems may round
    times down, so the last second before counts too.
    """
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.stat().st_mtime * 1000 < since_ms - 1000:
                continue
            yield entry.name, os.stat(os.path.join(entry.path, EVENTS_FILE))
        except OSError:
            continue  # no events yet, or just deleted


def registered_bundles(env: Mapping[str, str]) -> Mapping[str, Path | None] | None:
    """Bundle name to its folder in the cache (None: not fetched yet); None when no registry is readable."""
    try:
        stored: Any = json.loads((bundles_home(env) / "registry.json").read_text(encoding="utf-8"))
        states = stored["bundles"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Every start of the CLI rewrites the file without a lock: treat an incomplete file as missing.
        return None
    bundles: dict[str, Path | None] = {}
    for name, state in states:
        local = state.get("local_path") if isinstance(state, Mapping) else None
        path = Path(local) if isinstance(local, str) and local else None
        if path is not None and path.is_file():
            path = path.parent
        bundles[str(name)] = path if path is not None and path.is_dir() else None
    return bundles


def cached_agents(env: Mapping[str, str], bundle: str) -> tuple[str, ...]:
    """Names of the agents of a bundle whose repository is in the cache, even if only parts of it are registered."""
    named = re.compile(rf"^\s+name:\s*['\"]?{re.escape(bundle)}['\"]?\s*$", re.MULTILINE)
    found: set[str] = set()
    for file in (bundles_home(env) / "cache").glob("*/bundle.*"):
        try:
            if named.search(file.read_text(encoding="utf-8", errors="replace")[:_BUNDLE_HEAD_CHARS]):
                found.update(agents_in(file.parent))
        except OSError:
            continue
    return tuple(sorted(found))


def agents_in(bundle: Path) -> tuple[str, ...]:
    """Names of the agents that a bundle's folder holds."""
    try:
        return tuple(sorted(entry.stem for entry in (bundle / "agents").iterdir() if entry.suffix == ".md"))
    except OSError:
        return ()
