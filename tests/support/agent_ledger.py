"""What agents have written down themselves, while they continue writing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The lines so far; one that is just being written is not there yet."""
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]
