"""Agent CLIs: the presets, how to start a session, and how to interpret its end. Pure functions, no database."""
