"""Reads what an agent CLI writes to a separate log file for each session, where its output lacks it."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.cli_events import Said, read_events

# The model is named at the beginning and totals at the end; what is between is not read.
END_BYTES = 1_000_000


def read_session_log(cli: AgentCli, env: Mapping[str, str], session_id: str | None) -> Said:
    """Models and usage of a session from its log; nothing where the CLI keeps none, or it is not there.

    Args:
        env: The environment that the session had.
    """
    log = cli.session_log
    if log is None or not session_id or "/" in session_id:
        return Said()
    folder = env.get(log.folder_variable) or os.path.join(env.get("HOME", "/"), log.folder)
    pattern = log.files.replace("{session_id}", glob.escape(session_id))
    found = sorted(glob.glob(os.path.join(glob.escape(folder), pattern)))
    return read_events(log.rules, _ends(Path(found[-1]))) if found else Said()


def _ends(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(END_BYTES)
            size = os.fstat(file.fileno()).st_size
            if size > END_BYTES:
                file.seek(max(END_BYTES, size - END_BYTES))
                text += b"\n" + file.read(END_BYTES)
    except OSError:
        return ""
    return text.decode("utf-8", "replace")
