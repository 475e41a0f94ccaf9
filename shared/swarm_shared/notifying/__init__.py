"""Notifications: what is reported, to whom, and how a message gets there exactly once."""
