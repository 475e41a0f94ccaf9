"""Shared by commands that read plans of other tools."""
