"""Conformance of the real agent CLIs; see docs/agents.md."""
