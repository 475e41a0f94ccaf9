"""`csv_columns` of swarm.yaml: which column of a CSV plan is which key of a task."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from swarm_shared.domain.errors import ConfigError

# The keys of a task that a column may be.
COLUMN_KEYS = (
    *("id", "name", "description", "status", "priority", "phase", "type", "dependencies", "acceptance_criteria"),
    *("files", "labels", "estimated_hours"),
)


def as_csv_columns(raw: object) -> Mapping[str, str]:
    """Keys of a task by the name of their column.

    Raises:
        ConfigError: It is no mapping of texts, or names a key that no column can be.
    """
    if not isinstance(raw, Mapping) or not all(isinstance(each, str) for pair in raw.items() for each in pair):
        raise ConfigError("csv_columns: must be a mapping of texts", hint="lines of the form `Titel: name`")
    for column, key in raw.items():
        if key not in COLUMN_KEYS:
            raise ConfigError(f"csv_columns.{column}: {key!r} is not a key", hint=f"one of: {', '.join(COLUMN_KEYS)}")
    return MappingProxyType(dict(raw))
