"""Agent CLIs: which ones there are, how a session is started, and what its end means. Pure, no database."""
