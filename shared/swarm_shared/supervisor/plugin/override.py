"""The file that keeps what the environment and `scale` change in supervisord.conf, as an included override.

Because the change is in a file that supervisord reads, files and live state always agree: `reread` and
`update` find nothing to do, and `reload` keeps it. It ends with the supervisord that wrote it.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

WORKERS = "swarm-worker"
REAPER = "swarm-reaper"
DASHBOARD = "swarm-dashboard"
MAX_WORKERS = 256
MAX_DIGITS = 4
OVERRIDE = "supervisord.d/50-scale.conf"  # next to the main file, which includes it
STOP_MARGIN_S = 30  # from the end of a worker's graceful timeout to supervisord's SIGKILL
MAX_GRACE_S = 7 * 86_400
OFF_WORDS = frozenset({"0", "off", "false", "no"})

Sections = dict[str, dict[str, int | str]]


def apply_environment(supervisord: Any) -> None:
    """Begin with an override that says what the environment asks, whatever an earlier supervisord left."""
    options = supervisord.options

    def complain(text: str) -> None:
        sys.stderr.write(f"amplifier-swarm: {text}\n")
        options.logger.warn(text)

    before = read_override(options)
    try:
        write_override(options, render(sections_from(os.environ, complain)))
    except OSError as error:
        complain(f"cannot write {OVERRIDE}, SWARM_… settings are not applied to it: {error.strerror}")
    if read_override(options) == before:
        return
    options.process_config(do_usage=False)
    # Nothing has been spawned yet: make the groups again, as supervisord did a moment ago.
    for name in list(supervisord.process_groups):
        supervisord.remove_process_group(name)
    for config in options.process_group_configs:
        supervisord.add_process_group(config)


def sections_from(environ: Mapping[str, str], complain: Callable[[str], None]) -> Sections:
    """What the SWARM_… variables change in supervisord.conf; a bad value is reported and ignored."""
    sections: Sections = {f"program:{WORKERS}": {}, f"program:{DASHBOARD}": {}}
    name = "SWARM_WORKERS" if environ.get("SWARM_WORKERS") else "SWARM_MAX_WORKERS"
    if text := environ.get(name):
        workers = parse_workers(text)
        if workers is None:
            complain(f"{name}={text!r} is not a number from 0 to {MAX_WORKERS}: using the default")
        else:
            sections[f"program:{WORKERS}"]["numprocs"] = workers
    if text := environ.get("SWARM_GRACEFUL_TIMEOUT_S"):
        grace_s = _parse_seconds(text)
        if grace_s is None:
            complain(f"SWARM_GRACEFUL_TIMEOUT_S={text!r} is not a number of seconds: using the default")
        else:
            sections[f"program:{WORKERS}"]["stopwaitsecs"] = math.ceil(grace_s) + STOP_MARGIN_S
    if environ.get("SWARM_DASHBOARD", "").strip().lower() in OFF_WORDS:
        sections[f"program:{DASHBOARD}"]["autostart"] = "false"
    return sections


def parse_workers(text: str) -> int | None:
    """A number of workers from 0 to 256; None for anything else."""
    text = text.strip()
    if not text.isdecimal() or len(text) > MAX_DIGITS or int(text) > MAX_WORKERS:
        return None
    return int(text)


def _parse_seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds <= MAX_GRACE_S else None


def render(sections: Sections, *, workers: int | None = None) -> str:
    """The override's text; empty when there is nothing to override."""
    if workers is not None:
        sections[f"program:{WORKERS}"]["numprocs"] = workers
    return "".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in keys.items())
        for name, keys in sections.items()
        if keys
    )


def read_override(options: Any) -> str:
    """The override's text; empty if there is none."""
    path = Path(options.here, OVERRIDE)
    return path.read_text() if path.exists() else ""


def write_override(options: Any, text: str) -> None:
    """Replace the override in one step, as half of one would break the next start; no text removes it.

    Raises:
        OSError: The folder is missing or not ours to write.
    """
    path = Path(options.here, OVERRIDE)
    if text:
        draft = path.with_suffix(".new")
        draft.write_text(text)
        draft.replace(path)
    else:
        path.unlink(missing_ok=True)
