"""Estimates and graphs of a list of tasks, before anything runs."""
