"""Reads the separate log file that an agent CLI writes for each session, for data that its output lacks."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.cli_events import Said, read_events

# The model is named at the beginning and totals at the end; what is between is not read.
END_BYTES = 1_000_000


def read_session_log(cli: AgentCli, env: Mapping[str, str], session_id: str | None, *, since: int = 0) -> Said:
    """Models and usage of a session from its log; nothing where the CLI keeps none, or it is not there.

    Args:
        env: The environment that the session had.
        since: From which byte on to read.
    """
    path = _log_of(cli, env, session_id)
    return Said() if cli.session_log is None or path is None else read_events(cli.session_log.rules, _ends(path, since))


def log_size(cli: AgentCli, env: Mapping[str, str], session_id: str | None) -> int:
    """Bytes in the log of a session; 0 if there is none."""
    path = _log_of(cli, env, session_id)
    try:
        return 0 if path is None else path.stat().st_size
    except OSError:
        return 0


def _log_of(cli: AgentCli, env: Mapping[str, str], session_id: str | None) -> Path | None:
    log = cli.session_log
    if log is None or not session_id or "/" in session_id:
        return None
    folder = env.get(log.folder_variable) or os.path.join(env.get("HOME", "/"), log.folder)
    pattern = log.files.replace("{session_id}", glob.escape(session_id))
    found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
    return Path(found[-1]) if found else None


def _ends(path: Path, since: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(since)
            text = file.read(END_BYTES)
            size = os.fstat(file.fileno()).st_size
            if size > since + END_BYTES:
                file.seek(max(since + END_BYTES, size - END_BYTES))
                text += b"\n" + file.read(END_BYTES)
    except OSError:
        return ""
    return text.decode("utf-8", "replace")
