"""The agents' own records, while they continue writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The lines so far; an unfinished last line is left out."""
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]
