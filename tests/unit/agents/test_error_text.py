"""Terminal error output condensed to one line for users."""

from __future__ import annotations

from swarm_shared.agents.reading.error_text import first_line, last_line, unframed

PANEL = """\
╭─────────────────────────────── Bundle Error ────────────────────────────────╮
│ Bundle not found at file:///srv/x.md. Check the address of the bundle and   │
│ try again.                                                                  │
╰─────────────────────────────────────────────────────────────────────────────╯
"""
WRAPPED = """\
Error: Bundle 'my-own-bundle' not found. Available bundles: amplifier-dev,
anchors, anchors-amp-dev, exp-delegation, foundation
"""


def test_a_panel_becomes_its_title_and_its_text() -> None:
    text = "Bundle Error: Bundle not found at file:///srv/x.md. Check the address of the bundle and try again."
    assert first_line(PANEL) == last_line(f"noise\n{PANEL}") == text


def test_a_wrapped_message_is_one_line_and_the_text_after_it_is_another() -> None:
    text = "Error: Bundle 'my-own-bundle' not found. Available bundles: amplifier-dev, anchors, anchors-amp-dev, "
    assert last_line(WRAPPED) == text + "exp-delegation, foundation"
    assert unframed("Error: short\nnext") == "Error: short\nnext"


def test_a_truncated_panel_and_text_without_any_stay_readable() -> None:
    cut = "\n".join(PANEL.splitlines()[:2])
    assert first_line(cut).startswith("Bundle Error: Bundle not found at file:///srv/x.md.")
    assert unframed("plain\ntext") == "plain\ntext"
