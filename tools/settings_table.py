"""Writes the table in docs/settings.md, from where the settings are declared.

python tools/settings_table.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from msgspec import Struct

from amplifier_swarm.orchestrator import command
from swarm_shared.settings.settings import default_of, described, variable_of

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
BEGIN = "<!-- settings: made by tools/settings_table.py -->\n"
END = "<!-- end of settings -->\n"


def table() -> str:
    """The table as markdown, one row for each setting in the order of their declaration."""
    flags = {option.name: ", ".join((*option.opts, *option.secondary_opts)) for option in command.params}
    lines = ["| setting | flag of `start` | variable | default | meaning |", "|---|---|---|---|---|"]
    for field in described():
        flag = f"`{flags[field.name]}`" if field.name in flags else ""
        variable = "in the file only" if field.metadata.get("file_only") else f"`{variable_of(field.name)}`"
        meaning = field.metadata["help"]
        lines.append(f"| `{field.name}` | {flag} | {variable} | {_shown(default_of(field.name))} | {meaning} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """The page with the current table between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, int | float):
        return f"{default:g}"
    if isinstance(default, Struct):
        return "none stated"
    if not default:
        return "none"
    return f"`{default}`"


def main() -> int:
    """Update the page."""
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
